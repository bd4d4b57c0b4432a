import Glibc

/// Bounds the time that the patterns of one validation take together. One match is bounded by its steps, but a body may have thousands of strings, each of which
/// takes nearly all of them.
///
/// Time is read by the clock of the wall, which costs little. Only when that says that it is too much is the processor's time of the thread asked for:
/// another process that ran meanwhile is no fault of the body's.
struct PatternClock: BitwiseCopyable {
    /// Nanoseconds of processor time, at most.
    static let nanosecondsMax: UInt64 = 10_000_000

    private var beganAt: UInt64 = 0
    private var spent: UInt64 = 0
    /// Processor time of the thread when `spent` first came to a quarter of the bound; 0 before.
    private var markedAt: UInt64 = 0

    /// False if there is no time left.
    @inline(__always)
    mutating func begin() -> Bool {
        if spent > Self.nanosecondsMax / 4, isOver() { return false }
        beganAt = Self.now(CLOCK_MONOTONIC)
        return true
    }

    @inline(__always)
    mutating func end() { spent &+= Self.now(CLOCK_MONOTONIC) &- beganAt }

    @inline(never)
    private mutating func isOver() -> Bool {
        let time = Self.now(CLOCK_THREAD_CPUTIME_ID)
        if markedAt == 0 { markedAt = time }
        // Asked for again when as much has passed by the wall.
        spent = 0
        return time &- markedAt > Self.nanosecondsMax
    }

    private static func now(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
