/// The signature algorithms of tokens, by the names of RFC 7518, 3.1 and RFC 8037, 3.1.
package enum SignatureAlgorithm: String, Sendable, BitwiseCopyable, CaseIterable {
    /// RSASSA-PKCS1-v1_5 with SHA-2.
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    /// RSASSA-PSS with SHA-2, MGF1 with the same hash function, and a salt as long as the digest (RFC 7518, 3.5).
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    /// ECDSA with SHA-2, each on one curve: P-256, P-384, P-521 (RFC 7518, 3.4).
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    /// Ed25519. Ed448, which the same name may mean, is not taken.
    case edDSA = "EdDSA"

    /// Whether a key of this kind can make such signatures.
    package func fits(_ kind: PublicKey.Kind) -> Bool {
        switch self {
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: kind == .rsa
        case .es256: kind == .p256
        case .es384: kind == .p384
        case .es512: kind == .p521
        case .edDSA: kind == .ed25519
        }
    }

    var isPSS: Bool { self == .ps256 || self == .ps384 || self == .ps512 }
}

extension PublicKey.Kind {
    /// What a key of this kind is used for unless the operator says otherwise.
    package var algorithm: SignatureAlgorithm {
        switch self {
        case .rsa: .rs256
        case .p256: .es256
        case .p384: .es384
        case .p521: .es512
        case .ed25519: .edDSA
        }
    }
}
