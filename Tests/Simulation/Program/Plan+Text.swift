// A plan as the gateway reads it.

extension Plan {
    /// As YAML. Names of services stand for `World.serviceAddress`.
    func text(listeners: [(address: String, speaksHTTP2: Bool)]) -> String {
        var text = "listeners:\n" + listeners.map { "  - {address: \(Self.quoted($0.address))\($0.speaksHTTP2 ? ", http2: cleartext" : "")}\n" }.joined()
        if !trusted.isEmpty { text += "trustedProxies: \(Self.list(trusted))\n" }
        text += "projects:\n" + projects.sorted { $0.key < $1.key }.map { "  \($0.key): {ceiling: \($0.value)}\n" }.joined()
        text += "domains:\n"
        for domain in domains { text += domain.text }
        return text
    }

    static func quoted(_ text: String) -> String {
        "\"" + text.unicodeScalars.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined() + "\""
    }

    static func list(_ texts: [String]) -> String { "[" + texts.map(quoted).joined(separator: ", ") + "]" }

    static func map(_ fields: [Field]) -> String { "{" + fields.map { "\(quoted($0.name)): \(quoted($0.value))" }.joined(separator: ", ") + "}" }

    static func quotas(_ quotas: [Quota]) -> String {
        "[" + quotas.map { "{limit: \($0.limit), perSeconds: \($0.seconds)}" }.joined(separator: ", ") + "]"
    }
}

extension Plan.Domain {
    fileprivate var text: String {
        var text = "  - key: \(key)\n    project: \(project)\n"
        if !hosts.isEmpty { text += "    hosts: \(Plan.list(hosts))\n" }
        if !upstreams.isEmpty {
            text += "    upstream: \(Plan.list(upstreams.map { "http://\(World.serviceAddress($0.service))\($0.base)" }))\n"
            text += "    upstreamTimeoutMs: \(timeoutMs)\n"
        }
        if keepsEncodedSlashes { text += "    encodedSlashes: keep\n" }
        text += "    policies:\n"
        if let acl { text += "      ipAcl: {permit: \(acl.permits), addresses: \(Plan.list(acl.addresses))}\n" }
        if let cors {
            text += "      cors: {origins: \(Plan.list(cors.origins)), methods: \(Plan.list(cors.methods)), headers: \(Plan.list(cors.headers)), "
            text += "expose: \(Plan.list(cors.expose)), credentials: \(cors.credentials)\(cors.maxAge.map { ", maxAge: \($0)" } ?? "")}\n"
        }
        if let notice {
            text += "      maintenance: {enabled: true, status: \(notice.status), headers: \(Plan.map(notice.fields)), body: \(Plan.quoted(notice.body))}\n"
        }
        if !quotas.isEmpty { text += "      usageQuota: \(Plan.quotas(quotas))\n" }
        if let callers { text += "      rateLimit: [{limit: \(callers.limit), perSeconds: \(callers.seconds), by: address, ipv6Prefix: 128}]\n" }
        switch authentication {
        case .none: text += "      {}\n".replacing(self)
        case .hmac(let plan):
            text += "      hmac: {secret: \(Plan.quoted(plan.secret)), clockSkew: \(plan.skew), requiredHeaders: \(Plan.list(plan.required)), "
            text += "replayProtection: \(plan.refusesReplays), algorithms: [HmacSHA256\(plan.allowsSHA1 ? ", HmacSHA1" : "")]}\n"
        case .jwt(let plan): text += "      jwt: \(plan.text)\n"
        }
        text += "    endpoints:\n"
        for endpoint in endpoints { text += endpoint.text }
        return text
    }
}

extension String {
    /// Nothing where a domain has other policies, since a mapping cannot be both empty and not.
    fileprivate func replacing(_ domain: Plan.Domain) -> String {
        domain.acl == nil && domain.cors == nil && domain.notice == nil && domain.quotas.isEmpty && domain.callers == nil ? self : ""
    }
}

extension Plan.JWTPlan {
    fileprivate var text: String {
        var parts: [String] = []
        switch keys {
        case .secret(let secret): parts.append("algorithm: HS256, secret: \(Plan.quoted(secret))")
        case .set(let name): parts.append("algorithm: RS256, jwks: \(Plan.quoted(World.keySetURL(name)))")
        }
        if let issuer { parts.append("issuer: \(Plan.quoted(issuer))") }
        if let audience { parts.append("audience: \(Plan.list([audience]))") }
        parts.append("clockSkew: \(skew)")
        if expiryOptional { parts.append("expiry: optional") }
        if let claim { parts.append("claims: [{name: \(claim.name), oneOf: \(Plan.list(claim.values))}]") }
        if let forward { parts.append("forward: {\(forward.claim): \(forward.field)}") }
        return "{\(parts.joined(separator: ", "))}"
    }
}

extension Plan.Endpoint {
    fileprivate var text: String {
        var text = "      - path: \(Plan.quoted(path))\n"
        if !methods.isEmpty { text += "        methods: \(Plan.list(methods))\n" }
        var policies = ""
        if !quotas.isEmpty { policies += "          usageQuota: \(Plan.quotas(quotas))\n" }
        if let preCall {
            policies += "          preCall: {method: \(preCall.method), url: \"http://\(World.serviceAddress(preCall.service))\(preCall.path)\", "
            policies += "cacheSeconds: \(preCall.cacheSeconds), timeoutMs: \(preCall.timeoutMs)"
            if let names = preCall.cacheKey { policies += ", cacheKey: \(Plan.list(names))" }
            policies += "}\n"
        }
        if let rewrite { policies += "          rewrite: {pattern: \(Plan.quoted(rewrite.pattern)), to: \(Plan.quoted(rewrite.to))}\n" }
        if changes != Plan.Changes() {
            policies += "          headers: {request: {set: \(Plan.map(changes.requestSet)), remove: \(Plan.list(changes.requestRemove))}, "
            policies += "response: {set: \(Plan.map(changes.responseSet)), remove: \(Plan.list(changes.responseRemove))}}\n"
        }
        if let mock {
            policies += "          mock: {status: \(mock.status), headers: \(Plan.map(mock.fields)), body: \(Plan.quoted(mock.body))}\n"
        }
        if !policies.isEmpty { text += "        policies:\n" + policies }
        return text
    }
}
