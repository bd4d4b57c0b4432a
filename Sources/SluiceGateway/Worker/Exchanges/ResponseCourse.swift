import SluiceHTTP

/// What services' side tells an exchange: all that it knows of exchanges, and of the clients that they came from nothing.
struct ResponseCourse: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let context: UnsafeMutablePointer<EvaluationContext>
        let work: WorkArea
        let clients: ClientConnections
        let responseHeads: ClientResponseHeads
        let clientEnd: ClientEnd
        let responses: ResponseWriter
        let chain: ExchangeChain
        let answers: ExchangeAnswers
        let waiters: ExchangeWaiters
    }

    private let state: UnsafeMutablePointer<State>
    private var context: UnsafeMutablePointer<EvaluationContext> { state.pointee.context }
    private var work: WorkArea { state.pointee.work }
    private var clients: ClientConnections { state.pointee.clients }
    private var responseHeads: ClientResponseHeads { state.pointee.responseHeads }
    private var clientEnd: ClientEnd { state.pointee.clientEnd }
    private var responses: ResponseWriter { state.pointee.responses }
    private var chain: ExchangeChain { state.pointee.chain }
    private var answers: ExchangeAnswers { state.pointee.answers }
    private var waiters: ExchangeWaiters { state.pointee.waiters }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            context: parts.context, work: parts.work, clients: parts.clients, responseHeads: parts.responseHeads, clientEnd: owners.clientEnd,
            responses: owners.responseWriter, chain: owners.chain, answers: owners.answers, waiters: owners.waiters))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    // MARK: Heads

    /// What became of an interim response.
    enum Passed {
        /// It has gone, or the client would not know what to do with it.
        case passed
        /// No service needs to send so many.
        case tooMany
        /// The exchange is over.
        case broken
    }

    /// An interim response (RFC 9110, 15.2): passed on to a client that knows them.
    func passInterim(
        _ block: ExchangeRef, _ head: ResponseHead, _ bytes: ByteView
    ) -> Passed {
        block.pointee.run.interimCount += 1
        guard block.pointee.run.interimCount <= Limits.interimResponses else {
            return .tooMany
        }
        guard block.pointee.exchange.head.minorVersion == 1, !block.pointee.run.isPreCall else { return .passed }
        var writer = work.writer
        responseHeads.write(&writer, block, .interim, head, bytes)
        guard writer.isComplete, responses.sendInterim(block, writer) else {
            clientEnd.reset(block)
            return .broken
        }
        return .passed
    }

    /// A pre-call API has answered. True if it lets the request pass, which then goes on by `goOn`; else the answer is the client's.
    func takeAnswer(_ block: ExchangeRef, _ status: UInt16) -> Bool {
        guard let call = block.pointee.run.call, call.pointee.allows(status) else {
            waiters.endFlight(block, .refused)
            return false
        }
        call.pointee.remember(block.pointee.exchange)
        waiters.endFlight(block, .passed)
        return true
    }

    /// The chain goes on behind the pre-call.
    func goOn(_ block: ExchangeRef) { chain.goOn(block, at: .nextStep) }

    /// Takes over what the final head says, and writes the one that the client gets. Nil if the exchange has failed. A head that is too
    /// large is not complete: the caller rejects it.
    @inline(__always)
    func compose(_ block: ExchangeRef, _ head: ResponseHead, _ bytes: ByteView) -> HeadWriter? {
        guard !block.opensTunnel(head.status) else {
            answers.fail(block, .upstreamFailed("upgrade not accepted"))
            return nil
        }
        let run = block.run
        run.pointee.noteHead(at: context.pointee.monotonicNanoseconds)
        run.pointee.takeResponse(head, clientKnowsChunks: block.pointee.exchange.head.minorVersion == 1)
        // A body that a pre-call's answer makes useless costs nothing if it has come already. Not a chunked one: its trailers would be
        // read into the slots of this response's fields.
        if run.pointee.isPreCall, run.pointee.requestFraming != .chunked { clientEnd.dropBody(block) }
        // The service has answered before it had the whole request: what is left of it cannot be told from the next.
        if run.pointee.requestBody != .complete || clients.isDraining { run.pointee.keepsAlive = false }

        // No more than there is room for in front of the body: see `passBody`.
        var writer = HeadWriter(work.compose, capacity: Limits.receiveHeadroom - ChunkedEncoder.sizeLineBytesMax)
        responseHeads.write(&writer, block, run.pointee.isPreCall ? .preCall : .service, head, bytes)
        if run.pointee.isPreCall, block.pointee.exchange.head.method == .head {
            // The service was not asked with HEAD, but the client's answer ends with its head.
            run.pointee.responseFraming = .none
        }
        return writer
    }

    /// No response comes, or none that may be passed on: see `ExchangeAnswers.fail`.
    func fail(_ block: ExchangeRef, _ refusal: Refusal) { answers.fail(block, refusal) }

    // MARK: Content

    /// Bytes of a response, its framing included, that may be passed on at the moment; 0 if they have to wait until the exchange resumes its service.
    @inline(__always)
    func room(_ block: ExchangeRef) -> Int { responses.room(block) }

    /// Whether all that was passed on has been taken: only then is more of the response read.
    @inline(__always)
    func hasRoom(_ block: ExchangeRef) -> Bool { clientEnd.hasRoom(block) }

    /// Passes content on: see `ResponseWriter.passContent`.
    @inline(__always)
    func passContent(_ block: ExchangeRef, _ start: UnsafeMutablePointer<UInt8>, _ piece: ResponsePiece, head: HeadWriter) -> Bool {
        responses.passContent(block, start, piece, head: head)
    }

    /// The content has ended, as the end of the service's connection says. False if the client's side is broken.
    func endContent(_ block: ExchangeRef) -> Bool { responses.endContent(block) }

    /// All of the response was passed on.
    @inline(__always)
    func end(_ block: ExchangeRef) { clientEnd.end(block) }

    /// The rest of the response does not come.
    func reset(_ block: ExchangeRef) { clientEnd.reset(block) }

    // MARK: The request's body

    /// The request's head was sent: the rest of its body is asked for.
    func askForBody(_ block: ExchangeRef) { clientEnd.askForBody(block) }

    /// The service has taken all of the body that it was sent: more is asked for.
    func serviceHasTakenAll(_ block: ExchangeRef) { clientEnd.serviceHasTakenAll(block) }

    // MARK: Tunnels

    /// The service accepts the client's upgrade: passes its head on, and what has come behind it. False if the exchange is over.
    func upgrade(_ block: ExchangeRef, _ head: ResponseHead, _ bytes: ByteView) -> Bool {
        var writer = work.writer
        responseHeads.write(&writer, block, .upgrade, head, bytes)
        guard writer.isComplete else {
            answers.fail(block, .upstreamFailed("response head too large"))
            return false
        }
        block.pointee.run.noteTunnel(at: context.pointee.monotonicNanoseconds)
        let rest = bytes[head.length...]
        block.pointee.run.responseBodyBytes += UInt64(rest.count)
        guard responses.sendHead(block, writer), rest.isEmpty || responses.sendTunnelled(block, rest.base, rest.count) else {
            clientEnd.reset(block)
            return false
        }
        return true
    }

    /// Both connections are one tunnel from here on. What the client has sent behind its request belongs to it.
    func beginTunnel(_ block: ExchangeRef) {
        clientEnd.beginTunnel(block)
        clientEnd.continueTunnel(block)
    }

    /// Passes on bytes of a tunnel. False if its other end is broken.
    func sendTunnelled(_ block: ExchangeRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        clientEnd.noteTunnelled(block)
        return responses.sendTunnelled(block, bytes, count)
    }

    /// The service has ended its direction of a tunnel.
    func endStream(_ block: ExchangeRef) { clientEnd.endStream(block) }

    /// A tunnel is broken: both connections end.
    func endTunnel(_ block: ExchangeRef) { clientEnd.endTunnel(block) }
}
