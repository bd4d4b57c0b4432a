import SluiceEvent
import Synchronization

/// A thread that does one piece of work after the other. There are never more pieces than `ControlLoop.connectionsMax`.
final class ControlWork: Sendable {
    private struct State {
        var pieces: [@Sendable () -> Void] = []
        var isStopped = false
    }

    private final class Queue: Sendable {
        let state = Mutex(State())
        let signal = Signal()

        func run() {
            while true {
                let (pieces, isStopped) = state.withLock { state in
                    defer { state.pieces = [] }
                    return (state.pieces, state.isStopped)
                }
                if isStopped { return }
                for piece in pieces where !state.withLock({ $0.isStopped }) { piece() }
                if pieces.isEmpty { signal.wait(milliseconds: 60_000) }
            }
        }
    }

    private let queue: Queue
    private let thread: Thread

    init(name: String) throws(SocketError) {
        let queue = Queue()
        self.queue = queue
        thread = try Thread(name: name) { queue.run() }
    }

    /// Any thread.
    func add(_ piece: @escaping @Sendable () -> Void) {
        queue.state.withLock { $0.pieces.append(piece) }
        queue.signal.raise()
    }

    /// Ends the thread after the piece that is under way, and waits for it until the deadline in nanoseconds of the monotonic clock. Once.
    func stop(deadline: UInt64) {
        queue.state.withLock { $0 = State(isStopped: true) }
        queue.signal.raise()
        _ = thread.join(deadline: deadline)
    }
}
