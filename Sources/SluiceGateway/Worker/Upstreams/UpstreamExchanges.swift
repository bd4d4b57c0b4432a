import SluiceCounting
import SluiceEvent
import SluiceHTTP

/// Exchanges on connections of their own to services (HTTP/1.1): the request is written, the response read.
///
/// Bytes arrive in the worker's receive area; the head is written anew into the room in front of the body, and both leave in one send. What the client's
/// side does not take stops the reading from the service.
struct UpstreamExchanges: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let work: WorkArea
        let upstreams: UpstreamConnections
        let requestBodies: RequestBodies
        let requestHeads: UpstreamRequestHeads
        let responseBodies: ResponseBodies
        let course: ResponseCourse
        let attempts: UpstreamAttempts
        let tunnels: UpstreamTunnels
        let discards: DiscardedResponses
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var work: WorkArea { state.pointee.work }
    private var upstreams: UpstreamConnections { state.pointee.upstreams }
    private var requestBodies: RequestBodies { state.pointee.requestBodies }
    private var requestHeads: UpstreamRequestHeads { state.pointee.requestHeads }
    private var responseBodies: ResponseBodies { state.pointee.responseBodies }
    private var course: ResponseCourse { state.pointee.course }
    private var attempts: UpstreamAttempts { state.pointee.attempts }
    private var tunnels: UpstreamTunnels { state.pointee.tunnels }
    private var discards: DiscardedResponses { state.pointee.discards }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, traffic: parts.traffic, work: parts.work, upstreams: parts.upstreams, requestBodies: parts.requestBodies,
            requestHeads: parts.requestHeads, responseBodies: parts.responseBodies, course: owners.responseCourse,
            attempts: owners.upstreamAttempts, tunnels: owners.upstreamTunnels, discards: owners.discardedResponses))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    // MARK: The request

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
                let whole = attempts.isWhole(block)
                let start = block.pointee.inputUsed
                let count = block.pointee.run.requestRemaining
                switch requestBodies.take(from: block) {
                case .piece(let piece): requestBodies.write(&writer, piece, block)
                case .refused(let refusal): return course.fail(block, refusal)
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
        guard writer.isComplete else { return course.fail(block, .headTooLarge) }
        // The last thing before the send, which takes a system call and no more: the bound of ceilings holds for what leaves.
        if let refusal = attempts.refusalToLeave(block) { return course.fail(block, refusal) }
        block.pointee.run.noteAsked()
        guard upstreams.send(upstream, writer.start, writer.count) else { return broken(upstream) }
        requestSent(upstream)
        if !block.pointee.run.isPreCall, block.pointee.run.isReceivingRequest || block.pointee.run.isHTTP2 { course.askForBody(block) }
    }

    /// From the last byte handed over the upstream has its time to answer.
    func requestSent(_ upstream: UpstreamRef) {
        guard let block = upstream.pointee.exchange else { return }
        turn.limit(upstream, to: attempts.answerTimeout(block))
    }

    // MARK: The response

    /// Reads what the upstream has sent, as long as the client takes it.
    func receive(_ upstream: UpstreamRef) {
        var reads = 0
        while upstream.pointee.socket.mayRead {
            guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
            // The client reads slowly: the rest waits in the upstream's socket.
            guard !upstream.pointee.isHeldBack else { return }
            let room = course.room(block)
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
                upstream.pointee.isHeldBack = !course.hasRoom(block)
            case .wouldBlock: return
            case .ended: return cut(upstream, block)
            case .failed: return lost(upstream, block)
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
        if block.pointee.run.hasServiceHead { turn.limit(upstream, to: attempts.answerTimeout(block)) }
        return upstreams.carry(upstream, work.received, bytes.count)
    }

    /// Takes `count` bytes at the receive area. True if the exchange wants more.
    private func consume(_ upstream: UpstreamRef, _ block: ExchangeRef, _ count: Int) -> Bool {
        if block.pointee.run.hasServiceHead {
            // Progress: the next piece has its own time.
            turn.limit(upstream, to: attempts.answerTimeout(block))
            return passBody(upstream, block, work.received, count, head: work.noHead)
        }
        return consumeHead(upstream, block, work.received, count)
    }

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
            turn.limit(upstream, to: attempts.answerTimeout(block))
            upstream.pointee.address?.pointee.noteSuccess()
            if head.fields.present & KnownField.keepAlive.bit != 0 { noteKeepAlive(upstream, head, bytes) }
            if head.upgrade {
                tunnels.begin(upstream, block, head, bytes)
                return false
            }
            guard head.status >= 200 else {
                switch course.passInterim(block, head, bytes) {
                case .passed: break
                case .tooMany: return reject(upstream, block, "too many interim responses")
                case .broken: return false
                }
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

    /// The final head: decides how its body is framed for the client, and sends it with what has come of the body.
    private func beginResponse(
        _ upstream: UpstreamRef, _ block: ExchangeRef,
        _ head: ResponseHead, _ bytes: ByteView
    ) -> Bool {
        if block.pointee.run.isPreCall {
            guard !course.takeAnswer(block, head.status) else {
                // Interim responses may stand before it in the receive area.
                discards.begin(upstream, head, work.received + (bytes.base - UnsafePointer(work.received)) + head.length, bytes.count - head.length)
                course.goOn(block)
                return false
            }
        }
        guard let writer = course.compose(block, head, bytes) else { return false }
        guard writer.isComplete else { return reject(upstream, block, "response head too large") }
        // A pre-call API was not asked with HEAD, but the answer to a client that was ends with its head: the content is left unread.
        if !head.keepAlive || block.pointee.run.isPreCall && block.pointee.exchange.head.method == .head { upstream.pointee.keepsAlive = false }
        return passBody(
            upstream, block, work.received + (bytes.base - UnsafePointer(work.received)) + head.length,
            bytes.count - head.length, head: writer)
    }

    /// Passes body bytes on, behind the head if one was composed: until what came with it is found to be well framed nothing of it is
    /// sent, so that the client can still get an error. True if the exchange wants more.
    private func passBody(
        _ upstream: UpstreamRef, _ block: ExchangeRef,
        _ start: UnsafeMutablePointer<UInt8>, _ count: Int, head: HeadWriter
    ) -> Bool {
        let piece = responseBodies.take(upstream, block, start, count)
        guard piece.state != .malformed else { return reject(upstream, block, "malformed chunk") }
        guard course.passContent(block, start, piece, head: head) else {
            course.reset(block)
            return false
        }
        guard piece.state == .ended else { return true }
        end(upstream, block, hasLeftover: piece.consumed < count)
        return false
    }

    // MARK: The end

    /// The response is whole. The connection is pooled if both sides are exactly at its end.
    private func end(
        _ upstream: UpstreamRef, _ block: ExchangeRef, hasLeftover: Bool
    ) {
        // More bytes than the response has belong to nobody: the connection cannot be trusted again.
        let isReusable = upstream.pointee.keepsAlive && !hasLeftover
            && block.pointee.run.requestBody == .complete
        upstreams.idle.release(upstream, isReusable: isReusable)
        course.end(block)
    }

    /// The upstream has ended its stream.
    private func cut(_ upstream: UpstreamRef, _ block: ExchangeRef) {
        guard block.pointee.run.hasServiceHead else {
            return broken(
                upstream, upstream.pointee.carryCount > 0 ? "incomplete response" : "connection closed before a response")
        }
        guard case .untilClose = block.pointee.run.responseFraming else {
            if let address = upstream.pointee.address { attempts.noteFailure(address) }
            return course.reset(block)
        }
        guard course.endContent(block) else { return course.reset(block) }
        upstreams.idle.release(upstream, isReusable: false)
        course.end(block)
    }

    /// The connection broke.
    private func lost(_ upstream: UpstreamRef, _ block: ExchangeRef) {
        guard block.pointee.run.hasServiceHead else {
            return broken(upstream, "connection reset")
        }
        if let address = upstream.pointee.address { attempts.noteFailure(address) }
        course.reset(block)
    }

    /// The connection broke with the request on its way. Safe to repeat only on a connection that the peer may have
    /// closed before it saw the request, and only if seeing it twice would do no harm (RFC 9110, 9.2.2).
    private func broken(_ upstream: UpstreamRef, _ detail: StaticString = "connection closed before a response") {
        guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
        let hasAnswered = block.pointee.run.hasServiceHead || block.pointee.run.interimCount > 0
            || upstream.pointee.carryCount > 0
        let wasStale = upstream.pointee.isReused && !hasAnswered
        let isSafe = attempts.isRepeatable(block)
        if wasStale { upstreams.idle.noteClosed(upstream) }
        if !wasStale, let address = upstream.pointee.address { attempts.noteFailure(address) }
        upstreams.detach(upstream)
        upstreams.close(upstream)
        if wasStale, isSafe, block.pointee.run.isReplayable {
            // Not the service's failure, and no more often than there were pooled connections: not on the budget. But on the ceiling: the
            // service may have seen it.
            block.pointee.exchange.spendCharges()
            attempts.tryAgain(block, at: nil, orFail: .upstreamFailed(detail), freshOnly: true)
        } else {
            course.fail(block, .upstreamFailed(detail))
        }
    }

    /// What came is no response that may be passed on. Always false, for the callers to return.
    func reject(_ upstream: UpstreamRef, _ block: ExchangeRef, _ detail: StaticString) -> Bool {
        if let address = upstream.pointee.address { attempts.noteFailure(address) }
        course.fail(block, .upstreamFailed(detail))
        return false
    }

    /// The service did not answer in time.
    func expired(_ upstream: UpstreamRef) {
        guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
        // While the client is the slow one, its own deadline holds.
        if !course.hasRoom(block) || (block.pointee.run.isReceivingRequest && upstream.pointee.output.isEmpty
            && !block.pointee.run.isPreCall) {
            return turn.limit(upstream, to: attempts.answerTimeout(block))
        }
        // A service that reads a long request slowly has not been silent.
        if upstreams.hasTaken(upstream) { return turn.limit(upstream, to: attempts.answerTimeout(block)) }
        if let address = upstream.pointee.address { attempts.noteFailure(address) }
        course.fail(block, .upstreamTimeout(Refusal.slowResponse))
    }
}
