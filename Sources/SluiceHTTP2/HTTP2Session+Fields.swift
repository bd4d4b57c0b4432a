import SluiceHTTP

/// Blocks of fields: HEADERS and CONTINUATION (RFC 9113, 6.2 and 6.10).
extension HTTP2Session {
    mutating func beginHeaders(_ area: HTTP2HeadArea, _ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        guard frame.stream != 0 else { return fail(.protocolError, .streamZero, &output) }
        let isPadded = frame.has(HTTP2Frame.Flag.padded)
        let hasPriority = frame.has(HTTP2Frame.Flag.priority)
        guard frame.length >= (isPadded ? 1 : 0) + (hasPriority ? 5 : 0) else { return fail(.frameSizeError, .frameLength, &output) }
        block = Block()
        block.stream = frame.stream
        block.endsStream = frame.has(HTTP2Frame.Flag.endStream)
        var failure: HTTP2Reason?
        let purpose = purposeOfBlock(&failure)
        if let failure { return fail(failure == .closedStream ? .streamClosed : .protocolError, failure, &output) }
        assembly.begin(purpose, area)
        isInBlock = true
        if isPadded {
            step = .padLength
        } else if hasPriority {
            step = .blockPriority
        } else {
            return beginFields(&output)
        }
        return nil
    }

    /// What the block of the frame is, by the state of its stream.
    ///
    /// - Parameter failure: set if the connection fails for it.
    private mutating func purposeOfBlock(_ failure: inout HTTP2Reason?) -> HeadAssembly.Purpose {
        let stream = frame.stream
        if let slot = streams.find(stream) {
            switch slot.pointee.state {
            case .open, .halfClosedLocal: return role == .server || slot.pointee.hasFinalHead ? .trailers : .response
            case .halfClosedRemote: refuseBlock(.streamClosed, .closedStream)
            case .ended: failure = .closedStream
            case .resetByPeer: refuseBlock(.streamClosed, .closedStream)
            // It may have been under way.
            case .resetByUs: break
            }
            return .dropped
        }
        let isOurs = stream & 1 == (role == .client ? 1 : 0)
        guard isOurs || role == .server else {
            failure = .streamNumber
            return .dropped
        }
        if !isOurs, stream > lastPeerStream {
            lastPeerStream = stream
            // Who has not heard of our GOAWAY yet can send it again, and knows from that that it may.
            guard stream <= lastAccepted else { return .dropped }
            guard streams.count < limits.pointee.concurrentStreams else {
                refuseBlock(.refusedStream, .tooManyStreams)
                return .dropped
            }
            return .request
        }
        guard !isOurs || (stream <= lastOwnStream && role == .client) else {
            failure = role == .server ? .streamNumber : .idleStream
            return .dropped
        }
        switch streams.closing(of: stream) {
        case .resetByUs: break
        case .resetByPeer: refuseBlock(.streamClosed, .closedStream)
        case nil where stream > lastAccepted: break
        case nil: failure = .streamNumber
        default: failure = .closedStream
        }
        return .dropped
    }

    /// The block is decoded for the sake of later ones, and then its stream reset.
    private mutating func refuseBlock(_ code: HTTP2ErrorCode, _ reason: HTTP2Reason) {
        block.verdict = reason
        block.code = code
    }

    mutating func beginContinuation(_ output: inout HTTP2Output) -> HTTP2Event? {
        block.continuations += 1
        guard block.continuations <= limits.pointee.continuationFrames else { return fail(.enhanceYourCalm, .continuationFlood, &output) }
        return beginFields(&output)
    }

    /// The fields of the frame come next: `left` bytes.
    mutating func beginFields(_ output: inout HTTP2Output) -> HTTP2Event? {
        block.bytes += left
        guard block.bytes <= limits.pointee.blockBytes else { return fail(.enhanceYourCalm, .blockTooLong, &output) }
        step = .block
        return nil
    }

    mutating func readBlock(_ input: inout HTTP2Input, _ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        let count = min(left, input.count)
        if count > 0 {
            let reason = decoder.decode(input.base, count: count, into: &assembly)
            input.use(count)
            left &-= count
            if let reason { return fail(reason == .compression ? .compressionError : .enhanceYourCalm, reason, &output) }
        }
        guard left == 0 else { return .needMore }
        left = padding
        step = padding > 0 ? .skip : .frameHeader
        guard frame.has(HTTP2Frame.Flag.endHeaders) else { return nil }
        isInBlock = false
        if let reason = decoder.endBlock() { return fail(.compressionError, reason, &output) }
        assembly.finish()
        if let verdict = block.verdict { return failStream(block.stream, block.code, verdict, &output, now) }
        switch assembly.purpose {
        case .request: return endRequest(&output, now)
        case .response: return endResponse(&output, now)
        case .trailers: return endTrailers(&output, now)
        case .dropped: return chargeGlitch(&output, now)
        }
    }

    private var head: HTTP2Head {
        HTTP2Head(
            stream: block.stream, count: assembly.count, endsStream: block.endsStream,
            contentLength: assembly.contentLength < 0 ? nil : UInt64(assembly.contentLength), isHTTPS: assembly.isHTTPS,
            isTunnel: assembly.isTunnel)
    }

    private mutating func endRequest(_ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        var stream = HTTP2Stream(
            identifier: block.stream, state: block.endsStream ? .halfClosedRemote : .open, sendWindow: streamSendWindow, receiveWindow: streamReceiveWindow)
        if let fault = assembly.fault {
            guard fault.isOfSize else { return failStream(block.stream, .protocolError, fault, &output, now) }
            // To read it on was work for nothing, which HTTP/1 would have ended the connection for.
            if let event = chargeReset(&output, now) { return event }
            streams.add(stream)
            return .headRefused(stream: block.stream, reason: fault, endsStream: block.endsStream)
        }
        guard !block.endsStream || assembly.contentLength <= 0 else {
            return failStream(block.stream, .protocolError, .contentLengthMismatch, &output, now)
        }
        if assembly.isTunnel, block.endsStream || assembly.contentLength >= 0 {
            return failStream(block.stream, .protocolError, .protocolField, &output, now)
        }
        stream.contentLeft = assembly.contentLength
        streams.add(stream)
        earn(2)
        return .head(head)
    }

    private mutating func endResponse(_ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        // The caller may have let go of the stream since the block began.
        guard let slot = streams.find(block.stream), slot.pointee.state.mayReceive else { return nil }
        if let fault = assembly.fault {
            return failStream(block.stream, fault.isOfSize ? .enhanceYourCalm : .protocolError, fault, &output, now)
        }
        // The text begins with the version and the status.
        let status = assembly.memory + 9
        if status[0] == 0x31 {
            // An interim response does not end the stream (RFC 9113, 8.1).
            guard !block.endsStream else { return failStream(block.stream, .protocolError, .status, &output, now) }
            return .head(head)
        }
        slot.pointee.hasFinalHead = true
        let isWithoutContent = slot.pointee.isHead || (status[1] == 0x30 && status[2] == 0x34 && (status[0] == 0x32 || status[0] == 0x33))
        slot.pointee.contentLeft = isWithoutContent ? 0 : assembly.contentLength
        if block.endsStream {
            guard isWithoutContent || assembly.contentLength <= 0 else {
                return failStream(block.stream, .protocolError, .contentLengthMismatch, &output, now)
            }
            endRemote(slot)
        }
        return .head(head)
    }

    private mutating func endTrailers(_ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        guard let slot = streams.find(block.stream), slot.pointee.state.mayReceive else { return nil }
        if let fault = assembly.fault {
            return failStream(block.stream, fault.isOfSize ? .enhanceYourCalm : .protocolError, fault, &output, now)
        }
        guard block.endsStream else { return failStream(block.stream, .protocolError, .trailersWithoutEnd, &output, now) }
        guard slot.pointee.contentLeft <= 0 else { return failStream(block.stream, .protocolError, .contentLengthMismatch, &output, now) }
        endRemote(slot)
        return .trailers(head)
    }
}

extension HTTP2Reason {
    /// Whether a message is well-formed, and only too large.
    var isOfSize: Bool { self == .headTooLong || self == .tooManyFields || self == .tooManyCrumbs }
}
