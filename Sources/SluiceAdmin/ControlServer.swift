import Glibc
import SluiceEvent
import SluiceHTTP
import Synchronization

/// A small HTTP server for operators, apart from every worker. One thread serves all clients; a second one makes answers that take long.
/// A slow client delays no other. When there are too many clients, the one that has waited longest is closed.
///
/// For trusted networks: it has no TLS.
package final class ControlServer: Sendable {
    /// The server cannot be started.
    package struct StartError: Error {
        package let message: String
    }

    private struct Mail {
        var answers: [(connection: Int, response: ControlResponse)] = []
        /// The listener is another process's now.
        var isReleased = false
        var isStopped = false
    }

    private let listener: Int32
    private let router: ControlRouter
    private let mail = Mutex(Mail())
    private let signal = Signal()
    private let work: ControlWork
    private let thread = Mutex<Thread?>(nil)

    /// Serves on a thread of its own until `stop()`, with a socket that listens already and is the server's from here on: it is closed
    /// also when an error is thrown, so that its port is not held by nobody.
    ///
    /// - Parameter name: of the thread.
    package init(listener: Int32, name: String = "sluice-admin", router: ControlRouter) throws(StartError) {
        self.listener = listener
        self.router = router
        do throws(SocketError) {
            work = try ControlWork(name: name + "-w")
        } catch {
            Socket.close(listener)
            throw StartError(message: "\(error)")
        }
        do throws(SocketError) {
            let started = try Thread(name: name) { [self] in
                var loop = ControlLoop(listener: listener, server: self)
                loop.run()
            }
            thread.withLock { $0 = started }
        } catch {
            work.stop(deadline: 0)
            Socket.close(listener)
            throw StartError(message: "\(error)")
        }
    }

    /// Another descriptor of the listening socket; nil without one to spare. Not after `release()`.
    package func duplicateListener() -> Int32? { try? Socket.duplicate(listener).get() }

    /// Takes no further connections; another process does. Any thread.
    package func release() { tell { $0.isReleased = true } }

    /// How long `stop` waits for an answer that is under way.
    private static let endNanoseconds: UInt64 = 5_000_000_000

    /// Ends the threads and frees the port. Once. What hangs keeps what it uses.
    package func stop() {
        tell { $0.isStopped = true }
        let deadline = Clock.monotonicNanoseconds() + Self.endNanoseconds
        if let thread = thread.withLock({ $0.take() }) { _ = thread.join(deadline: deadline) }
        work.stop(deadline: deadline)
    }

    private func tell(_ change: (inout Mail) -> Void) {
        mail.withLock { change(&$0) }
        signal.raise()
    }

    // MARK: For its loop

    var routes: ControlRouter { router }
    /// Readable when there is mail.
    var waitable: Int32 { signal.waitable }

    /// What has come from other threads: whether to accept, whether to go on, and answers.
    func takeMail() -> (accepts: Bool, goesOn: Bool, answers: [(connection: Int, response: ControlResponse)]) {
        signal.wait(milliseconds: 0)
        return mail.withLock { mail in
            defer { mail.answers = [] }
            return (!mail.isReleased, !mail.isStopped, mail.answers)
        }
    }

    /// Has the other thread answer.
    func ask(_ route: ControlRouter.Route, _ request: ControlRequest, for connection: Int) {
        work.add { [self] in
            let response = route.answer(request)
            tell { $0.answers.append((connection, response)) }
        }
    }
}
