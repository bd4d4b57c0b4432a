import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

/// One exchange's end at its client: all that the exchange may ask of it besides sending, which is `ResponseWriter`. What the client speaks is told apart
/// in these two and nowhere else.
struct ClientEnd: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let limits: UnsafePointer<WorkerLimits>
        let http2: HTTP2Clients
        let requestBodies: RequestBodies
        let listeners: Listeners
        let transport: ClientTransport
        let http1: HTTP1Exchanges
        let connections: HTTP2Connections
        let streams: HTTP2Exchanges
        let course: RequestCourse
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var limits: WorkerLimits { state.pointee.limits.pointee }
    private var http2: HTTP2Clients { state.pointee.http2 }
    private var requestBodies: RequestBodies { state.pointee.requestBodies }
    private var listeners: Listeners { state.pointee.listeners }
    private var transport: ClientTransport { state.pointee.transport }
    private var http1: HTTP1Exchanges { state.pointee.http1 }
    private var connections: HTTP2Connections { state.pointee.connections }
    private var streams: HTTP2Exchanges { state.pointee.streams }
    private var course: RequestCourse { state.pointee.course }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, limits: parts.limits, http2: parts.http2, requestBodies: parts.requestBodies, listeners: owners.listeners,
            transport: owners.clientTransport, http1: owners.http1Exchanges, connections: owners.http2Connections, streams: owners.http2Exchanges,
            course: owners.requestCourse))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// The proxies that the client's listener trusts.
    func trusted(_ block: ExchangeRef) -> TrustedProxies { listeners.listener(of: block.pointee.run.client).trusted }

    // MARK: The response

    /// Whether the client has taken all that it was sent: only then is more of the response read. `clientHasTakenAll` says when it has.
    @inline(__always)
    func hasRoom(_ block: ExchangeRef) -> Bool {
        block.pointee.run.isHTTP2 ? http2.sending.room(block) > 0 : block.pointee.run.client.pointee.output.isEmpty
    }

    /// The last byte of the response was handed over. The exchange is over, and its block may be gone.
    func end(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { return streams.endResponse(block) }
        let connection = block.pointee.run.client
        if connection.pointee.output.isEmpty {
            http1.end(connection)
        } else {
            connection.pointee.state = .flushing
        }
    }

    /// Ends the exchange without the whole of a response, in the one way that says so. Its block is gone.
    func reset(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { streams.abort(block, .internalError) } else { transport.abort(block.pointee.run.client) }
    }

    /// Whether nobody waits for a response any more, by what the client's connection has shown so far.
    @inline(__always)
    func hasLeft(_ block: ExchangeRef) -> Bool {
        block.pointee.run.client.pointee.socket.isPeerClosed && limits.halfCloseAborts
    }

    /// Over HTTP/2 asks the client to send no more requests on this connection; those that are under way go on. Over HTTP/1 the head of the response says so.
    func announceEnd(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { connections.announceEnd(block.pointee.run.client) }
    }

    // MARK: The request's body

    /// The request's head was sent on: the rest of its body is read. It may wait in the socket already, or a reset that came with the
    /// head: see `PeerSocket.receive`.
    func askForBody(_ block: ExchangeRef) {
        // What is held has come, and goes on when the connection has its turn.
        if block.pointee.run.wideInput != nil { return serviceHasTakenAll(block) }
        if block.pointee.run.isHTTP2 { return streams.noteBodyTaken(block) }
        let connection = block.pointee.run.client
        turn.limit(connection, to: limits.bodyTimeout)
        connection.pointee.socket.mayRead = true
        turn.enqueue(connection)
    }

    /// A step of the chain waits for the body: the client has its time to send it.
    func awaitBody(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { return streams.noteBodyTaken(block) }
        let connection = block.pointee.run.client
        turn.limit(connection, to: limits.bodyTimeout)
        connection.pointee.socket.mayRead = true
        turn.enqueue(connection)
    }

    /// All of the body has come and is held.
    func noteBodyHeld(_ block: ExchangeRef) {
        block.pointee.run.bodySpanAt = 0
        if block.pointee.run.isHTTP2 {
            http2.creditBody(block)
            block.streamRun.pointee.bodyUntil = Deadline.never
            return http2.sending.setDeadline(block)
        }
        let connection = block.pointee.run.client
        if connection.pointee.output.isEmpty { turn.limit(connection, to: Limits.clientLookMilliseconds) }
        // A next request, or the client's end, may have come with the last of it.
        connection.pointee.socket.mayRead = true
    }

    /// The service has taken all of the body that it was sent: more is read.
    func serviceHasTakenAll(_ block: ExchangeRef) {
        let connection = block.pointee.run.client
        if block.pointee.run.isHTTP2 { streams.noteNews(block) }
        turn.enqueue(connection)
    }

    /// The response is decided before the body was read: nobody wants what is still to come of it.
    @inline(__always)
    func dropBody(_ block: ExchangeRef) {
        if block.pointee.run.requestBody != .complete { settleBody(block) }
    }

    @inline(never)
    private func settleBody(_ block: ExchangeRef) {
        requestBodies.settle(block)
        if block.pointee.run.isHTTP2 { http2.creditBody(block) }
    }

    // MARK: Tunnels

    /// The 101 was sent: what the client sends from here on is not read as HTTP.
    func beginTunnel(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 {
            block.streamRun.pointee.isTunnel = true
            block.streamRun.pointee.totalUntil = Deadline.never
            return noteTunnelled(block)
        }
        let connection = block.pointee.run.client
        connection.pointee.state = .tunnelling
        connection.pointee.totalUntil = Deadline.never
        noteTunnelled(block)
        if connection.pointee.socket.mayRead { turn.enqueue(connection) }
    }

    /// Bytes have passed: the tunnel is in use.
    func noteTunnelled(_ block: ExchangeRef) {
        guard block.pointee.run.isHTTP2 else { return turn.limit(block.pointee.run.client, to: limits.tunnelTimeout) }
        // Not every client ends its direction when the service has ended the other one, and a stream that stays half open takes the place of a request.
        let limit = block.streamRun.pointee.hasEnded ? min(Limits.lingerMilliseconds, limits.tunnelTimeout) : limits.tunnelTimeout
        block.streamRun.pointee.bodyUntil = turn.now + limit
        http2.sending.setDeadline(block)
    }

    /// What the client had sent before the service accepted the tunnel is passed on.
    func continueTunnel(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { return streams.tunnel(block) }
        let early = block.pointee.inputCount - block.pointee.inputUsed
        guard early > 0 else { return }
        let input = block.pointee.exchange.bytes + block.pointee.inputUsed
        block.pointee.run.requestBodyBytes += UInt64(early)
        if !course.sendTunnelled(block, input, early) { reset(block) }
    }

    /// The service has ended its direction of a tunnel.
    func endStream(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { return streams.endTunnelResponse(block) }
        let connection = block.pointee.run.client
        connection.pointee.socket.endSending()
        if connection.pointee.socket.isAtEnd { endTunnel(block) }
    }

    /// Both connections end, whatever the reason. What is the whole of a tunnel only its ends can say: it is not called aborted.
    func endTunnel(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { return streams.dropTunnel(block) }
        course.record(block, aborted: false)
        transport.close(block.pointee.run.client)
    }
}
