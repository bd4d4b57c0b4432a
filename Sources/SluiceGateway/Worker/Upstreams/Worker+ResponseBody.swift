import SluiceEvent
import SluiceHTTP

// A response's body and trailers: taken out of the service's framing and put into the client's.

extension Worker {
    /// Passes body bytes on, behind the head if one was composed: until what came with it is found to be well framed nothing of it is
    /// sent, so that the client can still get an error. True if the exchange wants more.
    func passBody(
        _ upstream: UpstreamRef, _ block: ExchangeRef,
        _ start: UnsafeMutablePointer<UInt8>, _ count: Int, head: inout HeadWriter
    ) -> Bool {
        let piece = takeResponse(upstream, block, start, count)
        guard piece.state != .malformed else { return reject(upstream, block, "malformed chunk") }
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
            block.pointee.run.isHeadSent = true
            first -= head.count
            first.update(from: head.start, count: head.count)
        }
        let length = end - first
        guard length == 0 || sendToClient(block, first, length) else {
            resetClient(block)
            return false
        }
        if piece.state == .ended, piece.hasTrailers, block.pointee.run.responseIsChunked {
            guard sendTrailers(block, piece) else {
                resetClient(block)
                return false
            }
        }
        guard piece.state == .ended else { return true }
        responseReceived(upstream, block, hasLeftover: piece.consumed < count)
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
        _ upstream: UpstreamRef, _ block: ExchangeRef, _ start: UnsafeMutablePointer<UInt8>, _ count: Int
    ) -> ResponsePiece {
        switch block.pointee.run.responseFraming {
        case .none: return ResponsePiece(content: 0, consumed: 0, state: .ended)
        case .untilClose: return ResponsePiece(content: count, consumed: count, state: .more)
        case .length:
            let taken = Int(min(UInt64(count), block.pointee.run.responseRemaining))
            block.pointee.run.responseRemaining -= UInt64(taken)
            let isLast = block.pointee.run.responseRemaining == 0
            return ResponsePiece(content: taken, consumed: taken, state: isLast ? .ended : .more)
        case .chunked:
            var content = 0
            var consumed = 0
            if !block.pointee.run.responseIsReadingTrailers {
                let outcome = block.pointee.run.responseDecoder.decode(start, count: count)
                content = outcome.content
                consumed = outcome.consumed
                switch outcome.state {
                case .more: return ResponsePiece(content: content, consumed: consumed, state: .more)
                case .malformed: return ResponsePiece(content: content, consumed: consumed, state: .malformed)
                case .trailers: block.pointee.run.responseIsReadingTrailers = true
                }
            }
            return takeResponseTrailers(upstream, block, start, count, content: content, consumed: consumed)
        }
    }

    private func takeResponseTrailers(
        _ upstream: UpstreamRef, _ block: ExchangeRef, _ start: UnsafeMutablePointer<UInt8>, _ count: Int,
        content: Int, consumed: Int
    ) -> ResponsePiece {
        let bytes = ByteView(base: start + consumed, count: count - consumed)
        var fields = FieldTable(slots: responseSlots, capacity: Self.responseSlotCount)
        switch TrailerSection.parse(bytes, slots: responseSlots, capacity: Self.responseSlotCount, into: &fields) {
        case .incomplete:
            guard bytes.count < Limits.responseTrailerBytes, upstreams.carry(upstream, bytes.base, bytes.count) else {
                return ResponsePiece(content: content, consumed: consumed, state: .malformed)
            }
            return ResponsePiece(content: content, consumed: count, state: .more)
        case .malformed: return ResponsePiece(content: content, consumed: consumed, state: .malformed)
        case .complete(let length):
            guard length <= Limits.responseTrailerBytes else {
                return ResponsePiece(content: content, consumed: consumed, state: .malformed)
            }
            var piece = ResponsePiece(content: content, consumed: consumed + length, state: .ended)
            guard fields.count > 0, !block.pointee.run.dropsResponseTrailers else { return piece }
            // Out of the way: what is sent first is written over them.
            let copy = compose + composeCapacity - length
            copy.update(from: bytes.base, count: length)
            piece.hasTrailers = true
            piece.trailerFields = fields
            piece.trailers = ByteView(base: copy, count: length)
            return piece
        }
    }

    private func sendTrailers(
        _ block: ExchangeRef, _ piece: ResponsePiece
    ) -> Bool {
        guard let fields = piece.trailerFields else { return true }
        var writer = HeadWriter(receiveArea, capacity: Limits.receiveBytes)
        writer.write(ChunkedEncoder.lastChunkLine)
        let policies = ResponsePolicies(block, block.pointee.run.isPreCall ? .preCall : .service)
        writer.writeTrailers(fields, in: piece.trailers) { policies.isSelective && policies.drops($0, in: piece.trailers) }
        writer.write("\r\n")
        return writer.isComplete && sendToClient(block, writer.start, writer.count)
    }
}
