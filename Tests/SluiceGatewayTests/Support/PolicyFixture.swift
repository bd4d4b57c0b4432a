import SluiceConfiguration
import Testing

@testable import SluiceGateway

/// One policy read from YAML and compiled, with everything that its compiled form points to.
final class PolicyFixture<P: Policy> {
    let problems: Problems
    let snapshot: SnapshotBuilder
    /// Nil if it could not be read.
    let configuration: P.Configuration?
    /// Nil if it could not be read or compiled.
    let compiled: P.Compiled?

    init(_ policy: P.Type, _ yaml: String) throws {
        let problems = Problems(file: "sluice.yaml", environment: [:])
        let snapshot = SnapshotBuilder(problems: problems)
        self.problems = problems
        self.snapshot = snapshot
        let node = try #require(ConfigurationNode.load(text: yaml, problems: problems))
        configuration = P.read(node, problems: problems)
        compiled = configuration.flatMap { P.compile($0, into: snapshot) }
    }

    /// Every problem as `line:column: keyPath: found X, allowed Y`.
    var complaints: [String] {
        problems.all.map { String($0.description.dropFirst("sluice.yaml:".count)) }
    }

    /// The compiled form of a configuration without any fault; a test that expects one fails otherwise.
    func faultless() throws -> P.Compiled {
        try #require(complaints.isEmpty, "\(complaints)")
        return try #require(compiled)
    }
}
