import SluiceConfiguration

/// The policies that an operator has written for one domain or one endpoint, read and typed.
struct PolicySettings: Sendable {
    /// Keys that are written, with or without fault.
    private var written: [String] = []
    private var configurations: [(key: String, configuration: any Sendable)] = []
    /// Of a domain: claims that a policy of its own or of one of its endpoints passes on. Its services take their headers at their word.
    private var claims: [PolicyFields.Claim] = []
    /// The same of headers that are withheld because of what they bear: a key that one endpoint takes is one that all of them may be sent.
    private var hidden: [String] = []

    init() {}

    /// What is under `policies` in the mapping of a domain or an endpoint.
    init(_ reader: MappingReader, at level: PolicyDeclaration.Level) {
        PolicyTable.rows.read(reader, at: level, into: &self)
        for policy in PolicyTable.policies(at: level) {
            for other in policy.declaration.excludes where isWritten(other) && isWritten(policy.key) {
                guard let node = reader.node(policy.key) else { continue }
                reader.problems.add(at: node, found: "both `\(policy.key)` and `\(other)`", allowed: "one of the two in \(level == .domain ? "a" : "an") \(level)")
            }
        }
    }

    /// Nil if the policy is not written, or cannot be used.
    subscript<Kind: Policy>(_ policy: Kind.Type) -> Kind.Configuration? {
        configurations.first { $0.key == policy.key }?.configuration as? Kind.Configuration
    }

    mutating func read<Kind: Policy>(_ policy: Kind.Type, _ reader: MappingReader) {
        guard let node = reader.node(policy.key) else { return }
        written.append(policy.key)
        guard let configuration = policy.read(node, problems: reader.problems) else { return }
        configurations.append((policy.key, configuration))
    }

    /// Puts in place what the policies of an endpoint, or of its domain, leave to a document.
    mutating func complete(in domain: PolicySettings, _ endpoint: ConfigurationNode, of domainNode: ConfigurationNode, _ problems: Problems) {
        for policy in PolicyTable.all { complete(policy, domain, endpoint, domainNode, problems) }
    }

    private mutating func complete<Kind: Policy>(
        _ policy: Kind.Type, _ domain: PolicySettings, _ endpoint: ConfigurationNode, _ domainNode: ConfigurationNode, _ problems: Problems
    ) {
        guard let configuration = inForce(policy, in: domain) else { return }
        let place = DocumentPlace(endpoint: endpoint, domain: domainNode, isInherited: !isWritten(policy.key), problems: problems)
        guard let completed = policy.complete(configuration, by: place) else { return }
        configurations.removeAll { $0.key == policy.key }
        configurations.append((policy.key, completed))
    }

    /// Whether a policy is written for which this holds, with or without fault.
    func isWritten(where condition: (PolicyDeclaration) -> Bool) -> Bool {
        PolicyTable.all.contains { isWritten($0.key) && condition($0.declaration) }
    }

    /// The keys of those that can be used and for which this holds, in the order of the chain.
    func keys(where condition: (PolicyDeclaration) -> Bool) -> [String] {
        PolicyTable.all.filter { policy in condition(policy.declaration) && configurations.contains { $0.key == policy.key } }.map { $0.key }
    }

    private func isWritten(_ key: String) -> Bool { written.contains(key) }

    /// Whether an endpoint with these policies says itself how it is checked who calls.
    var checksCaller: Bool { isWritten(where: \.checksCaller) }

    /// Whether what an endpoint with these policies says stands in place of this policy of its domain, although it is another one.
    func replaces<Kind: Policy>(_ policy: Kind.Type) -> Bool { policy.declaration.checksCaller && checksCaller }

    /// What holds in an endpoint with these policies: its own, or that of its domain.
    func inForce<Kind: Policy>(_ policy: Kind.Type, in domain: PolicySettings) -> Kind.Configuration? {
        self[policy] ?? (replaces(policy) ? nil : domain[policy])
    }

    /// What holds of one kind of credentials in an endpoint with these policies, alone or as alternatives.
    func credentials<Kind: Policy>(_ policy: Kind.Type, in domain: PolicySettings) -> [Kind.Configuration] {
        let alternatives = inForce(AnyOf.self, in: domain)?.alternatives ?? []
        return (inForce(policy, in: domain).map { [$0] } ?? []) + alternatives.compactMap { $0[policy] }
    }

    // MARK: Fields

    /// What the policies of an endpoint do with fields of requests: these, and those of its domain in whose place none of these stands.
    func fields(in domain: PolicySettings = PolicySettings()) -> PolicyFields {
        var fields = PolicyFields()
        for policy in PolicyTable.all { add(policy, domain, &fields) }
        fields.withheld = domain.claims.filter { claim in !fields.claims.contains { $0.header.asciiLowercased == claim.header.asciiLowercased } }
        let kept = Set((fields.hidden + fields.shown).map(\.asciiLowercased))
        fields.hidden += domain.hidden.filter { !kept.contains($0.asciiLowercased) }
        return fields
    }

    /// Has the headers that bear a claim, or a key, anywhere in a domain with these policies withheld in all of it.
    mutating func withholdClaims(ofEndpoints endpoints: [PolicySettings]) {
        let all = [fields()] + endpoints.map { $0.fields() }
        claims = all.flatMap(\.claims)
        hidden = all.flatMap(\.hidden).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    private func add<Kind: Policy>(_ policy: Kind.Type, _ domain: PolicySettings, _ fields: inout PolicyFields) {
        guard let configuration = inForce(policy, in: domain) else { return }
        fields.add(policy.fields(configuration))
    }

    /// Reports what does not go together in an endpoint with these policies in a domain with those.
    func check(in domain: PolicySettings, problems: Problems) {
        let fields = fields(in: domain)
        for policy in PolicyTable.all { check(policy, fields, problems) }
    }

    private func check<Kind: Policy>(_ policy: Kind.Type, _ fields: PolicyFields, _ problems: Problems) {
        guard let configuration = self[policy] else { return }
        policy.check(configuration, beside: fields, problems: problems)
    }
}

/// What a policy does with fields of requests.
struct PolicyFields: Sendable {
    /// A claim that goes to the service in a header; a client's own of that name does not.
    struct Claim: Sendable {
        var name: String
        var header: String

        /// The first of each header, whichever case its name is written in: the places of `Exchange.forwardedClaims`.
        static func distinct(_ claims: [Claim]) -> [Claim] {
            var seen: Set<String> = []
            return claims.filter { seen.insert($0.header.asciiLowercased).inserted }
        }
    }

    /// Headers that bear what the gateway knows of the caller, in the order of `Exchange.forwardedClaims`.
    var claims: [Claim] = []
    /// Those that bear a claim elsewhere in the domain: here a client's own does not go to the service either.
    var withheld: [Claim] = []
    /// Headers that bear a secret of the client's, which does not go on. And those that go on although they bear one.
    var hidden: [String] = []
    var shown: [String] = []
    /// Fields that are set for the service, and those that are removed.
    var set: [Located<String>] = []
    var removed: [String] = []
    /// Fields that are checked or remembered, so that they must get to the service as they came.
    var relied: [String] = []

    /// What a client cannot send to the service.
    var kept: [Claim] { claims + withheld }

    /// The claim that a header of this name bears for the service, in whichever spelling; nil if it bears none.
    func claim(inHeader name: String) -> Claim? {
        kept.first { UnusualNames.usual($0.header) == UnusualNames.usual(name) }
    }

    mutating func add(_ other: PolicyFields) {
        claims += other.claims
        hidden += other.hidden
        shown += other.shown
        set += other.set
        removed += other.removed
        relied += other.relied
    }
}
