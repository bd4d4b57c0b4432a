import SluiceConfiguration
import SluiceHTTP

/// Answers in the upstream's stead with a configured response.
///
/// The endpoint's response header changes and the domain's CORS policy apply to it as to an upstream's response.
/// Nothing is added but framing and Date: a body goes out without a Content-Type unless `headers` has one.
/// Refuses nothing and never suspends.
enum Mock: Policy {
    static let key = "mock"

    static let declaration = PolicyDeclaration(
        places: [.init(level: .endpoint, meaning: "Answers in place of the upstream.")],
        form: .mapping([.init("status", .integer(200...599, unit: nil), .required, "The status of the response.")] + ConfiguredResponse.keys),
        goesByClock: true, standsForService: true)

    struct Configuration: Equatable, Sendable {
        /// 200 to 599.
        var status: UInt16
        var headers: [ConfiguredField] = []
        /// Empty for a status that has no body.
        var body = ""
    }

    struct Compiled: CompiledPolicy {
        let response: UnsafePointer<StoredResponse>

        func evaluate(_ exchange: inout Exchange) -> Verdict { .respond(response) }

        /// The mock of an endpoint with these response changes in a domain with this CORS policy.
        func amended(by changes: HeaderChanges.Compiled?, cors: CORS.Compiled?, into arena: Arena) -> Compiled {
            Compiled(response: arena.store(response.pointee.amended(by: changes?.response, cors: cors, into: arena)))
        }
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        guard let reader = MappingReader(node, problems) else { return nil }
        let response = ConfiguredResponse.read(from: reader, defaultStatus: nil)
        reader.finish()
        guard let response, problems.count == before else { return nil }
        return Configuration(status: response.status, headers: response.headers, body: response.body)
    }

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        let response = StoredResponse.render(
            status: configuration.status, headers: configuration.headers, body: configuration.body, into: snapshot.arena)
        return Compiled(response: snapshot.arena.store(response))
    }

    /// The mock as the endpoint's header changes and the domain's CORS policy have it.
    static func compile(_ configuration: Configuration, at site: PolicySite) -> Compiled? {
        compile(configuration, into: site.snapshot)?.amended(
            by: HeaderChanges.compiled(at: site)?.pointee, cors: CORS.compiled(at: site)?.pointee, into: site.snapshot.arena)
    }
}
