import SluiceConfiguration

/// What `sluice check` notes about a configuration that is served as it is written: each is not a fault, but something that its
/// operator may not have meant.
enum ConfigurationNotes {
    /// Endpoints of one domain that are compared with each other; with more, those behind are left out.
    private static let endpointsCompared = 2000

    static func add(_ configuration: GatewayConfiguration, to problems: Problems) {
        let trustsProxies = !configuration.trustedProxies.isEmpty || configuration.listeners.contains { !$0.trustedProxies.isEmpty }
        for domain in configuration.domains {
            noteWithoutEndpoints(domain, problems)
            notePolicies(domain, trustsProxies: trustsProxies, problems)
            noteWeakerEndpoints(domain, problems)
            noteNamesReadAlike(domain, problems)
            noteWithoutClients(domain, configuration.listeners, problems)
        }
        noteShadowedKeys(configuration.domains, problems)
        noteCallers(configuration, problems)
    }

    // MARK: Callers

    private static func noteCallers(_ configuration: GatewayConfiguration, _ problems: Problems) {
        for caller in configuration.callers {
            for key in caller.clearKeys {
                problems.note(at: key, "a key in clear: whoever reads the configuration can call with it; `sha256:` and its digest is enough, or {env: NAME}")
            }
        }
        let asks = configuration.domains.contains { domain in
            domain.policies[ApiKey.self] != nil || domain.endpoints.contains { $0.policies[ApiKey.self] != nil }
        }
        guard !asks, let first = configuration.callers.first else { return }
        problems.note(at: first.name, "callers without effect: no domain or endpoint has `apiKey`")
    }

    private static func notePolicies(_ domain: GatewayConfiguration.DomainConfiguration, trustsProxies: Bool, _ problems: Problems) {
        let endpoints = domain.endpoints.map(\.policies)
        for policy in PolicyTable.all {
            if let note = policy.note(domain: domain.policies, endpoints: endpoints) { problems.note(at: domain.key, note) }
            if !trustsProxies, let note = policy.noteWithoutProxies(domain: domain.policies, endpoints: endpoints) { problems.note(at: domain.key, note) }
        }
    }

    private static func noteWithoutEndpoints(_ domain: GatewayConfiguration.DomainConfiguration, _ problems: Problems) {
        guard domain.endpoints.isEmpty else { return }
        problems.note(at: domain.key, "a domain without endpoints: every request that its own policies let pass gets 404")
    }

    private static func noteWithoutClients(
        _ domain: GatewayConfiguration.DomainConfiguration, _ listeners: [GatewayConfiguration.ListenerConfiguration], _ problems: Problems
    ) {
        guard domain.policies[ClientCertificates.self]?.isRequired == true, listeners.allSatisfy({ $0.clients == nil }) else { return }
        problems.note(at: domain.key, "`clientCertificate` requires a certificate, and no listener has `clientCertificates`: every request is refused")
    }

    // MARK: Names

    /// Two fields that the gateway sends and that a service may read as one: which of the two values it takes is anybody's guess.
    private static func noteNamesReadAlike(_ domain: GatewayConfiguration.DomainConfiguration, _ problems: Problems) {
        let asserted = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Request-Id"]
        for endpoint in domain.endpoints {
            let fields = endpoint.policies.fields(in: domain.policies)
            guard !fields.set.isEmpty else { continue }
            var known = Dictionary((asserted + fields.claims.map(\.header)).map { (UnusualNames.usual($0), $0) }) { first, _ in first }
            for field in fields.set {
                let name = field.value
                guard let other = known.updateValue(name, forKey: UnusualNames.usual(name)), other.asciiLowercased != name.asciiLowercased else { continue }
                problems.note(
                    at: field,
                    "\(Quoting.quoted(name)) is sent together with \(Quoting.quoted(other)), and services that make variables of field names (CGI, WSGI, PHP) read the two as one")
            }
        }
    }

    // MARK: Keys

    /// Under its hosts a domain has every path: one whose endpoint begins like another domain's key keeps requests from that domain there.
    private static func noteShadowedKeys(_ domains: [GatewayConfiguration.DomainConfiguration], _ problems: Problems) {
        var keys: [String: GatewayConfiguration.DomainConfiguration] = [:]
        for domain in domains where domain.hasKey { keys[domain.key.value] = keys[domain.key.value] ?? domain }
        var told: Set<String> = []
        for domain in domains {
            guard let host = domain.hosts.first(where: { $0.value != "*" }) else { continue }
            for endpoint in domain.endpoints {
                let first = endpoint.path.value.split(separator: "/", omittingEmptySubsequences: false).dropFirst().first.map(String.init) ?? ""
                guard let shadowed = keys[first], shadowed.key.value != domain.key.value, told.insert("\(first) \(host.value)").inserted else { continue }
                problems.note(
                    at: shadowed.key,
                    "under the host \(Quoting.quoted(host.value)) the key leads to the domain \(Quoting.quoted(domain.key.value)), whose endpoint "
                        + "\(Quoting.quoted(endpoint.path.value)) begins with it")
            }
        }
    }

    // MARK: Endpoints

    /// A more specific endpoint replaces the policies of a more general one, it does not add to them.
    private static func noteWeakerEndpoints(_ domain: GatewayConfiguration.DomainConfiguration, _ problems: Problems) {
        let scratch = Problems(file: "")
        let endpoints = domain.endpoints.prefix(endpointsCompared).compactMap { endpoint in
            PathPattern(endpoint.path, problems: scratch).map { (endpoint: endpoint, pattern: $0) }
        }
        let guarded = endpoints.filter { !guards(of: $0.endpoint).isEmpty }
        guard !guarded.isEmpty else { return }
        for (endpoint, pattern) in endpoints where !endpoint.policies.isWritten(where: \.standsForService) {
            let own = guards(of: endpoint)
            for general in guarded where general.pattern.isCovering(pattern) && !pattern.isCovering(general.pattern) {
                let missing = guards(of: general.endpoint).filter { !own.contains($0) && !isAnswered($0, by: endpoint) }
                guard !missing.isEmpty, haveMethodInCommon(endpoint, general.endpoint) else { continue }
                problems.note(
                    at: endpoint.path,
                    "no \(missing.map { "`\($0)`" }.joined(separator: " and no ")) here, as the more general \(Quoting.quoted(general.endpoint.path.value)) has: "
                        + "the most specific endpoint's policies are the only ones")
                break
            }
        }
    }

    /// Policies that keep requests out.
    private static func guards(of endpoint: GatewayConfiguration.EndpointConfiguration) -> [String] { endpoint.policies.keys(where: \.keepsOut) }

    /// Whether an endpoint says by another policy what this one is there for: how it is checked who calls.
    private static func isAnswered(_ key: String, by endpoint: GatewayConfiguration.EndpointConfiguration) -> Bool {
        endpoint.policies.checksCaller && PolicyTable.all.contains { $0.key == key && $0.declaration.checksCaller }
    }

    private static func haveMethodInCommon(
        _ left: GatewayConfiguration.EndpointConfiguration, _ right: GatewayConfiguration.EndpointConfiguration
    ) -> Bool {
        guard let left = left.methods?.value.map(\.value), let right = right.methods?.value.map(\.value) else { return true }
        return left.contains { right.contains($0) }
    }
}

extension PathPattern {
    /// Whether every path that the other pattern matches is matched by this one too, as far as their segments tell: where a regex or a mix
    /// would have to be compared with another one, the answer is no.
    func isCovering(_ other: PathPattern) -> Bool {
        // Each `**` multiplies the work by the other pattern's length.
        guard segments.count(where: { $0.kind == .doubleStar }) <= 3 else { return false }
        return Self.isCovering(segments[...], other.segments[...])
    }

    private static func isCovering(_ general: ArraySlice<Segment>, _ special: ArraySlice<Segment>) -> Bool {
        guard let first = general.first else { return special.isEmpty }
        if first.kind == .doubleStar {
            if general.count == 1 { return true }
            return special.indices.contains { isCovering(general.dropFirst(), special[$0...]) } || isCovering(general.dropFirst(), [])
        }
        guard let segment = special.first, segment.kind != .doubleStar, first.isCovering(segment) else { return false }
        return isCovering(general.dropFirst(), special.dropFirst())
    }
}

extension PathPattern.Segment {
    fileprivate func isCovering(_ other: PathPattern.Segment) -> Bool {
        switch kind {
        case .star: true
        case .name: other.kind != .star && !(other.kind == .literal && other.text.isEmpty)
        case .literal, .regex, .mix: kind == other.kind && text == other.text
        case .doubleStar: true
        }
    }
}
