/// The hash functions that policies may name (FIPS 180-4).
package enum DigestAlgorithm: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// Only inside HMAC, and only where the configuration allows it.
    case sha1
    case sha256

    /// Bytes of a digest: 20 or 32.
    @inlinable
    package var byteCount: Int {
        switch self {
        case .sha1: 20
        case .sha256: 32
        }
    }

    /// As OpenSSL's providers know it.
    var name: StaticString {
        switch self {
        case .sha1: "SHA1"
        case .sha256: "SHA256"
        }
    }

    /// Bytes of the longest digest here: what a buffer for any of them must hold.
    package static let byteCountMax = 32
}
