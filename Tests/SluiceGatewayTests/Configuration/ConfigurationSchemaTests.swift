import Foundation
import Testing

@testable import SluiceConfiguration
@testable import SluiceGateway

/// The JSON Schema of a configuration: it takes what the gateway takes, and refuses what it can see.
@Suite("Configuration schema")
struct ConfigurationSchemaTests {
    private static let root = URL(fileURLWithPath: #filePath).appending(path: "../../../..").standardized

    private func tree(_ text: String) -> ConfigurationNode? { ConfigurationNode.load(text: text, problems: Problems(file: "a.yaml")) }

    private func faults(_ text: String) throws -> [String] { SchemaJudge(ConfigurationSchema.node(ConfigurationKey.all)).faults(try #require(tree(text), "\(text)")) }

    /// Configurations in fenced blocks of Markdown, or whole files.
    private static func examples() throws -> [(name: String, text: String)] {
        let docs = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: "docs").path).filter { $0.hasSuffix(".md") }.map { "docs/\($0)" }
        var examples = try (["README.md"] + docs.sorted()).flatMap { name in
            try String(contentsOf: root.appending(path: name), encoding: .utf8).components(separatedBy: "```yaml\n").dropFirst().map { part in
                (name, part.components(separatedBy: "\n```")[0] + "\n")
            }
        }
        examples.append(("docker/sluice.yaml", try String(contentsOf: root.appending(path: "docker/sluice.yaml"), encoding: .utf8)))
        for name in ["Demo/DemoConfiguration", "Commands/InitialConfiguration"] {
            guard let source = try? String(contentsOf: root.appending(path: "Sources/sluice/\(name).swift"), encoding: .utf8) else { continue }
            let lines = source.components(separatedBy: "\"\"\"")[1].split(separator: "\n", omittingEmptySubsequences: false)
            examples.append((name, lines.map { $0.dropFirst(8) }.joined(separator: "\n").replacing("\\\\", with: "\\")))
        }
        return examples
    }

    @Test("every example of the repository is valid")
    func validExamples() throws {
        let examples = try Self.examples().filter { $0.text.contains("domains:") }
        #expect(examples.count > 3)
        for example in examples { #expect(try faults(example.text) == [], "\(example.name): \(example.text)") }
    }

    @Test("what the gateway takes, the schema takes: every seed of the fuzzer")
    func seeds() throws {
        let folder = Self.root.appending(path: "Tests/Fuzz/Corpora/configuration")
        var count = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            guard let text = try? String(contentsOf: folder.appending(path: name), encoding: .utf8) else { continue }
            let problems = Problems(file: name, environment: [:])
            guard let tree = ConfigurationNode.load(text: text, problems: problems), !APIDocument.isDocument(tree) else { continue }
            _ = GatewayConfiguration.read(tree, problems: problems)
            guard problems.isEmpty else { continue }
            count += 1
            #expect(SchemaJudge(ConfigurationSchema.node(ConfigurationKey.all)).faults(tree) == [], "\(name)")
        }
        #expect(count > 0)
    }

    @Test("at every level a mapping with its required keys is valid, and one with an unknown key is not", arguments: ConfigurationKey.levels)
    func levels(level: ConfigurationKey.Level) throws {
        let required = ConfigurationText.required(level)
        let place = "$" + (level.path.isEmpty ? "" : "." + level.path.replacing("[]", with: "[0]"))
        func own(_ entries: String) throws -> Bool {
            let text = ConfigurationText.wrapped(entries, at: level.path)
            // Mappings around this one lack keys of their own.
            return try faults(text).contains { $0.contains(place + ".zzzz") || $0.contains(place + ": no ") || $0.hasPrefix(place) && $0.contains("none of the forms") }
        }
        #expect(try !own(required), "\(level.path)")
        guard !level.hasNamedAlternative else { return }
        #expect(try own(ConfigurationText.joined(required, "zzzz: 1")), "\(level.path)")
        for key in level.keys where key.isRequired { #expect(try own(""), "\(level.path) \(key.name)") }
    }

    @Test("what can be seen is refused", arguments: [
        "{}", "domains: {}", "domains: [{}]", "{domains: [], zzzz: 1}", "domains: [{key: 1}]", "domains: [{key: [a]}]",
        "domains: [{key: a, upstreamTimeoutMs: 0}]", "domains: [{key: a, upstreamTimeoutMs: 600001}]", "domains: [{key: a, upstreamTimeoutMs: '5'}]",
        "domains: [{key: a, encodedSlashes: zzzz}]", "domains: [{key: a, upstream: []}]", "domains: [{key: a, policies: {hmac: {}}}]",
        "domains: [{key: a, policies: {hmac: {secret: s}, jwt: {secret: s}}}]", "domains: [{key: a, policies: {jwt: {audience: a}}}]",
        "domains: [{key: a, policies: {jwt: {secret: s, jwks: a}}}]",
        "domains: [{key: a, policies: {jwt: {secret: s, issuers: [{issuer: a, secret: s}]}}}]", "domains: [{key: a, policies: {jwt: {issuers: [{secret: s}]}}}]",
        "domains: [{key: a, policies: {jwt: {issuers: []}}}]", "domains: [{key: a, policies: {jwt: {secret: s, claims: [{name: a}]}}}]",
        "domains: [{key: a, policies: {usageQuota: [{limit: 1}]}}]", "domains: [{key: a, policies: {usageQuota: 5}}]",
        "domains: [{key: a, policies: {ipAcl: {permit: yes please, addresses: []}}}]", "listeners: [{address: ':80', tls: []}]\ndomains: []",
        "domains: [{key: a, policies: {hmac: {secret: {env: A, file: B}}}}]", "domains: [{key: a, endpoints: [{path: /, policies: {mock: {status: 199}}}]}]",
    ])
    func refused(text: String) throws { #expect(try faults(text) != [], "\(text)") }

    @Test("the file that editors use is current")
    func current() throws {
        let file = try String(contentsOf: Self.root.appending(path: "docs/sluice.schema.json"), encoding: .utf8)
        #expect(file == ConfigurationSchema.text(ConfigurationKey.all), "sluice reference schema > docs/sluice.schema.json")
    }
}
