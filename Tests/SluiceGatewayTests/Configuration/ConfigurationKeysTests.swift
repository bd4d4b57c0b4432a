import Testing

@testable import SluiceConfiguration
@testable import SluiceGateway

/// Keys, and what is only known where several policies are read.
@Suite("Configuration keys")
struct ConfigurationKeysTests {
    private func problems(_ yaml: String) throws -> [Problem] {
        let problems = Problems(file: "sluice.yaml", environment: [:])
        let tree = try #require(ConfigurationNode.load(text: yaml, problems: problems))
        _ = GatewayConfiguration.read(tree, problems: problems)
        return problems.all
    }

    @Test("the keys of each level are those that its reader asks for", arguments: zip(KnownKeys.levels, [
        "zzzz: 1", "listeners: [{zzzz: 1}]", "projects: {p: {zzzz: 1}}", "domains: [{zzzz: 1}]", "domains: [{policies: {zzzz: 1}}]",
        "domains: [{endpoints: [{zzzz: 1}]}]", "domains: [{endpoints: [{policies: {zzzz: 1}}]}]",
    ]))
    func knownKeys(level: (place: String, keys: Set<String>), yaml: String) throws {
        let problem = try #require(problems(yaml).first { $0.found.hasPrefix("the unknown key \"zzzz\"") })
        var asked = Set(problem.allowed.replacing(" or ", with: ", ").split(separator: ", ").map(String.init))
        // `policies` stands at two levels; what a Swagger document brings along is nobody's to write; `include` is gone from the tree by then.
        asked.subtract(["policies", "swagger"])
        #expect(asked == level.keys.subtracting(["include"]), "\(level.place)")
    }

    @Test("there is a configuration for each level")
    func allLevels() { #expect(KnownKeys.levels.count == 7) }

    @Test("cacheKey: a field that bears a claim is not sent to a pre-call API, so it tells no questions apart", arguments: [
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
            "sluice.yaml:5:108: domains[0].endpoints[0].policies.preCall.cacheKey[1]: found \"\(name)\", which bears the claim \"sub\" and is not "
                + "sent to a pre-call API, allowed the name of a field that is sent to it, such as Authorization",
        ] : []))
    }
}
