import SluiceHTTP

/// Takes requests' bodies from the blocks into which clients' bytes came, out of the client's framing and into the service's.
struct RequestBodies: BitwiseCopyable {
    /// Most bytes of content; more is refused.
    let bytesMax: UInt64
    /// Whether trailers with unusual names are refused.
    let refusesUnusualFields: Bool
    /// Field slots for trailers.
    let slots: UnsafeMutablePointer<FieldSlot>
    let slotCount: Int
    let turn: Turn
    /// Milliseconds in which some of a body has to come.
    let timeout: UInt64
    /// Bytes per second that a client has to send of one; 0: no bound.
    let rateMin: UInt64

    // MARK: Room for what comes

    /// Where body bytes that follow the head's own read are put, so that the head stays whole.
    static func makeRoom(in block: ExchangeRef) {
        let bodyStart = block.pointee.exchange.head.length + Limits.chunkLineBytes
        let left = block.pointee.inputCount - block.pointee.inputUsed
        let input = block.pointee.exchange.bytes
        if left > 0, block.pointee.inputUsed != bodyStart {
            (input + bodyStart).update(from: input + block.pointee.inputUsed, count: left)
        }
        block.pointee.inputUsed = bodyStart
        block.pointee.inputCount = bodyStart + left
    }

    /// How much may be read: never beyond a body of known length, so that no byte of the next request has to be moved.
    static func room(in block: ExchangeRef) -> Int {
        let room = block.pointee.inputCapacity - block.pointee.inputCount
        guard case .length = block.pointee.run.requestFraming else {
            // What comes behind the body has to fit into the block.
            return block.pointee.run.wideInput == nil ? room : min(room, Limits.bodyAreaBytes / 2)
        }
        // What has come and stands there yet is none of what is to come.
        let standing = UInt64(block.pointee.inputCount - block.pointee.inputUsed)
        return Int(min(UInt64(room), block.pointee.run.requestRemaining - min(standing, block.pointee.run.requestRemaining)))
    }

    // MARK: Taking what has come

    /// Body bytes that were taken from the block, and trailers if the body ended with any.
    struct Piece {
        var content: ByteView = .empty
        var trailers = ByteView.empty
        var trailerFields: FieldTable?
        var isLast = false
    }

    enum Taken {
        case piece(Piece)
        case refused(Refusal)
    }

    /// Takes the body bytes that have come, without their framing.
    func take(from block: ExchangeRef) -> Taken {
        switch block.pointee.run.requestBody {
        case .complete, .dropping: return .piece(Piece(isLast: true))
        case .receivingTrailers: return takeTrailers(block, after: .empty)
        case .receiving: break
        }
        let start = block.pointee.exchange.bytes + block.pointee.inputUsed
        let count = block.pointee.inputCount - block.pointee.inputUsed
        if case .untilClose = block.pointee.run.requestFraming { return takeUntilEnd(block, start, count) }
        guard case .chunked = block.pointee.run.requestFraming else {
            var taken = Int(min(UInt64(count), block.pointee.run.requestRemaining))
            // What composes a request has room for no more.
            if block.pointee.run.wideInput != nil { taken = min(taken, Limits.heldPieceBytes) }
            block.pointee.inputUsed += taken
            block.pointee.run.requestRemaining -= UInt64(taken)
            block.pointee.run.requestBodyBytes += UInt64(taken)
            let isLast = block.pointee.run.requestRemaining == 0
            if isLast { block.pointee.run.requestBody = .complete }
            return .piece(Piece(content: ByteView(base: start, count: taken), isLast: isLast))
        }
        let outcome = block.pointee.run.requestDecoder.decode(start, count: count)
        block.pointee.inputUsed += outcome.consumed
        block.pointee.run.requestBodyBytes += UInt64(outcome.content)
        guard block.pointee.run.requestBodyBytes <= bytesMax else { return .refused(.bodyTooLarge) }
        let content = ByteView(base: start, count: outcome.content)
        switch outcome.state {
        case .more: return .piece(Piece(content: content))
        case .malformed: return .refused(.badRequest("malformed chunk"))
        case .trailers:
            block.pointee.run.requestBody = .receivingTrailers
            return takeTrailers(block, after: content)
        }
    }

    /// Takes content of a request over HTTP/2 that has not said how long it is: all that has come, up to the end of the stream.
    private func takeUntilEnd(_ block: ExchangeRef, _ start: UnsafeMutablePointer<UInt8>, _ count: Int) -> Taken {
        let stream = block.streamRun
        let content = min(count, (stream.pointee.trailersAt ?? block.pointee.inputCount) - block.pointee.inputUsed)
        block.pointee.inputUsed += content
        block.pointee.run.requestBodyBytes += UInt64(content)
        guard block.pointee.run.requestBodyBytes <= bytesMax else { return .refused(.bodyTooLarge) }
        let view = ByteView(base: start, count: content)
        guard stream.pointee.hasRequestEnded else { return .piece(Piece(content: view)) }
        guard stream.pointee.trailersAt != nil else {
            block.pointee.run.requestBody = .complete
            return .piece(Piece(content: view, isLast: true))
        }
        block.pointee.run.requestBody = .receivingTrailers
        return takeTrailers(block, after: view)
    }

    private func takeTrailers(_ block: ExchangeRef, after content: ByteView) -> Taken {
        let start = block.pointee.exchange.bytes + block.pointee.inputUsed
        let bytes = ByteView(base: start, count: block.pointee.inputCount - block.pointee.inputUsed)
        var fields = FieldTable(slots: slots, capacity: slotCount)
        switch TrailerSection.parse(bytes, slots: slots, capacity: slotCount, into: &fields) {
        case .incomplete:
            guard bytes.count < Limits.requestTrailerBytes else { return .refused(.headTooLarge) }
            return .piece(Piece(content: content))
        case .malformed(let fault): return .refused(fault.kind == .tooManyFields ? .headTooLarge : .badRequest(fault.detail))
        case .complete(let length):
            guard length <= Limits.requestTrailerBytes else { return .refused(.headTooLarge) }
            guard !refusesUnusualFields || fields.present & KnownField.unusual.bit == 0 else {
                return .refused(.unusualField)
            }
            block.pointee.inputUsed += length
            block.pointee.run.requestBody = .complete
            return .piece(Piece(content: content, trailers: bytes[..<length], trailerFields: fields, isLast: true))
        }
    }

    /// What stands where trailers are to stand, for somebody who drops them.
    enum Trailers {
        case incomplete
        case refused(Refusal)
        case complete(length: Int)
    }

    func trailers(_ bytes: ByteView) -> Trailers {
        var fields = FieldTable(slots: slots, capacity: slotCount)
        switch TrailerSection.parse(bytes, slots: slots, capacity: slotCount, into: &fields) {
        case .incomplete: return bytes.count < Limits.requestTrailerBytes ? .incomplete : .refused(.headTooLarge)
        case .malformed(let fault): return .refused(fault.kind == .tooManyFields ? .headTooLarge : .badRequest(fault.detail))
        case .complete(let length):
            guard length <= Limits.requestTrailerBytes else { return .refused(.headTooLarge) }
            guard !refusesUnusualFields || fields.present & KnownField.unusual.bit == 0 else { return .refused(.unusualField) }
            return .complete(length: length)
        }
    }

    /// Writes a piece of body in the framing that the upstream was told.
    func write(_ writer: inout HeadWriter, _ piece: Piece, _ block: ExchangeRef) {
        switch block.pointee.run.requestFraming {
        case .none, .length: return writer.write(piece.content)
        case .chunked, .untilClose: break
        }
        writer.writeChunk(piece.content)
        guard piece.isLast else { return }
        writer.write(ChunkedEncoder.lastChunkLine)
        writeTrailers(&writer, piece, block)
    }

    /// Writes the trailers of a piece that pass, and the empty line.
    func writeTrailers(_ writer: inout HeadWriter, _ piece: Piece, _ block: ExchangeRef) {
        if let fields = piece.trailerFields {
            let selection = FieldSelection(block.exchange, isPreCall: false)
            let nominated = block.pointee.exchange.nominatedNames()
            let signed = block.pointee.exchange.signedNames()
            writer.writeTrailers(fields, in: piece.trailers) {
                selection.dropsTrailer($0, in: piece.trailers, nominated: nominated, signed: signed)
            }
        }
        writer.write("\r\n")
    }

    // MARK: How fast it comes

    /// Whether the client has sent no less of its body than it must over the span that has ended, if one has. Begins the next one then.
    func keepsPace(_ block: ExchangeRef) -> Bool {
        let run = block.run
        if run.pointee.bodySpanAt != 0 {
            let span = turn.now - run.pointee.bodySpanAt
            guard span >= timeout else { return true }
            let bytes = run.pointee.requestBodyBytes - run.pointee.bodySpanBytes
            if bytes * 1000 < rateMin * span { return false }
        }
        run.pointee.bodySpanAt = turn.now
        run.pointee.bodySpanBytes = run.pointee.requestBodyBytes
        return true
    }

    // MARK: A body that nobody wants

    /// The response is decided before the body was read. A short rest is read and dropped to keep the connection; with
    /// any other the connection ends after the response.
    func settle(_ block: ExchangeRef) {
        guard block.pointee.run.requestBody != .complete else { return }
        // Only the stream ends, with the response.
        guard !block.pointee.run.isHTTP2 else { return block.pointee.run.requestBody = .dropping }
        guard !HeldBodies.dropWhole(block) else { return }
        // What a body that was being collected has come to cannot be told any more.
        guard !block.pointee.run.isCollecting else { return block.pointee.run.keepsAlive = false }
        // What has come already costs nothing.
        if case .refused = take(from: block) { block.pointee.run.keepsAlive = false }
        guard block.pointee.run.requestBody != .complete else { return }
        let isShort: Bool
        if case .length = block.pointee.run.requestFraming {
            isShort = block.pointee.run.requestRemaining <= UInt64(Limits.drainedBodyBytes)
        } else {
            isShort = false
        }
        // A client that waits for 100 may send the body or not: only a close makes that plain.
        if isShort, !block.pointee.exchange.head.expectsContinue, block.pointee.run.upstreamPlace == nil {
            block.pointee.run.requestBody = .dropping
        } else {
            block.pointee.run.keepsAlive = false
        }
    }
}

extension HeadWriter {
    /// Writes content as one chunk; nothing for no content, because an empty chunk would end the body.
    mutating func writeChunk(_ content: ByteView) {
        guard !content.isEmpty else { return }
        var line: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &line) { bytes in
            guard let base = bytes.assumingMemoryBound(to: UInt8.self).baseAddress else { return }
            let end = base + ChunkedEncoder.sizeLineBytesMax
            let count = ChunkedEncoder.writeSizeLine(content.count, endingAt: end)
            write(end - count, count)
        }
        write(content)
        write(ChunkedEncoder.lineEnd)
    }

    /// Writes the trailers that may be passed on; `drops` names those that this exchange in particular keeps back.
    mutating func writeTrailers(_ fields: FieldTable, in bytes: ByteView, drops: (FieldSlot) -> Bool) {
        for index in 0..<fields.count {
            let slot = fields[index]
            if HopByHop.isForbiddenInTrailers(slot.known) || HopByHop.isForbiddenInTrailers(name: bytes[slot.name]) { continue }
            if drops(slot) { continue }
            write(bytes[slot.name])
            write(": ")
            write(bytes[slot.value])
            write("\r\n")
        }
    }
}
