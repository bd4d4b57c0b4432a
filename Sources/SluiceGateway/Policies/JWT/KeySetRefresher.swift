import SluiceEvent
import Synchronization

/// The thread that fetches key sets: one for the process, because fetching blocks and workers must not.
///
/// Sources are fetched one after the other, each in at most 5 s besides the resolution of its name: one that hangs holds up the others
/// for so long. Started by the process when it serves; without it nothing is fetched, and unknown keys are refused at once.
final class KeySetRefresher: Sendable {
    /// From one fetch that succeeded to the next, unless configured: 5 minutes.
    static let intervalNanosecondsDefault: UInt64 = 300_000_000_000

    private let registry: KeySetRegistry
    private let intervalNanoseconds: UInt64
    private let report: @Sendable (KeySetLocation, _ fault: String?) -> Void
    private let thread = Mutex<Thread?>(nil)
    private let isStopping = Atomic<Bool>(false)
    /// Raised when someone asks for a fetch, and for the end.
    private let signal = Signal()

    /// - Parameters:
    ///   - intervalNanoseconds: from one fetch that succeeded to the next, at least 1 s.
    ///   - report: see `KeySetRegistry.fetchDue`; called on this thread.
    init(
        registry: KeySetRegistry = .shared, intervalNanoseconds: UInt64 = intervalNanosecondsDefault,
        report: @escaping @Sendable (KeySetLocation, _ fault: String?) -> Void = { _, _ in }
    ) {
        self.registry = registry
        self.report = report
        self.intervalNanoseconds = max(1_000_000_000, intervalNanoseconds)
    }

    /// Starts the thread; the first fetches begin at once. Once. Throws if the system gives no thread.
    func start() throws(SocketError) {
        let started = try Thread(name: "sluice-keys") { self.run() }
        thread.withLock { $0 = started }
        registry.setRefresher { [signal] in signal.raise() }
    }

    /// Ends the thread and waits for it: at most for the fetch that is under way.
    func stop() {
        guard let started = thread.withLock({ $0.take() }) else { return }
        registry.setRefresher(nil)
        isStopping.store(true, ordering: .releasing)
        signal.raise()
        started.join()
    }

    private func run() {
        while !isStopping.load(ordering: .acquiring) {
            registry.fetchDue(interval: intervalNanoseconds, now: Clock.monotonicNanoseconds, report: report)
            let now = Clock.monotonicNanoseconds()
            let due = registry.sources.map(\.due).min() ?? now + intervalNanoseconds
            if due > now { signal.wait(milliseconds: Int((due - now) / 1_000_000) + 1) }
        }
    }
}
