internal import SluiceCounting

/// A fleet of nodes with real meters and ledgers before the model of the store, in virtual time: what a seed stands for is played
/// through, then every second of every project is checked.
package final class FleetSimulation {
    private var random: SeededGenerator
    private let scenario: FleetScenario
    private let store: FleetStore
    private var nodes: [FleetNode] = []
    private var ceilings: [Int]
    /// Ceilings by when they came into force.
    private var history: [[(time: UInt64, ceiling: Int)]]
    private var logs: [AdmissionLog]
    private var now: UInt64 = 1_000_000_000
    /// Requests per second, by node and project; nodes that join take the place of one that is there.
    private var rates: [[Double]] = []
    private var changeAt: UInt64 = 0
    /// Seconds that the present step took.
    private var elapsed = 0.0
    private var storeBackAt: UInt64 = 0
    private var nextFault = 0
    /// When the load changes for the last time, in a calm scenario.
    private var calmFrom = UInt64.max
    /// Since when nothing was admitted although something was asked for, and how often, by project.
    private var hungry: [(since: UInt64, count: Int)?]
    private var hungriest: UInt64 = 0
    private let defect: FleetScenario.NodeDefect?
    private static let start: UInt64 = 1_000_000_000

    package init(seed: UInt64, nodeDefect: FleetScenario.NodeDefect? = nil, storeDefect: StoreModel.Defect? = nil) {
        scenario = FleetScenario(seed: seed)
        random = SeededGenerator(seed: ~seed)
        defect = nodeDefect
        store = FleetStore(defect: storeDefect)
        ceilings = scenario.ceilings
        history = scenario.ceilings.map { [(time: 0 as UInt64, ceiling: $0)] }
        logs = scenario.ceilings.map { _ in AdmissionLog() }
        hungry = scenario.ceilings.map { _ in nil }
    }

    /// - Returns: what went wrong, or nil.
    package func run() -> String? {
        for _ in 0..<scenario.nodes { addNode() }
        let end = Self.start + UInt64(scenario.length) * 1_000_000
        calmFrom = end - 9_000_000_000
        while now < end {
            let passed = random.between(500_000, scenario.stepMax * 1_000_000)
            now += UInt64(passed)
            elapsed = Double(passed) / 1e9
            playFaults()
            deliver()
            if now >= changeAt, !scenario.isCalm || now < calmFrom || changeAt == 0 { changeLoad() }
            for index in nodes.indices where nodes[index].isAlive { step(index) }
            if !scenario.isCalm { store.keepSnapshot(now: now) }
        }
        return check() ?? checkService() ?? (scenario.isCalm ? checkUse() : nil)
    }

    // MARK: Steps

    private func addNode() {
        let node = FleetNode(
            name: "n\(nodes.count + 10)", ceilings: ceilings, workers: scenario.workers, isLocal: scenario.isLocal,
            clockOffset: UInt64(random.below(1_000_000_000)), now: now, defect: defect)
        guard let node else { return }
        nodes.append(node)
        rates.append(Array(repeating: 0, count: ceilings.count))
        changeAt = min(changeAt, now)
    }

    private func changeLoad() {
        changeAt = now + UInt64(random.between(300, scenario.isHarsh ? 2500 : 5000)) * 1_000_000
        let alive = max(1, nodes.reduce(0) { $0 + ($1.isAlive ? 1 : 0) })
        for index in nodes.indices {
            for project in ceilings.indices {
                let ceiling = Double(ceilings[project])
                if scenario.isHarsh {
                    rates[index][project] = ceiling * random.pick([0, 3, 3])
                    continue
                }
                rates[index][project] = ceiling * random.pick([0, 0, 0.02, 0.3 / Double(alive), 0.9 / Double(alive), 1.3 / Double(alive), 1, 2, 2, 4])
            }
        }
    }

    private func step(_ index: Int) {
        let node = nodes[index]
        let isCut = node.partition.until > now
        let canConnect = !(isCut && node.partition.requests && node.partition.replies)
        if let batch = node.keep(now: now, store: store, canConnect: canConnect), !(isCut && node.partition.requests),
            !random.chance(scenario.lost, in: 1000)
        {
            let run = node.run.map { "run\($0)" } ?? ""
            send(.request(batch, run: run, isLeaving: false), index)
        }
        // Connections are accepted when everything is confirmed.
        guard node.ledger.isReady || node.sequence > 40 else { return }
        node.turn(now: now, staleness: UInt64(random.below(4_000_000)))
        for project in ceilings.indices {
            node.owed[project] += rates[index][project] * elapsed
            let count = UInt64(node.owed[project])
            guard count > 0 else { continue }
            node.owed[project] -= Double(count)
            let admitted = node.admit(project: project, count: count)
            logs[project].append(admitted, at: now)
            noteService(project, admitted: admitted)
            if scenario.isCalm, now >= calmFrom + 6_000_000_000 { node.refused[project] += count - admitted }
        }
    }

    private func send(_ content: FleetStore.Content, _ index: Int) {
        var delay = scenario.latency + random.below(scenario.jitter + 1)
        if random.chance(scenario.late, in: 1000) { delay += random.between(500_000, 4_000_000) }
        store.send(FleetStore.Message(time: now + UInt64(delay) * 1000, node: index, connection: nodes[index].connection, content: content))
    }

    private func deliver() {
        while let message = store.receive(by: now) {
            let node = nodes[message.node]
            switch message.content {
            case .request(let batch, let run, let isLeaving):
                guard store.isUp else { continue }
                let replies = store.exchange(batch, from: node.name, run: run, isLeaving: isLeaving, now: now)
                if node.partition.until > now, node.partition.replies { continue }
                if random.chance(scenario.lost, in: 1000) { continue }
                let delay = scenario.latency + random.below(scenario.jitter + 1)
                let reply = FleetStore.Content.reply(replies, sequence: batch.sequence)
                store.send(FleetStore.Message(time: now + UInt64(delay) * 1000, node: message.node, connection: message.connection, content: reply))
            case .reply(let replies, let sequence):
                if node.isAlive { node.receive(replies, sequence: sequence, connection: message.connection, now: now) }
            }
        }
    }

    // MARK: Faults

    private func playFaults() {
        if !store.isUp, now >= storeBackAt { store.isUp = true }
        while nextFault < scenario.faults.count, now >= Self.start + UInt64(scenario.faults[nextFault].time) * 1_000_000 {
            play(scenario.faults[nextFault].fault)
            nextFault += 1
        }
    }

    private func play(_ fault: FleetScenario.Fault) {
        switch fault {
        case .crash(let index): nodes[index].isAlive = false
        case .join: if nodes.count < 10 { addNode() }
        case .leave(let index):
            let node = nodes[index]
            guard node.isAlive else { return }
            node.isAlive = false
            node.sequence += 1
            if let run = node.run { send(.request(AllowanceBatch(sequence: node.sequence), run: "run\(run)", isLeaving: true), index) }
        case .partition(let index, let requests, let replies, let milliseconds):
            nodes[index].partition = .init(until: now + UInt64(milliseconds) * 1_000_000, requests: requests, replies: replies)
        case .restart(let milliseconds, let lost):
            store.stop(lost: lost, now: now)
            storeBackAt = now + UInt64(milliseconds) * 1_000_000
        case .storeClock(let milliseconds): store.clockOffset += milliseconds * 1000
        case .lostKey(let number): store.loseKeys(number)
        case .ceiling(let project, let ceiling):
            ceilings[project] = ceiling
            history[project].append((now, ceiling))
            for node in nodes where node.isAlive { node.ledger.setCeiling(project, to: UInt64(ceiling), now: node.clock(now)) }
        }
    }

    // MARK: Checks

    private func noteService(_ project: Int, admitted: UInt64) {
        if admitted > 0 {
            hungry[project] = nil
        } else if var waiting = hungry[project] {
            waiting.count += 1
            hungry[project] = waiting
            // Single requests now and then do not move a share, and what does not divide goes round.
            if waiting.count > 50, ceilings[project] >= 4 * nodes.count { hungriest = max(hungriest, now - waiting.since) }
        } else {
            hungry[project] = (now, 1)
        }
    }

    /// Settling, the window and what a share takes to move: longer than that nobody goes without.
    private static let patience: UInt64 = 8_000_000_000

    private func checkService() -> String? {
        guard scenario.isServed, scenario.lost == 0, defect == nil, hungriest > Self.patience else { return nil }
        return "nothing admitted for \(hungriest / 1_000_000) ms; \(scenario)"
    }

    /// A lowered ceiling holds when every node has been answered once more, or its lease has ended.
    private static let grace: UInt64 = 3_600_000_000

    private func check() -> String? {
        for project in ceilings.indices {
            let changes = history[project]
            let second = logs[project].firstSecond { end, sum in
                let begin = end - min(end, 1_000_000_000 + Self.grace)
                var most = changes[0].ceiling
                for (index, change) in changes.enumerated() where change.time <= end {
                    // In force within the interval, or so shortly before that it may still be.
                    let isOver = index + 1 < changes.count && changes[index + 1].time <= begin
                    if index == 0 || isOver { most = isOver ? 0 : change.ceiling } else { most = max(most, change.ceiling) }
                }
                return sum <= UInt64(most)
            }
            if let second {
                let milliseconds = (second.end - Self.start) / 1_000_000
                return "project \(project): the second up to \(milliseconds) ms holds \(second.sum); ceilings \(changes.map(\.ceiling)); \(scenario)"
            }
        }
        return nil
    }

    /// After six seconds of the same load all is used that there is demand for.
    private func checkUse() -> String? {
        for project in ceilings.indices {
            var demand = 0.0
            var used = 0.0
            for (index, node) in nodes.enumerated() {
                let wanted = rates[index][project] * 1.008
                demand += wanted
                used += node.refused[project] == 0 ? wanted : Double(node.usage(project: project, now: now))
            }
            // What does not divide goes round between the nodes, and a demand is a whole number to the store.
            let possible = min(demand, Double(ceilings[project]))
            if used < 0.99 * possible - Double(2 * nodes.count) {
                return "project \(project): \(used) of \(possible) used at the end; rates \(rates); \(scenario)"
            }
        }
        return nil
    }
}
