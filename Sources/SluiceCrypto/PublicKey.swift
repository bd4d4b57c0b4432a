internal import COpenSSL
package import SluiceHTTP

/// A public key that signatures of tokens are checked with.
///
/// RSA: 2,048 bits (RFC 7518, 3.3) to 8,192, since a longer key would let whoever chooses it slow every verification
/// down; the exponent is odd, at least 3 and at most 64 bits long. Elliptic curves: P-256, P-384, P-521 by name, and Ed25519.
///
/// Immutable; any thread. Sendable, because nothing sets a member of the key once it is made, and OpenSSL counts who holds it atomically.
package final class PublicKey: @unchecked Sendable {
    /// What the key is.
    package enum Kind: Sendable, BitwiseCopyable {
        case rsa, p256, p384, p521, ed25519

        /// Bytes of each of an ECDSA signature's two numbers; nil for other kinds.
        package var scalarBytes: Int? {
            switch self {
            case .p256: 32
            case .p384: 48
            case .p521: 66
            case .rsa, .ed25519: nil
            }
        }
    }

    /// Bits of the shortest and of the longest RSA modulus that is taken.
    package static let bitsMin = 2048
    package static let bitsMax = 8192
    /// Bytes of the longest signature: RSA's.
    package static let signatureBytesMax = bitsMax / 8

    /// An `EVP_PKEY`.
    let key: OpaquePointer
    package let kind: Kind
    /// Length of the modulus, or of the curve's numbers.
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

    /// From the members `x` and `y` of a JSON Web Key (RFC 7518, 6.2.1), decoded: as many bytes each as the curve's numbers have. A point that is
    /// not on the curve is no key.
    ///
    /// - Parameter curve: one of the three that have a `scalarBytes`.
    package convenience init(curve: Kind, x: ByteView, y: ByteView) throws(CryptoError) {
        guard let name = curve.groupName, let bytes = curve.scalarBytes, x.count == bytes, y.count == bytes else {
            throw CryptoError("the coordinates are not as long as the curve asks for")
        }
        // Uncompressed (SEC 1, 2.3.3).
        let point = [0x04] + Array(x.buffer) + Array(y.buffer)
        let key = try point.withView { point throws(CryptoError) in
            try Self.assemble("EC") { builder in
                OSSL_PARAM_BLD_push_utf8_string(builder, ParameterName.group.cString, name.cString, 0) == 1
                    && OSSL_PARAM_BLD_push_octet_string(builder, ParameterName.publicKey.cString, point.base, point.count) == 1
            }
        }
        try self.init(taking: key)
    }

    /// From the member `x` of a JSON Web Key of type `OKP` with the curve Ed25519 (RFC 8037, 2), decoded: 32 bytes.
    /// A point of small order is no key: under it, signatures can be made without a private one (RFC 8032, 5.1.7 with A = 0).
    package convenience init(ed25519 x: ByteView) throws(CryptoError) {
        ErrorQueue.clear()
        guard x.count == 32, let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, x.base, x.count) else {
            throw .fromQueue("Ed25519 key")
        }
        try self.init(taking: key)
    }

    /// Takes over the reference to `key`, also when it throws.
    private init(taking key: OpaquePointer) throws(CryptoError) {
        do throws(CryptoError) {
            kind = try Self.kind(of: key)
            if kind == .rsa { try Self.check(key) }
            if kind.scalarBytes != nil { try Self.checkPoint(key) }
            if kind == .ed25519 { try SmallOrderPoints.check(key) }
        } catch {
            EVP_PKEY_free(key)
            throw error
        }
        self.key = key
        bits = Int(EVP_PKEY_get_bits(key))
    }

    /// What the key is, whichever half of it is there.
    static func kind(of key: OpaquePointer) throws(CryptoError) -> Kind {
        switch EVP_PKEY_get_base_id(key) {
        case EVP_PKEY_RSA: return .rsa
        case EVP_PKEY_ED25519: return .ed25519
        case EVP_PKEY_EC:
            var name = [CChar](repeating: 0, count: 64)
            var count = 0
            var isSpeltOut: Int32 = 0
            // A curve that is spelt out by its numbers (RFC 5480, 2.1.1 forbids it) may differ from the one that it looks like.
            guard EVP_PKEY_get_int_param(key, ParameterName.isSpeltOut.cString, &isSpeltOut) != 1 || isSpeltOut == 0,
                EVP_PKEY_get_group_name(key, &name, name.count, &count) == 1
            else {
                ErrorQueue.clear()
                throw CryptoError("the key is on a curve without a name")
            }
            let group = String(decoding: name.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
            for kind in [Kind.p256, .p384, .p521] where kind.groupName.map({ "\($0)" }) == group { return kind }
            throw CryptoError("the key is on the curve \(group); P-256, P-384 and P-521 are supported")
        default:
            // RSASSA-PSS keys have a type of their own, and RS256 must not be used with them (RFC 4055, 1.2).
            throw CryptoError("the key is neither an RSA key nor on a supported curve")
        }
    }

    private static func checkPoint(_ key: OpaquePointer) throws(CryptoError) {
        let context = EVP_PKEY_CTX_new_from_pkey(nil, key, nil)
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_public_check(context) == 1 else { throw .fromQueue("the key is not a point of its curve") }
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
        try assemble("RSA") { builder in
            OSSL_PARAM_BLD_push_BN(builder, ParameterName.modulus.cString, modulus) == 1
                && OSSL_PARAM_BLD_push_BN(builder, ParameterName.exponent.cString, exponent) == 1
        }
    }

    /// A public key of the parameters that `push` adds to a builder.
    private static func assemble(_ type: String, _ push: (OpaquePointer?) -> Bool) throws(CryptoError) -> OpaquePointer {
        ErrorQueue.clear()
        let builder = OSSL_PARAM_BLD_new()
        defer { OSSL_PARAM_BLD_free(builder) }
        guard push(builder), let parameters = OSSL_PARAM_BLD_to_param(builder) else { throw .fromQueue("the \(type) key cannot be put together") }
        defer { OSSL_PARAM_free(parameters) }
        let context = EVP_PKEY_CTX_new_from_name(nil, type, nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_fromdata_init(context) == 1,
            EVP_PKEY_fromdata(context, &key, sluice_EVP_PKEY_PUBLIC_KEY, parameters) == 1, let key
        else {
            throw .fromQueue("the \(type) key cannot be put together")
        }
        return key
    }
}

extension PublicKey.Kind {
    /// The curve, as OpenSSL names it; nil for what has none by name.
    var groupName: StaticString? {
        switch self {
        case .p256: "prime256v1"
        case .p384: "secp384r1"
        case .p521: "secp521r1"
        case .rsa, .ed25519: nil
        }
    }
}
