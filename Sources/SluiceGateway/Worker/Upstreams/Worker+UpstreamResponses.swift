import SluiceEvent
import SluiceHTTP

// A response on its way from the upstream to the client. Bytes arrive in the worker's receive area; the head is written
// anew into the room in front of the body, and both leave in one send. What the client's socket does not take stops
// the reading from the upstream's.

extension Worker {
    /// Reads what the upstream has sent, as long as the client takes it.
    func receiveResponse(_ upstream: UpstreamRef) {
        var reads = 0
        while upstream.pointee.socket.mayRead {
            guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
            // The client reads slowly: the rest waits in the upstream's socket.
            guard !upstream.pointee.isHeldBack else { return }
            let room = clientRoom(block)
            guard room > 0 else {
                upstream.pointee.isHeldBack = true
                return
            }
            guard reads < Limits.readsPerTurn else { return turn.enqueue(upstream) }
            reads += 1
            // While the kernel copies, which takes longer.
            block.fetchAhead()
            let carried = upstream.pointee.carryCount
            if carried > 0, let memory = upstream.pointee.carry {
                UnsafeMutableRawPointer(work.received).copyMemory(from: memory, byteCount: carried)
            }
            switch upstream.pointee.socket.receive(into: work.received + carried, capacity: min(room, Limits.receiveBytes - carried)) {
            case .bytes(let count):
                traffic.pointee.upstreamBytesReceived &+= UInt64(count)
                if carried > 0, isStillIncomplete(upstream, block, carried, count) {
                    upstream.pointee.socket.mayRead = true
                    continue
                }
                upstream.pointee.carryCount = 0
                guard consume(upstream, block, carried + count) else { return }
                // The response goes on, unless a reset came with these bytes: see `receive` for clients.
                upstream.pointee.socket.mayRead = true
                upstream.pointee.isHeldBack = !clientHasRoom(block)
            case .wouldBlock: return
            case .ended: return responseCut(upstream, block)
            case .failed: return upstreamLost(upstream, block)
            }
        }
    }

    /// Whether the head or trailer section at the receive area, of which `carried` bytes had come before, cannot have become complete with `count`
    /// more; they are then carried as well. Nothing becomes complete without the end of a line, so a service that sends byte by byte does not
    /// have its head read again for each; a CR is looked at, as clients' are.
    private func isStillIncomplete(_ upstream: UpstreamRef, _ block: ExchangeRef, _ carried: Int, _ count: Int) -> Bool {
        let bytes = ByteView(base: work.received, count: carried + count)
        guard bytes.count < Limits.responseTrailerBytes, !bytes[carried...].contains(UInt8(ascii: "\n")),
            !bytes[(carried - 1)...].contains(UInt8(ascii: "\r"))
        else { return false }
        if block.pointee.run.upstreamHeadAt != 0 { turn.limit(upstream, to: answerTimeout(block)) }
        return upstreams.carry(upstream, work.received, bytes.count)
    }

    /// Takes `count` bytes at the receive area. True if the exchange wants more.
    private func consume(_ upstream: UpstreamRef, _ block: ExchangeRef, _ count: Int) -> Bool {
        if block.pointee.run.upstreamHeadAt != 0 {
            // Progress: the next piece has its own time.
            turn.limit(upstream, to: answerTimeout(block))
            return passBody(upstream, block, work.received, count, head: work.noHead)
        }
        return consumeHead(upstream, block, work.received, count)
    }

    // MARK: The head

    private func consumeHead(
        _ upstream: UpstreamRef, _ block: ExchangeRef,
        _ start: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> Bool {
        var start = start
        var count = count
        while count > 0 {
            let bytes = ByteView(base: start, count: count)
            var head = ResponseHead(slots: work.slots, capacity: Limits.responseFields)
            switch ResponseHead.parse(
                bytes, slots: work.slots, capacity: Limits.responseFields,
                requestWasHead: !block.pointee.run.isPreCall && block.pointee.exchange.head.method == .head, into: &head)
            {
            case .incomplete:
                guard count < Limits.responseHeadBytes, upstreams.carry(upstream, start, count) else {
                    return reject(upstream, block, "response head too large")
                }
                return true
            case .malformed: return reject(upstream, block, "malformed response")
            case .complete: break
            }
            // A head has one time for all its pieces, an interim response and what follows it have their own.
            turn.limit(upstream, to: answerTimeout(block))
            upstream.pointee.address?.pointee.noteSuccess()
            if head.fields.present & KnownField.keepAlive.bit != 0 { noteKeepAlive(upstream, head, bytes) }
            if head.upgrade {
                switchProtocols(upstream, block, head, bytes)
                return false
            }
            guard head.status >= 200 else {
                guard passInterim(upstream, block, head, bytes) else { return false }
                start += head.length
                count -= head.length
                continue
            }
            return beginResponse(upstream, block, head, bytes)
        }
        return true
    }

    /// What the service says of its idle connections.
    @inline(never)
    private func noteKeepAlive(_ upstream: UpstreamRef, _ head: ResponseHead, _ bytes: ByteView) {
        guard let line = head.fields.first(.keepAlive) else { return }
        upstream.pointee.address?.pointee.idleLifetime.noteAnnounced(bytes[head.fields[line].value])
    }

    /// An interim response (RFC 9110, 15.2): passed on to a client that knows them.
    func passInterim(
        _ upstream: UpstreamRef, _ block: ExchangeRef,
        _ head: ResponseHead, _ bytes: ByteView
    ) -> Bool {
        block.pointee.run.interimCount += 1
        guard block.pointee.run.interimCount <= Limits.interimResponses else {
            return reject(upstream, block, "too many interim responses")
        }
        guard block.pointee.exchange.head.minorVersion == 1, !block.pointee.run.isPreCall else { return true }
        var writer = work.writer
        responseHeads.write(&writer, block, .interim, head, bytes)
        guard writer.isComplete, sendInterim(block, writer) else {
            resetClient(block)
            return false
        }
        return true
    }

    /// The final head: decides how its body is framed for the client, and sends it with what has come of the body.
    private func beginResponse(
        _ upstream: UpstreamRef, _ block: ExchangeRef,
        _ head: ResponseHead, _ bytes: ByteView
    ) -> Bool {
        if block.pointee.run.isPreCall {
            if let call = block.pointee.run.call, call.pointee.allows(head.status) {
                preCallPassed(upstream, block, head, bytes)
                return false
            }
            endFlight(block, .refused)
        }
        guard let writer = composeResponse(upstream, block, head, bytes) else { return false }
        return passBody(
            upstream, block, work.received + (bytes.base - UnsafePointer(work.received)) + head.length,
            bytes.count - head.length, head: writer)
    }

    /// Takes over what the final head says, and writes the one that the client gets. Nil if it is too large: the exchange has failed then.
    @inline(__always)
    func composeResponse(_ upstream: UpstreamRef, _ block: ExchangeRef, _ head: ResponseHead, _ bytes: ByteView) -> HeadWriter? {
        guard !opensTunnel(block, head.status) else {
            fail(block, .upstreamFailed("upgrade not accepted"))
            return nil
        }
        let run = block.run
        run.pointee.upstreamHeadAt = context.pointee.monotonicNanoseconds
        run.pointee.takeResponse(head, clientKnowsChunks: block.pointee.exchange.head.minorVersion == 1)
        // A body that a pre-call's answer makes useless costs nothing if it has come already. Not a chunked one: its trailers would be
        // read into the slots of this response's fields.
        if run.pointee.isPreCall, run.pointee.requestFraming != .chunked { dropBody(block) }
        // The service has answered before it had the whole request: what is left of it cannot be told from the next.
        if run.pointee.requestBody != .complete || clients.isDraining { run.pointee.keepsAlive = false }

        // No more than there is room for in front of the body: see `passBody`.
        var writer = HeadWriter(work.compose, capacity: Limits.receiveHeadroom - ChunkedEncoder.sizeLineBytesMax)
        responseHeads.write(&writer, block, run.pointee.isPreCall ? .preCall : .service, head, bytes)
        guard writer.isComplete else {
            _ = reject(upstream, block, "response head too large")
            return nil
        }
        if run.pointee.isPreCall, block.pointee.exchange.head.method == .head {
            // The service was not asked with HEAD, but the client's answer ends with its head.
            run.pointee.responseFraming = .none
            run.pointee.upstreamKeepsAlive = false
        }
        return writer
    }

    // MARK: The end

    /// The response is whole. The connection is pooled if both sides are exactly at its end.
    func responseReceived(
        _ upstream: UpstreamRef, _ block: ExchangeRef, hasLeftover: Bool
    ) {
        // More bytes than the response has belong to nobody: the connection cannot be trusted again.
        let isReusable = block.pointee.run.upstreamKeepsAlive && !hasLeftover
            && block.pointee.run.requestBody == .complete
        upstreams.release(upstream, isReusable: isReusable)
        endResponse(block)
    }

    /// The upstream has ended its stream.
    private func responseCut(_ upstream: UpstreamRef, _ block: ExchangeRef) {
        guard block.pointee.run.upstreamHeadAt != 0 else {
            return upstreamBroken(
                upstream, upstream.pointee.carryCount > 0 ? "incomplete response" : "connection closed before a response")
        }
        guard case .untilClose = block.pointee.run.responseFraming else {
            if let address = upstream.pointee.address { noteFailure(address) }
            return resetClient(block)
        }
        guard endContent(block) else { return resetClient(block) }
        upstreams.release(upstream, isReusable: false)
        endResponse(block)
    }

    /// The connection broke.
    private func upstreamLost(_ upstream: UpstreamRef, _ block: ExchangeRef) {
        guard block.pointee.run.upstreamHeadAt != 0 else {
            return upstreamBroken(upstream, "connection reset")
        }
        if let address = upstream.pointee.address { noteFailure(address) }
        resetClient(block)
    }

    /// What came is no response that may be passed on. Always false, for the callers to return.
    func reject(_ upstream: UpstreamRef, _ block: ExchangeRef, _ detail: StaticString) -> Bool {
        if let address = upstream.pointee.address { noteFailure(address) }
        fail(block, .upstreamFailed(detail))
        return false
    }
}

extension ExchangeRun {
    /// Takes over what the response's head says of its body, and decides how that is framed for the client.
    @inline(__always)
    fileprivate mutating func takeResponse(_ head: ResponseHead, clientKnowsChunks: Bool) {
        status = head.status
        upstreamKeepsAlive = upstreamKeepsAlive && head.keepAlive
        responseFraming = head.framing
        switch head.framing {
        case .none: responseIsChunked = false
        case .length(let length):
            responseRemaining = length
            responseIsChunked = false
        case .chunked, .untilClose:
            // HTTP/2 has frames for it.
            responseIsChunked = clientKnowsChunks && !isHTTP2
            dropsResponseTrailers = head.hasConnectionOptions
            // Its end is told by the connection's.
            if !clientKnowsChunks { keepsAlive = false }
        }
    }
}
