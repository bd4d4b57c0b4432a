/// What the contract's chain says of one request under one configuration: the steps in their order, the first of which that does not let it
/// pass answers it.
struct Walk {
    enum Step {
        case ceiling(String)
        case callers(Ledger.Caller)
        case quotas(domain: [Plan.Quota], endpoint: [Plan.Quota])
        /// Exactly one of these happens.
        case oneOf([Credentials.Outcome], isReplayable: Bool)
        case refuses(Expected)
        /// A client that is told something else than it asked for: the answer to a preflight, a notice or a mock.
        case preflight
        case answers(Plan.Answer, isMock: Bool)
        case asks(Plan.PreCall)
        case forwards
    }

    let domain: Plan.Domain?
    let endpoint: Plan.Endpoint?
    private(set) var steps: [Step] = []
    /// Path and query as a service gets them, behind the path of its own URL.
    private(set) var forwarded: (path: String, query: String?)?
    /// Whether the domain was found by its key.
    let isByKey: Bool
    let client: String
    let isTrustedPeer: Bool

    /// Everything that the moment of the decision is about.
    struct Moment {
        var now: ClosedRange<Int>
        /// Key sets that the gateway may have had, by name.
        var sets: [String: [[String]?]]
        var peer: String
        var tokens: [String: Token]
        var bodyMax: Int
    }

    init(_ request: SentRequest, _ plan: Plan, _ moment: Moment) {
        let parts = request.target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let query = parts.count > 1 ? String(parts[1]) : nil
        isTrustedPeer = plan.trusted.contains { AddressModel.contains($0, moment.peer) }
        client = AddressModel.client(moment.peer, isTrustedPeer ? request.values("x-forwarded-for") : [], trusted: plan.trusted)
        let found = Self.find(String(parts[0]), request, plan)
        domain = found.domain
        isByKey = found.isByKey
        guard let domain = found.domain else {
            endpoint = nil
            steps = [.refuses(found.path == nil ? .target : .notFound)]
            return
        }
        steps.append(.ceiling(domain.project))
        guard let path = found.path, !Self.hidesDots(path) else {
            endpoint = nil
            steps.append(.refuses(.target))
            return
        }
        let endpoint = Self.endpoint(path, request.method, domain)
        self.endpoint = endpoint
        forwarded = (path, query)
        if let rewrite = endpoint?.rewrite, let result = PathModel.rewrite(path, rewrite) {
            forwarded = (PathModel.normal(result.path, keepsSlashes: true) ?? result.path, result.query ?? query)
        }
        if let acl = domain.acl, acl.addresses.contains(where: { AddressModel.contains($0, client) }) != acl.permits { steps.append(.refuses(.address)); return }
        if domain.cors != nil, Self.isPreflight(request) { steps.append(.preflight); return }
        if let notice = domain.notice { steps.append(.answers(notice, isMock: false)); return }
        if let limit = domain.callers {
            steps.append(.callers(Ledger.Caller(domain: domain.key, address: AddressModel.canonical(client), seconds: limit.seconds)))
        }
        // What may be read as another endpoint's is refused in the place of its own endpoint's steps.
        let isAmbiguous = endpoint.map { Self.isAmbiguous(path, $0, request, domain) } ?? false
        let ownQuotas = isAmbiguous ? [] : endpoint?.quotas ?? []
        if !domain.quotas.isEmpty || !ownQuotas.isEmpty { steps.append(.quotas(domain: domain.quotas, endpoint: ownQuotas)) }
        switch domain.authentication {
        case .none: break
        case .hmac(let plan): steps.append(.oneOf(Credentials.hmac(request, plan, now: moment.now), isReplayable: plan.refusesReplays))
        case .jwt(let plan):
            var sets: [[String]?] = []
            if case .set(let name) = plan.keys { sets = moment.sets[name] ?? [nil] }
            steps.append(.oneOf(Credentials.jwt(request, plan, moment.tokens, sets: sets, now: moment.now), isReplayable: false))
        }
        if isAmbiguous { steps.append(.refuses(.target)); return }
        guard let endpoint else { steps.append(.refuses(.notFound)); return }
        if case .length = request.framing, request.body.count > moment.bodyMax { steps.append(.refuses(.tooLarge)); return }
        if let preCall = endpoint.preCall { steps.append(.asks(preCall)) }
        if let mock = endpoint.mock { steps.append(.answers(mock, isMock: true)) } else { steps.append(.forwards) }
    }

    static func isPreflight(_ request: SentRequest) -> Bool {
        request.method == "OPTIONS" && request.value("origin") != nil && request.value("access-control-request-method") != nil
    }

    private static func find(_ text: String, _ request: SentRequest, _ plan: Plan) -> (domain: Plan.Domain?, path: String?, whole: String?, isByKey: Bool) {
        let host = request.host.lowercased().split(separator: ":").first.map(String.init) ?? ""
        if let domain = plan.domains.first(where: { $0.hosts.contains(host) }) {
            let path = PathModel.normal(text, keepsSlashes: domain.keepsEncodedSlashes)
            return (domain, path, path, false)
        }
        guard let whole = PathModel.normal(text, keepsSlashes: true) else { return (nil, nil, nil, true) }
        let key = PathModel.segments(whole).first ?? ""
        guard let domain = plan.domains.first(where: { $0.key == key }) else {
            return (nil, PathModel.normal(text, keepsSlashes: false), nil, true)
        }
        guard PathModel.normal(text, keepsSlashes: domain.keepsEncodedSlashes) != nil else { return (domain, nil, nil, true) }
        let rest = String(whole.dropFirst(key.count + 1))
        return (domain, rest.isEmpty ? "/" : rest, whole, true)
    }

    static func endpoint(_ path: String, _ method: String, _ domain: Plan.Domain) -> Plan.Endpoint? {
        let fitting = domain.endpoints.filter { endpoint in
            let methods = endpoint.methods
            let serves = methods.isEmpty ? method != "OPTIONS" : methods.contains(method) || method == "HEAD" && methods.contains("GET")
            return serves && PathModel.matches(endpoint.path, path)
        }
        return fitting.first { one in fitting.allSatisfy { $0.path == one.path || PathModel.isMoreSpecific(one.path, $0.path) } }
    }

    /// Whether a service may read the path so that it is another endpoint's, or that a rewrite takes it which passes it by.
    private static func isAmbiguous(_ path: String, _ own: Plan.Endpoint, _ request: SentRequest, _ domain: Plan.Domain) -> Bool {
        guard [";", "//", "%2F"].contains(where: { path.contains($0) }) else { return false }
        return PathModel.readings(path).contains { reading in
            guard let reading, let other = endpoint(reading, request.method, domain) else { return false }
            if other.path != own.path { return true }
            guard let rewrite = own.rewrite else { return false }
            return PathModel.rewrite(path, rewrite) == nil && PathModel.rewrite(reading, rewrite) != nil
        }
    }

    /// With slashes decoded no dot segment may come to light.
    private static func hidesDots(_ path: String) -> Bool {
        path.contains("%2F") && path.split(separator: "%2F", omittingEmptySubsequences: false).joined(separator: "/").split(separator: "/").contains { segment in
            let name = segment.prefix { $0 != ";" }
            return name == ".." || name == "."
        }
    }
}
