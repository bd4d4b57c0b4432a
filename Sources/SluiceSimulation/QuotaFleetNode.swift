internal import SluiceCounting

/// One node's quotas: purses, the ledger, and the keeper that exchanges batches, in virtual time.
final class QuotaFleetNode {
    let name: String
    let ledger = QuotaLedger(sizing: .blocks, isShared: true)
    let words: [QuotaPurse.Words]
    private let keys: [QuotaKey]
    private let clockOffset: UInt64
    private var clock: CountingClock
    private let defect: QuotaFleetSimulation.Defect?

    /// The run of the server that it is connected to, and the number of the connection.
    var run: Int?
    var connection = 0
    private var sequence: UInt64 = 0
    private var acknowledged: UInt64 = 0
    private var demanded: Set<Int> = []
    private var waiting: (batch: AllowanceBatch, sentAt: UInt64)?
    private var plannedAt: UInt64 = 0
    private var retryAt: UInt64 = 0
    private var backoff: UInt64 = 100_000_000

    private static let spacing: UInt64 = 6_666_667
    private static let heartbeat: UInt64 = 100_000_000
    private static let timeout: UInt64 = 1_000_000_000

    /// - Parameter wall: microseconds that its own clock shows; the store's counts from the first reply on.
    init(name: String, keys: [QuotaKey], limits: [UInt64], wall: UInt64, now: UInt64, clockOffset: UInt64, defect: QuotaFleetSimulation.Defect?) {
        self.name = name
        self.keys = keys
        self.clockOffset = clockOffset
        self.defect = defect
        clock = CountingClock(wall: wall * 1000, monotonic: now + clockOffset)
        words = limits.map { _ in QuotaPurse.make() }
        for (index, key) in keys.enumerated() { ledger.add(key, words: words[index], limit: limits[index]) }
    }

    deinit {
        for words in words { QuotaPurse.free(words) }
    }

    /// One request. Returns the window that it was admitted in.
    func take(_ index: Int, now: UInt64) -> UInt64? {
        let window = clock.seconds(at: now + clockOffset) / keys[index].perSeconds
        if QuotaPurse.take(words[index], window: window) == .taken { return window }
        _ = QuotaPurse.demandAttention(words[index])
        demanded.insert(index)
        return nil
    }

    // MARK: Keeper

    /// What the keeper's thread does in its turn.
    /// - Returns: a batch to be sent.
    func keep(now: UInt64, store: FleetStore, canConnect: Bool) -> AllowanceBatch? {
        let clock = now + clockOffset
        if let waiting {
            if clock >= waiting.sentAt + Self.timeout || run != store.run || !store.isUp { lose(now: now) }
            return nil
        }
        guard clock >= plannedAt + Self.spacing, now >= retryAt else { return nil }
        if run == nil {
            guard store.isUp, canConnect else {
                postpone(now: now)
                return nil
            }
            run = store.run
            connection += 1
        }
        var requests = ledger.plan(attention: demanded, countingNanoseconds: self.clock.nanoseconds(at: clock), monotonicNanoseconds: clock)
        guard !requests.isEmpty || clock >= plannedAt + Self.heartbeat else { return nil }
        plannedAt = clock
        sequence += 1
        if defect == .subtractsTwice {
            for place in requests.indices { requests[place].granted -= min(requests[place].granted, requests[place].givenBack) }
        }
        if defect == .spendsBeforeReply {
            for request in requests where request.wanted > 0 {
                guard let index = keys.firstIndex(of: request.key) else { continue }
                QuotaPurse.put(1, words[index], window: request.window, granted: request.granted + 1, elsewhere: 0, isExhausted: false)
            }
        }
        let batch = AllowanceBatch(sequence: sequence, quotas: requests, standing: .init(acknowledged: acknowledged))
        waiting = (batch, clock)
        return batch
    }

    func receive(_ replies: AllowanceReplies?, sequence: UInt64, connection: Int, now: UInt64) {
        guard let waiting, waiting.batch.sequence == sequence, connection == self.connection, run != nil else { return }
        guard let replies else { return lose(now: now) }
        self.waiting = nil
        backoff = 100_000_000
        acknowledged = sequence
        let received = now + clockOffset
        if let microseconds = replies.clockMicroseconds {
            let middle = waiting.sentAt + (received - waiting.sentAt) / 2
            let isBack = microseconds * 1000 < clock.nanoseconds(at: middle)
            if defect != .neverGoesBack || !isBack { clock.follow(wall: microseconds * 1000, monotonic: middle) }
        }
        ledger.apply(waiting.batch.quotas, replies)
        demanded.removeAll()
    }

    /// An orderly end: what lies unspent goes back.
    func leave() -> AllowanceBatch? {
        guard run != nil, waiting == nil else { return nil }
        sequence += 1
        return AllowanceBatch(sequence: sequence, quotas: ledger.release(), standing: .init(acknowledged: acknowledged))
    }

    private func lose(now: UInt64) {
        if let waiting { ledger.failed(waiting.batch.quotas) }
        waiting = nil
        run = nil
        postpone(now: now)
    }

    private func postpone(now: UInt64) {
        retryAt = now + backoff
        backoff = min(backoff * 2, 2_000_000_000)
    }
}
