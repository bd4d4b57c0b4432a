import Logging
import SluiceEvent

/// Threads that are ended together. One that hangs in what the system does for it is left behind, with a word to the log.
struct EndingThreads {
    private let log: Logger
    private var threads: [Thread] = []

    init(log: Logger) { self.log = log }

    mutating func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SocketError) {
        threads.append(try Thread(name: name, body))
    }

    /// Waits for their ends until the deadline, in nanoseconds of the monotonic clock. False if one goes on.
    mutating func end(deadline: UInt64) -> Bool {
        defer { threads = [] }
        var haveEnded = true
        for thread in threads where !thread.join(deadline: deadline) {
            haveEnded = false
            log.error("a thread does not end; the process ends without it", metadata: ["thread": "\(thread.name)"])
        }
        return haveEnded
    }
}
