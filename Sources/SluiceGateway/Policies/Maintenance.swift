import SluiceConfiguration
import SluiceHTTP

/// Answers every request of a domain with a configured notice.
///
/// The domain's CORS fields are added to it, so that a browser can read it; endpoints' header changes are not, because no
/// endpoint has been asked. Refuses nothing and never suspends.
enum Maintenance: Policy {
    static let key = "maintenance"

    static let declaration = PolicyDeclaration(
        places: [.init(level: .domain, meaning: "Answers every request with a notice.")],
        form: .mapping([
            .init("enabled", .boolean, .required, "Whether the notice is in force."),
            .init("status", .integer(200...599, unit: nil), .byDefault("503"), "The status of the notice."),
        ] + ConfiguredResponse.keys),
        goesByClock: true, keepsOut: true)

    struct Configuration: Equatable, Sendable {
        /// False: the domain serves as if the policy were absent. No default: a notice that is written must say whether it holds.
        var enabled: Bool
        /// 200 to 599. 503 unless configured.
        var status: UInt16 = 503
        var headers: [ConfiguredField] = []
        /// Empty for a status that has no body.
        var body = ""
    }

    struct Compiled: CompiledPolicy {
        let response: UnsafePointer<StoredResponse>

        func evaluate(_ exchange: inout Exchange) -> Verdict { .respond(response) }

        /// The notice of a domain with this CORS policy.
        func amended(cors: CORS.Compiled?, into arena: Arena) -> Compiled {
            Compiled(response: arena.store(response.pointee.amended(by: nil, cors: cors, into: arena)))
        }
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        guard let reader = MappingReader(node, problems) else { return nil }
        let enabled = reader.requiredBool("enabled")
        let response = ConfiguredResponse.read(from: reader, defaultStatus: 503)
        reader.finish()
        guard let enabled, let response, problems.count == before else { return nil }
        return Configuration(
            enabled: enabled.value, status: response.status, headers: response.headers, body: response.body)
    }

    /// Nil where it is not enabled: there is nothing to evaluate then.
    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        guard configuration.enabled else { return nil }
        let response = StoredResponse.render(
            status: configuration.status, headers: configuration.headers, body: configuration.body, into: snapshot.arena)
        return Compiled(response: snapshot.arena.store(response))
    }

    /// The notice as the domain's CORS policy has it.
    static func compile(_ configuration: Configuration, at site: PolicySite) -> Compiled? {
        compile(configuration, into: site.snapshot)?.amended(cors: CORS.compiled(at: site)?.pointee, into: site.snapshot.arena)
    }
}
