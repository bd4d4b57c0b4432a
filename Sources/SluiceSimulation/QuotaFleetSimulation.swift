internal import SluiceCounting

/// Up to eight nodes that share quotas through one store: latency, lost and late messages, crashes, orderly ends and joins, a store
/// that restarts with and without its data, changed limits, a clock of the store's that is set both ways, a replica that is behind, single keys
/// that are lost. Checks that no window admits more than the largest limit that was in force in it, that a step of the clock costs one window
/// more at most, that admissions go on within a window after it, and that a fleet without faults uses all of it.
///
/// What it leaves out is what the bound does not promise: a store that has lost its data while a node that had grants is dead or cut off.
package final class QuotaFleetSimulation {
    /// Defects that the simulation must find.
    package enum Defect: Sendable, CaseIterable {
        /// Spends one of what it asks for before the store has answered.
        case spendsBeforeReply
        /// Tells the store that it holds less than it does, by what it gives back.
        case subtractsTwice
        /// Does not follow the store's clock when that is set back.
        case neverGoesBack
    }

    /// What goes wrong in a scenario.
    private enum Weather: CaseIterable {
        case calm, lossy, deadly, forgetful, stepping, losing
    }

    private struct Place: Hashable {
        let condition: Int
        let window: UInt64
    }

    private var random: SeededGenerator
    private let weather: Weather
    private let keys: [QuotaKey]
    private var limits: [UInt64]
    /// The largest limit since the beginning: a window may have begun under it.
    private var bounds: [UInt64]
    private var changedAt: [UInt64]
    private let store: FleetStore
    private var nodes: [QuotaFleetNode] = []
    private var born = 0
    private var admitted: [Place: UInt64] = [:]
    private let latency: Int
    private let pressure: Int
    private let defect: Defect?
    private var now: UInt64 = 1_000_000_000
    private var storeBack: UInt64 = 0
    /// How often the store's clock was set, and how often its books had to settle after the beginning.
    private var steps: UInt64 = 0
    private var settlings: UInt64 = 0
    /// When the last request of each condition was admitted, and the longest that none was.
    private var servedAt: [UInt64?]
    private var longest: [UInt64]
    private static let start: UInt64 = 1_000_000_000

    package init(seed: UInt64, defect: Defect? = nil, storeDefect: StoreModel.Defect? = nil) {
        var random = SeededGenerator(seed: seed ^ 0x51_07A5)
        self.defect = defect
        weather = random.pick(Weather.allCases)
        keys = (0..<random.between(1, 3)).map { QuotaKey(owner: "o\($0)", perSeconds: UInt64(random.pick([1, 2, 10, 3600]))) }
        limits = keys.map { _ in UInt64(random.magnitude(digits: 4)) }
        bounds = limits
        changedAt = keys.map { _ in 0 }
        store = FleetStore(defect: storeDefect)
        servedAt = keys.map { _ in nil }
        longest = keys.map { _ in 0 }
        latency = random.pick([1, 5, 30, 500])
        pressure = random.pick([1, 3, 10])
        self.random = random
        for _ in 0..<self.random.between(1, 8) { join() }
    }

    /// - Returns: what went wrong, or nil.
    package func run() -> String? {
        let seconds = weather == .stepping ? random.between(20, 24) : random.between(6, 14)
        let end = now + UInt64(seconds) * 1_000_000_000
        while now < end {
            now += 5_000_000
            deliver()
            for index in nodes.indices { serve(index) }
            misfortune()
            if weather == .stepping { store.keepSnapshot(now: now) }
        }
        if let violation = unserved() ?? excess(seconds: UInt64(seconds)) { return violation }
        for (place, count) in admitted where count > bounds[place.condition] * (1 + steps) {
            return "\(count) admitted of \(bounds[place.condition]) in a window of \(keys[place.condition].perSeconds) s (\(weather), \(nodes.count) nodes)"
        }
        return seconds < 9 ? nil : unused()
    }

    /// Over all windows: those that the time has, and one more for each step of the clock.
    private func excess(seconds: UInt64) -> String? {
        for (index, key) in keys.enumerated() {
            let sum = admitted.reduce(0 as UInt64) { $0 + ($1.key.condition == index ? $1.value : 0) }
            let windows = seconds / key.perSeconds + 2 + steps
            if sum > bounds[index] * windows {
                return "\(sum) admitted in \(seconds) s, \(bounds[index]) in \(key.perSeconds) s allowed, after \(steps) steps (\(weather))"
            }
        }
        return nil
    }

    /// Where nothing but clocks and keys goes wrong, the next window brings something, a step may cost one, and messages take their time.
    private func unserved() -> String? {
        guard weather == .stepping || weather == .losing || weather == .calm, defect == nil || defect == .neverGoesBack else { return nil }
        for (index, key) in keys.enumerated() where key.perSeconds <= 2 {
            let most = (2 * key.perSeconds + 7 * settlings) * 1_000_000_000 + 1_500_000_000 + 4_000_000 * UInt64(latency)
            let gap = max(longest[index], now - (servedAt[index] ?? now))
            if gap > most { return "nothing admitted for \(gap / 1_000_000) ms in windows of \(key.perSeconds) s (\(weather))" }
        }
        return nil
    }

    /// In calm weather, with demand for several times the limit, all of a long window is used some seconds after the store has settled.
    private func unused() -> String? {
        guard weather == .calm, defect == nil, latency < 500 else { return nil }
        for (index, key) in keys.enumerated() where key.perSeconds == 3600 && changedAt[index] == 0 {
            // Nodes ask a few times per step; the first 4.5 s bring nothing.
            guard limits[index] * 4 < UInt64(nodes.count * pressure * 200) else { continue }
            let most = admitted.filter { $0.key.condition == index }.values.max() ?? 0
            let windows = admitted.keys.filter { $0.condition == index }.count
            if windows == 1, most < limits[index] { return "\(most) of \(limits[index]) used" }
        }
        return nil
    }

    // MARK: Nodes

    private func join() {
        born += 1
        let wall = UInt64(store.clockOffset) + now / 1000 + UInt64(random.below(2_000_000))
        nodes.append(QuotaFleetNode(
            name: "node\(born)", keys: keys, limits: limits, wall: wall, now: now, clockOffset: UInt64(random.below(1_000_000_000_000)), defect: defect))
    }

    private func serve(_ index: Int) {
        let node = nodes[index]
        // Demand moves about.
        if (Int(now / 700_000_000) + index) % 3 != 0 || weather == .calm {
            for condition in keys.indices {
                for _ in 0..<random.below(2 * pressure + 1) {
                    guard let window = node.take(condition, now: now) else { break }
                    admitted[Place(condition: condition, window: window), default: 0] += 1
                    longest[condition] = max(longest[condition], now - (servedAt[condition] ?? now))
                    servedAt[condition] = now
                }
            }
        }
        if let batch = node.keep(now: now, store: store, canConnect: true) { send(batch, of: node) }
    }

    private func send(_ batch: AllowanceBatch, of node: QuotaFleetNode, isLeaving: Bool = false) {
        if weather == .lossy || weather == .deadly, random.chance(1, in: 40) { return }
        // One that comes late may come after those of the next connection.
        let isLate = weather != .calm && weather != .forgetful && random.chance(1, in: 60)
        let delay = UInt64(random.below(latency * 1000 + 1)) * 1000 + (isLate ? UInt64(random.below(3_000_000_000)) : 0)
        guard let number = Int(node.name.dropFirst(4)) else { return }
        store.send(.init(
            time: now + delay, node: number, connection: node.connection, content: .request(batch, run: "run\(store.run)", isLeaving: isLeaving)))
    }

    private func deliver() {
        while let message = store.receive(by: now) {
            switch message.content {
            case .request(let batch, let run, let isLeaving):
                let replies = store.exchange(batch, from: "node\(message.node)", run: run, isLeaving: isLeaving, now: now)
                if weather == .lossy || weather == .deadly, random.chance(1, in: 40) { continue }
                store.send(.init(
                    time: now + UInt64(random.below(latency * 1000 + 1)) * 1000, node: message.node, connection: message.connection,
                    content: .reply(replies, sequence: batch.sequence)))
            case .reply(let replies, let sequence):
                nodes.first { $0.name == "node\(message.node)" }?.receive(replies, sequence: sequence, connection: message.connection, now: now)
            }
        }
    }

    // MARK: Misfortune

    private func misfortune() {
        if !store.isUp {
            if now >= storeBack { store.isUp = true }
            return
        }
        if random.chance(1, in: 2000) { changeLimit() }
        switch weather {
        case .calm, .lossy: break
        case .deadly:
            if random.chance(1, in: 300), nodes.count > 1 {
                let node = nodes.remove(at: random.below(nodes.count))
                if random.chance(1, in: 2), let batch = node.leave() { send(batch, of: node, isLeaving: true) }
            }
            if random.chance(1, in: 300), nodes.count < 8 { join() }
            if random.chance(1, in: 1500) { stopStore(lost: nil) }
        case .stepping:
            if now > Self.start + 9_000_000_000, random.chance(1, in: 800) { stepClock() }
        case .losing:
            if settlings == 0, now > Self.start + 5_000_000_000, random.chance(1, in: 300) {
                store.loseKeys(random.below(1000))
                settlings += 1
            }
        case .forgetful:
            if random.chance(1, in: 1000) { stopStore(lost: .max) }
        }
    }

    /// The store's clock is set, or a replica takes over that is behind and has the clock of another machine.
    private func stepClock() {
        steps += 1
        let milliseconds = random.pick([300, 1200, 2000, 5000, 8000, 8000, 60_000, 3_600_000, 2_592_000_000])
        store.clockOffset += (random.chance(1, in: 3) ? 1000 : -1000) * milliseconds
        guard random.chance(1, in: 4) else { return }
        settlings += 1
        stopStore(lost: random.pick([100, 1000]))
        storeBack = now + 300_000_000
    }

    private func stopStore(lost: Int?) {
        store.stop(lost: lost, now: now)
        storeBack = now + UInt64(random.between(10, 2500)) * 1_000_000
    }

    private func changeLimit() {
        let index = random.below(keys.count)
        limits[index] = UInt64(random.magnitude(digits: 4))
        bounds[index] = max(bounds[index], limits[index])
        changedAt[index] = now
        for node in nodes { node.ledger.setLimit(index, to: limits[index]) }
    }
}
