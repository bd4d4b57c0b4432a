import Synchronization

/// What all workers share of pre-calls: the answers that are remembered, and the questions that are being asked.
///
/// Outlives snapshots. What it holds is found by a key that says everything that the answer depends on (`ServiceCall.Memory`), the
/// configuration's part of the question included: an answer to a question of one configuration is none to another's.
final class PreCallMemory: Sendable {
    /// How a question ended, for those who wait for its answer.
    enum Outcome: Sendable {
        /// The service lets pass who asks this.
        case passed
        /// It has answered otherwise. That answer is the asker's: the others get their own.
        case refused
        /// It has not answered, or who asked has gone: one of those who wait asks anew.
        case failed
    }

    let answers: PreCallCache
    let flights = PreCallFlights()
    /// How to reach each worker.
    private let workers = Mutex<[any PreCallObserver]>([])

    /// - Parameter bytesMax: bound of the memory for answers, for the whole process.
    init(bytesMax: Int) { answers = PreCallCache(bytesMax: bytesMax) }

    /// Says how to reach the workers, in the order of their numbers; none once they have ended. Any thread; takes a lock.
    func setWorkers(_ mail: [any PreCallObserver]) { workers.withLock { $0 = mail } }

    /// A question has ended: whoever waits for its answer is told, by mail, which comes after what the caller is about. Takes a lock where
    /// somebody waits.
    func end(_ flight: PreCallFlights.Number, _ outcome: Outcome) {
        let waiting = flights.table.end(flight)
        guard waiting != 0 else { return }
        let mail = workers.withLock { $0 }
        for (number, worker) in mail.enumerated() where waiting & PreCallFlights.Table.bit(of: number) != 0 {
            worker.preCallEnded(flight, outcome)
        }
    }
}

/// Whose exchanges wait for the answers to others' questions: a worker.
protocol PreCallObserver: AnyObject, Sendable {
    /// The question has ended. Any thread; hands the word to the worker's own and returns at once.
    func preCallEnded(_ flight: PreCallFlights.Number, _ outcome: PreCallMemory.Outcome)
}
