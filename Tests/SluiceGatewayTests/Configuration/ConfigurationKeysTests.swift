import Testing

@testable import SluiceConfiguration
@testable import SluiceGateway

/// Keys, and what is only known where several policies are read.
@Suite("Configuration keys")
struct ConfigurationKeysTests {
    private func problems(_ yaml: String, environment: [String: String] = [:]) throws -> [Problem] {
        let problems = Problems(file: "sluice.yaml", environment: environment)
        let tree = try #require(ConfigurationNode.load(text: yaml, problems: problems))
        _ = GatewayConfiguration.read(tree, problems: problems)
        return problems.all
    }

    @Test("a variable's value is shown by no reader, since it may be another one than was meant; nor is a literal one that may be secret")
    func variables() throws {
        let yaml = """
            listeners: [{address: {env: V}}]
            trustedProxies: [{env: V}]
            domains:
              - key: a
                project: {env: V}
                upstream: [{env: V}]
                policies: {cors: {origins: [{env: V}]}, ipAcl: {permit: true, addresses: [{env: V}]}, maintenance: {headers: {X-A: {env: V}}}}
                endpoints:
                  - path: /
                    policies:
                      headers: {request: {set: {Authorization: {env: V}, X-B: {env: V}, Cookie: "a=s3cret "}, remove: [{env: V}]}}
                      rewrite: {pattern: {env: V}, to: {env: V}}
                      preCall: {url: {env: V}, cacheKey: [{env: V}]}
            """
        let found = try problems(yaml, environment: ["V": " s3cret(\u{1}"]).map(\.description)
        #expect(found.count { $0.contains("found the environment variable \"V\", whose value is not shown, allowed") } >= 11, "\(found)")
        #expect(!found.contains { $0.contains("s3cret") }, "\(found)")
        #expect(found.contains { $0.contains("set.Cookie: found text that is not a field value, allowed a field value") }, "\(found)")
    }

    @Test("http2: offered where there is TLS; a URL without it says by its scheme whether it is spoken", arguments: [
        ("upstream: http://a", "http2: true", "an http:// URL with `http2: true`, which is agreed on in TLS"),
        ("upstream: [https://a, http://b]", "http2: true", "an http:// URL with `http2: true`, which is agreed on in TLS"),
        ("upstream: [https://a, h2c://b]", "http2: true", nil), ("upstream: h2c://a", "http2: false", nil), ("upstream: http://a", "http2: false", nil),
        ("upstream: https://a", "http2: 1", "the integer 1"), ("upstream: h2://a", "http2: true", "\"h2://a\""),
    ])
    func http2(upstream: String, key: String, found: String?) throws {
        let problems = try problems("domains: [{key: a, \(upstream), \(key), endpoints: [{path: /}]}]")
        #expect(problems.map(\.found) == (found.map { [$0] } ?? []))
    }

    @Test("http2: what each URL of the list may speak")
    func versions() throws {
        let problems = Problems(file: "sluice.yaml", environment: [:])
        let tree = try #require(ConfigurationNode.load(
            text: "domains: [{key: a, upstream: [https://a, h2c://b], http2: true}, {key: b, upstream: [https://a, h2c://b, http://c]}]", problems: problems))
        let configuration = GatewayConfiguration.read(tree, problems: problems)
        #expect(configuration.domains.map { $0.upstreams.map(\.value.versions) } == [[.negotiated, .http2], [.http1, .http2, .http1]])
    }

    @Test("cacheKey: a field that carries a claim is not sent to pre-call APIs, so it tells no questions apart", arguments: [
        ("X-User", true), ("x-user", true), ("x_user", true), ("X-Users", false),
    ])
    func claimsAsCacheKey(name: String, isFault: Bool) throws {
        let found = try problems("""
            domains:
              - key: a
                upstream: http://a
                policies: {jwt: {secret: 0123456789abcdef0123456789abcdef-, forward: {sub: X-User}}}
                endpoints: [{path: /, policies: {preCall: {url: 'http://b', cacheSeconds: 5, cacheKey: [Authorization, \(name)]}}}]
            """).map(\.description)
        #expect(found == (isFault ? [
            "sluice.yaml:5:108: domains[0].endpoints[0].policies.preCall.cacheKey[1]: found \"\(name)\", which carries the claim \"sub\" and is not "
                + "sent to pre-call APIs, allowed the name of a field that is sent to it, such as Authorization",
        ] : []))
    }
}
