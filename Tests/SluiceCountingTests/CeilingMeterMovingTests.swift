import Testing

@testable import SluiceCounting

private let start: UInt64 = 5_000_000_000

/// What leaves later than it was charged for.
@Suite("Ceiling meter, late leaving")
struct CeilingMeterMovingTests {
    private final class Bench {
        let words: CeilingMeter.Words
        let lease = UnsafeMutablePointer<CeilingMeter.Lease>.allocate(capacity: 1)
        let pocket: UInt32

        init(ceiling: UInt64, pocket: UInt32 = 0) {
            words = CeilingMeter.make(ceiling: ceiling, now: start)
            self.pocket = pocket
            lease.initialize(to: CeilingMeter.Lease())
        }

        deinit {
            lease.deallocate()
            CeilingMeter.free(words)
        }

        func admit(at now: UInt64) -> CeilingMeter.Charge? {
            var charge = CeilingMeter.Charge.none
            return CeilingMeter.admit(words, lease, charge: &charge, now: now, workers: 1, pocket: pocket) ? charge : nil
        }

        func move(_ charge: inout CeilingMeter.Charge, at now: UInt64) -> Bool {
            CeilingMeter.move(words, lease, charge: &charge, now: now, workers: 1, pocket: pocket)
        }
    }

    private static let slot = CeilingMeter.slotNanoseconds

    @Test("a request may leave in the slot that it is charged to and the next, less what the send may take")
    func late() throws {
        let bench = Bench(ceiling: 5)
        let charge = try #require(bench.admit(at: start + 1))
        let end = start + 2 * Self.slot - CeilingMeter.sendingNanoseconds
        #expect(!CeilingMeter.isLate(charge, now: end - 1))
        #expect(CeilingMeter.isLate(charge, now: end))
    }

    @Test("what is sent once more is charged once more, or refused")
    func spent() throws {
        let bench = Bench(ceiling: 2)
        var charge = try #require(bench.admit(at: start))
        charge.spend()
        #expect(CeilingMeter.isLate(charge, now: start))
        #expect(bench.move(&charge, at: start))
        #expect(!CeilingMeter.isLate(charge, now: start))
        #expect(CeilingMeter.usage(of: bench.words, now: start) == 2)
        charge.spend()
        #expect(!bench.move(&charge, at: start))
        #expect(CeilingMeter.usage(of: bench.words, now: start) == 2)
    }

    @Test("a moved charge is in use once, for a window from when it leaves")
    func moved() throws {
        let bench = Bench(ceiling: 100)
        let leaves = start + 300_000_000
        for _ in 0..<100 {
            var charge = try #require(bench.admit(at: start))
            #expect(bench.move(&charge, at: leaves))
            #expect(!CeilingMeter.isLate(charge, now: leaves))
        }
        #expect(CeilingMeter.usage(of: bench.words, now: leaves) == 100)
        #expect(bench.admit(at: start + 252 * Self.slot) == nil)
        #expect(bench.admit(at: leaves + 251 * Self.slot) == nil)
        #expect(CeilingMeter.usage(of: bench.words, now: leaves + 252 * Self.slot) == 0)
        #expect(bench.admit(at: leaves + 252 * Self.slot) != nil)
    }

    @Test("a charge that has left the window is made anew where there is room, else the request is refused")
    func anew() throws {
        let bench = Bench(ceiling: 1)
        var first = try #require(bench.admit(at: start))
        let later = start + 3_000_000_000
        #expect(bench.move(&first, at: later))
        #expect(CeilingMeter.usage(of: bench.words, now: later) == 1)
        var second = try #require(bench.admit(at: later + 252 * Self.slot))
        let last = later + 600 * Self.slot
        #expect(bench.admit(at: last) != nil)
        #expect(!bench.move(&second, at: last))
    }

    @Test("what came from a pocket is taken from that of the second in which it leaves")
    func pockets() throws {
        let bench = Bench(ceiling: 1, pocket: 1)
        var first = try #require(bench.admit(at: start))
        #expect(CeilingMeter.usage(of: bench.words, now: start) == 0)
        let later = start + 1_000_000_000
        #expect(bench.move(&first, at: later))
        #expect(CeilingMeter.usage(of: bench.words, now: later) == 0)
        // The pocket of that second is empty, and then so is the rest.
        #expect(bench.admit(at: later) != nil)
        #expect(bench.admit(at: later) == nil)
    }

    @Test("a share that has ended in between is not used")
    func endedShare() throws {
        let bench = Bench(ceiling: 10)
        CeilingMeter.setLimit(bench.words, to: 10, until: start + 100 * Self.slot)
        var charge = try #require(bench.admit(at: start))
        #expect(!bench.move(&charge, at: start + 101 * Self.slot))
        #expect(CeilingMeter.usage(of: bench.words, now: start + 101 * Self.slot) == 0)
    }
}
