internal import SluiceCounting

/// Tables of callers, one for each node, under several workers that interrupt each other between any two steps on shared words, in virtual time.
///
/// More callers than the table has room for come, go and come again, in turns of any length; limits change meanwhile, as a reload changes
/// them. What is checked is when requests leave, for each caller by itself: no interval holds more than its limit. Where nobody interrupts
/// and everything leaves at once it is checked too that nobody is refused for less than what `LimitTable` says, and that who waits as
/// told is admitted.
package final class LimitSimulation {
    /// Defects that the simulation must find.
    package enum Defect: Sendable, CaseIterable {
        /// Counts by intervals of the clock, as most gateways do.
        case fixedWindow
        /// Each worker counts for itself.
        case tablePerWorker
        /// Takes what is admitted at the beginning of a turn for sent then, however late it leaves.
        case staleTurnTime
        /// Lets what is sent once more leave for what was charged when it was sent first.
        case freeRepetition
        /// Lets what leaves late leave, although it cannot be charged.
        case forgivenCharge
        /// Takes back what has left.
        case takenBack
        /// Admits callers for whom there is no place.
        case admitsWhenFull
        /// Begins anew when the limit changes.
        case forgetsAtReload
    }

    private struct Stall: Interruption {
        unowned let simulation: LimitSimulation
        func point() { simulation.interrupt() }
    }

    private struct Caller {
        let key: LimitKey
        var log = AdmissionLog()
        /// Ticks of the charges, for what is refused. Only where nobody interrupts.
        var times: [UInt64] = []
        var window: (number: UInt64, count: UInt64) = (0, 0)
    }

    private var random: SeededGenerator
    private let tables: [LimitTable]
    private var callers: [Caller]
    private let seconds: UInt64
    private var rule: LimitRule
    /// Every limit that was in force, and from when.
    private var limits: [(from: UInt64, limit: UInt64)]
    private let workers: Int
    /// They divide every limit evenly. Each has some of the workers.
    private let nodes: Int
    private var isBusy: [Bool]
    private var depth = 0
    private var now: UInt64
    private let interruptions: Int
    private let turnMax: Int
    private let changes: Bool
    private let defect: Defect?
    private var steps = 0
    private var generation: UInt64 = 0
    private var fault: String?

    package init(seed: UInt64, defect: Defect? = nil) {
        random = SeededGenerator(seed: seed)
        self.defect = defect
        workers = random.pick([1, 2, 3, 4, 8])
        interruptions = random.pick([0, 0, 1, 5, 20, 50])
        turnMax = random.pick([0, 0, 1, 9, 80, 700, 3000]) * 1_000_000
        changes = random.chance(1, in: 3)
        seconds = UInt64(random.pick([1, 1, 2, 3]))
        now = UInt64(random.below(2_000_000_000)) + 8_000_000
        let limit = UInt64(random.pick([1, 2, 5, 13, 14, 15, 29, 60, 100]))
        rule = LimitRule(limit: limit, perSeconds: seconds)
        limits = [(0, limit)]
        // From one bucket to six; from a caller in all of it to three for each place.
        let room = random.pick([1, 4, 9, 27])
        let count = random.pick([1, 3, room, 2 * room, 5 * room])
        var names = SeededGenerator(seed: seed ^ 0x5EED)
        callers = (0..<max(1, count)).map { _ in Caller(key: LimitKey(low: names.next(), high: names.next())) }
        // A defect shows on one node.
        nodes = defect == nil ? random.pick([1, 1, 1, 2, 3]) : 1
        tables = (0..<(defect == .tablePerWorker ? workers : nodes)).map { _ in LimitTable(keys: room) }
        isBusy = Array(repeating: false, count: workers)
    }

    deinit { for table in tables { table.free() } }

    /// - Returns: what went wrong, or nil.
    package func run() -> String? {
        let end = now + seconds * 1_000_000_000 * UInt64(random.between(2, 5))
        // All callers together send some multiple of what they may.
        let pace = max(1, UInt64(callers.count) * rule.limit * UInt64(random.between(1, 3)))
        let pause = max(1, Int(2 * seconds * 1_000_000_000 / pace))
        while now < end, steps < 3000, fault == nil {
            now += UInt64(random.below(pause))
            if random.chance(1, in: 60) { now += UInt64(random.below(Int(seconds) * 1_500_000_000)) }
            if changes, random.chance(1, in: 80) { reload() }
            act()
        }
        if let fault { return fault }
        for number in callers.indices {
            let length = seconds * 1_000_000_000
            let found = callers[number].log.firstInterval(of: length) { end, sum in sum <= limitMax(from: end - min(end, length), to: end) }
            if let found {
                return "caller \(number): the \(seconds) s up to \(found.end) hold \(found.sum) (limits \(limits.map(\.limit)), \(workers) workers)"
            }
        }
        return nil
    }

    /// The largest limit that somebody may have gone by in this time: an interrupted worker has the one from before.
    private func limitMax(from start: UInt64, to end: UInt64) -> UInt64 {
        var most: UInt64 = 0
        for (index, entry) in limits.enumerated() {
            let until = index + 1 < limits.count ? limits[index + 1].from + 4_000_000_000 : UInt64.max
            let parts = LimitRule(limit: entry.limit, perSeconds: seconds).part(of: UInt64(nodes)).limit * UInt64(nodes)
            if entry.from <= end, until >= start { most = max(most, parts) }
        }
        return most
    }

    private func reload() {
        let limit = UInt64(random.pick([1, 3, 14, 20, 45, 100]))
        rule = LimitRule(limit: limit, perSeconds: seconds)
        limits.append((now, limit))
        generation += 1
    }

    // MARK: Requests

    private func act() {
        let worker = random.below(workers)
        guard !isBusy[worker] else { return }
        isBusy[worker] = true
        defer { isBusy[worker] = false }
        steps += 1
        // A few callers send most of what is sent.
        let caller = random.chance(1, in: 2) ? random.below(callers.count) : random.below(min(3, callers.count))
        let count = random.chance(1, in: 8) ? random.between(1, Int(min(rule.limit, 30)) + 2) : 1
        if turnMax > 0 || interruptions > 0 { return gather(worker, caller, count) }
        for _ in 0..<count { admitAtOnce(worker, caller) }
    }

    private func key(_ caller: Int) -> LimitKey {
        guard defect == .forgetsAtReload, generation > 0 else { return callers[caller].key }
        var names = SeededGenerator(seed: UInt64(caller) << 32 | generation)
        return LimitKey(low: names.next(), high: names.next())
    }

    private func table(_ worker: Int) -> LimitTable { tables[worker % tables.count] }

    private func isAdmittedByClock(_ caller: Int) -> Bool {
        let number = now / (seconds * 1_000_000_000)
        if callers[caller].window.number != number { callers[caller].window = (number, 0) }
        guard callers[caller].window.count < rule.limit else { return false }
        callers[caller].window.count += 1
        return true
    }

    /// One request that leaves as it is admitted; nobody interrupts.
    private func admitAtOnce(_ worker: Int, _ caller: Int) {
        if defect == .fixedWindow {
            if isAdmittedByClock(caller) { callers[caller].log.append(1, at: now) }
            return
        }
        let table = table(worker)
        let rule = rule.part(of: UInt64(nodes))
        var charge = LimitCharge.none
        switch table.take(key(caller), rule, now: now, charge: &charge) {
        case .taken:
            callers[caller].log.append(1, at: now)
            callers[caller].times.append(now)
            if defect == .takenBack, random.chance(1, in: 4) { table.undo(rule, &charge) }
        case .full:
            if defect == .admitsWhenFull { callers[caller].log.append(1, at: now) }
        case .exhausted:
            guard defect == nil, !changes, nodes == 1 else { return }
            // What the head of `LimitTable` promises; two ticks are what rounding takes.
            let reach = seconds * 1_000_000_000 + 2_000_000 + 2 * 65_536
            let recent = callers[caller].times.filter { $0 + reach > now }.count
            if UInt64(recent) + rule.slack < rule.limit { fault = "caller \(caller) is refused after \(recent) of \(rule.limit)" }
            let rest = table.rest(of: callers[caller].key, rule, now: now)
            if rest.remaining > 0 || rest.wait == 0 { fault = "a refused caller is told \(rest)" }
            // Told exactly: not before, and then for certain, unless its place was given away, which only who has rested loses.
            if random.chance(1, in: 4) {
                now += rest.wait - 1
                if table.take(callers[caller].key, rule, now: now) != .exhausted { fault = "admitted before the time that was told" }
                now += 1
                guard table.take(callers[caller].key, rule, now: now) == .taken else { return fault = "refused at the time that was told" }
                callers[caller].log.append(1, at: now)
                callers[caller].times.append(now)
            }
        }
    }

    /// A turn that decides about requests and then sends on those that passed.
    private func gather(_ worker: Int, _ caller: Int, _ count: Int) {
        var charges: [(rule: LimitRule, charge: LimitCharge)] = []
        let table = table(worker)
        for _ in 0..<count {
            var charge = LimitCharge.none
            let rule = rule.part(of: UInt64(nodes))
            if defect == .fixedWindow {
                if isAdmittedByClock(caller) { charges.append((rule, charge)) }
                continue
            }
            switch table.take(key(caller), rule, now: now, charge: &charge, interruption: Stall(simulation: self)) {
            case .taken:
                // Another limit of the same list refuses.
                if random.chance(1, in: 10) { table.undo(rule, &charge) } else { charges.append((rule, charge)) }
            case .full:
                if defect == .admitsWhenFull { callers[caller].log.append(1, at: now) }
            case .exhausted: break
            }
            pass()
        }
        pass()
        for (rule, charge) in charges {
            var charge = charge
            send(table, caller, rule, &charge)
            // A kept connection broke under it.
            guard random.chance(1, in: 12) else { continue }
            if defect != .freeRepetition { charge = .none }
            pass()
            send(table, caller, rule, &charge)
        }
    }

    private func send(_ table: LimitTable, _ caller: Int, _ rule: LimitRule, _ charge: inout LimitCharge) {
        if defect == .fixedWindow { return callers[caller].log.append(1, at: now) }
        if defect != .staleTurnTime, LimitTable.isLate(charge, now: now), defect != .freeRepetition || charge.isCharged {
            let outcome = table.move(key(caller), rule, now: now, charge: &charge, interruption: Stall(simulation: self))
            guard outcome == .taken || defect == .forgivenCharge else { return }
            // It was interrupted for longer than a send may take: the clock is not what it was.
            guard !LimitTable.isLate(charge, now: now) || defect == .forgivenCharge else { return }
        }
        callers[caller].log.append(1, at: now + UInt64(random.below(Int(CeilingMeter.sendingNanoseconds))))
        if defect == .takenBack, random.chance(1, in: 4) { table.undo(rule, &charge) }
        pass()
    }

    /// What the work of a turn takes: mostly next to nothing, sometimes long.
    private func pass() {
        switch random.below(24) {
        case 0: now += UInt64(random.below(max(1, turnMax)))
        case 1...3: now += UInt64(random.below(2_000_000))
        default: now += UInt64(random.below(50_000))
        }
        interrupt()
    }

    /// Lets others run, and time pass.
    private func interrupt() {
        guard depth < 4, random.chance(interruptions, in: 100) else { return }
        depth += 1
        defer { depth -= 1 }
        for _ in 0..<random.between(1, 3) {
            switch random.below(20) {
            case 0: now += UInt64(random.below(Int(seconds) * 1_100_000_000))
            case 1...4: now += UInt64(random.below(3_000_000))
            default: break
            }
            act()
        }
    }
}
