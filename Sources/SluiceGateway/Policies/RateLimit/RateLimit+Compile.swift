import SluiceConfiguration
import SluiceCounting
import SluiceHTTP

extension RateLimit {
    /// Of a list alone there is no compiled form: `compiled(at:)` divides it by when its limits are charged.
    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? { nil }

    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>? { compiled(at: site, late: false) }

    /// The limits that are charged before authentication, or after it: of the endpoint, or else of its domain.
    static func compiled(at site: PolicySite, late: Bool) -> UnsafePointer<Compiled>? {
        guard let owner = site.settings[Self.self] == nil ? site.domain : site, let configuration = owner.settings[Self.self] else { return nil }
        let limits = configuration.limits.filter { $0.source.value.isLate == late }
        guard !limits.isEmpty else { return nil }
        // Which claims there are, and where, each endpoint's own credentials decide.
        guard late else { return owner.once(key) { compile(limits, of: owner, at: owner) } }
        return compile(limits, of: owner, at: site)
    }

    private static func compile(_ limits: [Configuration.Limit], of owner: PolicySite, at site: PolicySite) -> UnsafePointer<Compiled>? {
        let arena = site.snapshot.arena
        let callers = site.snapshot.callers
        let level = owner.domain == nil ? "domain" : "endpoint"
        let conditions = limits.compactMap { limit -> Compiled.Condition? in
            guard let (source, missing) = compile(limit.source, of: owner, at: site) else { return nil }
            let name = "\(level)-\(limit.source.value.name)-\(limit.perSeconds)"
            // What tells this count from every other one. Not the limit: with another one the count goes on.
            var seed = SipHash128(key: callers.secret)
            for text in [owner.name, level, limit.source.value.name] { text.withByteView { seed.add($0) } }
            seed.add(word: limit.perSeconds)
            return Compiled.Condition(
                source: source, seed: seed, rule: LimitRule(limit: limit.limit, perSeconds: limit.perSeconds),
                refusesWithout: limit.refusesWithout, missing: arena.bytes(missing), exhausted: arena.bytes(printable(name)),
                name: arena.bytes(RateLimitFields.name(name)))
        }
        guard !conditions.isEmpty else { return nil }
        let policy = zip(limits, conditions).map { limit, condition in "\(condition.name.string);q=\(limit.limit);w=\(limit.perSeconds)" }
        let headers = limits.compactMap { limit in if case .header(let name) = limit.source.value { name } else { nil } }
        return arena.store(Compiled(
            meter: callers.meter, conditions: arena.store(conditions), headers: FieldNames(headers, into: arena),
            policy: arena.bytes(policy.joined(separator: ", "))))
    }

    /// Where the source is found in a request, and what is said where it is missing.
    private static func compile(_ source: Located<Source>, of owner: PolicySite, at site: PolicySite) -> (Compiled.Source, String)? {
        switch source.value {
        case .address(let prefix):
            let high: UInt64 = prefix >= 64 ? .max : ~(UInt64.max >> UInt64(prefix))
            let low: UInt64 = prefix <= 64 ? 0 : prefix == 128 ? .max : ~(UInt64.max >> UInt64(prefix - 64))
            return (.address(high: high, low: low), "no address")
        case .header(let name): return (.header(site.snapshot.arena.bytes(name.asciiLowercased)), "header \(name) missing")
        case .apiKey: return (.caller, "API key missing")
        case .path(let name): return segment(of: name, source, in: owner).map { (.path(segment: $0), "path variable missing") }
        case .claim(let name):
            let domain = site.domain?.settings ?? PolicySettings()
            let claims = site.settings.fields(in: domain).claims
            let issuers = issuers(site.settings, in: domain)
            let headers = Set(issuers.flatMap { $0.forwards.filter { $0.claim == name }.map(\.header.asciiLowercased) })
            guard let header = headers.first else { return (.absent, "claim missing") }
            let isOne = headers.count == 1 && issuers.allSatisfy { issuer in
                issuer.forwards.allSatisfy { $0.header.asciiLowercased != header || $0.claim == name }
            }
            guard isOne else {
                // The list of a domain is compiled for each endpoint too: one problem is enough.
                owner.once("rateLimit by claim:\(name)") {
                    owner.snapshot.problems.add(
                        at: source, found: "the claim \(Quoting.quoted(name)), which issuers forward in several headers, or in one with another claim",
                        allowed: "a claim that is forwarded in one header, by every issuer that uses the header")
                }
                return nil
            }
            return (claims.firstIndex { $0.header.asciiLowercased == header }.map { .claim(index: $0) } ?? .absent, "claim missing")
        }
    }

    /// Everybody whose tokens pass at a site.
    private static func issuers(_ settings: PolicySettings, in domain: PolicySettings) -> [JWT.Issuer] {
        let own = settings.isWritten(where: \.checksCaller) ? settings : domain
        let jwt = [own[JWT.self]].compactMap { $0 } + (own[AnyOf.self]?.alternatives.compactMap { $0[JWT.self] } ?? [])
        return jwt.flatMap(\.issuers)
    }

    /// The number of the segment of the endpoint's path that a variable stands for; nil, and a problem, where there is none.
    private static func segment(of name: String, _ source: Located<Source>, in owner: PolicySite) -> Int? {
        let problems = owner.snapshot.problems
        guard let path = owner.path else {
            problems.add(at: source, found: "`by: path:\(name)` in a domain", allowed: "`by: path:NAME` in an endpoint, whose path has the variable")
            return nil
        }
        // What is wrong with the pattern is reported where it is compiled.
        guard let pattern = PathPattern(Located(value: path), problems: Problems(file: "")) else { return nil }
        guard let index = pattern.variables.firstIndex(of: name) else {
            let variables = pattern.variables.isEmpty ? "none" : pattern.variables.map { "{\($0)}" }.joined(separator: ", ")
            problems.add(at: source, found: "`path:\(name)`; the path \(Quoting.quoted(path)) has \(variables)", allowed: "a variable of the endpoint's path")
            return nil
        }
        let segment = pattern.variableSegments[index]
        let kinds = pattern.segments[...segment].map(\.kind)
        guard kinds.last != .mix, !kinds.contains(.doubleStar) else {
            problems.add(
                at: source, found: "`path:\(name)`, which is part of a segment or stands behind `**`", allowed: "a variable that is a whole segment, with no `**` before it")
            return nil
        }
        return segment
    }

    /// A text as details may hold it.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { 0x20...0x7E ~= $0.value && !"\"\\%".unicodeScalars.contains($0) ? $0 : "?" }))
    }
}
