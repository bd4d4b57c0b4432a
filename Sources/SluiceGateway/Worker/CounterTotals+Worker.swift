extension CounterTotals {
    init(of worker: Worker) {
        self.init()
        take(from: worker)
    }

    /// Copies a worker's counters. On its thread.
    private mutating func take(from worker: Worker) {
        let counters = worker.counters
        for row in 0..<counters.endpointCount {
            endpoints.append((0..<6).map { counters.endpoints[row].classes[$0] })
        }
        for row in 0..<counters.domainCount {
            let domain = counters.domains[row]
            refusals.append(Refusal.Row.allCases.map { domain.refusals[Int($0.rawValue)] })
            durations.append(domain.duration)
            upstreamDurations.append(domain.upstreamDuration)
        }
        traffic = counters.traffic
        worker.origins.pointee.forEachAddress { address in
            upstreamIdle += address.pointee.idleCount
            if address.pointee.ejectedUntil > worker.turn.now { upstreamEjected += 1 }
            // Counted until the request that finds out has succeeded.
            if address.pointee.circuitOpenUntil > 0 { circuitsOpen += 1 }
        }
        exchangeBlocks = worker.blocks.pointee.taken
        outputBlocks = worker.outputs.pointee.taken
        snapshotsHeld = worker.snapshots.pointee.count
    }
}
