import SluiceEvent

/// How the refresher of key sets, and everybody else, reaches a worker. Sendable, because it touches of the worker nothing but the mailbox,
/// which is for any thread; what is posted runs on the worker's own.
final class WorkerMail: KeySetObserver, PreCallObserver, CallerObserver, @unchecked Sendable {
    private let worker: Worker

    init(_ worker: Worker) { self.worker = worker }

    /// Runs `letter` on the worker's thread, soon, with the clock of the turn in which it runs.
    func post(_ letter: @escaping @Sendable (Worker) -> Void) {
        let mail = self
        worker.mailbox.post {
            mail.worker.parts.turn.freshenClock()
            letter(mail.worker)
            mail.worker.parts.turn.noteLongWork()
        }
    }

    func keySetFetchEnded(source number: Int) {
        post { $0.owners.waiters.keySetFetchEnded(source: number) }
    }

    func keep(_ object: any AnyObject & Sendable) {
        post { _ in withExtendedLifetime(object) {} }
    }

    func preCallEnded(_ flight: PreCallFlights.Number, _ outcome: PreCallMemory.Outcome) {
        post { $0.owners.waiters.preCallEnded(flight, outcome) }
    }
}
