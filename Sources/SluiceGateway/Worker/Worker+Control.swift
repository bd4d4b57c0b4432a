import SluiceCounting
import SluiceEvent
import SluiceHTTP
import Synchronization

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
            for idle in origins.pointee.remove(number) { upstreams.close(idle) }
        }
        origins.pointee.extend(to: publication.origins)
        for (number, addresses) in publication.addresses { updateOrigin(number, addresses) }
        growLeases(to: publication.projectCount)
        counters.reserve(endpoints: publication.endpointRows, domains: publication.domainRows)
        counters.clear(publication.releasedRows)
        snapshots.pointee.take(publication.snapshot)
        setListeners(publication.listeners, snapshot: publication.snapshot)
    }

    /// Takes over what a name resolves to.
    func updateOrigin(_ number: Int, _ addresses: [IPAddress]) {
        guard origins.pointee.has(number) else { return }
        for idle in origins.pointee.update(number, addresses: addresses) { upstreams.close(idle) }
    }

    private func growLeases(to count: Int) {
        guard count > leaseCount else { return }
        let larger = UnsafeMutablePointer<CeilingMeter.Lease>.allocate(capacity: count)
        larger.update(from: context.pointee.leases, count: leaseCount)
        (larger + leaseCount).initialize(repeating: CeilingMeter.Lease(), count: count - leaseCount)
        context.pointee.leases.deallocate()
        context.pointee.leases = larger
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
        guard !clients.isDraining else { return }
        turn.freshenClock()
        clients.stopKeeping(after: limits.drainIdleTimeout)
        drained = done
        turn.noteDue(turn.now)
        closeListeners(leaving: left)
        clients.forEachPlace { connection in
            switch connection.pointee.state {
            case .idle:
                // A request that has come already is answered first.
                if connection.pointee.socket.mayRead { readRequest(connection) }
                if connection.pointee.state == .idle { turn.limit(connection, to: clients.idleTimeout) }
            case .preface: turn.limit(connection, to: clients.idleTimeout)
            case .multiplexing: announceEnd(connection)
            case .exchanging, .flushing:
                if let block = connection.pointee.block, !block.pointee.run.isHeadSent {
                    block.pointee.run.keepsAlive = false
                }
            default: break
            }
        }
        upstreams.stopKeeping()
    }

    /// Whether any client still has something to expect. One that lingers has had its last response.
    var hasExchanges: Bool {
        var found = false
        clients.forEachPlace { connection in
            if connection.pointee.state != .free, connection.pointee.state != .lingering { found = true }
        }
        return found
    }

    /// Closes every connection and listener as it is: the worker ends.
    func closeEverything() {
        for listener in listeners { listener.close() }
        clients.forEachPlace { connection in
            if connection.pointee.state != .free { abort(connection) }
        }
        upstreams.closeAll { _ in true }
        accessLog?.flush()
    }

    // MARK: Key sets

    /// The exchange waits for the key set of this number, and goes on when its fetch has ended.
    func awaitKeySet(_ source: Int, _ block: ExchangeRef) {
        keySetWaiters.append(.init(
            source: source, suspension: Suspension(block), deadline: turn.now + limits.keySetFetch + Limits.keySetGraceMilliseconds))
        turn.noteDue(turn.now)
    }

    /// A fetch has ended: evaluates the policy again for every exchange that waited for it.
    func keySetFetchEnded(source: Int) {
        turn.freshenClock()
        checkAgain(keySetWaiters.take(source))
    }

    /// Who has waited for longer than a fetch takes is checked with the keys that there are.
    func expireKeySetWaiters() { checkAgain(keySetWaiters.takeExpired(at: turn.now)) }

    private func checkAgain(_ waiters: [KeySetWaiters.Waiter]) {
        for waiter in waiters {
            guard let block = waiter.suspension.block else { continue }
            goOn(block, at: .sameStep)
        }
    }
}
