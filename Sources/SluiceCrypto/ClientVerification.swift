internal import COpenSSL
internal import Glibc

/// How a listener asks its clients for certificates, and which it takes (RFC 8446, 4.3.2; RFC 5246, 7.4.4; RFC 5280, 6).
///
/// The listener decides, and not the name that the client asks for: whoever knows of a name that asks for nothing could otherwise come in by it and
/// then ask for another one. What is named as an authority is trusted as it is: it need not be a root. Where there are lists of revoked certificates, each
/// certificate of a chain must be covered by a list that is not over; an authority at the end of the chain need not.
///
/// Immutable once made. Sendable, because OpenSSL lets any number of threads verify by one `X509_STORE` that nobody changes any more; what it changes
/// itself is under its own lock.
package final class ClientVerification: @unchecked Sendable {
    package enum Mode: String, CaseIterable, Sendable {
        /// Who has no certificate may come in without.
        case optional
        case required
    }

    /// What one client may send.
    package struct Bounds: Sendable, Equatable {
        /// Bytes of all its certificates.
        package var chainBytesMax: Int
        /// Certificates between its own and an authority's.
        package var intermediatesMax: Int

        package init(chainBytesMax: Int = 32_768, intermediatesMax: Int = 4) {
            self.chainBytesMax = chainBytesMax
            self.intermediatesMax = intermediatesMax
        }
    }

    /// Bytes of the names of authorities that clients are told, to choose a certificate by. If they have more, they are told none (RFC 8446, 4.2.4).
    private static let namesBytesMax = 16_384

    package let mode: Mode
    /// A digest of all that decides who is let in: what was decided under another does not hold.
    package let fingerprint: [UInt8]
    let bounds: Bounds
    private let store: OpaquePointer
    private let authorities: ClientAuthorities
    private let lists: RevocationLists?

    package init(
        _ authorities: ClientAuthorities, lists: RevocationLists? = nil, mode: Mode, bounds: Bounds = Bounds()
    ) throws(CryptoError) {
        ErrorQueue.clear()
        guard let store = X509_STORE_new() else { throw .fromQueue("no memory") }
        self.store = store
        self.authorities = authorities
        self.lists = lists
        self.mode = mode
        self.bounds = bounds
        fingerprint = try Self.fingerprint([authorities.bytes, lists?.bytes ?? [], Array(mode.rawValue.utf8)])
        for authority in authorities.chain.certificates where X509_STORE_add_cert(store, authority) != 1 {
            throw .fromQueue("\(authorities.path): an authority's certificate cannot be used")
        }
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        guard let lists else { return }
        let held = Unmanaged.passRetained(lists)
        guard X509_STORE_set_ex_data(store, Self.storeIndex, held.toOpaque()) == 1 else {
            held.release()
            throw .fromQueue("no memory")
        }
        X509_STORE_set_check_revocation(store) { ClientVerification.checkRevocation($0) }
    }

    deinit { X509_STORE_free(store) }

    private static func fingerprint(_ parts: [[UInt8]]) throws(CryptoError) -> [UInt8] {
        let digest = try Digest()
        var all: [UInt8] = []
        for part in parts {
            var one = [UInt8](repeating: 0, count: digest.handle.byteCount)
            let isMade = try part.withView { view throws(CryptoError) in digest.handle.hash(view, into: &one) }
            guard isMade else { throw CryptoError("no digest") }
            all += one
        }
        var whole = [UInt8](repeating: 0, count: digest.handle.byteCount)
        guard try all.withView({ view throws(CryptoError) in digest.handle.hash(view, into: &whole) }) else { throw CryptoError("no digest") }
        return whole
    }

    // MARK: A context

    /// Has a server ask its clients. The context keeps this object.
    func install(in context: OpaquePointer) throws(CryptoError) {
        guard sluice_SSL_CTX_set1_verify_cert_store(context, store) == 1 else { throw .fromQueue("certificate store") }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (mode == .required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nil)
        SSL_CTX_set_verify_depth(context, Int32(bounds.intermediatesMax))
        sluice_SSL_CTX_set_max_cert_list(context, bounds.chainBytesMax)
        let nameBytes = authorities.chain.certificates.reduce(0) { $0 + Int(i2d_X509_NAME(X509_get_subject_name($1), nil)) + 2 }
        if nameBytes <= Self.namesBytesMax {
            for authority in authorities.chain.certificates where SSL_CTX_add_client_CA(context, authority) != 1 {
                throw .fromQueue("\(authorities.path): an authority's name cannot be told")
            }
        }
        let held = Unmanaged.passRetained(self)
        guard SSL_CTX_set_ex_data(context, Self.contextIndex, held.toOpaque()) == 1 else {
            held.release()
            throw .fromQueue("no memory")
        }
        SSL_CTX_set_session_ticket_cb(
            context, { session, _ in ClientVerification.seal(session) }, { _, ticket, _, _, status, _ in ClientVerification.open(ticket, status) }, nil)
    }

    private static let contextIndex = CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil,
        { _, held, _, _, _, _ in if let held { Unmanaged<ClientVerification>.fromOpaque(held).release() } })

    /// Calls `body` with that of the context; nil if it asks nobody.
    static func of<Result>(_ context: OpaquePointer?, _ body: (ClientVerification) -> Result) -> Result? {
        guard let held = SSL_CTX_get_ex_data(context, contextIndex) else { return nil }
        return Unmanaged<ClientVerification>.fromOpaque(held)._withUnsafeGuaranteedRef(body)
    }

    // MARK: Revocation

    /// The place for `RevocationLists` on a store.
    private static let storeIndex = CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_X509_STORE, 0, nil, nil, nil,
        { _, held, _, _, _, _ in if let held { Unmanaged<RevocationLists>.fromOpaque(held).release() } })

    /// OpenSSL's question for a chain that it has built and not checked the signatures of. Its own answer would check the signature of each list anew.
    private static func checkRevocation(_ search: OpaquePointer?) -> Int32 {
        guard let search, let held = X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(search), storeIndex) else { return 0 }
        let chain = X509_STORE_CTX_get0_chain(search)
        return Unmanaged<RevocationLists>.fromOpaque(held)._withUnsafeGuaranteedRef { lists in
            for place in 0..<max(0, sluice_X509s_count(chain) - 1) {
                guard case .failure(let fault) = judge(place, of: chain, by: lists, at: Int64(time(nil)), isVerified: false) else { continue }
                X509_STORE_CTX_set_error(search, fault.code)
                X509_STORE_CTX_set_error_depth(search, place)
                X509_STORE_CTX_set_current_cert(search, sluice_X509s_at(chain, place))
                return 0
            }
            return 1
        }
    }

    /// Judges the certificate at `place` of a chain, which is not the last: that one was named as an authority and is trusted as it is.
    ///
    /// - Parameter isVerified: whether the signatures of the chain have been checked.
    private static func judge(
        _ place: Int32, of chain: OpaquePointer?, by lists: RevocationLists, at now: Int64, isVerified: Bool
    ) -> Result<Int64, RevocationLists.Fault> {
        guard let certificate = sluice_X509s_at(chain, place), let issuer = sluice_X509s_at(chain, place + 1) else {
            return .failure(.init(code: X509_V_ERR_UNSPECIFIED))
        }
        return lists.judge(certificate, of: issuer, at: now) { itself in
            isVerified || isSigned(chain, downTo: itself ? place : place + 1)
        }
    }

    /// Whether each certificate from there on is signed by the next one. From the last on, so that no key counts, and costs, that a stranger has made.
    private static func isSigned(_ chain: OpaquePointer?, downTo place: Int32) -> Bool {
        for upper in stride(from: sluice_X509s_count(chain) - 2, through: place, by: -1) {
            guard let signer = X509_get0_pubkey(sluice_X509s_at(chain, upper + 1)), X509_verify(sluice_X509s_at(chain, upper), signer) == 1 else { return false }
        }
        return true
    }

    // MARK: How long a verdict holds

    /// The last second, since 1970, in which every certificate of a verified chain is valid and every list that lets one pass is the newest.
    private func end(of chain: OpaquePointer?) -> Int64 {
        let now = Int64(time(nil))
        var end = Int64.max
        let count = sluice_X509s_count(chain)
        for place in 0..<count {
            end = min(end, CertificateChain.seconds(X509_get0_notAfter(sluice_X509s_at(chain, place))))
            guard let lists, place + 1 < count else { continue }
            switch Self.judge(place, of: chain, by: lists, at: now, isVerified: true) {
            case .success(let last): end = min(end, last)
            case .failure: return 0
            }
        }
        return end
    }

    /// The same for the client of a session, whose handshake is complete; of a resumed one as its ticket says. 0 for one without a certificate.
    static func end(ofClient session: OpaquePointer?) -> Int64 {
        if let chain = SSL_get0_verified_chain(session) { return of(SSL_get_SSL_CTX(session)) { $0.end(of: chain) } ?? 0 }
        return end(inTicket: SSL_get_session(session)) ?? 0
    }

    /// Writes into a new ticket how long its verdict holds: OpenSSL keeps the client's own certificate there and nothing of its chain, and judges neither
    /// anew. A ticket that follows from another one keeps what that one said.
    private static func seal(_ session: OpaquePointer?) -> Int32 {
        guard let chain = SSL_get0_verified_chain(session), let state = SSL_get_session(session) else { return 1 }
        var end = of(SSL_get_SSL_CTX(session)) { $0.end(of: chain) } ?? 0
        return SSL_SESSION_set1_ticket_appdata(state, &end, MemoryLayout<Int64>.size)
    }

    private static func end(inTicket state: OpaquePointer?) -> Int64? {
        var data: UnsafeMutableRawPointer?
        var count = 0
        guard let state, SSL_SESSION_get0_ticket_appdata(state, &data, &count) == 1, let data, count == MemoryLayout<Int64>.size else { return nil }
        return data.loadUnaligned(as: Int64.self)
    }

    /// OpenSSL's question for a ticket that it has opened. One whose verdict does not hold any more begins anew, with another handshake.
    private static func open(_ state: OpaquePointer?, _ status: Int32) -> SSL_TICKET_RETURN {
        let isOpened = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW
        guard isOpened else { return SSL_TICKET_RETURN(SSL_TICKET_RETURN_IGNORE_RENEW) }
        if SSL_SESSION_get0_peer(state) != nil, (end(inTicket: state) ?? 0) < Int64(time(nil)) { return SSL_TICKET_RETURN(SSL_TICKET_RETURN_IGNORE_RENEW) }
        return SSL_TICKET_RETURN(status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW)
    }

    // MARK: Judging again

    /// Judges a client's certificate by this, for a session that another one has let in, or for none.
    ///
    /// - Parameters:
    ///   - leaf: the client's own.
    ///   - others: what it has sent besides.
    /// - Returns: until when the verdict holds, in seconds since 1970; or why it is refused.
    func verify(_ leaf: OpaquePointer, others: OpaquePointer?) -> Result<Int64, ClientCertificateFault> {
        defer { ErrorQueue.clear() }
        guard let search = X509_STORE_CTX_new() else { return .failure(.other) }
        defer { X509_STORE_CTX_free(search) }
        guard X509_STORE_CTX_init(search, store, leaf, others) == 1, X509_STORE_CTX_set_default(search, "ssl_client") == 1,
            let parameters = X509_STORE_CTX_get0_param(search)
        else { return .failure(.other) }
        X509_VERIFY_PARAM_set_depth(parameters, Int32(bounds.intermediatesMax))
        X509_VERIFY_PARAM_set_auth_level(parameters, TLSProfile.securityLevel)
        guard X509_verify_cert(search) == 1 else { return .failure(ClientCertificateFault(verification: Int(X509_STORE_CTX_get_error(search)))) }
        return .success(end(of: X509_STORE_CTX_get0_chain(search)))
    }
}
