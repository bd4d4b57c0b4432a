import SluiceEvent
import Synchronization

/// Fetches key sets, because fetching blocks and workers must not: a thread that knows what is due, and one for each fetch.
///
/// Sources are fetched side by side, `fetchesAtOnce` of URIs and as many files, the one that has waited longest first: a server that hangs for all of
/// SLUICE_KEY_SET_FETCH_TIMEOUT_MS holds up no other key set, and files on a disk that never answers hold up other files at most. Started by the process when it serves; without it nothing is
/// fetched, and unknown keys are refused at once.
final class KeySetRefresher: Sendable {
    static let fetchesAtOnce = 16
    /// Milliseconds that the end waits for fetches under way, which ask ten times a second whether to give up.
    private static let endMilliseconds = 1000

    private let registry: KeySetRegistry
    private let load: @Sendable (KeySetLocation, _ isEnding: @escaping () -> Bool) -> Result<[UInt8], KeySet.Fault>
    private let report: @Sendable (KeySetLocation, _ fault: String?) -> Void
    private let thread = Mutex<Thread?>(nil)
    private let isStopping = Atomic<Bool>(false)
    private let urisUnderWay = Atomic<Int>(0)
    private let filesUnderWay = Atomic<Int>(0)
    /// Raised when someone asks for a fetch, when one has ended, and for the end.
    private let signal = Signal()

    /// - Parameters:
    ///   - load: gets the text of a set; the tests' own has no I/O.
    ///   - report: see `KeySetRegistry.fetchDue`; called on the thread of a fetch.
    init(
        registry: KeySetRegistry,
        load: (@Sendable (KeySetLocation, _ isEnding: @escaping () -> Bool) -> Result<[UInt8], KeySet.Fault>)? = nil,
        report: @escaping @Sendable (KeySetLocation, _ fault: String?) -> Void
    ) {
        self.registry = registry
        let milliseconds = registry.settings.fetchMilliseconds
        self.load = load ?? { KeySetFetch.load($0, milliseconds: milliseconds, isEnding: $1) }
        self.report = report
    }

    /// Starts the thread; the first fetches begin at once. Once. Throws if the system gives no thread.
    func start() throws(SocketError) {
        let started = try Thread(name: "sluice-keys") { self.run() }
        thread.withLock { $0 = started }
        registry.setRefresher { [signal] in signal.raise() }
    }

    /// Ends the thread and waits for it and for the fetches, a tenth of a second; until the deadline (nanoseconds of the monotonic clock) if it hangs in the reading of a file.
    /// False if it goes on.
    @discardableResult
    func stop(deadline: UInt64 = .max) -> Bool {
        guard let started = thread.withLock({ $0.take() }) else { return true }
        registry.setRefresher(nil)
        isStopping.store(true, ordering: .releasing)
        signal.raise()
        return started.join(deadline: deadline)
    }

    private var isEnding: Bool { isStopping.load(ordering: .acquiring) }

    private func run() {
        while !isEnding {
            let interval = registry.settings.refreshNanoseconds
            let waiting = registry.sources.compactMap { source in source.due.map { (source: source, due: $0) } }.sorted { $0.due < $1.due }
            var next = Clock.monotonicNanoseconds() + interval
            for (source, due) in waiting {
                // The end of a fetch wakes this thread, and its place is the next one's.
                if count(underWay: source, 0) >= Self.fetchesAtOnce { continue }
                let now = Clock.monotonicNanoseconds()
                if source.begin(now: now) {
                    begin(source, interval)
                } else {
                    next = min(next, max(due, now))
                    break
                }
            }
            let now = Clock.monotonicNanoseconds()
            signal.wait(milliseconds: Int((max(next, now) - now) / 1_000_000) + 1)
        }
        let deadline = Clock.monotonicNanoseconds() + UInt64(Self.endMilliseconds) * 1_000_000
        while urisUnderWay.load(ordering: .acquiring) + filesUnderWay.load(ordering: .acquiring) > 0, Clock.monotonicNanoseconds() < deadline { signal.wait(milliseconds: 10) }
    }

    /// Makes one fetch on a thread of its own, or, where the system gives none, on this one.
    private func begin(_ source: KeySetSource, _ interval: UInt64) {
        count(underWay: source, 1)
        let fetch: @Sendable () -> Void = { [self] in
            registry.fetch(
                source, interval: interval, now: Clock.monotonicNanoseconds, load: { load($0) { self.isEnding } },
                report: { [report] location, fault in if !self.isEnding { report(location, fault) } })
            count(underWay: source, -1)
            signal.raise()
        }
        do throws(SocketError) {
            try Thread(name: "sluice-keyset", fetch).detach()
        } catch {
            fetch()
        }
    }

    /// Counts fetches of this source's kind that are under way.
    /// - Returns: how many there are now.
    @discardableResult
    private func count(underWay source: KeySetSource, _ change: Int) -> Int {
        if case .file = source.location.kind { return filesUnderWay.add(change, ordering: .acquiringAndReleasing).newValue }
        return urisUnderWay.add(change, ordering: .acquiringAndReleasing).newValue
    }
}
