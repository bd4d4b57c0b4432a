import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

/// The exchanges of clients that speak HTTP/2, any number at a time on a connection, each in a block of its own. They go through the same chain as one of
/// HTTP/1.1; nothing here decides about a request.
struct HTTP2Exchanges: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let limits: UnsafePointer<WorkerLimits>
        let context: UnsafeMutablePointer<EvaluationContext>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let work: WorkArea
        let http2: HTTP2Clients
        let requestBodies: RequestBodies
        let exchangeBlocks: ExchangeBlocks
        let connections: HTTP2Connections
        let clientEnd: ClientEnd
        let course: RequestCourse
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var limits: WorkerLimits { state.pointee.limits.pointee }
    private var context: UnsafeMutablePointer<EvaluationContext> { state.pointee.context }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var work: WorkArea { state.pointee.work }
    private var http2: HTTP2Clients { state.pointee.http2 }
    private var requestBodies: RequestBodies { state.pointee.requestBodies }
    private var exchangeBlocks: ExchangeBlocks { state.pointee.exchangeBlocks }
    private var connections: HTTP2Connections { state.pointee.connections }
    private var clientEnd: ClientEnd { state.pointee.clientEnd }
    private var course: RequestCourse { state.pointee.course }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, limits: parts.limits, context: parts.context, traffic: parts.traffic, work: parts.work, http2: parts.http2,
            requestBodies: parts.requestBodies, exchangeBlocks: parts.exchangeBlocks, connections: owners.http2Connections,
            clientEnd: owners.clientEnd, course: owners.requestCourse))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    // MARK: Requests

    /// A request's head is whole.
    func begin(_ connection: ClientRef, _ block: ExchangeRef) {
        noteBegun(connection, block)
        block.pointee.inputUsed = block.pointee.exchange.head.length
        block.pointee.run.begin(block.pointee.exchange.head.framing, at: context.pointee.monotonicNanoseconds)
        if !block.streamRun.pointee.hasRequestEnded, block.pointee.run.requestFraming == .none, !block.streamRun.pointee.isForTunnel {
            block.pointee.run.requestFraming = .untilClose
            block.pointee.run.requestBody = .receiving
            block.pointee.exchange.head.announceBody(in: block.pointee.exchange.headBytes)
            block.pointee.exchange.isStreamed = true
        }
        if block.pointee.exchange.isGRPCCall, let milliseconds = block.pointee.exchange.grpcTimeout {
            block.streamRun.pointee.callUntil = turn.now + milliseconds
            http2.sending.setDeadline(block)
        }
        course.begin(block)
    }

    /// What holds for every exchange that has begun, whatever becomes of it.
    func noteBegun(_ connection: ClientRef, _ block: ExchangeRef) {
        connection.pointee.requests &+= 1
        block.pointee.run.startedAt = context.pointee.monotonicNanoseconds
        if limits.totalTimeout > 0 { block.streamRun.pointee.totalUntil = turn.now + limits.totalTimeout }
        http2.sending.setDeadline(block)
        // The deadline that was set for an idle connection is looked at when it comes.
        connection.http2.pointee.idleUntil = Deadline.never
        connection.http2.pointee.trimUntil = Deadline.never
        if limits.requestsPerConnectionMax > 0, connection.pointee.requests >= limits.requestsPerConnectionMax { connections.announceEnd(connection) }
    }

    // MARK: Bodies

    /// The service was sent all that had come of the body: what has left the block is credited, and the client has its time for more.
    func noteBodyTaken(_ block: ExchangeRef) {
        http2.creditBody(block)
        let stream = block.streamRun
        if !block.pointee.run.isReceivingRequest {
            stream.pointee.bodyUntil = Deadline.never
        } else if !course.hasRoom(block) {
            // What the service does not take is no time of the client's.
            stream.pointee.bodyUntil = Deadline.never
            block.pointee.run.bodySpanAt = 0
        } else if !block.pointee.run.isCollecting, block.pointee.run.isHeadSent || block.pointee.exchange.isGRPCCall {
            // Where both directions are open for long, as gRPC's streams are, silence is no fault of the client's.
            stream.pointee.bodyUntil = turn.now + limits.tunnelTimeout
        } else if requestBodies.keepsPace(block) {
            stream.pointee.bodyUntil = turn.now + limits.bodyTimeout
        } else {
            return course.fail(block, .requestTimeout)
        }
        http2.sending.setDeadline(block)
    }

    /// Sends on what has come of a request's body, if the service takes it.
    func passBody(_ block: ExchangeRef) {
        if block.streamRun.pointee.isTunnel { return tunnel(block) }
        guard block.pointee.run.isReceivingRequest, course.takesBody(block), course.hasRoom(block) else { return }
        if block.pointee.inputCount > block.pointee.inputUsed || block.streamRun.pointee.hasRequestEnded {
            guard course.passBody(block) else { return }
            // What is held goes in pieces.
            while block.pointee.run.wideInput != nil, !block.pointee.run.isCollecting, block.pointee.run.isReceivingRequest,
                block.pointee.inputCount > block.pointee.inputUsed, course.hasRoom(block)
            {
                guard course.passBody(block) else { return }
            }
        }
        noteBodyTaken(block)
    }

    /// Some of the exchange's body has come, or its service takes more of it: it goes on when the frames at hand are read.
    func noteNews(_ block: ExchangeRef) {
        block.streamRun.pointee.hasNews = true
        block.pointee.run.client.http2.pointee.hasWaitingBodies = true
    }

    // MARK: Tunnels

    /// Passes on what the client has sent through a tunnel, if the service takes it.
    func tunnel(_ block: ExchangeRef) {
        let stream = block.streamRun
        guard stream.pointee.isTunnel, course.hasRoom(block) else { return }
        clientEnd.noteTunnelled(block)
        let count = block.pointee.inputCount - block.pointee.inputUsed
        if count > 0 {
            let start = block.pointee.exchange.bytes + block.pointee.inputUsed
            block.pointee.inputUsed = block.pointee.inputCount
            block.pointee.run.requestBodyBytes += UInt64(count)
            guard course.sendTunnelled(block, start, count) else { return clientEnd.endTunnel(block) }
            http2.creditBody(block)
        }
        // Behind all that the service has not taken yet.
        guard stream.pointee.hasRequestEnded, !stream.pointee.hasToldEnd, course.hasRoom(block) else { return }
        stream.pointee.hasToldEnd = true
        if course.endStream(block) { endResponse(block) }
    }

    /// The service has ended its direction of a tunnel.
    func endTunnelResponse(_ block: ExchangeRef) {
        // The loop reports the end of a stream again and again.
        guard !block.streamRun.pointee.hasEnded else { return }
        block.streamRun.pointee.hasEnded = true
        guard http2.sending.sendContent(block, work.received, 0, ends: true) else { return clientEnd.endTunnel(block) }
        if block.streamRun.pointee.hasToldEnd { endResponse(block) } else { clientEnd.noteTunnelled(block) }
    }

    // MARK: Responses

    /// The last byte of a response was handed over.
    func endResponse(_ block: ExchangeRef) {
        guard block.streamRun.pointee.content.isEmpty, block.streamRun.pointee.trailers.isEmpty else {
            block.streamRun.pointee.isHandedOver = true
            // Nobody wants the rest of the request.
            if block.pointee.run.isReceivingRequest { block.pointee.run.requestBody = .dropping }
            return http2.creditBody(block)
        }
        course.record(block, aborted: false)
        // A client that is still sending is told that it need not (RFC 9113, 8.1).
        leave(block, .noError)
    }

    /// The client takes more of the response.
    func continueResponse(_ block: ExchangeRef, isForced: Bool = false) {
        guard block.streamRun.pointee.isWaiting else { return }
        http2.sending.endWait(block)
        guard http2.sending.continueContent(block, isForced: isForced) else { return clientEnd.reset(block) }
        guard block.streamRun.pointee.content.isEmpty else { return http2.sending.wait(block) }
        if block.streamRun.pointee.isHandedOver { endResponse(block) } else { course.clientHasTakenAll(block) }
    }

    /// The response has begun: where both directions are open, silence of the client is none of its faults any more.
    func noteResponseBegun(_ block: ExchangeRef) {
        guard block.streamRun.pointee.bodyUntil != Deadline.never else { return }
        block.streamRun.pointee.bodyUntil = turn.now + limits.tunnelTimeout
        http2.sending.setDeadline(block)
    }

    // MARK: Deadlines

    /// An exchange's time is over.
    func expired(_ block: ExchangeRef) {
        let stream = block.streamRun
        if stream.pointee.totalUntil <= turn.now {
            traffic.pointee.totalTimeouts &+= 1
            // Once: the answer may have to wait for the client.
            stream.pointee.totalUntil = Deadline.never
            let isReceiving = block.pointee.run.isReceivingRequest && course.takesBody(block)
            return course.fail(block, isReceiving ? .requestTimeout : .upstreamTimeout("total time exceeded"))
        }
        if stream.pointee.narrowUntil <= turn.now {
            stream.pointee.narrowUntil = Deadline.never
            // Whatever else is due comes with the next tick: the exchange may have ended.
            http2.sending.setDeadline(block)
            return continueResponse(block, isForced: true)
        }
        if stream.pointee.callUntil <= turn.now {
            stream.pointee.hasCallEnded = true
            stream.pointee.callUntil = Deadline.never
            return course.fail(block, .upstreamTimeout("deadline of the call"))
        }
        if stream.pointee.takingUntil <= turn.now {
            let taken = stream.pointee.framedBytes - stream.pointee.takingBytes
            if taken == 0 || taken * 1000 < limits.rateMin * limits.writeTimeout { return abort(block, .cancel) }
            stream.pointee.takingUntil = turn.now + limits.writeTimeout
            stream.pointee.takingBytes = stream.pointee.framedBytes
        }
        if stream.pointee.bodyUntil <= turn.now {
            if stream.pointee.isTunnel {
                guard stream.pointee.hasEnded else { return clientEnd.endTunnel(block) }
                if stream.pointee.content.isEmpty { return endResponse(block) }
                // The client has not got all of it, which has a time of its own.
                clientEnd.noteTunnelled(block)
                return
            }
            let isWaitedFor = block.pointee.run.isReceivingRequest && course.takesBody(block) && course.hasRoom(block)
            // What services do not take of other streams may have shut the connection's window.
            let mayComeOn = !block.pointee.run.client.http2.pointee.session.isReceiveWindowShut
            if isWaitedFor, mayComeOn { return course.fail(block, .requestTimeout) }
            stream.pointee.bodyUntil = isWaitedFor ? turn.now + limits.bodyTimeout : Deadline.never
            block.pointee.run.bodySpanAt = 0
        }
        http2.sending.setDeadline(block)
    }

    // MARK: Ending

    /// Ends an exchange without the whole of a response.
    func abort(_ block: ExchangeRef, _ code: HTTP2ErrorCode) {
        course.record(block, aborted: true)
        leave(block, code)
    }

    /// A tunnel ends as a broken connection would (RFC 8441, 5).
    func dropTunnel(_ block: ExchangeRef) {
        course.record(block, aborted: false)
        leave(block, .cancel)
    }

    /// The exchange is over: nothing of it is held any more.
    private func leave(_ block: ExchangeRef, _ code: HTTP2ErrorCode) {
        let connection = block.pointee.run.client
        course.dropService(block)
        course.leave(block)
        http2.endings.release(block, code)
        exchangeBlocks.giveBack(block)
        guard connection.http2.pointee.session.openStreams == 0, connection.pointee.state == .multiplexing else { return }
        if connections.isAtItsEnd(connection) { turn.enqueue(connection) } else { connections.noteIdle(connection) }
    }
}
