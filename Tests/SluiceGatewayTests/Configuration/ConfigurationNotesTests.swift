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
        #expect(found.allSatisfy { $0.contains("domains[0].key: a domain with credentials whose `usageQuota`") })
    }

    @Test("a domain without endpoints is noted, one with endpoints is not")
    func withoutEndpoints() throws {
        let mock = "endpoints: [{path: /**, policies: {mock: {status: 200}}}]"
        #expect(try notes("domains:\n  - {key: a, \(mock)}\n  - {key: b}\n  - {key: c, endpoints: []}") == [
            "3 domains[1].key: a domain without endpoints: every request to it that its own policies let pass is 404",
            "4 domains[2].key: a domain without endpoints: every request to it that its own policies let pass is 404",
        ])
    }
}
