import SluiceEvent
import SluiceHTTP

/// The exchanges of clients that speak HTTP/1.1, one at a time on a connection: a head is read and begins one, its body is read piece by piece as the
/// service takes it, and with the last byte of the response the connection waits for the next.
struct HTTP1Exchanges: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let limits: UnsafePointer<WorkerLimits>
        let context: UnsafeMutablePointer<EvaluationContext>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let work: WorkArea
        let clients: ClientConnections
        let requests: HTTP1Requests
        let requestBodies: RequestBodies
        let exchangeBlocks: ExchangeBlocks
        let transport: ClientTransport
        let clientEnd: ClientEnd
        let course: RequestCourse
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var limits: WorkerLimits { state.pointee.limits.pointee }
    private var context: UnsafeMutablePointer<EvaluationContext> { state.pointee.context }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var work: WorkArea { state.pointee.work }
    private var clients: ClientConnections { state.pointee.clients }
    private var requests: HTTP1Requests { state.pointee.requests }
    private var requestBodies: RequestBodies { state.pointee.requestBodies }
    private var exchangeBlocks: ExchangeBlocks { state.pointee.exchangeBlocks }
    private var transport: ClientTransport { state.pointee.transport }
    private var clientEnd: ClientEnd { state.pointee.clientEnd }
    private var course: RequestCourse { state.pointee.course }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, limits: parts.limits, context: parts.context, traffic: parts.traffic, work: parts.work, clients: parts.clients,
            requests: parts.requests, requestBodies: parts.requestBodies, exchangeBlocks: parts.exchangeBlocks, transport: owners.clientTransport,
            clientEnd: owners.clientEnd, course: owners.requestCourse))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    // MARK: The head

    /// Reads until a head is complete, and begins its exchange.
    func readRequest(_ connection: ClientRef) {
        switch requests.read(connection) {
        case .incomplete: break
        case .head(let block): begin(connection, block)
        case .refused(let refusal): refuse(connection, refusal)
        case .ended: transport.close(connection)
        }
    }

    /// Refuses what never became an exchange; nothing more can be read from the connection.
    func refuse(_ connection: ClientRef, _ refusal: Refusal) {
        guard let block = connection.pointee.block else { return transport.close(connection) }
        connection.pointee.state = .exchanging
        turn.limit(connection, to: 0)
        block.pointee.run.startedAt = context.pointee.monotonicNanoseconds
        block.pointee.run.keepsAlive = false
        course.refuse(block, refusal)
    }

    /// A head is complete: from here to `exchangeEnded` the connection belongs to this exchange.
    private func begin(_ connection: ClientRef, _ block: ExchangeRef) {
        connection.pointee.state = .exchanging
        connection.pointee.requests &+= 1
        // A reset that came before the request was read has been reported with it, and is not seen otherwise.
        turn.limit(connection, to: Limits.clientLookMilliseconds)
        let head = block.pointee.exchange.head
        block.pointee.inputUsed = head.length
        block.pointee.run.begin(head.framing, at: context.pointee.monotonicNanoseconds)
        // A client that has ended its sending side may have sent further requests before: they are answered too.
        block.pointee.run.keepsAlive = head.keepAlive && clients.mayKeep(connection)
        course.begin(block)
    }

    // MARK: The body

    /// The client's socket has something while an exchange is under way: its body, or news of its end.
    func receiveBody(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return }
        // The body is read when the request's head has gone; until then it waits in the client's socket.
        guard block.pointee.run.isReceivingRequest, course.takesBody(block) else { return noticeEnd(connection) }
        guard block.pointee.run.wideInput == nil || passHeldBody(block) else { return }
        var reads = 0
        while connection.pointee.socket.mayRead, course.hasRoom(block), block.pointee.run.isReceivingRequest {
            guard reads < Limits.readsPerTurn else { return turn.enqueue(connection) }
            reads += 1
            RequestBodies.makeRoom(in: block)
            let room = RequestBodies.room(in: block)
            let memory = block.pointee.exchange.bytes + block.pointee.inputCount
            switch connection.pointee.socket.receive(into: memory, capacity: room) {
            case .bytes(let count):
                traffic.pointee.downstreamBytesReceived &+= UInt64(count)
                block.pointee.inputCount += count
                guard course.passBody(block) else { return }
                if block.pointee.run.isReceivingRequest { connection.pointee.socket.mayRead = true }
            case .wouldBlock: break
            case .ended:
                // Half a body is no body: nothing may take it for a whole one.
                return course.fail(block, .badRequest("incomplete body"))
            case .failed: return transport.abort(connection)
            }
        }
        if block.pointee.run.isReceivingRequest, course.hasRoom(block) {
            awaitBody(connection, block)
        } else {
            block.pointee.run.bodySpanAt = 0
            let isWhole = !block.pointee.run.isReceivingRequest
            // The client's end, or a reset, may have come with the last of the body.
            if connection.pointee.output.isEmpty { turn.limit(connection, to: isWhole ? Limits.clientLookMilliseconds : 0) }
            if isWhole, connection.pointee.socket.isPeerClosed { noticeEnd(connection) }
        }
    }

    /// Passes on what is held of a body, as far as the service takes it. False if the exchange went on to something else.
    private func passHeldBody(_ block: ExchangeRef) -> Bool {
        while !block.pointee.run.isCollecting, block.pointee.run.isReceivingRequest, block.pointee.inputCount > block.pointee.inputUsed, course.hasRoom(block) {
            guard course.passBody(block) else { return false }
        }
        return true
    }

    /// The client is to send more of its body: something within the body's timeout, and over each such span no less than it must.
    /// What the service does not take is no time of the client's.
    private func awaitBody(_ connection: ClientRef, _ block: ExchangeRef) {
        turn.limit(connection, to: limits.bodyTimeout)
        if !requestBodies.keepsPace(block) { course.fail(block, .requestTimeout) }
    }

    /// Notices that the client has gone, while nothing is to be read of it: a reset says so, and the end of its sending side where
    /// SLUICE_CLIENT_CLOSE says so; otherwise it still waits for its response. A body that is not wanted yet, and a next request,
    /// stay in the socket.
    func noticeEnd(_ connection: ClientRef) {
        guard connection.pointee.socket.mayRead else { return }
        var byte: UInt8 = 0
        switch Socket.peek(connection.pointee.socket.descriptor, into: &byte, capacity: 1) {
        // A reset leaves what came before it to be read.
        case .bytes: if Socket.pendingError(connection.pointee.socket.descriptor) != 0 { return transport.abort(connection) }
        // TLS reads ahead: a next request may have left the socket already.
        case .wouldBlock: connection.pointee.socket.mayRead = connection.pointee.socket.hasReadAhead
        case .ended: connection.pointee.socket.isPeerClosed = true
        case .failed: return transport.abort(connection)
        }
        if limits.halfCloseAborts, connection.pointee.socket.isPeerClosed { transport.abort(connection) }
    }

    // MARK: A body that nobody wants

    /// Reads the rest of a refused request's body and forgets it.
    func dropBody(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return transport.close(connection) }
        while connection.pointee.socket.mayRead, block.pointee.run.requestRemaining > 0 {
            let count = Int(min(UInt64(Limits.receiveBytes), block.pointee.run.requestRemaining))
            switch connection.pointee.socket.receive(into: work.received, capacity: count) {
            case .bytes(let count):
                block.pointee.run.requestRemaining -= UInt64(count)
                connection.pointee.socket.mayRead = true
            case .wouldBlock: break
            case .ended, .failed: return transport.close(connection)
            }
        }
        if block.pointee.run.requestRemaining == 0 { awaitNextRequest(connection, block) }
    }

    // MARK: A tunnel

    /// Passes on what the client has sent, as long as the service takes it.
    func tunnel(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return transport.abort(connection) }
        var reads = 0
        while connection.pointee.socket.mayRead, course.hasRoom(block) {
            guard reads < Limits.readsPerTurn else { return turn.enqueue(connection) }
            reads += 1
            switch connection.pointee.socket.receive(into: work.received, capacity: Limits.receiveBytes) {
            case .bytes(let count):
                traffic.pointee.downstreamBytesReceived &+= UInt64(count)
                // A reset that came with these bytes shows only when it is read for.
                connection.pointee.socket.mayRead = true
                clientEnd.noteTunnelled(block)
                block.pointee.run.requestBodyBytes += UInt64(count)
                guard course.sendTunnelled(block, work.received, count) else { return clientEnd.endTunnel(block) }
            case .wouldBlock: return
            case .ended:
                connection.pointee.socket.mayRead = false
                // What the service sent before it ended is still to be delivered.
                if course.endStream(block) { clientEnd.endTunnel(block) }
                return
            case .failed: return clientEnd.endTunnel(block)
            }
        }
    }

    // MARK: The end, and what comes behind it

    /// The last byte of the response has left: the connection is kept for the next request, or ends in order.
    func end(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return transport.close(connection) }
        course.record(block, aborted: false)
        connection.pointee.totalUntil = Deadline.never
        guard block.pointee.run.keepsAlive else { return transport.closeInOrder(connection) }
        if block.pointee.run.requestBody == .dropping {
            connection.pointee.state = .dropping
            turn.limit(connection, to: limits.bodyTimeout)
            return dropBody(connection)
        }
        awaitNextRequest(connection, block)
    }

    /// Makes the connection ready for the request that follows, which may stand in its block already.
    private func awaitNextRequest(_ connection: ClientRef, _ block: ExchangeRef) {
        let left = block.pointee.inputCount - block.pointee.inputUsed
        connection.pointee.state = .idle
        turn.limit(connection, to: clients.idleTimeout)
        guard left > 0 else {
            transport.releaseBlock(connection)
            // Bytes, or the end of the stream, that came while the response was under way.
            if connection.pointee.socket.mayRead { turn.enqueue(connection) }
            return
        }
        // The same block goes on: its pipelined bytes move to the front.
        // From a larger input, if it has one: no more is read into that than the block has room for.
        exchangeBlocks.input(of: block).update(from: block.pointee.exchange.bytes + block.pointee.inputUsed, count: left)
        course.leave(block)
        exchangeBlocks.prepare(block, for: connection)
        block.pointee.inputCount = left
        connection.pointee.state = .readingHead
        clients.beginTotal(connection)
        turn.limit(connection, to: limits.headTimeout)
        // Pipelined requests take turns with other connections, and never nest.
        turn.enqueue(connection)
    }
}
