@testable import SluiceCounting

/// One node, its workers, its keeper and a store, in virtual time: every step is drawn from a seed, and after every step what was
/// admitted is compared with what may be.
///
/// Process state (ledger, purses, what is under way) is lost in a crash; the store's is kept. Between `plan`, the store's work and
/// `apply` anything else may happen.
final class QuotaSimulation {
    /// A mistake that the simulation must find. It lives here, never in the code that is tested.
    enum PlantedBug: CaseIterable {
        /// The keeper fills the purse when it sends the batch, not when the store has answered.
        case fillsBeforeTheAnswer
        /// The store answers before the batch is durable: a crash loses the last one.
        case losesLastBatchInACrash
        /// After an error the keeper says again what it gave back.
        case givesBackTwice
        /// The store does not add up what a former process has reserved.
        case forgetsFormerProcesses
    }

    struct Violation: Error, CustomStringConvertible {
        let description: String
    }

    private struct Place: Hashable {
        let condition: Int
        let window: UInt64
    }

    /// A batch on its way.
    private enum Flight {
        case none
        case toStore([AllowanceBatch.QuotaRequest])
        case back([AllowanceBatch.QuotaRequest], AllowanceReplies?)
    }

    private struct Taken {
        let condition: Int
        let window: UInt64
        let resets: UInt64
    }

    private var random: SeededGenerator
    private let bug: PlantedBug?

    // The world that outlives a process.
    private let periods: [UInt64]
    private var limits: [UInt64]
    private var store = MemoryStore()
    /// What has been reserved, as the store holds it, and as it was before the last batch.
    private var journal: [AllowanceBatch] = []
    private var counting: UInt64
    private var monotonic: UInt64 = 1_000_000_000
    private var isFailing = false
    private var hasSteppedBack = false

    // The process.
    private var ledger = QuotaLedger(sizing: .blocks, isShared: false)
    private var words: [QuotaPurse.Words] = []
    private var marked: [Int] = []
    private var flight = Flight.none
    /// What workers have taken and will put back, because another condition of the list rejects.
    private var toPutBack: [Taken] = []
    /// How many this process has put back: what comes back late lies beside a block.
    private var putBacks: UInt64 = 0
    /// How far each worker's clock lags behind.
    private var lags: [UInt64]

    // What is checked.
    private var admitted: [Place: UInt64] = [:]
    /// What may be admitted: the limit, or what was admitted already when it was lowered.
    private var allowed: [Place: UInt64] = [:]
    /// Largest limit since the window was first thought of.
    private var largest: [UInt64]
    /// Events each of which may waste a block: crashes, errors, steps of the clock, late answers.
    private var mishaps: UInt64 = 0
    private(set) var admissions = 0
    private(set) var crashes = 0

    init(seed: UInt64, bug: PlantedBug? = nil) {
        var random = SeededGenerator(seed: seed)
        self.bug = bug
        let count = Int.random(in: 1...3, using: &random)
        periods = (0..<count).map { _ in [1, 2, 10, 60].randomElement(using: &random) ?? 1 }
        limits = (0..<count).map { _ in [0, 1, 5, 40, 300, 2000].randomElement(using: &random) ?? 1 }
        largest = limits
        counting = 1_800_000_000_000_000_000 + UInt64.random(in: 0..<60_000_000_000, using: &random)
        lags = (0..<Int.random(in: 1...64, using: &random)).map { _ in UInt64.random(in: 0..<10_000_000, using: &random) }
        self.random = random
        start()
    }

    deinit { words.forEach(QuotaPurse.free) }

    // MARK: Steps

    func run(steps: Int) throws {
        for _ in 0..<steps {
            try step()
            try checkPurses()
        }
        try useUp()
    }

    private func step() throws {
        switch Int.random(in: 0..<1000, using: &random) {
        case 0..<450: try takeSome()
        case 450..<900: moveBatch()
        case 900..<935: pass(upTo: 300_000_000)
        case 935..<940: pass(upTo: 7_000_000_000)
        case 940..<955: changeLimit()
        case 955..<967: crash()
        case 967..<977: try restart()
        case 977..<981: stepClock()
        case 981..<986: isFailing = true
        default: putBack(all: true)
        }
        if isFailing, Int.random(in: 0..<20, using: &random) == 0 { isFailing = false }
        pass(upTo: 3_000_000)
    }

    private func pass(upTo most: UInt64) {
        let time = UInt64.random(in: 0...most, using: &random)
        counting += time
        monotonic += time
    }

    private func stepClock() {
        let step = UInt64.random(in: 0..<5_000_000_000, using: &random)
        if Bool.random(using: &random) {
            counting += step
        } else {
            counting -= step
            hasSteppedBack = true
        }
        mishaps += 1
    }

    private func changeLimit() {
        let condition = Int.random(in: 0..<limits.count, using: &random)
        let limit: UInt64 = [0, 1, 5, 30, 200, 2000].randomElement(using: &random) ?? 1
        for place in allowed.keys where place.condition == condition {
            allowed[place] = max(limit, limit < limits[condition] ? admitted[place] ?? 0 : allowed[place] ?? 0)
        }
        limits[condition] = limit
        largest[condition] = max(largest[condition], limit)
        ledger.setLimit(condition, to: limit)
        mishaps += 1
    }

    // MARK: Workers

    private func takeSome() throws {
        let condition = Int.random(in: 0..<limits.count, using: &random)
        let now = counting - (lags.randomElement(using: &random) ?? 0)
        let place = Place(condition: condition, window: now / 1_000_000_000 / periods[condition])
        for _ in 0..<Int.random(in: 1...24, using: &random) {
            let resets = QuotaPurse.resetCount(words[condition])
            switch QuotaPurse.take(words[condition], window: place.window) {
            case .taken:
                admitted[place, default: 0] += 1
                admissions += 1
                guard admitted[place] ?? 0 <= allowed[place] ?? limits[condition] else {
                    throw Violation(description: "\(place): \(admitted[place] ?? 0) admitted, \(allowed[place] ?? 0) allowed")
                }
                if Int.random(in: 0..<20, using: &random) == 0 { toPutBack.append(Taken(condition: condition, window: place.window, resets: resets)) }
            case .exhausted:
                try checkExhausted(place)
                return mark(condition)
            case .pending:
                return mark(condition)
            }
        }
        if Int.random(in: 0..<3, using: &random) == 0 { putBack(all: false) }
    }

    private func mark(_ condition: Int) {
        if QuotaPurse.demandAttention(words[condition]) { marked.append(condition) }
    }

    private func putBack(all: Bool) {
        while let taken = toPutBack.popLast() {
            let place = Place(condition: taken.condition, window: taken.window)
            admitted[place, default: 1] -= 1
            putBacks += 1
            QuotaPurse.putBack(words[taken.condition], window: taken.window, resets: taken.resets)
            if !all { return }
        }
    }

    // MARK: The keeper

    /// Moves the batch that is under way one stage on, or begins one.
    private func moveBatch() {
        switch flight {
        case .none:
            let requests = ledger.plan(attention: marked, countingNanoseconds: counting, monotonicNanoseconds: monotonic)
            marked.removeAll()
            note(requests)
            if bug == .fillsBeforeTheAnswer {
                for request in requests {
                    let left = request.limit - min(request.limit, reserved(request))
                    ledger.apply([request], AllowanceReplies(quotas: [.init(granted: request.granted + min(request.wanted, left), total: request.granted)]))
                }
            }
            flight = requests.isEmpty ? .none : .toStore(requests)
        case .toStore(let requests):
            flight = .back(requests, exchange(requests))
        case .back(let requests, let replies):
            flight = .none
            finish(requests, replies)
        }
    }

    /// Waits for the batch that is under way.
    private func finishBatch() {
        while true {
            if case .none = flight { return }
            moveBatch()
        }
    }

    private func finish(_ requests: [AllowanceBatch.QuotaRequest], _ replies: AllowanceReplies?) {
        if let replies {
            if bug != .fillsBeforeTheAnswer { ledger.apply(requests, replies) }
        } else {
            ledger.failed(requests)
            let again = requests.filter { $0.givenBack > 0 }
            if bug == .givesBackTwice, !again.isEmpty, !isFailing { _ = done(again) }
        }
    }

    private func note(_ requests: [AllowanceBatch.QuotaRequest]) {
        for request in requests {
            guard let condition = ledger.index(of: request.key) else { continue }
            let place = Place(condition: condition, window: request.window)
            if allowed[place] == nil { allowed[place] = limits[condition] }
        }
    }

    /// What the store does with a batch: nil is an error, done or not.
    private func exchange(_ requests: [AllowanceBatch.QuotaRequest]) -> AllowanceReplies? {
        if isFailing {
            mishaps += 1
            return nil
        }
        let replies = done(requests)
        guard Int.random(in: 0..<12, using: &random) > 0 else {
            mishaps += 1
            return nil
        }
        return replies
    }

    private func done(_ requests: [AllowanceBatch.QuotaRequest]) -> AllowanceReplies? {
        let batch = AllowanceBatch(sequence: UInt64(journal.count), quotas: requests)
        journal.append(batch)
        return try? store.exchange(batch)
    }

    private func reserved(_ request: AllowanceBatch.QuotaRequest) -> UInt64 {
        reserved(request.key, request.window)
    }

    private func reserved(_ key: QuotaKey, _ window: UInt64) -> UInt64 {
        store.reserved(key, window: window)
    }

    // MARK: Lives of the process

    private func start() {
        words.forEach(QuotaPurse.free)
        ledger = QuotaLedger(sizing: .blocks, isShared: false)
        words = limits.map { _ in QuotaPurse.make() }
        for (condition, period) in periods.enumerated() {
            ledger.add(QuotaKey(owner: "\(condition)", perSeconds: period), words: words[condition], limit: limits[condition])
        }
        marked = []
        flight = .none
        toPutBack = []
        putBacks = 0
    }

    private func crash() {
        crashes += 1
        mishaps += 1
        if bug == .losesLastBatchInACrash, !journal.isEmpty {
            journal.removeLast()
            store = MemoryStore()
            for batch in journal { _ = try? store.exchange(batch) }
        }
        if bug == .forgetsFormerProcesses {
            journal = []
            store = MemoryStore()
        }
        // A batch that was on its way may still arrive.
        if case .toStore(let requests) = flight, Bool.random(using: &random), !isFailing { _ = done(requests) }
        start()
    }

    /// An orderly end: workers stop, everything unspent is given back.
    private func restart() throws {
        putBack(all: true)
        finishBatch()
        let requests = ledger.release()
        for (condition, period) in periods.enumerated() {
            let present = counting / 1_000_000_000 / period
            for window in present...present + 1 where QuotaPurse.available(words[condition], window: window) > 0 && !hasSteppedBack {
                throw Violation(description: "condition \(condition), window \(window): something is left after release")
            }
        }
        if !requests.isEmpty, exchange(requests) == nil, bug == .givesBackTwice, !isFailing { _ = done(requests) }
        start()
    }

    // MARK: Checks

    /// A worker was told that nothing is left: then nothing is.
    private func checkExhausted(_ place: Place) throws {
        guard !hasSteppedBack, bug == nil, limits[place.condition] > 0 else { return }
        let total = reserved(QuotaKey(owner: "\(place.condition)", perSeconds: periods[place.condition]), place.window)
        guard total >= limits[place.condition] else {
            throw Violation(description: "\(place): refused with \(total) of \(limits[place.condition]) reserved")
        }
    }

    /// What lies unspent is at most a block of each window.
    private func checkPurses() throws {
        for (condition, period) in periods.enumerated() {
            let most = BlockSizing.blocks.blockMax(limit: largest[condition], perSeconds: period)
            let present = counting / 1_000_000_000 / period
            for window in present...present + 1 {
                let held = QuotaPurse.available(words[condition], window: window)
                guard held <= most + putBacks else {
                    throw Violation(description: "condition \(condition), window \(window): \(held) unspent, a block is \(most)")
                }
            }
        }
    }

    /// At the end everything heals, and what is left of the present windows is used to the last unit.
    private func useUp() throws {
        putBack(all: true)
        isFailing = false
        finishBatch()
        counting = counting / 60_000_000_000 * 60_000_000_000 + 120_000_000_000
        for condition in limits.indices {
            let place = Place(condition: condition, window: counting / 1_000_000_000 / periods[condition])
            var rounds = 0
            while true {
                let outcome = QuotaPurse.take(words[condition], window: place.window)
                if outcome == .taken {
                    admitted[place, default: 0] += 1
                    continue
                }
                if outcome == .exhausted { break }
                mark(condition)
                rounds += 1
                guard rounds < 1000 else { throw Violation(description: "\(place): waits for ever") }
                let requests = ledger.plan(attention: marked, countingNanoseconds: counting, monotonicNanoseconds: monotonic)
                marked.removeAll()
                note(requests)
                if let replies = done(requests) { ledger.apply(requests, replies) }
                monotonic += 7_000_000
            }
            guard bug != nil || admitted[place] ?? 0 == limits[condition] else {
                throw Violation(description: "\(place): \(admitted[place] ?? 0) of \(limits[condition]) used at the end")
            }
        }
        try checkWaste()
    }

    /// Every mishap wastes a block of a window at most, and every unit that was put back too late itself.
    private func checkWaste() throws {
        for (place, used) in admitted where bug == nil {
            let key = QuotaKey(owner: "\(place.condition)", perSeconds: periods[place.condition])
            let total = reserved(key, place.window)
            guard total > 0 else { continue }
            guard used <= total else { throw Violation(description: "\(place): \(used) admitted, only \(total) reserved") }
            let block = BlockSizing.blocks.blockMax(limit: largest[place.condition], perSeconds: key.perSeconds)
            guard total - used <= (mishaps + 2) * block else {
                throw Violation(description: "\(place): \(total - used) wasted after \(mishaps) mishaps, a block is \(block)")
            }
        }
    }
}

/// SplitMix64: the same numbers from the same seed, on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
