/// Where the keys of a configuration belong, for who has put one at the wrong level.
enum KnownKeys {
    /// For example "under the `policies` of a domain"; nil for a key that is none at any of these levels.
    static func place(of key: String) -> String? {
        let places = levels.filter { $0.keys.contains(key) }.map(\.place)
        return places.isEmpty ? nil : Quoting.alternatives(places)
    }

    /// The levels of `Configuration/GatewayConfiguration+Read.swift` in SluiceGateway; `ConfigurationKeysTests` compares them. Not `policies`, which
    /// stands at two.
    package static let levels: [(place: String, keys: Set<String>)] = [
        ("at the top", ["listeners", "trustedProxies", "projects", "domains", "include"]),
        ("into a listener", ["address", "tls", "proxyProtocol", "maxConnections", "trustedProxies"]),
        ("into a project", ["ceiling"]),
        ("into a domain", [
            "key", "hosts", "project", "upstream", "upstreamTimeoutMs", "upstreamTls", "http2", "encodedSlashes", "ambiguousPaths", "endpoints",
        ]),
        ("under the `policies` of a domain", ["ipAcl", "maintenance", "cors", "hmac", "jwt", "usageQuota"]),
        ("into an endpoint", ["path", "methods"]),
        ("under the `policies` of an endpoint", ["usageQuota", "preCall", "rewrite", "headers", "mock"]),
    ]
}
