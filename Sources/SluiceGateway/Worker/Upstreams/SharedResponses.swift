import SluiceHTTP
import SluiceHTTP2

/// Responses on connections that exchanges share (HTTP/2). A client that does not take what has come has it held for it, a stream's window of it at most:
/// the service is told that there is room again only for what the client's side has taken.
struct SharedResponses: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let work: WorkArea
        let upstreams: UpstreamConnections
        let outputs: UnsafeMutablePointer<BlockPool>
        let course: ResponseCourse
        let exchanges: UpstreamExchanges
        let sharedRequests: SharedRequests
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var work: WorkArea { state.pointee.work }
    private var upstreams: UpstreamConnections { state.pointee.upstreams }
    private var outputs: UnsafeMutablePointer<BlockPool> { state.pointee.outputs }
    private var course: ResponseCourse { state.pointee.course }
    private var exchanges: UpstreamExchanges { state.pointee.exchanges }
    private var sharedRequests: SharedRequests { state.pointee.sharedRequests }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, work: parts.work, upstreams: parts.upstreams, outputs: parts.outputs, course: owners.responseCourse,
            exchanges: owners.upstreamExchanges, sharedRequests: owners.sharedRequests))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    // MARK: The head

    /// A head has come. Returns the response that begins with it, if it is to be sent with what follows.
    func takeHead(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ head: HTTP2Head, _ area: HTTP2HeadArea) -> SharedConnections.BegunResponse? {
        guard let block = exchange(connection, client, head.stream, ends: head.endsStream) else { return nil }
        let bytes = ByteView(base: area.base, count: head.count)
        var response = ResponseHead(slots: work.slots, capacity: Limits.responseFields)
        let outcome = ResponseHead.parse(
            bytes, slots: work.slots, capacity: Limits.responseFields,
            requestWasHead: !block.pointee.run.isPreCall && block.pointee.exchange.head.method == .head, into: &response)
        guard case .complete = outcome else {
            _ = exchanges.reject(connection, block, "malformed response")
            return nil
        }
        sharedRequests.limitAnswer(block)
        connection.pointee.address?.pointee.noteSuccess()
        guard response.status >= 200 else {
            if course.passInterim(block, response, bytes) == .tooMany { _ = exchanges.reject(connection, block, "too many interim responses") }
            return nil
        }
        if response.framing == .untilClose, head.endsStream { response.framing = .length(0) }
        // HTTP/2 has none: there is one to be written.
        response.reason = HeadRange(start: 0, count: 0)
        if block.pointee.run.isPreCall {
            if course.takeAnswer(block, response.status) {
                if head.endsStream { upstreams.sharing.letGo(block) } else { upstreams.sharing.letGoDiscarding(block) }
                course.goOn(block)
                return nil
            }
        }
        guard let writer = course.compose(block, response, bytes) else { return nil }
        guard writer.isComplete else {
            _ = exchanges.reject(connection, block, "response head too large")
            return nil
        }
        guard head.endsStream else { return SharedConnections.BegunResponse(block: block, stream: head.stream, head: writer) }
        _ = pass(client, block, .empty, isLast: true, head: writer)
        return nil
    }

    /// The exchange of a stream. Nil if there is none: what comes on the stream is then counted and forgotten.
    private func exchange(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ stream: UInt32, ends: Bool, bytes: Int = 0) -> ExchangeRef? {
        switch StreamTag(client.pointee.session.tag(of: stream)) {
        case .exchange(let block)?: return block
        case .discarding(let before, let since)?:
            let all = before + bytes
            client.pointee.session.setTag(StreamTag.discarding(bytes: all, since: since).tag, of: stream)
            if bytes > 0 { _ = upstreams.frames.gather(client, leaving: 0) { client.pointee.session.consumed(stream, bytes, &$0) } }
            if ends || all > Int(Limits.preCallBodyBytes) { upstreams.sharing.endDiscarded(connection, client, stream) }
        case nil: if bytes > 0 { _ = upstreams.frames.gather(client, leaving: 0) { client.pointee.session.consumed(stream, bytes, &$0) } }
        }
        return nil
    }

    // MARK: Content

    /// Content has come.
    ///
    /// - Parameter head: composed and not sent; empty where it has gone.
    func takeContent(
        _ connection: UpstreamRef, _ client: HTTP2ClientRef, _ stream: UInt32, _ content: ByteView, _ ends: Bool, head: HeadWriter
    ) {
        guard let block = exchange(connection, client, stream, ends: ends, bytes: content.count) else { return }
        sharedRequests.limitAnswer(block)
        let own = block.serviceStream
        var rest = content
        if own.pointee.held == nil {
            let count = min(content.count, roomOfClient(block))
            let isLast = ends && count == content.count
            if count > 0 || head.count > 0 || isLast {
                guard pass(client, block, content[..<count], isLast: isLast, head: head) else { return }
            }
            rest = content[count...]
        }
        if ends { own.pointee.hasEnded = true }
        guard rest.isEmpty || hold(block, rest) else { return course.reset(block) }
        // Nobody says when a client has room again that had some all the time.
        if own.pointee.held != nil, course.hasRoom(block), course.room(block) > 0 { resume(block, connection, client) }
    }

    /// Trailers have come, and the response is whole.
    func takeTrailers(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ stream: UInt32, _ trailers: ByteView) {
        guard let block = exchange(connection, client, stream, ends: true) else { return }
        guard trailers.count <= Limits.responseTrailerBytes else { return course.reset(block) }
        let own = block.serviceStream
        guard own.pointee.held != nil else {
            _ = pass(client, block, .empty, isLast: true, trailers: trailers)
            return
        }
        let end = own.pointee.heldEnd
        guard hold(block, trailers) else { return course.reset(block) }
        own.pointee.heldTrailers = trailers.count
        own.pointee.heldEnd = own.pointee.heldEnd - trailers.count
        assert(own.pointee.heldEnd <= end)
        own.pointee.hasEnded = true
    }

    /// Bytes of content that the client takes now; 0 if it has not taken what came before.
    private func roomOfClient(_ block: ExchangeRef) -> Int { course.hasRoom(block) ? min(course.room(block), Limits.receiveBytes) : 0 }

    /// Keeps bytes until the client takes them: no more than the stream's window, and the trailers. False without room for them.
    private func hold(_ block: ExchangeRef, _ bytes: ByteView) -> Bool {
        let own = block.serviceStream
        if own.pointee.held == nil {
            own.pointee.held = outputs.pointee.take()
            own.pointee.heldStart = 0
            own.pointee.heldEnd = 0
        }
        guard let memory = own.pointee.held?.assumingMemoryBound(to: UInt8.self) else { return false }
        if bytes.count > outputs.pointee.blockBytes - own.pointee.heldEnd {
            let count = own.pointee.heldCount
            memory.update(from: memory + own.pointee.heldStart, count: count)
            own.pointee.heldStart = 0
            own.pointee.heldEnd = count
        }
        guard bytes.count <= outputs.pointee.blockBytes - own.pointee.heldEnd else { return false }
        (memory + own.pointee.heldEnd).update(from: bytes.base, count: bytes.count)
        own.pointee.heldEnd += bytes.count
        return true
    }

    /// The client takes more: what is held for it goes on in the connection's turn.
    func resume(_ block: ExchangeRef, _ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        guard block.serviceStream.pointee.held != nil else { return }
        if !block.serviceStream.pointee.isResumed {
            block.serviceStream.pointee.isResumed = true
            client.pointee.resumed.append(block)
        }
        turn.enqueue(connection)
    }

    /// Passes on what is held, as far as the client takes it.
    func passHeld(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ block: ExchangeRef) {
        let own = block.serviceStream
        while let memory = own.pointee.held?.assumingMemoryBound(to: UInt8.self) {
            let room = roomOfClient(block)
            guard room > 0 || own.pointee.heldCount == 0 else { return }
            let count = min(room, own.pointee.heldCount)
            let content = ByteView(base: memory + own.pointee.heldStart, count: count)
            let isLast = own.pointee.hasEnded && count == own.pointee.heldCount
            own.pointee.heldStart += count
            let trailers = ByteView(base: memory + own.pointee.heldEnd, count: isLast ? own.pointee.heldTrailers : 0)
            guard pass(client, block, content, isLast: isLast, trailers: trailers) else { return }
            if own.pointee.heldCount == 0 { upstreams.sharing.dropHeld(block) }
        }
    }

    /// Passes content on to the client, from wherever it stands, behind the head if it has not gone. True if the exchange goes on.
    ///
    /// - Parameters:
    ///   - content: at most `Limits.receiveBytes`.
    ///   - trailers: of the whole response; empty if there are none. Not in the receive area.
    func pass(
        _ client: HTTP2ClientRef, _ block: ExchangeRef, _ content: ByteView, isLast: Bool, trailers: ByteView = .empty, head: HeadWriter? = nil
    ) -> Bool {
        var piece = ResponsePiece(content: content.count, consumed: content.count, state: isLast ? .ended : .more)
        if isLast, !trailers.isEmpty {
            var fields = FieldTable(slots: work.slots, capacity: Limits.responseFields)
            guard case .complete = TrailerSection.parse(trailers, slots: work.slots, capacity: Limits.responseFields, into: &fields) else {
                course.reset(block)
                return false
            }
            if fields.count > 0 {
                piece.hasTrailers = true
                piece.trailerFields = fields
                piece.trailers = trailers
            }
        }
        // HEAD has no content, though a pre-call that answers it was not asked with it.
        if block.pointee.run.responseFraming == .none { piece.content = 0 }
        // Out of the way of others' frames, with room around it.
        work.received.update(from: content.base, count: piece.content)
        let stream = block.pointee.run.upstreamStream
        guard course.passContent(block, work.received, piece, head: head ?? work.noHead) else {
            course.reset(block)
            return false
        }
        if !content.isEmpty { _ = upstreams.frames.gather(client, leaving: 0) { client.pointee.session.consumed(stream, content.count, &$0) } }
        guard isLast else { return true }
        finish(block)
        return false
    }

    // MARK: The end

    /// Whether the client has all of a response that its service has not ended: there is no content in one to HEAD, nor with some statuses.
    func hasAllOfResponse(_ block: ExchangeRef) -> Bool {
        block.pointee.run.response == .passing && block.pointee.run.responseFraming == .none
    }

    /// The response is whole, and so is what the client was sent of it.
    func finish(_ block: ExchangeRef) {
        upstreams.sharing.letGo(block)
        course.end(block)
    }
}
