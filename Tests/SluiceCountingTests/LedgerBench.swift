@testable import SluiceCounting

/// A ledger, a store and virtual time: what the keeper does, one step at a time.
final class LedgerBench {
    let ledger: QuotaLedger
    let store: any AllowanceStore
    /// Both clocks in nanoseconds.
    var counting: UInt64
    var monotonic: UInt64 = 1_000_000_000
    var exchanges = 0
    private(set) var requests = 0
    private var words: [QuotaPurse.Words] = []
    private var marked: [Int] = []
    private var sequence: UInt64 = 0
    /// The next exchanges fail, this many.
    var failures = 0

    init(
        sizing: BlockSizing = .blocks, store: any AllowanceStore = MemoryStore(), isShared: Bool = false, atSeconds seconds: UInt64 = 1_800_000_000
    ) {
        ledger = QuotaLedger(sizing: sizing, isShared: isShared)
        self.store = store
        counting = seconds * 1_000_000_000
    }

    deinit { words.forEach(QuotaPurse.free) }

    func add(limit: UInt64, per seconds: UInt64, owner: String = "orders") -> Int {
        words.append(QuotaPurse.make())
        return ledger.add(QuotaKey(owner: owner, perSeconds: seconds), words: words[words.count - 1], limit: limit)
    }

    func words(_ index: Int) -> QuotaPurse.Words { words[index] }

    func window(_ index: Int) -> UInt64 { ledger.conditions[index].key.window(at: counting / 1_000_000_000) }

    func pass(milliseconds: Double) {
        counting += UInt64(milliseconds * 1e6)
        monotonic += UInt64(milliseconds * 1e6)
    }

    /// One request of a worker, which marks the condition where a worker would.
    func take(_ index: Int) -> QuotaPurse.Outcome {
        let outcome = QuotaPurse.take(words[index], window: window(index))
        if outcome != .taken, QuotaPurse.demandAttention(words[index]) { marked.append(index) }
        return outcome
    }

    /// One round of the keeper.
    @discardableResult
    func round() -> [AllowanceBatch.QuotaRequest] {
        let planned = ledger.plan(attention: marked, countingNanoseconds: counting, monotonicNanoseconds: monotonic)
        marked.removeAll()
        send(planned)
        return planned
    }

    func send(_ planned: [AllowanceBatch.QuotaRequest]) {
        guard !planned.isEmpty else { return }
        exchanges += 1
        requests += planned.count
        sequence += 1
        if failures > 0 {
            failures -= 1
            ledger.failed(planned)
        } else if let replies = try? store.exchange(AllowanceBatch(sequence: sequence, quotas: planned)) {
            ledger.apply(planned, replies)
        }
    }

    func grantLocally(nodes: Int) {
        ledger.grantLocally(attention: marked, nodes: nodes, countingNanoseconds: counting, monotonicNanoseconds: monotonic)
        marked.removeAll()
    }

    /// What came of `seconds` of demand at `rate` a second, with a round every 7 ms: requests that were taken, refused, and pending.
    func run(_ index: Int, seconds: Double, rate: Double) -> (taken: UInt64, exhausted: UInt64, pending: UInt64) {
        var result: (taken: UInt64, exhausted: UInt64, pending: UInt64) = (0, 0, 0)
        var due = 0.0
        for _ in 0..<Int(seconds * 1000 / 7) {
            pass(milliseconds: 7)
            due += rate * 0.007
            while due >= 1 {
                due -= 1
                switch take(index) {
                case .taken: result.taken += 1
                case .exhausted: result.exhausted += 1
                case .pending: result.pending += 1
                }
            }
            round()
        }
        return result
    }

    func reserved(_ index: Int) -> UInt64 {
        let rows = (try? store.usage(wallSeconds: counting / 1_000_000_000)) ?? []
        return rows.first { $0.key == ledger.conditions[index].key }?.reserved ?? 0
    }
}
