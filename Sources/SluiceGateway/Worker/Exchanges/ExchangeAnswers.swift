import SluiceHTTP

/// The gateway's own answers: errors of the catalogue, configured responses, and what becomes of an exchange that cannot go on.
struct ExchangeAnswers: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let work: WorkArea
        let responseHeads: ClientResponseHeads
        let clientEnd: ClientEnd
        let responses: ResponseWriter
        let waiters: ExchangeWaiters
        let records: ExchangeRecords
        let upstreamEnd: UpstreamEnd
    }

    private let state: UnsafeMutablePointer<State>
    private var work: WorkArea { state.pointee.work }
    private var responseHeads: ClientResponseHeads { state.pointee.responseHeads }
    private var clientEnd: ClientEnd { state.pointee.clientEnd }
    private var responses: ResponseWriter { state.pointee.responses }
    private var waiters: ExchangeWaiters { state.pointee.waiters }
    private var records: ExchangeRecords { state.pointee.records }
    private var upstreamEnd: UpstreamEnd { state.pointee.upstreamEnd }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            work: parts.work, responseHeads: parts.responseHeads, clientEnd: owners.clientEnd, responses: owners.responseWriter,
            waiters: owners.waiters, records: owners.records, upstreamEnd: owners.upstreamEnd))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// Ends the exchange with an error if the response has not begun, else by a broken connection: the only way left to
    /// tell the client that what it has is not the whole.
    func fail(_ block: ExchangeRef, _ refusal: Refusal) {
        guard !block.pointee.run.isHeadSent else { return clientEnd.reset(block) }
        upstreamEnd.drop(block)
        waiters.endFlight(block, .failed)
        let isOwn = refusal.row == .requestTimeout || refusal.row == .badRequest || refusal.row == .bodyTooLarge
        if isOwn { block.pointee.run.keepsAlive = false }
        let isKept = isOwn || refusal.row == .ceilingExceeded
        answer(block, block.pointee.run.isPreCall && !isKept ? .preCallFailed : refusal)
    }

    /// Answers with an error of the catalogue.
    func answer(_ block: ExchangeRef, _ refusal: Refusal) {
        if let responses = block.pointee.exchange.domain?.pointee.responses { return answer(block, refusal, by: responses) }
        let text = responseHeads.refusals[ErrorPlace(of: refusal, in: block.pointee.exchange.domain, block.pointee.exchange.context, block.pointee.exchange)]
        begin(block, refusal, status: text.status)
        send(block, refusal, text)
    }

    /// Notes and counts an error that the exchange is answered with.
    @inline(__always)
    private func begin(_ block: ExchangeRef, _ refusal: Refusal, status: UInt16) {
        block.pointee.run.refusal = refusal.row
        block.pointee.run.tokenFault = refusal.tokenFault
        block.pointee.run.refusalDetail = refusal.detail
        block.pointee.run.status = status
        if refusal.row == .misdirected || refusal.row == .certificateRefused { sendElsewhere(block, refusal.row) }
        records.refused(refusal, block)
        clientEnd.dropBody(block)
    }

    /// Has the client come by another connection if that may do better. With HTTP/2 only if this one is of no more use to any domain that wants a
    /// certificate: 421 alone tells the client enough, and its other requests go on.
    @inline(never)
    private func sendElsewhere(_ block: ExchangeRef, _ row: Refusal.Row) {
        let now = block.pointee.exchange.context.pointee.wallSeconds
        let isOver = block.pointee.exchange.certificate?.pointee.isOver(at: now) ?? false
        if isOver || row == .misdirected { block.pointee.run.keepsAlive = false }
        if isOver { clientEnd.announceEnd(block) }
    }

    /// Sends an error as its domain's family tells of it.
    @inline(__always)
    private func send(_ block: ExchangeRef, _ refusal: Refusal, _ text: RefusalTexts.Text) {
        var writer = work.writer
        if isCall(block) {
            // The client reads the status of its call; what it is in HTTP is for logs and metrics.
            let isLate = block.streamRun.pointee.hasCallEnded
            responseHeads.writeCall(&writer, block, refusal, status: isLate ? GRPC.deadlineExceeded : GRPC.status(of: text.status))
            return deliver(block, writer, headCount: writer.count)
        }
        responseHeads.write(&writer, block, refusal, text)
        let headCount = writer.count
        if !isHead(block) {
            writer.write(text.bodyStart)
            writer.write(refusal.toldDetail(in: block.pointee.exchange.domain))
            writer.write(text.bodyEnd)
        }
        block.pointee.run.responseBodyBytes = UInt64(writer.count - headCount)
        deliver(block, writer, headCount: headCount)
    }

    @inline(__always)
    private func isCall(_ block: ExchangeRef) -> Bool { block.pointee.run.isHTTP2 && block.pointee.exchange.isGRPCCall }

    /// Answers with the domain's own response to an error, or as its family tells of it where it has none, or none that can be sent.
    @inline(never)
    private func answer(_ block: ExchangeRef, _ refusal: Refusal, by responses: UnsafePointer<OwnResponses>) {
        let place = ErrorPlace(of: refusal, in: block.pointee.exchange.domain, block.pointee.exchange.context, block.pointee.exchange)
        let text = responseHeads.refusals[place]
        begin(block, refusal, status: text.status)
        guard !isCall(block), let response = responses.pointee[place.responseType(of: refusal)],
            var composed = OwnResponseComposer(heads: responseHeads, work: work).compose(block, refusal, place, by: response),
            // 2xx would open the tunnel that was refused.
            !block.opensTunnel(composed.status)
        else { return send(block, refusal, text) }
        // What the client does not take at once has to last.
        if composed.stored == nil, !isHead(block), composed.body.count > self.responses.storedBytesMax(block) {
            composed.stored = block.keep(composed.body)
            if composed.stored == nil { return send(block, refusal, text) }
        }
        block.pointee.run.status = composed.status
        finish(block, &composed.head, composed.body, stored: composed.stored)
    }

    /// Answers with a configured response.
    func answer(_ block: ExchangeRef, _ response: UnsafePointer<StoredResponse>) {
        if block.opensTunnel(response.pointee.status) { return answer(block, .upstreamFailed("upgrade not accepted")) }
        block.pointee.run.status = response.pointee.status
        clientEnd.dropBody(block)
        var writer = work.writer
        responseHeads.write(&writer, block, response)
        finish(block, &writer, response.pointee.body, stored: response)
    }

    /// Sends a composed head and the body behind it, of which a long one follows piece by piece from where it is stored.
    @inline(__always)
    private func finish(_ block: ExchangeRef, _ writer: inout HeadWriter, _ body: ByteView, stored: UnsafePointer<StoredResponse>?) {
        let headCount = writer.count
        guard !isHead(block) else { return deliver(block, writer, headCount: headCount) }
        if let stored, body.count > min(responses.storedBytesMax(block), writer.room) {
            block.pointee.run.responseRemaining = UInt64(body.count)
            block.pointee.run.stored = stored
            block.pointee.run.beginOwn()
            guard writer.isComplete, responses.sendHead(block, writer) else { return clientEnd.reset(block) }
            return continueStoredBody(block)
        }
        block.pointee.run.responseBodyBytes = UInt64(body.count)
        writer.write(body)
        deliver(block, writer, headCount: headCount)
    }

    private func isHead(_ block: ExchangeRef) -> Bool { block.pointee.exchange.head.method == .head }

    /// Sends a whole response that was composed.
    @inline(__always)
    private func deliver(_ block: ExchangeRef, _ writer: HeadWriter, headCount: Int) {
        block.pointee.run.beginOwn()
        guard writer.isComplete, responses.sendWhole(block, writer, headCount: headCount) else { return clientEnd.reset(block) }
        clientEnd.end(block)
    }

    /// The client has taken all that it was sent: the response goes on, whoever it comes from.
    func clientHasTakenAll(_ block: ExchangeRef) {
        if block.pointee.run.upstream != nil {
            upstreamEnd.resume(block)
        } else if block.pointee.run.isHeadSent {
            continueStoredBody(block)
        }
    }

    /// Sends more of a configured body that is too long to be copied behind its head, from where it stands in the snapshot and as far as
    /// the client takes it, and ends the response with it.
    private func continueStoredBody(_ block: ExchangeRef) {
        let body = storedBody(of: block)
        while block.pointee.run.responseRemaining > 0, block.pointee.run.responseRemaining <= UInt64(body.count) {
            guard clientEnd.hasRoom(block) else { return }
            let rest = body[(body.count - Int(block.pointee.run.responseRemaining))...]
            let count = min(rest.count, Limits.storedPieceBytes, responses.room(block))
            block.pointee.run.responseRemaining -= UInt64(count)
            block.pointee.run.responseBodyBytes += UInt64(count)
            let isLast = block.pointee.run.responseRemaining == 0
            guard responses.sendStored(block, rest[..<count], isLast: isLast) else { return clientEnd.reset(block) }
        }
        clientEnd.end(block)
    }

    /// The body of the configured response that goes out piece by piece; empty where none does.
    private func storedBody(of block: ExchangeRef) -> ByteView {
        block.pointee.run.stored?.pointee.body ?? .empty
    }
}
