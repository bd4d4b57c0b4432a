/// What of a message passes to the other side.
enum Forwarding {
    static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
    ]
    /// Fields of a request that the gateway writes itself, and that are looked at one by one.
    static let asserted: Set<String> = [
        "host", "content-length", "expect", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-request-id", "traceparent",
        "tracestate", "via",
    ]

    static func isUsual(_ name: String) -> Bool { name.utf8.allSatisfy { $0 == 0x2D || (0x30...0x39).contains($0) || (0x41...0x5A).contains($0 & 0xDF) } }

    static func isForwarding(_ key: String) -> Bool { key.hasPrefix("x-forwarded-") || key == "forwarded" || key == "x-real-ip" }

    private static func named(_ fields: [Field]) -> Set<String> {
        Set(fields.filter { $0.key == "connection" }.flatMap { $0.value.lowercased().split(separator: ",") }.map { MessageReader.trimmed($0) })
    }

    /// Fields that a policy has relied on, so that the client cannot have them taken off.
    static func relied(_ request: SentRequest, _ walk: Walk) -> Set<String> {
        var names: Set<String> = []
        switch walk.domain?.authentication {
        case .hmac(let plan)?: names.formUnion(Credentials.signedFields(request) + plan.required + ["authorization", "x-nhn-date", "x-tc-timestamp"])
        case .jwt?: names.insert("authorization")
        default: break
        }
        if let preCall = walk.endpoint?.preCall, preCall.cacheSeconds > 0 { names.formUnion(preCall.cacheKey?.map { $0.lowercased() } ?? []) }
        return names
    }

    /// The client's fields that pass to services and pre-call APIs, and those of them that may pass or not.
    static func endToEnd(_ request: SentRequest, _ walk: Walk) -> (certain: [Field], possible: [Field]) {
        let named = named(request.fields)
        let relied = relied(request, walk)
        var forwardedClaim: String?
        if case .jwt(let plan)? = walk.domain?.authentication { forwardedClaim = plan.forward?.field.lowercased() }
        var certain: [Field] = []
        var possible: [Field] = []
        for field in request.fields {
            let key = field.key
            if hopByHop.contains(key) || asserted.contains(key) || !isUsual(field.name) || key == forwardedClaim { continue }
            if isForwarding(key) {
                if walk.isTrustedPeer { possible.append(field) }
                continue
            }
            if named.contains(key), !relied.contains(key) {
                // What a pre-call's memory goes by, and credentials, may stay.
                if walk.endpoint?.preCall != nil || key == "authorization" { possible.append(field) }
                continue
            }
            certain.append(field)
        }
        return (certain, possible)
    }

    /// What a service of the endpoint gets.
    static func toService(_ request: SentRequest, _ walk: Walk, _ tokens: [String: Token]) -> (certain: [Field], possible: [Field]) {
        var (certain, possible) = endToEnd(request, walk)
        if case .jwt(let plan)? = walk.domain?.authentication, let forward = plan.forward, let text = Credentials.token(request), let subject = tokens[text]?.subject {
            certain.append(Field(forward.field, subject))
        }
        let changes = walk.endpoint?.changes ?? Plan.Changes()
        let gone = Set(changes.requestRemove.map { $0.lowercased() } + changes.requestSet.map(\.key))
        certain = certain.filter { !gone.contains($0.key) } + changes.requestSet
        possible = possible.filter { !gone.contains($0.key) }
        return (certain, possible)
    }

    /// What a pre-call API gets.
    static func toPreCall(_ request: SentRequest, _ walk: Walk) -> (certain: [Field], possible: [Field]) {
        let (certain, possible) = endToEnd(request, walk)
        let about: Set<String> = ["range", "expect", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"]
        return (certain.filter { !about.contains($0.key) && $0.key != "content-type" }, possible)
    }

    /// Names and values, of each name in its order, apart from fields that are looked at one by one. Their order among names is nobody's business.
    static func check(_ got: [Field], _ wanted: (certain: [Field], possible: [Field]), except: Set<String>, _ who: String) throws(Difference) {
        var got = got.filter { !except.contains($0.key) }
        for field in wanted.certain where !except.contains(field.key) {
            guard let index = got.firstIndex(where: { $0.key == field.key && $0.value == field.value }) else {
                throw Difference("\(who) does not get \(field.name): \(field.value)")
            }
            got.remove(at: index)
        }
        for field in wanted.possible {
            if let index = got.firstIndex(where: { $0.key == field.key && $0.value == field.value }) { got.remove(at: index) }
        }
        if let field = got.first { throw Difference("\(who) gets \(field.name): \(field.value)") }
    }

    /// What of a service's fields a client gets.
    static func toClient(_ fields: [Field], _ walk: Walk, isPreCall: Bool) -> [Field] {
        let named = named(fields)
        let changes = isPreCall ? Plan.Changes() : walk.endpoint?.changes ?? Plan.Changes()
        let gone = Set(changes.responseRemove.map { $0.lowercased() } + changes.responseSet.map(\.key))
        return fields.filter { field in
            !hopByHop.contains(field.key) && !named.contains(field.key) && !gone.contains(field.key) && !(walk.domain?.cors != nil && field.key.hasPrefix("access-control-"))
        } + changes.responseSet
    }

    /// Fields of a response that are the gateway's, or looked at elsewhere.
    static let ofResponse: Set<String> = [
        "connection", "keep-alive", "transfer-encoding", "content-length", "date", "vary", "access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers",
        "ratelimit", "ratelimit-policy", "via", "trailer",
    ]
}
