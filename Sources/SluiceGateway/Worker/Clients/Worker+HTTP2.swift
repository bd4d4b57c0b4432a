import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

// A client's connection that speaks HTTP/2: what its frames mean for the exchanges that are under way on it. Each exchange lives in a block of its own
// and goes through the same chain as one of HTTP/1.1; nothing here decides about a request.

extension Worker {
    // MARK: Which protocol

    /// Looks at the first bytes of a connection that may begin as HTTP/2 does (RFC 9113, 3.3). They stay in the socket.
    func readPreface(_ connection: ClientRef) {
        guard connection.pointee.socket.mayRead else { return }
        switch Socket.peek(connection.pointee.socket.descriptor, into: receiveArea, capacity: Limits.prefaceBytes) {
        case .bytes(let count):
            switch HTTP2Session.isPreface(ByteView(base: receiveArea, count: count)) {
            case true?: beginMultiplexing(connection)
            case false?:
                connection.pointee.state = .idle
                readRequest(connection)
            // The next bytes are reported.
            case nil:
                guard !connection.pointee.socket.isPeerClosed else { return close(connection) }
                connection.pointee.socket.mayRead = false
                // From its first byte on, however many pieces it comes in.
                turn.set(connection.deadline, at: min(connection.deadline.pointee.at, turn.now + limits.headTimeout))
            }
        case .wouldBlock: connection.pointee.socket.mayRead = false
        case .ended, .failed: close(connection)
        }
    }

    /// The connection speaks HTTP/2 from here on.
    func beginMultiplexing(_ connection: ClientRef) {
        guard http2.begin(connection) else { return close(connection) }
        // The preface may have come with the handshake's last message.
        connection.pointee.socket.mayRead = true
        turn.limit(connection, to: limits.headTimeout)
        if isDraining { announceEnd(connection) }
        goOn(connection)
    }

    // MARK: Reading

    /// The connection has its turn: it is readable, or something waits for it.
    func goOn(_ connection: ClientRef) {
        guard !connection.http2.pointee.isBroken else { return abort(connection) }
        if connection.http2.pointee.hasWaitingBodies { forwardWaitingBodies(connection) }
        let generation = connection.pointee.generation
        if let kept = http2.takeKept(connection) {
            guard takeFrames(connection, kept) else { return }
        }
        var reads = 0
        while connection.pointee.generation == generation, connection.pointee.state == .multiplexing, connection.pointee.socket.mayRead,
            connection.http2.pointee.unread.isEmpty
        {
            guard reads < Limits.readsPerTurn else { return turn.enqueue(connection) }
            reads += 1
            switch connection.pointee.socket.receive(into: http2.input, capacity: Limits.frameBytes) {
            case .bytes(let count):
                traffic.pointee.downstreamBytesReceived &+= UInt64(count)
                guard takeFrames(connection, ByteView(base: http2.input, count: count)) else { return }
            case .wouldBlock: break
            case .ended, .failed: return abort(connection)
            }
        }
        guard connection.pointee.generation == generation, connection.pointee.state == .multiplexing else { return }
        if connection.http2.pointee.ending == .last, connection.http2.pointee.session.openStreams == 0 { finish(connection) }
    }

    /// Reads frames. False if the connection does not read on.
    private func takeFrames(_ connection: ClientRef, _ bytes: ByteView) -> Bool {
        let generation = connection.pointee.generation
        var frames = HTTP2Input(bytes)
        var begun = 0
        while true {
            switch http2.next(connection, &frames) {
            case .needMore:
                http2.finishReading(connection)
                noteHead(connection)
                return true
            case .full:
                if http2.flush(connection) {
                    http2.noteSent(connection)
                    continue
                }
                // Read on when the client has taken what waits for it.
                if !http2.keep(frames, connection) { abort(connection) }
                return false
            case .request(let block):
                noteHeadEnd(connection)
                begin(connection, block)
                begun += 1
            case .refused(let block, let refusal):
                noteHeadEnd(connection)
                noteBegun(connection, block)
                answer(block, refusal)
            case .bodyRefused(let block, let refusal):
                noteHeadEnd(connection)
                fail(block, refusal)
            case .content(let block):
                noteHeadEnd(connection)
                forwardStreamBody(block)
            case .tunnelled(let block): tunnelFromStream(block)
            case .reset(let block): abortStream(block, .cancel)
            case .room(let block): continueResponse(block)
            case .roomForAll: if connection.http2.pointee.waiting > 0 { continueResponses(connection) }
            case .announced: endAfterLast(connection)
            case .nothing: break
            case .failed(let reason):
                remarks?.leave(.init(reason: reason, client: connection.pointee.peer))
                finish(connection)
                return false
            case .noMemory:
                abort(connection)
                return false
            }
            guard connection.pointee.generation == generation, connection.pointee.state == .multiplexing else { return false }
            // The other connections have their turn before it goes on with what has come.
            guard begun < Limits.requestsPerTurn else {
                http2.finishReading(connection)
                if http2.keep(frames, connection) { turn.enqueue(connection) } else { abort(connection) }
                return false
            }
        }
    }

    /// A head that has begun has one time, however many frames it comes in.
    private func noteHead(_ connection: ClientRef) {
        if !connection.http2.pointee.hasBegun, connection.http2.pointee.session.hasBegun {
            connection.http2.pointee.hasBegun = true
            setDeadline(connection)
        }
        let isReading = connection.http2.pointee.session.isInBlock
        guard isReading != connection.http2.pointee.isReadingHead else { return }
        connection.http2.pointee.isReadingHead = isReading
        if isReading { turn.limit(connection, to: limits.headTimeout) } else { setDeadline(connection) }
    }

    /// A head has ended: one that begins behind it has a time of its own.
    private func noteHeadEnd(_ connection: ClientRef) {
        guard connection.http2.pointee.isReadingHead else { return }
        connection.http2.pointee.isReadingHead = false
        setDeadline(connection)
    }

    // MARK: Requests

    /// A request's head is whole.
    private func begin(_ connection: ClientRef, _ block: ExchangeRef) {
        noteBegun(connection, block)
        block.pointee.inputUsed = block.pointee.exchange.head.length
        block.pointee.run.begin(block.pointee.exchange.head.framing, at: context.pointee.monotonicNanoseconds)
        if !block.streamRun.pointee.hasRequestEnded, block.pointee.run.requestFraming == .none, !block.streamRun.pointee.isForTunnel {
            block.pointee.run.requestFraming = .untilClose
            block.pointee.run.requestBody = .receiving
        }
        if block.pointee.exchange.isGRPCCall, let milliseconds = block.pointee.exchange.grpcTimeout {
            block.streamRun.pointee.callUntil = turn.now + milliseconds
            http2.setDeadline(block)
        }
        if limits.requestsPerConnectionMax > 0, connection.pointee.requests >= limits.requestsPerConnectionMax { announceEnd(connection) }
        decide(block)
    }

    /// What holds for every exchange that has begun, whatever becomes of it.
    private func noteBegun(_ connection: ClientRef, _ block: ExchangeRef) {
        connection.pointee.requests &+= 1
        block.pointee.run.startedAt = context.pointee.monotonicNanoseconds
        if limits.totalTimeout > 0 { block.streamRun.pointee.totalUntil = turn.now + limits.totalTimeout }
        http2.setDeadline(block)
        if connection.http2.pointee.session.openStreams == 1 { setDeadline(connection) }
    }

    // MARK: Bodies

    /// The service was sent all that had come of the body: what has left the block is credited, and the client has its time for more.
    func noteBodyTaken(_ block: ExchangeRef) {
        http2.creditBody(block)
        let stream = block.streamRun
        if !block.pointee.run.isReceivingRequest {
            stream.pointee.bodyUntil = Deadline.never
        } else if !serviceHasRoom(block) {
            // What the service does not take is no time of the client's.
            stream.pointee.bodyUntil = Deadline.never
            block.pointee.run.bodySpanAt = 0
        } else if block.pointee.run.isHeadSent || block.pointee.exchange.isGRPCCall {
            // Where both directions are open for long, as gRPC's streams are, silence is no fault of the client's.
            stream.pointee.bodyUntil = turn.now + limits.tunnelTimeout
        } else if sendsBodyFastEnough(block) {
            stream.pointee.bodyUntil = turn.now + limits.bodyTimeout
        } else {
            return fail(block, .requestTimeout)
        }
        http2.setDeadline(block)
    }

    /// Sends on what has come of a request's body, if the service takes it.
    private func forwardStreamBody(_ block: ExchangeRef) {
        if block.streamRun.pointee.isTunnel { return tunnelFromStream(block) }
        guard block.pointee.run.isReceivingRequest, serviceTakesBody(block), serviceHasRoom(block) else { return }
        if block.pointee.inputCount > block.pointee.inputUsed || block.streamRun.pointee.hasRequestEnded {
            guard forwardBody(block) else { return }
        }
        noteBodyTaken(block)
    }

    /// Services have taken what they were sent: they get more.
    private func forwardWaitingBodies(_ connection: ClientRef) {
        connection.http2.pointee.hasWaitingBodies = false
        var place = 0
        while let block = http2.nextExchange(&place, on: connection) { forwardStreamBody(block) }
    }

    // MARK: Tunnels

    /// Passes on what the client has sent through a tunnel, if the service takes it.
    func tunnelFromStream(_ block: ExchangeRef) {
        let stream = block.streamRun
        guard stream.pointee.isTunnel, serviceHasRoom(block) else { return }
        noteTunnelled(block)
        let count = block.pointee.inputCount - block.pointee.inputUsed
        if count > 0 {
            let start = block.pointee.exchange.bytes + block.pointee.inputUsed
            block.pointee.inputUsed = block.pointee.inputCount
            block.pointee.run.requestBodyBytes += UInt64(count)
            guard sendThroughTunnel(block, start, count) else { return endTunnel(block) }
            http2.creditBody(block)
        }
        guard stream.pointee.hasRequestEnded, !stream.pointee.hasToldEnd else { return }
        stream.pointee.hasToldEnd = true
        if endServiceStream(block) { endStreamResponse(block) }
    }

    /// The service has ended its direction of a tunnel.
    func endTunnelResponse(_ block: ExchangeRef) {
        guard http2.sendContent(block, receiveArea, 0, ends: true) else { return endTunnel(block) }
        if block.streamRun.pointee.hasToldEnd { endStreamResponse(block) }
    }

    // MARK: Responses

    /// The last byte of a response was handed over.
    func endStreamResponse(_ block: ExchangeRef) {
        guard block.streamRun.pointee.content.isEmpty, block.streamRun.pointee.trailers.isEmpty else {
            return block.streamRun.pointee.isHandedOver = true
        }
        record(block, aborted: false)
        // A client that is still sending is told that it need not (RFC 9113, 8.1).
        leaveStream(block, .noError)
    }

    /// The client takes more of the response.
    private func continueResponse(_ block: ExchangeRef) {
        guard block.streamRun.pointee.isWaiting else { return }
        http2.endWait(block)
        guard http2.continueContent(block) else { return resetClient(block) }
        guard block.streamRun.pointee.content.isEmpty else { return http2.wait(block) }
        if block.streamRun.pointee.isHandedOver { endStreamResponse(block) } else { clientHasTakenAll(block) }
    }

    private func continueResponses(_ connection: ClientRef) {
        var place = 0
        while let block = http2.nextExchange(&place, on: connection) { continueResponse(block) }
    }

    // MARK: Sending

    /// Sends what connections have gathered in this turn.
    @inline(never)
    func sendGathered() {
        while let entry = turn.nextSending() {
            let connection = entry.place.assumingMemoryBound(to: ClientConnection.self)
            guard connection.pointee.generation == entry.generation, connection.pointee.http2 != nil else { continue }
            connection.http2.pointee.isGathered = false
            if connection.pointee.state == .multiplexing { sendFrames(connection) }
        }
    }

    /// Sends what waits for the client, as far as its socket takes it; with the last byte everything goes on that has waited for it.
    func sendFrames(_ connection: ClientRef) {
        guard http2.flush(connection) else { return }
        let wasBlocked = connection.http2.pointee.isBlocked
        connection.http2.pointee.isBlocked = false
        http2.noteSent(connection)
        guard wasBlocked else { return }
        setDeadline(connection)
        if connection.http2.pointee.waiting > 0 { continueResponses(connection) }
        turn.enqueue(connection)
    }

    // MARK: Deadlines

    /// Sets the time that the connection itself has; exchanges have their own.
    private func setDeadline(_ connection: ClientRef) {
        let http2 = connection.http2
        // What is sent has its time already, and so has a head.
        guard !http2.pointee.isBlocked, !http2.pointee.isReadingHead, http2.pointee.hasBegun else { return }
        if http2.pointee.ending == .announced {
            // One time from the announcement on, whatever is asked meanwhile.
            turn.limit(connection, to: max(1, http2.pointee.announcedUntil - min(http2.pointee.announcedUntil, turn.now)))
        } else {
            turn.limit(connection, to: http2.pointee.session.openStreams == 0 ? idleTimeout : 0)
        }
    }

    /// The connection's own time is over.
    func multiplexedExpired(_ connection: ClientRef) {
        if connection.http2.pointee.isBlocked, !connection.pointee.output.isEmpty { return abort(connection) }
        if connection.http2.pointee.ending == .announced, !connection.http2.pointee.isReadingHead {
            endAfterLast(connection)
            return turn.enqueue(connection)
        }
        // It is idle, or a head does not end.
        http2.endAfterLast(connection)
        finish(connection)
    }

    /// An exchange's time is over.
    func streamExpired(_ block: ExchangeRef) {
        let stream = block.streamRun
        if stream.pointee.totalUntil <= turn.now {
            traffic.pointee.totalTimeouts &+= 1
            let isReceiving = block.pointee.run.isReceivingRequest && serviceTakesBody(block)
            return fail(block, isReceiving ? .requestTimeout : .upstreamTimeout("total time exceeded"))
        }
        if stream.pointee.callUntil <= turn.now {
            stream.pointee.hasCallEnded = true
            return fail(block, .upstreamTimeout("deadline of the call"))
        }
        if stream.pointee.takingUntil <= turn.now {
            let taken = stream.pointee.framedBytes - stream.pointee.takingBytes
            if taken == 0 || taken * 1000 < limits.rateMin * limits.writeTimeout { return abortStream(block, .cancel) }
            stream.pointee.takingUntil = turn.now + limits.writeTimeout
            stream.pointee.takingBytes = stream.pointee.framedBytes
        }
        if stream.pointee.bodyUntil <= turn.now {
            if stream.pointee.isTunnel { return endTunnel(block) }
            let isWaitedFor = block.pointee.run.isReceivingRequest && serviceTakesBody(block) && serviceHasRoom(block)
            // What services do not take of other streams may have shut the connection's window.
            let mayComeOn = !block.pointee.run.client.http2.pointee.session.isReceiveWindowShut
            if isWaitedFor, mayComeOn { return fail(block, .requestTimeout) }
            stream.pointee.bodyUntil = isWaitedFor ? turn.now + limits.bodyTimeout : Deadline.never
            block.pointee.run.bodySpanAt = 0
        }
        http2.setDeadline(block)
    }

    // MARK: Ending

    /// Ends an exchange without the whole of a response.
    func abortStream(_ block: ExchangeRef, _ code: HTTP2ErrorCode) {
        record(block, aborted: true)
        leaveStream(block, code)
    }

    /// A tunnel ends as a broken connection would (RFC 8441, 5).
    func dropTunnel(_ block: ExchangeRef) {
        record(block, aborted: false)
        leaveStream(block, .cancel)
    }

    /// The exchange is over: nothing of it is held any more.
    private func leaveStream(_ block: ExchangeRef, _ code: HTTP2ErrorCode) {
        let connection = block.pointee.run.client
        dropService(block)
        leaveExchange(block)
        http2.release(block, code)
        exchangeBlocks.giveBack(block)
        guard connection.http2.pointee.session.openStreams == 0, connection.pointee.state == .multiplexing else { return }
        setDeadline(connection)
        if connection.http2.pointee.ending == .last { turn.enqueue(connection) }
    }

    /// Asks the client to send no more requests on this connection, and serves those that come meanwhile.
    func announceEnd(_ connection: ClientRef) {
        guard connection.http2.pointee.ending == .none else { return }
        http2.announceEnd(connection)
        connection.http2.pointee.announcedUntil = turn.now + Limits.announcementMilliseconds
        setDeadline(connection)
    }

    private func endAfterLast(_ connection: ClientRef) {
        http2.endAfterLast(connection)
        setDeadline(connection)
        if connection.http2.pointee.session.openStreams == 0 { turn.enqueue(connection) }
    }

    /// The connection is over: what was written is sent, and nothing more is read.
    private func finish(_ connection: ClientRef) {
        abandonStreams(connection)
        if http2.flush(connection) { return closeInOrder(connection) }
        guard !connection.http2.pointee.isBroken else { return close(connection) }
        connection.pointee.state = .flushing
    }

    /// Ends every exchange of the connection, each without the whole of its response.
    private func abandonStreams(_ connection: ClientRef) {
        var place = 0
        while let block = http2.nextExchange(&place, on: connection) { abortStream(block, .cancel) }
    }

    /// The connection closes.
    func endStreams(_ connection: ClientRef) {
        abandonStreams(connection)
        http2.end(connection)
    }
}
