import Testing

@testable import SluiceCounting

@Suite("Ceiling demand")
struct CeilingDemandTests {
    private static let window = CeilingMeter.windowSlots * CeilingMeter.slotNanoseconds

    /// A demand, and the beginning of a window in which it is measured.
    private final class Bench {
        var demand = CeilingDemand()

        /// Whether there were new refusals, and the demand, `offset` nanoseconds after the beginning.
        func measured(_ used: UInt64, refusals: UInt64, at offset: UInt64) -> (isFresh: Bool, value: UInt64) {
            let isFresh = demand.measure(used: used, refusals: refusals, now: 1000 * window + offset)
            return (isFresh, demand.value)
        }
    }

    @Test("what was admitted and refused within a window adds up, counts for one or two windows, and is forgotten then")
    func windows() {
        let bench = Bench()
        bench.demand.begin(refusals: 5)
        #expect(bench.measured(10, refusals: 8, at: 0) == (true, 13))
        #expect(bench.measured(10, refusals: 8, at: 1) == (false, 13))
        #expect(bench.measured(11, refusals: 9, at: 2) == (true, 15))
        #expect(bench.measured(12, refusals: 10, at: Self.window / 4) == (true, 17))
        #expect(bench.measured(0, refusals: 10, at: Self.window) == (false, 17))
        // What was refused within the window before is the peak of this one.
        #expect(bench.measured(0, refusals: 10, at: 2 * Self.window) == (false, 5))
        #expect(bench.measured(0, refusals: 10, at: 3 * Self.window) == (false, 0))
    }

    @Test("after a long pause nothing of before counts")
    func pause() {
        let bench = Bench()
        #expect(bench.measured(7, refusals: 3, at: 0) == (true, 10))
        #expect(bench.measured(1, refusals: 3, at: 10 * Self.window) == (false, 1))
    }
}
