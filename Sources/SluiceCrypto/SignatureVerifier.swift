internal import COpenSSL
package import SluiceHTTP

/// Checks signatures of tokens under one public key.
///
/// RS256, which most tokens bear, goes through `RSAVerifier`, which allocates nothing. All others go through OpenSSL's general functions, which
/// allocate for each signature; a token that was checked once is remembered (`VerifiedTokenCache`), so that only new tokens pay for it.
///
/// One per worker and key: its contexts are used again and are not safe on two threads. The key itself is shared between workers.
package final class SignatureVerifier {
    /// Valid for as long as the `SignatureVerifier` that it came from.
    package struct Handle: BitwiseCopyable {
        fileprivate let context: OpaquePointer
        fileprivate let key: OpaquePointer
        /// For RS256.
        fileprivate let rsa: RSAVerifier.Handle?
        package let kind: PublicKey.Kind

        /// Whether `signature` is the key owner's signature of `message`. Bytes of any length may be passed. A key of a kind that cannot make
        /// signatures of this algorithm has made none.
        package func verify(_ message: ByteView, signature: ByteView, _ algorithm: SignatureAlgorithm) -> Bool {
            guard algorithm.fits(kind) else { return false }
            if algorithm == .rs256, let rsa { return rsa.verify(message, signature: signature) }
            let isRight: Bool
            if let bytes = kind.scalarBytes {
                guard signature.count == 2 * bytes else { return false }
                isRight = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: ECDSASignature.bytesMax) { memory in
                    let place = memory.baseAddress.unsafelyUnwrapped
                    let count = ECDSASignature.encode(signature, into: place)
                    return check(message, ByteView(base: place, count: count), algorithm)
                }
            } else {
                isRight = check(message, signature, algorithm)
            }
            if !isRight { ErrorQueue.clear() }
            return isRight
        }

        private func check(_ message: ByteView, _ signature: ByteView, _ algorithm: SignatureAlgorithm) -> Bool {
            var settings: OpaquePointer?
            EVP_MD_CTX_reset(context)
            guard EVP_DigestVerifyInit(context, &settings, algorithm.function, nil, key) == 1 else { return false }
            if algorithm.isPSS {
                guard EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1,
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1
                else { return false }
            }
            return EVP_DigestVerify(context, signature.base, signature.count, message.base, message.count) == 1
        }
    }

    package let handle: Handle
    private let key: PublicKey
    private let rsa: RSAVerifier?

    package init(_ key: PublicKey) throws(CryptoError) {
        rsa = key.kind == .rsa ? try RSAVerifier(key) : nil
        guard let context = EVP_MD_CTX_new() else { throw .fromQueue("no memory") }
        self.key = key
        handle = Handle(context: context, key: key.key, rsa: rsa?.handle, kind: key.kind)
    }

    deinit { EVP_MD_CTX_free(handle.context) }
}

extension SignatureAlgorithm {
    /// The hash function; nil where the algorithm has its own.
    var function: OpaquePointer? {
        switch self {
        case .rs256, .ps256, .es256: EVP_sha256()
        case .rs384, .ps384, .es384: EVP_sha384()
        case .rs512, .ps512, .es512: EVP_sha512()
        case .edDSA: nil
        }
    }
}
