import SluiceConfiguration
import SluiceCounting
import SluiceHTTP

/// Holds every caller to a number of requests in any interval of a length: by its address, a header, a variable of the path, or a claim of its token.
///
/// No interval of `perSeconds`, wherever it begins, holds more than `limit` requests of a caller that left for a service, over all workers
/// (`LimitTable`). A list may hold several limits; a request that one of them refuses is charged to none. An endpoint's list stands in place of
/// its domain's. What is known of a stranger is counted before authentication, so that guesses at credentials are limited too; claims after
/// it (`LateRateLimit`). A request that something else refuses later stays charged.
///
/// Nodes that share a Redis divide each limit evenly among them: every caller has the same part on each. What a caller sent to one
/// node need not be told to the others, however many callers there are.
///
/// Refuses with `.rateLimited` (429), and with `.headTooLarge` where the exchange has no memory left. Never suspends.
enum RateLimit: Policy {
    static let key = "rateLimit"

    static let declaration = PolicyDeclaration(
        places: [
            .init(level: .domain, meaning: "Limits each caller's requests, over all endpoints of the domain that have no list of their own."),
            .init(level: .endpoint, meaning: "Limits each caller's requests to the endpoint, in place of the domain's list. An empty list lifts its limits."),
        ],
        form: .list(.mapping([
            .init("limit", .integer(limitRange, unit: nil), .required, "The most requests of one caller in any interval of `perSeconds`."),
            .init("perSeconds", .integer(perSecondsRange, unit: nil), .required, "Length of the interval in seconds."),
            .init("by", .text("address, header:NAME, path:NAME, claim:NAME or apiKey"), .byDefault("address"),
                "What tells callers apart: the client's address, a header, a variable of the endpoint's path, a claim that `jwt` forwards, or the API key."),
            .init("missing", .word(["pass", "refuse"]), .byDefault("pass"), "What becomes of a request that does not have it."),
            .init("ipv6Prefix", .integer(prefixRange, unit: "bits"), .byDefault("64"), "How many bits of an IPv6 address tell callers apart. For `by: address`."),
        ])),
        refusals: [.rateLimited], remembers: "each caller's requests in the interval", goesByClock: true, keepsOut: true)

    static let limitRange: ClosedRange<Int64> = 1...Int64(LimitRule.limitMax)
    static let perSecondsRange: ClosedRange<Int64> = 1...86_400
    static let prefixRange: ClosedRange<Int64> = 1...128
    /// Limits in one list.
    static let limitsMax = 8

    /// What tells callers apart.
    enum Source: Sendable, Equatable {
        case address(ipv6Prefix: Int)
        case header(String)
        case path(String)
        case claim(String)
        case apiKey

        /// Whether only authentication finds it out.
        var isLate: Bool {
            switch self {
            case .claim, .apiKey: true
            case .address, .header, .path: false
            }
        }

        /// For names of limits and for what is counted: the same for the same callers.
        var name: String {
            switch self {
            case .address: "address"
            case .header(let name): "header:\(name.asciiLowercased)"
            case .path(let name): "path:\(name)"
            case .claim(let name): "claim:\(name)"
            case .apiKey: "apiKey"
            }
        }
    }

    struct Configuration: Sendable {
        /// At most `limitsMax`; none twice with one source and one interval.
        var limits: [Limit] = []

        struct Limit: Sendable {
            var limit: UInt64
            var perSeconds: UInt64
            var source: Located<Source>
            var refusesWithout: Bool
        }
    }

    // MARK: Reading

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        guard let entries = node.elements else {
            problems.add(at: node, found: node.found, allowed: "a list of {limit, perSeconds, by}")
            return nil
        }
        let before = problems.count
        if entries.count > limitsMax { problems.add(at: node, found: "\(entries.count) limits", allowed: "at most \(limitsMax)") }
        var configuration = Configuration()
        var known: Set<String> = []
        for (node, entry) in entries.compactMap({ node in MappingReader(node, problems).map { (node, $0) } }) {
            guard let limit = readLimit(entry, node) else { continue }
            if !known.insert("\(limit.source.value.name) \(limit.perSeconds)").inserted {
                problems.add(
                    at: limit.source, found: "a second limit by \(Quoting.quoted(limit.source.value.name)) per \(limit.perSeconds) seconds",
                    allowed: "one limit for each length of interval")
            }
            configuration.limits.append(limit)
        }
        return problems.count == before ? configuration : nil
    }

    private static func readLimit(_ entry: MappingReader, _ node: ConfigurationNode) -> Configuration.Limit? {
        let limit = entry.requiredInteger("limit", in: limitRange)
        let perSeconds = entry.requiredInteger("perSeconds", in: perSecondsRange)
        let by = entry.string("by")
        let hasBy = entry.has("by")
        let missing = entry.enumeration("missing", ["pass", "refuse"])
        let prefix = entry.integer("ipv6Prefix", in: prefixRange, unit: "bits")
        entry.finish()
        let prefixOrDefault = Int(prefix?.value ?? 64)
        let source = hasBy ? by.flatMap { readSource($0, prefix: prefixOrDefault, entry.problems) } : .address(ipv6Prefix: prefixOrDefault)
        guard let limit, let perSeconds, let source else { return nil }
        var isByAddress = false
        if case .address = source { isByAddress = true }
        if let prefix, !isByAddress {
            entry.problems.add(at: prefix, found: "`ipv6Prefix` beside `by: \(source.name)`", allowed: "`ipv6Prefix` beside `by: address`")
        }
        return .init(
            limit: UInt64(limit.value), perSeconds: UInt64(perSeconds.value), source: Located(source, at: node), refusesWithout: missing?.value == "refuse")
    }

    private static func readSource(_ text: Located<String>, prefix: Int, _ problems: Problems) -> Source? {
        let parts = text.value.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts.count == 2 ? parts[1] : ""
        switch parts[0] {
        case "address" where parts.count == 1: return .address(ipv6Prefix: prefix)
        case "header" where Validate.isHeader(name): return .header(name)
        case "header" where parts.count == 2:
            problems.add(at: text, found: Quoting.quoted(text.value), allowed: "the name of a header that is sent on")
        case "path" where !name.isEmpty: return .path(name)
        case "claim" where !name.isEmpty: return .claim(name)
        case "apiKey" where parts.count == 1: return .apiKey
        default:
            problems.add(at: text, found: Quoting.quoted(text.value), allowed: "address, header:NAME, path:NAME, claim:NAME or apiKey")
        }
        return nil
    }

    /// Headers that are counted by get to the service as they came, so that nobody is counted as one caller and served as another.
    static func fields(_ configuration: Configuration) -> PolicyFields {
        PolicyFields(relied: configuration.limits.compactMap { if case .header(let name) = $0.source.value { name.asciiLowercased } else { nil } })
    }

    /// A header that bears a claim, or that the endpoint sets or removes, does not get to the service as the client sent it. Counted by, it would let a
    /// client be another caller whenever it likes.
    static func check(_ configuration: Configuration, beside fields: PolicyFields, problems: Problems) {
        for limit in configuration.limits {
            guard case .header(let name) = limit.source.value else { continue }
            let lower = name.asciiLowercased
            if let claim = fields.claim(inHeader: name) {
                problems.add(
                    at: limit.source, found: "\(Quoting.quoted(name)), which carries the claim \(Quoting.quoted(claim.name)); what a client sends under it is removed",
                    allowed: "`claim:\(claim.name)`, or another header")
            } else if fields.hidden.contains(where: { UnusualNames.usual($0) == UnusualNames.usual(name) }) {
                problems.add(at: limit.source, found: "\(Quoting.quoted(name)), which bears the API key", allowed: "`apiKey`, or another header")
            } else if fields.removed.contains(where: { $0.asciiLowercased == lower }) || fields.set.contains(where: { $0.value.asciiLowercased == lower }) {
                problems.add(
                    at: limit.source, found: "\(Quoting.quoted(name)), which `headers.request` sets or removes", allowed: "a header that the upstream gets as it came")
            }
        }
    }

    // MARK: Notes

    static func note(domain: PolicySettings, endpoints: [PolicySettings]) -> String? {
        var notes: [String] = []
        let sites = [domain] + endpoints
        let headers = names(sites) { if case .header(let name) = $0 { name } else { nil } }
        if !headers.isEmpty {
            notes.append(
                "`rateLimit` by \(list(headers.map { "header:\($0)" })): whoever sends another value is another caller, so that it limits only "
                    + "callers whose headers somebody else sets or checks")
        }
        // What an endpoint's own `jwt` forwards, or its domain's.
        let forwarded = Set(sites.flatMap { $0.fields(in: domain).claims.map(\.name) })
        let claims = names(sites) { if case .claim(let name) = $0, !forwarded.contains(name) { name } else { nil } }
        if !claims.isEmpty {
            notes.append(
                "`rateLimit` by \(list(claims.map { "claim:\($0)" })) finds no caller: no `jwt` of this domain forwards such a claim (`forward: {NAME: HEADER}`)")
        }
        let keys = names(sites) { if case .apiKey = $0 { "apiKey" } else { nil } }
        if !keys.isEmpty, sites.allSatisfy({ $0.credentials(ApiKey.self, in: domain).isEmpty }) {
            notes.append("`rateLimit` by `apiKey` finds no caller: no `apiKey` policy in this domain")
        }
        return notes.isEmpty ? nil : notes.joined(separator: "; ")
    }

    static func noteWithoutProxies(domain: PolicySettings, endpoints: [PolicySettings]) -> String? {
        let isByAddress = !names([domain] + endpoints) { if case .address = $0 { "address" } else { nil } }.isEmpty
        guard isByAddress else { return nil }
        return "`rateLimit` by address, and no `trustedProxies`: if a proxy or a balancer stands before this gateway, all its clients are one caller"
    }

    private static func names(_ sites: [PolicySettings], _ name: (Source) -> String?) -> [String] {
        var found: [String] = []
        for limit in sites.flatMap({ $0[Self.self]?.limits ?? [] }) {
            if let name = name(limit.source.value), !found.contains(name) { found.append(name) }
        }
        return found
    }

    private static func list(_ names: [String]) -> String { names.map { "`\($0)`" }.joined(separator: " and ") }

    static func describePassing(_ exchange: borrowing Exchange) -> String {
        var count = 0
        var next = exchange.callerCharges
        while let place = next {
            count += 1
            next = place.pointee.before
        }
        return count == 0 ? "proceed: what the caller is counted by is missing" : "proceed: charged to \(count == 1 ? "1 limit" : "\(count) limits") of the caller"
    }
}

/// The limits of `RateLimit` by what authentication finds out: another place in the order, with the same name.
enum LateRateLimit: BuiltInPolicy {
    static let key = RateLimit.key
    static let declaration = PolicyDeclaration(goesByClock: true)

    typealias Compiled = RateLimit.Compiled

    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>? { RateLimit.compiled(at: site, late: true) }
    static func describePassing(_ exchange: borrowing Exchange) -> String { RateLimit.describePassing(exchange) }
}
