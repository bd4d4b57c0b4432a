import Foundation
import GRDB
import SluiceCounting
import Testing

@testable import SluiceStore

/// What becomes of a caller's use when its plan changes between day and month, in memory and on disk: one rule, whatever comes late.
@Suite("Use of plans by either calendar")
struct PlanCalendarTests {
    /// What one process holds of a window.
    private struct Held {
        var window: UInt64
        var granted: UInt64 = 0
        var spent: UInt64 = 0
    }

    /// One caller, whose plan has a limit by day or by month. It spends only what was granted; purses of the other calendar give back late, or never.
    private final class Caller {
        static let limit: UInt64 = 40
        let store: any AllowanceStore
        let name: String
        var held: [UInt64: Held] = [:]
        /// Purses that are closed, and give back what lies in them with a later round.
        var late: [(key: QuotaKey, held: Held)] = []
        /// What was spent in the period of the latest request, and before it in another calendar's that was present when the caller changed over.
        var used: UInt64 = 0
        var period: (perSeconds: UInt64, window: UInt64)?
        var replies: [AllowanceReplies.QuotaReply] = []

        init(_ store: any AllowanceStore, _ name: String) {
            self.store = store
            self.name = name
        }

        func key(_ perSeconds: UInt64) -> QuotaKey { QuotaKey(caller: name, perSeconds: perSeconds) }

        func ask(_ key: QuotaKey, _ held: inout Held, at seconds: UInt64, givenBack: UInt64 = 0, wanted: UInt64) throws {
            held.granted -= givenBack
            let request = AllowanceBatch.QuotaRequest(
                key: key, window: held.window, limit: Self.limit, granted: held.granted, givenBack: givenBack, wanted: wanted)
            let reply = try #require(try store.exchange(AllowanceBatch(sequence: 1, quotas: [request], seconds: seconds)).quotas.first)
            replies.append(reply)
            held.granted = reply.granted
        }

        func spend(_ count: UInt64, per perSeconds: UInt64, at seconds: UInt64) throws {
            let window = key(perSeconds).window(at: seconds)
            if let period, key(period.perSeconds).window(at: seconds) != period.window { used = 0 }
            period = (perSeconds, window)
            var own = held[perSeconds].flatMap { $0.window == window ? $0 : nil } ?? Held(window: window)
            if own.granted - own.spent < count { try ask(key(perSeconds), &own, at: seconds, wanted: count + 3) }
            let spent = min(count, own.granted - own.spent)
            own.spent += spent
            used += spent
            held[perSeconds] = own
        }

        /// The plan goes by the other calendar from here on; what was used stays.
        func change(to perSeconds: UInt64) {
            let other = key(perSeconds).other!.perSeconds
            if let old = held.removeValue(forKey: other) { late.append((key(other), old)) }
        }

        /// What comes late is said, or lost with a process.
        func giveBack(_ place: Int, at seconds: UInt64, isLost: Bool) throws {
            guard !late.isEmpty else { return }
            var (key, old) = late.remove(at: place % late.count)
            if !isLost { try ask(key, &old, at: seconds, givenBack: old.granted - old.spent, wanted: 0) }
        }
    }

    private struct Random {
        var state: UInt64
        mutating func next(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
    }

    @Test("whatever comes late, memory and disk say the same, and no period has more than the limit", arguments: 1...60 as ClosedRange<UInt64>)
    func model(_ seed: UInt64) throws {
        var random = Random(state: seed)
        let folder = try TemporaryFolder()
        let start = 1_800_000_000 + Int(random.next(100 * 86_400))
        let time = TestTime(seconds: start)
        var seconds = UInt64(start)
        let database = try StateDatabase(directory: folder.path, time: time.store)
        let callers = [Caller(MemoryStore(), "alice/*"), Caller(database, "alice/*")]
        var period = QuotaKey.day
        for step in 0..<150 {
            let (choice, count, place) = (random.next(10), 1 + random.next(6), Int(random.next(4)))
            switch choice {
            case 0...4: for caller in callers { try caller.spend(count, per: period, at: seconds) }
            case 5, 6:
                period = period == QuotaKey.day ? QuotaKey.month : QuotaKey.day
                for caller in callers { caller.change(to: period) }
            case 7, 8: for caller in callers { try caller.giveBack(place, at: seconds, isLost: count == 6) }
            default:
                let passed = random.next(count == 6 ? 900_000 : 20_000)
                seconds += passed
                time.pass(seconds: Double(passed))
            }
            try #require(callers.allSatisfy { $0.used <= Caller.limit }, "step \(step): \(callers.map(\.used)) of \(Caller.limit)")
            try #require(callers[0].replies.last == callers[1].replies.last, "step \(step)")
        }
        database.close()
    }

    @Test("what is given back late begins no window, so that the next change of the plan finds what was used")
    func late() throws {
        let folder = try TemporaryFolder()
        let time = TestTime(seconds: 1_800_000_000)
        for store in [MemoryStore(), try StateDatabase(directory: folder.path, time: time.store)] as [any AllowanceStore] {
            let (day, month) = (QuotaKey(caller: "alice/*", perSeconds: QuotaKey.day), QuotaKey(caller: "alice/*", perSeconds: QuotaKey.month))
            func ask(_ key: QuotaKey, granted: UInt64 = 0, givenBack: UInt64 = 0, wanted: UInt64) throws -> AllowanceReplies.QuotaReply {
                try #require(try store.exchange(AllowanceBatch(sequence: 1, quotas: [
                    .init(key: key, window: key.window(at: 1_800_000_000), limit: 10, granted: granted, givenBack: givenBack, wanted: wanted),
                ], seconds: 1_800_000_000)).quotas.first)
            }
            #expect(try ask(month, wanted: 8).granted == 8)
            // By the day now, which begins with the eight. Of the month six were not spent, and that is said too late.
            #expect(try ask(day, wanted: 2).total == 10)
            #expect(try ask(month, granted: 2, givenBack: 6, wanted: 0).granted == 2)
            #expect(try ask(month, wanted: 9) == .init(granted: 0, total: 10))
        }
    }

    @Test("rows of counts that cannot be what was written count as all of their window, and the next window is whole", arguments: [
        "reserved = -5", "reserved = 'x'", "reserved = NULL", "number = 'x'", "number = -1", "lead = 'x'", "lead = x'00'",
    ])
    func damaged(_ assignment: String) throws {
        let folder = try TemporaryFolder()
        let time = TestTime(seconds: 1_800_000_000)
        let key = QuotaKey(caller: "alice/*", perSeconds: QuotaKey.day)
        func ask(_ store: StateDatabase, _ key: QuotaKey) throws -> UInt64 {
            let seconds = UInt64(time.store.wall() / 1_000_000)
            return try #require(try store.exchange(AllowanceBatch(sequence: 1, quotas: [
                .init(key: key, window: key.window(at: seconds), limit: 10, granted: 0, wanted: 1),
            ])).quotas.first).granted
        }
        do {
            let store = try StateDatabase(directory: folder.path, time: time.store)
            #expect(try ask(store, key) == 1)
            store.close()
            let queue = try DatabaseQueue(path: folder[StateDatabase.fileName])
            try queue.writeWithoutTransaction { database in
                if assignment.contains("NULL") {
                    try database.execute(sql: "CREATE TABLE other AS SELECT * FROM reservation; DROP TABLE reservation; ALTER TABLE other RENAME TO reservation; CREATE UNIQUE INDEX i ON reservation (owner, per_seconds, place)")
                }
                try database.execute(sql: "UPDATE reservation SET \(assignment)")
            }
            try queue.close()
        }
        let store = try StateDatabase(directory: folder.path, time: time.store)
        _ = try store.usage(wallSeconds: 1_800_000_000)
        #expect(try ask(store, key) == 0)
        #expect(try ask(store, key) == 0)
        time.pass(seconds: 2 * 86_400)
        #expect(try ask(store, key) == 1)
        store.close()
    }

    @Test("a clock in the file that cannot be what was written traps nothing", arguments: ["last = 'x'", "logical = 'x'", "logical = 9223372036854775807", "last = -9223372036854775808"])
    func clock(_ assignment: String) throws {
        let folder = try TemporaryFolder()
        let time = TestTime(seconds: 1_800_000_000)
        try StateDatabase(directory: folder.path, time: time.store).close()
        let queue = try DatabaseQueue(path: folder[StateDatabase.fileName])
        try queue.writeWithoutTransaction { try $0.execute(sql: "UPDATE clock SET \(assignment)") }
        try queue.close()
        let store = try StateDatabase(directory: folder.path, time: time.store)
        let key = QuotaKey(owner: "orders", perSeconds: 60)
        for _ in 0..<3 {
            time.pass(seconds: 1)
            _ = try store.exchange(AllowanceBatch(sequence: 1, quotas: [.init(key: key, window: 30_000_000, limit: 10, granted: 0, wanted: 1)]))
        }
        store.close()
    }
}
