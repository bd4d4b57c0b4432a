internal import COpenSSL
package import SluiceHTTP

/// Message authentication codes of the longer hash functions (RFC 2104 with FIPS 180-4), one at a time. `KeyedHMAC` has those of SHA-256, without allocating.
package enum MessageCode {
    package enum Function: Sendable, BitwiseCopyable {
        case sha384, sha512

        package var byteCount: Int {
            switch self {
            case .sha384: 48
            case .sha512: 64
            }
        }
    }

    /// Bytes of the longest code.
    package static let byteCountMax = 64

    /// Writes the code of `message` to `output`, which has room for `byteCountMax` bytes.
    ///
    /// - Returns: false if OpenSSL failed; the output then means nothing.
    package static func write(_ function: Function, key: ByteView, of message: ByteView, into output: UnsafeMutablePointer<UInt8>) -> Bool {
        var count: UInt32 = 0
        let hash = function == .sha384 ? EVP_sha384() : EVP_sha512()
        guard HMAC(hash, key.base, Int32(key.count), message.base, message.count, output, &count) != nil, Int(count) == function.byteCount else {
            ErrorQueue.clear()
            return false
        }
        return true
    }
}
