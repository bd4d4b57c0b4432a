import SluiceHTTP

/// Takes responses' bodies out of the framing of services that speak HTTP/1.1 (RFC 9112, 6 and 7), as `RequestBodies` does with clients'. On the worker's
/// thread only.
struct ResponseBodies: BitwiseCopyable {
    let upstreams: UpstreamConnections
    let work: WorkArea

    /// Takes what has come.
    @inline(__always)
    func take(
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
            if block.pointee.run.responseBody == .receiving {
                let outcome = block.pointee.run.responseDecoder.decode(start, count: count)
                content = outcome.content
                consumed = outcome.consumed
                switch outcome.state {
                case .more: return ResponsePiece(content: content, consumed: consumed, state: .more)
                case .malformed: return ResponsePiece(content: content, consumed: consumed, state: .malformed)
                case .trailers: block.pointee.run.responseBody = .receivingTrailers
                }
            }
            return takeTrailers(upstream, block, start, count, content: content, consumed: consumed)
        }
    }

    private func takeTrailers(
        _ upstream: UpstreamRef, _ block: ExchangeRef, _ start: UnsafeMutablePointer<UInt8>, _ count: Int,
        content: Int, consumed: Int
    ) -> ResponsePiece {
        let bytes = ByteView(base: start + consumed, count: count - consumed)
        var fields = FieldTable(slots: work.slots, capacity: Limits.responseFields)
        switch TrailerSection.parse(bytes, slots: work.slots, capacity: Limits.responseFields, into: &fields) {
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
            let copy = work.compose + work.composeCapacity - length
            copy.update(from: bytes.base, count: length)
            piece.hasTrailers = true
            piece.trailerFields = fields
            piece.trailers = ByteView(base: copy, count: length)
            return piece
        }
    }
}
