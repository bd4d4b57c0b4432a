internal import COpenSSL

/// What the gateway needs to speak TLS to upstreams.
///
/// Immutable once made; shared by all workers. Sendable, because OpenSSL lets any number of threads make connections from one
/// `SSL_CTX` that nobody configures any more; what it changes itself (its count) is under its own locks.
package final class TLSClientContext: @unchecked Sendable {
    let context: OpaquePointer
    /// Whether the upstream's certificate and name are checked.
    package let isVerifying: Bool

    /// Reads the authorities' certificates: for set-up only.
    ///
    /// - Parameters:
    ///   - authorities: certificates that are trusted in place of the system's. What is named is trusted as it is: it need not be
    ///     a root (as with a server's own, self-signed certificate).
    ///   - verify: false takes any certificate of anybody.
    ///   - newest: the newest version to offer.
    package init(
        authorities: Authorities?, verify: Bool = true, newest: TLSVersion = .tls13
    ) throws(CryptoError) {
        ErrorQueue.clear()
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw .fromQueue("TLS is not available") }
        do throws(CryptoError) {
            try TLSProfile.apply(to: context, newest: newest)
            try Self.offerProtocol(context)
            if let authorities {
                try Self.trust(authorities, in: context)
            } else if verify, SSL_CTX_set_default_verify_paths(context) != 1 {
                throw CryptoError.fromQueue("the system's certificates cannot be loaded")
            }
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        SSL_CTX_set_verify(context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nil)
        // OpenSSL keeps no session; the callback hands each to the peer that it belongs to.
        sluice_SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL)
        SSL_CTX_sess_set_new_cb(context) { session, state in TLSPeer.keep(state, from: session) }
        self.context = context
        isVerifying = verify
    }

    deinit { SSL_CTX_free(context) }

    /// As the other, with a PEM file of authorities.
    package convenience init(
        authorityFile: String? = nil, verify: Bool = true, newest: TLSVersion = .tls13
    ) throws(CryptoError) {
        let authorities = try authorityFile.map { file throws(CryptoError) in try Authorities(file: file) }
        try self.init(authorities: authorities, verify: verify, newest: newest)
    }

    /// Certificates of authorities, from one reading of their file: what is trusted is what was looked at, also while somebody replaces the file.
    package struct Authorities {
        /// A digest of the file: with another content it is another trust.
        package let fingerprint: [UInt8]
        fileprivate let chain: CertificateChain

        /// Blocks: for set-up only.
        package init(file path: String) throws(CryptoError) {
            let bytes = try PEM.contents(ofFile: path)
            let digest = try Digest()
            var fingerprint = [UInt8](repeating: 0, count: digest.handle.byteCount)
            let isMade = try bytes.withView { view throws(CryptoError) in digest.handle.hash(view, into: &fingerprint) }
            guard isMade else { throw CryptoError("\(path): no digest") }
            self.fingerprint = fingerprint
            chain = try CertificateChain(path: path, bytes: bytes)
        }
    }

    private static func trust(_ authorities: Authorities, in context: OpaquePointer) throws(CryptoError) {
        guard let store = SSL_CTX_get_cert_store(context) else { throw .fromQueue("certificate store") }
        for authority in authorities.chain.certificates where X509_STORE_add_cert(store, authority) != 1 {
            throw .fromQueue("\(authorities.chain.path): an authority's certificate cannot be used")
        }
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
    }

    /// Offers `http/1.1` alone (RFC 7301, 3.1), so that no upstream picks HTTP/2: `TLSSession` offers it where it is wanted.
    private static func offerProtocol(_ context: OpaquePointer) throws(CryptoError) {
        let name = TLSProfile.http1
        var list = [UInt8(name.utf8CodeUnitCount)]
        name.withUTF8Buffer { list.append(contentsOf: $0) }
        // This one call answers 0 on success.
        guard SSL_CTX_set_alpn_protos(context, list, UInt32(list.count)) == 0 else { throw .fromQueue("ALPN") }
    }
}
