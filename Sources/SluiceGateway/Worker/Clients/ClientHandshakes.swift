import SluiceCrypto
import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

/// What stands in front of a client's first request: the PROXY header, TLS, and by which of its protocols the connection goes on. What requests are it
/// does not know.
struct ClientHandshakes: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let limits: UnsafePointer<WorkerLimits>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let work: WorkArea
        let clients: ClientConnections
        let listeners: Listeners
        let transport: ClientTransport
        let http1: HTTP1Exchanges
        let connections: HTTP2Connections
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var limits: WorkerLimits { state.pointee.limits.pointee }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var work: WorkArea { state.pointee.work }
    private var clients: ClientConnections { state.pointee.clients }
    private var listeners: Listeners { state.pointee.listeners }
    private var transport: ClientTransport { state.pointee.transport }
    private var http1: HTTP1Exchanges { state.pointee.http1 }
    private var connections: HTTP2Connections { state.pointee.connections }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, limits: parts.limits, traffic: parts.traffic, work: parts.work, clients: parts.clients, listeners: owners.listeners,
            transport: owners.clientTransport, http1: owners.http1Exchanges, connections: owners.http2Connections))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// The transport is known: TLS if the listener has a certificate, else requests.
    func begin(_ connection: ClientRef, _ listener: Listener) {
        guard let tls = listener.tls else {
            connection.pointee.state = listener.acceptsPreface ? .preface : .idle
            return turn.limit(connection, to: clients.idleTimeout)
        }
        guard let session = TLSSession(tls.handle, descriptor: connection.pointee.socket.descriptor) else { return transport.close(connection) }
        connection.pointee.socket.tls = session
        connection.pointee.state = .handshaking
        turn.limit(connection, to: limits.handshakeTimeout)
    }

    // MARK: PROXY header

    /// Reads the PROXY header byte-exactly: what follows it belongs to TLS or to HTTP.
    func readProxyHeader(_ connection: ClientRef) {
        guard connection.pointee.socket.mayRead else { return }
        let listener = listeners.listener(of: connection)
        switch Socket.peek(connection.pointee.socket.descriptor, into: work.received, capacity: ProxyHeader.bytesMax) {
        case .bytes(let count):
            switch ProxyHeader.parse(ByteView(base: work.received, count: count)) {
            case .incomplete:
                // A reset comes behind the bytes that are still there, and does not count as the peer's end.
                guard count < ProxyHeader.bytesMax, !connection.pointee.socket.isPeerClosed,
                    Socket.pendingError(connection.pointee.socket.descriptor) == 0
                else { return transport.abort(connection) }
                // The bytes stay in the socket; the next ones are reported.
                connection.pointee.socket.mayRead = false
            case .malformed: transport.abort(connection)
            case .complete(let header):
                _ = Socket.receive(connection.pointee.socket.descriptor, into: work.received, capacity: header.length)
                // Only a trusted proxy's word about where the connection comes from is taken. One that does not say it (UNKNOWN, LOCAL)
                // stays the peer, but has not written what the requests say of others: its unnamed client may have.
                if connection.pointee.peerIsTrusted {
                    connection.pointee.peerIsTrusted = header.source.map { listener.trusted.contains($0) } ?? false
                    if let source = header.source { connection.pointee.peer = source }
                }
                begin(connection, listener)
                if connection.pointee.state != .free { transport.resume(connection) }
            }
        case .wouldBlock: connection.pointee.socket.mayRead = false
        case .ended, .failed: transport.abort(connection)
        }
    }

    // MARK: TLS

    func continueHandshake(_ connection: ClientRef) {
        guard let tls = connection.pointee.socket.tls else { return transport.close(connection) }
        let outcome = tls.handshake()
        turn.noteLongWork()
        switch outcome {
        case .bytes:
            guard settle(connection, tls) else { return transport.close(connection) }
            traffic.pointee.handshakes &+= 1
            if tls.isHTTP2 { return connections.begin(connection) }
            connection.pointee.state = .idle
            // Requests may have come with the handshake's last message.
            connection.pointee.socket.mayRead = true
            turn.limit(connection, to: clients.idleTimeout)
            http1.readRequest(connection)
        case .wantRead, .wantWrite: connection.pointee.socket.mayRead = false
        case .closed, .failed:
            traffic.pointee.handshakeFailures &+= 1
            guard outcome == .failed, let fault = tls.clientCertificateFault else { return transport.abort(connection) }
            traffic.pointee.handshakeFailed(fault)
            // What is left unread would make the kernel reset the connection, and the client would not read the alert.
            transport.closeInOrder(connection)
        }
    }

    /// Takes down what the handshake has told of the client, if the listener asks. False if that is more than the gateway takes.
    private func settle(_ connection: ClientRef, _ tls: TLSSession) -> Bool {
        let listener = listeners.listener(of: connection)
        let server = listener.tls
        guard server?.clients != nil || tls.asksClient else { return true }
        let certificate: UnsafeMutablePointer<ClientCertificate>? = switch tls.clientCertificate {
        case .success(let facts)?: ClientCertificate.make(serverName: tls.serverName, facts, session: tls)
        case .failure?: nil
        case nil: ClientCertificate.make(serverName: tls.serverName, nil, session: tls)
        }
        guard let certificate else {
            traffic.pointee.handshakeFailures &+= 1
            traffic.pointee.handshakeFailed(.tooLarge)
            return false
        }
        // A reload came while the handshake was under way.
        if let server, !tls.hasAsked(as: server) { certificate.pointee.reconsider(by: server.clients == nil ? nil : server.handle) }
        if listener.isClosed, !clients.isDraining { certificate.pointee.forget() }
        certificate.pointee.isRequired = server?.clients?.mode == .required
        connection.pointee.certificate = certificate
        return true
    }

    // MARK: Without TLS

    /// Looks at the first bytes of a connection that may begin as HTTP/2 does (RFC 9113, 3.3). They stay in the socket.
    func readPreface(_ connection: ClientRef) {
        guard connection.pointee.socket.mayRead else { return }
        switch Socket.peek(connection.pointee.socket.descriptor, into: work.received, capacity: Limits.prefaceBytes) {
        case .bytes(let count):
            switch HTTP2Session.isPreface(ByteView(base: work.received, count: count)) {
            case true?: connections.begin(connection)
            case false?:
                connection.pointee.state = .idle
                http1.readRequest(connection)
            // The next bytes are reported.
            case nil:
                guard !connection.pointee.socket.isPeerClosed, Socket.pendingError(connection.pointee.socket.descriptor) == 0
                else { return transport.close(connection) }
                connection.pointee.socket.mayRead = false
                // From its first byte on, however many pieces it comes in.
                turn.set(connection.deadline, at: min(connection.deadline.pointee.at, turn.now + limits.headTimeout))
            }
        case .wouldBlock: connection.pointee.socket.mayRead = false
        case .ended, .failed: transport.close(connection)
        }
    }
}
