import SluiceEvent
import SluiceHTTP

/// A response on its way to the client, put into the client's framing: the one place that knows how a client is told where content begins and ends.
struct ResponseWriter: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let work: WorkArea
        let clients: ClientConnections
        let http2: HTTP2Clients
        let streams: HTTP2Exchanges
    }

    private let state: UnsafeMutablePointer<State>
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var work: WorkArea { state.pointee.work }
    private var clients: ClientConnections { state.pointee.clients }
    private var http2: HTTP2Clients { state.pointee.http2 }
    private var streams: HTTP2Exchanges { state.pointee.streams }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            traffic: parts.traffic, work: parts.work, clients: parts.clients, http2: parts.http2, streams: owners.http2Exchanges))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// Sends the head of an interim response (RFC 9110, 15.2). False if the client's side is broken; the caller then resets it.
    func sendInterim(_ block: ExchangeRef, _ head: HeadWriter) -> Bool { sendHead(block, head) }

    /// Sends a whole response, its head of `headCount` bytes and the content behind it. False if the client's side is broken.
    @inline(__always)
    func sendWhole(_ block: ExchangeRef, _ response: HeadWriter, headCount: Int) -> Bool {
        guard block.pointee.run.isHTTP2 else { return send(block, response.start, response.count) }
        let content = response.count - headCount
        guard http2.sending.sendHead(block, ByteView(base: response.start, count: headCount), ends: content == 0) else { return false }
        return content == 0 || http2.sending.sendContent(block, response.start + headCount, content, ends: true)
    }

    /// Sends a head whose content follows by `sendStored` or `sendTunnelled`. False if the client's side is broken.
    @inline(__always)
    func sendHead(_ block: ExchangeRef, _ head: HeadWriter) -> Bool {
        block.pointee.run.isHTTP2
            ? http2.sending.sendHead(block, ByteView(base: head.start, count: head.count), ends: false) : send(block, head.start, head.count)
    }

    /// Sends content of a configured response. False if the client's side is broken.
    func sendStored(_ block: ExchangeRef, _ content: ByteView, isLast: Bool) -> Bool {
        block.pointee.run.isHTTP2
            ? http2.sending.sendContent(block, content.base, content.count, ends: isLast) : send(block, content.base, content.count)
    }

    /// Bytes of a configured response's content that are sent behind its head at once; of a longer one only so much as the client takes.
    @inline(__always)
    func storedBytesMax(_ block: ExchangeRef) -> Int { block.pointee.run.isHTTP2 ? Limits.contentWaiting : Limits.composedBodyBytes }

    /// Sends bytes of a tunnel. False if the client's side is broken.
    func sendTunnelled(_ block: ExchangeRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        block.pointee.run.isHTTP2 ? http2.sending.sendContent(block, bytes, count, ends: false) : send(block, bytes, count)
    }

    /// Passes a service's content on, behind the head if one was composed and not sent. False if the client's side is broken; the caller
    /// then resets it.
    ///
    /// - Parameters:
    ///   - start: where the content stands. Before it there is room for the head and a chunk's size, behind it for the end of a chunk and the last.
    ///   - head: composed anywhere; empty where the head has gone.
    @inline(__always)
    func passContent(_ block: ExchangeRef, _ start: UnsafeMutablePointer<UInt8>, _ piece: ResponsePiece, head: HeadWriter) -> Bool {
        if block.pointee.run.isHTTP2 { return passFrames(block, start, piece, head: head) }
        var first = start
        var end = start + piece.content
        block.pointee.run.responseBodyBytes += UInt64(piece.content)
        if block.pointee.run.responseIsChunked, block.pointee.run.responseFraming != .none {
            if piece.content > 0 {
                first -= ChunkedEncoder.writeSizeLine(piece.content, endingAt: first)
                end = append(ChunkedEncoder.lineEnd, at: end)
            }
            if piece.state == .ended, !piece.hasTrailers { end = append(ChunkedEncoder.lastChunk, at: end) }
        }
        if head.count > 0 {
            block.pointee.run.notePassing()
            first -= head.count
            first.update(from: head.start, count: head.count)
        }
        let length = end - first
        guard length == 0 || send(block, first, length) else { return false }
        guard piece.state == .ended, piece.hasTrailers, block.pointee.run.responseIsChunked else { return true }
        return sendTrailers(block, piece)
    }

    /// The same for a client that speaks HTTP/2.
    @inline(never)
    private func passFrames(_ block: ExchangeRef, _ start: UnsafeMutablePointer<UInt8>, _ piece: ResponsePiece, head: HeadWriter) -> Bool {
        block.pointee.run.responseBodyBytes += UInt64(piece.content)
        var trailers = work.noHead
        if piece.state == .ended, piece.hasTrailers, let fields = piece.trailerFields {
            // Behind the head that may stand there.
            trailers = HeadWriter(work.compose + head.count, capacity: Limits.responseTrailerBytes)
            writeTrailers(&trailers, block, piece, fields)
            guard trailers.isComplete else { return false }
        }
        // Without a line there is nothing but the empty one.
        let hasTrailers = trailers.count > 2
        let isLast = piece.state == .ended && !hasTrailers
        if head.count > 0 {
            block.pointee.run.notePassing()
            let ends = isLast && piece.content == 0
            guard http2.sending.sendHead(block, ByteView(base: head.start, count: head.count), ends: ends) else { return false }
            streams.noteResponseBegun(block)
            if ends { return true }
        }
        if piece.content > 0 || isLast {
            guard http2.sending.sendContent(block, start, piece.content, ends: isLast) else { return false }
        }
        return !hasTrailers || http2.sending.sendTrailers(block, ByteView(base: trailers.start, count: trailers.count))
    }

    private func append(_ bytes: ByteView, at end: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        end.update(from: bytes.base, count: bytes.count)
        return end + bytes.count
    }

    private func sendTrailers(_ block: ExchangeRef, _ piece: ResponsePiece) -> Bool {
        guard let fields = piece.trailerFields else { return true }
        var writer = HeadWriter(work.received, capacity: Limits.receiveBytes)
        writer.write(ChunkedEncoder.lastChunkLine)
        writeTrailers(&writer, block, piece, fields)
        return writer.isComplete && send(block, writer.start, writer.count)
    }

    /// The trailers that pass, and the empty line.
    private func writeTrailers(_ writer: inout HeadWriter, _ block: ExchangeRef, _ piece: ResponsePiece, _ fields: FieldTable) {
        let policies = ResponsePolicies(block, block.pointee.run.isPreCall ? .preCall : .service)
        writer.writeTrailers(fields, in: piece.trailers) { policies.isSelective && policies.drops($0, in: piece.trailers) }
        writer.write("\r\n")
    }

    /// The content has ended, as the end of the service's connection says. False if the client's side is broken.
    func endContent(_ block: ExchangeRef) -> Bool {
        if block.pointee.run.isHTTP2 { return http2.sending.sendContent(block, work.received, 0, ends: true) }
        guard block.pointee.run.responseIsChunked else { return true }
        let last = ChunkedEncoder.lastChunk
        return send(block, last.base, last.count)
    }

    /// Bytes of a response, its service's framing included, that the client's side takes at the moment; 0 if the service has to wait until
    /// `clientHasTakenAll`.
    @inline(__always)
    func room(_ block: ExchangeRef) -> Int { block.pointee.run.isHTTP2 ? http2.sending.room(block) : Limits.receiveBytes }

    /// Sends bytes of a response. False if the connection is broken; the caller then resets it.
    @inline(__always)
    private func send(_ block: ExchangeRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        traffic.pointee.downstreamBytesSent &+= UInt64(count)
        return clients.send(block.pointee.run.client, bytes, count)
    }
}
