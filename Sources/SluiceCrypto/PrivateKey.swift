internal import COpenSSL
package import SluiceHTTP

/// A private key, for making tokens on the command line. The gateway itself never signs.
package final class PrivateKey {
    let key: OpaquePointer
    package let kind: PublicKey.Kind

    /// From an unencrypted `PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY` in PEM text: RSA of 2,048 bits or more, P-256, P-384, P-521 or Ed25519.
    package convenience init(pem: ByteView) throws(CryptoError) {
        try self.init(owning: PEM.privateKey(in: pem))
    }

    /// Frees `key` with itself, and also when it throws.
    init(owning key: OpaquePointer) throws(CryptoError) {
        do throws(CryptoError) {
            kind = try PublicKey.kind(of: key)
            let bits = Int(EVP_PKEY_get_bits(key))
            guard kind != .rsa || bits >= PublicKey.bitsMin else {
                throw CryptoError("the RSA key has \(bits) bits; at least \(PublicKey.bitsMin) are needed")
            }
        } catch {
            EVP_PKEY_free(key)
            throw error
        }
        self.key = key
    }

    deinit { EVP_PKEY_free(key) }

    /// The signature of `message`, in the form that tokens have.
    ///
    /// - Parameter algorithm: nil for the one that keys of this kind are used for.
    package func sign(_ message: ByteView, _ algorithm: SignatureAlgorithm? = nil) throws(CryptoError) -> [UInt8] {
        let algorithm = algorithm ?? kind.algorithm
        guard algorithm.fits(kind) else { throw CryptoError("the key cannot make signatures of \(algorithm.rawValue)") }
        ErrorQueue.clear()
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        var settings: OpaquePointer?
        // PKCS #1 v1.5 is what OpenSSL uses with an RSA key unless it is told otherwise.
        guard EVP_DigestSignInit(context, &settings, algorithm.function, nil, key) == 1,
            !algorithm.isPSS
                || EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1
                    && EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1
        else { throw .fromQueue(algorithm.rawValue) }
        var count = Int(EVP_PKEY_get_size(key))
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_DigestSign(context, &signature, &count, message.base, message.count) == 1 else {
            throw .fromQueue("the message cannot be signed")
        }
        signature.removeLast(signature.count - count)
        guard let bytes = kind.scalarBytes else { return signature }
        guard let numbers = ECDSASignature.decode(signature, scalarBytes: bytes) else { throw CryptoError("the signature cannot be read") }
        return numbers
    }
}
