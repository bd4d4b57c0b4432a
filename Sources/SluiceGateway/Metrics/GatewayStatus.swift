import SluiceEvent
import Synchronization

/// Where publication, reloads and draining stand. Any thread.
package final class GatewayStatus: Sendable {
    private struct State {
        var generation = 0
        var workers = 0
        var taken = 0
        var reloads = 0
        var failedReloads = 0
        var isDraining = false
        var isHandingOver = false
        /// What readiness waits for besides, and until when in nanoseconds of the monotonic clock; nil once it has come or its time is up.
        var awaited: (until: UInt64, isThere: @Sendable () -> Bool)?
    }

    private let state = Mutex(State())
    private let progress = Signal()

    /// Held while a configuration is put in force, for a second at most (`Publisher.beginReplayProtection`); and by whoever wants that to
    /// come before, or not at all: the end, and a hand-over of the sockets.
    private let commitment = Mutex<Void>(())

    /// Does something that must not come between the parts of what another does here.
    func commit<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        try commitment.withLock { _ throws(Failure) in try body() }
    }

    /// Number of the latest publication; 0 before the first.
    package var generation: Int { state.withLock { $0.generation } }

    /// Every worker serves the latest publication, what the start waits for has come or its time is up, and draining has not begun.
    package var isReady: Bool {
        state.withLock { $0.generation > 0 && $0.taken == $0.workers && !$0.isDraining } && !isAwaiting
    }

    /// Whether what `await` has named is still to come, and its time not up. Asked outside of the lock: it takes others.
    var isAwaiting: Bool {
        guard let awaited = state.withLock({ $0.awaited }) else { return false }
        if !awaited.isThere(), Clock.monotonicNanoseconds() < awaited.until { return true }
        state.withLock { $0.awaited = nil }
        return false
    }

    /// Has readiness wait for something, once, for a bounded time.
    func await(milliseconds: Int, _ isThere: @escaping @Sendable () -> Bool) {
        let until = Clock.monotonicNanoseconds() + UInt64(milliseconds) * 1_000_000
        state.withLock { $0.awaited = (until, isThere) }
    }

    package var isDraining: Bool { state.withLock { $0.isDraining } }

    /// Reloads that were taken, and those that were refused.
    package var reloads: (succeeded: Int, failed: Int) { state.withLock { ($0.reloads, $0.failedReloads) } }

    func publishing(_ generation: Int, workers: Int) {
        state.withLock { state in
            state.generation = generation
            state.workers = workers
            state.taken = 0
        }
    }

    func taken(_ generation: Int) {
        state.withLock { state in
            if generation == state.generation { state.taken += 1 }
        }
        progress.raise()
    }

    func awaitTaken(milliseconds: UInt64) {
        let deadline = Clock.monotonicNanoseconds() + milliseconds * 1_000_000
        while !(state.withLock { $0.taken == $0.workers }), Clock.monotonicNanoseconds() < deadline {
            progress.wait(milliseconds: 50)
        }
    }

    func reloaded(_ succeeded: Bool) {
        state.withLock { state in
            if succeeded { state.reloads += 1 } else { state.failedReloads += 1 }
        }
    }

    /// A new process has the listening sockets, and has not said yet whether it serves.
    package var isHandingOver: Bool { state.withLock { $0.isHandingOver } }

    /// Why no other configuration may be put in force; nil if it may.
    var obstacle: String? {
        state.withLock { state in
            if state.isDraining { return "the process is about to end" }
            return state.isHandingOver ? "a new process is taking over: reload that one" : nil
        }
    }

    func handingOver(_ isHandingOver: Bool) { state.withLock { $0.isHandingOver = isHandingOver } }

    func draining() { state.withLock { $0.isDraining = true } }
}
