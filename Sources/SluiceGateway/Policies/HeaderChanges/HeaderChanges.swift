import SluiceConfiguration
import SluiceHTTP

/// Sets and removes fields of an endpoint's requests and responses.
///
/// Removing comes before setting: a name in both lists is removed as the peer sent it and then set. Nothing hop-by-hop and
/// no framing can be named, and neither Host nor Expect in a request: the upstream's authority is its URL's.
/// Refuses nothing and never suspends: whoever writes a head asks `FieldChanges`.
enum HeaderChanges: Policy {
    static let key = "headers"

    static let declaration = PolicyDeclaration(
        places: [.init(level: .endpoint, meaning: "Sets and removes headers.")],
        form: .mapping([
            .init("request", .mapping(keys), .optional, "Changes to what the upstream gets."),
            .init("response", .mapping(keys), .optional, "Changes to what the client gets."),
        ]),
        isStep: false)

    private static let keys: [ConfigurationKey] = [
        .init("set", .named("NAME", .text("value of a header")), .otherwise("none"), "Headers to set. Each replaces all headers of its name."),
        .init("remove", .list(.text("name of a header")), .byDefault("[]"), "Headers to remove."),
    ]

    struct Configuration: Equatable, Sendable {
        struct Direction: Equatable, Sendable {
            /// In the order of the file; no name twice.
            var set: [ConfiguredField] = []
            var remove: [Located<String>] = []
        }

        var request = Direction()
        var response = Direction()

        /// Without response fields that are written all the same, which would be there twice: those of the domain's CORS policy, which
        /// give way to nothing (browsers refuse two of them), and the Date of a response of the gateway's own.
        func leavingOut(cors hasCORS: Bool, date hasDate: Bool) -> Configuration {
            var others = self
            others.response.set.removeAll { field in
                let name = field.name.value.asciiLowercased
                return hasCORS && name.hasPrefix("access-control-") || hasDate && name == "date"
            }
            return others
        }
    }

    struct Compiled: CompiledPolicy {
        /// To what is sent to the upstream (not to a pre-call API).
        let request: FieldChanges
        /// To what the upstream or a mock answers.
        let response: FieldChanges

        func evaluate(_ exchange: inout Exchange) -> Verdict { .proceed }
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        guard let reader = MappingReader(node, problems) else { return nil }
        var configuration = Configuration()
        if let direction = reader.mapping("request") { configuration.request = readDirection(direction, for: .request) }
        if let direction = reader.mapping("response") { configuration.response = readDirection(direction, for: .response) }
        reader.finish()
        return problems.count == before ? configuration : nil
    }

    private static func readDirection(_ reader: MappingReader, for place: ConfiguredField.Place) -> Configuration.Direction {
        let set = ConfiguredField.read("set", in: reader, for: place) ?? []
        let remove = reader.strings("remove")?.value ?? []
        for name in remove { ConfiguredField.check(name, for: place, reader.problems) }
        reader.finish()
        return Configuration.Direction(set: set, remove: remove)
    }

    static func fields(_ configuration: Configuration) -> PolicyFields {
        PolicyFields(set: configuration.request.set.map(\.name), removed: configuration.request.remove.map(\.value))
    }

    static func compile(_ configuration: Configuration, at site: PolicySite) -> Compiled? {
        let isMock = site.settings.isWritten(where: \.standsForService)
        return compile(configuration.leavingOut(cors: CORS.compiled(at: site) != nil, date: isMock), into: site.snapshot)
    }

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        Compiled(
            request: changes(configuration.request, snapshot.arena), response: changes(configuration.response, snapshot.arena))
    }

    private static func changes(_ direction: Configuration.Direction, _ arena: Arena) -> FieldChanges {
        FieldChanges(
            set: direction.set.map { ($0.name.value, $0.value.value) }, remove: direction.remove.map(\.value), into: arena)
    }
}
