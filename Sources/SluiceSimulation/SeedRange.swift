/// Seeds that are played on several processors.
package struct SeedRange: Sendable {
    package var first: UInt64
    package var count: UInt64

    package init(first: UInt64, count: UInt64) {
        self.first = first
        self.count = count
    }

    /// Plays every seed, in `tasks` tasks.
    /// - Returns: what went wrong, with the seed, in their order.
    package func violations(tasks: UInt64, _ play: @escaping @Sendable (UInt64) -> String?) async -> [String] {
        let (first, end) = (first, first + count)
        return await withTaskGroup(of: [(UInt64, String)].self) { group in
            for task in 0..<max(1, tasks) {
                group.addTask {
                    var found: [(UInt64, String)] = []
                    var seed = first + task
                    while seed < end {
                        if let violation = play(seed) { found.append((seed, violation)) }
                        seed += tasks
                    }
                    return found
                }
            }
            var found: [(UInt64, String)] = []
            for await part in group { found += part }
            return found.sorted { $0.0 < $1.0 }.map { "seed \($0): \($1)" }
        }
    }

    /// Plays seeds in their order until one goes wrong.
    package func firstViolation(_ play: (UInt64) -> String?) -> String? {
        for seed in first..<(first + count) {
            if let violation = play(seed) { return "seed \(seed): \(violation)" }
        }
        return nil
    }

    /// The simulations of the meter and of callers' limits, then the fleet's of ceilings and of quotas.
    @Sendable package static func playAll(seed: UInt64) -> String? {
        if let violation = MeterSimulation(seed: seed)?.run() { return "meter: " + violation }
        if let violation = LimitSimulation(seed: seed).run() { return "limits: " + violation }
        if let violation = FleetSimulation(seed: seed).run() { return "fleet: " + violation }
        return QuotaFleetSimulation(seed: seed).run().map { "quotas: " + $0 }
    }
}
