import Synchronization
import Testing

@testable import SluiceCounting

/// The ceiling's two promises, on a clock that the tests move.
@Suite("Ceiling meter")
struct CeilingMeterTests {
    /// Workers that ask one project's meter, each with its own lease and its own reading of one clock.
    private final class Bench {
        let words: CeilingMeter.Words
        let leases: UnsafeMutablePointer<CeilingMeter.Lease>
        let workers: Int
        var admissions: [UInt64] = []

        init(ceiling: UInt64, workers: Int, now: UInt64) {
            words = CeilingMeter.make(ceiling: ceiling, now: now)
            leases = .allocate(capacity: workers)
            leases.initialize(repeating: CeilingMeter.Lease(), count: workers)
            self.workers = workers
        }

        deinit { leases.deallocate() }

        /// Asks at the clock that the worker has read; the admission counts at the true time, which may be later.
        @discardableResult
        func ask(worker: Int, read: UInt64, at time: UInt64) -> Bool {
            let admitted = CeilingMeter.admit(words, leases + worker, now: read, workers: UInt64(workers))
            if admitted { admissions.append(time) }
            return admitted
        }

        /// Most admissions in any interval of one second, both ends included at one and excluded at the other.
        var mostInAnySecond: Int {
            var most = 0
            var first = 0
            for (index, time) in admissions.enumerated() {
                while time - admissions[first] >= 1_000_000_000 { first += 1 }
                most = max(most, index - first + 1)
            }
            return most
        }
    }

    private static let start: UInt64 = 5_000_000_000

    @Test("the first ceiling requests of a burst are admitted, the next one is not", arguments: [1, 2, 10, 999, 10_000] as [UInt64])
    func burst(ceiling: UInt64) {
        let bench = Bench(ceiling: ceiling, workers: 1, now: Self.start)
        for _ in 0..<ceiling { #expect(bench.ask(worker: 0, read: Self.start, at: Self.start)) }
        #expect(!bench.ask(worker: 0, read: Self.start, at: Self.start))
    }

    @Test("a second later, and not before, a burst's allowance is there again")
    func allowanceReturns() {
        let bench = Bench(ceiling: 3, workers: 1, now: Self.start)
        for _ in 0..<3 { bench.ask(worker: 0, read: Self.start, at: Self.start) }
        let early = Self.start + 999_999_999
        #expect(!bench.ask(worker: 0, read: early, at: early))
        // The window is two slots longer than a second.
        let late = Self.start + 252 * CeilingMeter.slotNanoseconds
        #expect(bench.ask(worker: 0, read: late, at: late))
    }

    @Test(
        "demand above the ceiling on several workers: no second holds more than the ceiling, and at least 99 % of it is used",
        arguments: [(1, 1), (7, 2), (100, 3), (1000, 4), (10_000, 2), (10_000, 8)] as [(UInt64, Int)])
    func saturated(ceiling: UInt64, workers: Int) {
        let bench = Bench(ceiling: ceiling, workers: workers, now: Self.start)
        var random = SeededRandom(seed: ceiling &* 31 &+ UInt64(workers))
        let seconds: UInt64 = 6
        let step = max(20_000, 1_000_000_000 / (ceiling * 2))
        var time = Self.start
        while time < Self.start + seconds * 1_000_000_000 {
            time += random.next() % (2 * step) + 1
            // A worker reads its clock once per turn: what it sees may be up to 4 ms old.
            let read = time - random.next() % 4_000_000
            for worker in 0..<workers { bench.ask(worker: worker, read: read, at: time) }
        }
        #expect(bench.mostInAnySecond <= Int(ceiling))
        let steady = bench.admissions.filter { $0 >= Self.start + 1_000_000_000 }.count
        let expected = Double(ceiling) * Double(seconds - 1)
        // One window's edge may fall outside of the measured time.
        #expect(Double(steady) >= expected * 0.99 - Double(ceiling) / 100 - 1, "\(steady) of \(expected)")
    }

    @Test("a worker that sleeps over its lease gives it back: nobody else is refused for it")
    func leaseIsGivenBack() {
        let bench = Bench(ceiling: 1000, workers: 2, now: Self.start)
        bench.ask(worker: 0, read: Self.start, at: Self.start)
        let later = Self.start + CeilingMeter.slotNanoseconds
        bench.ask(worker: 0, read: later, at: later)
        #expect(CeilingMeter.usage(of: bench.words, now: later) <= 2 + 2)
    }

    @Test("a lowered ceiling holds at once; a raised one gives more at once")
    func changedCeiling() {
        let bench = Bench(ceiling: 10, workers: 1, now: Self.start)
        for _ in 0..<5 { #expect(bench.ask(worker: 0, read: Self.start, at: Self.start)) }
        CeilingMeter.setLimit(bench.words, to: 5)
        #expect(!bench.ask(worker: 0, read: Self.start, at: Self.start))
        CeilingMeter.setLimit(bench.words, to: 6)
        #expect(bench.ask(worker: 0, read: Self.start, at: Self.start))
        #expect(!bench.ask(worker: 0, read: Self.start, at: Self.start))
    }

    @Test("after an hour without requests the whole ceiling is there")
    func longPause() {
        let bench = Bench(ceiling: 50, workers: 1, now: Self.start)
        for _ in 0..<50 { bench.ask(worker: 0, read: Self.start, at: Self.start) }
        let later = Self.start + 3_600_000_000_000
        for _ in 0..<50 { #expect(bench.ask(worker: 0, read: later, at: later)) }
        #expect(!bench.ask(worker: 0, read: later, at: later))
    }

    @Test("refusals are told in the next slot, also those of a worker that was stalled until its place in the ring belonged to a later slot")
    func refusals() {
        let bench = Bench(ceiling: 1, workers: 1, now: Self.start)
        bench.ask(worker: 0, read: Self.start, at: Self.start)
        for _ in 0..<3 { #expect(!bench.ask(worker: 0, read: Self.start, at: Self.start)) }
        #expect(CeilingMeter.refusals(of: bench.words) == 0)
        let later = Self.start + 300 * CeilingMeter.slotNanoseconds
        let slot = later / CeilingMeter.slotNanoseconds
        let place = CeilingMeter.ring + Int(slot % CeilingMeter.ringSlots)
        bench.words[place].store((slot + CeilingMeter.ringSlots) << CeilingMeter.countBits | 1, ordering: .relaxed)
        #expect(!bench.ask(worker: 0, read: later, at: later))
        #expect(CeilingMeter.refusals(of: bench.words) == 3)
        bench.ask(worker: 0, read: later + CeilingMeter.slotNanoseconds, at: later + CeilingMeter.slotNanoseconds)
        #expect(CeilingMeter.refusals(of: bench.words) == 4)
    }

    @Test("a later slot that has given everything back gives its place to an earlier one")
    func emptyPlace() {
        let words = CeilingMeter.make(ceiling: 10, now: Self.start)
        defer { CeilingMeter.free(words) }
        let slot = Self.start / CeilingMeter.slotNanoseconds
        let place = CeilingMeter.ring + Int(slot % CeilingMeter.ringSlots)
        words[place].store((slot + CeilingMeter.ringSlots) << CeilingMeter.countBits, ordering: .relaxed)
        words[CeilingMeter.state].add(1, ordering: .relaxed)
        #expect(CeilingMeter.charge(words, count: 1, slot: slot, Uninterrupted()))
        #expect(words[place].load(ordering: .relaxed) == slot << CeilingMeter.countBits | 1)
        #expect(words[CeilingMeter.state].load(ordering: .relaxed) & CeilingMeter.usedMask == 1)
    }

    @Test("a pocket is a five-hundredth of the ceiling in the three seconds that one interval can meet, and none below one request")
    func pocketSize() {
        #expect(CeilingMeter.pocket(ceiling: 1499, workers: 1) == 0)
        #expect(CeilingMeter.pocket(ceiling: 1500, workers: 1) == 1)
        #expect(CeilingMeter.pocket(ceiling: 2999, workers: 2) == 0)
        #expect(CeilingMeter.pocket(ceiling: 10_000, workers: 2) == 3)
        #expect(CeilingMeter.pocketsOfAll(ceiling: 10_000, workers: 2) == 18)
        #expect(CeilingMeter.pocketsOfAll(ceiling: 10_000_000, workers: 1024) <= 20_000)
    }

    @Test("what pockets admit and what is charged are together no more than the ceiling, and little traffic charges nothing")
    func pockets() {
        let (ceiling, workers): (UInt64, UInt64) = (3000, 2)
        let words = CeilingMeter.make(ceiling: ceiling, now: Self.start)
        defer { CeilingMeter.free(words) }
        CeilingMeter.setLimit(words, to: ceiling - CeilingMeter.pocketsOfAll(ceiling: ceiling, workers: workers))
        let pocket = CeilingMeter.pocket(ceiling: ceiling, workers: workers)
        var leases = [CeilingMeter.Lease(), CeilingMeter.Lease()]
        // The end of one second of the clock and the beginning of the next: both pockets of each worker.
        let turn = (Self.start / 1_000_000_000 + 1) * 1_000_000_000
        var admitted: UInt64 = 0
        for now in [turn - 1, turn] {
            for worker in leases.indices {
                while leases.withUnsafeMutableBufferPointer({ pointer in
                    pointer.baseAddress.map { CeilingMeter.admit(words, $0 + worker, now: now, workers: workers, pocket: pocket) } ?? false
                }) { admitted += 1 }
            }
        }
        #expect(admitted == ceiling - UInt64(pocket) * workers)
        let later = turn + 5_000_000_000
        let isAdmitted = leases.withUnsafeMutableBufferPointer { pointer in
            pointer.baseAddress.map { CeilingMeter.admit(words, $0, now: later, workers: workers, pocket: pocket) } ?? false
        }
        #expect(isAdmitted && CeilingMeter.usage(of: words, now: later) == 0)
    }

    @Test("real threads on a fast clock: never more than the ceiling in a window")
    func threads() async {
        let ceiling: UInt64 = 500
        let words = CeilingMeter.make(ceiling: ceiling, now: Self.start)
        let address = UInt(bitPattern: words)
        let shared = Shared(start: Self.start)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    guard let words = CeilingMeter.Words(bitPattern: address) else { return }
                    var lease = CeilingMeter.Lease()
                    var own: [UInt64: Int] = [:]
                    for _ in 0..<40_000 {
                        let now = shared.clock.wrappingAdd(50_000, ordering: .relaxed).newValue
                        let admitted = withUnsafeMutablePointer(to: &lease) { CeilingMeter.admit(words, $0, now: now, workers: 4) }
                        // A thread that was kept from running may find that it is later than it has read.
                        if admitted { own[max(lease.slotNumber, now / CeilingMeter.slotNanoseconds), default: 0] += 1 }
                    }
                    shared.counts.withLock { $0.merge(own) { $0 + $1 } }
                }
            }
        }
        let slots = shared.counts.withLock { $0 }
        let first = Self.start / CeilingMeter.slotNanoseconds
        let last = slots.keys.max() ?? first
        for slot in first...last {
            let sum = (slot..<slot + 250).reduce(0) { $0 + (slots[$1] ?? 0) }
            #expect(sum <= Int(ceiling))
        }
    }
}

/// What the threads of a stress test share: a clock that each of them moves, and what was admitted per slot.
private final class Shared: Sendable {
    let clock: Atomic<UInt64>
    let counts = Mutex<[UInt64: Int]>([:])

    init(start: UInt64) { clock = Atomic(start) }
}
