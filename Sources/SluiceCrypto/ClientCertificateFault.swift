internal import COpenSSL

/// Why a client's certificate is not taken, in the words of metrics and logs.
package enum ClientCertificateFault: UInt8, CaseIterable, BitwiseCopyable, Sendable, Error {
    /// The listener requires one and the client has none.
    case missing
    case expired
    case notYetValid
    case revoked
    /// A list of revoked certificates is over, or there is none of an authority.
    case listMissing
    /// No authority of the listener has issued it.
    case unknownIssuer
    /// Its chain is longer than the gateway follows.
    case chainTooLong
    /// It, or what came with it, has more bytes than the gateway takes.
    case tooLarge
    /// It is not made for clients.
    case purpose
    /// It has a weak key or a weak signature.
    case weak
    case other

    /// The name in logs and metrics.
    package var label: StaticString {
        switch self {
        case .missing: "missing"
        case .expired: "expired"
        case .notYetValid: "not_yet_valid"
        case .revoked: "revoked"
        case .listMissing: "revocation_list"
        case .unknownIssuer: "unknown_issuer"
        case .chainTooLong: "chain_too_long"
        case .tooLarge: "too_large"
        case .purpose: "purpose"
        case .weak: "weak"
        case .other: "other"
        }
    }

    /// - Parameter code: what OpenSSL's verification has come to.
    init(verification code: Int) {
        switch Int32(truncatingIfNeeded: code) {
        case X509_V_ERR_CERT_HAS_EXPIRED: self = .expired
        case X509_V_ERR_CERT_NOT_YET_VALID: self = .notYetValid
        case X509_V_ERR_CERT_REVOKED: self = .revoked
        case X509_V_ERR_UNABLE_TO_GET_CRL, X509_V_ERR_CRL_HAS_EXPIRED, X509_V_ERR_CRL_NOT_YET_VALID, X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER,
            X509_V_ERR_CRL_SIGNATURE_FAILURE, X509_V_ERR_DIFFERENT_CRL_SCOPE: self = .listMissing
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE,
            X509_V_ERR_CERT_UNTRUSTED: self = .unknownIssuer
        case X509_V_ERR_CERT_CHAIN_TOO_LONG, X509_V_ERR_PATH_LENGTH_EXCEEDED: self = .chainTooLong
        case X509_V_ERR_INVALID_PURPOSE, X509_V_ERR_INVALID_CA: self = .purpose
        case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_MD_TOO_WEAK: self = .weak
        default: self = .other
        }
    }
}
