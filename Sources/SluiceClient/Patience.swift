import Glibc
import SluiceEvent

/// How long something is waited for: until a deadline, until a read has brought nothing for too long, or until whoever waits is to give up.
package struct Patience {
    /// Nanoseconds of the monotonic clock.
    package let deadline: UInt64
    /// Asked ten times a second; nil: nobody ends it.
    private let isEnding: (() -> Bool)?
    private static let sliceNanoseconds: UInt64 = 100_000_000

    /// - Parameter isEnding: whether to wait no longer, because the process ends.
    package init(until deadline: UInt64, isEnding: (() -> Bool)? = nil) {
        self.deadline = deadline
        self.isEnding = isEnding
    }

    package init(milliseconds: Int, isEnding: (() -> Bool)? = nil) {
        self.init(until: Clock.monotonicNanoseconds() + UInt64(max(0, milliseconds)) * 1_000_000, isEnding: isEnding)
    }

    /// Whether it is over.
    package var isOver: Bool { slice == nil }

    /// Milliseconds to wait before the next look; nil when it is over.
    private var slice: Int? {
        let now = Clock.monotonicNanoseconds()
        guard now < deadline else { return nil }
        guard let isEnding else { return Int((deadline - now) / 1_000_000) + 1 }
        return isEnding() ? nil : Int(min(deadline - now, Self.sliceNanoseconds) / 1_000_000) + 1
    }

    /// This patience's part for one of several attempts that are made one after the other: one that drops what it is sent must leave time for the next.
    package func share(of attempts: Int) -> Patience {
        let now = Clock.monotonicNanoseconds()
        return Patience(until: now + (deadline - min(deadline, now)) / UInt64(max(1, attempts)), isEnding: isEnding)
    }

    /// The same, from now on for so long at most.
    package func atMost(nanoseconds: UInt64) -> Patience {
        Patience(until: min(deadline, Clock.monotonicNanoseconds() + nanoseconds), isEnding: isEnding)
    }

    /// Waits until the descriptor is ready. False when the patience is over; it is asked once in any case, so that what is there already is seen.
    func wait(_ descriptor: Int32, _ events: Int32) -> Bool {
        while true {
            let slice = slice
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let result = poll(&entry, 1, Int32(clamping: slice ?? 0))
            if result > 0 { return true }
            if slice == nil || result < 0 && errno != EINTR { return false }
        }
    }
}
