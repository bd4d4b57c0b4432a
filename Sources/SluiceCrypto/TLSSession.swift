internal import COpenSSL
internal import SluiceHTTP

/// One TLS session over a connected, non-blocking socket.
///
/// A trivially copyable handle: whoever made it calls `free` once, before or after closing the socket, which it
/// does not own. One thread at a time. The process must ignore SIGPIPE: OpenSSL writes without a flag against it.
///
/// Unlike a plain socket, a short read does not mean that the socket is empty: read until `.wantRead`, also once
/// right after the handshake, whose last packet may have brought data along.
///
/// An end of the connection without close_notify is `.failed`, not `.closed`: where the body of a response ends
/// with the connection, anybody on the way could otherwise cut it short unseen (RFC 9112, 9.8). The price is that
/// careless but honest peers are counted as failures; where the framing has told the end, nobody reads that far.
package struct TLSSession: BitwiseCopyable {
    private let session: OpaquePointer

    /// The server's side. Nil if there is no memory.
    package init?(_ server: TLSServerContext.Handle, descriptor: Int32) {
        guard let session = Self.make(server.context, descriptor) else { return nil }
        SSL_set_accept_state(session)
        self.session = session
    }

    /// The client's side; resumes the peer's last session if it can. Nil if there is no memory.
    ///
    /// - Parameter offersHTTP2: `h2` before `http/1.1`: `isHTTP2` says what the server has chosen. Without it only the latter is offered.
    package init?(_ peer: TLSPeer.Handle, descriptor: Int32, offersHTTP2: Bool = false) {
        let state = peer.state.pointee
        guard let session = Self.make(state.context, descriptor) else { return nil }
        guard Self.name(state, session), !offersHTTP2 || Self.offerHTTP2(session), SSL_set_ex_data(session, TLSPeer.exDataIndex, peer.state) == 1 else {
            SSL_free(session)
            ErrorQueue.clear()
            return nil
        }
        peer.state.pointee.holders += 1
        if let earlier = state.session, SSL_SESSION_is_resumable(earlier) == 1 { SSL_set_session(session, earlier) }
        SSL_set_connect_state(session)
        self.session = session
    }

    private static func make(_ context: OpaquePointer, _ descriptor: Int32) -> OpaquePointer? {
        ErrorQueue.clear()
        guard let session = SSL_new(context) else { return nil }
        guard SSL_set_fd(session, descriptor) == 1 else {
            SSL_free(session)
            return nil
        }
        return session
    }

    /// Says which name is asked for and which the certificate must bear. An address is never asked for
    /// (RFC 6066, 3) and must be among the certificate's addresses.
    private static func name(_ state: TLSPeer.State, _ session: OpaquePointer) -> Bool {
        if !state.isAddress, sluice_SSL_set_tlsext_host_name(session, state.name) != 1 { return false }
        guard state.isVerifying else { return true }
        if state.isAddress { return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), state.name) == 1 }
        // The subject's common name is no host's (RFC 9525, 2): only what stands among the alternative names counts.
        SSL_set_hostflags(session, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        return SSL_set1_host(session, state.name) == 1
    }

    private static func offerHTTP2(_ session: OpaquePointer) -> Bool {
        let list: StaticString = "\u{2}h2\u{8}http/1.1"
        // This one call answers 0 on success.
        return SSL_set_alpn_protos(session, list.utf8Start, UInt32(list.utf8CodeUnitCount)) == 0
    }

    /// Begins or continues the handshake; `.bytes(0)` when it is complete.
    package func handshake() -> TLSResult {
        ErrorQueue.clear()
        let result = SSL_do_handshake(session)
        return result == 1 ? .bytes(0) : outcome(result)
    }

    /// Reads up to `capacity` bytes, at most one record (16,384 bytes). Continues the handshake if need be.
    package func read(into buffer: UnsafeMutableRawPointer, capacity: Int) -> TLSResult {
        guard capacity > 0 else { return .bytes(0) }
        ErrorQueue.clear()
        let result = SSL_read(session, buffer, Int32(clamping: capacity))
        return result > 0 ? .bytes(Int(result)) : outcome(result)
    }

    /// Writes from the start of `bytes`, possibly not all of them.
    ///
    /// After `.wantWrite` or `.wantRead` the next write must begin with the same bytes and have at least as many: a
    /// record of them may already be sealed. They may stand elsewhere in memory.
    package func write(_ bytes: UnsafeRawPointer, count: Int) -> TLSResult {
        guard count > 0 else { return .bytes(0) }
        ErrorQueue.clear()
        let result = SSL_write(session, bytes, Int32(clamping: count))
        return result > 0 ? .bytes(Int(result)) : outcome(result)
    }

    private func outcome(_ result: Int32) -> TLSResult {
        switch SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ: .wantRead
        case SSL_ERROR_WANT_WRITE: .wantWrite
        case SSL_ERROR_ZERO_RETURN: .closed
        default: .failed
        }
    }

    /// Decrypted bytes that a read will return without asking the socket. 0 does not mean that nothing waits: a
    /// record not yet decrypted is not counted.
    package var pending: Int { Int(SSL_pending(session)) }

    /// Whether bytes of the peer's, perhaps only a part of a record, have been taken out of the socket and not been read.
    package var hasBuffered: Bool { SSL_has_pending(session) == 1 }

    /// Asks for another handshake in TLS 1.2, as no session of ours does. For tests.
    package func renegotiate() -> TLSResult {
        ErrorQueue.clear()
        SSL_clear_options(session, SSL_get_options(session) & sluice_SSL_OP_BASE)
        guard SSL_renegotiate(session) == 1 else { return .failed }
        let result = SSL_do_handshake(session)
        return result == 1 ? .bytes(0) : outcome(result)
    }

    /// Changes the keys of our direction and has the peer change its own (RFC 8446, 4.6.3), as far as the socket takes it. For tests.
    package func updateKeys() -> TLSResult {
        ErrorQueue.clear()
        guard SSL_key_update(session, SSL_KEY_UPDATE_REQUESTED) == 1 else { return .failed }
        let result = SSL_do_handshake(session)
        return result == 1 ? .bytes(0) : outcome(result)
    }

    /// Tells the peer that no more will be sent, if the socket takes it at once; never waits for the answer. Does
    /// nothing before the handshake is complete or after a failure.
    package func closeNotify() {
        guard SSL_in_init(session) == 0 else { return }
        ErrorQueue.clear()
        _ = SSL_shutdown(session)
        ErrorQueue.clear()
    }

    /// Ends the handle. Writes nothing to the socket.
    package func free() {
        // OpenSSL takes a session that was not shut down for a broken one and forbids its resumption. That rule
        // is of TLS 1.0 (RFC 2246, 7.2.1) and was withdrawn with TLS 1.1.
        SSL_set_shutdown(session, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        let peer = SSL_get_ex_data(session, TLSPeer.exDataIndex)
        SSL_free(session)
        if let peer { TLSPeer.release(peer.assumingMemoryBound(to: TLSPeer.State.self)) }
        ErrorQueue.clear()
    }

    // MARK: Questions

    /// Whether the handshake was shortened by an earlier session.
    package var isResumed: Bool { SSL_session_reused(session) == 1 }

    /// The version agreed on; nil before the peers have agreed.
    package var version: TLSVersion? {
        switch SSL_version(session) {
        case TLS1_2_VERSION: SSL_in_init(session) == 0 ? .tls12 : nil
        case TLS1_3_VERSION: SSL_in_init(session) == 0 ? .tls13 : nil
        default: nil
        }
    }

    /// Whether ALPN has settled on a protocol; false if the peer took no part in it.
    package var hasNegotiatedProtocol: Bool { negotiatedProtocol.count > 0 }

    /// Whether ALPN has settled on HTTP/2.
    package var isHTTP2: Bool { negotiatedProtocol == TLSProfile.http2 }

    private var negotiatedProtocol: ByteView {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(session, &name, &count)
        guard let name else { return .empty }
        return ByteView(base: name, count: Int(count))
    }

    // MARK: The client, on the server's side

    /// The name that the client asks for (RFC 6066, 3), as it was sent; empty if it asks for none.
    package var serverName: [UInt8] {
        guard let name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name) else { return [] }
        return UnsafeBufferPointer(start: name, count: strlen(name)).map { UInt8(bitPattern: $0) }
    }

    /// Whether the client was asked for a certificate.
    package var asksClient: Bool { SSL_get_verify_mode(session) != SSL_VERIFY_NONE }

    /// Whether the client was asked as this server asks, by the same authorities and lists.
    package func hasAsked(as server: TLSServerContext) -> Bool {
        let own = ClientVerification.of(SSL_get_SSL_CTX(session)) { $0.fingerprint }
        return own == server.clients?.fingerprint
    }

    /// What the client has shown, once the handshake is complete: nil for nothing. Allocates.
    package var clientCertificate: Result<ClientCertificateFacts, ClientCertificateFault>? {
        guard let certificate = SSL_get0_peer_certificate(session) else { return nil }
        let end = ClientVerification.end(ofClient: session)
        return ClientCertificateFacts(certificate, validUntil: end).map { .success($0) } ?? .failure(.tooLarge)
    }

    /// Judges the client's certificate by another verification than the one that has let it in: until when the verdict holds, or why it is refused. The
    /// chain of a session that was resumed is not known any more.
    package func verifyClient(by server: TLSServerContext.Handle) -> Result<Int64, ClientCertificateFault> {
        guard let certificate = SSL_get0_peer_certificate(session) else { return .failure(.missing) }
        return ClientVerification.of(server.context) { $0.verify(certificate, others: SSL_get_peer_cert_chain(session)) } ?? .failure(.unknownIssuer)
    }

    /// Right after `.failed` on the server's side, before any other call: what was wrong with the client's certificate; nil if it was something else.
    package var clientCertificateFault: ClientCertificateFault? {
        guard SSL_get_verify_mode(session) != SSL_VERIFY_NONE, SSL_is_server(session) == 1 else { return nil }
        let code = ERR_peek_last_error()
        if ERR_GET_LIB(code) == ERR_LIB_SSL {
            switch ERR_GET_REASON(code) {
            case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .missing
            case SSL_R_EXCESSIVE_MESSAGE_SIZE: return .tooLarge
            default: break
            }
        }
        let verdict = SSL_get_verify_result(session)
        return verdict == Int(X509_V_OK) ? nil : ClientCertificateFault(verification: verdict)
    }

    /// After `.failed` on the client's side: whether it was the peer's certificate that was refused.
    package var verificationFailed: Bool {
        SSL_get_verify_mode(session) != SSL_VERIFY_NONE && SSL_get_verify_result(session) != Int(X509_V_OK)
    }

    /// Right after `.failed`, before any other call: why, for a log. Holds nothing that the peer wrote. Nil if the
    /// connection ended or was reset and OpenSSL has no more to say. Allocates.
    package var failureReason: String? {
        guard verificationFailed else { return ErrorQueue.latestReason() }
        let text = X509_verify_cert_error_string(SSL_get_verify_result(session))
        return text.map { "certificate: " + String(cString: $0) }
    }
}
