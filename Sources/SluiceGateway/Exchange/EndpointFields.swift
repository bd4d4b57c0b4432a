import SluiceHTTP

/// Names that an endpoint's configuration makes special in its requests. Compiled; lives in the arena.
struct EndpointFields: BitwiseCopyable {
    /// What the gateway sets or removes, as services may read it: header changes and forwarded claims.
    let own: FieldNames
    /// The forwarded claims alone: all of it that a pre-call API gets.
    let claims: FieldNames
    /// The known fields among them.
    let knownOwn: UInt64
    let knownClaims: UInt64
    /// What a policy checks or remembers: required headers of a signature, a pre-call's cache key.
    let relied: FieldNames
    /// The same as services may read it.
    let reliedAlike: FieldNames
    /// Whether one of those is an unusual name itself, so that usual names are read like it.
    let reliesOnUnusual: Bool
}
