import SluiceEvent
import SluiceHTTP

/// Reads the heads of HTTP/1.1 requests from clients' connections into exchange blocks (RFC 9112, 2 to 5). On the worker's thread only.
struct HTTP1Requests: BitwiseCopyable {
    /// What reading has come to.
    enum Outcome {
        /// The head is not complete; the connection waits for more, if any of it has come.
        case incomplete
        /// A head is complete, in the connection's block.
        case head(ExchangeRef)
        /// What came is no request that may go on, and where the next one would begin is unknown.
        case refused(Refusal)
        /// The connection has ended, or there is no memory for a request.
        case ended
    }

    let clients: ClientConnections
    let turn: Turn
    let blocks: ExchangeBlocks
    let traffic: UnsafeMutablePointer<TrafficCounts>
    /// Milliseconds for a whole head from its first byte.
    let headTimeout: UInt64
    /// Whether requests with unusual field names are refused.
    let refusesUnusualFields: Bool

    /// Reads until a head is complete, or there is nothing more to be read.
    @inline(__always)
    func read(_ connection: ClientRef) -> Outcome {
        guard let block = connection.pointee.block ?? takeBlock(connection) else { return .ended }
        // Pipelined bytes that an earlier exchange left.
        if block.pointee.inputCount > block.pointee.inputSearched {
            if let outcome = parse(block) { return outcome }
        }
        while connection.pointee.socket.mayRead {
            let input = block.pointee.exchange.bytes
            let room = block.pointee.inputCapacity - block.pointee.inputCount
            switch connection.pointee.socket.receive(into: input + block.pointee.inputCount, capacity: room) {
            case .bytes(let count):
                traffic.pointee.downstreamBytesReceived &+= UInt64(count)
                if block.pointee.inputCount == 0 { clients.beginTotal(connection) }
                block.pointee.inputCount += count
                if let outcome = parse(block) { return outcome }
                connection.pointee.socket.mayRead = true
            case .wouldBlock: break
            case .ended, .failed: return .ended
            }
        }
        if block.pointee.inputCount == 0 {
            connection.pointee.block = nil
            blocks.giveBack(block)
        } else if connection.pointee.state == .idle {
            // The time for a head begins with its first byte and is not extended by further ones.
            connection.pointee.state = .readingHead
            turn.limit(connection, to: headTimeout)
        }
        return .incomplete
    }

    private func takeBlock(_ connection: ClientRef) -> ExchangeRef? {
        guard let block = blocks.take() else { return nil }
        blocks.prepare(block, for: connection)
        connection.pointee.block = block
        return block
    }

    /// Parses what has come. Nil if more is needed.
    @inline(__always)
    private func parse(_ block: ExchangeRef) -> Outcome? {
        let bytes = ByteView(base: block.pointee.exchange.bytes, count: block.pointee.inputCount)
        let searched = block.pointee.inputSearched
        block.pointee.inputSearched = bytes.count
        // Nothing can have become complete without the end of a line, so a client that sends byte by byte does not have its head
        // read again for each. What is wrong shows with the line's end too, but for a CR that something else than LF follows: after
        // such a one no line might ever end.
        if searched > 0, bytes.count < blocks.layout.headBytesMax, !bytes[searched...].contains(UInt8(ascii: "\n")),
            !bytes[(searched - 1)...].contains(UInt8(ascii: "\r"))
        {
            return nil
        }
        let slots = block.pointee.exchange.head.fields.slots
        switch RequestHead.parse(bytes, slots: slots, capacity: blocks.layout.slotCapacity, into: &block.pointee.exchange.head) {
        case .complete:
            guard block.pointee.exchange.head.length <= blocks.layout.headBytesMax else {
                return .refused(.headTooLarge)
            }
            guard !refusesUnusualFields || block.pointee.exchange.head.fields.present & KnownField.unusual.bit == 0 else {
                return .refused(.unusualField)
            }
            return .head(block)
        case .incomplete:
            guard bytes.count < blocks.layout.headBytesMax else {
                return .refused(.headTooLarge)
            }
            return nil
        case .malformed(let fault):
            switch fault.kind {
            case .syntax: return .refused(.badRequest(fault.detail))
            case .target: return .refused(.invalidTarget)
            case .tooManyFields: return .refused(.headTooLarge)
            }
        }
    }
}
