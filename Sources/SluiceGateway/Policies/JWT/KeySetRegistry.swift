import SluiceConfiguration
import Synchronization

/// All key set sources of a gateway, and who waits for them. Any thread; takes locks.
final class KeySetRegistry: Sendable {
    let settings: JWT.Settings

    private struct Entry {
        weak var source: KeySetSource?
    }

    private struct State {
        /// Of URIs.
        var sources: [KeySetLocation: Entry] = [:]
        /// Of files: as many of one file as there are snapshots that have read it.
        var fileSources: [Entry] = []
        var count = 0
        var observers: [Int: any KeySetObserver] = [:]
        /// Set while a refresher runs.
        var wake: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    init(_ settings: JWT.Settings = JWT.Settings()) { self.settings = settings }

    /// The source of a URI, made if no snapshot holds one. A new one is fetched at once where a refresher runs.
    func source(for location: KeySetLocation) -> KeySetSource {
        let source = state.withLock { state -> KeySetSource in
            if let source = state.sources[location]?.source { return source }
            state.sources = state.sources.filter { $0.value.source != nil }
            let source = makeSource(location, in: &state)
            state.sources[location] = Entry(source: source)
            return source
        }
        _ = wakeRefresher()
        return source
    }

    /// A new source of a file, with what the file holds at this moment. What an older snapshot has read of it stays that one's.
    ///
    /// - Parameter due: when it is read again, in nanoseconds of the monotonic clock.
    func source(ofFile location: KeySetLocation, holding keys: KeySet, due: UInt64) -> KeySetSource {
        let source = state.withLock { state -> KeySetSource in
            state.fileSources.removeAll { $0.source == nil }
            let source = makeSource(location, in: &state)
            source.adopt(keys, due: due)
            state.fileSources.append(Entry(source: source))
            return source
        }
        _ = wakeRefresher()
        return source
    }

    private func makeSource(_ location: KeySetLocation, in state: inout State) -> KeySetSource {
        defer { state.count += 1 }
        return KeySetSource(location, number: state.count) { [weak self] in self?.wakeRefresher() ?? false }
    }

    /// Every source that some snapshot holds.
    var sources: [KeySetSource] {
        state.withLock { $0.sources.values.compactMap(\.source) + $0.fileSources.compactMap(\.source) }
    }

    /// How one place of key sets is doing.
    struct Report: Sendable {
        /// The path, or the URI without its query.
        let name: String
        /// Whether the latest attempt to get the set has succeeded.
        let isUp: Bool
        /// Of the set in use; 0 without one.
        let keyCount: Int
    }

    /// Every place that some snapshot names, in the order of their names. Of several with one name the worst.
    var reports: [Report] {
        let reports = sources.map { source in
            let keys = source.current?.keys
            return Report(name: source.location.description, isUp: keys != nil && source.lastFault == nil, keyCount: keys?.keys.count ?? 0)
        }
        var worst: [String: Report] = [:]
        for report in reports {
            guard let other = worst[report.name] else {
                worst[report.name] = report
                continue
            }
            worst[report.name] = Report(name: report.name, isUp: report.isUp && other.isUp, keyCount: min(report.keyCount, other.keyCount))
        }
        return worst.values.sorted { $0.name < $1.name }
    }

    /// Whether every source has had its first set.
    var hasFirstSets: Bool { sources.allSatisfy { $0.current != nil } }

    /// Has `observer` told of the fetches that exchanges of this worker wait for; nil ends it. The observer is held.
    func setObserver(_ observer: (any KeySetObserver)?, worker: Int) {
        state.withLock { $0.observers[worker] = observer }
    }

    /// Says how to wake the refresher; nil once there is none.
    func setRefresher(_ wake: (@Sendable () -> Void)?) {
        state.withLock { $0.wake = wake }
    }

    private func wakeRefresher() -> Bool {
        let wake = state.withLock { $0.wake }
        wake?()
        return wake != nil
    }

    /// Fetches what is due, on this thread, and tells the observers. Blocks for as long as the fetches take.
    ///
    /// - Parameters:
    ///   - load: gets the text of a set; the tests' own has no I/O.
    ///   - now: nanoseconds of the monotonic clock, asked again after each fetch.
    ///   - report: told of the first of several failures for the same reason, and, with nil, of the success that ends them.
    func fetchDue(
        interval: UInt64, now: () -> UInt64, load: (KeySetLocation) -> Result<[UInt8], KeySet.Fault>,
        report: (KeySetLocation, _ fault: String?) -> Void = { _, _ in }
    ) {
        for source in sources where source.begin(now: now()) {
            fetch(source, interval: interval, now: now, load: load, report: report)
        }
    }

    /// One fetch that has begun, to its end; see `fetchDue`.
    func fetch(
        _ source: KeySetSource, interval: UInt64, now: () -> UInt64, load: (KeySetLocation) -> Result<[UInt8], KeySet.Fault>,
        report: (KeySetLocation, _ fault: String?) -> Void
    ) {
        let faultBefore = source.lastFault
        let result = load(source.location).flatMap { text in
            Result { () throws(KeySet.Fault) in try KeySet(text) }
        }
        let waiting = source.end(result, now: now(), interval: interval)
        if source.lastFault != faultBefore { report(source.location, source.lastFault) }
        let observers = state.withLock { state in waiting.compactMap { state.observers[$0] } }
        for observer in observers { observer.keySetFetchEnded(source: source.number) }
    }
}
