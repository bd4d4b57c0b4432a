import Testing

@testable import SluiceCounting

/// What becomes of windows when the clock that numbers them is set.
@Suite("Quota ledger: clocks")
struct QuotaLedgerClockTests {
    private static let second: UInt64 = 1_000_000_000

    /// One round that tells the store of the clock, as the keeper does.
    private func round(_ bench: LedgerBench, _ store: MemoryStore) {
        let planned = bench.ledger.plan(attention: [0], countingNanoseconds: bench.counting, monotonicNanoseconds: bench.monotonic)
        guard !planned.isEmpty else { return }
        let batch = AllowanceBatch(sequence: 1, quotas: planned, setBackSeconds: bench.ledger.takeSetBack())
        if let replies = try? store.exchange(batch) { bench.ledger.apply(planned, replies) }
    }

    private func use(_ bench: LedgerBench, _ store: MemoryStore) -> Int {
        var taken = 0
        for _ in 0..<20 {
            while bench.take(0) == .taken { taken += 1 }
            bench.pass(milliseconds: 7)
            round(bench, store)
        }
        return taken
    }

    @Test("a set-back as long as the window begins it anew, one within it leaves it used up, one to the window before finds that", arguments: [10, 60, 2_592_000, 9, 3] as [UInt64])
    func setBack(seconds: UInt64) {
        let store = MemoryStore()
        let bench = LedgerBench(sizing: .whole, store: store, atSeconds: 1_800_000_005)
        _ = bench.add(limit: 50, per: 10)
        #expect(use(bench, store) == 50)
        bench.counting -= seconds * Self.second
        round(bench, store)
        #expect(use(bench, store) == (seconds > 5 ? 50 : 0))
    }

    @Test("a node that shares the store gives back what it holds of a later window when its clock is set back to one that needs its place")
    func givesBackLater() {
        let bench = LedgerBench(isShared: true)
        let index = bench.add(limit: 100, per: 10)
        _ = bench.run(index, seconds: 0.3, rate: 20)
        let later = bench.window(index)
        let held = QuotaPurse.available(bench.words(index), window: later)
        #expect(held > 0)
        bench.counting -= 20 * Self.second
        #expect(bench.take(index) == .pending)
        bench.round()
        #expect(bench.round().first { $0.window == later }?.givenBack == held)
    }

    @Test("what was to be given back of a later window is forgotten with a reset of its condition, or of all", arguments: [nil, "orders", "others"] as [String?])
    func givesBackNothingAfterReset(owner: String?) {
        let bench = LedgerBench(isShared: true)
        let index = bench.add(limit: 100, per: 10)
        _ = bench.add(limit: 100, per: 10, owner: "others")
        _ = bench.run(index, seconds: 0.3, rate: 20)
        let later = bench.window(index)
        bench.counting -= 20 * Self.second
        #expect(bench.take(index) == .pending)
        bench.round()
        bench.ledger.reset(owner.map { QuotaKey(owner: $0, perSeconds: 10) })
        #expect(bench.round().contains { $0.window == later } == (owner == "others"))
    }

    @Test("a month ahead for three seconds, and back: the window that was used goes on, and the next one is there when it comes")
    func thereAndBack() {
        let store = MemoryStore()
        let bench = LedgerBench(sizing: .whole, store: store, atSeconds: 1_800_000_000)
        _ = bench.add(limit: 50, per: 3_000_000)
        #expect(use(bench, store) == 50)
        bench.counting += 2_592_000 * Self.second
        #expect(use(bench, store) <= 50)
        bench.counting -= 2_592_000 * Self.second
        round(bench, store)
        #expect(use(bench, store) == 0)
    }
}
