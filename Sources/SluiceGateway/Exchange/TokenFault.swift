/// What is wrong with a token that is refused, for logs, metrics and `explain`: the caller is told less, so that nobody learns by trying.
enum TokenFault: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    /// There is no token.
    case missing
    /// It is no token, or says something that no token may say.
    case malformed
    /// It names an algorithm that the policy does not accept.
    case algorithm
    /// No key of the policy has its `kid`, or there is no key set.
    case unknownKey
    case signature
    /// `exp` has passed.
    case expired
    /// `nbf` has not come.
    case notYetValid
    case issuer
    case audience
    /// A claim is missing, or does not meet its condition. The detail says which, where its name can be printed.
    case claim

    /// The name in logs and metrics.
    var label: StaticString {
        switch self {
        case .missing: "missing"
        case .malformed: "malformed"
        case .algorithm: "algorithm"
        case .unknownKey: "unknownKey"
        case .signature: "signature"
        case .expired: "expired"
        case .notYetValid: "notYetValid"
        case .issuer: "issuer"
        case .audience: "audience"
        case .claim: "claim"
        }
    }

    /// What the caller is told.
    var row: Refusal.Row {
        switch self {
        case .missing: .jwtAuthorizationEmpty
        case .expired: .jwtExpired
        default: .jwtInvalid
        }
    }
}
