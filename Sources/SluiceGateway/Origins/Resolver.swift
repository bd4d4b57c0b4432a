import SluiceClient
import SluiceEvent
import SluiceHTTP
import Synchronization

/// Resolves the names of origins on threads of its own, and again at an interval, so that no worker ever waits for a name server.
/// Each look-up has a thread, because the system's answers late where a name server does not. `NameTable` says which is next.
///
/// A name that cannot be resolved keeps the addresses that it had; the next attempt comes within a second while it has none, or while none of them can be used.
final class Resolver: Sendable {
    private struct State {
        var names: NameTable
        /// The configuration in force has these.
        var origins: [Origin] = []
        var isStopped = false
    }

    private let state: Mutex<State>
    private let signal = Signal()
    private let progress = Signal()
    private let lookUp: @Sendable (String) -> [IPAddress]
    /// Told of every change, on the resolver's threads.
    private let changed: @Sendable (Int, [IPAddress]) -> Void

    /// - Parameter lookUp: the addresses of a name, none if it has none. May block.
    init(
        refreshSeconds: Int, patienceMilliseconds: UInt64 = Limits.lookUpPatienceMilliseconds,
        lookUp: @escaping @Sendable (String) -> [IPAddress] = Resolver.ask,
        changed: @escaping @Sendable (Int, [IPAddress]) -> Void
    ) {
        state = Mutex(State(names: NameTable(
            places: Limits.lookUpsAtOnce, threads: Limits.lookUpThreads, patienceMilliseconds: patienceMilliseconds,
            refreshMilliseconds: UInt64(refreshSeconds) * 1000, retryMilliseconds: Limits.lookUpRetryMilliseconds)))
        self.lookUp = lookUp
        self.changed = changed
    }

    /// Resolves the names of these origins too, and waits until each that is new was tried once or the time is up. Any thread, one at a time.
    func prepare(_ origins: [Origin], waitingMilliseconds: UInt64) {
        let new = state.withLock { state in
            let known = Set(state.origins.map(\.url.host))
            state.names.add(origins)
            return origins.filter { !known.contains($0.url.host) }
        }
        signal.raise()
        let deadline = now() + waitingMilliseconds
        while now() < deadline, state.withLock({ $0.names.hasUntried(new) }) { progress.wait(milliseconds: 20) }
    }

    /// From now on these origins are used, and no others; nil: as before, what was prepared is not used.
    func use(_ origins: [Origin]?) {
        state.withLock { state in
            if let origins { state.origins = origins }
            state.names.keep(state.origins)
        }
    }

    /// The addresses of every origin, as far as they are known.
    var addresses: [Int: [IPAddress]] { state.withLock { $0.names.addresses } }

    /// Tells again of what has changed since `known` was read. For whoever hands that to somebody, who may have been told of the changes first.
    func tellChanges(since known: [Int: [IPAddress]]) {
        for (number, found) in addresses where known[number] != found { changed(number, found) }
    }

    /// The thread's body; ends after `stop()`.
    func run() {
        while !state.withLock({ $0.isStopped }) {
            for host in takeDue() {
                do throws(SocketError) {
                    try Thread(name: "sluice-lookup") { self.end(host, self.lookUp(host)) }.detach()
                } catch {
                    // This thread must not wait for an answer: the name is tried again with the next.
                    end(host, [])
                }
            }
            signal.wait(milliseconds: 250)
        }
    }

    private func takeDue() -> [String] {
        state.withLock { state in
            for origin in state.origins where origin.takeSuspicion() { state.names.suspect(origin.url.host) }
            return state.names.takeDue(now: now())
        }
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        signal.raise()
    }

    private func end(_ host: String, _ found: [IPAddress]) {
        let news = state.withLock { $0.isStopped ? nil : $0.names.end(host, found: found, now: now()) }
        progress.raise()
        // There is room for another.
        signal.raise()
        for number in news?.origins ?? [] { changed(number, news?.addresses ?? []) }
    }

    private func now() -> UInt64 { Clock.monotonicNanoseconds() / 1_000_000 }

    /// Asks the system (hosts file, name servers). Sorted, so that an answer in another order is not a change. Blocks.
    @Sendable
    static func ask(_ host: String) -> [IPAddress] {
        guard case .success(let found) = NameLookUp.system(host, port: 0) else { return [] }
        return Array(Set(found.map(\.ip)).sorted().prefix(Limits.addressesPerName))
    }
}
