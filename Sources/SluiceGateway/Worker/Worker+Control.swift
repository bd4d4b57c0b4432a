import SluiceCounting
import SluiceEvent
import SluiceHTTP

// What other threads ask of a worker. Each of these runs on the worker's own thread, from its mailbox.

extension Worker {
    /// What a publication brings to one worker.
    struct Publication: Sendable {
        let snapshot: Snapshot
        let listeners: [OpenedListener]
        /// Every origin of the registry, and what their names resolve to.
        let origins: [Origin]
        let addresses: [Int: [IPAddress]]
        let projectCount: Int
        let endpointRows: Int
        let domainRows: Int
        /// Rows of counters that nobody counts in any more.
        var releasedRows = MetricRegistry.RowNumbers()
        /// Origins that no snapshot names any more.
        var releasedOrigins: [Int] = []
    }

    /// Makes a snapshot current.
    func take(_ publication: Publication) {
        for number in publication.releasedOrigins {
            for idle in parts.origins.pointee.remove(number) { parts.upstreams.close(idle) }
        }
        parts.origins.pointee.extend(to: publication.origins)
        for (number, addresses) in publication.addresses { updateOrigin(number, addresses) }
        growLeases(to: publication.projectCount)
        parts.counters.reserve(endpoints: publication.endpointRows, domains: publication.domainRows)
        parts.counters.clear(publication.releasedRows)
        parts.snapshots.pointee.take(publication.snapshot)
        parts.context.pointee.errorsElsewhere = publication.snapshot.tables.pointee.errors
        owners.listeners.set(publication.listeners, snapshot: publication.snapshot)
    }

    /// Takes over what a name resolves to.
    func updateOrigin(_ number: Int, _ addresses: [IPAddress]) {
        guard parts.origins.pointee.has(number) else { return }
        for idle in parts.origins.pointee.update(number, addresses: addresses) { parts.upstreams.close(idle) }
    }

    private func growLeases(to count: Int) {
        guard count > leaseCount else { return }
        let larger = UnsafeMutablePointer<CeilingMeter.Lease>.allocate(capacity: count)
        larger.update(from: parts.context.pointee.leases, count: leaseCount)
        (larger + leaseCount).initialize(repeating: CeilingMeter.Lease(), count: count - leaseCount)
        parts.context.pointee.leases.deallocate()
        parts.context.pointee.leases = larger
        leaseCount = count
    }

    // MARK: Draining

    /// Takes no new connection, and ends every one after its response. `done` is called when none is left.
    ///
    /// A client that was told that its connection is kept may send its next request at any moment, and one that has just connected
    /// its first: to close at once would fail requests that are on their way. So unused connections stay for a while
    /// (`SLUICE_DRAIN_IDLE_TIMEOUT_MS`), and the response to the next request says that it is the last.
    ///
    /// - Parameter left: identities of sockets that another process serves from now on.
    func drain(leaving left: Set<UInt64>, _ done: @escaping () -> Void) {
        guard !parts.clients.isDraining else { return }
        parts.turn.freshenClock()
        parts.clients.stopKeeping(after: parts.limits.pointee.drainIdleTimeout)
        drained = done
        parts.turn.noteDue(parts.turn.now)
        owners.listeners.closeAll(leaving: left)
        parts.clients.forEachPlace { connection in
            switch connection.pointee.state {
            case .idle:
                // A request that has come already is answered first.
                if connection.pointee.socket.mayRead { owners.http1Exchanges.readRequest(connection) }
                if connection.pointee.state == .idle { parts.turn.limit(connection, to: parts.clients.idleTimeout) }
            case .preface: parts.turn.limit(connection, to: parts.clients.idleTimeout)
            case .multiplexing: owners.http2Connections.announceEnd(connection)
            case .exchanging, .flushing:
                if let block = connection.pointee.block, !block.pointee.run.isHeadSent {
                    block.pointee.run.keepsAlive = false
                }
            default: break
            }
        }
        parts.upstreams.stopKeeping()
    }

    /// Whether any client still has something to expect. One that lingers has had its last response.
    var hasExchanges: Bool {
        var found = false
        parts.clients.forEachPlace { connection in
            if connection.pointee.state != .free, connection.pointee.state != .lingering { found = true }
        }
        return found
    }

    /// Closes every connection and listener as it is: the worker ends.
    func closeEverything() {
        for listener in owners.listeners.all { listener.close() }
        parts.clients.forEachPlace { connection in
            if connection.pointee.state != .free { owners.clientTransport.abort(connection) }
        }
        parts.upstreams.closeAll { _ in true }
        parts.accessLog?.flush()
    }
}
