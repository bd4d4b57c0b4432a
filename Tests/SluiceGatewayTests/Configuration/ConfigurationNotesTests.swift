import SluiceConfiguration
import Testing

@testable import SluiceGateway

@Suite("Notes about a configuration")
struct ConfigurationNotesTests {
    /// `line keyPath: statement` of every note; a test whose configuration has problems fails.
    private func notes(_ yaml: String) throws -> [String] {
        let problems = Problems(file: "sluice.yaml", environment: [:])
        Gateway.check(settings: ProcessSettings(), problems: problems) { ConfigurationNode.load(text: yaml, problems: $0) }
        try #require(problems.isEmpty, "\(problems.all)")
        return problems.all.map { "\($0.position.line) \($0.keyPath): \($0.found)" }
    }

    @Test("a domain with credentials whose quota strangers can use up is noted", arguments: [
        ("hmac: {secret: s}, usageQuota: [{limit: 1, perSeconds: 1}]", "", true),
        ("jwt: {secret: s}, usageQuota: {limits: [{limit: 1, perSeconds: 1}], charge: before}", "", true),
        ("hmac: {secret: s}", ", usageQuota: {limits: [{limit: 1, perSeconds: 1}]}", true),
        ("hmac: {secret: s}, usageQuota: {limits: [{limit: 1, perSeconds: 1}], charge: after}", "", false),
        ("hmac: {secret: s}, usageQuota: [{limit: 0, perSeconds: 1}]", "", false), ("hmac: {secret: s}, usageQuota: []", "", false),
        ("hmac: {secret: s}", "", false), ("usageQuota: [{limit: 1, perSeconds: 1}]", "", false),
    ])
    func quotaOfStrangers(domain: String, endpoint: String, isNoted: Bool) throws {
        let found = try notes(
            "domains: [{key: a, policies: {\(domain)}, endpoints: [{path: /**, policies: {mock: {status: 200}\(endpoint)}}]}]")
        #expect(found.count == (isNoted ? 1 : 0), "\(found)")
        #expect(found.allSatisfy { $0.contains("domains[0].key: `usageQuota` is charged before credentials") })
    }

    @Test("a limit of callers is noted by what clients choose, by what nobody tells, and by addresses that a proxy may hide", arguments: [
        ("by: 'header:X-A'", "", "", "`rateLimit` by `header:X-A`: whoever sends another value is another caller"),
        ("by: 'claim:sub'", "", "", "`rateLimit` by `claim:sub` finds no caller"),
        ("by: 'claim:sub'", "jwt: {secret: s, forward: {aud: X-A}}, ", "", "`rateLimit` by `claim:sub` finds no caller"),
        ("by: 'claim:sub'", "jwt: {secret: s, forward: {sub: X-A}}, ", "", nil),
        ("by: address", "", "", "`rateLimit` by address, and no `trustedProxies`"),
        ("by: address", "", "trustedProxies: [10.0.0.0/8]\n", nil),
    ] as [(String, String, String, String?)])
    func limitsOfCallers(by: String, others: String, proxies: String, note: String?) throws {
        let found = try notes(
            proxies + "domains: [{key: a, policies: {\(others)rateLimit: [{limit: 1, perSeconds: 1, \(by)}]}, endpoints: [{path: /**, policies: {mock: {status: 200}}}]}]")
        #expect(found.count == (note == nil ? 0 : 1), "\(found)")
        if let note { #expect(found.allSatisfy { $0.contains("domains[0].key: " + note) }, "\(found)") }
    }

    @Test("a domain without endpoints is noted, one with endpoints is not")
    func withoutEndpoints() throws {
        let mock = "endpoints: [{path: /**, policies: {mock: {status: 200}}}]"
        #expect(try notes("domains:\n  - {key: a, \(mock)}\n  - {key: b}\n  - {key: c, endpoints: []}") == [
            "3 domains[1].key: a domain without endpoints: every request that its own policies let pass gets 404",
            "4 domains[2].key: a domain without endpoints: every request that its own policies let pass gets 404",
        ])
    }

    @Test("a key that begins an endpoint of a domain with hosts is noted; its own and others are not")
    func shadowedKeys() throws {
        let mock = "policies: {mock: {status: 200}}"
        let yaml = """
            domains:
              - {key: orders, endpoints: [{path: /**, \(mock)}]}
              - {key: shop, hosts: [shop.example.com], endpoints: [{path: /orders/**, \(mock)}, {path: /orders/x, \(mock)}, {path: /shop/x, \(mock)}, {path: /**, \(mock)}]}
              - {key: rest, hosts: ["*"], endpoints: [{path: /orders/x, \(mock)}]}
            """
        #expect(try notes(yaml) == [
            "2 domains[0].key: under the host \"shop.example.com\" the key leads to the domain \"shop\", whose endpoint \"/orders/**\" begins with it",
        ])
    }

    @Test("a field that is set beside another that services read alike is noted", arguments: [
        ("X_User: a", "X-User"), ("X-User: a", nil), ("x.user: a", "X-User"), ("X_Forwarded_For: a", "X-Forwarded-For"), ("A-B: x, a_b: y", "A-B"), ("A-B: x, A-C: y", nil),
    ] as [(String, String?)])
    func namesReadAlike(set: String, other: String?) throws {
        let found = try notes(
            "domains: [{key: a, upstream: 'http://127.0.0.1:9', policies: {jwt: {secret: s, forward: {sub: X-User}}}, endpoints: [{path: /**, policies: "
                + "{headers: {request: {set: {\(set)}}}}}]}]")
        #expect(found.count == (other == nil ? 0 : 1), "\(found)")
        if let other { #expect(found.allSatisfy { $0.contains("is sent together with \"\(other)\"") }, "\(found)") }
    }

    @Test("an endpoint that lacks what keeps requests out of a more general one is noted", arguments: [
        ("/a/**", "/a/b", true), ("/**", "/a/{x}", true), ("/a/*", "/a/b", true), ("/a/{x}", "/a/b", true), ("/a/**", "/a/**/c", true),
        ("/a/**/c", "/a/b/c", true), ("/a/b", "/a/**", false), ("/a/**", "/b", false), ("/a/{x}", "/a/*", false), ("/a/b", "/a/c", false),
        ("/a/{x:[0-9]+}", "/a/b", false), ("/a/x*", "/a/xy", false), ("/**/c", "/a", false), ("/a", "/a/", false),
    ])
    func weakerEndpoints(general: String, special: String, isNoted: Bool) throws {
        let quota = "usageQuota: [{limit: 1, perSeconds: 1}]"
        func domain(_ policies: String, _ methods: String = "GET") -> String {
            "domains: [{key: d, upstream: 'http://127.0.0.1:9', endpoints: [{path: '\(general)', methods: [GET], policies: {\(quota)}}, "
                + "{path: '\(special)', methods: [\(methods)], policies: {\(policies)}}]}]"
        }
        let found = try notes(domain(""))
        #expect(found == (isNoted ? ["1 domains[0].endpoints[1].path: no `usageQuota` here, as the more general \"\(general)\" has: "
            + "the most specific endpoint's policies are the only ones"] : []))
        #expect(try notes(domain(quota)) == [])
        #expect(try notes(domain("mock: {status: 200}")) == [])
        #expect(try notes(domain("", "POST")) == [])
    }
}
