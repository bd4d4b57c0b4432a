import SluiceConfiguration

/// What an operator writes for one policy, and how it is read.
protocol ConfigurablePolicy {
    /// The name under `policies` in the configuration.
    static var key: String { get }

    /// What an operator writes, read and typed. Holds no compiled form.
    associatedtype Configuration: Sendable

    /// Reads the value under `key`. Every problem is reported, and nil returned, where it cannot be used.
    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration?
}

/// One step of the chain, in one file: what may be written, what is checked once, what runs per request.
protocol Policy: ConfigurablePolicy {
    /// What a worker evaluates. `BitwiseCopyable` is the contract of the hot path: a compiled policy holds no
    /// reference, so evaluating it cannot retain or release. Handles of C objects are owned by the snapshot's arena.
    associatedtype Compiled: BitwiseCopyable

    /// Decides everything that can be decided before a request comes. Problems that `read` cannot see are reported here.
    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled?
}
