import SluiceHTTP2

/// How streams and connections of clients that speak HTTP/2 end: what the client is told of it, and what is given back. A view of `HTTP2Clients`.
struct ClientEndings: BitwiseCopyable {
    let connections: HTTP2Clients

    @inline(__always)
    private var outputs: UnsafeMutablePointer<BlockPool> { connections.outputs }
    @inline(__always)
    private var turn: Turn { connections.turn }

    /// The exchange is over: its stream ends, if it has not, and nothing refers to the exchange any more.
    ///
    /// - Parameter code: what the client is told if the stream has not ended.
    func release(_ block: ExchangeRef, _ code: HTTP2ErrorCode) {
        let connection = block.pointee.run.client
        let stream = block.pointee.run.stream
        connections.sending.endWait(block)
        turn.remove(block.streamDeadline)
        block.streamRun.pointee.content.clear(to: &outputs.pointee)
        block.streamRun.pointee.trailers.clear(to: &outputs.pointee)
        connection.http2.pointee.headBytes -= block.streamRun.pointee.headBytes
        connection.http2.pointee.session.setTag(0, of: stream)
        end(stream, code, connection)
    }

    /// Ends a stream that nothing was done for: its client may send the request again (RFC 9113, 8.7).
    func refuse(_ stream: UInt32, _ connection: ClientRef) { end(stream, .refusedStream, connection) }

    /// Resets the stream if it has not ended, and releases it: later, if there is no room for that now.
    private func end(_ stream: UInt32, _ code: HTTP2ErrorCode, _ connection: ClientRef) {
        guard var output = connections.sending.lend(connection) else { return connection.http2.pointee.owesReleases = true }
        connection.http2.pointee.session.reset(stream, code, &output)
        if !connection.http2.pointee.session.release(stream, &output) { connection.http2.pointee.owesReleases = true }
        connections.sending.take(back: output, connection)
    }

    /// Releases the streams for which there was no room before.
    func releaseOwed(_ connection: ClientRef) {
        connection.http2.pointee.owesReleases = false
        var place = 0
        while let next = connection.http2.pointee.session.nextStream(&place) {
            guard next.tag == 0 else { continue }
            guard var output = connections.sending.lend(connection) else { return connection.http2.pointee.owesReleases = true }
            if !connection.http2.pointee.session.release(next.stream, &output) { connection.http2.pointee.owesReleases = true }
            connections.sending.take(back: output, connection)
        }
    }

    /// Tells the client that the connection ends soon, and asks for a sign that it knows (RFC 9113, 6.8).
    func announceEnd(_ connection: ClientRef) {
        guard connection.http2.pointee.ending == .none, var output = connections.sending.lend(connection) else { return }
        connection.http2.pointee.ending = .announced
        _ = connection.http2.pointee.session.announceEnd(&output)
        _ = connection.http2.pointee.session.ping(0, &output)
        connections.sending.take(back: output, connection)
    }

    /// No request that comes from here on is served.
    func endAfterLast(_ connection: ClientRef) {
        guard connection.http2.pointee.ending != .last, var output = connections.sending.lend(connection) else { return }
        connection.http2.pointee.ending = .last
        _ = connection.http2.pointee.session.endAfterLast(&output)
        connections.sending.take(back: output, connection)
    }
}

extension HTTP2Clients {
    @inline(__always)
    var endings: ClientEndings { ClientEndings(connections: self) }
}
