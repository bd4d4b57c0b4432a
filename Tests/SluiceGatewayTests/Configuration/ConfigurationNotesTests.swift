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

    @Test("a domain without endpoints is noted, one with endpoints is not")
    func withoutEndpoints() throws {
        let mock = "endpoints: [{path: /**, policies: {mock: {status: 200}}}]"
        #expect(try notes("domains:\n  - {key: a, \(mock)}\n  - {key: b}\n  - {key: c, endpoints: []}") == [
            "3 domains[1].key: a domain without endpoints: every request to it that its own policies let pass is 404",
            "4 domains[2].key: a domain without endpoints: every request to it that its own policies let pass is 404",
        ])
    }
}
