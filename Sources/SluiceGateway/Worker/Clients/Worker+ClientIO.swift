import SluiceCrypto
import SluiceEvent
import SluiceHTTP

// A client's connection as a source and sink of bytes: readiness, receiving, sending, closing. What the bytes mean is
// decided in `Worker+Requests`, `Worker+RequestBody` and `Worker+NextRequest`.

/// The event callback of every client connection.
let clientCallback: SocketCallback = { _, what, owner in
    guard let owner else { return }
    let connection = owner.assumingMemoryBound(to: ClientConnection.self)
    Unmanaged<Worker>.fromOpaque(connection.pointee.worker)._withUnsafeGuaranteedRef {
        $0.clientReady(connection, Readiness(rawValue: what))
    }
}

extension Worker {
    func clientReady(_ connection: ClientRef, _ what: Readiness) {
        turn.freshenClock()
        connection.pointee.socket.note(what)
        if what.has(.writable), !connection.pointee.output.isEmpty {
            let generation = connection.pointee.generation
            if connection.pointee.state == .multiplexing { sendFrames(connection) } else { flush(connection) }
            guard connection.pointee.generation == generation else { return }
        }
        resume(connection)
    }

    /// Does what the connection's state allows with what may be read.
    func resume(_ connection: ClientRef) {
        switch connection.pointee.state {
        case .free, .flushing: break
        case .handshaking: continueHandshake(connection)
        case .proxyHeader: readProxyHeader(connection)
        case .idle, .readingHead: readRequest(connection)
        case .preface: readPreface(connection)
        case .multiplexing: goOn(connection)
        case .exchanging: receiveRequestBody(connection)
        case .dropping: dropRequestBody(connection)
        case .tunnelling: tunnelFromClient(connection)
        case .lingering: linger(connection)
        }
    }

    // MARK: Sending

    /// Sends what is queued, as far as the socket takes it; with the last byte the exchange goes on.
    private func flush(_ connection: ClientRef) {
        switch clients.flush(connection) {
        case .all: outputDrained(connection)
        case .some: break
        case .broken: abort(connection)
        }
    }

    private func outputDrained(_ connection: ClientRef) {
        switch connection.pointee.state {
        case .flushing where connection.pointee.http2 != nil: closeInOrder(connection)
        case .flushing: exchangeEnded(connection)
        case .exchanging:
            turn.limit(connection, to: 0)
            if connection.pointee.block?.pointee.run.isReceivingRequest ?? false { turn.limit(connection, to: limits.bodyTimeout) }
            // The response was held back while the client did not read.
            if let block = connection.pointee.block { clientHasTakenAll(block) }
        case .tunnelling:
            turn.limit(connection, to: limits.tunnelTimeout)
            if let block = connection.pointee.block { resumeService(block) }
        default: break
        }
    }

    // MARK: Ending

    /// Ends the connection after its last response: in order, so that the client reads the response even if it is still
    /// sending (RFC 9112, 9.6).
    func closeInOrder(_ connection: ClientRef) {
        releaseBlock(connection)
        connection.pointee.socket.endSending()
        guard !connection.pointee.socket.isAtEnd else { return close(connection) }
        connection.pointee.state = .lingering
        turn.limit(connection, to: Limits.lingerMilliseconds)
        linger(connection)
    }

    /// Throws away what the client still sends, until it closes, the time is up or it has sent too much.
    private func linger(_ connection: ClientRef) {
        var reads = 0
        while connection.pointee.socket.mayRead, connection.pointee.lingered < Limits.lingerBytes {
            guard reads < Limits.readsPerTurn else { return turn.enqueue(connection) }
            reads += 1
            let result = Socket.receive(
                connection.pointee.socket.descriptor, into: work.received, capacity: Limits.receiveBytes)
            switch result {
            case .bytes(let count): connection.pointee.lingered &+= UInt32(truncatingIfNeeded: count)
            case .wouldBlock: connection.pointee.socket.mayRead = false
            case .ended, .failed: return close(connection)
            }
        }
    }

    /// Ends the exchange and the connection at once, with a reset if a response was under way: the client must not take
    /// what it has for the whole.
    func abort(_ connection: ClientRef) {
        switch connection.pointee.state {
        case .exchanging, .flushing:
            if let block = connection.pointee.block {
                if block.pointee.run.isHeadSent { Socket.resetOnClose(connection.pointee.socket.descriptor) }
                record(block, aborted: true)
            }
            close(connection)
        case .tunnelling: if let block = connection.pointee.block { endTunnel(block) }
        default: close(connection)
        }
    }

    /// Gives everything back and closes the descriptor.
    func close(_ connection: ClientRef) {
        guard connection.pointee.state != .free else { return }
        if let block = connection.pointee.block { dropService(block) }
        releaseBlock(connection)
        if connection.pointee.http2 != nil { endStreams(connection) }
        forget(connection)
        clients.end(connection)
    }

    /// The exchange is over, however it ended: nothing of it is held any more.
    @inline(__always)
    func leaveExchange(_ block: ExchangeRef) {
        endFlight(block, .failed)
        if let snapshot = block.pointee.snapshot { snapshots.pointee.leave(snapshot) }
    }

    /// Returns the exchange's block; the snapshot that it used may be retired with it.
    func releaseBlock(_ connection: ClientRef) {
        guard let block = connection.pointee.block else { return }
        connection.pointee.block = nil
        leaveExchange(block)
        exchangeBlocks.giveBack(block)
    }

    // MARK: Deadlines

    func clientExpired(_ connection: ClientRef) {
        if connection.pointee.state == .multiplexing { return multiplexedExpired(connection) }
        let isTotal = connection.pointee.totalUntil <= turn.now
        if isTotal {
            traffic.pointee.totalTimeouts &+= 1
        } else if !connection.pointee.output.isEmpty, clients.hasTaken(connection) {
            return
        }
        switch connection.pointee.state {
        case .free: break
        case .handshaking:
            traffic.pointee.handshakeFailures &+= 1
            abort(connection)
        case .proxyHeader, .preface, .multiplexing, .idle, .dropping, .lingering, .tunnelling, .flushing: abort(connection)
        case .readingHead: refuse(connection, .requestTimeout)
        case .exchanging:
            guard let block = connection.pointee.block else { return close(connection) }
            let isReceiving = block.pointee.run.isReceivingRequest
            // Either the client does not read its response, or it does not send its body, or the service takes its time.
            if !connection.pointee.output.isEmpty {
                abort(connection)
            } else if isReceiving, isTotal || serviceTakesBody(block) {
                fail(block, .requestTimeout)
            } else if isTotal {
                fail(block, .upstreamTimeout("total time exceeded"))
            } else {
                turn.limit(connection, to: 0)
                connection.pointee.socket.mayRead = true
                noticeEnd(connection)
            }
        }
    }
}
