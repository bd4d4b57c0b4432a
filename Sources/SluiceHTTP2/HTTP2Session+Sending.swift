package import SluiceHTTP

/// What has become of something that was to be sent.
package enum HTTP2Sending: BitwiseCopyable, Equatable, Sendable {
    case sent
    /// There is too little room in the output. Nothing has changed.
    case noRoom
    /// The stream has ended, or we have ended it.
    case closed
    /// The text is no head.
    case malformed
    /// No stream may be opened now: the other side has as many as it takes, or has said that it takes no more, or there are no more numbers.
    case noStream
}

/// Heads, content and trailers to the other side.
extension HTTP2Session {
    // MARK: heads

    /// Bytes of room that are enough for a head or trailers of this many bytes of text.
    package mutating func room(forHead count: Int) -> Int {
        let block = HPACKEncoder.bytesMax(text: count) + 1
        return block + HTTP2Frame.headerBytes * (1 + block / peerFrameBytes + 1)
    }

    /// Writes the head of a response, interim or final, given as the text of HTTP/1.1.
    package mutating func sendHead(_ stream: UInt32, _ text: ByteView, endsStream: Bool, _ output: inout HTTP2Output) -> HTTP2Sending {
        send(stream, text, .response, endsStream: endsStream, &output)
    }

    /// Writes trailers, given as lines of text and an empty one. They end the stream.
    package mutating func sendTrailers(_ stream: UInt32, _ text: ByteView, _ output: inout HTTP2Output) -> HTTP2Sending {
        send(stream, text, .trailers, endsStream: true, &output)
    }

    private mutating func send(
        _ stream: UInt32, _ text: ByteView, _ kind: HPACKEncoder.Kind, endsStream: Bool, _ output: inout HTTP2Output
    ) -> HTTP2Sending {
        guard step != .failed, let slot = streams.find(stream), slot.pointee.state.maySend else { return .closed }
        let outcome = writeBlock(stream, text, kind, endsStream: endsStream, &output)
        if outcome == .sent, endsStream { endLocal(slot) }
        return outcome
    }

    /// Whether a client may open one more stream now.
    package var mayOpen: Bool {
        role == .client && step != .failed && !hasGoAway && streams.count < peerStreams && lastOwnStream < 0x7FFF_FFFE
    }

    /// Opens a stream and writes the head of a request, given as the text of HTTP/1.1.
    ///
    /// - Parameters:
    ///   - isHead: the method is HEAD: the response has no content.
    ///   - connect: the protocol that the stream is for (RFC 8441), else nothing; only while `peerTakesConnect`.
    ///   - stream: its number, if the request was sent.
    package mutating func sendRequest(
        _ text: ByteView, endsStream: Bool, isHTTPS: Bool, isHead: Bool, connect: ByteView = .empty, stream: inout UInt32, _ output: inout HTTP2Output
    ) -> HTTP2Sending {
        guard mayOpen, connect.isEmpty || peerTakesConnect else { return .noStream }
        let identifier = lastOwnStream == 0 ? 1 : lastOwnStream + 2
        let outcome = writeBlock(identifier, text, .request(isHTTPS: isHTTPS, connect: connect), endsStream: endsStream, &output)
        guard outcome == .sent else { return outcome }
        lastOwnStream = identifier
        stream = identifier
        var opened = HTTP2Stream(
            identifier: identifier, state: endsStream ? .halfClosedLocal : .open, sendWindow: streamSendWindow, receiveWindow: streamReceiveWindow)
        opened.isHead = isHead
        streams.add(opened)
        earn(2)
        return .sent
    }

    /// Writes the frames of a block: HEADERS, and CONTINUATION as many as the other side's frames need.
    private mutating func writeBlock(
        _ stream: UInt32, _ text: ByteView, _ kind: HPACKEncoder.Kind, endsStream: Bool, _ output: inout HTTP2Output
    ) -> HTTP2Sending {
        var bytes = text.count
        if case .request(_, let connect) = kind, !connect.isEmpty { bytes += connect.count + 32 }
        guard output.room >= room(forHead: bytes) else { return .noRoom }
        let start = output.next
        var fields = start + HTTP2Frame.headerBytes
        if owesSizeUpdate {
            // A table of 0 bytes, which is what we use.
            fields[0] = 0x20
            fields += 1
        }
        guard let encoded = HPACKEncoder.encode(text, kind: kind, tables: tables, into: fields) else { return .malformed }
        let length = encoded + (owesSizeUpdate ? 1 : 0)
        owesSizeUpdate = false
        let end = endsStream ? HTTP2Frame.Flag.endStream : 0
        if length <= peerFrameBytes {
            HTTP2Frame.writeHeader(length: length, kind: HTTP2Frame.Kind.headers, flags: HTTP2Frame.Flag.endHeaders | end, stream: stream, at: start)
            output.add(HTTP2Frame.headerBytes + length)
            return .sent
        }
        // From the last frame on, each part moves to where its frame's payload is.
        let parts = (length + peerFrameBytes - 1) / peerFrameBytes
        for part in (0..<parts).reversed() {
            let from = part * peerFrameBytes
            let count = min(peerFrameBytes, length - from)
            let place = start + part * (HTTP2Frame.headerBytes + peerFrameBytes)
            (place + HTTP2Frame.headerBytes).update(from: start + HTTP2Frame.headerBytes + from, count: count)
            HTTP2Frame.writeHeader(
                length: count, kind: part == 0 ? HTTP2Frame.Kind.headers : HTTP2Frame.Kind.continuation,
                flags: (part == parts - 1 ? HTTP2Frame.Flag.endHeaders : 0) | (part == 0 ? end : 0), stream: stream, at: place)
        }
        output.add(length + parts * HTTP2Frame.headerBytes)
        return .sent
    }

    // MARK: content

    /// Bytes of the header that stands before the content of a frame.
    package static var dataHeaderBytes: Int { HTTP2Frame.headerBytes }

    /// Bytes of content that may be sent on the stream in one frame now: what both windows and the other side's frames allow.
    package mutating func sendable(_ stream: UInt32) -> Int {
        guard let slot = streams.find(stream), slot.pointee.state.maySend else { return 0 }
        return max(0, Int(min(sendWindow, slot.pointee.sendWindow, Int64(peerFrameBytes))))
    }

    /// Bytes of so much content that are worth a frame now: 0 where the windows let less through than is left, and less than half of the window that a stream
    /// begins with, 2 KiB at most. A client that gives credit for each frame that it gets would make them ever smaller (RFC 9293, 3.8.6.2.1).
    package mutating func sendable(_ stream: UInt32, of left: Int) -> Int {
        let bytes = sendable(stream)
        guard bytes < left else { return left }
        return Int64(bytes) >= enough ? bytes : 0
    }

    /// A window of as many bytes is not waited for to become larger.
    var enough: Int64 { max(1, min(Self.enoughBytes, streamSendWindow / 2)) }

    /// Writes the header of a DATA frame at `place`, of `dataHeaderBytes`, and takes the content off the windows. The caller sends the content right behind it.
    ///
    /// - Parameter count: bytes of content, at most `sendable`; 0 only to end the stream.
    /// - Returns: false if the stream has ended, or the windows do not allow it; nothing has changed then.
    package mutating func beginData(_ stream: UInt32, count: Int, endsStream: Bool, at place: UnsafeMutablePointer<UInt8>) -> Bool {
        guard step != .failed, count >= 0, count > 0 || endsStream, let slot = streams.find(stream), slot.pointee.state.maySend else { return false }
        if count > 0 {
            guard count <= sendable(stream) else { return false }
            sendWindow -= Int64(count)
            slot.pointee.sendWindow -= Int64(count)
        }
        // Unless the windows let so little through that it was the updates which made so many frames.
        let isDribble = count < Self.dribbleBytes && !endsStream && (sendWindow <= 0 || slot.pointee.sendWindow <= 0)
        if !isDribble { earn(3) }
        HTTP2Frame.writeHeader(
            length: count, kind: HTTP2Frame.Kind.data, flags: endsStream ? HTTP2Frame.Flag.endStream : 0, stream: stream, at: place)
        if endsStream { endLocal(slot) }
        return true
    }

    /// We have sent END_STREAM.
    private func endLocal(_ slot: UnsafeMutablePointer<HTTP2Stream>) {
        slot.pointee.state = slot.pointee.state == .open ? .halfClosedLocal : .ended
    }

    // MARK: ending

    /// Ends a stream by RST_STREAM, if it has not ended. A server that has answered without waiting for the whole request does so with
    /// `.noError` (RFC 9113, 8.1). Where all the content that was announced has come, it is END_STREAM alone that is under way, in a frame of its own as some
    /// clients send it: they would take a reset for a failure. So nothing is sent, and what still comes is ignored as behind a reset.
    package mutating func reset(_ stream: UInt32, _ code: HTTP2ErrorCode, _ output: inout HTTP2Output) {
        guard step != .failed, let slot = streams.find(stream), !slot.pointee.state.isClosed else { return }
        let awaitsEndAlone = code == .noError && slot.pointee.state == .halfClosedLocal && slot.pointee.contentLeft == 0
        slot.pointee.state = .resetByUs
        guard !awaitsEndAlone else { return }
        guard hasAnswerRoom(output) else {
            slot.pointee.resetCode = code.rawValue
            slot.pointee.owesReset = true
            owesAnswers = true
            return
        }
        output.write(kind: HTTP2Frame.Kind.resetStream, stream: stream, number: code.rawValue)
    }

    /// Nobody works for the stream any more: it is forgotten, and what was not consumed of it is credited to the connection. One that has not ended is reset with
    /// CANCEL.
    ///
    /// - Returns: false if there is no room for that: it is to be called again.
    package mutating func release(_ stream: UInt32, _ output: inout HTTP2Output) -> Bool {
        guard let slot = streams.find(stream) else { return true }
        if step != .failed {
            if !slot.pointee.state.isClosed { reset(stream, .cancel, &output) }
            if slot.pointee.owesReset {
                guard hasAnswerRoom(output) else { return false }
                slot.pointee.owesReset = false
                output.write(kind: HTTP2Frame.Kind.resetStream, stream: stream, number: slot.pointee.resetCode)
            }
        }
        let held = slot.pointee.held
        streams.remove(stream)
        if step != .failed { credit(held, &output) }
        return true
    }

    /// Tells the other side to open no more streams soon: the first step of an orderly end (RFC 9113, 6.8). Those that are under way are still served.
    package mutating func announceEnd(_ output: inout HTTP2Output) -> HTTP2Sending {
        guard step != .failed else { return .closed }
        guard output.room >= HTTP2Frame.headerBytes + 8 else { return .noRoom }
        writeGoAway(lastStream: 0x7FFF_FFFF, .noError, &output)
        return .sent
    }

    /// The second step, a round trip later: streams that are opened from now on are passed over, and the other side knows that they are.
    package mutating func endAfterLast(_ output: inout HTTP2Output) -> HTTP2Sending {
        guard step != .failed else { return .closed }
        guard output.room >= HTTP2Frame.headerBytes + 8 else { return .noRoom }
        lastAccepted = min(lastAccepted, lastPeerStream)
        writeGoAway(lastStream: lastAccepted, .noError, &output)
        return .sent
    }

    /// Asks the other side whether it is there; `.pingAcknowledged` brings the same number.
    package mutating func ping(_ opaque: UInt64, _ output: inout HTTP2Output) -> HTTP2Sending {
        guard step != .failed else { return .closed }
        guard output.room >= HTTP2Frame.headerBytes + 8 else { return .noRoom }
        output.write(kind: HTTP2Frame.Kind.ping, flags: 0, eight: opaque)
        return .sent
    }
}
