import SluiceEvent
import Synchronization

/// Work that may hang in what the system does for it (a file on a disk that does not answer, a name server), on a thread of its own, so that the thread that
/// obeys signals never waits for it.
final class Attempt<Value: Sendable>: Sendable {
    private let outcome = Mutex<Result<Value, any Error>?>(nil)
    private let began = Clock.monotonicNanoseconds()

    init(_ name: String, _ body: @escaping @Sendable () throws -> Value) {
        // What the arguments said belongs to the task, and a thread is none.
        let given = SettingsFlags.given
        let work: @Sendable () -> Void = {
            let result = Result { try SettingsFlags.$given.withValue(given, operation: body) }
            self.outcome.withLock { $0 = result }
        }
        do throws(SocketError) {
            try SluiceEvent.Thread(name: name, work).detach()
        } catch {
            work()
        }
    }

    /// What came of it; nil while it is under way. Any thread.
    var result: Result<Value, any Error>? { outcome.withLock { $0 } }

    /// Whole seconds since its beginning.
    var seconds: UInt64 { (Clock.monotonicNanoseconds() - began) / 1_000_000_000 }
}
