import SluiceEvent
import SluiceHTTP

/// One exchange's end at its service: all that the exchange may ask of it. How the service is reached (`UpstreamAttempts`) and what its connection speaks is
/// told apart behind this.
struct UpstreamEnd: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let work: WorkArea
        let upstreams: UpstreamConnections
        let requestBodies: RequestBodies
        let course: ResponseCourse
        let attempts: UpstreamAttempts
        let exchanges: UpstreamExchanges
        let sharedRequests: SharedRequests
        let sharedResponses: SharedResponses
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var work: WorkArea { state.pointee.work }
    private var upstreams: UpstreamConnections { state.pointee.upstreams }
    private var requestBodies: RequestBodies { state.pointee.requestBodies }
    private var course: ResponseCourse { state.pointee.course }
    private var attempts: UpstreamAttempts { state.pointee.attempts }
    private var exchanges: UpstreamExchanges { state.pointee.exchanges }
    private var sharedRequests: SharedRequests { state.pointee.sharedRequests }
    private var sharedResponses: SharedResponses { state.pointee.sharedResponses }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, work: parts.work, upstreams: parts.upstreams, requestBodies: parts.requestBodies, course: owners.responseCourse,
            attempts: owners.upstreamAttempts, exchanges: owners.upstreamExchanges, sharedRequests: owners.sharedRequests,
            sharedResponses: owners.sharedResponses))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// Sends the exchange's request, or its pre-call, to a service.
    @inline(__always)
    func begin(_ block: ExchangeRef) { attempts.attempt(block, freshOnly: false) }

    // MARK: The request's body

    /// Whether what comes of the request's body is to follow the head: the service has been sent it.
    func takesBody(_ block: ExchangeRef) -> Bool {
        guard let upstream = block.pointee.run.upstream, upstream.pointee.state == .active || upstream.pointee.state == .multiplexed else {
            return false
        }
        return !block.pointee.run.isPreCall && block.pointee.run.isRequestSent
    }

    /// Whether the service has taken all that it was sent: only then is more read from the client.
    func hasRoom(_ block: ExchangeRef) -> Bool {
        if block.pointee.run.isOnSharedConnection { return block.serviceStream.pointee.unsent == nil }
        return block.pointee.run.upstream?.pointee.output.isEmpty ?? false
    }

    /// Sends a piece of the request's body, in the framing that the service was told. False if the service reads no more; the exchange then waits
    /// for what it has answered.
    func sendBody(_ block: ExchangeRef, _ piece: RequestBodies.Piece) -> Bool {
        guard let upstream = block.pointee.run.upstream else { return false }
        if let client = upstream.pointee.http2 {
            guard sharedRequests.sendPiece(upstream, client, block, piece) else {
                course.fail(block, .upstreamUnavailable("no memory for the request's body"))
                return false
            }
            sharedRequests.limitAnswer(block)
            return true
        }
        var writer = work.writer
        requestBodies.write(&writer, piece, block)
        if writer.count > 0, !upstreams.send(upstream, writer.start, writer.count) {
            upstreams.stopSending(upstream)
            exchanges.receive(upstream)
            return false
        }
        if block.pointee.run.requestBody == .complete { exchanges.requestSent(upstream) }
        return true
    }

    // MARK: A tunnel

    /// Sends bytes of a tunnel. False if the connection is broken.
    func sendTunnelled(_ block: ExchangeRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        guard let upstream = block.pointee.run.upstream else { return false }
        return upstreams.send(upstream, bytes, count)
    }

    /// The client has ended its direction of a tunnel. True if the service's had ended before, and nothing of it is left.
    func endStream(_ block: ExchangeRef) -> Bool {
        guard let upstream = block.pointee.run.upstream else { return true }
        upstream.pointee.socket.endSending()
        return upstream.pointee.socket.isAtEnd
    }

    // MARK: The response

    /// The client has taken all that it was sent: the service's response goes on.
    func resume(_ block: ExchangeRef) {
        guard let upstream = block.pointee.run.upstream else { return }
        if let client = upstream.pointee.http2 { return sharedResponses.resume(block, upstream, client) }
        upstream.pointee.isHeldBack = false
        turn.enqueue(upstream)
    }

    /// The exchange needs the service no longer. Of one that was asked, what it may still say cannot be told from a next response; a kept one
    /// that was sent nothing goes back, so that no request which fails in front of it costs it. A new one ends: whoever had it from the pool could
    /// not tell its end from a fault.
    func drop(_ block: ExchangeRef) {
        guard let upstream = block.pointee.run.upstream else { return }
        if block.pointee.run.isOnSharedConnection { return upstreams.sharing.letGo(block) }
        if upstream.pointee.state == .active, upstream.pointee.isReused, !block.pointee.run.isRequestSent {
            upstreams.idle.putBack(upstream)
        } else {
            upstreams.close(upstream)
        }
    }

    // MARK: Descriptors

    /// Closes connections that nobody uses, a few.
    func spareDescriptors() { _ = upstreams.idle.closeSomeIdle() }
}
