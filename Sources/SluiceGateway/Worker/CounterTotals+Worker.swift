extension CounterTotals {
    init(of worker: Worker) {
        self.init()
        take(from: worker)
    }

    /// Copies a worker's counters. On its thread.
    private mutating func take(from worker: Worker) {
        let counters = worker.parts.counters
        for row in 0..<counters.endpointCount {
            endpoints.append((0..<6).map { counters.endpoints[row].classes[$0] })
        }
        for row in 0..<counters.domainCount {
            let domain = counters.domains[row]
            refusals.append(Refusal.Row.allCases.map { domain.refusals[Int($0.rawValue)] })
            tokenFaults.append(TokenFault.allCases.map { domain.tokenFaults[Int($0.rawValue)] })
            durations.append(domain.duration)
            upstreamDurations.append(domain.upstreamDuration)
        }
        for row in 0...CallerRows.count { callers.append((0..<6).map { counters.callers[row].classes[$0] }) }
        traffic = counters.traffic
        worker.parts.origins.pointee.forEachAddress { address in
            upstreamIdle += address.pointee.idleCount
            if address.pointee.ejectedUntil > worker.parts.turn.now { upstreamEjected += 1 }
            // Counted until the request that finds out has succeeded.
            if address.pointee.circuitOpenUntil > 0 { circuitsOpen += 1 }
        }
        exchangeBlocks = worker.parts.blocks.pointee.taken
        outputBlocks = worker.parts.outputs.pointee.taken
        heldBodies = worker.parts.heldBodies.use
        snapshotsHeld = worker.parts.snapshots.pointee.count
    }
}
