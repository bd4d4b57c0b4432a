import SluiceHTTP

// The gateway's own answers, and the end of every exchange.

extension Worker {
    /// Answers with an error of the catalogue.
    func answer(_ connection: ClientRef, _ block: ExchangeRef, _ refusal: Refusal) {
        let text = RefusalTexts.shared[refusal.row]
        block.pointee.run.refusal = refusal.row
        block.pointee.run.refusalDetail = refusal.detail
        block.pointee.run.status = refusal.row.entry.status
        counters.refused(refusal.row, domain: block.pointee.exchange.domain)
        settleRequestBody(connection, block)
        var writer = HeadWriter(compose, capacity: composeCapacity)
        writeHead(&writer, block, refusal)
        let headCount = writer.count
        if !isHead(block) {
            writer.write(text.bodyStart)
            writer.write(refusal.toldDetail)
            writer.write(text.bodyEnd)
        }
        block.pointee.run.responseBodyBytes = UInt64(writer.count - headCount)
        deliver(connection, block, writer)
    }

    /// Answers with a configured response.
    func answer(
        _ connection: ClientRef, _ block: ExchangeRef, _ response: UnsafePointer<StoredResponse>
    ) {
        block.pointee.run.status = response.pointee.status
        settleRequestBody(connection, block)
        var writer = HeadWriter(compose, capacity: composeCapacity)
        writeHead(&writer, block, response)
        if !isHead(block), response.pointee.body.count > Limits.composedBodyBytes {
            return deliver(connection, block, writer, longBodyOf: response)
        }
        if !isHead(block) {
            block.pointee.run.responseBodyBytes = UInt64(response.pointee.body.count)
            writer.write(response.pointee.body)
        }
        deliver(connection, block, writer)
    }

    private func isHead(_ block: ExchangeRef) -> Bool {
        block.pointee.exchange.head.method == .head
    }

    /// Sends a head, and then a body that is too long to be copied behind it, from where it stands in the snapshot.
    private func deliver(
        _ connection: ClientRef, _ block: ExchangeRef, _ writer: HeadWriter,
        longBodyOf response: UnsafePointer<StoredResponse>
    ) {
        block.pointee.run.isHeadSent = true
        counters.traffic.downstreamBytesSent &+= UInt64(writer.count)
        guard writer.isComplete, send(connection, writer.start, writer.count) else { return abort(connection) }
        block.pointee.run.responseRemaining = UInt64(response.pointee.body.count)
        connection.pointee.state = .flushing
        if connection.pointee.output.isEmpty { continueStoredBody(connection) }
    }

    /// What was queued has left: sends more of a long configured body, as far as the socket takes it, or ends the exchange.
    func continueStoredBody(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return close(connection) }
        let body = storedBody(of: block)
        while block.pointee.run.responseRemaining > 0, block.pointee.run.responseRemaining <= UInt64(body.count) {
            let rest = body[(body.count - Int(block.pointee.run.responseRemaining))...]
            let count = min(rest.count, Limits.storedPieceBytes)
            block.pointee.run.responseRemaining -= UInt64(count)
            block.pointee.run.responseBodyBytes += UInt64(count)
            counters.traffic.downstreamBytesSent &+= UInt64(count)
            guard send(connection, rest.base, count) else { return abort(connection) }
            if !connection.pointee.output.isEmpty { return }
        }
        exchangeEnded(connection)
    }

    /// The body of the configured response that ended the chain; empty where none did.
    private func storedBody(of block: ExchangeRef) -> ByteView {
        guard block.pointee.run.refusal == nil, block.pointee.exchange.step > 0 else { return .empty }
        switch PolicyChain.latestStep(of: block.pointee.exchange) {
        case .mock(let response), .maintenance(let response): return response.pointee.body
        default: return .empty
        }
    }

    /// Sends a whole response that was composed. Its body has room there: `Limits.composedBodyBytes` bounds it.
    private func deliver(_ connection: ClientRef, _ block: ExchangeRef, _ writer: HeadWriter) {
        block.pointee.run.isHeadSent = true
        counters.traffic.downstreamBytesSent &+= UInt64(writer.count)
        guard writer.isComplete, send(connection, writer.start, writer.count) else { return abort(connection) }
        responseEnded(connection)
    }

    // MARK: The end of an exchange

    /// The last byte of the response was handed to the socket or its queue.
    func responseEnded(_ connection: ClientRef) {
        if connection.pointee.output.isEmpty {
            exchangeEnded(connection)
        } else {
            connection.pointee.state = .flushing
        }
    }

    /// The last byte of the response has left: the connection is kept for the next request, or ends in order.
    func exchangeEnded(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return close(connection) }
        record(connection, block, aborted: false)
        connection.pointee.totalUntil = Deadline.never
        guard block.pointee.run.keepsAlive else { return closeInOrder(connection) }
        if block.pointee.run.requestBody == .dropping {
            connection.pointee.state = .dropping
            limit(connection, to: limits.bodyTimeout)
            return dropRequestBody(connection)
        }
        awaitNextRequest(connection, block)
    }

    /// Makes the connection ready for the request that follows, which may stand in its block already.
    func awaitNextRequest(_ connection: ClientRef, _ block: ExchangeRef) {
        let left = block.pointee.inputCount - block.pointee.inputUsed
        connection.pointee.state = .idle
        limit(connection, to: idleTimeout)
        guard left > 0 else {
            releaseBlock(connection)
            // Bytes, or the end of the stream, that came while the response was under way.
            if connection.pointee.socket.mayRead { enqueue(connection) }
            return
        }
        // The same block goes on: its pipelined bytes move to the front.
        let input = block.pointee.exchange.bytes
        input.update(from: input + block.pointee.inputUsed, count: left)
        leaveExchange(block)
        prepare(block, for: connection)
        block.pointee.inputCount = left
        connection.pointee.state = .readingHead
        beginTotal(connection)
        limit(connection, to: limits.headTimeout)
        // Pipelined requests take turns with other connections, and never nest.
        enqueue(connection)
    }
}
