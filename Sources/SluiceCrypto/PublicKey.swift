internal import COpenSSL
package import SluiceHTTP

/// An RSA public key that signatures of tokens are checked with.
///
/// 2,048 bits (RFC 7518, 3.3) to 8,192: a longer key would let whoever chooses it slow every verification
/// down. The exponent is odd, at least 3 and at most 64 bits long.
///
/// Immutable; any thread. Sendable, because nothing sets a member of the key once it is made, and OpenSSL counts who holds it atomically.
package final class RSAPublicKey: @unchecked Sendable {
    /// Bits of the shortest and of the longest modulus that is taken.
    package static let bitsMin = 2048
    package static let bitsMax = 8192

    /// An `EVP_PKEY` of type RSA.
    let key: OpaquePointer
    /// Length of the modulus.
    package let bits: Int

    /// From the first `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE` in PEM text. A certificate lends its key
    /// only: neither its dates nor its issuer are looked at.
    package convenience init(pem: ByteView) throws(CryptoError) {
        let key = try PEM.withStream(pem) { stream throws(CryptoError) in try Self.read(stream) }
        try self.init(taking: key)
    }

    /// From the members `n` and `e` of a JSON Web Key (RFC 7518, 6.3.1), decoded: unsigned, most significant
    /// byte first. Leading zero bytes are ignored.
    package convenience init(modulus: ByteView, exponent: ByteView) throws(CryptoError) {
        ErrorQueue.clear()
        // One byte of zeros is what some libraries put in front; anything much longer is refused unread.
        guard modulus.count <= Self.bitsMax / 8 + 1, exponent.count <= 16 else {
            throw CryptoError("the RSA modulus or exponent is too long")
        }
        guard let n = BN_bin2bn(modulus.base, Int32(modulus.count), nil) else { throw .fromQueue("RSA modulus") }
        defer { BN_free(n) }
        guard let e = BN_bin2bn(exponent.base, Int32(exponent.count), nil) else { throw .fromQueue("RSA exponent") }
        defer { BN_free(e) }
        try Self.check(modulus: n, exponent: e)
        try self.init(taking: Self.assemble(modulus: n, exponent: e))
    }

    /// Takes over the reference to `key`, also when it throws.
    private init(taking key: OpaquePointer) throws(CryptoError) {
        do {
            try Self.check(key)
        } catch {
            EVP_PKEY_free(key)
            throw error
        }
        self.key = key
        bits = Int(EVP_PKEY_get_bits(key))
    }

    deinit { EVP_PKEY_free(key) }

    private static func read(_ stream: OpaquePointer) throws(CryptoError) -> OpaquePointer {
        var name: UnsafeMutablePointer<CChar>?
        var header: UnsafeMutablePointer<CChar>?
        var data: UnsafeMutablePointer<UInt8>?
        var count = 0
        guard PEM_read_bio(stream, &name, &header, &data, &count) == 1, let name else {
            throw .fromQueue("no public key in PEM form")
        }
        defer {
            sluice_openssl_free(name)
            sluice_openssl_free(header)
            sluice_openssl_free(data)
        }
        let label = String(cString: name)
        var cursor: UnsafePointer<UInt8>? = UnsafePointer(data)
        let key: OpaquePointer?
        switch label {
        case "PUBLIC KEY":
            key = d2i_PUBKEY(nil, &cursor, count)
        case "RSA PUBLIC KEY":
            key = d2i_PublicKey(EVP_PKEY_RSA, nil, &cursor, count)
        case "CERTIFICATE":
            let certificate = d2i_X509(nil, &cursor, count)
            defer { X509_free(certificate) }
            key = certificate.flatMap { X509_get_pubkey($0) }
        default:
            throw CryptoError("found PEM of kind \(label); a PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE is needed")
        }
        guard let key else { throw .fromQueue("the \(label) cannot be read") }
        return key
    }

    private static func check(_ key: OpaquePointer) throws(CryptoError) {
        // RSASSA-PSS keys have another type, and RS256 must not be used with them (RFC 4055, 1.2).
        guard EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA else { throw CryptoError("the key is not an RSA key") }
        let (n, e) = try numbers(of: key)
        defer {
            BN_free(n)
            BN_free(e)
        }
        try check(modulus: n, exponent: e)
    }

    /// Copies of modulus and exponent, the caller's to free.
    func numbers() throws(CryptoError) -> (modulus: OpaquePointer, exponent: OpaquePointer) { try Self.numbers(of: key) }

    private static func numbers(of key: OpaquePointer) throws(CryptoError) -> (modulus: OpaquePointer, exponent: OpaquePointer) {
        var n: OpaquePointer?
        var e: OpaquePointer?
        guard EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1, let n,
            EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1, let e
        else {
            BN_free(n)
            throw .fromQueue("the RSA key cannot be read")
        }
        return (n, e)
    }

    private static func check(modulus n: OpaquePointer, exponent e: OpaquePointer) throws(CryptoError) {
        let bits = Int(BN_num_bits(n))
        guard bits >= bitsMin else { throw CryptoError("the RSA key has \(bits) bits; at least \(bitsMin) are needed") }
        guard bits <= bitsMax else { throw CryptoError("the RSA key has \(bits) bits; at most \(bitsMax) are allowed") }
        guard BN_is_odd(n) == 1 else { throw CryptoError("the RSA modulus is even") }
        guard BN_is_odd(e) == 1, BN_is_one(e) == 0 else {
            throw CryptoError("the RSA exponent must be odd and at least 3")
        }
        guard BN_num_bits(e) <= 64 else { throw CryptoError("the RSA exponent is longer than 64 bits") }
    }

    private static func assemble(modulus: OpaquePointer, exponent: OpaquePointer) throws(CryptoError) -> OpaquePointer {
        let builder = OSSL_PARAM_BLD_new()
        defer { OSSL_PARAM_BLD_free(builder) }
        guard OSSL_PARAM_BLD_push_BN(builder, ParameterName.modulus.cString, modulus) == 1,
            OSSL_PARAM_BLD_push_BN(builder, ParameterName.exponent.cString, exponent) == 1,
            let parameters = OSSL_PARAM_BLD_to_param(builder)
        else {
            throw .fromQueue("the RSA key cannot be put together")
        }
        defer { OSSL_PARAM_free(parameters) }
        let context = EVP_PKEY_CTX_new_from_name(nil, "RSA", nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_fromdata_init(context) == 1,
            EVP_PKEY_fromdata(context, &key, sluice_EVP_PKEY_PUBLIC_KEY, parameters) == 1, let key
        else {
            throw .fromQueue("the RSA key cannot be put together")
        }
        return key
    }
}
