import SluiceHTTP

/// SETTINGS, PING, GOAWAY, RST_STREAM and WINDOW_UPDATE of the other side (RFC 9113, 6.4 to 6.9).
extension HTTP2Session {
    mutating func beginSettings(_ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        guard frame.stream == 0 else { return fail(.protocolError, .streamZero, &output) }
        if frame.has(HTTP2Frame.Flag.acknowledgement) {
            guard frame.length == 0 else { return fail(.frameSizeError, .frameLength, &output) }
            step = .frameHeader
            guard unacknowledged > 0 else { return chargeGlitch(&output, now) }
            unacknowledged -= 1
            return applyOwnSettings(&output)
        }
        guard frame.length % 6 == 0 else { return fail(.frameSizeError, .frameLength, &output) }
        settingsLeft = frame.length / 6
        guard settingsLeft <= limits.pointee.settingsPerFrame else { return fail(.enhanceYourCalm, .settingsFlood, &output) }
        let isFirst = !sawSettings
        sawSettings = true
        if !isFirst, let event = chargeGlitch(&output, now) { return event }
        guard settingsLeft > 0 else { return endSettings(&output) }
        step = .setting
        return nil
    }

    /// The other side goes by our settings from now on (RFC 9113, 6.5.3).
    private mutating func applyOwnSettings(_ output: inout HTTP2Output) -> HTTP2Event? {
        decoder.allow(limits.pointee.headerTableBytes)
        let change = Int64(limits.pointee.streamWindow) - streamReceiveWindow
        streamReceiveWindow += change
        // What was too little to be told of a larger window may be half of this one, and the other side may have sent all that it allows.
        var isCreditDue = false
        _ = streams.first { slot in
            slot.pointee.receiveWindow += change
            if slot.pointee.unannounced > 0, Int64(slot.pointee.unannounced) * 2 >= streamReceiveWindow {
                slot.pointee.owesCredit = true
                isCreditDue = true
            }
            return false
        }
        if isCreditDue { writeOwed(&output) }
        return nil
    }

    private mutating func endSettings(_ output: inout HTTP2Output) -> HTTP2Event? {
        step = .frameHeader
        output.writeSettingsAcknowledgement()
        queuedAnswers += 1
        return .settingsChanged
    }

    /// A value that is not legal is refused before it is stored anywhere.
    mutating func readSetting(_ identifier: UInt16, _ value: UInt32, _ output: inout HTTP2Output) -> HTTP2Event? {
        switch identifier {
        case HTTP2Frame.Setting.headerTableSize:
            // Ours is empty; but who has made its table smaller has to be told so (RFC 7541, 4.2).
            owesSizeUpdate = true
        case HTTP2Frame.Setting.enablePush:
            // A server must not say that it can be pushed to (RFC 9113, 6.5.2).
            guard value == 0 || (value == 1 && role == .server) else { return fail(.protocolError, .settingValue, &output) }
        case HTTP2Frame.Setting.maxConcurrentStreams:
            peerStreams = Int(value)
        case HTTP2Frame.Setting.initialWindowSize:
            guard Int64(value) <= Self.windowMax else { return fail(.flowControlError, .settingValue, &output) }
            let change = Int64(value) - streamSendWindow
            let tooLarge = streams.first { slot in
                slot.pointee.sendWindow += change
                return slot.pointee.sendWindow > Self.windowMax
            }
            guard tooLarge == nil else { return fail(.flowControlError, .windowOverflow, &output) }
            streamSendWindow = Int64(value)
        case HTTP2Frame.Setting.maxFrameSize:
            guard value >= 16_384, value <= 0xFF_FFFF else { return fail(.protocolError, .settingValue, &output) }
            peerFrameBytes = Int(value)
        case HTTP2Frame.Setting.enableConnectProtocol:
            // It may not be taken back (RFC 8441, 3).
            guard value == 1 || (value == 0 && !peerTakesConnect) else { return fail(.protocolError, .settingValue, &output) }
            peerTakesConnect = value == 1
        default: break
        }
        settingsLeft -= 1
        return settingsLeft == 0 ? endSettings(&output) : nil
    }

    mutating func readPing(_ opaque: UInt64, _ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        step = .frameHeader
        if let event = chargeGlitch(&output, now) { return event }
        if frame.has(HTTP2Frame.Flag.acknowledgement) { return .pingAcknowledged(opaque) }
        output.write(kind: HTTP2Frame.Kind.ping, flags: HTTP2Frame.Flag.acknowledgement, eight: opaque)
        queuedAnswers += 1
        return nil
    }

    mutating func readGoAway(_ bytes: UInt64) -> HTTP2Event? {
        step = left > 0 ? .skip : .frameHeader
        let lastStream = UInt32(truncatingIfNeeded: bytes >> 32) & 0x7FFF_FFFF
        hasGoAway = true
        // It may come down, never up (RFC 9113, 6.8).
        lastServed = min(lastServed, lastStream)
        return .goAway(lastStream: lastServed, code: HTTP2ErrorCode(rawValue: UInt32(truncatingIfNeeded: bytes)))
    }

    /// The next of our streams that the other side has said it never saw.
    mutating func resetUnserved() -> HTTP2Event? {
        let last = lastServed
        guard let slot = streams.first(where: { $0.pointee.identifier > last && !$0.pointee.state.isClosed }) else { return nil }
        guard role == .client else { return nil }
        slot.pointee.state = .resetByPeer
        return .reset(HTTP2Reset(stream: slot.pointee.identifier, code: .refusedStream, reason: .goneAway, isUnprocessed: true, isKnown: true))
    }

    mutating func readReset(_ code: UInt32, _ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        step = .frameHeader
        let stream = frame.stream
        guard !isIdle(stream) else { return fail(.protocolError, .idleStream, &output) }
        if let event = chargeGlitch(&output, now) { return event }
        guard let slot = streams.find(stream), !slot.pointee.state.isClosed else { return nil }
        let isUnanswered = slot.pointee.state.maySend
        slot.pointee.state = .resetByPeer
        // A service may refuse what we ask it for; a client that opens and resets makes us work for nothing.
        if role == .server, isUnanswered, let event = chargeReset(&output, now) { return event }
        let code = HTTP2ErrorCode(rawValue: code)
        return .reset(HTTP2Reset(stream: stream, code: code, reason: .byPeer, isUnprocessed: code == .refusedStream, isKnown: true))
    }

    mutating func readWindowUpdate(_ increment: Int64, _ output: inout HTTP2Output, _ now: UInt64) -> HTTP2Event? {
        step = .frameHeader
        let stream = frame.stream
        if let event = chargeGlitch(&output, now) { return event }
        if stream == 0 {
            guard increment > 0 else { return fail(.protocolError, .windowIncrement, &output) }
            guard sendWindow + increment <= Self.windowMax else { return fail(.flowControlError, .windowOverflow, &output) }
            let wasNarrow = sendWindow < enough
            sendWindow += increment
            return wasNarrow ? .windowOpened(stream: 0) : nil
        }
        guard !isIdle(stream) else { return fail(.protocolError, .idleStream, &output) }
        guard increment > 0 else { return failStream(stream, .protocolError, .windowIncrement, &output, now) }
        guard let slot = streams.find(stream), slot.pointee.state.maySend else { return nil }
        guard slot.pointee.sendWindow + increment <= Self.windowMax else { return failStream(stream, .flowControlError, .windowOverflow, &output, now) }
        let wasNarrow = slot.pointee.sendWindow < enough
        slot.pointee.sendWindow += increment
        return wasNarrow && slot.pointee.sendWindow > 0 ? .windowOpened(stream: stream) : nil
    }

    /// Whether nobody has opened the stream yet.
    func isIdle(_ stream: UInt32) -> Bool {
        let isOurs = stream & 1 == (role == .client ? 1 : 0)
        return stream > (isOurs ? lastOwnStream : lastPeerStream)
    }
}
