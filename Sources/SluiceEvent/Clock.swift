import Glibc

/// The two clocks of the gateway, read without a system call (vDSO).
package enum Clock {
    /// Nanoseconds since some fixed moment of this boot; never steps. Deadlines, ceilings and durations use it.
    package static func monotonicNanoseconds() -> UInt64 { read(CLOCK_MONOTONIC) }

    /// Nanoseconds since the Unix epoch; steps when the system's clock is set. Quota windows, dates and tokens use it.
    package static func wallNanoseconds() -> UInt64 { read(CLOCK_REALTIME) }

    /// Keeps the calling thread waiting. Never on a worker.
    package static func sleep(nanoseconds: UInt64) {
        var time = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        nanosleep(&time, nil)
    }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
