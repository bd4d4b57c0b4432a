internal import COpenSSL
package import SluiceHTTP

/// An RSA private key, for making tokens on the command line. The gateway itself never signs.
package final class RSAPrivateKey {
    let key: OpaquePointer

    /// From an unencrypted `PRIVATE KEY` or `RSA PRIVATE KEY` in PEM text, of 2,048 bits or more.
    package init(pem: ByteView) throws(CryptoError) {
        let key = try PEM.privateKey(in: pem)
        let bits = Int(EVP_PKEY_get_bits(key))
        guard EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA, bits >= RSAPublicKey.bitsMin else {
            let isRSA = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA
            EVP_PKEY_free(key)
            throw CryptoError(
                isRSA
                    ? "the RSA key has \(bits) bits; at least \(RSAPublicKey.bitsMin) are needed"
                    : "the key is not an RSA key")
        }
        self.key = key
    }

    /// Frees `key` with itself.
    init(owning key: OpaquePointer) { self.key = key }

    deinit { EVP_PKEY_free(key) }

    /// The RS256 signature of `message`, as long as the modulus.
    package func sign(_ message: ByteView) throws(CryptoError) -> [UInt8] {
        ErrorQueue.clear()
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        // PKCS #1 v1.5 is what OpenSSL uses with an RSA key unless it is told otherwise.
        guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1 else { throw .fromQueue("RS256") }
        var count = Int(EVP_PKEY_get_size(key))
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_DigestSign(context, &signature, &count, message.base, message.count) == 1 else {
            throw .fromQueue("the message cannot be signed")
        }
        signature.removeLast(signature.count - count)
        return signature
    }
}
