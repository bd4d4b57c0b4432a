import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

/// Frames to services that speak HTTP/2. What is written in one turn is gathered and leaves with one system call at its end, or when there is enough for one.
/// A view of `UpstreamConnections`.
struct GatheredFrames: BitwiseCopyable {
    let connections: UpstreamConnections

    @inline(__always)
    private var turn: Turn { connections.turn }
    @inline(__always)
    private var outputs: UnsafeMutablePointer<BlockPool> { connections.outputs }

    /// Has `write` append to what is gathered. Nil without memory.
    ///
    /// - Parameter reserve: bytes of the memory that it may not use, so that there is always room for what must not fail.
    @inline(__always)
    func gather<Result>(_ client: HTTP2ClientRef, leaving reserve: Int, _ write: (inout HTTP2Output) -> Result) -> Result? {
        guard let memory = gatherMemory(client) else { return nil }
        let capacity = outputs.pointee.blockBytes - client.pointee.outputEnd - reserve
        var output = HTTP2Output(base: memory + client.pointee.outputEnd, capacity: max(0, capacity))
        let result = write(&output)
        client.pointee.outputEnd += output.count
        return result
    }

    @inline(__always)
    private func gatherMemory(_ client: HTTP2ClientRef) -> UnsafeMutablePointer<UInt8>? {
        if client.pointee.output == nil {
            client.pointee.output = outputs.pointee.take()
            client.pointee.outputStart = 0
            client.pointee.outputEnd = 0
        }
        guard let memory = client.pointee.output?.assumingMemoryBound(to: UInt8.self) else { return nil }
        if client.pointee.outputStart > 0, client.pointee.outputEnd > outputs.pointee.blockBytes / 2 {
            memory.update(from: memory + client.pointee.outputStart, count: client.pointee.backlog)
            client.pointee.outputEnd = client.pointee.backlog
            client.pointee.outputStart = 0
        }
        return memory
    }

    /// Sends what is gathered, as far as the socket takes it. True if nothing is left.
    @discardableResult
    func flushGathered(_ connection: UpstreamRef, _ client: HTTP2ClientRef) -> Bool {
        guard let memory = client.pointee.output?.assumingMemoryBound(to: UInt8.self) else { return true }
        guard client.pointee.backlog > 0 else {
            dropGathered(client)
            return true
        }
        guard !client.pointee.isBlocked, !client.pointee.cannotSend else { return false }
        while client.pointee.backlog > 0 {
            switch connection.pointee.socket.send(memory + client.pointee.outputStart, client.pointee.backlog) {
            case .bytes(let count): client.pointee.outputStart += count
            case .wouldBlock:
                client.pointee.isBlocked = true
                return false
            case .ended, .failed:
                client.pointee.cannotSend = true
                // The service may have said something before.
                connection.pointee.socket.mayRead = true
                turn.enqueue(connection)
                return false
            }
        }
        dropGathered(client)
        if client.pointee.session.owesAnswers {
            _ = gather(client, leaving: 0) { client.pointee.session.outputSent(&$0) }
        } else {
            var nothing = HTTP2Output(base: connections.http2HeadArea, capacity: 0)
            client.pointee.session.outputSent(&nothing)
        }
        return true
    }

    func dropGathered(_ client: HTTP2ClientRef) {
        if let memory = client.pointee.output { outputs.pointee.give(back: memory) }
        client.pointee.output = nil
        client.pointee.outputStart = 0
        client.pointee.outputEnd = 0
    }

    /// What is gathered leaves at the end of the turn; at once if it is enough.
    func noteGathered(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        if client.pointee.backlog >= Limits.gatheredBytes { flushGathered(connection, client) }
        turn.enqueue(connection)
    }

    // MARK: Content

    /// Gathers content as DATA, as far as the windows and the socket allow. Returns how many bytes that were.
    ///
    /// - Parameter endsStream: nothing follows the last of these bytes.
    func gatherContent(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ stream: UInt32, _ content: ByteView, endsStream: Bool) -> Int {
        var taken = 0
        while taken < content.count {
            if client.pointee.backlog >= Limits.gatheredBytesMax { break }
            let count = min(content.count - taken, client.pointee.session.sendable(stream))
            guard count > 0, let memory = gatherMemory(client),
                client.pointee.outputEnd + HTTP2Session.dataHeaderBytes + count <= outputs.pointee.blockBytes - Limits.controlBytes
            else { break }
            let isLast = endsStream && taken + count == content.count
            let place = memory + client.pointee.outputEnd
            guard client.pointee.session.beginData(stream, count: count, endsStream: isLast, at: place) else { break }
            (place + HTTP2Session.dataHeaderBytes).update(from: content.base + taken, count: count)
            client.pointee.outputEnd += HTTP2Session.dataHeaderBytes + count
            taken += count
            if client.pointee.backlog >= Limits.gatheredBytes { flushGathered(connection, client) }
        }
        return taken
    }

    /// Ends the stream's request without more content.
    func gatherEnd(_ client: HTTP2ClientRef, _ stream: UInt32) -> Bool {
        guard let memory = gatherMemory(client), client.pointee.outputEnd + HTTP2Session.dataHeaderBytes <= outputs.pointee.blockBytes,
            client.pointee.session.beginData(stream, count: 0, endsStream: true, at: memory + client.pointee.outputEnd)
        else { return false }
        client.pointee.outputEnd += HTTP2Session.dataHeaderBytes
        return true
    }

    /// Keeps content until the windows open. False without room for it.
    func keepUnsent(_ block: ExchangeRef, _ client: HTTP2ClientRef, _ content: ByteView) -> Bool {
        let own = block.serviceStream
        if own.pointee.unsent == nil {
            own.pointee.unsent = outputs.pointee.take()
            guard own.pointee.unsent != nil else { return false }
            own.pointee.unsentStart = 0
            own.pointee.unsentEnd = 0
            client.pointee.unsentStreams += 1
        }
        guard let memory = own.pointee.unsent, content.count <= outputs.pointee.blockBytes - own.pointee.unsentEnd else { return false }
        (memory + own.pointee.unsentEnd).copyMemory(from: content.base, byteCount: content.count)
        own.pointee.unsentEnd += content.count
        return true
    }

    /// How much of an exchange's unsent content has gone.
    enum Pumped {
        case nothing, some, all
    }

    /// Sends unsent content of an exchange, as far as the windows and the socket allow, and what ends its request behind it.
    func pump(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ block: ExchangeRef) -> Pumped {
        let own = block.serviceStream
        guard let memory = own.pointee.unsent?.assumingMemoryBound(to: UInt8.self) else { return .nothing }
        let stream = block.pointee.run.upstreamStream
        guard client.pointee.session.maySend(stream) else {
            // The service wants no more of it.
            connections.sharing.dropUnsent(block, client)
            return .all
        }
        let count = min(own.pointee.unsentCount, Limits.gatheredBytes)
        let isLast = own.pointee.endsRequest && own.pointee.unsentTrailers == 0 && count == own.pointee.unsentCount
        let content = ByteView(base: memory + own.pointee.unsentStart, count: count)
        let taken = gatherContent(connection, client, stream, content, endsStream: isLast)
        own.pointee.unsentStart += taken
        guard own.pointee.unsentCount == 0 else { return taken > 0 ? .some : .nothing }
        if own.pointee.endsRequest, own.pointee.unsentTrailers > 0 {
            let trailers = ByteView(base: memory + own.pointee.unsentEnd, count: own.pointee.unsentTrailers)
            guard gather(client, leaving: 0, { client.pointee.session.sendTrailers(stream, trailers, &$0) }) == .sent else {
                return taken > 0 ? .some : .nothing
            }
        }
        connections.sharing.dropUnsent(block, client)
        return .all
    }
}

extension UpstreamConnections {
    @inline(__always)
    var frames: GatheredFrames { GatheredFrames(connections: self) }
}
