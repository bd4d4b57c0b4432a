import SluiceEvent
import Synchronization

/// Counts down to zero on some threads while another waits.
final class Countdown: Sendable {
    private let left: Atomic<Int>
    private let signal = Signal()

    init(_ count: Int) { left = Atomic(count) }

    func oneDone() {
        left.wrappingSubtract(1, ordering: .acquiringAndReleasing)
        signal.raise()
    }

    /// True if it has come to zero within the time.
    ///
    /// - Parameter isOver: ends the wait early; asked ten times a second.
    func wait(milliseconds: UInt64, unless isOver: () -> Bool = { false }) -> Bool {
        let deadline = Clock.monotonicNanoseconds() + milliseconds * 1_000_000
        while left.load(ordering: .acquiring) > 0 {
            guard Clock.monotonicNanoseconds() < deadline, !isOver() else { return false }
            signal.wait(milliseconds: 100)
        }
        return true
    }
}
