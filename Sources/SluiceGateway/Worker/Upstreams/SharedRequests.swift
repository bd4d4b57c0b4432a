import SluiceHTTP
import SluiceHTTP2

/// Requests on connections that exchanges share (HTTP/2): joining one, sending heads and bodies as frames, and the time that the service has for each.
struct SharedRequests: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let work: WorkArea
        let upstreams: UpstreamConnections
        let requestBodies: RequestBodies
        let requestHeads: UpstreamRequestHeads
        let course: ResponseCourse
        let attempts: UpstreamAttempts
        let sharedResponses: SharedResponses
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var work: WorkArea { state.pointee.work }
    private var upstreams: UpstreamConnections { state.pointee.upstreams }
    private var requestBodies: RequestBodies { state.pointee.requestBodies }
    private var requestHeads: UpstreamRequestHeads { state.pointee.requestHeads }
    private var course: ResponseCourse { state.pointee.course }
    private var attempts: UpstreamAttempts { state.pointee.attempts }
    private var sharedResponses: SharedResponses { state.pointee.sharedResponses }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, traffic: parts.traffic, work: parts.work, upstreams: parts.upstreams, requestBodies: parts.requestBodies,
            requestHeads: parts.requestHeads, course: owners.responseCourse, attempts: owners.upstreamAttempts,
            sharedResponses: owners.sharedResponses))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// Whether the exchange needs a connection for itself: it may become a tunnel, which is of HTTP/1.1 (RFC 9113, 8.6).
    @inline(__always)
    func needsOwnConnection(_ block: ExchangeRef) -> Bool { block.pointee.exchange.head.upgrade && !block.pointee.run.isPreCall }

    /// Has the exchange join a connection of the address that is open, or about to be. True if it did, or if its request cannot be sent there at all.
    @inline(never)
    func joins(_ block: ExchangeRef, _ address: UpstreamAddressRef, freshOnly: Bool) -> Bool {
        if needsOwnConnection(block) {
            guard address.pointee.versions == .http2 else { return false }
            course.fail(block, .upstreamFailed("no upgrade over HTTP/2"))
            return true
        }
        guard let connection = upstreams.sharing.findShared(address, freshOnly: freshOnly), let client = connection.pointee.http2 else { return false }
        if upstreams.sharing.join(connection, block) { send(connection, client, block) } else { awaitTurn(block, connection) }
        return true
    }

    /// The connection does not stand yet, which it has its own time for (a pre-call may have less), or does not know how much the service takes.
    func awaitTurn(_ block: ExchangeRef, _ connection: UpstreamRef) {
        guard block.pointee.run.isPreCall || connection.pointee.state == .multiplexed else { return }
        turn.set(block.serviceDeadline, at: turn.now + attempts.connectTimeout(block))
    }

    // MARK: Sending

    /// Sends the request on a connection that the exchange has joined, with as much of its body as has come.
    func send(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ block: ExchangeRef) {
        let run = block.run
        var writer = work.writer
        if run.pointee.isPreCall {
            requestHeads.writePreCall(&writer, block)
        } else {
            requestHeads.writeRequest(&writer, block)
            if takesTrailers(block.pointee.exchange) { writer.insertBeforeEnd("TE: trailers\r\n\r\n") }
        }
        guard writer.isComplete else { return course.fail(block, .headTooLarge) }
        let body: RequestBodies.Piece
        switch takeBody(block) {
        case .piece(let piece): body = piece
        case .refused(let refusal): return course.fail(block, refusal)
        }
        if let refusal = attempts.refusalToLeave(block) { return course.fail(block, refusal) }
        let endsStream = body.isLast && body.content.isEmpty && body.trailerFields == nil
        let isHead = !run.pointee.isPreCall && block.pointee.exchange.head.method == .head
        var stream: UInt32 = 0
        let sending = upstreams.frames.gather(client, leaving: Limits.controlBytes) {
            client.pointee.session.sendRequest(
                ByteView(base: writer.start, count: writer.count), endsStream: endsStream, isHTTPS: connection.pointee.socket.tls != nil,
                isHead: isHead, stream: &stream, &$0)
        }
        guard sending == .sent else { return course.fail(block, .upstreamUnavailable("no room for the request on its connection")) }
        client.pointee.session.setTag(StreamTag.exchange(block).tag, of: stream)
        run.pointee.upstreamStream = stream
        run.pointee.noteAsked()
        traffic.pointee.upstreamStreams &+= 1
        upstreams.frames.noteGathered(connection, client)
        limitAnswer(block)
        if !endsStream, !sendPiece(connection, client, block, body) { return course.fail(block, .upstreamUnavailable("no memory for the request's body")) }
        if !run.pointee.isPreCall, run.pointee.isReceivingRequest { course.askForBody(block) }
    }

    /// What has come of the body, or all of it once more.
    private func takeBody(_ block: ExchangeRef) -> RequestBodies.Taken {
        let run = block.run
        guard !run.pointee.isPreCall else { return .piece(.init(isLast: true)) }
        guard run.pointee.requestBody != .complete else {
            guard let replay = run.pointee.replay else { return .piece(.init(isLast: true)) }
            return .piece(.init(content: ByteView(base: block.pointee.exchange.bytes + replay.start, count: Int(replay.count)), isLast: true))
        }
        let whole = attempts.isWhole(block)
        let start = block.pointee.inputUsed
        let count = run.pointee.requestRemaining
        let taken = requestBodies.take(from: block)
        if whole {
            run.pointee.replay = (start, count)
        } else {
            run.pointee.isReplayable = run.pointee.requestBodyBytes == 0 && run.pointee.requestBody == .receiving
        }
        return taken
    }

    /// Whether the client's side understands trailers that the service may send: it says so, or it is gRPC, which cannot do without.
    private func takesTrailers(_ exchange: Exchange) -> Bool {
        let grpc = ByteView("application/grpc")
        if let type = exchange.value(of: .contentType), type.count >= grpc.count, type[..<grpc.count].equalsIgnoringCase(grpc) { return true }
        guard exchange.head.fields.present & KnownField.te.bit != 0 else { return false }
        for index in 0..<exchange.head.fields.count where exchange.head.fields[index].known == .te {
            var codings = ListElements(exchange.headBytes[exchange.head.fields[index].value])
            while let coding = codings.next() {
                if coding.equalsIgnoringCase("trailers") { return true }
            }
        }
        return false
    }

    /// Sends a piece of the request's body on its stream: what the windows do not let through is kept, and no more is asked for. False without memory.
    func sendPiece(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ block: ExchangeRef, _ piece: RequestBodies.Piece) -> Bool {
        let stream = block.pointee.run.upstreamStream
        // Who has answered all wants no more: the rest of the body is nobody's.
        guard client.pointee.session.maySend(stream) else { return true }
        let own = block.serviceStream
        var trailers = ByteView.empty
        if piece.trailerFields != nil {
            var writer = work.writer
            requestBodies.writeTrailers(&writer, piece, block)
            // The empty line alone is no section.
            if writer.isComplete, writer.count > 2 { trailers = ByteView(base: writer.start, count: writer.count) }
        }
        var taken = 0
        if own.pointee.unsent == nil {
            taken = upstreams.frames.gatherContent(connection, client, stream, piece.content, endsStream: piece.isLast && trailers.isEmpty)
        }
        defer { upstreams.frames.noteGathered(connection, client) }
        if taken < piece.content.count, !upstreams.frames.keepUnsent(block, client, piece.content[taken...]) { return false }
        guard piece.isLast else { return true }
        if own.pointee.unsent != nil {
            own.pointee.endsRequest = true
            guard !trailers.isEmpty else { return true }
            let end = own.pointee.unsentEnd
            guard upstreams.frames.keepUnsent(block, client, trailers) else { return false }
            own.pointee.unsentEnd = end
            own.pointee.unsentTrailers = trailers.count
            return true
        }
        if !trailers.isEmpty {
            return upstreams.frames.gather(client, leaving: 0) { client.pointee.session.sendTrailers(stream, trailers, &$0) } == .sent
        }
        return !piece.content.isEmpty || upstreams.frames.gatherEnd(client, stream)
    }

    /// Sends what was kept of bodies, each stream a piece at a time, as far as the windows and the socket allow.
    func pump(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        var hasMoved = true
        while hasMoved, client.pointee.unsentStreams > 0 {
            hasMoved = false
            var place = 0
            while let next = client.pointee.session.nextStream(&place) {
                guard case .exchange(let block)? = StreamTag(next.tag), block.serviceStream.pointee.unsent != nil else { continue }
                switch upstreams.frames.pump(connection, client, block) {
                case .nothing: continue
                case .some: break
                case .all: if block.pointee.run.isReceivingRequest, !block.pointee.run.isPreCall { course.serviceHasTakenAll(block) }
                }
                hasMoved = true
                limitAnswer(block)
            }
        }
    }

    // MARK: Times

    /// From here on the service has its time to begin, or to go on, answering the exchange.
    func limitAnswer(_ block: ExchangeRef) { turn.set(block.serviceDeadline, at: turn.now + attempts.answerTimeout(block)) }

    /// The time of one exchange on a shared connection is over.
    func expired(_ block: ExchangeRef) {
        let run = block.run
        guard run.pointee.isOnSharedConnection, let connection = run.pointee.upstream, let client = connection.pointee.http2 else { return }
        guard run.pointee.upstreamStream != 0 else { return course.fail(block, .upstreamTimeout("connection timed out")) }
        let own = block.serviceStream
        // While the client is the slow one, its own deadline holds.
        let isClientsTurn = own.pointee.held != nil || !course.hasRoom(block)
            || (run.pointee.isReceivingRequest && own.pointee.unsent == nil && !run.pointee.isPreCall)
        if isClientsTurn { return limitAnswer(block) }
        if sharedResponses.hasAllOfResponse(block) { return sharedResponses.finish(block) }
        if let address = connection.pointee.address { attempts.noteFailure(address) }
        if client.pointee.heardAt + attempts.answerTimeout(block) / 2 <= turn.now {
            // Perhaps nobody is there at all. Without other exchanges the connection ends, as one of HTTP/1.1 does.
            client.pointee.isSuspected = true
            upstreams.sharing.ping(connection, client)
        }
        course.fail(block, .upstreamTimeout(Refusal.slowResponse))
    }
}
