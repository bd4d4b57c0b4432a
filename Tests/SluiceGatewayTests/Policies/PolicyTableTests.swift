import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// The table of policies: what must hold of every row, whatever policies there are.
@Suite("Table of policies")
struct PolicyTableTests {
    @Test("a policy's number is its place in the order; a policy that is not in the table has none")
    func numbers() {
        #expect(PolicyTable.all.count == Int(PolicyTable.rows.count))
        #expect(PolicyTable.rows.number(of: ProjectCeiling.self) == 0)
        for (number, policy) in PolicyTable.all.enumerated() { #expect(Self.number(of: policy) == UInt8(number), "\(policy.key)") }
        #expect(PolicyTable.rows.number(of: Stranger.self) == 255)
    }

    private static func number<Kind: Policy>(of policy: Kind.Type) -> UInt8 { PolicyTable.rows.number(of: policy) }

    @Test("a step is taken for its own policy's and for no other's")
    func steps() throws {
        let arena = Arena()
        let step = Step(BodyLimit.self, arena.store(BodyLimit.Compiled(bytesMax: 7)))
        #expect(step.policy.key == "bodyLimit")
        #expect(step.compiled(of: BodyLimit.self)?.pointee.bytesMax == 7)
        #expect(step.compiled(of: ProjectCeiling.self) == nil && step.compiled(of: Mock.self) == nil)
        let test = try TestExchange("POST /\nContent-Length: 8")
        #expect(Answer(step.evaluate(&test.exchange)) == .refuse(.bodyTooLarge))
    }

    @Test("each error belongs to one policy at most; keys that a policy excludes are those of others at its level")
    func declarations() {
        let rows = PolicyTable.all.flatMap { $0.declaration.refusals }
        #expect(Set(rows).count == rows.count)
        for level in PolicyDeclaration.Level.allCases {
            let keys = PolicyTable.policies(at: level).map { $0.key }
            #expect(Set(keys).count == keys.count, "\(level)")
            for policy in PolicyTable.policies(at: level) {
                for other in policy.declaration.excludes { #expect(keys.contains(other) && other != policy.key, "\(policy.key)") }
            }
        }
    }

    @Test("an endpoint's policy stands in place of its domain's; without one the domain's holds, compiled once")
    func levels() throws {
        let problems = Problems(file: "", environment: [:])
        func settings(_ yaml: String) throws -> PolicySettings {
            let node = try #require(ConfigurationNode.load(text: yaml, problems: problems))
            return PolicySettings(try #require(MappingReader(node, problems)), at: .domain)
        }
        let counts = CountRegistry()
        let domain = PolicySite(
            domain: "a", try settings("{ipAcl: {permit: true, addresses: [192.0.2.1]}}"), project: .init(name: "p", limit: 5), counts: counts.makeHold(),
            into: SnapshotBuilder(problems: problems))
        let plain = PolicySite(endpoint: "GET /a", PolicySettings(), in: domain)
        let own = PolicySite(endpoint: "GET /b", try settings("{ipAcl: {permit: false, addresses: [192.0.2.1]}}"), in: domain)
        let place = try #require(IPACL.compiled(at: domain))
        #expect(place.pointee.permit)
        #expect(IPACL.compiled(at: plain) == place)
        #expect(IPACL.compiled(at: own)?.pointee.permit == false)
        #expect(CORS.compiled(at: own) == nil && problems.all.isEmpty)
        #expect(PolicyTable.rows.steps(at: domain).map { $0.policy.key } == ["ceiling", "ipAcl"])
        #expect(PolicyTable.rows.steps(at: own).map { $0.policy.key } == ["ceiling", "ipAcl", "bodyLimit"])
    }

    /// A policy that nobody has put into the table.
    private enum Stranger: BuiltInPolicy {
        static let key = "stranger"
        static let declaration = PolicyDeclaration()

        struct Compiled: CompiledPolicy {
            func evaluate(_ exchange: inout Exchange) -> Verdict { .proceed }
        }
    }
}
