import SluiceCrypto
import SluiceHTTP

extension JWT {
    /// The algorithms, by the names of RFC 7518, 3.1 and RFC 8037, 3.1.
    enum Algorithm: String, CaseIterable, Sendable, BitwiseCopyable {
        case hs256 = "HS256"
        case hs384 = "HS384"
        case hs512 = "HS512"
        case rs256 = "RS256"
        case rs384 = "RS384"
        case rs512 = "RS512"
        case ps256 = "PS256"
        case ps384 = "PS384"
        case ps512 = "PS512"
        case es256 = "ES256"
        case es384 = "ES384"
        case es512 = "ES512"
        case edDSA = "EdDSA"

        init(_ signature: SignatureAlgorithm) {
            switch signature {
            case .rs256: self = .rs256
            case .rs384: self = .rs384
            case .rs512: self = .rs512
            case .ps256: self = .ps256
            case .ps384: self = .ps384
            case .ps512: self = .ps512
            case .es256: self = .es256
            case .es384: self = .es384
            case .es512: self = .es512
            case .edDSA: self = .edDSA
            }
        }

        /// Nil for codes under a secret.
        var signature: SignatureAlgorithm? {
            switch self {
            case .hs256, .hs384, .hs512: nil
            case .rs256: .rs256
            case .rs384: .rs384
            case .rs512: .rs512
            case .ps256: .ps256
            case .ps384: .ps384
            case .ps512: .ps512
            case .es256: .es256
            case .es384: .es384
            case .es512: .es512
            case .edDSA: .edDSA
            }
        }

        /// As the `alg` of a header.
        var name: StaticString {
            switch self {
            case .hs256: "HS256"
            case .hs384: "HS384"
            case .hs512: "HS512"
            case .rs256: "RS256"
            case .rs384: "RS384"
            case .rs512: "RS512"
            case .ps256: "PS256"
            case .ps384: "PS384"
            case .ps512: "PS512"
            case .es256: "ES256"
            case .es384: "ES384"
            case .es512: "ES512"
            case .edDSA: "EdDSA"
            }
        }
    }

    /// The algorithms that one policy accepts. A token chooses among them and none beside them.
    struct Algorithms: OptionSet, BitwiseCopyable, Sendable {
        let rawValue: UInt16

        init(rawValue: UInt16) { self.rawValue = rawValue }

        init(_ algorithms: [Algorithm]) {
            rawValue = algorithms.reduce(0) { $0 | Self.bit($1) }
        }

        private static func bit(_ algorithm: Algorithm) -> UInt16 {
            1 << UInt16(Algorithm.allCases.firstIndex(of: algorithm) ?? 0)
        }

        func contains(_ algorithm: Algorithm) -> Bool { rawValue & Self.bit(algorithm) != 0 }

        /// The one of this name, if it is accepted.
        func named(_ name: JSONString) -> Algorithm? {
            for algorithm in Algorithm.allCases where contains(algorithm) && name.equals(ByteView(algorithm.name)) { return algorithm }
            return nil
        }
    }
}
