import Testing

@testable import SluiceGateway

/// The wheel on a clock that the tests move, in milliseconds.
@Suite("Deadline wheel")
struct DeadlineWheelTests {
    private final class Bench {
        var wheel: DeadlineWheel
        let entries: UnsafeMutablePointer<Deadline>
        let count: Int

        init(entries count: Int, now: UInt64 = 1000) {
            wheel = DeadlineWheel(now: now, tick: 10)
            self.count = count
            entries = .allocate(capacity: count)
            for index in 0..<count { (entries + index).initialize(to: Deadline(kind: .client)) }
        }

        deinit {
            wheel.deallocate()
            entries.deallocate()
        }

        func expired(at now: UInt64) -> [Int] {
            var found: [Int] = []
            while let entry = wheel.nextExpired(at: now) { found.append(entry - entries) }
            return found.sorted()
        }
    }

    @Test("an entry expires in the tick after its deadline, not before")
    func expires() {
        let bench = Bench(entries: 1)
        bench.wheel.set(bench.entries, at: 1055)
        #expect(bench.expired(at: 1054) == [])
        #expect(bench.expired(at: 1059) == [])
        #expect(bench.expired(at: 1070) == [0])
        #expect(bench.expired(at: 5000) == [])
    }

    @Test("a deadline that was put off expires at the later time only")
    func postponed() {
        let bench = Bench(entries: 1)
        bench.wheel.set(bench.entries, at: 1050)
        bench.wheel.set(bench.entries, at: 1500)
        #expect(bench.expired(at: 1490) == [])
        #expect(bench.expired(at: 1520) == [0])
    }

    @Test("a deadline that was brought forward expires at the earlier time")
    func broughtForward() {
        let bench = Bench(entries: 1)
        bench.wheel.set(bench.entries, at: 60_000)
        bench.wheel.set(bench.entries, at: 1100)
        #expect(bench.expired(at: 1120) == [0])
    }

    @Test("the next look is planned for the first entry, or for the limit if there is none before it")
    func plans() {
        let bench = Bench(entries: 2)
        #expect(bench.wheel.plan(until: 3000) == 3010)
        bench.wheel.set(bench.entries, at: 2055)
        #expect(bench.wheel.plan(until: 3000) == 2060)
        bench.wheel.set(bench.entries + 1, at: 1500)
        // Known without a search, so that whoever sleeps can be woken.
        #expect(bench.wheel.earliest == 1500)
        #expect(bench.wheel.plan(until: 3000) == 1510)
        #expect(bench.expired(at: 1510) == [1])
        #expect(bench.wheel.plan(until: 3000) == 2060)
        #expect(bench.expired(at: 2060) == [0])
        #expect(bench.wheel.plan(until: 3000) == 3010)
        bench.wheel.note(2100)
        #expect(bench.wheel.earliest == 2100)
    }

    @Test("whoever looks only when it is planned sees every deadline within two ticks of its time")
    func planned() {
        let bench = Bench(entries: 50)
        var random = SystemRandomNumberGenerator()
        var now: UInt64 = 1000
        var due = [UInt64](repeating: .max, count: 50)
        var wake = bench.wheel.plan(until: now + 2000)
        for _ in 0..<20_000 {
            now += UInt64.random(in: 0...40, using: &random)
            if now >= wake {
                for index in bench.expired(at: now) {
                    #expect(due[index] <= now)
                    due[index] = .max
                }
                for index in 0..<50 where due[index] != .max { #expect(due[index] + 60 > now, "\(due[index]) at \(now)") }
                wake = bench.wheel.plan(until: now + 2000)
            }
            let index = Int.random(in: 0..<50, using: &random)
            due[index] = now + UInt64.random(in: 1...15_000, using: &random)
            bench.wheel.set(bench.entries + index, at: due[index])
            if bench.wheel.earliest + 10 < wake { wake = bench.wheel.plan(until: now + 2000) }
        }
    }

    @Test("deadlines beyond one round of the wheel", arguments: [10_000, 10_240, 75_000, 3_600_000] as [UInt64])
    func beyondOneRound(after: UInt64) {
        let bench = Bench(entries: 1)
        bench.wheel.set(bench.entries, at: 1000 + after)
        var now: UInt64 = 1000
        while now + 10 < 1000 + after {
            #expect(bench.expired(at: now) == [])
            now += after / 37 + 1
        }
        #expect(bench.expired(at: 1000 + after + 20) == [0])
    }

    @Test("an entry without a limit never expires, and one that is removed neither")
    func never() {
        let bench = Bench(entries: 2)
        bench.wheel.set(bench.entries, at: 1050)
        bench.wheel.set(bench.entries, at: Deadline.never)
        bench.wheel.set(bench.entries + 1, at: 1050)
        bench.wheel.remove(bench.entries + 1)
        #expect(bench.expired(at: 100_000) == [])
        bench.wheel.set(bench.entries, at: 100_050)
        #expect(bench.expired(at: 100_070) == [0])
    }

    @Test("what expires may remove and set others that are due at the same moment")
    func changesWhileExpiring() {
        let bench = Bench(entries: 3)
        for index in 0..<3 { bench.wheel.set(bench.entries + index, at: 1050) }
        guard let first = bench.wheel.nextExpired(at: 1100) else {
            Issue.record("nothing expired")
            return
        }
        let others = (0..<3).map { bench.entries + $0 }.filter { $0 != first }
        bench.wheel.remove(others[0])
        bench.wheel.set(others[1], at: 2000)
        #expect(bench.wheel.nextExpired(at: 1100) == nil)
        #expect(bench.wheel.nextExpired(at: 2020) == others[1])
    }

    @Test("after a stop of the process everything that is due expires, and nothing else")
    func longStop() {
        let bench = Bench(entries: 3)
        bench.wheel.set(bench.entries, at: 1500)
        bench.wheel.set(bench.entries + 1, at: 9000)
        bench.wheel.set(bench.entries + 2, at: 2_000_000)
        #expect(bench.expired(at: 1_000_000) == [0, 1])
        #expect(bench.expired(at: 2_000_020) == [2])
    }

    @Test("random deadlines, set and moved: each expires once, within two ticks of its time")
    func random() {
        let bench = Bench(entries: 200)
        var random = SeededRandom(seed: 7)
        var due = [UInt64](repeating: 0, count: 200)
        for index in 0..<200 {
            due[index] = 1000 + random.next() % 40_000
            bench.wheel.set(bench.entries + index, at: due[index])
        }
        var now: UInt64 = 1000
        var seen = [Bool](repeating: false, count: 200)
        while now < 60_000 {
            now += random.next() % 60
            for index in bench.expired(at: now) {
                #expect(!seen[index] && due[index] <= now)
                seen[index] = true
            }
            for index in 0..<200 where !seen[index] { #expect(due[index] + 20 >= now) }
            let moved = Int(random.next() % 200)
            if !seen[moved], now < 40_000 {
                due[moved] = now + 1 + random.next() % 15_000
                bench.wheel.set(bench.entries + moved, at: due[moved])
            }
        }
        #expect(seen.allSatisfy { $0 })
    }
}
