import SluiceEvent
import SluiceHTTP

// A response on its way from the upstream to the client. Bytes arrive in the worker's receive area; the head is written
// anew into the room in front of the body, and both leave in one send. What the client's socket does not take stops
// the reading from the upstream's.

extension Worker {
    /// Reads what the upstream has sent, as long as the client takes it.
    func receiveResponse(_ upstream: UpstreamLink) {
        var reads = 0
        while upstream.pointee.socket.mayRead {
            guard let connection = upstream.pointee.downstream else { return close(upstream) }
            // The client reads slowly: the rest waits in the upstream's socket.
            guard connection.pointee.output.isEmpty else { return }
            guard reads < Limits.readsPerTurn else { return enqueue(upstream) }
            reads += 1
            // While the kernel copies, which takes longer.
            connection.pointee.block?.fetchAhead()
            let carried = upstream.pointee.carryCount
            if carried > 0, let memory = upstream.pointee.carry {
                UnsafeMutableRawPointer(receiveArea).copyMemory(from: memory, byteCount: carried)
            }
            switch upstream.pointee.socket.receive(into: receiveArea + carried, capacity: Limits.receiveBytes - carried) {
            case .bytes(let count):
                counters.traffic.upstreamBytesReceived &+= UInt64(count)
                upstream.pointee.carryCount = 0
                guard consume(upstream, connection, carried + count) else { return }
                // The response goes on, unless a reset came with these bytes: see `receive` for clients.
                upstream.pointee.socket.mayRead = true
            case .wouldBlock: return
            case .ended: return responseCut(upstream, connection)
            case .failed: return upstreamLost(upstream, connection)
            }
        }
    }

    /// Takes `count` bytes at the receive area. True if the exchange wants more.
    private func consume(_ upstream: UpstreamLink, _ connection: Downstream, _ count: Int) -> Bool {
        guard let block = connection.pointee.block else { return false }
        if block.pointee.transfer.upstreamHeadAt != 0 {
            // Progress: the next piece has its own time.
            limit(upstream, to: answerTimeout(block))
            var writer = HeadWriter(compose, capacity: 0)
            return passBody(upstream, connection, block, receiveArea, count, head: &writer)
        }
        return consumeHead(upstream, connection, block, receiveArea, count)
    }

    // MARK: The head

    private func consumeHead(
        _ upstream: UpstreamLink, _ connection: Downstream, _ block: UnsafeMutablePointer<ExchangeBlock>,
        _ start: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> Bool {
        var start = start
        var count = count
        while count > 0 {
            let bytes = ByteView(base: start, count: count)
            var head = ResponseHead(slots: responseSlots, capacity: Self.responseSlotCount)
            switch ResponseHead.parse(
                bytes, slots: responseSlots, capacity: Self.responseSlotCount,
                requestWasHead: !block.pointee.transfer.isPreCall && block.pointee.exchange.head.method == .head, into: &head)
            {
            case .incomplete:
                guard count < Limits.responseHeadBytes, carry(upstream, start, count) else {
                    return reject(upstream, connection, "response head too large")
                }
                return true
            case .malformed: return reject(upstream, connection, "malformed response")
            case .complete: break
            }
            // A head has one time for all its pieces, an interim response and what follows it have their own.
            limit(upstream, to: answerTimeout(block))
            upstream.pointee.address?.pointee.noteSuccess()
            if head.upgrade { return switchProtocols(upstream, connection, block, head, bytes) }
            guard head.status >= 200 else {
                guard passInterim(upstream, connection, block, head, bytes) else { return false }
                start += head.length
                count -= head.length
                continue
            }
            return beginResponse(upstream, connection, block, head, bytes)
        }
        return true
    }

    /// An interim response (RFC 9110, 15.2): passed on to a client that knows them.
    private func passInterim(
        _ upstream: UpstreamLink, _ connection: Downstream, _ block: UnsafeMutablePointer<ExchangeBlock>,
        _ head: ResponseHead, _ bytes: ByteView
    ) -> Bool {
        block.pointee.transfer.interimCount += 1
        guard block.pointee.transfer.interimCount <= Limits.interimResponses else {
            return reject(upstream, connection, "too many interim responses")
        }
        guard block.pointee.exchange.head.minorVersion == 1, !block.pointee.transfer.isPreCall else { return true }
        var writer = HeadWriter(compose, capacity: composeCapacity)
        _ = writeResponseHead(&writer, block, head, bytes, changes: nil)
        writer.write("\r\n")
        guard writer.isComplete, send(connection, writer.start, writer.count) else {
            abort(connection)
            return false
        }
        return true
    }

    /// The final head: decides how its body is framed for the client, and sends it with what has come of the body.
    private func beginResponse(
        _ upstream: UpstreamLink, _ connection: Downstream, _ block: UnsafeMutablePointer<ExchangeBlock>,
        _ head: ResponseHead, _ bytes: ByteView
    ) -> Bool {
        if block.pointee.transfer.isPreCall, head.status == 200 {
            preCallPassed(upstream, connection, block, head, bytes)
            return false
        }
        let transfer = block.transfer
        transfer.pointee.upstreamHeadAt = context.pointee.monotonicNanoseconds
        transfer.pointee.status = head.status
        transfer.pointee.upstreamKeepsAlive = head.keepAlive
        transfer.pointee.responseFraming = head.framing
        if case .length(let length) = head.framing { transfer.pointee.responseRemaining = length }
        let isHTTP11 = block.pointee.exchange.head.minorVersion == 1
        switch head.framing {
        case .none, .length: transfer.pointee.responseIsChunked = false
        case .chunked, .untilClose:
            transfer.pointee.responseIsChunked = isHTTP11
            if !isHTTP11 { transfer.pointee.keepsAlive = false }
        }
        // A body that a pre-call's answer makes useless costs nothing if it has come already. Not a chunked one: its trailers would be
        // read into the slots of this response's fields.
        if transfer.pointee.isPreCall, case .length = transfer.pointee.requestFraming { settleRequestBody(connection, block) }
        // The service has answered before it had the whole request: what is left of it cannot be told from the next.
        if transfer.pointee.requestBody != .complete || isDraining { transfer.pointee.keepsAlive = false }

        var writer = HeadWriter(compose, capacity: composeCapacity)
        let headers = transfer.pointee.isPreCall ? nil : block.pointee.exchange.endpoint?.pointee.headers
        let hasLength = writeResponseHead(&writer, block, head, bytes, changes: headers)
        switch head.framing {
        case .length(let length):
            if hasLength { break }
            writer.write("Content-Length: ")
            writer.write(decimal: length)
            writer.write("\r\n")
        case .chunked, .untilClose:
            if transfer.pointee.responseIsChunked { writer.write("Transfer-Encoding: chunked\r\n") }
        case .none: break
        }
        // RFC 9110, 6.6.1: whoever passes on a response without Date says when it was received.
        if head.fields.present & KnownField.date.bit == 0, !(headers?.pointee.response.drops(.date) ?? false) {
            writer.write(date.line(at: context.pointee.wallSeconds))
        }
        if let headers { writer.write(headers.pointee.response.setLines) }
        writeCORS(&writer, block)
        writeLimits(&writer, block)
        writeConnection(&writer, block)
        writer.write("\r\n")
        guard writer.isComplete else { return reject(upstream, connection, "response head too large") }
        transfer.pointee.isHeadSent = true
        if transfer.pointee.isPreCall, block.pointee.exchange.head.method == .head {
            // The service was not asked with HEAD, but the client's answer ends with its head.
            transfer.pointee.responseFraming = .none
            transfer.pointee.upstreamKeepsAlive = false
        }
        return passBody(
            upstream, connection, block, receiveArea + (bytes.base - UnsafePointer(receiveArea)) + head.length,
            bytes.count - head.length, head: &writer)
    }

    /// Writes the status line and the upstream's end-to-end fields. True if Content-Length is among them.
    private func writeResponseHead(
        _ writer: inout HeadWriter, _ block: UnsafeMutablePointer<ExchangeBlock>, _ head: ResponseHead, _ bytes: ByteView,
        changes: UnsafePointer<HeaderChanges.Compiled>?
    ) -> Bool {
        let hasCORS = block.pointee.exchange.domain?.pointee.cors != nil
        let isSelective = changes != nil || hasCORS || head.hasConnectionOptions
        var dropped = HopByHop.mask
        // Of a body that is not sent (HEAD, 304) the length may still be told, never with 1xx and 204 (RFC 9110, 8.6).
        if head.framing != .none || head.status < 200 || head.status == 204 { dropped |= KnownField.contentLength.bit }
        // A length that is written as we would write it stays where it is, so that the lines around it are copied with it.
        var keepsLength = false
        if case .length = head.framing { keepsLength = !isSelective }
        var hasLength = false
        let statusLine = head.plainStatusLineCount
        if statusLine == 0 { writeStatusLine(&writer, head, bytes) }
        var runs = FieldRuns(bytes, prefix: statusLine)
        for index in 0..<head.fields.count {
            // By pointer: of a line that is copied with its neighbours little is looked at.
            let slot = UnsafePointer(head.fields.slots + index)
            if dropped & slot.pointee.known.bit != 0 {
                guard keepsLength, slot.pointee.known == .contentLength, isPlainNumber(bytes[slot.pointee.value]) else { continue }
                hasLength = true
            }
            if isSelective {
                let slot = slot.pointee
                if head.hasConnectionOptions, ConnectionOptions.nominates(slot, fields: head.fields, in: bytes) { continue }
                if let changes, changes.pointee.response.drops(slot, in: bytes) { continue }
                if hasCORS, CORS.removes(bytes[slot.name]) { continue }
            }
            runs.add(slot, to: &writer)
        }
        runs.finish(&writer)
        return hasLength
    }

    /// Whether these digits are what we would write for their number: without leading zeros.
    @inline(__always)
    private func isPlainNumber(_ digits: ByteView) -> Bool { digits.count == 1 || digits[0] != UInt8(ascii: "0") }

    @inline(never)
    private func writeStatusLine(_ writer: inout HeadWriter, _ head: ResponseHead, _ bytes: ByteView) {
        writer.write("HTTP/1.1 ")
        writer.write(decimal: UInt64(head.status))
        writer.write(" ")
        writer.write(bytes[head.reason.range])
        writer.write("\r\n")
    }

    // MARK: The body

    /// Passes body bytes on, behind the head if one was composed. True if the exchange wants more.
    private func passBody(
        _ upstream: UpstreamLink, _ connection: Downstream, _ block: UnsafeMutablePointer<ExchangeBlock>,
        _ start: UnsafeMutablePointer<UInt8>, _ count: Int, head: inout HeadWriter
    ) -> Bool {
        let piece = takeResponse(upstream, block, start, count)
        guard piece.state != .malformed else { return reject(upstream, connection, "malformed chunk") }
        var first = start
        var end = start + piece.content
        block.pointee.transfer.responseBodyBytes += UInt64(piece.content)
        if block.pointee.transfer.responseIsChunked, block.pointee.transfer.responseFraming != .none {
            if piece.content > 0 {
                first -= ChunkedEncoder.writeSizeLine(piece.content, endingAt: first)
                end = append(ChunkedEncoder.lineEnd, at: end)
            }
            if piece.state == .ended, !piece.hasTrailers { end = append(ChunkedEncoder.lastChunk, at: end) }
        }
        if head.count > 0 {
            first -= head.count
            first.update(from: head.start, count: head.count)
        }
        let length = end - first
        counters.traffic.downstreamBytesSent &+= UInt64(length)
        guard length == 0 || send(connection, first, length) else {
            abort(connection)
            return false
        }
        if piece.state == .ended, piece.hasTrailers, block.pointee.transfer.responseIsChunked {
            guard sendTrailers(connection, piece) else {
                abort(connection)
                return false
            }
        }
        guard piece.state == .ended else { return true }
        responseReceived(upstream, connection, block, hasLeftover: piece.consumed < count)
        return false
    }

    private func append(_ bytes: ByteView, at end: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        end.update(from: bytes.base, count: bytes.count)
        return end + bytes.count
    }

    /// What became of some body bytes.
    struct ResponsePiece {
        enum State { case more, ended, malformed }
        /// Bytes of content, at the start of what was given.
        var content: Int
        var consumed: Int
        var state: State
        var hasTrailers = false
        var trailerFields: FieldTable?
        var trailers = ByteView.empty
    }

    private func takeResponse(
        _ upstream: UpstreamLink, _ block: UnsafeMutablePointer<ExchangeBlock>, _ start: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> ResponsePiece {
        switch block.pointee.transfer.responseFraming {
        case .none: return ResponsePiece(content: 0, consumed: 0, state: .ended)
        case .untilClose: return ResponsePiece(content: count, consumed: count, state: .more)
        case .length:
            let taken = Int(min(UInt64(count), block.pointee.transfer.responseRemaining))
            block.pointee.transfer.responseRemaining -= UInt64(taken)
            let isLast = block.pointee.transfer.responseRemaining == 0
            return ResponsePiece(content: taken, consumed: taken, state: isLast ? .ended : .more)
        case .chunked:
            var content = 0
            var consumed = 0
            if !block.pointee.transfer.responseIsReadingTrailers {
                let outcome = block.pointee.transfer.responseDecoder.decode(start, count: count)
                content = outcome.content
                consumed = outcome.consumed
                switch outcome.state {
                case .more: return ResponsePiece(content: content, consumed: consumed, state: .more)
                case .malformed: return ResponsePiece(content: content, consumed: consumed, state: .malformed)
                case .trailers: block.pointee.transfer.responseIsReadingTrailers = true
                }
            }
            return takeResponseTrailers(upstream, start, count, content: content, consumed: consumed)
        }
    }

    private func takeResponseTrailers(
        _ upstream: UpstreamLink, _ start: UnsafeMutablePointer<UInt8>, _ count: Int, content: Int, consumed: Int
    ) -> ResponsePiece {
        let bytes = ByteView(base: start + consumed, count: count - consumed)
        var fields = FieldTable(slots: responseSlots, capacity: Self.responseSlotCount)
        switch TrailerSection.parse(bytes, slots: responseSlots, capacity: Self.responseSlotCount, into: &fields) {
        case .incomplete:
            guard bytes.count < Limits.responseTrailerBytes, carry(upstream, bytes.base, bytes.count) else {
                return ResponsePiece(content: content, consumed: consumed, state: .malformed)
            }
            return ResponsePiece(content: content, consumed: count, state: .more)
        case .malformed: return ResponsePiece(content: content, consumed: consumed, state: .malformed)
        case .complete(let length):
            guard length <= Limits.responseTrailerBytes else {
                return ResponsePiece(content: content, consumed: consumed, state: .malformed)
            }
            var piece = ResponsePiece(content: content, consumed: consumed + length, state: .ended)
            guard fields.count > 0 else { return piece }
            // Out of the way: what is sent first is written over them.
            let copy = compose + composeCapacity - length
            copy.update(from: bytes.base, count: length)
            piece.hasTrailers = true
            piece.trailerFields = fields
            piece.trailers = ByteView(base: copy, count: length)
            return piece
        }
    }

    private func sendTrailers(_ connection: Downstream, _ piece: ResponsePiece) -> Bool {
        guard let fields = piece.trailerFields else { return true }
        var writer = HeadWriter(receiveArea, capacity: Limits.receiveBytes)
        writer.write(ChunkedEncoder.lastChunkLine)
        let changes = connection.pointee.block?.pointee.exchange.endpoint?.pointee.headers
        writer.writeTrailers(fields, in: piece.trailers) { changes?.pointee.response.drops($0, in: piece.trailers) ?? false }
        writer.write("\r\n")
        counters.traffic.downstreamBytesSent &+= UInt64(writer.count)
        return writer.isComplete && send(connection, writer.start, writer.count)
    }

    // MARK: The end

    /// The response is whole. The connection is pooled if both sides are exactly at its end.
    private func responseReceived(
        _ upstream: UpstreamLink, _ connection: Downstream, _ block: UnsafeMutablePointer<ExchangeBlock>, hasLeftover: Bool
    ) {
        // More bytes than the response has belong to nobody: the connection cannot be trusted again.
        let isReusable = block.pointee.transfer.upstreamKeepsAlive && !hasLeftover
            && block.pointee.transfer.requestBody == .complete
        release(upstream, isReusable: isReusable)
        responseEnded(connection)
    }

    /// The upstream has ended its stream.
    private func responseCut(_ upstream: UpstreamLink, _ connection: Downstream) {
        guard let block = connection.pointee.block else { return close(upstream) }
        guard block.pointee.transfer.upstreamHeadAt != 0 else {
            return upstreamBroken(
                upstream, upstream.pointee.carryCount > 0 ? "incomplete response" : "connection closed before a response")
        }
        guard case .untilClose = block.pointee.transfer.responseFraming else {
            if let address = upstream.pointee.address { noteFailure(address) }
            return abort(connection)
        }
        if block.pointee.transfer.responseIsChunked {
            let last = ChunkedEncoder.lastChunk
            guard send(connection, last.base, last.count) else { return abort(connection) }
        }
        release(upstream, isReusable: false)
        responseEnded(connection)
    }

    /// The connection broke.
    private func upstreamLost(_ upstream: UpstreamLink, _ connection: Downstream) {
        guard let block = connection.pointee.block, block.pointee.transfer.upstreamHeadAt != 0 else {
            return upstreamBroken(upstream, "connection reset")
        }
        if let address = upstream.pointee.address { noteFailure(address) }
        abort(connection)
    }

    /// What came is no response that may be passed on. Always false, for the callers to return.
    private func reject(_ upstream: UpstreamLink, _ connection: Downstream, _ detail: StaticString) -> Bool {
        if let address = upstream.pointee.address { noteFailure(address) }
        fail(connection, .upstreamFailed(detail))
        return false
    }

    // MARK: Pre-call

    /// The pre-call API has said 200: its body is of no interest, and the chain goes on.
    private func preCallPassed(
        _ upstream: UpstreamLink, _ connection: Downstream, _ block: UnsafeMutablePointer<ExchangeBlock>,
        _ head: ResponseHead, _ bytes: ByteView
    ) {
        if case .preCall(let preCall) = PolicyChain.latestStep(of: block.pointee.exchange) {
            preCall.pointee.remember(block.pointee.exchange)
        }
        // Interim responses may stand before it in the receive area.
        let start = receiveArea + (bytes.base - UnsafePointer(receiveArea)) + head.length
        detach(upstream)
        upstream.pointee.discard = DiscardedBody(framing: head.framing)
        if case .length(let length) = head.framing { upstream.pointee.discard.remaining = length }
        upstream.pointee.state = .discarding
        if !head.keepAlive || head.framing == .untilClose {
            close(upstream)
        } else {
            limit(upstream, to: min(Limits.preCallBodyMilliseconds, limits.upstreamIdleTimeout))
            discard(upstream, start, bytes.count - head.length)
        }
        runChain(connection, block)
    }

    /// Reads the rest of a response that nobody waits for.
    func discardResponse(_ upstream: UpstreamLink) {
        while upstream.pointee.socket.mayRead, upstream.pointee.state == .discarding {
            switch upstream.pointee.socket.receive(into: receiveArea, capacity: Limits.receiveBytes) {
            case .bytes(let count):
                upstream.pointee.socket.mayRead = true
                discard(upstream, receiveArea, count)
            case .wouldBlock: return
            case .ended, .failed: return close(upstream)
            }
        }
    }

    private func discard(_ upstream: UpstreamLink, _ start: UnsafeMutablePointer<UInt8>, _ count: Int) {
        upstream.pointee.discard.total += UInt64(count)
        guard upstream.pointee.discard.total <= Limits.preCallBodyBytes else { return close(upstream) }
        switch upstream.pointee.discard.framing {
        case .none:
            release(upstream, isReusable: count == 0)
        case .length:
            let remaining = upstream.pointee.discard.remaining
            guard UInt64(count) <= remaining else { return close(upstream) }
            upstream.pointee.discard.remaining = remaining - UInt64(count)
            if upstream.pointee.discard.remaining == 0 { release(upstream, isReusable: true) }
        case .chunked:
            let outcome = upstream.pointee.discard.decoder.decode(start, count: count)
            switch outcome.state {
            case .more: break
            case .malformed: close(upstream)
            case .trailers:
                // Only an empty trailer section that is there already keeps the connection.
                let rest = ByteView(base: start + outcome.consumed, count: count - outcome.consumed)
                release(upstream, isReusable: rest == "\r\n")
            }
        case .untilClose: close(upstream)
        }
    }
}
