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
            guard reads < Limits.readsPerTurn else { return turn.enqueue(connection) }
            reads += 1
            RequestBodies.makeRoom(in: block)
            let room = RequestBodies.room(in: block)
            let memory = block.pointee.exchange.bytes + block.pointee.inputCount
            switch connection.pointee.socket.receive(into: memory, capacity: room) {
            case .bytes(let count):
                traffic.pointee.downstreamBytesReceived &+= UInt64(count)
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
            if connection.pointee.output.isEmpty { turn.limit(connection, to: isWhole ? Limits.clientLookMilliseconds : 0) }
            if isWhole, connection.pointee.socket.isPeerClosed { noticeEnd(connection) }
        }
    }

    /// The client is to send more of its body: something within the body's timeout, and over each such span no less than it must.
    /// What the service does not take is no time of the client's.
    private func awaitBody(_ connection: ClientRef, _ block: ExchangeRef) {
        turn.limit(connection, to: limits.bodyTimeout)
        if !requestBodies.keepsPace(block) { fail(block, .requestTimeout) }
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

    /// Sends the body bytes in the block on. False if the exchange went on to something else.
    func forwardBody(_ block: ExchangeRef) -> Bool {
        let piece: RequestBodies.Piece
        switch requestBodies.take(from: block) {
        case .piece(let taken): piece = taken
        case .refused(let refusal):
            fail(block, refusal)
            return false
        }
        block.pointee.run.isReplayable = false
        return sendBody(block, piece)
    }

    // MARK: A body that nobody wants

    /// Reads the rest of a refused request's body and forgets it.
    func dropRequestBody(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return close(connection) }
        while connection.pointee.socket.mayRead, block.pointee.run.requestRemaining > 0 {
            let count = Int(min(UInt64(Limits.receiveBytes), block.pointee.run.requestRemaining))
            switch connection.pointee.socket.receive(into: work.received, capacity: count) {
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
