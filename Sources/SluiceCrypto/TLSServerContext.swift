internal import COpenSSL
internal import SluiceHTTP

/// What a listener needs to speak TLS (RFC 8446; RFC 5246): certificates, versions, ciphers.
///
/// Immutable once made: a reload makes another. Shared by all workers. Sessions keep alive what they need of it, so
/// that it may go while some are still open. Sendable, because OpenSSL lets any number of threads accept from one `SSL_CTX` that
/// nobody configures any more; what it changes itself (counts, its session cache) is under its own locks.
package final class TLSServerContext: @unchecked Sendable {
    /// Valid for as long as the `TLSServerContext` that it came from. Sendable for the same reason: a pointer to what is only read.
    package struct Handle: BitwiseCopyable, @unchecked Sendable {
        /// The first certificate's `SSL_CTX`; the name that the client sends may move a session to another.
        let context: OpaquePointer
    }

    package let handle: Handle
    /// In the order given. The first is served to clients that ask for no name or an unknown one.
    package let certificates: [TLSCertificateFacts]
    /// What is wrong but does not keep a certificate from being served: dates, order of the chain.
    package let warnings: [String]

    /// Reads every file: for set-up only.
    ///
    /// - Parameters:
    ///   - sources: at least one.
    ///   - now: seconds since 1970, for `warnings`.
    ///   - previous: the context that this one replaces; sessions that it began can then be resumed.
    package init(
        _ sources: [TLSCertificateSource], now: Int64, replacing previous: TLSServerContext? = nil
    ) throws(CryptoError) {
        guard !sources.isEmpty else { throw CryptoError("no certificate is configured") }
        var contexts: [OpaquePointer] = []
        var facts: [TLSCertificateFacts] = []
        var warnings: [String] = []
        var names: [(name: String, context: OpaquePointer)] = []
        do throws(CryptoError) {
            for source in sources {
                let (chain, key) = try source.load()
                defer { EVP_PKEY_free(key) }
                let context = try Self.make(chain, key)
                contexts.append(context)
                let served = chain.names
                let (notBefore, notAfter) = chain.validity
                facts.append(.init(chainFile: chain.path, names: served, notBefore: notBefore, notAfter: notAfter))
                warnings += CertificateFile.warnings(chain, now: now)
                names += served.map { ($0, context) }
            }
            if let previous, sluice_SSL_CTX_copy_ticket_keys(previous.handle.context, contexts[0]) != 1 {
                throw CryptoError.fromQueue("session ticket keys")
            }
        } catch {
            for context in contexts { SSL_CTX_free(context) }
            throw error
        }
        certificates = facts
        self.warnings = warnings
        handle = Handle(context: contexts[0])
        ServerChoice.install(ServerNames(names), others: Array(contexts.dropFirst()), in: contexts[0])
    }

    deinit { SSL_CTX_free(handle.context) }

    /// A context for one certificate. The caller frees it.
    static func make(_ chain: CertificateChain, _ key: OpaquePointer) throws(CryptoError) -> OpaquePointer {
        ErrorQueue.clear()
        guard let context = SSL_CTX_new(TLS_server_method()) else { throw .fromQueue("TLS is not available") }
        do throws(CryptoError) {
            try TLSProfile.apply(to: context)
            try configure(context)
            try install(chain, key, in: context)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        return context
    }

    private static func configure(_ context: OpaquePointer) throws(CryptoError) {
        SSL_CTX_set_options(context, sluice_SSL_OP_SERVER)
        // Between two requests a connection holds no buffers: 34 KB less for each idle client, for 0.2 microseconds
        // an exchange of OpenSSL allocating them anew.
        sluice_SSL_CTX_set_mode(context, UInt32(SSL_MODE_RELEASE_BUFFERS))
        // Resumption is by tickets, which need no memory and no lock between workers; the cache is for clients
        // of TLS 1.2 without tickets, and those begin anew.
        sluice_SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF)
        let scope: StaticString = "sluice"
        guard SSL_CTX_set_session_id_context(context, scope.utf8Start, UInt32(scope.utf8CodeUnitCount)) == 1 else {
            throw .fromQueue("session id context")
        }
        SSL_CTX_set_alpn_select_cb(
            context,
            { _, chosen, chosenCount, offered, count, _ in
                ServerChoice.chooseProtocol(offered, count, &chosen!.pointee, &chosenCount!.pointee)
            }, nil)
    }

    private static func install(
        _ chain: CertificateChain, _ key: OpaquePointer, in context: OpaquePointer
    ) throws(CryptoError) {
        guard SSL_CTX_use_certificate(context, chain.leaf) == 1, SSL_CTX_use_PrivateKey(context, key) == 1 else {
            throw .fromQueue("\(chain.path): the certificate cannot be used")
        }
        for issuer in chain.certificates.dropFirst() where sluice_SSL_CTX_add1_chain_cert(context, issuer) != 1 {
            throw .fromQueue("\(chain.path): the chain cannot be used")
        }
    }
}
