import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// The event callback of every connection to a service.
let upstreamCallback: SocketCallback = { _, what, owner in
    guard let owner else { return }
    let connection = owner.assumingMemoryBound(to: UpstreamConnection.self)
    UpstreamTransport(connection.pointee.owner).ready(connection, Readiness(rawValue: what))
}

/// A connection to a service as the loop, the turn's queue and the clock see it: opening, TLS, readiness, sending what waits. What the bytes mean is decided
/// by what it speaks: `UpstreamExchanges`, `SharedConnections`.
struct UpstreamTransport: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let upstreams: UpstreamConnections
        let origins: UnsafeMutablePointer<OriginTable>
        let course: ResponseCourse
        let attempts: UpstreamAttempts
        let exchanges: UpstreamExchanges
        let tunnels: UpstreamTunnels
        let discards: DiscardedResponses
        let sharedConnections: SharedConnections
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var upstreams: UpstreamConnections { state.pointee.upstreams }
    private var origins: UnsafeMutablePointer<OriginTable> { state.pointee.origins }
    private var course: ResponseCourse { state.pointee.course }
    private var attempts: UpstreamAttempts { state.pointee.attempts }
    private var exchanges: UpstreamExchanges { state.pointee.exchanges }
    private var tunnels: UpstreamTunnels { state.pointee.tunnels }
    private var discards: DiscardedResponses { state.pointee.discards }
    private var sharedConnections: SharedConnections { state.pointee.sharedConnections }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, upstreams: parts.upstreams, origins: parts.origins, course: owners.responseCourse, attempts: owners.upstreamAttempts,
            exchanges: owners.upstreamExchanges, tunnels: owners.upstreamTunnels, discards: owners.discardedResponses,
            sharedConnections: owners.sharedConnections))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// What connections hold of it, for the callback of their event.
    var opaque: UnsafeMutableRawPointer { UnsafeMutableRawPointer(state) }

    /// - Parameter opaque: of the owner that is meant.
    fileprivate init(_ opaque: UnsafeMutableRawPointer) { state = opaque.assumingMemoryBound(to: State.self) }

    @inline(__always)
    fileprivate func ready(_ connection: UpstreamRef, _ what: Readiness) {
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
        case .active: exchanges.receive(connection)
        case .idle: if connection.pointee.socket.mayRead { upstreams.idle.closeIdle(connection) }
        case .discarding: discards.receive(connection)
        case .tunnelling: tunnels.tunnel(connection)
        case .multiplexed: sharedConnections.advance(connection)
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
        if let client = connection.pointee.http2 { return sharedConnections.connected(connection, client) }
        connection.pointee.state = .active
        exchanges.sendRequest(connection)
    }

    // MARK: Opening fails

    /// The connection attempt ended with this errno (0: TLS could not be begun).
    private func connectFailed(_ upstream: UpstreamRef, _ error: Int32) {
        giveUp(upstream, .upstreamFailed(SocketError(code: error).isRefusal ? "connection refused" : "connection failed"))
    }

    private func handshakeFailed(_ upstream: UpstreamRef) {
        let isUntrusted = upstream.pointee.socket.tls?.verificationFailed ?? false
        giveUp(upstream, .upstreamFailed(isUntrusted ? "certificate not accepted" : "TLS handshake failed"))
    }

    /// Connecting took too long.
    private func connectExpired(_ upstream: UpstreamRef) {
        giveUp(upstream, .upstreamTimeout("connection timed out"))
    }

    /// Nothing was sent yet, so another address may be tried.
    private func giveUp(_ upstream: UpstreamRef, _ refusal: Refusal) {
        if let address = upstream.pointee.address { attempts.noteFailure(address) }
        let origin = upstream.pointee.address?.pointee.origin
        if let client = upstream.pointee.http2 {
            // None of them has it any more when the next is tried: it may go to the same address.
            client.pointee.isBroken = true
            upstreams.sharing.unlist(upstream, client)
            while let block = client.pointee.waiting.last {
                upstreams.sharing.letGo(block)
                attempts.tryAgain(block, at: origin, orFail: refusal)
            }
            return upstreams.close(upstream)
        }
        guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
        upstreams.detach(upstream)
        upstreams.close(upstream)
        attempts.tryAgain(block, at: origin, orFail: refusal)
    }

    // MARK: Sending

    /// Sends what is queued, as far as the socket takes it.
    private func flush(_ connection: UpstreamRef) {
        let flushed = upstreams.flush(connection)
        guard flushed != .nothing, let block = connection.pointee.exchange else { return }
        if connection.pointee.state == .active { turn.limit(connection, to: attempts.answerTimeout(block)) }
        // The client's body was held back while the upstream did not read.
        if flushed == .all { course.serviceHasTakenAll(block) }
    }

    // MARK: Deadlines

    func expired(_ connection: UpstreamRef) {
        switch connection.pointee.state {
        case .free: break
        case .idle:
            connection.pointee.address?.pointee.idleLifetime.noteOpen(after: upstreams.idle.idleTime(connection))
            upstreams.close(connection)
        case .discarding: upstreams.close(connection)
        case .connecting, .handshaking: connectExpired(connection)
        case .multiplexed: sharedConnections.expired(connection)
        case .active: exchanges.expired(connection)
        case .tunnelling:
            if let block = connection.pointee.exchange { course.reset(block) } else { upstreams.close(connection) }
        }
    }
}
