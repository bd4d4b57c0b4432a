import SluiceEvent
import SluiceHTTP

// What the client's side and the exchange may ask of the service's side: all that they know of a connection to a service.

extension Worker {
    /// Whether what comes of the request's body is to follow the head: the service has been sent it.
    func serviceTakesBody(_ block: ExchangeRef) -> Bool {
        guard let upstream = block.pointee.run.upstream, upstream.pointee.state == .active || upstream.pointee.state == .multiplexed else {
            return false
        }
        return !block.pointee.run.isPreCall && block.pointee.run.isRequestSent
    }

    /// Whether the service has taken all that it was sent: only then is more read from the client.
    func serviceHasRoom(_ block: ExchangeRef) -> Bool {
        if block.pointee.run.isOnSharedConnection { return block.serviceStream.pointee.unsent == nil }
        return block.pointee.run.upstream?.pointee.output.isEmpty ?? false
    }

    /// Sends a piece of the request's body, in the framing that the service was told. False if the service reads no more; the exchange then waits
    /// for what it has answered.
    func sendBody(_ block: ExchangeRef, _ piece: RequestBodies.Piece) -> Bool {
        guard let upstream = block.pointee.run.upstream else { return false }
        if let client = upstream.pointee.http2 {
            guard sendSharedPiece(upstream, client, block, piece) else {
                fail(block, .upstreamUnavailable("no memory for the request's body"))
                return false
            }
            limitAnswer(block)
            return true
        }
        var writer = work.writer
        requestBodies.write(&writer, piece, block)
        if writer.count > 0, !upstreams.send(upstream, writer.start, writer.count) {
            upstreams.stopSending(upstream)
            receiveResponse(upstream)
            return false
        }
        if block.pointee.run.requestBody == .complete { requestSent(upstream) }
        return true
    }

    /// Sends bytes of a tunnel. False if the connection is broken.
    func sendThroughTunnel(_ block: ExchangeRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        guard let upstream = block.pointee.run.upstream else { return false }
        return upstreams.send(upstream, bytes, count)
    }

    /// The client has ended its direction of a tunnel. True if the service's had ended before, and nothing of it is left.
    func endServiceStream(_ block: ExchangeRef) -> Bool {
        guard let upstream = block.pointee.run.upstream else { return true }
        upstream.pointee.socket.endSending()
        return upstream.pointee.socket.isAtEnd
    }

    /// The client has taken all that it was sent: the service's response goes on.
    func resumeService(_ block: ExchangeRef) {
        guard let upstream = block.pointee.run.upstream else { return }
        if let client = upstream.pointee.http2 { return resumeShared(block, upstream, client) }
        upstream.pointee.isHeldBack = false
        turn.enqueue(upstream)
    }

    /// The exchange needs the service no longer. Of one that was asked, what it may still say cannot be told from a next response; a kept one
    /// that was sent nothing goes back, so that no request which fails in front of it costs it. A new one ends: whoever had it from the pool could
    /// not tell its end from a fault.
    func dropService(_ block: ExchangeRef) {
        guard let upstream = block.pointee.run.upstream else { return }
        if block.pointee.run.isOnSharedConnection { return upstreams.letGo(block) }
        if upstream.pointee.state == .active, upstream.pointee.isReused, !block.pointee.run.isRequestSent {
            upstreams.putBack(upstream)
        } else {
            upstreams.close(upstream)
        }
    }
}
