import SluiceCounting
import SluiceCrypto
import SluiceEvent
import SluiceHTTP

// From the chain's `proceed` to a request on its way: choosing an address, taking or opening a connection, trying again.

extension Worker {
    /// The chain lets the request pass: it is sent on at the end of the turn, or with the next fifteen.
    func pass(_ block: ExchangeRef) {
        forwards.append(WaitingExchange(block))
        if forwards.isFull { sendOn() }
    }

    /// Sends on what has passed. The clock was read in this turn: only a callback can have let something pass.
    @inline(never)
    func sendOn() {
        while let exchange = forwards.next() {
            if let block = exchange.block { forward(block) }
        }
    }

    /// Sends the request to the domain's upstream.
    private func forward(_ block: ExchangeRef) {
        // Its end may have come with the request.
        if clientHasLeft(block) { return resetClient(block) }
        block.pointee.run.isPreCall = false
        block.pointee.run.attempts = 0
        block.pointee.run.upstreamStartedAt = context.pointee.monotonicNanoseconds
        guard block.pointee.exchange.domain?.pointee.upstream != nil else {
            return answer(block, .upstreamUnavailable("no upstream configured"))
        }
        attempt(block, freshOnly: false)
    }

    /// Tries once: a pooled connection to the address with the least outstanding exchanges, else a new one.
    func attempt(_ block: ExchangeRef, freshOnly: Bool) {
        block.pointee.run.attempts &+= 1
        block.pointee.run.isRequestSent = false
        block.pointee.run.upstreamKeepsAlive = true
        block.pointee.run.interimCount = 0
        let address: UpstreamAddressRef
        switch choice.choose(block, at: turn.now) {
        case .address(let chosen): address = chosen
        case .none: return fail(block, .upstreamUnavailable("no healthy upstream address"))
        case .circuitOpen:
            traffic.pointee.circuitRefusals &+= 1
            return fail(block, .upstreamUnavailable("no healthy upstream address"))
        }
        if block.pointee.run.attempts == 1 {
            origins.pointee[address.pointee.origin].pointee.retryBudget.noteRequest(at: turn.now / 1000)
        }
        if address.pointee.versions != .http1, joins(block, address, freshOnly: freshOnly) { return }
        if !freshOnly, let idle = upstreams.takeIdle(address, mayRepeat: mayRepeat(block)) {
            upstreams.attach(idle, block)
            return sendRequest(idle)
        }
        // An idle one that this request cannot have makes room for its own.
        guard limits.connectionsPerAddressMax == 0 || address.pointee.connections < limits.connectionsPerAddressMax
            || upstreams.closeOneIdle(address)
        else {
            return fail(block, .upstreamUnavailable("too many upstream connections"))
        }
        let shares = address.pointee.versions != .http1 && !needsOwnConnection(block)
        let time = shares ? limits.connectTimeout : connectTimeout(block)
        var failure = upstreams.connect(address, for: block, within: time, shares: shares)
        if let error = failure, error.isExhaustion, upstreams.closeSomeIdle() {
            failure = upstreams.connect(address, for: block, within: time, shares: shares)
        }
        guard let error = failure else {
            if shares, let connection = block.pointee.run.upstream { awaitShared(block, connection) }
            return
        }
        if error.isExhaustion {
            // Our own want of descriptors, ports or memory says nothing about the service.
            fail(block, .upstreamUnavailable("no resources for another connection"))
        } else {
            noteFailure(address)
            tryAgain(block, at: address.pointee.origin, orFail: .upstreamFailed("connection refused"))
        }
    }

    /// Whether the request could be sent again, should the connection turn out to be closed: seeing it twice would do no harm
    /// (RFC 9110, 9.2.2), and what there is of its body stands in the block.
    @inline(__always)
    private func mayRepeat(_ block: ExchangeRef) -> Bool {
        guard isRepeatable(block) else { return false }
        return block.pointee.run.isPreCall || block.pointee.run.requestBody == .complete || isWhole(block)
    }

    /// Whether seeing the request twice would do no harm: by the method of the pre-call, or of the client's request.
    @inline(__always)
    func isRepeatable(_ block: ExchangeRef) -> Bool {
        guard block.pointee.run.isPreCall else { return block.pointee.exchange.head.method.isIdempotent }
        guard let call = block.pointee.run.call else { return false }
        return call.pointee.isIdempotent
    }

    /// Counts a failure of the address.
    func noteFailure(_ address: UpstreamAddressRef) {
        traffic.pointee.upstreamFailures &+= 1
        address.pointee.noteFailure(at: turn.now, limits)
        if !address.pointee.isRetired { origins.pointee.noteFailure(address.pointee.origin) }
    }

    // MARK: Sending

    /// Writes the request to an open connection, with as much of the body as has come.
    func sendRequest(_ upstream: UpstreamRef) {
        guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
        var writer = work.writer
        if block.pointee.run.isPreCall {
            requestHeads.writePreCall(&writer, block)
        } else {
            requestHeads.writeRequest(&writer, block)
            if block.pointee.run.requestBody != .complete {
                // A body that is whole in the block can be sent again from there; a chunked one is decoded in place.
                let whole = isWhole(block)
                let start = block.pointee.inputUsed
                let count = block.pointee.run.requestRemaining
                switch requestBodies.take(from: block) {
                case .piece(let piece): requestBodies.write(&writer, piece, block)
                case .refused(let refusal): return fail(block, refusal)
                }
                if whole {
                    block.pointee.run.replay = (start, count)
                } else {
                    block.pointee.run.isReplayable = block.pointee.run.requestBodyBytes == 0
                        && block.pointee.run.requestBody == .receiving
                }
            } else if let replay = block.pointee.run.replay {
                let body = ByteView(base: block.pointee.exchange.bytes + replay.start, count: Int(replay.count))
                writer.write(body)
            }
        }
        guard writer.isComplete else { return fail(block, .headTooLarge) }
        // The last thing before the send, which takes a system call and no more: the bound of ceilings holds for what leaves.
        guard mayLeave(block) else { return fail(block, .ceilingExceeded) }
        block.pointee.run.isRequestSent = true
        guard upstreams.send(upstream, writer.start, writer.count) else { return upstreamBroken(upstream) }
        requestSent(upstream)
        if !block.pointee.run.isPreCall, block.pointee.run.isReceivingRequest || block.pointee.run.isHTTP2 { askForBody(block) }
    }

    /// Whether the request may still leave: if it is late for what its ceiling was charged with, it is charged anew.
    @inline(__always)
    func mayLeave(_ block: ExchangeRef) -> Bool {
        !CeilingMeter.isLate(block.pointee.exchange.charge, now: turn.monotonicNanoseconds()) || moveCharge(block)
    }

    /// What is decided and sent in this turn has taken so long that a request leaves later than its ceiling was charged for. False if it may
    /// not leave any more.
    @inline(never)
    private func moveCharge(_ block: ExchangeRef) -> Bool {
        turn.readClock()
        guard case .ceiling(let ceiling) = PolicyChain.steps(of: block.pointee.exchange)[0] else { return true }
        return ceiling.moveCharge(&block.pointee.exchange)
    }

    /// Whether a body of known length stands in the block to its last byte.
    func isWhole(_ block: ExchangeRef) -> Bool {
        guard case .length = block.pointee.run.requestFraming else { return false }
        return UInt64(block.pointee.inputCount - block.pointee.inputUsed) >= block.pointee.run.requestRemaining
    }

    /// From the last byte handed over the upstream has its time to answer.
    func requestSent(_ upstream: UpstreamRef) {
        guard let block = upstream.pointee.exchange else { return }
        turn.limit(upstream, to: answerTimeout(block))
    }

    /// Milliseconds in which the service has to begin, and to go on, answering. Never 0, which would be no limit.
    func answerTimeout(_ block: ExchangeRef) -> UInt64 {
        if block.pointee.run.isPreCall, let call = block.pointee.run.call {
            // Only what is passed on as the client's answer may take its time, piece by piece.
            return block.pointee.run.upstreamHeadAt == 0 ? preCallTime(block) : call.pointee.timeoutMilliseconds
        }
        return block.pointee.exchange.domain?.pointee.upstream?.pointee.timeoutMilliseconds ?? limits.connectTimeout
    }

    /// What is left of a pre-call's time, in milliseconds: one for everything from the decision to ask to the end of the answer's head,
    /// however many attempts and pieces that takes.
    private func preCallTime(_ block: ExchangeRef) -> UInt64 {
        let until = block.pointee.run.preCallUntil
        return until > turn.now ? until - turn.now : 1
    }

    /// Milliseconds in which a connection for the exchange has to stand, TLS included.
    func connectTimeout(_ block: ExchangeRef) -> UInt64 {
        guard block.pointee.run.isPreCall else { return limits.connectTimeout }
        return min(limits.connectTimeout, preCallTime(block))
    }

    // MARK: Failures

    /// The connection attempt ended with this errno (0: TLS could not be begun).
    func connectFailed(_ upstream: UpstreamRef, _ error: Int32) {
        giveUp(upstream, .upstreamFailed(SocketError(code: error).isRefusal ? "connection refused" : "connection failed"))
    }

    func handshakeFailed(_ upstream: UpstreamRef) {
        let isUntrusted = upstream.pointee.socket.tls?.verificationFailed ?? false
        giveUp(upstream, .upstreamFailed(isUntrusted ? "certificate not accepted" : "TLS handshake failed"))
    }

    /// Connecting took too long.
    func connectExpired(_ upstream: UpstreamRef) {
        giveUp(upstream, .upstreamTimeout("connection timed out"))
    }

    /// Nothing was sent yet, so another address may be tried.
    private func giveUp(_ upstream: UpstreamRef, _ refusal: Refusal) {
        if let address = upstream.pointee.address { noteFailure(address) }
        let origin = upstream.pointee.address?.pointee.origin
        if let client = upstream.pointee.http2 {
            // None of them has it any more when the next is tried: it may go to the same address.
            client.pointee.isBroken = true
            upstreams.unlist(upstream, client)
            while let block = client.pointee.waiting.last {
                upstreams.letGo(block)
                tryAgain(block, at: origin, orFail: refusal)
            }
            return upstreams.close(upstream)
        }
        guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
        upstreams.detach(upstream)
        upstreams.close(upstream)
        tryAgain(block, at: origin, orFail: refusal)
    }

    /// The connection broke with the request on its way. Safe to repeat only on a connection that the peer may have
    /// closed before it saw the request, and only if seeing it twice would do no harm (RFC 9110, 9.2.2).
    func upstreamBroken(_ upstream: UpstreamRef, _ detail: StaticString = "connection closed before a response") {
        guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
        let hasAnswered = block.pointee.run.upstreamHeadAt != 0 || block.pointee.run.interimCount > 0
            || upstream.pointee.carryCount > 0
        let wasStale = upstream.pointee.isReused && !hasAnswered
        let isSafe = isRepeatable(block)
        if wasStale { upstreams.noteClosed(upstream) }
        if !wasStale, let address = upstream.pointee.address { noteFailure(address) }
        upstreams.detach(upstream)
        upstreams.close(upstream)
        if wasStale, isSafe, block.pointee.run.isReplayable {
            // Not the service's failure, and no more often than there were pooled connections: not on the budget. But on the ceiling: the
            // service may have seen it.
            block.pointee.exchange.charge.spend()
            tryAgain(block, at: nil, orFail: .upstreamFailed(detail), freshOnly: true)
        } else {
            fail(block, .upstreamFailed(detail))
        }
    }

    /// - Parameters:
    ///   - origin: whose retry budget has to allow it; nil where it is not asked.
    ///   - more: attempts beyond `SLUICE_RETRY_MAX`, unless that is 0.
    func tryAgain(
        _ block: ExchangeRef, at origin: Int?, orFail refusal: Refusal,
        freshOnly: Bool = false, more: UInt8 = 0
    ) {
        let attemptsMax = limits.retriesMax == 0 ? 0 : Int(limits.retriesMax) + Int(more)
        guard block.pointee.run.attempts <= attemptsMax, block.pointee.run.isReplayable,
            !block.pointee.run.isHeadSent,
            !block.pointee.run.isPreCall || block.pointee.run.preCallUntil > turn.now
        else { return fail(block, refusal) }
        if let origin, !origins.pointee[origin].pointee.retryBudget.takeRetry(
            at: turn.now / 1000, percent: limits.retryPercent, minimum: limits.retriesPerSecondMin)
        {
            traffic.pointee.retriesRefused &+= 1
            return fail(block, refusal)
        }
        traffic.pointee.upstreamRetries &+= 1
        attempt(block, freshOnly: freshOnly)
    }

    /// The service did not answer in time.
    func responseExpired(_ upstream: UpstreamRef) {
        guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
        // While the client is the slow one, its own deadline holds.
        if !clientHasRoom(block) || (block.pointee.run.isReceivingRequest && upstream.pointee.output.isEmpty
            && !block.pointee.run.isPreCall) {
            return turn.limit(upstream, to: answerTimeout(block))
        }
        // A service that reads a long request slowly has not been silent.
        if upstreams.hasTaken(upstream) { return turn.limit(upstream, to: answerTimeout(block)) }
        if let address = upstream.pointee.address { noteFailure(address) }
        fail(block, .upstreamTimeout("no response in time"))
    }
}
