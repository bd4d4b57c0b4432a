import SluiceEvent
import SluiceHTTP2

// What the exchange and the service's side may ask of the client's side: all that they know of a client's connection.

extension Worker {
    /// Sends bytes of a response. False if the connection is broken; the caller then resets it.
    @inline(__always)
    func sendToClient(_ block: ExchangeRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        traffic.pointee.downstreamBytesSent &+= UInt64(count)
        return clients.send(block.pointee.run.client, bytes, count)
    }

    /// Whether the client has taken all that it was sent: only then is more of the response read. `clientHasTakenAll` says when it has.
    @inline(__always)
    func clientHasRoom(_ block: ExchangeRef) -> Bool {
        block.pointee.run.isHTTP2 ? http2.room(block) > 0 : block.pointee.run.client.pointee.output.isEmpty
    }

    /// The last byte of the response was handed over. The exchange is over, and its block may be gone.
    func endResponse(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { return endStreamResponse(block) }
        let connection = block.pointee.run.client
        if connection.pointee.output.isEmpty {
            exchangeEnded(connection)
        } else {
            connection.pointee.state = .flushing
        }
    }

    /// Ends the exchange without the whole of a response, in the one way that says so. Its block is gone.
    func resetClient(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { abortStream(block, .internalError) } else { abort(block.pointee.run.client) }
    }

    /// Whether nobody waits for a response any more, by what the client's connection has shown so far.
    @inline(__always)
    func clientHasLeft(_ block: ExchangeRef) -> Bool {
        block.pointee.run.client.pointee.socket.isPeerClosed && limits.halfCloseAborts
    }

    /// The request's head was sent on: the rest of its body is read. It may wait in the socket already, or a reset that came with the
    /// head: see `PeerSocket.receive`.
    func askForBody(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { return noteBodyTaken(block) }
        let connection = block.pointee.run.client
        turn.limit(connection, to: limits.bodyTimeout)
        connection.pointee.socket.mayRead = true
        turn.enqueue(connection)
    }

    /// The service has taken all of the body that it was sent: more is read.
    func serviceHasTakenAll(_ block: ExchangeRef) {
        let connection = block.pointee.run.client
        if block.pointee.run.isHTTP2 { noteNews(block) }
        turn.enqueue(connection)
    }

    /// The response is decided before the body was read: nobody wants what is still to come of it.
    @inline(__always)
    func dropBody(_ block: ExchangeRef) {
        if block.pointee.run.requestBody != .complete { settleBody(block) }
    }

    @inline(never)
    private func settleBody(_ block: ExchangeRef) {
        requestBodies.settle(block)
        if block.pointee.run.isHTTP2 { http2.creditBody(block) }
    }

    // MARK: Tunnels

    /// The 101 was sent: what the client sends from here on is not read as HTTP.
    func beginClientTunnel(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 {
            block.streamRun.pointee.isTunnel = true
            block.streamRun.pointee.totalUntil = Deadline.never
            return noteTunnelled(block)
        }
        let connection = block.pointee.run.client
        connection.pointee.state = .tunnelling
        connection.pointee.totalUntil = Deadline.never
        noteTunnelled(block)
        if connection.pointee.socket.mayRead { turn.enqueue(connection) }
    }

    /// Bytes have passed: the tunnel is in use.
    func noteTunnelled(_ block: ExchangeRef) {
        guard block.pointee.run.isHTTP2 else { return turn.limit(block.pointee.run.client, to: limits.tunnelTimeout) }
        block.streamRun.pointee.bodyUntil = turn.now + limits.tunnelTimeout
        http2.setDeadline(block)
    }

    /// What the client had sent before the service accepted the tunnel is passed on.
    func continueClientTunnel(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { return tunnelFromStream(block) }
        let early = block.pointee.inputCount - block.pointee.inputUsed
        guard early > 0 else { return }
        let input = block.pointee.exchange.bytes + block.pointee.inputUsed
        block.pointee.run.requestBodyBytes += UInt64(early)
        if !sendThroughTunnel(block, input, early) { resetClient(block) }
    }

    /// The service has ended its direction of a tunnel.
    func endClientStream(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { return endTunnelResponse(block) }
        let connection = block.pointee.run.client
        connection.pointee.socket.endSending()
        if connection.pointee.socket.isAtEnd { endTunnel(block) }
    }

    /// Both connections end, whatever the reason. What is the whole of a tunnel only its ends can say: it is not called aborted.
    func endTunnel(_ block: ExchangeRef) {
        if block.pointee.run.isHTTP2 { return dropTunnel(block) }
        record(block, aborted: false)
        close(block.pointee.run.client)
    }

    /// Passes on what the client has sent, as long as the service takes it.
    func tunnelFromClient(_ connection: ClientRef) {
        guard let block = connection.pointee.block, block.pointee.run.upstream != nil else { return abort(connection) }
        var reads = 0
        while connection.pointee.socket.mayRead, serviceHasRoom(block) {
            guard reads < Limits.readsPerTurn else { return turn.enqueue(connection) }
            reads += 1
            switch connection.pointee.socket.receive(into: work.received, capacity: Limits.receiveBytes) {
            case .bytes(let count):
                traffic.pointee.downstreamBytesReceived &+= UInt64(count)
                // A reset that came with these bytes shows only when it is read for.
                connection.pointee.socket.mayRead = true
                noteTunnelled(block)
                block.pointee.run.requestBodyBytes += UInt64(count)
                guard sendThroughTunnel(block, work.received, count) else { return endTunnel(block) }
            case .wouldBlock: return
            case .ended:
                connection.pointee.socket.mayRead = false
                // What the service sent before it ended is still to be delivered.
                if endServiceStream(block) { endTunnel(block) }
                return
            case .failed: return endTunnel(block)
            }
        }
    }
}
