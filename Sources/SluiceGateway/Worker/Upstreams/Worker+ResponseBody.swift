import SluiceEvent
import SluiceHTTP

// A response's body and trailers, taken out of the service's framing. `passContent` puts them into the client's.

extension Worker {
    /// Passes body bytes on, behind the head if one was composed: until what came with it is found to be well framed nothing of it is
    /// sent, so that the client can still get an error. True if the exchange wants more.
    func passBody(
        _ upstream: UpstreamRef, _ block: ExchangeRef,
        _ start: UnsafeMutablePointer<UInt8>, _ count: Int, head: HeadWriter
    ) -> Bool {
        let piece = takeResponse(upstream, block, start, count)
        guard piece.state != .malformed else { return reject(upstream, block, "malformed chunk") }
        guard passContent(block, start, piece, head: head) else {
            resetClient(block)
            return false
        }
        guard piece.state == .ended else { return true }
        responseReceived(upstream, block, hasLeftover: piece.consumed < count)
        return false
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
}
