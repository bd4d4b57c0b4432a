import SluiceConfiguration

/// `authentication: none` of an endpoint: nobody is asked who calls, whatever its domain asks for.
///
/// Without it an endpoint that writes no credentials has those of its domain; it must be said that it has none, so that nobody opens an
/// endpoint by leaving something out. No step: what it does is to stand in place of its domain's credentials.
enum Authentication: Policy {
    static let key = "authentication"

    static let declaration = PolicyDeclaration(
        places: [.init(level: .endpoint, meaning: "`none` opens the endpoint: the domain's credentials are not asked for.")],
        form: .word(["none"]), excludes: [HMAC.key, JWT.key, ApiKey.key, AnyOf.key], isStep: false, checksCaller: true)

    enum Configuration: String, CaseIterable, Sendable {
        case open = "none"
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        // What is written is one word, which may be a variable's.
        let written = ConfigurationNode(.mapping([.init(key: key, keyPosition: node.position, value: node)]), position: node.position)
        return MappingReader(written, problems)?.enumeration(key, of: Configuration.self)?.value
    }

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? { nil }

    /// There is none.
    struct Compiled: CompiledPolicy {
        func evaluate(_ exchange: inout Exchange) -> Verdict { .proceed }
    }
}
