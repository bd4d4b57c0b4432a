import SluiceConfiguration

/// What a policy says of itself, once. The order of the chain is not here but in `PolicyTable`.
struct PolicyDeclaration: Sendable {
    /// Where a policy may be written.
    enum Level: String, CaseIterable, Sendable {
        case project, domain, endpoint
    }

    /// One of them, and what the key means there.
    struct Place: Sendable {
        var level: Level
        /// In one sentence.
        var meaning: String
    }

    /// None for a policy that every chain has.
    var places: [Place] = []
    /// What may stand under the key: its keys, each with type, range, default and meaning.
    var form = ConfigurationKey.Form.nothing
    /// What holds where the key is absent.
    var presence = ConfigurationKey.Presence.optional
    /// Keys of policies that cannot stand beside it.
    var excludes: [String] = []
    /// The rows of the catalogue of errors that are its own.
    var refusals: [Refusal.Row] = []
    /// What a request may have to wait for; empty for a policy that decides at once.
    var waitsFor: [Wait.Kind] = []
    /// What it remembers from one request to another, in a few words; empty for nothing.
    var remembers = ""
    /// Whether it has a step in the chain.
    var isStep = true
    /// Whether what it says, or the answer that it gives in the service's stead, is bound to the moment at which it is asked: windows, times
    /// of credentials. The ceiling is not, where the request goes on to a service: the clock is read again as it leaves.
    var goesByClock = false
    /// Whether it says how it is checked who calls. One of these in an endpoint stands in place of all that its domain has.
    var checksCaller = false
    /// What WWW-Authenticate calls its credentials (RFC 9110, 11.6.1); empty for those that it has no name for.
    var scheme: StaticString = ""
    /// Whether it is there to keep requests from the service. What it answers means that a request did not pass.
    var keepsOut = false
    /// Whether it answers in the service's stead.
    var standsForService = false
}

extension PolicyTable {
    /// What may stand under `policies` at this level, as the reference and the JSON Schema have it.
    static func keys(at level: PolicyDeclaration.Level) -> [ConfigurationKey] {
        policies(at: level).flatMap { policy in
            let declaration = policy.declaration
            return declaration.places.filter { $0.level == level }.map { place in
                ConfigurationKey(policy.key, declaration.form, declaration.presence, place.meaning)
            }
        }
    }

    /// Which of them exclude each other.
    static func rules(at level: PolicyDeclaration.Level) -> [ConfigurationKey.Rule] {
        policies(at: level).filter { !$0.declaration.excludes.isEmpty }.map { .atMostOne($0.declaration.excludes + [$0.key]) }
    }
}
