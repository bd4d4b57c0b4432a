import SluiceHTTP

/// Which names of origins are known, which are to be looked up next, and what became of it. No threads and no clock: times are arguments, in milliseconds of
/// the monotonic clock.
///
/// - A name is looked up once, however many origins bear it, and one look-up of it at a time.
/// - `places` look-ups are under way at once. One that takes longer than `patienceMilliseconds`, or whose name nobody uses any more, gives its place to the next:
///   a name server that does not answer keeps the system's look-up for half a minute. `threads` is the bound on all of them.
/// - Names that were never tried come first, in the order in which they became known; then those that the last look-up found, then the others. So
///   names without an answer hold up each other and nobody else.
struct NameTable {
    let places: Int
    let threads: Int
    let patienceMilliseconds: UInt64
    /// Between two look-ups of a name that has addresses.
    let refreshMilliseconds: UInt64
    /// Between two look-ups of any name: of one that has no addresses, or whose addresses all fail.
    let retryMilliseconds: UInt64

    private struct Name {
        /// Numbers of the origins that bear it.
        var origins: Set<Int> = []
        /// Nil before the first look-up has ended.
        var addresses: [IPAddress]?
        /// Whether the last look-up brought addresses within the patience.
        var isGood = false
        var due: UInt64 = 0
        var triedAt: UInt64 = 0
    }

    private var names: [String: Name] = [:]
    /// Names that are new, in order.
    private var untried: [String] = []
    /// When look-ups began that have not ended, also of names that are used no more.
    private var underWay: [String: UInt64] = [:]
    /// Addresses that need no look-up.
    private var fixed: [Int: [IPAddress]] = [:]

    init(places: Int, threads: Int, patienceMilliseconds: UInt64, refreshMilliseconds: UInt64, retryMilliseconds: UInt64) {
        self.places = places
        self.threads = threads
        self.patienceMilliseconds = patienceMilliseconds
        self.refreshMilliseconds = refreshMilliseconds
        self.retryMilliseconds = min(retryMilliseconds, refreshMilliseconds)
    }

    // MARK: What is wanted

    /// Makes origins known beside those that are.
    mutating func add(_ origins: [Origin]) {
        for origin in origins {
            if let address = origin.url.address {
                fixed[origin.number] = [address]
            } else {
                let host = origin.url.host
                if names[host] == nil {
                    names[host] = Name()
                    untried.append(host)
                }
                names[host]?.origins.insert(origin.number)
            }
        }
    }

    /// Forgets all origins but these.
    mutating func keep(_ origins: [Origin]) {
        let numbers = Set(origins.map(\.number))
        fixed = fixed.filter { numbers.contains($0.key) }
        for host in Array(names.keys) { names[host]?.origins.formIntersection(numbers) }
        names = names.filter { !$0.value.origins.isEmpty }
        untried.removeAll { names[$0] == nil }
    }

    /// The addresses of an origin's name have all failed: what they are may have changed.
    mutating func suspect(_ host: String) {
        guard let name = names[host] else { return }
        names[host]?.due = min(name.due, name.triedAt + retryMilliseconds)
    }

    /// Whether some of these names were never tried to the end.
    func hasUntried(_ origins: [Origin]) -> Bool {
        origins.contains { $0.url.address == nil && names[$0.url.host].map { $0.addresses == nil } ?? false }
    }

    /// The addresses of every origin, as far as they are known.
    var addresses: [Int: [IPAddress]] {
        var all = fixed
        for name in names.values { for number in name.origins { all[number] = name.addresses ?? [] } }
        return all
    }

    // MARK: Look-ups

    /// The names that are to be looked up now. Each is under way from here on until `end` is called for it.
    mutating func takeDue(now: UInt64) -> [String] {
        let holding = underWay.count { names[$0.key] != nil && now - $0.value < patienceMilliseconds }
        var room = min(places - holding, threads - underWay.count)
        guard room > 0 else { return [] }
        let known = names.filter { $0.value.addresses != nil && $0.value.due <= now }
            .sorted { ($0.value.isGood ? 0 : 1, $0.value.due, $0.key) < ($1.value.isGood ? 0 : 1, $1.value.due, $1.key) }
        var taken: [String] = []
        for host in untried + known.map(\.key) where room > 0 && underWay[host] == nil {
            taken.append(host)
            underWay[host] = now
            room -= 1
        }
        let begun = Set(taken)
        untried.removeAll { begun.contains($0) }
        return taken
    }

    /// A look-up has ended. A name that is used no more is forgotten; one without addresses keeps those that it had.
    ///
    /// - Returns: the origins whose addresses have changed, and to what; nil if none have.
    mutating func end(_ host: String, found: [IPAddress], now: UInt64) -> (origins: Set<Int>, addresses: [IPAddress])? {
        let began = underWay.removeValue(forKey: host) ?? now
        guard var name = names[host] else { return nil }
        // Named again while an earlier look-up was under way: this was its.
        untried.removeAll { $0 == host }
        let before = name.addresses
        if !found.isEmpty { name.addresses = found } else if before == nil { name.addresses = [] }
        name.isGood = !found.isEmpty && now - began < patienceMilliseconds
        name.triedAt = now
        name.due = now + (name.addresses?.isEmpty == false ? refreshMilliseconds : retryMilliseconds)
        names[host] = name
        return name.addresses == before ? nil : (name.origins, name.addresses ?? [])
    }
}
