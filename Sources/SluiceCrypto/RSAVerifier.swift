internal import COpenSSL
package import SluiceHTTP

/// Checks RS256 signatures: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3; RFC 8017, 8.2.2) under one key.
///
/// One per worker and key: its contexts are used again for every signature and are not safe on two threads.
/// The key itself is shared between workers.
package final class RSAVerifier {
    /// Valid for as long as the `RSAVerifier` that it came from.
    package struct Handle: BitwiseCopyable {
        fileprivate let context: OpaquePointer
        fileprivate let digest: Digest.Handle

        /// Whether `signature` is the key owner's signature of `message`. Bytes of any length may be passed;
        /// a signature of another length than the modulus is refused.
        package func verify(_ message: ByteView, signature: ByteView) -> Bool {
            var hash: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
            return withUnsafeMutableBytes(of: &hash) { hash in
                let bytes = hash.baseAddress!.assumingMemoryBound(to: UInt8.self)
                guard digest.hash(message, into: bytes) else { return false }
                return verify(digest: ByteView(base: bytes, count: hash.count), signature: signature)
            }
        }

        /// As `verify(_:signature:)`, for a message whose SHA-256 digest the caller has at hand.
        package func verify(digest: ByteView, signature: ByteView) -> Bool {
            if EVP_PKEY_verify(context, signature.base, signature.count, digest.base, digest.count) == 1 { return true }
            ErrorQueue.clear()
            return false
        }
    }

    package let handle: Handle
    private let digest: Digest

    package init(_ key: RSAPublicKey) throws(CryptoError) {
        let digest = try Digest(.sha256)
        guard let context = EVP_PKEY_CTX_new_from_pkey(nil, key.key, nil) else { throw .fromQueue("RS256") }
        guard EVP_PKEY_verify_init(context) == 1, EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1,
            EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1
        else {
            EVP_PKEY_CTX_free(context)
            throw .fromQueue("RS256 is not available")
        }
        self.digest = digest
        handle = Handle(context: context, digest: digest.handle)
    }

    deinit { EVP_PKEY_CTX_free(handle.context) }
}
