import SluiceCrypto
import SluiceEvent
import SluiceHTTP

// What the loop, the turn's queue and the clock say of connections to services. The connections are `UpstreamConnections`; what their bytes
// mean is decided in `Worker+Forwarding` and `Worker+UpstreamResponses`.

/// The event callback of every connection to a service.
let upstreamCallback: SocketCallback = { _, what, owner in
    guard let owner else { return }
    let connection = owner.assumingMemoryBound(to: UpstreamConnection.self)
    Unmanaged<Worker>.fromOpaque(connection.pointee.worker)._withUnsafeGuaranteedRef {
        $0.upstreamReady(connection, Readiness(rawValue: what))
    }
}

extension Worker {
    func upstreamReady(_ connection: UpstreamRef, _ what: Readiness) {
        turn.freshenClock()
        connection.pointee.socket.note(what)
        if what.has(.writable) {
            if connection.pointee.state == .connecting {
                guard !isForNobody(connection), finishConnecting(connection) else { return }
            } else if let client = connection.pointee.http2 {
                client.pointee.isBlocked = false
            } else if !connection.pointee.output.isEmpty {
                flush(connection)
            }
        }
        advance(connection)
    }

    /// Does what the connection's state allows with what may be read.
    func advance(_ connection: UpstreamRef) {
        switch connection.pointee.state {
        case .free: break
        case .connecting: _ = isForNobody(connection)
        case .handshaking: if !isForNobody(connection) { continueHandshake(connection) }
        case .active: receiveResponse(connection)
        case .idle: if connection.pointee.socket.mayRead { upstreams.closeIdle(connection) }
        case .discarding: discardResponse(connection)
        case .tunnelling: tunnelFromUpstream(connection)
        case .multiplexed: advanceShared(connection)
        }
    }

    // MARK: Opening

    /// Whether all exchanges have gone that waited for the connection to stand. It ends then: its origin may be gone as well.
    private func isForNobody(_ connection: UpstreamRef) -> Bool {
        guard let client = connection.pointee.http2, client.pointee.waiting.isEmpty else { return false }
        upstreams.close(connection)
        return true
    }

    private func finishConnecting(_ connection: UpstreamRef) -> Bool {
        let error = Socket.pendingError(connection.pointee.socket.descriptor)
        guard error == 0 else {
            connectFailed(connection, error)
            return false
        }
        guard let address = connection.pointee.address else { return false }
        if let peer = origins.pointee[address.pointee.origin].pointee.tls {
            guard let session = TLSSession(
                peer, descriptor: connection.pointee.socket.descriptor, offersHTTP2: connection.pointee.http2 != nil) else {
                connectFailed(connection, 0)
                return false
            }
            connection.pointee.socket.tls = session
            connection.pointee.state = .handshaking
            connection.pointee.socket.mayRead = true
            return true
        }
        connected(connection)
        return connection.pointee.state == .active || connection.pointee.state == .multiplexed
    }

    private func continueHandshake(_ connection: UpstreamRef) {
        guard let tls = connection.pointee.socket.tls else { return upstreams.close(connection) }
        let outcome = tls.handshake()
        turn.noteLongWork()
        switch outcome {
        case .bytes:
            connection.pointee.socket.mayRead = true
            connected(connection)
        case .wantRead, .wantWrite: connection.pointee.socket.mayRead = false
        case .closed, .failed: handshakeFailed(connection)
        }
    }

    private func connected(_ connection: UpstreamRef) {
        if let client = connection.pointee.http2 { return sharedConnected(connection, client) }
        connection.pointee.state = .active
        sendRequest(connection)
    }

    // MARK: Sending

    /// Sends what is queued, as far as the socket takes it.
    private func flush(_ connection: UpstreamRef) {
        let flushed = upstreams.flush(connection)
        guard flushed != .nothing, let block = connection.pointee.exchange else { return }
        if connection.pointee.state == .active { turn.limit(connection, to: answerTimeout(block)) }
        // The client's body was held back while the upstream did not read.
        if flushed == .all { serviceHasTakenAll(block) }
    }

    // MARK: Deadlines

    func upstreamExpired(_ connection: UpstreamRef) {
        switch connection.pointee.state {
        case .free: break
        case .idle:
            connection.pointee.address?.pointee.idleLifetime.noteOpen(after: upstreams.idleTime(connection))
            upstreams.close(connection)
        case .discarding: upstreams.close(connection)
        case .connecting, .handshaking: connectExpired(connection)
        case .multiplexed: sharedExpired(connection)
        case .active: responseExpired(connection)
        case .tunnelling:
            if let block = connection.pointee.exchange { resetClient(block) } else { upstreams.close(connection) }
        }
    }
}
