import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

/// Clients' connections that speak HTTP/2: their turns, their frames as events, their times, their end. What becomes of an exchange on a stream is the
/// business of `HTTP2Exchanges`.
struct HTTP2Connections: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let limits: UnsafePointer<WorkerLimits>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let clients: ClientConnections
        let http2: HTTP2Clients
        let remarks: RemarkLog?
        let transport: ClientTransport
        let streams: HTTP2Exchanges
        let course: RequestCourse
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var limits: WorkerLimits { state.pointee.limits.pointee }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var clients: ClientConnections { state.pointee.clients }
    private var http2: HTTP2Clients { state.pointee.http2 }
    private var remarks: RemarkLog? { state.pointee.remarks }
    private var transport: ClientTransport { state.pointee.transport }
    private var streams: HTTP2Exchanges { state.pointee.streams }
    private var course: RequestCourse { state.pointee.course }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, limits: parts.limits, traffic: parts.traffic, clients: parts.clients, http2: parts.http2, remarks: parts.remarks,
            transport: owners.clientTransport, streams: owners.http2Exchanges, course: owners.requestCourse))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// The connection speaks HTTP/2 from here on.
    func begin(_ connection: ClientRef) {
        guard http2.begin(connection) else { return transport.close(connection) }
        // The preface may have come with the handshake's last message.
        connection.pointee.socket.mayRead = true
        connection.http2.pointee.headUntil = turn.now + limits.headTimeout
        http2.sending.setDeadline(connection)
        if clients.isDraining { announceEnd(connection) }
        goOn(connection)
    }

    // MARK: Reading

    /// The connection has its turn: it is readable, or something waits for it.
    func goOn(_ connection: ClientRef) {
        guard !connection.http2.pointee.isBroken else { return transport.abort(connection) }
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
            case .ended, .failed: return transport.abort(connection)
            }
        }
        guard connection.pointee.generation == generation, connection.pointee.state == .multiplexing else { return }
        guard connection.http2.pointee.session.openStreams == 0 else { return }
        if isAtItsEnd(connection) { finish(connection) } else { noteIdle(connection) }
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
                if http2.sending.flush(connection) {
                    http2.sending.noteSent(connection)
                    continue
                }
                // Read on when the client has taken what waits for it.
                guard http2.keep(frames, connection) else {
                    transport.abort(connection)
                    return false
                }
                forwardWaitingBodies(connection)
                return false
            case .request(let block):
                noteHeadEnd(connection)
                streams.begin(connection, block)
                begun += 1
            case .refused(let block, let refusal):
                noteHeadEnd(connection)
                streams.noteBegun(connection, block)
                begun += 1
                course.refuse(block, refusal)
            case .bodyRefused(let block, let refusal):
                noteHeadEnd(connection)
                course.fail(block, refusal)
            case .content(let block), .tunnelled(let block):
                noteHeadEnd(connection)
                streams.noteNews(block)
            case .reset(let block): streams.abort(block, .cancel)
            case .room(let block): streams.continueResponse(block)
            case .roomForAll: if connection.http2.pointee.waiting > 0 { continueResponses(connection) }
            case .announced: endAfterLast(connection)
            case .nothing: break
            case .failed(let reason):
                remarks?.leave(.init(reason: reason, client: connection.pointee.peer))
                finish(connection)
                return false
            case .noMemory:
                transport.abort(connection)
                return false
            }
            guard connection.pointee.generation == generation, connection.pointee.state == .multiplexing else { return false }
            // The other connections have their turn before it goes on with what has come.
            guard begun < Limits.requestsPerTurn else {
                http2.finishReading(connection)
                noteHead(connection)
                guard http2.keep(frames, connection) else {
                    transport.abort(connection)
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
        http2.sending.setDeadline(connection)
    }

    /// A head has ended: one that begins behind it has a time of its own.
    private func noteHeadEnd(_ connection: ClientRef) {
        guard connection.http2.pointee.headUntil != Deadline.never else { return }
        connection.http2.pointee.headUntil = Deadline.never
        http2.sending.setDeadline(connection)
    }

    /// No request is under way: the connection has its time for the next one.
    func noteIdle(_ connection: ClientRef) {
        guard connection.http2.pointee.session.hasBegun, connection.http2.pointee.idleUntil == Deadline.never else { return }
        connection.http2.pointee.idleUntil = turn.now + clients.idleTimeout
        connection.http2.pointee.trimUntil = turn.now + Limits.http2TrimMilliseconds
        http2.sending.setDeadline(connection)
    }

    // MARK: What waits for its turn

    /// Bodies of which there are news go on.
    private func forwardWaitingBodies(_ connection: ClientRef) {
        guard connection.http2.pointee.hasWaitingBodies else { return }
        connection.http2.pointee.hasWaitingBodies = false
        var place = 0
        while let block = http2.nextExchange(&place, on: connection) {
            guard block.streamRun.pointee.hasNews else { continue }
            block.streamRun.pointee.hasNews = false
            streams.passBody(block)
        }
    }

    /// The first is another one each time: what there is room for may not be enough for all.
    private func continueResponses(_ connection: ClientRef) {
        let first = connection.http2.pointee.resumePlace
        var place = first
        if let block = http2.nextExchange(&place, on: connection) { streams.continueResponse(block) }
        connection.http2.pointee.resumePlace = place
        while let block = http2.nextExchange(&place, on: connection) { streams.continueResponse(block) }
        place = 0
        while place < first, let block = http2.nextExchange(&place, on: connection) { streams.continueResponse(block) }
        // None was there: from the front again.
        if connection.http2.pointee.resumePlace == first { connection.http2.pointee.resumePlace = 0 }
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
        guard http2.sending.flush(connection) else { return }
        let wasBlocked = connection.http2.pointee.isBlocked
        connection.http2.pointee.isBlocked = false
        http2.sending.noteSent(connection)
        guard wasBlocked else { return }
        connection.http2.pointee.blockedUntil = Deadline.never
        http2.sending.setDeadline(connection)
        if connection.http2.pointee.waiting > 0 { continueResponses(connection) }
        turn.enqueue(connection)
    }

    // MARK: Deadlines

    /// The connection's own time is over.
    func expired(_ connection: ClientRef) {
        let state = connection.http2
        let now = turn.now
        if state.pointee.blockedUntil <= now {
            guard connection.pointee.output.isEmpty || clients.hasTaken(connection) else { return transport.abort(connection) }
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
        http2.sending.setDeadline(connection)
    }

    // MARK: Ending

    /// Whether the connection ends when no stream is open: no request is served any more, or the client has said that it goes.
    func isAtItsEnd(_ connection: ClientRef) -> Bool {
        connection.http2.pointee.ending == .last || connection.http2.pointee.session.hasGoAway
    }

    /// Asks the client to send no more requests on this connection, and serves those that come meanwhile.
    func announceEnd(_ connection: ClientRef) {
        guard connection.http2.pointee.ending == .none else { return }
        http2.endings.announceEnd(connection)
        connection.http2.pointee.announcedUntil = turn.now + Limits.announcementMilliseconds
        http2.sending.setDeadline(connection)
    }

    private func endAfterLast(_ connection: ClientRef) {
        http2.endings.endAfterLast(connection)
        connection.http2.pointee.announcedUntil = Deadline.never
        http2.sending.setDeadline(connection)
        if connection.http2.pointee.session.openStreams == 0 { turn.enqueue(connection) }
    }

    /// The connection is over: what was written is sent, and nothing more is read.
    private func finish(_ connection: ClientRef) {
        http2.endings.endAfterLast(connection)
        abandonStreams(connection)
        if http2.sending.flush(connection) { return transport.closeInOrder(connection) }
        guard !connection.http2.pointee.isBroken else { return transport.close(connection) }
        connection.pointee.state = .flushing
    }

    /// Ends every exchange of the connection, each without the whole of its response.
    private func abandonStreams(_ connection: ClientRef) {
        var place = 0
        while let block = http2.nextExchange(&place, on: connection) { streams.abort(block, .cancel) }
    }

    /// The connection closes.
    func end(_ connection: ClientRef) {
        abandonStreams(connection)
        http2.end(connection)
    }
}
