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
    }

    private let state = Mutex(State())
    private let progress = Signal()

    /// Number of the latest publication; 0 before the first.
    package var generation: Int { state.withLock { $0.generation } }

    /// Every worker serves the latest publication, and draining has not begun.
    package var isReady: Bool {
        state.withLock { $0.generation > 0 && $0.taken == $0.workers && !$0.isDraining }
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

    func handingOver(_ isHandingOver: Bool) { state.withLock { $0.isHandingOver = isHandingOver } }

    func draining() { state.withLock { $0.isDraining = true } }
}
