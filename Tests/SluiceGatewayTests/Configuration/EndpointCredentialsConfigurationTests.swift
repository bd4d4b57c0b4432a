import SluiceConfiguration
import Testing

@testable import SluiceGateway

@Suite("Credentials per endpoint: what may be written")
struct EndpointCredentialsConfigurationTests {
    private func check(_ yaml: String) -> [String] {
        let problems = Problems(file: "sluice.yaml", environment: [:])
        Gateway.check(settings: ProcessSettings(), problems: problems) { ConfigurationNode.load(text: yaml, problems: $0) }
        return problems.all.map { "\($0.position.line):\($0.position.column) \($0.keyPath): \($0.found)" }
    }

    private func domain(_ policies: String, _ endpoints: [(path: String, policies: String)]) -> String {
        (["domains: [{key: a, upstream: 'http://127.0.0.1:9', policies: {\(policies)}, endpoints: ["]
            + endpoints.map { "{path: '\($0.path)', policies: {\($0.policies)}}," } + ["]}]"]).joined(separator: "\n")
    }

    @Test("what contradicts itself is a problem at its place", arguments: [
        ("authentication: none, jwt: {secret: s}", ["both `authentication` and `jwt`"]), ("authentication: none, hmac: {secret: s}", ["both `authentication` and `hmac`"]),
        ("hmac: {secret: s}, jwt: {secret: s}", ["both `jwt` and `hmac`"]), ("authentication: null", ["nothing"]), ("authentication: hmac", ["the text \"hmac\""]),
        ("authentication: none", []), ("jwt: {secret: s}", []), ("hmac: {secret: s}", []),
    ])
    func contradictions(policies: String, found: [String]) {
        let problems = check(domain("jwt: {secret: s}", [("/x", policies)]))
        #expect(problems.map { String($0.split(separator: ": ", maxSplits: 1)[1]) }.filter { !$0.hasPrefix("no ") } == found, "\(problems)")
        #expect(problems.allSatisfy { $0.hasPrefix("2:") && $0.contains("domains[0].endpoints[0].policies.") }, "\(problems)")
    }

    @Test("a domain cannot be opened: whoever wants that writes no credentials")
    func domainWide() {
        #expect(check(domain("authentication: none", [("/x", "")])).count == 1)
    }

    @Test("an endpoint that says itself who may call is not weaker than a more general one; one that says nothing is", arguments: [
        ("authentication: none", false), ("jwt: {secret: t}", false), ("hmac: {secret: t}", false), ("", true),
    ])
    func weaker(special: String, isNoted: Bool) {
        let notes = check(domain("hmac: {secret: s}", [("/a/**", "jwt: {secret: s}"), ("/a/b", special)]))
        #expect(notes.count == (isNoted ? 1 : 0), "\(notes)")
        #expect(notes.allSatisfy { $0.contains("endpoints[1].path: no `jwt` here, as the more general \"/a/**\" has") }, "\(notes)")
    }

    @Test("a quota that strangers use up is noted where credentials are asked for", arguments: [
        ("", "jwt: {secret: s}, usageQuota: [{limit: 1, perSeconds: 1}]", true), ("jwt: {secret: s}", "authentication: none, usageQuota: [{limit: 1, perSeconds: 1}]", false),
        ("usageQuota: [{limit: 1, perSeconds: 1}]", "hmac: {secret: s}", true), ("usageQuota: [{limit: 1, perSeconds: 1}]", "authentication: none", false),
        ("jwt: {secret: s}", "usageQuota: {limits: [{limit: 1, perSeconds: 1}], charge: after}", false),
    ])
    func quota(domainPolicies: String, endpoint: String, isNoted: Bool) {
        let notes = check(domain(domainPolicies, [("/x", endpoint)]))
        #expect(notes.count == (isNoted ? 1 : 0), "\(notes)")
    }

    @Test("a header that is withheld can be required nowhere in the domain, and tells no questions apart", arguments: [
        "validate: {headers: {required: [X-User]}}", "authentication: none, validate: {headers: {required: [x_user]}}",
        "hmac: {secret: s}, preCall: {url: 'http://b', cacheSeconds: 5, cacheKey: [X-User]}", "authentication: none, validate: {headers: {required: [X-Role]}}",
    ])
    func withheld(policies: String) {
        let yaml = domain("jwt: {secret: s, forward: {sub: X-User}}", [("/x", policies), ("/y", "jwt: {secret: t, forward: {role: X-Role}}")])
        let found = check(yaml)
        #expect(found.count == 1 && found[0].contains("which carries the claim"), "\(found)")
    }
}
