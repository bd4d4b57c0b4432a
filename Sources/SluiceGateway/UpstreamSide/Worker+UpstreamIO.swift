import SluiceCrypto
import SluiceEvent
import SluiceHTTP

// A connection to a service as a source and sink of bytes: opening, readiness, receiving, sending, pooling, closing.
// What the bytes mean is decided in `Worker+Forwarding` and `Worker+UpstreamResponses`.

/// The event callback of every connection to a service.
let upstreamCallback: SocketCallback = { _, what, owner in
    guard let owner else { return }
    let connection = owner.assumingMemoryBound(to: UpstreamConnection.self)
    connection.pointee.worker._withUnsafeGuaranteedRef {
        $0.upstreamReady(connection, Readiness(rawValue: what))
    }
}

extension Worker {
    func upstreamReady(_ connection: UpstreamRef, _ what: Readiness) {
        freshenClock()
        connection.pointee.socket.note(what)
        if what.has(.writable) {
            if connection.pointee.state == .connecting {
                guard finishConnecting(connection) else { return }
            } else if !connection.pointee.output.isEmpty {
                flush(connection)
            }
        }
        advance(connection)
    }

    /// Does what the connection's state allows with what may be read.
    func advance(_ connection: UpstreamRef) {
        switch connection.pointee.state {
        case .free, .connecting: break
        case .handshaking: continueHandshake(connection)
        case .active: receiveResponse(connection)
        case .idle: if connection.pointee.socket.mayRead { closeIdle(connection) }
        case .discarding: discardResponse(connection)
        case .tunnelling: tunnelFromUpstream(connection)
        }
    }

    // MARK: Opening

    /// Starts a connection to the address for the exchange. The errno if the kernel refuses at once.
    func connect(_ address: UpstreamAddressRef, for block: ExchangeRef) -> SocketError? {
        switch Socket.startConnecting(to: address.pointee.address) {
        case .failure(let error): return error
        case .success(let descriptor):
            let connection = takePlace()
            connection.pointee.socket = PeerSocket(descriptor: descriptor)
            connection.pointee.state = .connecting
            connection.pointee.isReused = false
            connection.pointee.address = address
            attach(connection, block)
            address.pointee.connections += 1
            counters.traffic.upstreamOpen += 1
            counters.traffic.upstreamOpened &+= 1
            guard connection.event.arm(loop, descriptor: descriptor, owner: connection, callback: upstreamCallback) else {
                detach(connection)
                close(connection)
                return .outOfMemory
            }
            limit(connection, to: connectTimeout(block))
            return nil
        }
    }

    private func takePlace() -> UpstreamRef {
        let connection = upstreams.take(UpstreamConnection(worker: Unmanaged.passUnretained(self)))
        connection.pointee.deadline = Deadline(owner: connection, kind: .upstream)
        connection.pointee.output.owed = 0
        return connection
    }

    /// Binds the connection and the exchange to each other.
    func attach(_ connection: UpstreamRef, _ block: ExchangeRef) {
        connection.pointee.exchange = block
        connection.pointee.isHeldBack = false
        block.pointee.run.upstream = connection
        connection.pointee.address?.pointee.outstanding += 1
    }

    /// Lets the exchange go on without the connection.
    func detach(_ connection: UpstreamRef) {
        guard let block = connection.pointee.exchange else { return }
        connection.pointee.exchange = nil
        block.pointee.run.upstream = nil
    }

    private func finishConnecting(_ connection: UpstreamRef) -> Bool {
        let error = Socket.pendingError(connection.pointee.socket.descriptor)
        guard error == 0 else {
            connectFailed(connection, error)
            return false
        }
        guard let address = connection.pointee.address else { return false }
        if let peer = origins.pointee[address.pointee.origin].pointee.tls {
            guard let session = TLSSession(peer, descriptor: connection.pointee.socket.descriptor) else {
                connectFailed(connection, 0)
                return false
            }
            connection.pointee.socket.tls = session
            connection.pointee.state = .handshaking
            connection.pointee.socket.mayRead = true
            return true
        }
        connected(connection)
        return connection.pointee.state == .active
    }

    private func continueHandshake(_ connection: UpstreamRef) {
        guard let tls = connection.pointee.socket.tls else { return close(connection) }
        let outcome = tls.handshake()
        noteLongWork()
        switch outcome {
        case .bytes:
            connection.pointee.socket.mayRead = true
            connected(connection)
        case .wantRead, .wantWrite: connection.pointee.socket.mayRead = false
        case .closed, .failed: handshakeFailed(connection)
        }
    }

    private func connected(_ connection: UpstreamRef) {
        connection.pointee.state = .active
        sendRequest(connection)
    }

    // MARK: Sending

    /// Sends, or queues what the socket does not take. False if the connection is broken.
    @inline(__always)
    func send(_ connection: UpstreamRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        var sent = 0
        if connection.pointee.output.isEmpty {
            switch connection.pointee.socket.send(bytes, count) {
            case .bytes(let taken): sent = taken
            case .wouldBlock: break
            case .ended, .failed: return false
            }
            if sent == count { return true }
            noteOwed(connection)
        }
        return connection.pointee.output.append(bytes + sent, count - sent, from: &outputs.pointee)
    }

    /// Sends what is queued, as far as the socket takes it.
    private func flush(_ connection: UpstreamRef) {
        while let front = connection.pointee.output.front, !connection.pointee.output.isEmpty {
            switch connection.pointee.socket.send(front, connection.pointee.output.count) {
            case .bytes(let count):
                connection.pointee.output.remove(count, to: &outputs.pointee)
                noteOwed(connection)
                if let block = connection.pointee.exchange, connection.pointee.state == .active {
                    limit(connection, to: answerTimeout(block))
                }
            case .wouldBlock: return
            case .ended, .failed:
                return stopSending(connection)
            }
        }
        // The client's body was held back while the upstream did not read.
        if let block = connection.pointee.exchange { serviceHasTakenAll(block) }
    }

    /// The service reads no more. It may have answered before, and the answer is worth more than the error (RFC 9112, 9.5). Of the request
    /// nothing may follow: with a hole in it, it would look whole.
    func stopSending(_ connection: UpstreamRef) {
        connection.pointee.output.clear(to: &outputs.pointee)
        connection.pointee.exchange?.pointee.run.upstreamKeepsAlive = false
        connection.pointee.socket.endSending()
        connection.pointee.socket.mayRead = true
    }

    /// From here on the service is to take something of what waits for it.
    private func noteOwed(_ connection: UpstreamRef) {
        connection.pointee.output.owed = UInt32(clamping: Socket.unacknowledged(connection.pointee.socket.descriptor))
    }

    /// Whether the service took some of what waits for it in its time, although the kernel reported no room; see `hasTaken` for clients.
    /// Always false for a request that the kernel took at once.
    func hasTaken(_ connection: UpstreamRef) -> Bool {
        let owed = connection.pointee.output.owed
        noteOwed(connection)
        return connection.pointee.output.owed < owed
    }

    // MARK: The pool

    /// An open connection that nobody uses; the one used last. One that has something to say, which is its end or a response that nobody
    /// asked for, is none: what it said would be taken for the response to come. Nor is one that may be about to end, for a request that
    /// must not be sent twice.
    @inline(__always)
    func takeIdle(_ address: UpstreamAddressRef, mayRepeat: Bool) -> UpstreamRef? {
        guard var connection = address.pointee.firstIdle else { return nil }
        while connection.pointee.socket.mayRead || Readiness.isDue(connection.event) {
            let next = connection.pointee.nextIdle
            closeIdle(connection)
            if connection.pointee.state == .idle { break }
            guard let next else { return nil }
            connection = next
        }
        if !mayRepeat {
            guard address.pointee.idleLifetime.isYoung(idleTime(connection), at: nowMilliseconds) else { return nil }
        }
        unlinkIdle(connection, address)
        connection.pointee.state = .active
        connection.pointee.isReused = true
        connection.pointee.output.owed = 0
        return connection
    }

    private func unlinkIdle(_ connection: UpstreamRef, _ address: UpstreamAddressRef) {
        if let previous = connection.pointee.previousIdle {
            previous.pointee.nextIdle = connection.pointee.nextIdle
        } else {
            address.pointee.firstIdle = connection.pointee.nextIdle
        }
        connection.pointee.nextIdle?.pointee.previousIdle = connection.pointee.previousIdle
        connection.pointee.nextIdle = nil
        connection.pointee.previousIdle = nil
        address.pointee.idleCount -= 1
    }

    /// The exchange is over: keeps the connection for the next one, or closes it.
    func release(_ connection: UpstreamRef, isReusable: Bool) {
        guard let address = connection.pointee.address else { return close(connection) }
        detach(connection)
        guard isReusable, !connection.pointee.socket.isPeerClosed, connection.pointee.output.isEmpty, !address.pointee.isRetired,
            !isDraining, address.pointee.idleCount < limits.idlePerAddressMax
        else { return close(connection) }
        address.pointee.outstanding -= 1
        dropCarry(connection)
        connection.pointee.state = .idle
        connection.pointee.idleSince = UInt32(truncatingIfNeeded: nowMilliseconds)
        connection.pointee.nextIdle = address.pointee.firstIdle
        address.pointee.firstIdle?.pointee.previousIdle = connection
        address.pointee.firstIdle = connection
        address.pointee.idleCount += 1
        limit(connection, to: limits.upstreamIdleTimeout)
        // Unasked-for bytes, or the end of the stream, show when the loop gets to them.
        if connection.pointee.socket.mayRead { enqueue(connection) }
    }

    /// Anything that an idle connection has to say means that it is no good: its end, or a response that nobody asked for.
    private func closeIdle(_ connection: UpstreamRef) {
        // TLS sends session tickets and key updates of its own accord: they are no data.
        if connection.pointee.socket.tls != nil || !connection.pointee.socket.isPeerClosed {
            var byte: UInt8 = 0
            switch connection.pointee.socket.receive(into: &byte, capacity: 1) {
            case .wouldBlock: return
            case .bytes: return close(connection)
            case .ended, .failed: break
            }
        }
        noteClosed(connection)
        close(connection)
    }

    /// Milliseconds since the connection was given to the pool.
    private func idleTime(_ connection: UpstreamRef) -> UInt64 {
        UInt64(UInt32(truncatingIfNeeded: nowMilliseconds) &- connection.pointee.idleSince)
    }

    /// The service has closed a connection that was idle, or has answered nothing on one that was.
    func noteClosed(_ connection: UpstreamRef) {
        guard let address = connection.pointee.address else { return }
        address.pointee.idleLifetime.noteClosed(after: idleTime(connection), at: nowMilliseconds)
    }

    /// Closes a connection that nobody uses, if there is one.
    func closeOneIdle(_ address: UpstreamAddressRef) -> Bool {
        guard let connection = address.pointee.firstIdle else { return false }
        close(connection)
        return true
    }

    // MARK: Closing

    /// Gives everything back and closes the descriptor. The exchange, if one is attached, must have been taken care of.
    func close(_ connection: UpstreamRef) {
        guard connection.pointee.state != .free else { return }
        detach(connection)
        wheel.remove(connection.deadline)
        connection.event.disarm()
        connection.pointee.output.clear(to: &outputs.pointee)
        dropCarry(connection)
        if let address = connection.pointee.address {
            if connection.pointee.state == .idle {
                connection.pointee.socket.tls?.closeNotify()
                unlinkIdle(connection, address)
            } else {
                address.pointee.outstanding -= 1
            }
            address.pointee.connections -= 1
            origins.pointee.releaseIfUnused(address)
        }
        connection.pointee.socket.close()
        connection.pointee.address = nil
        connection.pointee.state = .free
        connection.pointee.isQueued = false
        connection.pointee.generation &+= 1
        counters.traffic.upstreamOpen -= 1
        upstreams.give(back: connection)
    }

    /// Keeps the beginning of something that has not come whole. False without memory.
    func carry(_ connection: UpstreamRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        if connection.pointee.carry == nil { connection.pointee.carry = outputs.pointee.take() }
        guard let memory = connection.pointee.carry, count <= outputs.pointee.blockBytes else { return false }
        memory.copyMemory(from: bytes, byteCount: count)
        connection.pointee.carryCount = count
        return true
    }

    func dropCarry(_ connection: UpstreamRef) {
        if let memory = connection.pointee.carry { outputs.pointee.give(back: memory) }
        connection.pointee.carry = nil
        connection.pointee.carryCount = 0
    }

    // MARK: Deadlines

    func upstreamExpired(_ connection: UpstreamRef) {
        switch connection.pointee.state {
        case .free: break
        case .idle:
            connection.pointee.address?.pointee.idleLifetime.noteOpen(after: idleTime(connection))
            close(connection)
        case .discarding: close(connection)
        case .connecting, .handshaking: connectExpired(connection)
        case .active: responseExpired(connection)
        case .tunnelling:
            if let block = connection.pointee.exchange { resetClient(block) } else { close(connection) }
        }
    }
}
