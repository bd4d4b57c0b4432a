internal import SluiceCounting

/// How often a fleet goes to its store, and with how much, at a given rate of requests: in virtual time, with a store that answers
/// within a millisecond.
package struct StoreTraffic {
    package let nodes: Int
    package let projects: Int
    /// Requests per second, of all nodes together.
    package let rate: Int
    /// Requests per second that each project may have.
    package let ceiling: Int

    /// What one node did per second.
    package struct Figures {
        package let roundTrips: Double
        /// Projects that its batches told of.
        package let projects: Double
        /// Requests admitted on all nodes.
        package let admitted: Double
    }

    package init(nodes: Int, projects: Int, rate: Int, ceiling: Int) {
        self.nodes = nodes
        self.projects = projects
        self.rate = rate
        self.ceiling = ceiling
    }

    /// Plays five seconds after the fleet has settled. The load is even over projects and wanders over the nodes: each node has
    /// twice its part for a second, then half of it.
    package func run() -> Figures {
        var model = StoreModel()
        var random = SeededGenerator(seed: 7)
        let start: UInt64 = 1_000_000_000
        let fleet = (0..<nodes).compactMap { number in
            FleetNode(
                name: "node\(number)", ceilings: Array(repeating: ceiling, count: projects), workers: 2, isLocal: false, clockOffset: 0,
                now: start, defect: nil)
        }
        var (roundTrips, told, admitted) = (0, 0, 0)
        let step: UInt64 = 1_000_000
        let warm = start + 8_000_000_000
        for now in stride(from: start, to: warm + 5_000_000_000, by: Int(step)) {
            for (number, node) in fleet.enumerated() {
                let weight = (Int(now / 1_000_000_000) + number) % 2 == 0 ? 4 : 1
                let share = Double(rate) / Double(nodes) * Double(weight) / 2.5 / 1000
                var count = Int(share) + (random.chance(Int(share.truncatingRemainder(dividingBy: 1) * 1000), in: 1000) ? 1 : 0)
                node.turn(now: now, staleness: 0)
                // In pieces, so that many projects have some.
                while count > 0 {
                    let piece = min(count, max(1, count / 64))
                    let passed = node.admit(project: random.below(projects), count: UInt64(piece))
                    if now >= warm { admitted += Int(passed) }
                    count -= piece
                }
                let clock = node.clock(now)
                guard node.ledger.tick(now: clock) else { continue }
                node.sequence += 1
                let batch = AllowanceBatch(sequence: node.sequence, ceilings: node.ledger.plan(now: clock), standing: node.ledger.standing)
                guard let replies = model.exchange(batch, from: node.name, run: "run", now: Int(now / 1000)) else { continue }
                node.ledger.apply(replies, to: node.sequence, sentAt: clock, now: clock)
                if now >= warm {
                    roundTrips += 1
                    told += batch.ceilings.count
                }
            }
        }
        let seconds = 5.0
        return Figures(
            roundTrips: Double(roundTrips) / Double(nodes) / seconds, projects: Double(told) / Double(nodes) / seconds,
            admitted: Double(admitted) / seconds)
    }
}
