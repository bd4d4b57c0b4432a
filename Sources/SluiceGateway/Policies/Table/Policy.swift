import SluiceConfiguration
import SluiceHTTP

/// One policy, in one file or folder: what it declares, what may be written, what is checked once, what runs per request.
protocol Policy: SendableMetatype {
    /// Its name: the key under `policies` in the configuration, and what logs, metrics and `explain` call it.
    static var key: String { get }
    /// What the rest of the gateway, the reference and the JSON Schema know of it.
    static var declaration: PolicyDeclaration { get }

    /// What an operator writes, read and typed. Holds no compiled form.
    associatedtype Configuration: Sendable

    /// Reads the value under `key`. Every problem is reported, and nil returned, where it cannot be used.
    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration?

    /// What an endpoint has where its operator leaves it to the document that describes it; nil for a policy that has all it needs.
    ///
    /// - Parameter configuration: the endpoint's own, or its domain's.
    static func complete(_ configuration: Configuration, by place: DocumentPlace) -> Configuration?

    /// What it does with fields of requests, for those who write and check heads.
    static func fields(_ configuration: Configuration) -> PolicyFields
    /// Reports what does not go together with the fields of the other policies of the same endpoint.
    static func check(_ configuration: Configuration, beside fields: PolicyFields, problems: Problems)
    /// What `sluice check` notes of a domain with this policy in it or in its endpoints: not a fault, but perhaps not meant.
    static func note(domain: PolicySettings, endpoints: [PolicySettings]) -> String?
    /// The same for a configuration that trusts no proxy.
    static func noteWithoutProxies(domain: PolicySettings, endpoints: [PolicySettings]) -> String?

    /// What a worker evaluates. `BitwiseCopyable` is the contract of the hot path: a compiled policy holds no
    /// reference, so evaluating it cannot retain or release. Handles of C objects are owned by the snapshot's arena.
    associatedtype Compiled: CompiledPolicy

    /// Decides everything that can be decided before a request comes. Problems that `read` cannot see are reported here.
    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled?
    /// The same for a policy to which it matters what else there is.
    static func compile(_ configuration: Configuration, at site: PolicySite) -> Compiled?
    /// What stands in the chain of this domain or endpoint; nil for nothing. An endpoint's own policy stands in place of its domain's, and
    /// its own credentials in place of all of its domain's.
    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>?

    /// What `explain` says of a request that the policy let pass.
    static func describePassing(_ exchange: borrowing Exchange) -> String
}

/// What a worker evaluates of a policy.
protocol CompiledPolicy: BitwiseCopyable {
    func evaluate(_ exchange: inout Exchange) -> Verdict

    // Of policies that check who calls.

    /// Whether the request bears something that is meant as these credentials, right or wrong.
    func isPresented(by exchange: borrowing Exchange) -> Bool
    /// Writes a line of WWW-Authenticate for each scheme by which the request could pass, beside that of the row that it was refused with.
    func writeOtherChallenges(_ writer: inout HeadWriter, besides row: Refusal.Row)

    // Of policies that hold callers to a limit.

    /// Its items of the field RateLimit-Policy; nil for no limit.
    var limitPolicy: ByteView? { get }
    /// Writes its items of the field RateLimit.
    /// - Parameter isRefusing: whether the response is a refusal for this limit.
    func writeLimit(_ writer: inout HeadWriter, _ exchange: borrowing Exchange, isRefusing: Bool)
    /// Seconds until a request passes that was refused; nil if that cannot be said.
    func secondsToWait(_ exchange: borrowing Exchange) -> UInt64?
}

extension Policy {
    static func complete(_ configuration: Configuration, by place: DocumentPlace) -> Configuration? { nil }
    static func fields(_ configuration: Configuration) -> PolicyFields { PolicyFields() }
    static func check(_ configuration: Configuration, beside fields: PolicyFields, problems: Problems) {}
    static func note(domain: PolicySettings, endpoints: [PolicySettings]) -> String? { nil }
    static func noteWithoutProxies(domain: PolicySettings, endpoints: [PolicySettings]) -> String? { nil }
    static func compile(_ configuration: Configuration, at site: PolicySite) -> Compiled? { compile(configuration, into: site.snapshot) }

    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>? {
        guard let configuration = site.settings[Self.self] else {
            guard let domain = site.domain, !site.settings.replaces(Self.self) else { return nil }
            return compiled(at: domain)
        }
        return site.once(key) { compile(configuration, at: site).map { site.snapshot.arena.store($0) } }
    }

    static func describePassing(_ exchange: borrowing Exchange) -> String { "proceed" }
}

extension CompiledPolicy {
    @inline(__always)
    func isPresented(by exchange: borrowing Exchange) -> Bool { false }

    @inline(__always)
    func writeOtherChallenges(_ writer: inout HeadWriter, besides row: Refusal.Row) {}

    @inline(__always)
    var limitPolicy: ByteView? { nil }

    @inline(__always)
    func writeLimit(_ writer: inout HeadWriter, _ exchange: borrowing Exchange, isRefusing: Bool) {}

    @inline(__always)
    func secondsToWait(_ exchange: borrowing Exchange) -> UInt64? { nil }
}

/// A policy that nobody writes under `policies`: every chain of its kind has it.
protocol BuiltInPolicy: Policy where Configuration == NoConfiguration {}

/// What is written of a built-in policy.
struct NoConfiguration: Sendable {}

extension BuiltInPolicy {
    static func read(_ node: ConfigurationNode, problems: Problems) -> NoConfiguration? { nil }
    static func compile(_ configuration: NoConfiguration, into snapshot: SnapshotBuilder) -> Compiled? { nil }
}
