import SluiceHTTP

/// Resets that the protocol owes, what they cost the other side, and what waits for room.
extension HTTP2Session {
    /// Ends a stream for a fault of the other side (RFC 9113, 5.4.2). Whoever makes us do so pays for it like for a reset of its own.
    mutating func failStream(
        _ stream: UInt32, _ code: HTTP2ErrorCode, _ reason: HTTP2Reason, _ output: inout HTTP2Output, _ now: UInt64
    ) -> HTTP2Event? {
        // Of an idle stream nobody may send RST_STREAM (RFC 9113, 6.4), and there is nothing to end.
        guard !isIdle(stream) else { return fail(code, reason, &output) }
        output.write(kind: HTTP2Frame.Kind.resetStream, stream: stream, number: code.rawValue)
        queuedAnswers += 1
        if let event = chargeReset(&output, now) { return event }
        var isKnown = false
        if let slot = streams.find(stream) {
            isKnown = !slot.pointee.state.isClosed
            if slot.pointee.state != .ended { slot.pointee.state = .resetByUs }
        } else {
            streams.remember(stream, .resetByUs)
        }
        return .reset(HTTP2Reset(stream: stream, code: code, reason: reason, isUnprocessed: code == .refusedStream, isKnown: isKnown))
    }

    /// A stream ends before its response has.
    mutating func chargeReset(_ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        if resets.take(burst: limits.pointee.resetBurst, perSecond: limits.pointee.resetsPerSecond, now: now) { return nil }
        return fail(.enhanceYourCalm, .resetFlood, &output)
    }

    /// Something has moved forward, for which the other side may have a few frames more to send: a request's priorities and its cancelling; for content that it
    /// got, credit for the stream and for the connection, and a PING by which it measures the line (gRPC's do that with every piece, on a fast line thousands of times a second).
    mutating func earn(_ frames: Int) {
        earned = min(earned + frames, 1_000)
    }

    /// A frame moves nothing forward.
    mutating func chargeGlitch(_ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        if earned > 0 {
            earned -= 1
            return nil
        }
        if glitches.take(burst: limits.pointee.glitchBurst, perSecond: limits.pointee.glitchesPerSecond, now: now) { return nil }
        return fail(.enhanceYourCalm, .glitchFlood, &output)
    }

    /// All that was written into outputs has been sent. Writes what has waited for it.
    package mutating func outputSent(_ output: inout HTTP2Output) {
        queuedAnswers = 0
        if owesAnswers { writeOwed(&output) }
    }

    /// Writes the credit and the resets for which there was no room.
    mutating func writeOwed(_ output: inout HTTP2Output) {
        owesAnswers = false
        if unannounced * 2 >= Int64(limits.pointee.connectionWindow) { announceConnection(&output) }
        while let slot = streams.first(where: { $0.pointee.owesCredit || $0.pointee.owesReset }) {
            guard hasAnswerRoom(output) else {
                owesAnswers = true
                return
            }
            if slot.pointee.owesReset {
                slot.pointee.owesReset = false
                output.write(kind: HTTP2Frame.Kind.resetStream, stream: slot.pointee.identifier, number: slot.pointee.resetCode)
                queuedAnswers += 1
            } else {
                slot.pointee.owesCredit = false
                announce(slot, &output)
            }
        }
    }
}
