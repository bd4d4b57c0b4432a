import SluiceEvent
import SluiceHTTP

// A request's body on its way from the client to the upstream, piece by piece: what the upstream's socket does not take
// stops the reading from the client's.

extension Worker {
    // MARK: From client to upstream

    /// The client's socket has something while an exchange is under way: its body, or news of its end.
    func receiveRequestBody(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return }
        // The body is read when the request's head has gone; until then it waits in the client's socket.
        guard block.pointee.run.isReceivingRequest, serviceTakesBody(block) else { return noticeEnd(connection) }
        var reads = 0
        while connection.pointee.socket.mayRead, serviceHasRoom(block), block.pointee.run.isReceivingRequest {
            guard reads < Limits.readsPerTurn else { return enqueue(connection) }
            reads += 1
            makeRoom(block)
            let room = roomForBody(block)
            let memory = block.pointee.exchange.bytes + block.pointee.inputCount
            switch connection.pointee.socket.receive(into: memory, capacity: room) {
            case .bytes(let count):
                counters.traffic.downstreamBytesReceived &+= UInt64(count)
                block.pointee.inputCount += count
                guard forwardBody(block) else { return }
                if block.pointee.run.isReceivingRequest { connection.pointee.socket.mayRead = true }
            case .wouldBlock: break
            case .ended:
                // Half a body is no body: nothing may take it for a whole one.
                return fail(block, .badRequest("incomplete body"))
            case .failed: return abort(connection)
            }
        }
        if block.pointee.run.isReceivingRequest, serviceHasRoom(block) {
            awaitBody(connection, block)
        } else {
            block.pointee.run.bodySpanAt = 0
            let isWhole = !block.pointee.run.isReceivingRequest
            // The client's end, or a reset, may have come with the last of the body.
            if connection.pointee.output.isEmpty { limit(connection, to: isWhole ? Limits.clientLookMilliseconds : 0) }
            if isWhole, connection.pointee.socket.isPeerClosed { noticeEnd(connection) }
        }
    }

    /// The client is to send more of its body: something within the body's timeout, and over each such span no less than it must.
    /// What the service does not take is no time of the client's.
    private func awaitBody(_ connection: ClientRef, _ block: ExchangeRef) {
        limit(connection, to: limits.bodyTimeout)
        let run = block.run
        if run.pointee.bodySpanAt != 0 {
            let span = nowMilliseconds - run.pointee.bodySpanAt
            guard span >= limits.bodyTimeout else { return }
            let bytes = run.pointee.requestBodyBytes - run.pointee.bodySpanBytes
            if bytes * 1000 < limits.rateMin * span { return fail(block, .requestTimeout) }
        }
        run.pointee.bodySpanAt = nowMilliseconds
        run.pointee.bodySpanBytes = run.pointee.requestBodyBytes
    }

    /// Notices that the client has gone, while nothing is to be read of it: a reset says so, and the end of its sending side where
    /// SLUICE_CLIENT_CLOSE says so; otherwise it still waits for its response. A body that is not wanted yet, and a next request,
    /// stay in the socket.
    func noticeEnd(_ connection: ClientRef) {
        guard connection.pointee.socket.mayRead else { return }
        var byte: UInt8 = 0
        switch Socket.peek(connection.pointee.socket.descriptor, into: &byte, capacity: 1) {
        // A reset leaves what came before it to be read.
        case .bytes: if Socket.pendingError(connection.pointee.socket.descriptor) != 0 { return abort(connection) }
        // TLS reads ahead: a next request may have left the socket already.
        case .wouldBlock: connection.pointee.socket.mayRead = connection.pointee.socket.hasReadAhead
        case .ended: connection.pointee.socket.isPeerClosed = true
        case .failed: return abort(connection)
        }
        if limits.halfCloseAborts, connection.pointee.socket.isPeerClosed { abort(connection) }
    }

    /// Where body bytes that follow the head's own read are put, so that the head stays whole.
    private func makeRoom(_ block: ExchangeRef) {
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
    private func roomForBody(_ block: ExchangeRef) -> Int {
        let room = block.pointee.inputCapacity - block.pointee.inputCount
        guard case .length = block.pointee.run.requestFraming else { return room }
        return Int(min(UInt64(room), block.pointee.run.requestRemaining))
    }

    /// Sends the body bytes in the block on. False if the exchange went on to something else.
    private func forwardBody(_ block: ExchangeRef) -> Bool {
        let piece: BodyPiece
        switch takeBody(block) {
        case .piece(let taken): piece = taken
        case .refused(let refusal):
            fail(block, refusal)
            return false
        }
        block.pointee.run.isReplayable = false
        var writer = HeadWriter(compose, capacity: composeCapacity)
        writeBody(&writer, piece, block)
        return sendBody(block, writer.start, writer.count)
    }

    // MARK: Taking a body from the block

    /// Body bytes that were taken from the block, and trailers if the body ended with any.
    struct BodyPiece {
        var content: ByteView = .empty
        var trailers = ByteView.empty
        var trailerFields: FieldTable?
        var isLast = false
    }

    enum BodyTaken {
        case piece(BodyPiece)
        case refused(Refusal)
    }

    /// Takes the body bytes that have come, without their framing.
    func takeBody(_ block: ExchangeRef) -> BodyTaken {
        switch block.pointee.run.requestBody {
        case .complete, .dropping: return .piece(BodyPiece(isLast: true))
        case .receivingTrailers: return takeTrailers(block, after: .empty)
        case .receiving: break
        }
        let start = block.pointee.exchange.bytes + block.pointee.inputUsed
        let count = block.pointee.inputCount - block.pointee.inputUsed
        guard case .chunked = block.pointee.run.requestFraming else {
            let taken = Int(min(UInt64(count), block.pointee.run.requestRemaining))
            block.pointee.inputUsed += taken
            block.pointee.run.requestRemaining -= UInt64(taken)
            block.pointee.run.requestBodyBytes += UInt64(taken)
            let isLast = block.pointee.run.requestRemaining == 0
            if isLast { block.pointee.run.requestBody = .complete }
            return .piece(BodyPiece(content: ByteView(base: start, count: taken), isLast: isLast))
        }
        let outcome = block.pointee.run.requestDecoder.decode(start, count: count)
        block.pointee.inputUsed += outcome.consumed
        block.pointee.run.requestBodyBytes += UInt64(outcome.content)
        guard block.pointee.run.requestBodyBytes <= limits.bodyBytesMax else { return .refused(.bodyTooLarge) }
        let content = ByteView(base: start, count: outcome.content)
        switch outcome.state {
        case .more: return .piece(BodyPiece(content: content))
        case .malformed: return .refused(.badRequest("malformed chunk"))
        case .trailers:
            block.pointee.run.requestBody = .receivingTrailers
            return takeTrailers(block, after: content)
        }
    }

    private func takeTrailers(_ block: ExchangeRef, after content: ByteView) -> BodyTaken {
        let start = block.pointee.exchange.bytes + block.pointee.inputUsed
        let bytes = ByteView(base: start, count: block.pointee.inputCount - block.pointee.inputUsed)
        var fields = FieldTable(slots: responseSlots, capacity: Self.responseSlotCount)
        switch TrailerSection.parse(bytes, slots: responseSlots, capacity: Self.responseSlotCount, into: &fields) {
        case .incomplete:
            guard bytes.count < Limits.requestTrailerBytes else { return .refused(.headTooLarge) }
            return .piece(BodyPiece(content: content))
        case .malformed(let fault): return .refused(fault.kind == .tooManyFields ? .headTooLarge : .badRequest(fault.detail))
        case .complete(let length):
            guard length <= Limits.requestTrailerBytes else { return .refused(.headTooLarge) }
            guard !limits.refusesUnusualFields || fields.present & KnownField.unusual.bit == 0 else {
                return .refused(.unusualField)
            }
            block.pointee.inputUsed += length
            block.pointee.run.requestBody = .complete
            return .piece(BodyPiece(content: content, trailers: bytes[..<length], trailerFields: fields, isLast: true))
        }
    }

    /// Writes a piece of body in the framing that the upstream was told.
    func writeBody(_ writer: inout HeadWriter, _ piece: BodyPiece, _ block: ExchangeRef) {
        guard case .chunked = block.pointee.run.requestFraming else { return writer.write(piece.content) }
        writer.writeChunk(piece.content)
        guard piece.isLast else { return }
        writer.write(ChunkedEncoder.lastChunkLine)
        if let fields = piece.trailerFields {
            let selection = FieldSelection(block, isPreCall: false)
            let nominated = block.pointee.exchange.nominatedNames()
            let signed = PolicyChain.signedNames(of: block.pointee.exchange)
            writer.writeTrailers(fields, in: piece.trailers) {
                selection.dropsTrailer($0, in: piece.trailers, nominated: nominated, signed: signed)
            }
        }
        writer.write("\r\n")
    }

    // MARK: A body that nobody wants

    /// The response is decided before the body was read. A short rest is read and dropped to keep the connection; with
    /// any other the connection ends after the response.
    func settleRequestBody(_ block: ExchangeRef) {
        guard block.pointee.run.requestBody != .complete else { return }
        // What has come already costs nothing.
        if case .refused = takeBody(block) { block.pointee.run.keepsAlive = false }
        guard block.pointee.run.requestBody != .complete else { return }
        let isShort: Bool
        if case .length = block.pointee.run.requestFraming {
            isShort = block.pointee.run.requestRemaining <= UInt64(Limits.drainedBodyBytes)
        } else {
            isShort = false
        }
        // A client that waits for 100 may send the body or not: only a close makes that plain.
        if isShort, !block.pointee.exchange.head.expectsContinue, block.pointee.run.upstream == nil {
            block.pointee.run.requestBody = .dropping
        } else {
            block.pointee.run.keepsAlive = false
        }
    }

    /// Reads the rest of a refused request's body and forgets it.
    func dropRequestBody(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return close(connection) }
        while connection.pointee.socket.mayRead, block.pointee.run.requestRemaining > 0 {
            let count = Int(min(UInt64(Limits.receiveBytes), block.pointee.run.requestRemaining))
            switch connection.pointee.socket.receive(into: receiveArea, capacity: count) {
            case .bytes(let count):
                block.pointee.run.requestRemaining -= UInt64(count)
                connection.pointee.socket.mayRead = true
            case .wouldBlock: break
            case .ended, .failed: return close(connection)
            }
        }
        if block.pointee.run.requestRemaining == 0 { awaitNextRequest(connection, block) }
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
