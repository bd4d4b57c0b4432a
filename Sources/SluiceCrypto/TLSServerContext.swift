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
    /// How clients are asked for certificates; nil if they are not.
    package let clients: ClientVerification?
    /// What is wrong but does not keep a certificate from being served, of all of them.
    package var warnings: [String] { certificates.flatMap(\.warnings) }

    /// Reads every file: for set-up only.
    ///
    /// - Parameters:
    ///   - sources: at least one.
    ///   - now: seconds since 1970, for `warnings`.
    ///   - previous: the context that this one replaces; sessions that it began can then be resumed.
    ///   - http2: whether clients that offer HTTP/2 by ALPN (RFC 7301) get it.
    ///   - clients: how clients are asked for certificates; nil if they are not.
    package init(
        _ sources: [TLSCertificateSource], now: Int64, replacing previous: TLSServerContext? = nil, http2: Bool = false,
        clients: ClientVerification? = nil
    ) throws(CryptoError) {
        guard !sources.isEmpty else { throw CryptoError("no certificate is configured") }
        var loaded = Loaded()
        defer { loaded.free() }
        var contexts = Contexts(http2: http2)
        do throws(CryptoError) {
            for source in sources { try loaded.add(source) }
            let names = loaded.names
            // Before the others: the first is served to clients that ask for no name or an unknown one.
            _ = try contexts.context(for: loaded.certificates[0].names.first.map { loaded.bearers(of: $0) } ?? [0], loaded)
            let choices = try names.map { name throws(CryptoError) in
                (name: name, context: try contexts.context(for: loaded.bearers(of: name), loaded))
            }
            try TicketKeys.install(in: contexts.made.map(\.context), from: previous?.handle.context)
            if let clients { for made in contexts.made { try clients.install(in: made.context) } }
            // Also those whose names others listed before them have taken: what is wrong with them must show.
            for index in sources.indices where !contexts.made.contains(where: { $0.bearers.contains(index) }) {
                SSL_CTX_free(try Self.make([loaded.certificates[index]], http2: http2))
            }
            handle = Handle(context: contexts.made[0].context)
            ServerChoice.install(
                ServerNames(choices), others: contexts.made.dropFirst().map(\.context), binding: clients?.fingerprint ?? [],
                in: contexts.made[0].context)
        } catch {
            for made in contexts.made { SSL_CTX_free(made.context) }
            throw error
        }
        self.clients = clients
        certificates = loaded.certificates.map { certificate in
            let (notBefore, notAfter) = certificate.chain.validity
            return TLSCertificateFacts(
                chainFile: certificate.chain.path, names: certificate.names, notBefore: notBefore, notAfter: notAfter,
                warnings: CertificateFile.warnings(certificate.chain, now: now))
        }
    }

    /// A certificate with its key, as read.
    struct Certificate {
        let chain: CertificateChain
        /// One reference of `Loaded`.
        let key: OpaquePointer
        let names: [String]

        /// RSA, EC and so on: a context has room for one certificate of each kind.
        var kind: Int32 { EVP_PKEY_get_base_id(key) }
    }

    /// All certificates, in the order given.
    private struct Loaded {
        private(set) var certificates: [Certificate] = []

        mutating func add(_ source: TLSCertificateSource) throws(CryptoError) {
            let (chain, key) = try source.load()
            certificates.append(Certificate(chain: chain, key: key, names: chain.names))
        }

        func free() {
            for certificate in certificates { EVP_PKEY_free(certificate.key) }
        }

        /// Every name once, in the order given.
        var names: [String] {
            var known: Set<String> = []
            return certificates.flatMap(\.names).filter { known.insert($0).inserted }
        }

        /// The certificates that serve a name: the first that bears it, and of each other kind of key the first, so that a client
        /// that takes only RSA and one that takes only ECDSA are both served.
        func bearers(of name: String) -> [Int] {
            var kinds: Set<Int32> = []
            return certificates.indices.filter { certificates[$0].names.contains(name) && kinds.insert(certificates[$0].kind).inserted }
        }
    }

    /// A context for each set of certificates that serves some name.
    private struct Contexts {
        let http2: Bool
        private(set) var made: [(bearers: [Int], context: OpaquePointer)] = []

        mutating func context(for bearers: [Int], _ loaded: Loaded) throws(CryptoError) -> OpaquePointer {
            if let known = made.first(where: { $0.bearers == bearers }) { return known.context }
            let context = try TLSServerContext.make(bearers.map { loaded.certificates[$0] }, http2: http2)
            made.append((bearers, context))
            return context
        }
    }

    deinit { SSL_CTX_free(handle.context) }

    /// Makes a new key for session tickets, as happens every hour. For tests.
    package func renewTicketKey() { TicketKeys.renew(in: handle.context) }

    /// A context for certificates of as many kinds. The caller frees it.
    static func make(_ certificates: [Certificate], http2: Bool) throws(CryptoError) -> OpaquePointer {
        ErrorQueue.clear()
        guard let context = SSL_CTX_new(TLS_server_method()) else { throw .fromQueue("TLS is not available") }
        do throws(CryptoError) {
            try TLSProfile.apply(to: context)
            try configure(context, http2: http2)
            for certificate in certificates { try install(certificate.chain, certificate.key, in: context) }
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        return context
    }

    private static func configure(_ context: OpaquePointer, http2: Bool) throws(CryptoError) {
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
        // A C function captures nothing, so there is one for each choice.
        if http2 {
            SSL_CTX_set_alpn_select_cb(
                context,
                { _, chosen, chosenCount, offered, count, _ in
                    ServerChoice.chooseProtocol(offered, count, http2: true, &chosen!.pointee, &chosenCount!.pointee)
                }, nil)
        } else {
            SSL_CTX_set_alpn_select_cb(
                context,
                { _, chosen, chosenCount, offered, count, _ in
                    ServerChoice.chooseProtocol(offered, count, http2: false, &chosen!.pointee, &chosenCount!.pointee)
                }, nil)
        }
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
