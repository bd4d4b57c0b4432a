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
        switch Socket.peek(connection.pointee.socket.descriptor, into: work.received, capacity: Limits.prefaceBytes) {
        case .bytes(let count):
            switch HTTP2Session.isPreface(ByteView(base: work.received, count: count)) {
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
        connection.http2.pointee.headUntil = turn.now + limits.headTimeout
        http2.setDeadline(connection)
        if clients.isDraining { announceEnd(connection) }
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
        guard connection.http2.pointee.session.openStreams == 0 else { return }
        if isAtItsEnd(connection) { finish(connection) } else { noteIdle(connection) }
    }

    /// Whether the connection ends when no stream is open: no request is served any more, or the client has said that it goes.
    private func isAtItsEnd(_ connection: ClientRef) -> Bool {
        connection.http2.pointee.ending == .last || connection.http2.pointee.session.hasGoAway
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
                // Once for all frames of a stream that came together: whoever cuts a body into single bytes makes no single sends of it.
                forwardWaitingBodies(connection)
                return true
            case .full:
                if http2.flush(connection) {
                    http2.noteSent(connection)
                    continue
                }
                // Read on when the client has taken what waits for it.
                guard http2.keep(frames, connection) else {
                    abort(connection)
                    return false
                }
                forwardWaitingBodies(connection)
                return false
            case .request(let block):
                noteHeadEnd(connection)
                begin(connection, block)
                begun += 1
            case .refused(let block, let refusal):
                noteHeadEnd(connection)
                noteBegun(connection, block)
                begun += 1
                answer(block, refusal)
            case .bodyRefused(let block, let refusal):
                noteHeadEnd(connection)
                fail(block, refusal)
            case .content(let block), .tunnelled(let block):
                noteHeadEnd(connection)
                noteNews(block)
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
                noteHead(connection)
                guard http2.keep(frames, connection) else {
                    abort(connection)
                    return false
                }
                forwardWaitingBodies(connection)
                turn.enqueue(connection)
                return false
            }
        }
    }

    /// A head that has begun has one time, however many frames it comes in; and so have the client's first frames.
    private func noteHead(_ connection: ClientRef) {
        let isReading = connection.http2.pointee.session.isInBlock || !connection.http2.pointee.session.hasBegun
        guard isReading != (connection.http2.pointee.headUntil != Deadline.never) else { return }
        connection.http2.pointee.headUntil = isReading ? turn.now + limits.headTimeout : Deadline.never
        http2.setDeadline(connection)
    }

    /// A head has ended: one that begins behind it has a time of its own.
    private func noteHeadEnd(_ connection: ClientRef) {
        guard connection.http2.pointee.headUntil != Deadline.never else { return }
        connection.http2.pointee.headUntil = Deadline.never
        http2.setDeadline(connection)
    }

    /// No request is under way: the connection has its time for the next one.
    private func noteIdle(_ connection: ClientRef) {
        guard connection.http2.pointee.session.hasBegun, connection.http2.pointee.idleUntil == Deadline.never else { return }
        connection.http2.pointee.idleUntil = turn.now + clients.idleTimeout
        connection.http2.pointee.trimUntil = turn.now + Limits.http2TrimMilliseconds
        http2.setDeadline(connection)
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
            block.pointee.exchange.head.announceBody(in: block.pointee.exchange.headBytes)
        }
        if block.pointee.exchange.isGRPCCall, let milliseconds = block.pointee.exchange.grpcTimeout {
            block.streamRun.pointee.callUntil = turn.now + milliseconds
            http2.setDeadline(block)
        }
        decide(block)
    }

    /// What holds for every exchange that has begun, whatever becomes of it.
    private func noteBegun(_ connection: ClientRef, _ block: ExchangeRef) {
        connection.pointee.requests &+= 1
        block.pointee.run.startedAt = context.pointee.monotonicNanoseconds
        if limits.totalTimeout > 0 { block.streamRun.pointee.totalUntil = turn.now + limits.totalTimeout }
        http2.setDeadline(block)
        // The deadline that was set for an idle connection is looked at when it comes.
        connection.http2.pointee.idleUntil = Deadline.never
        connection.http2.pointee.trimUntil = Deadline.never
        if limits.requestsPerConnectionMax > 0, connection.pointee.requests >= limits.requestsPerConnectionMax { announceEnd(connection) }
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
        } else if requestBodies.keepsPace(block) {
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

    /// Some of the exchange's body has come, or its service takes more of it: it goes on when the frames at hand are read.
    func noteNews(_ block: ExchangeRef) {
        block.streamRun.pointee.hasNews = true
        block.pointee.run.client.http2.pointee.hasWaitingBodies = true
    }

    /// Bodies of which there are news go on.
    private func forwardWaitingBodies(_ connection: ClientRef) {
        guard connection.http2.pointee.hasWaitingBodies else { return }
        connection.http2.pointee.hasWaitingBodies = false
        var place = 0
        while let block = http2.nextExchange(&place, on: connection) {
            guard block.streamRun.pointee.hasNews else { continue }
            block.streamRun.pointee.hasNews = false
            forwardStreamBody(block)
        }
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
        // Behind all that the service has not taken yet.
        guard stream.pointee.hasRequestEnded, !stream.pointee.hasToldEnd, serviceHasRoom(block) else { return }
        stream.pointee.hasToldEnd = true
        if endServiceStream(block) { endStreamResponse(block) }
    }

    /// Whether a response of this status, which is none to an upgrade, would tell the client that its tunnel is open (RFC 8441, 5).
    @inline(__always)
    func opensTunnel(_ block: ExchangeRef, _ status: UInt16) -> Bool {
        block.pointee.run.isHTTP2 && block.streamRun.pointee.isForTunnel && status / 100 == 2
    }

    /// The service has ended its direction of a tunnel.
    func endTunnelResponse(_ block: ExchangeRef) {
        // The loop reports the end of a stream again and again.
        guard !block.streamRun.pointee.hasEnded else { return }
        block.streamRun.pointee.hasEnded = true
        guard http2.sendContent(block, work.received, 0, ends: true) else { return endTunnel(block) }
        if block.streamRun.pointee.hasToldEnd { endStreamResponse(block) }
    }

    // MARK: Responses

    /// The last byte of a response was handed over.
    func endStreamResponse(_ block: ExchangeRef) {
        guard block.streamRun.pointee.content.isEmpty, block.streamRun.pointee.trailers.isEmpty else {
            block.streamRun.pointee.isHandedOver = true
            // Nobody wants the rest of the request.
            if block.pointee.run.isReceivingRequest { block.pointee.run.requestBody = .dropping }
            return http2.creditBody(block)
        }
        record(block, aborted: false)
        // A client that is still sending is told that it need not (RFC 9113, 8.1).
        leaveStream(block, .noError)
    }

    /// The client takes more of the response.
    private func continueResponse(_ block: ExchangeRef, isForced: Bool = false) {
        guard block.streamRun.pointee.isWaiting else { return }
        http2.endWait(block)
        guard http2.continueContent(block, isForced: isForced) else { return resetClient(block) }
        guard block.streamRun.pointee.content.isEmpty else { return http2.wait(block) }
        if block.streamRun.pointee.isHandedOver { endStreamResponse(block) } else { clientHasTakenAll(block) }
    }

    /// The first is another one each time: what there is room for may not be enough for all.
    private func continueResponses(_ connection: ClientRef) {
        let first = connection.http2.pointee.resumePlace
        var place = first
        if let block = http2.nextExchange(&place, on: connection) { continueResponse(block) }
        connection.http2.pointee.resumePlace = place
        while let block = http2.nextExchange(&place, on: connection) { continueResponse(block) }
        place = 0
        while place < first, let block = http2.nextExchange(&place, on: connection) { continueResponse(block) }
        // None was there: from the front again.
        if connection.http2.pointee.resumePlace == first { connection.http2.pointee.resumePlace = 0 }
    }

    /// The response has begun: where both directions are open, silence of the client is none of its faults any more.
    func noteResponseBegun(_ block: ExchangeRef) {
        guard block.streamRun.pointee.bodyUntil != Deadline.never else { return }
        block.streamRun.pointee.bodyUntil = turn.now + limits.tunnelTimeout
        http2.setDeadline(block)
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
        connection.http2.pointee.blockedUntil = Deadline.never
        http2.setDeadline(connection)
        if connection.http2.pointee.waiting > 0 { continueResponses(connection) }
        turn.enqueue(connection)
    }

    // MARK: Deadlines

    /// The connection's own time is over.
    func multiplexedExpired(_ connection: ClientRef) {
        let state = connection.http2
        let now = turn.now
        if state.pointee.blockedUntil <= now {
            guard connection.pointee.output.isEmpty || clients.hasTaken(connection) else { return abort(connection) }
            state.pointee.blockedUntil = connection.pointee.output.isEmpty ? Deadline.never : now + limits.writeTimeout
        }
        if state.pointee.headUntil <= now || state.pointee.idleUntil <= now {
            return finish(connection)
        }
        if state.pointee.announcedUntil <= now { endAfterLast(connection) }
        if state.pointee.trimUntil <= now {
            state.pointee.trimUntil = Deadline.never
            state.pointee.session.trim()
        }
        http2.setDeadline(connection)
    }

    /// An exchange's time is over.
    func streamExpired(_ block: ExchangeRef) {
        let stream = block.streamRun
        if stream.pointee.totalUntil <= turn.now {
            traffic.pointee.totalTimeouts &+= 1
            // Once: the answer may have to wait for the client.
            stream.pointee.totalUntil = Deadline.never
            let isReceiving = block.pointee.run.isReceivingRequest && serviceTakesBody(block)
            return fail(block, isReceiving ? .requestTimeout : .upstreamTimeout("total time exceeded"))
        }
        if stream.pointee.narrowUntil <= turn.now {
            stream.pointee.narrowUntil = Deadline.never
            // Whatever else is due comes with the next tick: the exchange may have ended.
            http2.setDeadline(block)
            return continueResponse(block, isForced: true)
        }
        if stream.pointee.callUntil <= turn.now {
            stream.pointee.hasCallEnded = true
            stream.pointee.callUntil = Deadline.never
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
        if isAtItsEnd(connection) { turn.enqueue(connection) } else { noteIdle(connection) }
    }

    /// Asks the client to send no more requests on this connection, and serves those that come meanwhile.
    func announceEnd(_ connection: ClientRef) {
        guard connection.http2.pointee.ending == .none else { return }
        http2.announceEnd(connection)
        connection.http2.pointee.announcedUntil = turn.now + Limits.announcementMilliseconds
        http2.setDeadline(connection)
    }

    private func endAfterLast(_ connection: ClientRef) {
        http2.endAfterLast(connection)
        connection.http2.pointee.announcedUntil = Deadline.never
        http2.setDeadline(connection)
        if connection.http2.pointee.session.openStreams == 0 { turn.enqueue(connection) }
    }

    /// The connection is over: what was written is sent, and nothing more is read.
    private func finish(_ connection: ClientRef) {
        http2.endAfterLast(connection)
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
