import SluiceEvent

/// Where a worker reads the time, and nowhere else: the machine's clocks, or those of whoever turns its loop by hand.
struct WorkerClock {
    /// Clocks that somebody sets, in nanoseconds.
    struct Virtual {
        /// Must not go back.
        var monotonic: UInt64
        /// Since the Unix epoch. May step.
        var wall: UInt64
        /// What passes with every reading: turns are then as long as what is done in them.
        var perReading: UInt64 = 0

        mutating func pass(_ nanoseconds: UInt64) {
            monotonic &+= nanoseconds
            wall &+= nanoseconds
        }
    }

    /// Read instead of the machine's clocks, as long as it is there. The owner's; nil in production.
    var virtual: UnsafeMutablePointer<Virtual>?
    /// How far both clocks are ahead of the machine's.
    private var lead: UInt64 = 0

    /// Nanoseconds that never step.
    @inline(__always)
    func monotonicNanoseconds() -> UInt64 {
        if let virtual { return readVirtual(virtual) }
        return Clock.monotonicNanoseconds() &+ lead
    }

    @inline(never)
    private func readVirtual(_ virtual: UnsafeMutablePointer<Virtual>) -> UInt64 {
        virtual.pointee.pass(virtual.pointee.perReading)
        return virtual.pointee.monotonic
    }

    /// Nanoseconds since the Unix epoch.
    func wallNanoseconds() -> UInt64 {
        if let virtual { return virtual.pointee.wall }
        return Clock.wallNanoseconds() &+ lead
    }

    /// Lets time pass.
    mutating func pass(nanoseconds: UInt64) {
        guard let virtual else { return lead &+= nanoseconds }
        virtual.pointee.pass(nanoseconds)
    }
}
