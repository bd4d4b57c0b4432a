import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

/// What is sent to clients that speak HTTP/2: frames are gathered in the connection's output and sent together at the end of the turn. Content
/// that the client's windows or its socket do not let through waits in its exchange. A view of `HTTP2Clients`.
struct ClientFrames: BitwiseCopyable {
    let connections: HTTP2Clients

    @inline(__always)
    private var clients: ClientConnections { connections.clients }
    @inline(__always)
    private var outputs: UnsafeMutablePointer<BlockPool> { connections.outputs }
    @inline(__always)
    private var turn: Turn { connections.turn }
    @inline(__always)
    private var traffic: UnsafeMutablePointer<TrafficCounts> { connections.traffic }
    @inline(__always)
    private var writeTimeout: UInt64 { connections.writeTimeout }

    // MARK: Room

    /// The memory behind what waits in the connection's output, for the session to write into; nil without memory.
    @inline(__always)
    func lend(_ connection: ClientRef) -> HTTP2Output? {
        guard let room = connection.pointee.output.room(HTTP2Output.reserve, from: &outputs.pointee) else { return nil }
        return HTTP2Output(base: room.place, capacity: room.capacity)
    }

    /// What the session has written is sent at the end of the turn.
    @inline(__always)
    func take(back output: HTTP2Output, _ connection: ClientRef) {
        guard output.count > 0 else { return }
        connection.pointee.output.add(output.count)
        gather(connection)
    }

    @inline(__always)
    private func gather(_ connection: ClientRef) {
        guard !connection.http2.pointee.isGathered else { return }
        connection.http2.pointee.isGathered = true
        turn.enqueueSending(connection)
    }

    /// Bytes of content that the client takes now; 0 if the exchange has to wait for `.room`. A little may always wait in the exchange, so
    /// that the end of a response is seen although the window is shut.
    func room(_ block: ExchangeRef) -> Int {
        let connection = block.pointee.run.client
        let stream = block.streamRun
        guard stream.pointee.content.isEmpty, !connection.http2.pointee.isBroken else {
            wait(block)
            return 0
        }
        if connection.pointee.output.count >= Limits.framesGathered { _ = flush(connection) }
        guard connection.pointee.output.count < Limits.framesWaiting else {
            wait(block)
            return 0
        }
        let sendable = connection.http2.pointee.session.sendable(block.pointee.run.stream)
        guard sendable < Limits.contentWaiting, hasMore(block) else { return max(Limits.contentWaiting, sendable) }
        if sendable == 0 { wait(block) }
        return sendable
    }

    /// Whether more of the response is to come than may wait here, so that its end cannot be next. Then nothing of it waits.
    private func hasMore(_ block: ExchangeRef) -> Bool {
        guard block.pointee.run.isHeadSent else { return false }
        switch block.pointee.run.responseFraming {
        case .length: return block.pointee.run.responseRemaining > UInt64(Limits.contentWaiting)
        // One of ours, or one whose end is not known.
        case .none: return block.pointee.run.response == .own && block.pointee.run.responseRemaining > UInt64(Limits.contentWaiting)
        case .chunked, .untilClose: return false
        }
    }

    /// The exchange waits for the client from here on, which has its time to take something.
    func wait(_ block: ExchangeRef) {
        let stream = block.streamRun
        guard !stream.pointee.isWaiting else { return }
        stream.pointee.isWaiting = true
        block.pointee.run.client.http2.pointee.waiting += 1
        // Goes on although the client takes a little meanwhile: how much is looked at when the time is over.
        if stream.pointee.takingLeft == 0 {
            stream.pointee.takingLeft = writeTimeout
            stream.pointee.takingBytes = stream.pointee.framedBytes
        }
        stream.pointee.takingUntil = turn.now + stream.pointee.takingLeft
        setDeadline(block)
    }

    /// Makes the stream's deadline the earliest of those that it has.
    func setDeadline(_ block: ExchangeRef) {
        let stream = block.streamRun
        turn.set(block.streamDeadline, at: min(
            stream.pointee.totalUntil, stream.pointee.callUntil, stream.pointee.bodyUntil, min(stream.pointee.takingUntil, stream.pointee.narrowUntil)))
    }

    /// The exchange does not wait for the client any more.
    func endWait(_ block: ExchangeRef) {
        guard block.streamRun.pointee.isWaiting else { return }
        let stream = block.streamRun
        stream.pointee.isWaiting = false
        // The clock of the client's time stops until the exchange waits again.
        stream.pointee.takingLeft = max(1, stream.pointee.takingUntil - min(stream.pointee.takingUntil, turn.now))
        stream.pointee.takingUntil = Deadline.never
        block.pointee.run.client.http2.pointee.waiting -= 1
    }

    // MARK: Responses

    /// Sends a head as frames.
    ///
    /// - Returns: false if the stream has ended, and also without room for the frames.
    func sendHead(_ block: ExchangeRef, _ text: ByteView, ends: Bool) -> Bool {
        let connection = block.pointee.run.client
        let needed = connection.http2.pointee.session.room(forHead: text.count)
        guard let room = connection.pointee.output.room(needed, from: &outputs.pointee) else { return false }
        var output = HTTP2Output(base: room.place, capacity: room.capacity)
        let sending = connection.http2.pointee.session.sendHead(block.pointee.run.stream, text, endsStream: ends, &output)
        take(back: output, connection)
        return sending == .sent
    }

    /// Sends content. The exchange keeps what the client does not take yet.
    ///
    /// - Returns: false if the stream has ended, and also without memory for what is kept.
    func sendContent(_ block: ExchangeRef, _ bytes: UnsafePointer<UInt8>, _ count: Int, ends: Bool) -> Bool {
        let stream = block.streamRun
        var sent = 0
        if stream.pointee.content.isEmpty {
            guard let written = writeContent(block, bytes, count, ends: ends) else { return false }
            if written == count { return true }
            sent = written
        }
        stream.pointee.endsWithContent = ends
        wait(block)
        return stream.pointee.content.append(bytes + sent, count - sent, from: &outputs.pointee)
    }

    /// Sends trailers. If content waits, they wait behind it.
    ///
    /// - Returns: false if the stream has ended, and also without memory.
    func sendTrailers(_ block: ExchangeRef, _ text: ByteView) -> Bool {
        guard block.streamRun.pointee.content.isEmpty else {
            return block.streamRun.pointee.trailers.append(text.base, text.count, from: &outputs.pointee)
        }
        let connection = block.pointee.run.client
        let needed = connection.http2.pointee.session.room(forHead: text.count)
        guard let room = connection.pointee.output.room(needed, from: &outputs.pointee) else { return false }
        var output = HTTP2Output(base: room.place, capacity: room.capacity)
        let sending = connection.http2.pointee.session.sendTrailers(block.pointee.run.stream, text, &output)
        take(back: output, connection)
        return sending == .sent
    }

    /// Writes DATA frames, as far as the windows and the output let them through.
    ///
    /// - Parameter isForced: whether a window that is narrow is used as well.
    /// - Returns: bytes written, the end of the stream included if it is all of them; nil if the stream has ended.
    private func writeContent(_ block: ExchangeRef, _ bytes: UnsafePointer<UInt8>, _ count: Int, ends: Bool, isForced: Bool = false) -> Int? {
        let connection = block.pointee.run.client
        let stream = block.pointee.run.stream
        guard connection.http2.pointee.session.maySend(stream) else { return nil }
        guard count > 0 else { return ends && !writeFrame(block, bytes, 0, ends: true) ? nil : 0 }
        var written = 0
        while written < count {
            if connection.pointee.output.count >= Limits.framesGathered { _ = flush(connection) }
            guard connection.pointee.output.count < Limits.framesWaiting else { break }
            let sendable = connection.http2.pointee.session.sendable(stream)
            let part = isForced ? min(sendable, count - written) : connection.http2.pointee.session.sendable(stream, of: count - written)
            guard part > 0 else {
                // So little is waited for to become more, but not for long: the client may give no more before it has all of it.
                if sendable > 0 { waitForMore(block) }
                break
            }
            guard writeFrame(block, bytes + written, part, ends: ends && written + part == count) else { break }
            written += part
        }
        return written
    }

    private func writeFrame(_ block: ExchangeRef, _ bytes: UnsafePointer<UInt8>, _ count: Int, ends: Bool) -> Bool {
        let connection = block.pointee.run.client
        let header = HTTP2Session.dataHeaderBytes
        guard let room = connection.pointee.output.room(header + count, from: &outputs.pointee),
            connection.http2.pointee.session.beginData(block.pointee.run.stream, count: count, endsStream: ends, at: room.place)
        else { return false }
        (room.place + header).update(from: bytes, count: count)
        connection.pointee.output.add(header + count)
        block.streamRun.pointee.framedBytes += UInt64(count)
        gather(connection)
        return true
    }

    private func waitForMore(_ block: ExchangeRef) {
        guard block.streamRun.pointee.narrowUntil == Deadline.never else { return }
        block.streamRun.pointee.narrowUntil = turn.now + Limits.narrowWindowMilliseconds
        setDeadline(block)
    }

    /// Sends more of what waits in the exchange. False if the stream has ended.
    ///
    /// - Parameter isForced: whether a window that is narrow is used as well.
    func continueContent(_ block: ExchangeRef, isForced: Bool = false) -> Bool {
        let stream = block.streamRun
        while let front = stream.pointee.content.front, !stream.pointee.content.isEmpty {
            let count = stream.pointee.content.count
            guard let written = writeContent(block, front, count, ends: stream.pointee.endsWithContent, isForced: isForced) else { return false }
            guard written > 0 else { return true }
            stream.pointee.content.remove(written, to: &outputs.pointee)
        }
        guard let front = stream.pointee.trailers.front, !stream.pointee.trailers.isEmpty else { return true }
        let isSent = sendTrailers(block, ByteView(base: front, count: stream.pointee.trailers.count))
        stream.pointee.trailers.clear(to: &outputs.pointee)
        return isSent
    }

    // MARK: The socket

    /// Sends what was gathered, as far as the socket takes it. True if all of it has gone.
    func flush(_ connection: ClientRef) -> Bool {
        let http2 = connection.http2
        guard !http2.pointee.isBroken else { return false }
        while let front = connection.pointee.output.front, !connection.pointee.output.isEmpty {
            switch connection.pointee.socket.send(front, connection.pointee.output.count) {
            case .bytes(let count):
                traffic.pointee.downstreamBytesSent &+= UInt64(count)
                connection.pointee.output.remove(count, to: &outputs.pointee)
                if http2.pointee.isBlocked { awaitTaking(connection) }
            case .wouldBlock:
                if !http2.pointee.isBlocked {
                    http2.pointee.isBlocked = true
                    awaitTaking(connection)
                }
                return false
            case .ended, .failed:
                // Whoever is at work for an exchange goes on; the connection ends when its turn comes.
                http2.pointee.isBroken = true
                connection.pointee.output.clear(to: &outputs.pointee)
                turn.enqueue(connection)
                return false
            }
        }
        // What has waited for the socket goes on at the end of the turn, whoever it was that found room.
        if http2.pointee.isBlocked { gather(connection) }
        return true
    }

    private func awaitTaking(_ connection: ClientRef) {
        clients.awaitTaking(connection)
        connection.http2.pointee.blockedUntil = turn.now + writeTimeout
        setDeadline(connection)
    }

    /// Makes the connection's deadline the earliest of those that it has; exchanges have their own.
    func setDeadline(_ connection: ClientRef) {
        let http2 = connection.http2
        let mayBeIdle = min(http2.pointee.idleUntil, http2.pointee.trimUntil)
        turn.set(connection.deadline, at: min(http2.pointee.blockedUntil, http2.pointee.headUntil, http2.pointee.announcedUntil, mayBeIdle))
    }

    /// All has gone that was written: what has waited for room is written.
    func noteSent(_ connection: ClientRef) {
        guard var output = lend(connection) else { return }
        connection.http2.pointee.session.outputSent(&output)
        take(back: output, connection)
        if connection.http2.pointee.owesReleases {
            connections.endings.releaseOwed(connection)
            // Perhaps the last one.
            turn.enqueue(connection)
        }
        connection.pointee.output.settle(to: &outputs.pointee)
    }
}

extension HTTP2Clients {
    @inline(__always)
    var sending: ClientFrames { ClientFrames(connections: self) }
}
