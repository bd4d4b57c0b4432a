import SluiceCallers
import SluiceEvent
import SluiceHTTP

// What the process's registries do when a configuration is put in force.

extension SnapshotCompiler.Registries {
    /// Puts a snapshot's counts in force and hands each worker what it needs to serve it. Rows of counters that only earlier snapshots had are free to be
    /// used again afterwards, because a worker clears them as it takes its publication.
    ///
    /// - Parameters:
    ///   - sockets: those of listeners that are new, by the listener's address and then the worker's number.
    ///   - addresses: what the origins' names resolve to, by the origin's number.
    ///   - hand: called once for each worker with its number; the worker takes its publications in the order in which they are handed to it.
    /// - Returns: why callers are as they were before; nil if nothing went wrong.
    @discardableResult
    func publish(
        _ snapshot: Snapshot, _ listeners: [ListenerPlan], _ sockets: [String: [[ListeningSocket]]], addresses: [Int: [IPAddress]], workers: Int,
        hand: (Int, Worker.Publication) -> Void
    ) -> CallerStoreError? {
        counts.putInForce()
        counts.signal.raise()
        let callersFault = knownCallers.putInForce()
        let releasedOrigins = origins.takeReleased()
        let present = origins.all
        let labels = metrics.labels
        let releasedRows = metrics.takeReleased()
        for number in 0..<workers {
            let opened = listeners.map { plan in OpenedListener(plan: plan, sockets: sockets[plan.address].map { $0[number] } ?? []) }
            hand(number, Worker.Publication(
                snapshot: snapshot, listeners: opened, origins: present, addresses: addresses, projectCount: counts.projectCount,
                endpointRows: labels.endpoints.count, domainRows: labels.domains.count, releasedRows: releasedRows, releasedOrigins: releasedOrigins))
        }
        metrics.reuse(releasedRows)
        return callersFault
    }
}
