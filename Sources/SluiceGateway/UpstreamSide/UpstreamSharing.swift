import SluiceCrypto
import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

/// The connections of one worker that several exchanges share: who may join one, and what is left when one goes. A view of `UpstreamConnections`.
struct UpstreamSharing: BitwiseCopyable {
    let connections: UpstreamConnections

    @inline(__always)
    private var turn: Turn { connections.turn }
    @inline(__always)
    private var outputs: UnsafeMutablePointer<BlockPool> { connections.outputs }

    /// Makes a new connection one that exchanges may share, once it stands and speaks HTTP/2.
    func share(_ connection: UpstreamRef, _ address: UpstreamAddressRef) {
        let client = HTTP2ClientRef.allocate(capacity: 1)
        client.initialize(to: HTTP2Client(limits: connections.http2Limits))
        client.pointee.isListed = true
        connection.pointee.http2 = client
        // At the end: the first ones are filled first, so that the others become idle and go.
        guard var last = address.pointee.firstShared else {
            address.pointee.firstShared = connection
            return
        }
        while let next = last.pointee.nextIdle { last = next }
        last.pointee.nextIdle = connection
        connection.pointee.previousIdle = last
    }

    /// No exchange joins the connection any more.
    func unlist(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        guard client.pointee.isListed, let address = connection.pointee.address else { return }
        client.pointee.isListed = false
        if let previous = connection.pointee.previousIdle {
            previous.pointee.nextIdle = connection.pointee.nextIdle
        } else {
            address.pointee.firstShared = connection.pointee.nextIdle
        }
        connection.pointee.nextIdle?.pointee.previousIdle = connection.pointee.previousIdle
        connection.pointee.nextIdle = nil
        connection.pointee.previousIdle = nil
    }

    /// Gives back what sharing took: the connection speaks HTTP/1.1, or ends. Exchanges that still have it must have been taken care of.
    func endSharing(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        while let block = client.pointee.waiting.last { letGo(block) }
        var place = 0
        while let next = client.pointee.session.nextStream(&place) {
            if case .exchange(let block)? = StreamTag(next.tag) { letGo(block) }
        }
        unlist(connection, client)
        if client.pointee.isIdle { connection.pointee.address?.pointee.idleCount -= 1 }
        connections.frames.dropGathered(client)
        if let head = client.pointee.head { outputs.pointee.give(back: head) }
        client.pointee.session.deallocate()
        client.deinitialize(count: 1).deallocate()
        connection.pointee.http2 = nil
    }

    /// A connection that one more exchange may join: one that has room, or one that may have when it stands. Nil if there is none.
    ///
    /// - Parameter freshOnly: none that nobody uses: the service may have closed it without a word.
    func findShared(_ address: UpstreamAddressRef, freshOnly: Bool) -> UpstreamRef? {
        var next = address.pointee.firstShared
        while let connection = next {
            next = connection.pointee.nextIdle
            guard let client = connection.pointee.http2 else { continue }
            guard connection.pointee.state == .multiplexed else {
                if !address.pointee.prefersHTTP1, client.pointee.waiting.count < Limits.serviceStreams { return connection }
                continue
            }
            guard client.pointee.hasRoom || client.pointee.mayAwaitSettings, !connection.pointee.socket.isPeerClosed else { continue }
            if client.pointee.isIdle, freshOnly || hasEnded(connection) { continue }
            return connection
        }
        return nil
    }

    /// Whether the end of an idle connection is there to be read. Anything else that it has to say, it says in its turn.
    private func hasEnded(_ connection: UpstreamRef) -> Bool {
        guard connection.pointee.socket.mayRead || Readiness.isDue(connection.event) else { return false }
        var byte: UInt8 = 0
        switch Socket.peek(connection.pointee.socket.descriptor, into: &byte, capacity: 1) {
        case .bytes, .wouldBlock: return false
        case .ended, .failed: return true
        }
    }

    /// The exchange joins the connection. True if its request can be sent now; else it waits for its turn.
    @discardableResult
    func join(_ connection: UpstreamRef, _ block: ExchangeRef) -> Bool {
        guard let client = connection.pointee.http2 else { preconditionFailure("a connection that nobody shares") }
        block.pointee.run.upstream = connection
        block.pointee.run.isOnSharedConnection = true
        block.pointee.run.upstreamStream = 0
        block.serviceStream.initialize(to: ServiceStream(owner: UnsafeMutableRawPointer(block)))
        connection.pointee.address?.pointee.outstanding += 1
        if client.pointee.isIdle { wake(connection, client) }
        if connection.pointee.state == .multiplexed, client.pointee.hasRoom { return true }
        client.pointee.waiting.append(block)
        return false
    }

    private func wake(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        client.pointee.isIdle = false
        client.pointee.hasHeard = false
        connection.pointee.isReused = true
        connection.pointee.address?.pointee.idleCount -= 1
        turn.limit(connection, to: 0)
        // Its end may not have come through, if something on the way has forgotten it.
        if connections.idle.idleTime(connection) >= Limits.pingAfterIdleMilliseconds { ping(connection, client) }
    }

    /// Asks whether the service is there. Nothing if it was asked already.
    func ping(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        guard connection.pointee.state == .multiplexed, !client.pointee.isPinged, !client.pointee.isBroken else { return }
        guard connections.frames.gather(client, leaving: 0, { client.pointee.session.ping(1, &$0) }) == .sent else { return }
        client.pointee.isPinged = true
        turn.limit(connection, to: connections.pingTimeout)
        turn.enqueue(connection)
    }

    /// Something has come: the service is there.
    func noteHeard(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        client.pointee.hasHeard = true
        client.pointee.heardAt = turn.now
        client.pointee.isSuspected = false
        guard client.pointee.isPinged else { return }
        client.pointee.isPinged = false
        turn.limit(connection, to: 0)
    }

    // MARK: Leaving

    /// The exchange goes on without the connection. What it had there is given back; a stream that has not ended is reset (CANCEL). Ends neither the
    /// connection nor anybody else's exchange.
    func letGo(_ block: ExchangeRef) {
        leave(block) { client, stream in
            client.pointee.session.setTag(0, of: stream)
            let isReleased = connections.frames.gather(client, leaving: 0) { client.pointee.session.release(stream, &$0) }
            // Without memory for 13 bytes the service cannot be told.
            if isReleased != true { client.pointee.cannotSend = true }
        }
    }

    /// The same, but the rest of the response is read for a while, and nobody waits for it.
    func letGoDiscarding(_ block: ExchangeRef) {
        leave(block) { client, stream in
            client.pointee.session.setTag(StreamTag.discarding(bytes: 0, since: UInt32(truncatingIfNeeded: turn.now)).tag, of: stream)
            let held = client.pointee.session.unconsumed(stream)
            if held > 0 { _ = connections.frames.gather(client, leaving: 0) { client.pointee.session.consumed(stream, held, &$0) } }
        }
    }

    @inline(__always)
    private func leave(_ block: ExchangeRef, _ endStream: (HTTP2ClientRef, UInt32) -> Void) {
        let run = block.run
        guard run.pointee.isOnSharedConnection, let connection = run.pointee.upstream, let client = connection.pointee.http2 else { return }
        let own = block.serviceStream
        turn.remove(block.serviceDeadline)
        dropUnsent(block, client)
        dropHeld(block)
        if own.pointee.isResumed { client.pointee.resumed.removeAll { $0 == block } }
        let stream = run.pointee.upstreamStream
        run.pointee.upstream = nil
        run.pointee.isOnSharedConnection = false
        run.pointee.upstreamStream = 0
        if stream == 0 { client.pointee.waiting.removeAll { $0 == block } } else { endStream(client, stream) }
        connection.pointee.address?.pointee.outstanding -= 1
        // What is to be sent, and whether anybody still has it, is for its turn.
        turn.enqueue(connection)
    }

    /// Forgets what was to be sent of the exchange's content.
    func dropUnsent(_ block: ExchangeRef, _ client: HTTP2ClientRef) {
        guard let memory = block.serviceStream.pointee.unsent else { return }
        outputs.pointee.give(back: memory)
        block.serviceStream.pointee.unsent = nil
        client.pointee.unsentStreams -= 1
    }

    /// Forgets what was held for the client.
    func dropHeld(_ block: ExchangeRef) {
        guard let memory = block.serviceStream.pointee.held else { return }
        outputs.pointee.give(back: memory)
        block.serviceStream.pointee.held = nil
        block.serviceStream.pointee.heldStart = 0
        block.serviceStream.pointee.heldEnd = 0
    }

    // MARK: Idle connections, and the end

    /// After each turn: a connection that no exchange has is kept, or ends in order.
    func settle(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        guard connection.pointee.state == .multiplexed, client.pointee.session.openStreams == 0, client.pointee.waiting.isEmpty,
            let address = connection.pointee.address
        else { return }
        let isGood = client.pointee.hasRoom && !connection.pointee.socket.isPeerClosed && connections.keepsIdle && !address.pointee.isRetired
        guard isGood, client.pointee.isIdle || address.pointee.idleCount < connections.idlePerAddressMax else { return connections.close(connection) }
        guard !client.pointee.isIdle else { return }
        client.pointee.isIdle = true
        client.pointee.isPinged = false
        connection.pointee.idleSince = UInt32(truncatingIfNeeded: turn.now)
        address.pointee.idleCount += 1
        turn.limit(connection, to: connections.idleTimeout)
    }

    /// Says goodbye on a connection that nobody uses (RFC 9113, 6.8), as far as the socket takes it at once.
    func endInOrder(_ connection: UpstreamRef, _ client: HTTP2ClientRef) {
        guard connection.pointee.state == .multiplexed, !client.pointee.isBroken, !client.pointee.cannotSend else { return }
        _ = connections.frames.gather(client, leaving: 0) { client.pointee.session.endAfterLast(&$0) }
        _ = connections.frames.flushGathered(connection, client)
        connection.pointee.socket.tls?.closeNotify()
    }

    /// Looks after shared connections now and then: gives back memory that idle ones do not need, and ends streams whose response nobody waits for
    /// if they take too long.
    func trimShared() {
        connections.forEachShared { connection, client in
            if client.pointee.isIdle, connections.idle.idleTime(connection) >= Limits.trimMilliseconds { return client.pointee.session.trim() }
            var place = 0
            while let next = client.pointee.session.nextStream(&place) {
                guard case .discarding(_, let since)? = StreamTag(next.tag),
                    UInt64(UInt32(truncatingIfNeeded: turn.now) &- since) >= Limits.preCallBodyMilliseconds
                else { continue }
                endDiscarded(connection, client, next.stream)
            }
        }
    }

    /// Ends a stream that no exchange has.
    func endDiscarded(_ connection: UpstreamRef, _ client: HTTP2ClientRef, _ stream: UInt32) {
        if connections.frames.gather(client, leaving: 0, { client.pointee.session.release(stream, &$0) }) != true { client.pointee.cannotSend = true }
        turn.enqueue(connection)
    }
}

extension UpstreamConnections {
    @inline(__always)
    var sharing: UpstreamSharing { UpstreamSharing(connections: self) }
}
