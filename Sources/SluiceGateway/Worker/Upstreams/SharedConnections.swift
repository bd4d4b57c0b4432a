import SluiceCounting
import SluiceCrypto
import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

/// Connections to services that exchanges share (HTTP/2): their turns, in which they send what was gathered, read frames and find whom each event is for.
///
/// A turn is never within another one, and nothing but a turn ends such a connection. Handling an event may end any exchange, or begin one.
struct SharedConnections: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let work: WorkArea
        let upstreams: UpstreamConnections
        let outputs: UnsafeMutablePointer<BlockPool>
        let remarks: RemarkLog?
        let course: ResponseCourse
        let attempts: UpstreamAttempts
        let exchanges: UpstreamExchanges
        let sharedRequests: SharedRequests
        let sharedResponses: SharedResponses
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var work: WorkArea { state.pointee.work }
    private var upstreams: UpstreamConnections { state.pointee.upstreams }
    private var outputs: UnsafeMutablePointer<BlockPool> { state.pointee.outputs }
    private var remarks: RemarkLog? { state.pointee.remarks }
    private var course: ResponseCourse { state.pointee.course }
    private var attempts: UpstreamAttempts { state.pointee.attempts }
    private var exchanges: UpstreamExchanges { state.pointee.exchanges }
    private var sharedRequests: SharedRequests { state.pointee.sharedRequests }
    private var sharedResponses: SharedResponses { state.pointee.sharedResponses }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, traffic: parts.traffic, work: parts.work, upstreams: parts.upstreams, outputs: parts.outputs, remarks: parts.remarks,
            course: owners.responseCourse, attempts: owners.upstreamAttempts, exchanges: owners.upstreamExchanges,
            sharedRequests: owners.sharedRequests, sharedResponses: owners.sharedResponses))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// A turn of the connection: the loop, the turn's queue or a deadline says that there is something to do.
    func advance(_ connection: UpstreamRef) {
        guard let client = connection.pointee.http2 else { return upstreams.close(connection) }
        sendOn(connection, client)
        while let block = client.pointee.resumed.popLast() {
            block.serviceStream.pointee.isResumed = false
            sharedResponses.passHeld(connection, client, block)
        }
        read(connection, client)
        if !client.pointee.isBroken { sendOn(connection, client) }
        upstreams.sharing.settle(connection, client)
    }

    private func sendOn(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        guard !client.pointee.isBroken else { return }
        upstreams.frames.flushGathered(connection, client)
        if client.pointee.unsentStreams > 0, !client.pointee.isBlocked {
            sharedRequests.pump(connection, client)
            upstreams.frames.flushGathered(connection, client)
        }
    }

    // MARK: A connection that stands

    /// Both sides know by now what the connection speaks.
    func connected(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        guard let address = connection.pointee.address else { return upstreams.close(connection) }
        turn.limit(connection, to: 0)
        guard address.pointee.versions == .http2 || connection.pointee.socket.tls?.isHTTP2 == true else { return fallBack(connection, client, address) }
        address.pointee.prefersHTTP1 = false
        connection.pointee.state = .multiplexed
        guard upstreams.frames.gather(client, leaving: 0, { client.pointee.session.start(&$0) }) != nil else {
            return lose(connection, client, "no memory")
        }
        sendWaiting(connection, client)
        turn.enqueue(connection)
    }

    /// Sends the requests of those who wait, as many as the service takes. The others wait for its settings, or go elsewhere if those have come.
    private func sendWaiting(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        while let block = client.pointee.waiting.first {
            if client.pointee.hasRoom {
                client.pointee.waiting.removeFirst()
                sharedRequests.send(connection, client, block)
            } else if !client.pointee.hasSettings, client.pointee.isUsable {
                for waiting in client.pointee.waiting { sharedRequests.awaitTurn(waiting, connection) }
                return
            } else {
                attemptElsewhere(block)
            }
        }
    }

    /// The service has chosen HTTP/1.1: the first exchange has the connection, the others look for one each.
    private func fallBack(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ address: UpstreamAddressRef) {
        address.pointee.prefersHTTP1 = true
        while client.pointee.waiting.count > 1, let block = client.pointee.waiting.last { attemptElsewhere(block) }
        let first = client.pointee.waiting.first
        if let first { upstreams.sharing.letGo(first) }
        upstreams.sharing.endSharing(connection, client)
        // Counted as one that an exchange has, also for its end.
        guard let first else {
            address.pointee.outstanding += 1
            return upstreams.close(connection)
        }
        upstreams.attach(connection, first)
        connection.pointee.state = .active
        exchanges.sendRequest(connection)
    }

    /// The exchange goes on to another connection; that counts as no attempt of its own, because nothing was tried.
    private func attemptElsewhere(_ block: ExchangeRef) {
        upstreams.sharing.letGo(block)
        block.pointee.run.takeBackAttempt()
        attempts.attempt(block, freshOnly: false)
    }

    // MARK: Reading

    /// A response whose head was composed and not sent.
    struct BegunResponse {
        let block: ExchangeRef
        let stream: UInt32
        let head: HeadWriter
    }

    private func read(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        var reads = 0
        while !client.pointee.isBroken {
            if connection.pointee.carryCount > 0, let memory = connection.pointee.carry {
                // What was read when no more answers could be sent.
                let bytes = memory.assumingMemoryBound(to: UInt8.self)
                let count = connection.pointee.carryCount
                let used = takeFrames(connection, client, ByteView(base: bytes, count: count))
                guard used == count || client.pointee.isBroken else {
                    bytes.update(from: bytes + used, count: count - used)
                    connection.pointee.carryCount = count - used
                    return
                }
                upstreams.dropCarry(connection)
                continue
            }
            guard connection.pointee.socket.mayRead else { return }
            guard reads < Limits.readsPerTurn else { return turn.enqueue(connection) }
            reads += 1
            let area = upstreams.http2InputArea
            switch connection.pointee.socket.receive(into: area, capacity: Limits.receiveBytes) {
            case .bytes(let count):
                traffic.pointee.upstreamBytesReceived &+= UInt64(count)
                upstreams.sharing.noteHeard(connection, client)
                let used = takeFrames(connection, client, ByteView(base: area, count: count))
                guard used == count || client.pointee.isBroken || upstreams.carry(connection, area + used, count - used) else {
                    return lose(connection, client, "no memory")
                }
                // A reset that came with these bytes is not reported by itself: whoever waits is to know of it.
                if client.pointee.session.openStreams > 0 { connection.pointee.socket.mayRead = true }
                if connection.pointee.carryCount > 0 { return }
            case .wouldBlock:
                if client.pointee.cannotSend { lose(connection, client, "connection reset") }
                return
            case .ended: return lose(connection, client, "connection closed before a response")
            case .failed: return lose(connection, client, "connection reset")
            }
        }
    }

    /// Takes frames. Returns how many bytes were used up: fewer if answers have to be sent first.
    private func takeFrames(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ bytes: ByteView) -> Int {
        var input = HTTP2Input(bytes)
        // A head waits for the content that most often stands right behind it, so that both leave together.
        var begun: BegunResponse?
        while !client.pointee.isBroken {
            let area = HTTP2HeadArea(base: headArea(client), capacity: Limits.responseHeadBytes)
            let event = upstreams.frames.gather(client, leaving: 0) { client.pointee.session.next(&input, head: area, output: &$0, now: turn.now) }
            guard let event else {
                lose(connection, client, "no memory")
                break
            }
            var head = work.noHead
            if let waiting = begun {
                begun = nil
                switch event {
                case .data(waiting.stream, _, _): head = waiting.head
                // Nothing of it has gone, and it is not all: the client can still be told what has become of it.
                case .reset(let reset) where reset.stream == waiting.stream && waiting.block.pointee.run.responseFraming != .none:
                    waiting.block.pointee.run.takeBackHead()
                default: _ = sharedResponses.pass(client, waiting.block, .empty, isLast: false, head: waiting.head)
                }
            }
            switch event {
            case .needMore:
                guard keepHead(client) else {
                    lose(connection, client, "no memory")
                    break
                }
                return input.used
            case .outputFull:
                guard !upstreams.frames.flushGathered(connection, client) else { continue }
                if client.pointee.cannotSend { lose(connection, client, "connection reset") }
                return input.used
            case .head(let head): begun = sharedResponses.takeHead(connection, client, head, area)
            case .headRefused: break
            case .data(let stream, let content, let ends): sharedResponses.takeContent(connection, client, stream, content, ends, head: head)
            case .trailers(let head): sharedResponses.takeTrailers(connection, client, head.stream, ByteView(base: area.base, count: head.count))
            case .reset(let reset): takeReset(connection, client, reset)
            case .windowOpened: if client.pointee.unsentStreams > 0 { sharedRequests.pump(connection, client) }
            case .settingsChanged:
                client.pointee.hasSettings = true
                if client.pointee.unsentStreams > 0 { sharedRequests.pump(connection, client) }
                sendWaiting(connection, client)
            case .goAway: upstreams.sharing.unlist(connection, client)
            case .pingAcknowledged: break
            case .failed(_, let reason):
                if let address = connection.pointee.address { remarks?.leave(.init(reason: reason, upstream: address.pointee.ip)) }
                lose(connection, client, "HTTP/2 protocol error")
            }
        }
        return bytes.count
    }

    /// Where the head is decoded that comes next: with the rest of it, if some has come.
    private func headArea(_ client: HTTP2ClientRef) -> UnsafeMutablePointer<UInt8> {
        if client.pointee.session.isInBlock, let memory = client.pointee.head { return memory.assumingMemoryBound(to: UInt8.self) }
        return upstreams.http2HeadArea
    }

    /// A head that has not come whole is kept for the connection's next turn. False without memory.
    private func keepHead(_ client: HTTP2ClientRef) -> Bool {
        if client.pointee.session.isInBlock {
            guard client.pointee.head == nil else { return true }
            guard let memory = outputs.pointee.take() else { return false }
            memory.copyMemory(from: upstreams.http2HeadArea, byteCount: Limits.responseHeadBytes)
            client.pointee.head = memory
        } else if let memory = client.pointee.head {
            outputs.pointee.give(back: memory)
            client.pointee.head = nil
        }
        return true
    }

    // MARK: Endings

    private func takeReset(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ reset: HTTP2Reset) {
        guard reset.isKnown else { return }
        traffic.pointee.upstreamResets &+= 1
        switch StreamTag(client.pointee.session.tag(of: reset.stream)) {
        case nil: break
        case .discarding?: upstreams.sharing.endDiscarded(connection, client, reset.stream)
        case .exchange(let block)?:
            // A response that is whole is worth as much without its stream.
            guard !block.serviceStream.pointee.hasEnded else { return }
            let detail: StaticString = switch reset.reason {
            case .byPeer, .goneAway: reset.isUnprocessed ? "request refused by the service" : "response reset by the service"
            case .contentLengthMismatch: "response not as long as announced"
            case .headTooLong, .tooManyFields: "response head too large"
            default: "malformed response"
            }
            if !reset.isUnprocessed, !sharedResponses.hasAllOfResponse(block), let address = connection.pointee.address { attempts.noteFailure(address) }
            breakOff(block, isUnprocessed: reset.isUnprocessed, isOverload: reset.reason == .byPeer, wasStale: false, detail)
        }
    }

    /// The connection has ended, or is worth nothing any more: so have its exchanges, but for those whose response has come to its end.
    private func lose(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ detail: StaticString) {
        guard !client.pointee.isBroken else { return }
        // What the protocol says to the service about it.
        upstreams.frames.flushGathered(connection, client)
        client.pointee.isBroken = true
        upstreams.sharing.unlist(connection, client)
        upstreams.frames.dropGathered(client)
        turn.limit(connection, to: 0)
        while let block = client.pointee.waiting.last {
            upstreams.sharing.letGo(block)
            attempts.tryAgain(block, at: connection.pointee.address?.pointee.origin, orFail: .upstreamFailed(detail))
        }
        let isSilent = connection.pointee.isReused && !client.pointee.hasHeard
        if isSilent { upstreams.idle.noteClosed(connection) }
        // Who has announced the end is in order, though it has not answered all that it said it would.
        let wasStale = isSilent || client.pointee.session.hasGoAway
        var isCounted = wasStale
        var place = 0
        while let next = client.pointee.session.nextStream(&place) {
            switch StreamTag(next.tag) {
            case nil, .discarding?: _ = upstreams.frames.gather(client, leaving: 0) { client.pointee.session.release(next.stream, &$0) }
            case .exchange(let block)?:
                if block.serviceStream.pointee.hasEnded { continue }
                if !isCounted, !sharedResponses.hasAllOfResponse(block), let address = connection.pointee.address {
                    attempts.noteFailure(address)
                    isCounted = true
                }
                breakOff(block, isUnprocessed: false, isOverload: false, wasStale: wasStale, detail)
            }
        }
        // Its end is in its turn.
        turn.enqueue(connection)
    }

    /// The service will not answer the exchange any more.
    ///
    /// - Parameters:
    ///   - isUnprocessed: it has not begun with the request, which may be sent again whatever its method (RFC 9113, 8.7).
    ///   - isOverload: and has refused this one only, which it may do with the next as well: the retry is on the budget.
    ///   - wasStale: nothing has come on a connection that was used again, so the service may have closed it before it saw the request; or the service
    ///     has announced the connection's end.
    private func breakOff(_ block: ExchangeRef, isUnprocessed: Bool, isOverload: Bool, wasStale: Bool, _ detail: StaticString) {
        let run = block.run
        guard !run.pointee.hasServiceHead else { return sharedResponses.hasAllOfResponse(block) ? sharedResponses.finish(block) : course.reset(block) }
        let origin = run.pointee.upstream?.pointee.address?.pointee.origin
        upstreams.sharing.letGo(block)
        if isUnprocessed, run.pointee.interimCount == 0 {
            // Several connections may come to their announced end at the same time, and one after the other.
            let more: UInt8 = isOverload ? 0 : Limits.attemptsBehindGoAway
            attempts.tryAgain(block, at: isOverload ? origin : nil, orFail: .upstreamFailed(detail), more: more)
        } else if wasStale, run.pointee.interimCount == 0, attempts.isRepeatable(block), run.pointee.isReplayable {
            // As with a kept connection of HTTP/1.1: see `upstreamBroken`.
            block.pointee.exchange.spendCharges()
            attempts.tryAgain(block, at: nil, orFail: .upstreamFailed(detail), freshOnly: true)
        } else {
            course.fail(block, .upstreamFailed(detail))
        }
    }

    /// A deadline of the connection itself: of its idleness, or of the answer to a PING.
    func expired(_ connection: UpstreamRef) {
        guard let client = connection.pointee.http2 else { return upstreams.close(connection) }
        if client.pointee.isIdle {
            connection.pointee.address?.pointee.idleLifetime.noteOpen(after: upstreams.idle.idleTime(connection))
            upstreams.close(connection)
        } else if client.pointee.isPinged {
            lose(connection, client, "connection lost")
        }
    }
}
