internal import SluiceCounting

/// One meter under up to 64 workers that interrupt each other between any two steps on shared words, in virtual time.
///
/// An interrupted worker stalls while others admit and time passes, sometimes for longer than the ring. A worker decides about some requests
/// and sends on, later in the same turn, those that passed; a turn takes any time, and is cut short by others' turns at any place. What is checked is
/// when requests leave: any moment between the reading of the clock that found them in time and what a send may take.
package final class MeterSimulation {
    /// Defects that the simulation must find.
    package enum Defect: Sendable, CaseIterable {
        /// Counts per second of the clock, as most gateways do.
        case fixedWindow
        /// Spends what is left of a lease although it has been given back.
        case forgottenLease
        /// Admits from pockets beside the whole limit.
        case pocketsBesides
        /// Takes what is admitted at the beginning of a turn for sent then, however late it leaves.
        case staleTurnTime
        /// Lets what leaves late leave uncharged if its charge is no longer in the window.
        case forgivenCharge
        /// Lets what is sent once more leave for what was charged when it was sent first.
        case freeRepetition
    }

    private struct Stall: Interruption {
        unowned let simulation: MeterSimulation
        func point() { simulation.interrupt() }
    }

    private var random: SeededGenerator
    private let words: CeilingMeter.Words
    private let limit: Int
    /// What of the limit is charged; the rest is for pockets.
    private let charged: Int
    private let pocket: UInt32
    private let workers: Int
    private let leases: UnsafeMutablePointer<CeilingMeter.Lease>
    private var isBusy: [Bool]
    private var depth = 0
    private var now: UInt64
    private var log = AdmissionLog()
    private let interruptions: Int
    private let defect: Defect?
    private var window: (number: UInt64, count: Int) = (0, 0)
    private var steps = 0
    /// How long turns may take at most, in nanoseconds, from a decision to a send: 0 where everything leaves at once.
    private let turnMax: Int

    package init?(seed: UInt64, defect: Defect? = nil) {
        random = SeededGenerator(seed: seed)
        self.defect = defect
        workers = random.pick([1, 2, 3, 4, 8, 16, 64])
        limit = min(random.magnitude(digits: 7), 10_000_000)
        interruptions = random.pick([0, 1, 5, 20, 50])
        now = UInt64(random.below(2_000_000_000)) + 8_000_000
        turnMax = random.pick([0, 0, 1, 9, 80, 700, 3000]) * 1_000_000
        words = CeilingMeter.make(ceiling: UInt64(limit), now: now)
        let hasPockets = random.chance(1, in: 2)
        pocket = hasPockets ? CeilingMeter.pocket(ceiling: UInt64(limit), workers: UInt64(workers)) : 0
        let room = hasPockets ? CeilingMeter.pocketsOfAll(ceiling: UInt64(limit), workers: UInt64(workers)) : 0
        // Two seconds' worth is what pockets need if every clock is read in time; a defect takes none off.
        charged = limit - (defect == .pocketsBesides ? 0 : Int(room))
        CeilingMeter.setLimit(words, to: UInt64(charged))
        leases = .allocate(capacity: workers)
        leases.initialize(repeating: CeilingMeter.Lease(), count: workers)
        isBusy = Array(repeating: false, count: workers)
    }

    deinit {
        leases.deallocate()
        CeilingMeter.free(words)
    }

    /// - Returns: what went wrong, or nil.
    package func run() -> String? {
        let isStalling = interruptions > 0
        let pressed = random.chance(1, in: 2)
        let pace = pressed ? 4 : random.pick([1, 2, 8])
        let begin = now
        let end = now + UInt64(random.between(1200, 2600)) * 1_000_000
        while now < end, steps < 6000 {
            // Some multiple of the limit in all, in turns of about a millisecond.
            let turn = UInt64(random.between(1, 2_400_000))
            now += turn
            let demand = limit * Int(turn / 1000) / 1_000_000 * pace / 2 + random.below(3)
            for _ in 0..<random.between(1, 3) { admit(count: max(1, demand)) }
            if !pressed, random.chance(1, in: 200) { now += UInt64(random.below(1_500_000_000)) }
        }
        let limit = UInt64(limit)
        if let second = log.firstSecond(refusedBy: { $1 <= limit }) {
            return "the second up to \(second.end) holds \(second.sum) of \(limit) (\(workers) workers)"
        }
        // What is given up: the slots that a second can begin and end in, and idle leases.
        if pressed, !isStalling, turnMax == 0, now - begin > 1_100_000_000, defect == nil {
            // What has left the window in the last moments is taken up.
            _ = CeilingMeter.admit(words, leases, count: UInt64(charged), now: now, workers: UInt64(workers))
            let idle = (0..<workers).reduce(0) { $0 + leases[$1].unspent }
            let used = CeilingMeter.usage(of: words, now: now) - idle
            // In a window of 252 slots; a second has 250.
            if Double(used) < 0.998 * Double(charged) - 1 { return "\(used) of \(charged) used under load" }
        }
        return nil
    }

    private func admit(count: Int) {
        let worker = random.below(workers)
        guard !isBusy[worker] else { return }
        isBusy[worker] = true
        defer { isBusy[worker] = false }
        steps += 1
        let read = now
        if defect == .fixedWindow {
            let number = read / 1_000_000_000
            if number != window.number { window = (number, 0) }
            let admitted = min(count, limit - window.count)
            window.count += admitted
            log.append(UInt64(admitted), at: read)
            return
        }
        let before = leases[worker]
        var count = UInt64(count)
        if turnMax > 0, depth < 2, defect != .forgottenLease { return gather(worker, min(count, depth == 0 ? 12 : 3)) }
        if pocket > 0 {
            let taken = CeilingMeter.takeFromPocket(leases + worker, upTo: count, now: read, pocket: pocket)
            log.append(taken, at: read)
            count -= taken
        }
        if interruptions > 0 {
            if CeilingMeter.admit(words, leases + worker, now: read, workers: UInt64(workers), interruption: Stall(simulation: self)) {
                log.append(1, at: max(read, leases[worker].slotNumber * CeilingMeter.slotNanoseconds))
            }
        }
        // The rest without interruptions, at the price of a call for each lease; later clocks only.
        if now == read { log.append(CeilingMeter.admit(words, leases + worker, count: count, now: read, workers: UInt64(workers)), at: read) }
        if defect == .forgottenLease, before.unspent > 0, before.slotNumber != leases[worker].slotNumber { log.append(before.unspent, at: read) }
    }

    /// A turn that decides about `count` requests and then sends on those that passed.
    private func gather(_ worker: Int, _ count: UInt64) {
        var charges: [CeilingMeter.Charge] = []
        for _ in 0..<count {
            var charge = CeilingMeter.Charge.none
            // The clock is read for each decision; what is done between them takes its time.
            let read = now
            if CeilingMeter.admit(words, leases + worker, charge: &charge, now: read, workers: UInt64(workers), pocket: pocket) {
                charges.append(charge)
            }
            pass()
        }
        pass()
        for var charge in charges {
            send(worker, &charge)
            // A kept connection broke under it.
            guard random.chance(1, in: 12) else { continue }
            if defect != .freeRepetition { charge.spend() }
            pass()
            send(worker, &charge)
        }
    }

    private func send(_ worker: Int, _ charge: inout CeilingMeter.Charge) {
        let read = now
        if defect != .staleTurnTime, CeilingMeter.isLate(charge, now: read) {
            let isKept = CeilingMeter.move(
                words, leases + worker, charge: &charge, now: read, workers: UInt64(workers), pocket: pocket,
                interruption: Stall(simulation: self))
            guard isKept || defect == .forgivenCharge else { return }
            // It was interrupted for longer than a send may take: the clock is not what it was.
            guard !CeilingMeter.isLate(charge, now: now) else {
                steps += 1
                return
            }
        }
        log.append(1, at: now + (defect == .staleTurnTime ? 0 : UInt64(random.below(Int(CeilingMeter.sendingNanoseconds)))))
        pass()
    }

    /// What the work of a turn takes: mostly next to nothing, sometimes long.
    private func pass() {
        switch random.below(24) {
        case 0: now += UInt64(random.below(turnMax))
        case 1...3: now += UInt64(random.below(3_000_000))
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
            case 0: now += UInt64(random.below(1_100_000_000))
            case 1...4: now += UInt64(random.below(9_000_000))
            default: break
            }
            admit(count: random.between(1, 4))
        }
    }
}
