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
    ///   - authorityFile: a PEM file of certificates that are trusted in place of the system's. What is named is
    ///     trusted as it is: it need not be a root (as with a server's own, self-signed certificate).
    ///   - verify: false takes any certificate of anybody.
    ///   - newest: the newest version to offer.
    package init(
        authorityFile: String? = nil, verify: Bool = true, newest: TLSVersion = .tls13
    ) throws(CryptoError) {
        ErrorQueue.clear()
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw .fromQueue("TLS is not available") }
        do throws(CryptoError) {
            try TLSProfile.apply(to: context, newest: newest)
            try Self.offerProtocol(context)
            if let authorityFile {
                try Self.trust(authorityFile, in: context)
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

    /// What a file of authorities holds, as a digest: it may be replaced in its place. Blocks: for set-up only.
    package static func fingerprint(ofAuthorityFile path: String) throws(CryptoError) -> [UInt8] {
        let bytes = try PEM.contents(ofFile: path)
        let digest = try Digest()
        var fingerprint = [UInt8](repeating: 0, count: digest.handle.byteCount)
        let isMade = try bytes.withView { view throws(CryptoError) in digest.handle.hash(view, into: &fingerprint) }
        guard isMade else { throw CryptoError("\(path): no digest") }
        return fingerprint
    }

    private static func trust(_ path: String, in context: OpaquePointer) throws(CryptoError) {
        let chain = try CertificateChain(file: path)
        guard let store = SSL_CTX_get_cert_store(context) else { throw .fromQueue("certificate store") }
        for authority in chain.certificates where X509_STORE_add_cert(store, authority) != 1 {
            throw .fromQueue("\(path): an authority's certificate cannot be used")
        }
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
    }

    /// Offers `http/1.1` alone (RFC 7301, 3.1), so that no upstream picks HTTP/2.
    private static func offerProtocol(_ context: OpaquePointer) throws(CryptoError) {
        let name = TLSProfile.applicationProtocol
        var list = [UInt8(name.utf8CodeUnitCount)]
        name.withUTF8Buffer { list.append(contentsOf: $0) }
        // This one call answers 0 on success.
        guard SSL_CTX_set_alpn_protos(context, list, UInt32(list.count)) == 0 else { throw .fromQueue("ALPN") }
    }
}
