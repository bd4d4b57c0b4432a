import SluiceHTTP

/// DATA, and the credit for it (RFC 9113, 6.1 and 6.9).
extension HTTP2Session {
    mutating func beginData(_ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        let length = Int64(frame.length)
        guard frame.stream != 0 else { return fail(.protocolError, .streamZero, &output) }
        let isPadded = frame.has(HTTP2Frame.Flag.padded)
        guard frame.length >= (isPadded ? 1 : 0) else { return fail(.frameSizeError, .frameLength, &output) }
        guard !isIdle(frame.stream) else { return fail(.protocolError, .idleStream, &output) }
        // All of the payload counts, padding too (RFC 9113, 6.9.1), whatever becomes of the stream.
        guard length <= receiveWindow else { return fail(.flowControlError, .windowExceeded, &output) }
        receiveWindow -= length
        guard let slot = streams.find(frame.stream), slot.pointee.state.mayReceive else { return refuseData(&output, now) }
        guard length <= slot.pointee.receiveWindow else { return drop(.flowControlError, .windowExceeded, &output, now) }
        guard role == .server || slot.pointee.hasFinalHead else { return drop(.protocolError, .contentBeforeHead, &output, now) }
        slot.pointee.receiveWindow -= length
        if isPadded {
            step = .padLength
            return nil
        }
        return beginContent(&output, now)
    }

    /// The stream does not take the frame's content: it is passed over, and the stream reset.
    private mutating func drop(_ code: HTTP2ErrorCode, _ reason: HTTP2Reason, _ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        step = .skip
        credit(frame.length, &output)
        return failStream(frame.stream, code, reason, &output, now)
    }

    /// DATA for a stream that has ended.
    private mutating func refuseData(_ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        let state = streams.find(frame.stream).map { $0.pointee.state } ?? streams.closing(of: frame.stream)
        guard state == .resetByUs || frame.stream > lastAccepted else { return drop(.streamClosed, .closedStream, &output, now) }
        // It may have been under way (RFC 9113, 5.1).
        step = .skip
        credit(frame.length, &output)
        return frame.length < Self.dribbleBytes ? chargeGlitch(&output, now) : nil
    }

    /// The length of the content is known: `left` bytes. Whether it fits to what Content-Length says is decided before any of it is passed on, so that a
    /// request that was announced wrongly has not ended for anybody.
    mutating func beginContent(_ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        let ends = frame.has(HTTP2Frame.Flag.endStream)
        let overhead = frame.length - left
        guard let slot = streams.find(frame.stream), slot.pointee.state.mayReceive else {
            // The caller has reset it since the frame began.
            step = .skip
            left += padding
            credit(frame.length, &output)
            return nil
        }
        if slot.pointee.contentLeft >= 0 {
            let after = slot.pointee.contentLeft - Int64(left)
            guard after >= 0, !ends || after == 0 else {
                left += padding
                return drop(.protocolError, .contentLengthMismatch, &output, now)
            }
            slot.pointee.contentLeft = after
        }
        // Nobody has to consume padding.
        credit(overhead, &output)
        credit(overhead, on: slot, &output)
        guard left == 0 else {
            step = .content
            return nil
        }
        let stream = frame.stream
        left = padding
        step = padding > 0 ? .skip : .frameHeader
        guard ends else { return chargeGlitch(&output, now) }
        endRemote(slot)
        return .data(stream: stream, .empty, endsStream: true)
    }

    mutating func readContent(_ input: inout HTTP2Input, _ output: inout HTTP2Output) -> HTTP2Event? {
        let count = min(left, input.count)
        let bytes = ByteView(base: input.base, count: count)
        input.use(count)
        left &-= count
        let isWhole = left == 0
        if isWhole {
            left = padding
            step = padding > 0 ? .skip : .frameHeader
        }
        guard let slot = streams.find(frame.stream), slot.pointee.state.mayReceive else {
            credit(count, &output)
            return nil
        }
        slot.pointee.held += count
        let ends = isWhole && frame.has(HTTP2Frame.Flag.endStream)
        if ends { endRemote(slot) }
        return .data(stream: frame.stream, bytes, endsStream: ends)
    }

    /// The other side has sent END_STREAM.
    func endRemote(_ slot: UnsafeMutablePointer<HTTP2Stream>) {
        slot.pointee.state = slot.pointee.state == .open ? .halfClosedRemote : .ended
    }

    // MARK: credit

    /// The caller has no use for this many bytes of `.data` any more: the other side may send as many again.
    package mutating func consumed(_ stream: UInt32, _ bytes: Int, _ output: inout HTTP2Output) {
        guard step != .failed, let slot = streams.find(stream) else { return }
        // What was not handed out cannot be consumed.
        let count = max(0, min(bytes, slot.pointee.held))
        slot.pointee.held -= count
        credit(count, &output)
        if slot.pointee.state.mayReceive { credit(count, on: slot, &output) }
    }

    /// Bytes of a stream that the caller has not consumed.
    package mutating func unconsumed(_ stream: UInt32) -> Int { streams.find(stream)?.pointee.held ?? 0 }

    /// The connection may carry this many bytes again. The other side is told when it is half of the window.
    mutating func credit(_ bytes: Int, _ output: inout HTTP2Output) {
        unannounced += Int64(bytes)
        guard unannounced * 2 >= Int64(limits.pointee.connectionWindow) else { return }
        announceConnection(&output)
    }

    mutating func announceConnection(_ output: inout HTTP2Output) {
        guard unannounced > 0 else { return }
        guard hasAnswerRoom(output) else {
            owesAnswers = true
            return
        }
        output.write(kind: HTTP2Frame.Kind.windowUpdate, stream: 0, number: UInt32(truncatingIfNeeded: unannounced))
        queuedAnswers += 1
        receiveWindow += unannounced
        unannounced = 0
    }

    /// The same for a stream.
    mutating func credit(_ bytes: Int, on slot: UnsafeMutablePointer<HTTP2Stream>, _ output: inout HTTP2Output) {
        slot.pointee.unannounced += bytes
        guard Int64(slot.pointee.unannounced) * 2 >= streamReceiveWindow else { return }
        announce(slot, &output)
    }

    mutating func announce(_ slot: UnsafeMutablePointer<HTTP2Stream>, _ output: inout HTTP2Output) {
        guard slot.pointee.unannounced > 0, slot.pointee.state.mayReceive else { return }
        guard hasAnswerRoom(output) else {
            slot.pointee.owesCredit = true
            owesAnswers = true
            return
        }
        output.write(kind: HTTP2Frame.Kind.windowUpdate, stream: slot.pointee.identifier, number: UInt32(truncatingIfNeeded: slot.pointee.unannounced))
        queuedAnswers += 1
        slot.pointee.receiveWindow += Int64(slot.pointee.unannounced)
        slot.pointee.unannounced = 0
    }

    /// Whether there is room for an answer of 13 bytes.
    @inline(__always)
    func hasAnswerRoom(_ output: HTTP2Output) -> Bool { output.room >= HTTP2Frame.headerBytes + 4 }
}
