internal import COpenSSL

extension PrivateKey {
    /// A new RSA key of 2,048 bits with the exponent 65,537. Takes some tenths of a second.
    package static func generate() throws(CryptoError) -> PrivateKey {
        ErrorQueue.clear()
        guard let context = EVP_PKEY_CTX_new_from_name(nil, "RSA", nil) else { throw .fromQueue("no memory") }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_CTX_set_rsa_keygen_bits(context, Int32(PublicKey.bitsMin)) == 1,
            EVP_PKEY_generate(context, &key) == 1, let key
        else { throw .fromQueue("an RSA key cannot be created") }
        return try PrivateKey(owning: key)
    }

    /// A new key on the curve P-256.
    static func generateP256() throws(CryptoError) -> PrivateKey {
        ErrorQueue.clear()
        guard let context = EVP_PKEY_CTX_new_from_name(nil, "EC", nil) else { throw .fromQueue("no memory") }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_CTX_set_group_name(context, "P-256") == 1, EVP_PKEY_generate(context, &key) == 1, let key
        else { throw .fromQueue("a key cannot be created") }
        return try PrivateKey(owning: key)
    }

    /// The key as unencrypted `PRIVATE KEY` PEM text.
    package func pem() throws(CryptoError) -> [UInt8] {
        ErrorQueue.clear()
        guard let stream = BIO_new(BIO_s_mem()) else { throw .fromQueue("no memory") }
        defer { BIO_free(stream) }
        guard PEM_write_bio_PKCS8PrivateKey(stream, key, nil, nil, 0, nil, nil) == 1 else {
            throw .fromQueue("the key cannot be written")
        }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = BIO_read(stream, &bytes, Int32(bytes.count))
        guard count > 0 else { throw .fromQueue("the key cannot be written") }
        bytes.removeLast(bytes.count - Int(count))
        return bytes
    }

    /// The modulus and the exponent of the public half, in big-endian order: `n` and `e` of a JWK (RFC 7518, 6.3.1).
    package func publicNumbers() throws(CryptoError) -> (modulus: [UInt8], exponent: [UInt8]) {
        (try number("n"), try number("e"))
    }

    private func number(_ name: String) throws(CryptoError) -> [UInt8] {
        var number: OpaquePointer?
        guard EVP_PKEY_get_bn_param(key, name, &number) == 1, let number else { throw .fromQueue("the key cannot be read") }
        defer { BN_free(number) }
        var bytes = [UInt8](repeating: 0, count: Int(BN_num_bits(number) + 7) / 8)
        BN_bn2bin(number, &bytes)
        return bytes
    }
}
