import Glibc
import SluiceEvent
import SluiceHTTP
import Synchronization

/// Resolves the names of origins on threads of its own, and again at an interval, so that no worker ever waits for a name server.
/// Each look-up has a thread, because the system's answers late where a name server does not: no name waits for another.
///
/// A name that cannot be resolved keeps the addresses that it had; the next attempt comes within a second while it has none.
final class Resolver: Sendable {
    private struct Name {
        let origin: Origin
        var addresses: [IPAddress]?
        /// Milliseconds of the monotonic clock at which it is resolved again.
        var due: UInt64
        /// Whether it is being looked up.
        var isUnderWay = false
        /// Whether the configuration in force names it.
        var isUsed = true
    }

    private struct State {
        var names: [Int: Name] = [:]
        var isStopped = false
    }

    private let state = Mutex(State())
    private let signal = Signal()
    private let progress = Signal()
    private let refreshMilliseconds: UInt64
    private let lookUp: @Sendable (String) -> [IPAddress]
    /// Told of every change, on the resolver's thread.
    private let changed: @Sendable (Int, [IPAddress]) -> Void

    /// - Parameter lookUp: the addresses of a name, none if it has none. May block.
    init(
        refreshSeconds: Int, lookUp: @escaping @Sendable (String) -> [IPAddress] = Resolver.ask,
        changed: @escaping @Sendable (Int, [IPAddress]) -> Void
    ) {
        refreshMilliseconds = UInt64(refreshSeconds) * 1000
        self.lookUp = lookUp
        self.changed = changed
    }

    /// Resolves the names of these origins and of no others from now on, and waits until each that is new was tried once or the time is
    /// up. Addresses need no resolution. Names that nobody uses any more keep the addresses that they had.
    func resolve(_ origins: [Origin], waitingMilliseconds: UInt64) {
        state.withLock { state in
            for number in state.names.keys { state.names[number]?.isUsed = false }
            for origin in origins {
                guard state.names[origin.number] == nil else {
                    state.names[origin.number]?.isUsed = true
                    continue
                }
                state.names[origin.number] = Name(origin: origin, addresses: origin.url.address.map { [$0] }, due: 0)
            }
        }
        signal.raise()
        let deadline = now() + waitingMilliseconds
        while now() < deadline, hasUntried { progress.wait(milliseconds: 20) }
    }

    private var hasUntried: Bool { state.withLock { $0.names.values.contains { $0.isUsed && $0.addresses == nil && $0.due == 0 } } }

    /// The addresses of every origin, as far as they are known.
    var addresses: [Int: [IPAddress]] { state.withLock { $0.names.mapValues { $0.addresses ?? [] } } }

    /// The thread's body; ends after `stop()`.
    func run() {
        while !state.withLock({ $0.isStopped }) {
            for origin in takeDue() {
                do throws(SocketError) {
                    try Thread(name: "sluice-lookup") { self.resolve(origin) }.detach()
                } catch {
                    resolve(origin)
                }
            }
            signal.wait(milliseconds: 250)
        }
    }

    /// The origins whose names are to be looked up now, as many as may be under way at once; those that have waited longest first.
    private func takeDue() -> [Origin] {
        state.withLock { state in
            let room = Limits.lookUpsAtOnce - state.names.values.count(where: \.isUnderWay)
            let now = now()
            let due = state.names.values.filter { $0.isUsed && $0.origin.url.address == nil && !$0.isUnderWay && $0.due <= now }
                .sorted { $0.due < $1.due }.prefix(max(0, room)).map(\.origin)
            for origin in due { state.names[origin.number]?.isUnderWay = true }
            return due
        }
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        signal.raise()
    }

    private func resolve(_ origin: Origin) {
        let found = lookUp(origin.url.host)
        let news: [IPAddress]? = state.withLock { state in
            guard var name = state.names[origin.number], !state.isStopped else { return nil }
            name.isUnderWay = false
            let before = name.addresses
            if !found.isEmpty { name.addresses = found } else if before == nil { name.addresses = [] }
            let retry = name.addresses?.isEmpty == false ? refreshMilliseconds : min(1000, refreshMilliseconds)
            name.due = max(1, now() + retry)
            state.names[origin.number] = name
            return name.addresses == before ? nil : name.addresses
        }
        progress.raise()
        // There is room for another.
        signal.raise()
        if let news { changed(origin.number, news) }
    }

    private func now() -> UInt64 { Clock.monotonicNanoseconds() / 1_000_000 }

    /// Asks the system (hosts file, name servers). Sorted, so that an answer in another order is no change. Blocks.
    @Sendable
    static func ask(_ host: String) -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        var status = getaddrinfo(host, nil, &hints, &list)
        if status != 0 {
            // A machine with nothing but loopback has no "configured" address family.
            hints.ai_flags = 0
            status = getaddrinfo(host, nil, &hints, &list)
        }
        guard status == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: Set<IPAddress> = []
        var entry = list
        while let current = entry {
            if let address = SocketAddress(current.pointee.ai_addr, size: current.pointee.ai_addrlen) { found.insert(address.ip) }
            entry = current.pointee.ai_next
        }
        return Array(found.sorted().prefix(Limits.addressesPerName))
    }
}
