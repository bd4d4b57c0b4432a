import Glibc
import SluiceEvent

/// How long a fetch waits: until its deadline, or until the process ends.
struct Patience {
    let deadline: UInt64
    /// Asked ten times a second.
    let isEnding: () -> Bool
    private static let sliceNanoseconds: UInt64 = 100_000_000

    /// Milliseconds to wait before the next look; nil when it is over.
    var slice: Int? {
        let now = Clock.monotonicNanoseconds()
        guard now < deadline, !isEnding() else { return nil }
        return Int(min(deadline - now, Self.sliceNanoseconds) / 1_000_000) + 1
    }

    /// This patience's part for one of several attempts that are made one after the other.
    func share(of attempts: Int) -> Patience {
        let now = Clock.monotonicNanoseconds()
        return Patience(deadline: now + (deadline - min(deadline, now)) / UInt64(max(1, attempts)), isEnding: isEnding)
    }

    /// Until the descriptor is ready; false at the deadline, and when the process ends.
    func wait(_ descriptor: Int32, _ events: Int16) -> Bool {
        while let slice {
            var entry = pollfd(fd: descriptor, events: events, revents: 0)
            let result = poll(&entry, 1, Int32(slice))
            if result > 0 { return true }
            if result < 0, errno != EINTR { return false }
        }
        return false
    }
}
