internal import SluiceCounting

/// One node: its meters, its workers' leases, its ledger, and the keeper that exchanges batches, in virtual time.
final class FleetNode {
    struct Partition {
        var until: UInt64 = 0
        var requests = false
        var replies = false
    }

    let name: String
    let ledger: CeilingLedger
    let words: [CeilingMeter.Words]
    private let leases: UnsafeMutablePointer<CeilingMeter.Lease>
    private let workers: Int
    private var worker = 0
    /// Its monotonic clock began at some other time than the others'.
    private let clockOffset: UInt64
    /// A worker reads its clock once per turn.
    private var readClock: UInt64 = 0

    var isAlive = true
    var partition = Partition()
    /// The run of the server that it is connected to, and the number of the connection.
    var run: Int?
    var connection = 0
    var retryAt: UInt64 = 0
    private var backoff: UInt64 = 100_000_000
    var sequence: UInt64 = 0
    private var waiting: (sequence: UInt64, sentAt: UInt64, deadline: UInt64)?
    /// Requests that are due but are no whole ones yet, by project.
    var owed: [Double]
    /// Requests refused in the end of a calm scenario, by project.
    var refused: [UInt64]
    private let defect: FleetScenario.NodeDefect?

    init?(name: String, ceilings: [Int], workers: Int, isLocal: Bool, clockOffset: UInt64, now: UInt64, defect: FleetScenario.NodeDefect?) {
        self.name = name
        self.workers = workers
        self.clockOffset = clockOffset
        self.defect = defect
        ledger = CeilingLedger(isLocal: isLocal)
        var words: [CeilingMeter.Words] = []
        for (index, ceiling) in ceilings.enumerated() {
            let made = CeilingMeter.make(ceiling: UInt64(ceiling), now: now + clockOffset)
            words.append(made)
            _ = ledger.add(project: "p\(index)", words: made)
        }
        self.words = words
        leases = .allocate(capacity: workers * ceilings.count)
        leases.initialize(repeating: CeilingMeter.Lease(), count: workers * ceilings.count)
        owed = Array(repeating: 0, count: ceilings.count)
        refused = Array(repeating: 0, count: ceilings.count)
    }

    deinit {
        leases.deallocate()
        for words in words { CeilingMeter.free(words) }
    }

    func clock(_ now: UInt64) -> UInt64 { now + clockOffset }

    // MARK: Workers

    /// A turn of the loop of one worker: its clock is up to 4 ms old.
    func turn(now: UInt64, staleness: UInt64) {
        readClock = max(readClock, now + clockOffset - staleness)
        worker = worker + 1 < workers ? worker + 1 : 0
    }

    func admit(project: Int, count: UInt64) -> UInt64 {
        CeilingMeter.admit(words[project], leases + (worker * words.count + project), count: count, now: readClock, workers: UInt64(workers))
    }

    /// What is in use once demand has taken up all that it may, less what lies in leases.
    func usage(project: Int, now: UInt64) -> UInt64 {
        turn(now: now, staleness: 0)
        _ = admit(project: project, count: CeilingMeter.ceiling(of: words[project]))
        let idle = (0..<workers).reduce(0) { $0 + leases[$1 * words.count + project].unspent }
        return CeilingMeter.usage(of: words[project], now: readClock) - idle
    }

    // MARK: Keeper

    /// What the keeper's thread does in its turn.
    /// - Returns: a batch to be sent.
    func keep(now: UInt64, store: FleetStore, canConnect: Bool) -> AllowanceBatch? {
        let clock = now + clockOffset
        if let waiting {
            if clock >= waiting.deadline || run != store.run || !store.isUp { lose(now: now) }
            return nil
        }
        if defect == .ignoresLease {
            for (index, words) in words.enumerated() { CeilingMeter.setLimit(words, to: ledger.share(of: index)) }
        }
        let isDue = ledger.tick(now: clock)
        guard isDue else { return nil }
        if run == nil {
            guard now >= retryAt else { return nil }
            guard store.isUp, canConnect else {
                postpone(now: now)
                return nil
            }
            run = store.run
            connection += 1
        }
        sequence += 1
        let requests = ledger.plan(now: clock)
        if defect == .raisesBeforeReply {
            for (index, request) in requests.enumerated() where request.demand > request.held {
                guard words.indices.contains(index) else { continue }
                CeilingMeter.setLimit(words[index], to: min(request.ceiling, request.demand), until: clock + CeilingLedger.lease)
            }
        }
        waiting = (sequence, clock, clock + 1_000_000_000)
        return AllowanceBatch(sequence: sequence, ceilings: requests, standing: ledger.standing)
    }

    func receive(_ replies: AllowanceReplies?, sequence: UInt64, connection: Int, now: UInt64) {
        guard let waiting, waiting.sequence == sequence, connection == self.connection, run != nil else { return }
        guard let replies else { return lose(now: now) }
        self.waiting = nil
        backoff = 100_000_000
        ledger.apply(replies, to: sequence, sentAt: waiting.sentAt, now: now + clockOffset)
    }

    private func lose(now: UInt64) {
        waiting = nil
        run = nil
        ledger.failed(now: now + clockOffset)
        postpone(now: now)
    }

    private func postpone(now: UInt64) {
        retryAt = now + backoff
        backoff = min(backoff * 2, 2_000_000_000)
    }
}
