import SluiceEvent

/// The connections of one worker to services that no exchange has: kept, taken, closed. A view of `UpstreamConnections`, which has the places.
struct IdleUpstreams: BitwiseCopyable {
    let connections: UpstreamConnections

    @inline(__always)
    private var turn: Turn { connections.turn }
    @inline(__always)
    private var origins: UnsafeMutablePointer<OriginTable> { connections.origins }

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
            guard address.pointee.idleLifetime.isYoung(idleTime(connection), at: turn.now) else { return nil }
        }
        unlinkIdle(connection, address)
        connection.pointee.state = .active
        connection.pointee.isReused = true
        connection.pointee.output.owed = 0
        return connection
    }

    func unlinkIdle(_ connection: UpstreamRef, _ address: UpstreamAddressRef) {
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
        guard let address = connection.pointee.address else { return connections.close(connection) }
        connections.detach(connection)
        guard isReusable, !connection.pointee.socket.isPeerClosed, connection.pointee.output.isEmpty, !address.pointee.isRetired,
            connections.keepsIdle, address.pointee.idleCount < connections.idlePerAddressMax
        else { return connections.close(connection) }
        address.pointee.outstanding -= 1
        connections.dropCarry(connection)
        connection.pointee.state = .idle
        connection.pointee.idleSince = UInt32(truncatingIfNeeded: turn.now)
        connection.pointee.nextIdle = address.pointee.firstIdle
        address.pointee.firstIdle?.pointee.previousIdle = connection
        address.pointee.firstIdle = connection
        address.pointee.idleCount += 1
        turn.limit(connection, to: connections.idleTimeout)
        // Unasked-for bytes, or the end of the stream, show when the loop gets to them.
        if connection.pointee.socket.mayRead { turn.enqueue(connection) }
    }

    /// The exchange is over and has sent nothing on the connection, which is kept as it was: to the service it has been idle all the time.
    func putBack(_ connection: UpstreamRef) {
        let since = connection.pointee.idleSince
        release(connection, isReusable: true)
        guard connection.pointee.state == .idle else { return }
        connection.pointee.idleSince = since
        turn.limit(connection, to: connections.idleTimeout - min(connections.idleTimeout - 1, idleTime(connection)))
    }

    /// Anything that an idle connection has to say means that it is no good: its end, or a response that nobody asked for.
    func closeIdle(_ connection: UpstreamRef) {
        // TLS sends session tickets and key updates of its own accord: they are no data.
        if connection.pointee.socket.tls != nil || !connection.pointee.socket.isPeerClosed {
            var byte: UInt8 = 0
            switch connection.pointee.socket.receive(into: &byte, capacity: 1) {
            case .wouldBlock: return
            case .bytes: return connections.close(connection)
            case .ended, .failed: break
            }
        }
        noteClosed(connection)
        connections.close(connection)
    }

    /// Milliseconds since the connection was given to the pool.
    func idleTime(_ connection: UpstreamRef) -> UInt64 {
        UInt64(UInt32(truncatingIfNeeded: turn.now) &- connection.pointee.idleSince)
    }

    /// The service has closed a connection that was idle, or has answered nothing on one that was.
    func noteClosed(_ connection: UpstreamRef) {
        guard let address = connection.pointee.address else { return }
        address.pointee.idleLifetime.noteClosed(after: idleTime(connection), at: turn.now)
    }

    /// Closes a connection that nobody uses, if there is one.
    func closeOneIdle(_ address: UpstreamAddressRef) -> Bool {
        guard let connection = address.pointee.firstIdle else { return false }
        connections.close(connection)
        return true
    }

    /// Makes room when descriptors or ports have run out: closes a few connections that nobody uses, whatever service they go to.
    ///
    /// - Returns: whether there was one.
    func closeSomeIdle() -> Bool {
        var closed = 0
        // Another one is the first each time, so that no service loses all of its connections before the others.
        let count = origins.pointee.count
        let first = count > 0 ? Int(truncatingIfNeeded: connections.turn.now % UInt64(count)) : 0
        for step in 0..<count {
            let number = (first + step) % count
            guard origins.pointee.has(number) else { continue }
            let origin = origins.pointee[number]
            for index in 0..<origin.pointee.count {
                while closed < Limits.idleClosedAtOnce, closeOneIdle(origin.pointee.addresses[index]) { closed += 1 }
                if closed == Limits.idleClosedAtOnce { return true }
            }
        }
        return closed > 0
    }
}

extension UpstreamConnections {
    @inline(__always)
    var idle: IdleUpstreams { IdleUpstreams(connections: self) }
}
