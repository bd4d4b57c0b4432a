import SluiceHTTP

// The end of an exchange on its client's connection, and what comes behind it.

extension Worker {
    /// The last byte of the response has left: the connection is kept for the next request, or ends in order.
    func exchangeEnded(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return close(connection) }
        record(block, aborted: false)
        connection.pointee.totalUntil = Deadline.never
        guard block.pointee.run.keepsAlive else { return closeInOrder(connection) }
        if block.pointee.run.requestBody == .dropping {
            connection.pointee.state = .dropping
            turn.limit(connection, to: limits.bodyTimeout)
            return dropRequestBody(connection)
        }
        awaitNextRequest(connection, block)
    }

    /// Makes the connection ready for the request that follows, which may stand in its block already.
    func awaitNextRequest(_ connection: ClientRef, _ block: ExchangeRef) {
        let left = block.pointee.inputCount - block.pointee.inputUsed
        connection.pointee.state = .idle
        turn.limit(connection, to: clients.idleTimeout)
        guard left > 0 else {
            releaseBlock(connection)
            // Bytes, or the end of the stream, that came while the response was under way.
            if connection.pointee.socket.mayRead { turn.enqueue(connection) }
            return
        }
        // The same block goes on: its pipelined bytes move to the front.
        let input = block.pointee.exchange.bytes
        input.update(from: input + block.pointee.inputUsed, count: left)
        leaveExchange(block)
        exchangeBlocks.prepare(block, for: connection)
        block.pointee.inputCount = left
        connection.pointee.state = .readingHead
        clients.beginTotal(connection)
        turn.limit(connection, to: limits.headTimeout)
        // Pipelined requests take turns with other connections, and never nest.
        turn.enqueue(connection)
    }
}
