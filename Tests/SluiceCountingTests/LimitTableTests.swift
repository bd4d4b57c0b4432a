import Glibc
import Testing

@testable import SluiceCounting

@Suite("Callers' limits")
struct LimitTableTests {
    private static let second: UInt64 = 1_000_000_000
    private static let start: UInt64 = 5_000 * second

    private static func key(_ number: UInt64) -> LimitKey {
        LimitKey(low: number &* 0x9E37_79B9_7F4A_7C15 ^ 0xABCD, high: (number &+ 77) &* 0xD6E8_FEB8_6659_FD93)
    }

    /// A table that is given back when the test is over.
    private func withTable(keys: Int = 1000, _ body: (LimitTable) throws -> Void) rethrows {
        let table = LimitTable(keys: keys)
        defer { table.free() }
        try body(table)
    }

    @Test("all of a limit may come at once, and one more may not", arguments: [1, 2, 13, 14, 15, 28, 29, 1000, 10_000_000] as [UInt64])
    func burst(limit: UInt64) {
        withTable { table in
            let rule = LimitRule(limit: limit, perSeconds: 1)
            // The rest of a large limit is what its slots have left.
            let count = min(limit, 20_000)
            for _ in 0..<count { #expect(table.take(Self.key(1), rule, now: Self.start) == .taken) }
            #expect(table.rest(of: Self.key(1), rule, now: Self.start).remaining == limit - count)
            guard count == limit else { return }
            #expect(table.take(Self.key(1), rule, now: Self.start) == .exhausted)
            #expect(table.take(Self.key(2), rule, now: Self.start) == .taken)
        }
    }

    @Test("the last admission counts until its interval is over, and two thousandths of a second for its way")
    func interval() {
        withTable { table in
            let rule = LimitRule(limit: 1, perSeconds: 60)
            #expect(table.take(Self.key(1), rule, now: Self.start) == .taken)
            let end = Self.start + 60 * Self.second
            #expect(table.take(Self.key(1), rule, now: end + 1_999_999) == .exhausted)
            #expect(table.take(Self.key(1), rule, now: end + 2_000_000 + 2 * 65_536) == .taken)
        }
    }

    @Test("a caller is told to the nanosecond when it is admitted again")
    func wait() {
        withTable { table in
            let rule = LimitRule(limit: 3, perSeconds: 10)
            for index in 0..<3 as Range<UInt64> { #expect(table.take(Self.key(1), rule, now: Self.start + index * Self.second) == .taken) }
            let now = Self.start + 4 * Self.second
            let rest = table.rest(of: Self.key(1), rule, now: now)
            #expect(rest.remaining == 0 && rest.wait > 6 * Self.second && rest.wait <= 6 * Self.second + 2_200_000)
            #expect(table.take(Self.key(1), rule, now: now + rest.wait - 1) == .exhausted)
            #expect(table.take(Self.key(1), rule, now: now + rest.wait) == .taken)
            #expect(table.take(Self.key(1), rule, now: now + rest.wait) == .exhausted)
        }
    }

    @Test("a caller that nobody knows has all of its limit left")
    func unknown() {
        withTable { table in
            #expect(table.rest(of: Self.key(1), LimitRule(limit: 7, perSeconds: 1), now: Self.start) == .init(remaining: 7, wait: 0))
        }
    }

    @Test("whoever keeps to a limit of up to fourteen is never refused, however its requests are spaced", arguments: 1...14 as ClosedRange<UInt64>)
    func spacing(limit: UInt64) {
        withTable { table in
            var state: UInt64 = limit
            let rule = LimitRule(limit: limit, perSeconds: 1)
            var times: [UInt64] = []
            var now = Self.start
            for _ in 0..<5000 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                now += state >> 35
                let isAllowed = times.filter { $0 + Self.second + 2_000_000 + 2 * 65_536 > now }.count < limit
                let outcome = table.take(Self.key(1), rule, now: now)
                if isAllowed { #expect(outcome == .taken) }
                if outcome == .taken { times.append(now) }
            }
        }
    }

    @Test("of a large limit thirteen fourteenths are never refused, evenly spaced or not")
    func steady() {
        withTable { table in
            let limit: UInt64 = 1400
            let rule = LimitRule(limit: limit, perSeconds: 1)
            #expect(rule.slack == 99)
            let step = (Self.second + 2_200_000) / (limit - rule.slack)
            for index in 0..<10_000 as Range<UInt64> {
                #expect(table.take(Self.key(1), rule, now: Self.start + index * (step + 1)) == .taken)
            }
        }
    }

    @Test("another limit goes on with what was counted: a lower one is in force at once, a higher one adds what it is higher by")
    func change() {
        for (before, after) in [(20, 5), (5, 20), (14, 3), (3, 14), (100, 15), (15, 100)] as [(UInt64, UInt64)] {
            withTable { table in
                let (old, new) = (LimitRule(limit: before, perSeconds: 1), LimitRule(limit: after, perSeconds: 1))
                for _ in 0..<before { #expect(table.take(Self.key(1), old, now: Self.start) == .taken) }
                var admitted = before
                while table.take(Self.key(1), new, now: Self.start + 1) == .taken { admitted += 1 }
                #expect(admitted == max(before, after))
                // Back again, which is what requests of the old configuration that are under way do.
                #expect(table.take(Self.key(1), old, now: Self.start + 2) == .exhausted)
                var next: UInt64 = 0
                while table.take(Self.key(1), new, now: Self.start + 2 * Self.second) == .taken { next += 1 }
                #expect(next == after)
            }
        }
    }

    @Test("what is taken back was never charged")
    func undo() {
        for limit in [1, 5, 40] as [UInt64] {
            withTable { table in
                let rule = LimitRule(limit: limit, perSeconds: 1)
                for _ in 0..<1000 {
                    var charge = LimitCharge.none
                    #expect(table.take(Self.key(1), rule, now: Self.start, charge: &charge) == .taken)
                    table.undo(rule, &charge)
                    #expect(!charge.isCharged)
                }
                var (first, second) = (LimitCharge.none, LimitCharge.none)
                _ = table.take(Self.key(1), rule, now: Self.start, charge: &first)
                _ = table.take(Self.key(1), rule, now: Self.start, charge: &second)
                table.undo(rule, &first)
                #expect(table.rest(of: Self.key(1), rule, now: Self.start).remaining == limit - (limit > 1 ? 1 : 0))
            }
        }
    }

    @Test("taking back does not take along what another request was moved to")
    func undoBesideMove() {
        withTable { table in
            let rule = LimitRule(limit: 28, perSeconds: 1)
            let late = Self.start + 900_000_000
            var (slow, refused) = (LimitCharge.none, LimitCharge.none)
            #expect(table.take(Self.key(1), rule, now: Self.start, charge: &slow) == .taken)
            #expect(table.take(Self.key(1), rule, now: late, charge: &refused) == .taken)
            #expect(table.move(Self.key(1), rule, now: late, charge: &slow) == .taken)
            table.undo(rule, &refused)
            // The slow one has left at `late`: of an interval that begins there it is one.
            var admitted = 1
            while table.take(Self.key(1), rule, now: Self.start + 1_002_400_000) == .taken { admitted += 1 }
            #expect(admitted <= 28, "\(admitted)")
        }
    }

    @Test("what leaves late counts from then on; what waited for longer than its interval is charged anew")
    func move() {
        withTable { table in
            let rule = LimitRule(limit: 1, perSeconds: 1)
            var charge = LimitCharge.none
            #expect(LimitTable.isLate(charge, now: Self.start))
            #expect(table.take(Self.key(1), rule, now: Self.start, charge: &charge) == .taken)
            #expect(!LimitTable.isLate(charge, now: Self.start + 1_000_000))
            let late = Self.start + 900_000_000
            #expect(LimitTable.isLate(charge, now: late))
            #expect(table.move(Self.key(1), rule, now: late, charge: &charge) == .taken)
            #expect(!LimitTable.isLate(charge, now: late))
            #expect(table.take(Self.key(1), rule, now: Self.start + Self.second + 3_000_000) == .exhausted)
            // Another has had its turn meanwhile.
            let muchLater = late + Self.second + 3_000_000
            #expect(table.take(Self.key(1), rule, now: muchLater) == .taken)
            #expect(table.move(Self.key(1), rule, now: muchLater + 1, charge: &charge) == .exhausted)
            #expect(!charge.isCharged)
            var none = LimitCharge.none
            #expect(table.move(Self.key(2), rule, now: muchLater, charge: &none) == .taken)
        }
    }

    @Test("a worker whose clock is behind admits nothing that one with a later clock has used")
    func clockBehind() {
        withTable { table in
            let rule = LimitRule(limit: 2, perSeconds: 1)
            #expect(table.take(Self.key(1), rule, now: Self.start + 5 * Self.second) == .taken)
            #expect(table.take(Self.key(1), rule, now: Self.start) == .taken)
            #expect(table.take(Self.key(1), rule, now: Self.start) == .exhausted)
        }
    }

    // MARK: Memory

    @Test("a table has room for as many callers as it was made for, at 211 bytes each", arguments: [1000, 100_000, 1_000_000])
    func room(keys: Int) {
        withTable(keys: keys) { table in
            #expect(LimitTable.bytesOfKey == 211)
            #expect(table.bytes <= UInt64(keys * LimitTable.bytesOfKey) + 2000)
            let rule = LimitRule(limit: 1, perSeconds: 3600)
            var full = 0
            for number in 0..<keys where table.take(Self.key(UInt64(number)), rule, now: Self.start) != .taken { full += 1 }
            // Two buckets of seven for each, of which two thirds are taken.
            #expect(full <= keys / 50_000)
            #expect(table.usedPlaces == UInt64(keys - full) && table.fullTimes == UInt64(full))
            var again = 0
            for number in 0..<keys where table.take(Self.key(UInt64(number)), rule, now: Self.start + Self.second) == .taken { again += 1 }
            #expect(again == 0)
        }
    }

    @Test("where the system has less memory, there is room for fewer")
    func littleMemory() {
        let table = LimitTable(keys: 100_000) { $0 < 3_000_000 ? calloc(1, $0) : nil }
        defer { table.free() }
        #expect(table.room > 10_000 && table.room < 14_200 && table.bytes < 3_000_000)
        #expect(table.take(Self.key(1), LimitRule(limit: 1, perSeconds: 1), now: Self.start) == .taken)
    }

    @Test("who is counted keeps its place while it counts; then it makes room for others, and the memory stays what it was")
    func forgetting() {
        withTable(keys: 200) { table in
            let rule = LimitRule(limit: 1, perSeconds: 1)
            var number: UInt64 = 0
            for round in 0..<50 as Range<UInt64> {
                let now = Self.start + round * 2 * Self.second
                var taken: [UInt64] = []
                for _ in 0..<2000 {
                    number += 1
                    if table.take(Self.key(number), rule, now: now) == .taken { taken.append(number) }
                }
                #expect(taken.count >= 200 && UInt64(taken.count) <= table.places)
                for key in taken { #expect(table.take(Self.key(key), rule, now: now + Self.second) == .exhausted) }
            }
            #expect(table.usedPlaces <= table.places)
        }
    }

    @Test("nobody loses its place to a limit with a shorter interval")
    func mixedIntervals() {
        withTable(keys: 5) { table in
            let (long, short) = (LimitRule(limit: 1, perSeconds: 3600), LimitRule(limit: 1, perSeconds: 1))
            let isKnown = table.take(Self.key(1), long, now: Self.start) == .taken
            #expect(isKnown)
            for number in 2..<10_000 as Range<UInt64> { _ = table.take(Self.key(number), short, now: Self.start + number * Self.second / 10) }
            #expect(table.take(Self.key(1), long, now: Self.start + 1001 * Self.second) == .exhausted)
        }
    }

    @Test("keys that differ in one half only are others")
    func keys() {
        withTable { table in
            let rule = LimitRule(limit: 1, perSeconds: 1)
            #expect(table.take(LimitKey(low: 2, high: 1), rule, now: Self.start) == .taken)
            #expect(table.take(LimitKey(low: 2, high: 2), rule, now: Self.start) == .taken)
            #expect(table.take(LimitKey(low: 4, high: 1), rule, now: Self.start) == .taken)
            #expect(table.take(LimitKey(low: 0, high: 0), rule, now: Self.start) == .taken)
            #expect(table.take(LimitKey(low: 0, high: 0), rule, now: Self.start) == .exhausted)
        }
    }
}

extension LimitTableTests {
    @Test("nodes that divide a limit admit no more than it together, and no less than one each", arguments: [
        (10, 2, 10), (10, 3, 9), (3, 3, 3), (29, 2, 28), (1, 2, 2), (2, 5, 5), (10_000_000, 1, 10_000_000),
    ] as [(UInt64, UInt64, UInt64)])
    func nodes(limit: UInt64, nodes: UInt64, together: UInt64) {
        let part = LimitRule(limit: limit, perSeconds: 1).part(of: nodes)
        #expect(part.limit * nodes == together)
        #expect(part == LimitRule(limit: part.limit, perSeconds: 1))
    }
}
