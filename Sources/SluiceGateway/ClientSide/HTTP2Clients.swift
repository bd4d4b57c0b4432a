import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

/// Reads the frames of clients that speak HTTP/2 into events of their exchanges (RFC 9113). What is sent to them: `ClientFrames`.
///
/// An exchange is found by its stream's tag in the session; a stream without a tag is nobody's any more. A handle: copies of it are the same. On the
/// worker's thread only.
struct HTTP2Clients: BitwiseCopyable {
    /// What reading has come to.
    enum Event {
        /// All that came is read.
        case needMore
        /// Answers have no room: the rest is read when what waits has been sent.
        case full
        /// A request has begun, in a block of its own.
        case request(ExchangeRef)
        /// A request has begun that is refused as it is.
        case refused(ExchangeRef, Refusal)
        /// A request whose body cannot go on.
        case bodyRefused(ExchangeRef, Refusal)
        /// Content or the end of a request's body stands in its block.
        case content(ExchangeRef)
        /// Bytes or the end of the client's direction of a tunnel stand in its block.
        case tunnelled(ExchangeRef)
        /// The client wants no response any more, or may not have one: the exchange is over.
        case reset(ExchangeRef)
        /// The client takes more of a response.
        case room(ExchangeRef)
        /// The client takes more, perhaps of every response.
        case roomForAll
        /// A round trip has passed since the end of the connection was announced.
        case announced
        /// Something happened that needs nothing.
        case nothing
        /// The connection has failed; the client was told why.
        case failed(HTTP2Reason)
        /// There is no memory for a request.
        case noMemory
    }

    private struct State {
        let limits: UnsafeMutablePointer<HTTP2Limits>
        let input: UnsafeMutablePointer<UInt8>
        let clients: ClientConnections
        let blocks: ExchangeBlocks
        let outputs: UnsafeMutablePointer<BlockPool>
        let turn: Turn
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let refusesUnusualFields: Bool
        let writeTimeout: UInt64
        let headsBytesMax: Int
    }

    // One pointer: a handle is passed with every call.
    private let state: UnsafeMutablePointer<State>

    init(
        clients: ClientConnections, blocks: ExchangeBlocks, outputs: UnsafeMutablePointer<BlockPool>, turn: Turn,
        traffic: UnsafeMutablePointer<TrafficCounts>, limits: WorkerLimits
    ) {
        let http2 = UnsafeMutablePointer<HTTP2Limits>.allocate(capacity: 1)
        http2.initialize(to: limits.http2)
        state = .allocate(capacity: 1)
        state.initialize(to: State(
            limits: http2, input: .allocate(capacity: Limits.frameBytes), clients: clients, blocks: blocks, outputs: outputs, turn: turn,
            traffic: traffic, refusesUnusualFields: limits.refusesUnusualFields, writeTimeout: limits.writeTimeout,
            headsBytesMax: limits.http2HeadsBytesMax))
    }

    func deallocate() {
        state.pointee.input.deallocate()
        state.pointee.limits.deallocate()
        state.deinitialize(count: 1).deallocate()
    }

    var clients: ClientConnections { state.pointee.clients }
    var blocks: ExchangeBlocks { state.pointee.blocks }
    var outputs: UnsafeMutablePointer<BlockPool> { state.pointee.outputs }
    var turn: Turn { state.pointee.turn }
    var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    /// Where frames arrive: `Limits.frameBytes`. Until all of them are read nothing else comes in.
    var input: UnsafeMutablePointer<UInt8> { state.pointee.input }

    /// Milliseconds in which a client has to take some of what it is sent.
    var writeTimeout: UInt64 { state.pointee.writeTimeout }

    // MARK: From the first to the last

    /// The connection speaks HTTP/2 from here on. Our first frames wait for the end of the turn.
    func begin(_ connection: ClientRef) -> Bool {
        let http2 = UnsafeMutablePointer<HTTP2Connection>.allocate(capacity: 1)
        http2.initialize(to: HTTP2Connection(role: .server, limits: state.pointee.limits))
        connection.pointee.http2 = http2
        connection.pointee.state = .multiplexing
        traffic.pointee.http2Connections &+= 1
        guard var output = sending.lend(connection) else { return false }
        http2.pointee.session.start(&output)
        sending.take(back: output, connection)
        return true
    }

    /// The connection ends: gives everything back. No exchange may be under way.
    func end(_ connection: ClientRef) {
        guard let http2 = connection.pointee.http2 else { return }
        connection.pointee.http2 = nil
        if let next = http2.pointee.next { blocks.giveBack(next) }
        http2.pointee.unread.clear(to: &outputs.pointee)
        http2.pointee.session.deallocate()
        http2.deinitialize(count: 1).deallocate()
    }

    /// The exchange on the stream; nil if it is nobody's any more.
    @inline(__always)
    static func exchange(_ stream: UInt32, on http2: UnsafeMutablePointer<HTTP2Connection>) -> ExchangeRef? {
        guard let tag = http2.pointee.session.tag(of: stream), tag != 0 else { return nil }
        return ExchangeRef(bitPattern: tag)
    }

    /// The next exchange of the connection, in no particular order. Exchanges may end between two calls.
    ///
    /// - Parameter place: 0 at first.
    func nextExchange(_ place: inout Int, on connection: ClientRef) -> ExchangeRef? {
        while let next = connection.http2.pointee.session.nextStream(&place) {
            if next.tag != 0 { return ExchangeRef(bitPattern: next.tag) }
        }
        return nil
    }

    // MARK: Reading

    /// Reads on in what has come.
    func next(_ connection: ClientRef, _ frames: inout HTTP2Input) -> Event {
        let http2 = connection.http2
        guard connection.pointee.output.count < Limits.framesWaiting else { return .full }
        guard let next = http2.pointee.next ?? takeBlock(http2) else { return .noMemory }
        guard var output = sending.lend(connection) else { return .noMemory }
        let area = HTTP2HeadArea(base: blocks.input(of: next), capacity: blocks.layout.streamInputCapacity)
        let event = http2.pointee.session.next(&frames, head: area, output: &output, now: turn.now)
        sending.take(back: output, connection)
        switch event {
        case .data(let stream, let bytes, let ends): return takeContent(connection, stream, bytes, ends: ends)
        case .head(let head): return takeHead(connection, head, in: next)
        case .needMore: return .needMore
        case .outputFull: return .full
        case .trailers(let trailers): return takeTrailers(connection, trailers, in: next)
        case .reset(let reset):
            traffic.pointee.http2Reset(reset.reason)
            guard reset.isKnown, let block = Self.exchange(reset.stream, on: http2) else { return .nothing }
            return .reset(block)
        case .headRefused(let stream, let reason, _):
            traffic.pointee.http2Reset(reason)
            beginExchange(connection, stream, in: next)
            return .refused(next, .headTooLarge)
        case .windowOpened(0), .settingsChanged: return .roomForAll
        case .windowOpened(let stream): return Self.exchange(stream, on: http2).map { .room($0) } ?? .nothing
        case .pingAcknowledged: return http2.pointee.ending == .announced ? .announced : .nothing
        // It says which of our streams it serves, of which there are none.
        case .goAway: return .nothing
        case .failed(_, let reason):
            traffic.pointee.http2Failure(reason)
            return .failed(reason)
        }
    }

    private func takeBlock(_ http2: UnsafeMutablePointer<HTTP2Connection>) -> ExchangeRef? {
        http2.pointee.next = blocks.take()
        return http2.pointee.next
    }

    /// All is read that has come: what is needed only while something is read goes back.
    func finishReading(_ connection: ClientRef) {
        let http2 = connection.http2
        if !http2.pointee.session.isInBlock, let next = http2.pointee.next {
            http2.pointee.next = nil
            blocks.giveBack(next)
        }
        connection.pointee.output.settle(to: &outputs.pointee)
    }

    /// Keeps what is not read yet. False without memory.
    func keep(_ frames: HTTP2Input, _ connection: ClientRef) -> Bool {
        let rest = frames.bytes[frames.used...]
        guard !rest.isEmpty else { return true }
        guard let room = connection.http2.pointee.unread.room(rest.count, from: &outputs.pointee) else { return false }
        room.place.update(from: rest.base, count: rest.count)
        connection.http2.pointee.unread.add(rest.count)
        return true
    }

    /// Frames that were kept, moved to where frames arrive; nil if there are none.
    func takeKept(_ connection: ClientRef) -> ByteView? {
        guard !connection.http2.pointee.unread.isEmpty, let front = connection.http2.pointee.unread.front else { return nil }
        let count = connection.http2.pointee.unread.count
        input.update(from: front, count: count)
        connection.http2.pointee.unread.clear(to: &outputs.pointee)
        return ByteView(base: input, count: count)
    }

    // MARK: Requests

    private func beginExchange(_ connection: ClientRef, _ stream: UInt32, in block: ExchangeRef) {
        connection.http2.pointee.next = nil
        blocks.prepare(block, for: connection, stream: stream)
        block.streamRun.initialize(to: StreamRun(deadline: Deadline(owner: block, kind: .stream)))
        connection.http2.pointee.session.setTag(UInt(bitPattern: block), of: stream)
    }

    /// The text of a head is read as every other head is, so that nothing can be told apart behind it.
    private func takeHead(_ connection: ClientRef, _ head: HTTP2Head, in block: ExchangeRef) -> Event {
        let heads = connection.http2.pointee.headBytes + head.count
        guard heads <= state.pointee.headsBytesMax else {
            traffic.pointee.http2Reset(.headsTooLong)
            endings.refuse(head.stream, connection)
            return .nothing
        }
        beginExchange(connection, head.stream, in: block)
        connection.http2.pointee.headBytes = heads
        block.streamRun.pointee.headBytes = head.count
        block.pointee.inputCount = head.count
        block.streamRun.pointee.hasRequestEnded = head.endsStream
        block.streamRun.pointee.isForTunnel = head.isTunnel
        let text = ByteView(base: block.pointee.exchange.bytes, count: head.count)
        switch RequestHead.parse(
            text, slots: block.pointee.exchange.head.fields.slots, capacity: blocks.layout.slotCapacity, into: &block.pointee.exchange.head)
        {
        case .complete where block.pointee.exchange.head.length == head.count:
            guard !state.pointee.refusesUnusualFields || block.pointee.exchange.head.fields.present & KnownField.unusual.bit == 0 else {
                return .refused(block, .unusualField)
            }
            // Services are asked for no other protocol than this one (RFC 8441, 5).
            guard !head.isTunnel || isForWebSocket(block) else { return .refused(block, .badRequest("unknown protocol")) }
            return .request(block)
        case .complete, .incomplete: return .refused(block, .badRequest("malformed request"))
        case .malformed(let fault):
            switch fault.kind {
            case .syntax: return .refused(block, .badRequest(fault.detail))
            case .target: return .refused(block, .invalidTarget)
            case .tooManyFields: return .refused(block, .headTooLarge)
            }
        }
    }

    private func isForWebSocket(_ block: ExchangeRef) -> Bool {
        block.pointee.exchange.value(of: .upgrade)?.equalsIgnoringCase("websocket") ?? false
    }

    private func takeContent(_ connection: ClientRef, _ stream: UInt32, _ bytes: ByteView, ends: Bool) -> Event {
        guard let block = Self.exchange(stream, on: connection.http2) else {
            consumed(connection, stream, bytes.count)
            return .nothing
        }
        block.streamRun.pointee.hasRequestEnded = ends
        if block.streamRun.pointee.isForTunnel, block.streamRun.pointee.isTunnel || !block.pointee.run.isHeadSent {
            return append(bytes, to: block) ? .tunnelled(block) : .noMemory
        }
        guard block.pointee.run.isReceivingRequest else {
            // Nobody wants it. A response that has gone with it ends the stream.
            consumed(connection, stream, bytes.count)
            return .nothing
        }
        return append(bytes, to: block) ? .content(block) : .noMemory
    }

    private func takeTrailers(_ connection: ClientRef, _ trailers: HTTP2Head, in area: ExchangeRef) -> Event {
        guard let block = Self.exchange(trailers.stream, on: connection.http2) else { return .nothing }
        block.streamRun.pointee.hasRequestEnded = true
        guard block.pointee.run.isReceivingRequest else { return .nothing }
        guard case .untilClose = block.pointee.run.requestFraming else { return .content(block) }
        guard trailers.count <= Limits.requestTrailerBytes else { return .bodyRefused(block, .headTooLarge) }
        let text = ByteView(base: blocks.input(of: area), count: trailers.count)
        guard append(text, to: block) else { return .noMemory }
        block.streamRun.pointee.trailersAt = block.pointee.inputCount - trailers.count
        return .content(block)
    }

    /// Puts bytes behind what stands in the block. The stream's window bounds what a client may have there.
    private func append(_ bytes: ByteView, to block: ExchangeRef) -> Bool {
        if block.pointee.inputUsed == block.pointee.inputCount || bytes.count > block.pointee.inputCapacity - block.pointee.inputCount {
            RequestBodies.makeRoom(in: block)
        }
        guard bytes.count <= block.pointee.inputCapacity - block.pointee.inputCount else { return false }
        (block.pointee.exchange.bytes + block.pointee.inputCount).update(from: bytes.base, count: bytes.count)
        block.pointee.inputCount += bytes.count
        return true
    }

    // MARK: Credit

    /// Bytes of a request's body that are held no longer: the client may send as many again.
    func consumed(_ connection: ClientRef, _ stream: UInt32, _ bytes: Int) {
        guard bytes > 0, var output = sending.lend(connection) else { return }
        connection.http2.pointee.session.consumed(stream, bytes, &output)
        sending.take(back: output, connection)
    }

    /// What has left the block's input is credited.
    func creditBody(_ block: ExchangeRef) {
        let connection = block.pointee.run.client
        let held = connection.http2.pointee.session.unconsumed(block.pointee.run.stream)
        let content = (block.streamRun.pointee.trailersAt ?? block.pointee.inputCount) - block.pointee.inputUsed
        let isWanted = block.pointee.run.isReceivingRequest || block.streamRun.pointee.isForTunnel
        // A body that is held waits for no service: `HeldBodies` bounds it.
        let isHeld = block.pointee.run.isCollecting || block.pointee.run.wideInput != nil
        let waiting = isWanted && !isHeld ? max(0, content) : 0
        consumed(connection, block.pointee.run.stream, held - waiting)
    }
}
