/// What one seed stands for: a fleet, its load and what goes wrong.
package struct FleetScenario {
    /// Defects of a node that the simulation must find.
    package enum NodeDefect: Sendable, CaseIterable {
        /// Raises its limit by what it asks for, before the store has granted it.
        case raisesBeforeReply
        /// Goes on with its shares when the store is away.
        case ignoresLease
    }

    enum Fault {
        case crash(Int)
        case join
        case leave(Int)
        /// One way or both, for some milliseconds.
        case partition(Int, requests: Bool, replies: Bool, milliseconds: Int)
        /// The store away for some milliseconds, and what it knows afterwards: all, what it knew some milliseconds before, or nothing.
        case restart(milliseconds: Int, lost: Int?)
        case storeClock(milliseconds: Int)
        /// One key of the store's, chosen by a number.
        case lostKey(Int)
        case ceiling(project: Int, Int)
    }

    var isLocal: Bool
    var nodes: Int
    var workers: Int
    var ceilings: [Int]
    /// One way, in microseconds.
    var latency: Int
    var jitter: Int
    /// Of 1000 messages.
    var lost: Int
    var late: Int
    /// In milliseconds: steps of time, and of the whole.
    var stepMax: Int
    var length: Int
    /// By time in milliseconds.
    var faults: [(time: Int, fault: Fault)] = []
    /// No fault, and the same load, for the last seconds.
    var isCalm: Bool
    /// Few nodes that take turns in wanting everything, and much going wrong: where defects show.
    var isHarsh: Bool

    package init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        isLocal = random.chance(2, in: 5)
        nodes = random.pick([1, 2, 2, 2, 3, 3, 4, 8])
        workers = random.pick([1, 1, 2, 2, 4, 8])
        let digits = random.pick([1, 1, 2, 2, 2, 3, 3, 3, 4, 7])
        ceilings = (0..<random.pick([1, 1, 1, 2])).map { _ in min(10_000_000, random.magnitude(digits: digits)) }
        latency = random.pick([100, 1000, 5000, 20_000, 100_000, 240_000])
        jitter = random.chance(1, in: 2) ? latency : latency / 10
        jitter = min(jitter, 100_000)
        lost = random.pick([0, 0, 0, 5, 30])
        late = random.pick([0, 0, 20, 100])
        stepMax = random.pick([8, 16, 30])
        isCalm = random.chance(1, in: 4)
        length = random.between(8_000, 14_000)
        if isCalm { (lost, late, length) = (0, 0, random.between(15_000, 17_000)) }
        isHarsh = !isCalm && random.chance(1, in: 2)
        if isHarsh { harden(&random) }
        let isTrouble = !isCalm && random.chance(9, in: 10)
        let theme = random.below(Self.themes.count)
        // In mode `local` a node without contact counts on a store that keeps its data (`CeilingLedger`).
        let losesData = !isLocal || random.chance(1, in: 2)
        if isTrouble, isLocal, random.chance(1, in: 3) { length += 14_000 }
        for _ in 0..<(isTrouble ? random.between(isHarsh ? 2 : 1, isHarsh ? 5 : 6) : 0) {
            let time = random.between(4_600, length - (isHarsh ? 5000 : 500))
            let kind = isHarsh ? random.pick(Self.themes[theme]) : random.below(16)
            faults.append((time, Self.fault(kind, &random, nodes: nodes, ceilings: ceilings, isLocal: isLocal, losesData: losesData)))
        }
        faults.sort { $0.time < $1.time }
        limitClockSteps()
        limitLostKeys()
    }

    /// Whether nothing happens but what costs no node its store: admissions must then go on.
    var isServed: Bool {
        faults.allSatisfy { entry in
            switch entry.fault {
            case .storeClock, .lostKey, .join, .ceiling: true
            default: false
            }
        }
    }

    /// The books bear the loss of keys. What that took must have been told again before the next is lost.
    private mutating func limitLostKeys() {
        var hasLost = false
        faults.removeAll { entry in
            guard case .lostKey = entry.fault else { return false }
            defer { hasLost = true }
            return hasLost
        }
    }

    private mutating func harden(_ random: inout SeededGenerator) {
        isLocal = random.chance(1, in: 4)
        nodes = random.between(2, 3)
        workers = random.between(1, 2)
        ceilings = [random.between(3, 200)]
        latency = random.pick([100, 5000, 50_000])
        jitter = latency
        late = random.pick([0, 10, 50])
        lost = 0
        stepMax = 30
        length = random.between(10_500, 15_000)
    }

    /// Kinds of faults, as `fault` numbers them, that go together.
    private static let themes = [[4], [4, 4, 10], [8], [0, 2, 3, 4, 8, 10, 13], [14, 14, 10]]

    private static func fault(_ kind: Int, _ random: inout SeededGenerator, nodes: Int, ceilings: [Int], isLocal: Bool, losesData: Bool) -> Fault {
        switch kind {
        case 0: return .crash(random.below(nodes))
        case 1, 2: return .join
        case 3: return .leave(random.below(nodes))
        case 4, 5, 6, 7:
            if isLocal, losesData { return .join }
            let way = random.below(3)
            return .partition(random.below(nodes), requests: way != 1, replies: way != 0, milliseconds: random.pick([300, 1500, 3000, 7000, 12_000]))
        case 8, 9:
            let isLosing = losesData && random.chance(2, in: 3)
            return .restart(
                milliseconds: random.pick([20, 500, 2000, 5000, 12_000]),
                lost: isLosing ? random.pick([100, 1000, 3000, .max]) : nil)
        case 10, 11, 12: return .storeClock(milliseconds: random.pick([-2_592_000_000, -86_400_000, -60_000, -5000, -2000, -300, 300, 5000, 86_400_000]))
        case 14, 15:
            if !losesData { return .join }
            return .lostKey(random.below(1000))
        default:
            let project = random.below(ceilings.count)
            return .ceiling(project: project, max(1, ceilings[project] * random.pick([1, 2, 5, 20]) / random.pick([1, 2, 10])))
        }
    }

    /// The bounds allow for one step of the store's clock within a lease.
    private mutating func limitClockSteps() {
        var last = -10_000
        faults.removeAll { entry in
            guard case .storeClock = entry.fault else { return false }
            if entry.time - last < 6000 { return true }
            last = entry.time
            return false
        }
    }
}
