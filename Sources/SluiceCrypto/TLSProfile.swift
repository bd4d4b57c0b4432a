internal import COpenSSL

/// What holds on both sides of the gateway.
enum TLSProfile {
    // The names of protocols in ALPN (RFC 7301; RFC 9113, 3.2).
    static let http1: StaticString = "http/1.1"
    static let http2: StaticString = "h2"

    /// TLS 1.2 only with an ephemeral key exchange and authenticated encryption (RFC 9325, 4.2); 128-bit AES
    /// first, because it is the fastest and strong enough.
    private static let ciphers12 =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    private static let ciphers13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

    /// 112 bits: RSA keys from 2,048 bits, no SHA-1 signatures. Distributions differ in what they begin with.
    static let securityLevel: Int32 = 2

    static func apply(to context: OpaquePointer, newest: TLSVersion = .tls13) throws(CryptoError) {
        SSL_CTX_set_options(context, sluice_SSL_OP_BASE)
        SSL_CTX_set_security_level(context, securityLevel)
        let newestCode = newest == .tls13 ? TLS1_3_VERSION : TLS1_2_VERSION
        guard sluice_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1,
            sluice_SSL_CTX_set_max_proto_version(context, newestCode) == 1,
            SSL_CTX_set_cipher_list(context, ciphers12) == 1,
            SSL_CTX_set_ciphersuites(context, ciphers13) == 1
        else {
            throw .fromQueue("TLS versions and ciphers")
        }
        // A write may take a part, and may be repeated from another address: connections move their buffers.
        // SSL_MODE_AUTO_RETRY stays on, as it is by default: without it a read that met a session ticket would
        // answer `.wantRead` with bytes left in the socket, and an edge-triggered event would never fire for them.
        sluice_SSL_CTX_set_mode(context, UInt32(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
        // One system call takes a record's head, its body and what follows, instead of two for each record.
        sluice_SSL_CTX_set_read_ahead(context)
        HandshakeRate.bound(in: context)
    }
}
