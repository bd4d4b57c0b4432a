import SluiceEvent
import Synchronization

/// The thread that fetches key sets: one for the process, because fetching blocks and workers must not.
///
/// Sources are fetched one after the other, each in at most SLUICE_KEY_SET_FETCH_TIMEOUT_MS: one that hangs holds up the others
/// for so long. Started by the process when it serves; without it nothing is fetched, and unknown keys are refused at once.
final class KeySetRefresher: Sendable {
    private let registry: KeySetRegistry
    private let report: @Sendable (KeySetLocation, _ fault: String?) -> Void
    private let thread = Mutex<Thread?>(nil)
    private let isStopping = Atomic<Bool>(false)
    /// Raised when someone asks for a fetch, and for the end.
    private let signal = Signal()

    /// - Parameter report: see `KeySetRegistry.fetchDue`; called on this thread.
    init(registry: KeySetRegistry = .shared, report: @escaping @Sendable (KeySetLocation, _ fault: String?) -> Void) {
        self.registry = registry
        self.report = report
    }

    /// Starts the thread; the first fetches begin at once. Once. Throws if the system gives no thread.
    func start() throws(SocketError) {
        let started = try Thread(name: "sluice-keys") { self.run() }
        thread.withLock { $0 = started }
        registry.setRefresher { [signal] in signal.raise() }
    }

    /// Ends the thread and waits for it: a tenth of a second.
    func stop() {
        guard let started = thread.withLock({ $0.take() }) else { return }
        registry.setRefresher(nil)
        isStopping.store(true, ordering: .releasing)
        signal.raise()
        started.join()
    }

    private var isEnding: Bool { isStopping.load(ordering: .acquiring) }

    private func run() {
        while !isEnding {
            let interval = JWT.Settings.refreshNanoseconds.load(ordering: .relaxed)
            registry.fetchDue(
                interval: interval, now: Clock.monotonicNanoseconds, load: { location in KeySetFetch.load(location) { self.isEnding } },
                report: { [report] location, fault in if !self.isEnding { report(location, fault) } })
            let now = Clock.monotonicNanoseconds()
            let due = registry.sources.map(\.due).min() ?? now + interval
            if due > now { signal.wait(milliseconds: Int((due - now) / 1_000_000) + 1) }
        }
    }
}
