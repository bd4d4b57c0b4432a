import Testing

@testable import SluiceCounting

@Suite("Quota ledger")
struct QuotaLedgerTests {
    @Test("a limit is used to the last unit and no further", arguments: [1, 5, 500, 100_000] as [UInt64])
    func exact(limit: UInt64) {
        let bench = LedgerBench()
        let index = bench.add(limit: limit, per: 86_400)
        var taken: UInt64 = 0
        var outcome = QuotaPurse.Outcome.pending
        for _ in 0..<10_000 where outcome != .exhausted {
            repeat {
                outcome = bench.take(index)
                if outcome == .taken { taken += 1 }
            } while outcome == .taken
            bench.round()
            bench.pass(milliseconds: 7)
        }
        #expect(taken == limit)
        #expect(bench.reserved(index) == limit)
        #expect(bench.take(index) == .exhausted)
        let before = bench.exchanges
        for _ in 0..<100 {
            #expect(bench.take(index) == .exhausted)
            bench.pass(milliseconds: 7)
            bench.round()
        }
        #expect(bench.exchanges == before, "an exhausted window of a single node costs no exchange")
    }

    @Test("a store that fails is asked again as long as somebody wants something, and for five seconds after that")
    func failingStore() {
        let bench = LedgerBench()
        let index = bench.add(limit: 10, per: 86_400)
        bench.failures = .max
        #expect(bench.take(index) == .pending)
        func exchanges(seconds: Int) -> Int {
            let before = bench.exchanges
            for _ in 0..<seconds * 100 {
                bench.round()
                bench.pass(milliseconds: 10)
            }
            return bench.exchanges - before
        }
        #expect(exchanges(seconds: 4) > 100)
        _ = exchanges(seconds: 2)
        #expect(exchanges(seconds: 2) == 0)
    }

    @Test("what a node has given back that shared the store and is gone: the last node gets it, and asks for it ten times a second at most")
    func givenBack() throws {
        let store = MemoryStore()
        let bench = LedgerBench(store: store, isShared: true)
        let index = bench.add(limit: 10, per: 86_400)
        let key = QuotaKey(owner: "orders", perSeconds: 86_400)
        func other(_ granted: UInt64, _ wanted: UInt64, givenBack: UInt64 = 0) throws -> AllowanceReplies {
            let request = AllowanceBatch.QuotaRequest(
                key: key, window: bench.window(index), limit: 10, granted: granted, givenBack: givenBack, wanted: wanted)
            return try store.exchange(AllowanceBatch(sequence: 1, quotas: [request]))
        }
        #expect(try other(0, 10).quotas[0].granted == 10)
        #expect(bench.take(index) == .pending)
        bench.round()
        #expect(bench.take(index) == .exhausted)
        let before = bench.exchanges
        for _ in 0..<100 {
            _ = bench.take(index)
            bench.pass(milliseconds: 7)
            bench.round()
        }
        #expect((6...7).contains(bench.exchanges - before))
        _ = try other(0, 0, givenBack: 10)
        bench.pass(milliseconds: 101)
        _ = bench.take(index)
        bench.round()
        #expect(bench.take(index) == .taken)
    }

    @Test("a limit of 0 admits nothing, in any window, and asks the store for nothing")
    func zero() {
        let bench = LedgerBench()
        let index = bench.add(limit: 0, per: 1)
        #expect(bench.take(index) == .pending)
        bench.round()
        for _ in 0..<500 {
            #expect(bench.take(index) == .exhausted)
            bench.pass(milliseconds: 7)
            bench.round()
        }
        #expect(bench.exchanges == 0)
    }

    @Test("a condition in use has a block of the next window before it begins: nobody waits at the turn", arguments: [1, 60] as [UInt64])
    func turn(seconds: UInt64) {
        let bench = LedgerBench()
        let index = bench.add(limit: 1000 * seconds, per: seconds)
        _ = bench.run(index, seconds: 0.9, rate: 500)
        let later = bench.run(index, seconds: Double(seconds) * 2, rate: 500)
        #expect(later.pending == 0)
        #expect(later.exhausted == 0)
    }

    @Test("an exhausted condition under demand begins its next window without a wait")
    func turnAfterExhaustion() {
        let bench = LedgerBench()
        let index = bench.add(limit: 500, per: 1)
        _ = bench.run(index, seconds: 2, rate: 5_000)
        bench.counting = bench.counting / 1_000_000_000 * 1_000_000_000 + 999_000_000
        bench.round()
        bench.pass(milliseconds: 2)
        #expect(bench.take(index) == .taken)
    }

    @Test("a block is at most a hundredth of the limit, of short windows what 100 ms allow, and 1 at least")
    func blockMax() {
        #expect(BlockSizing.blocks.blockMax(limit: 100_000, perSeconds: 86_400) == 1000)
        #expect(BlockSizing.blocks.blockMax(limit: 99, perSeconds: 86_400) == 1)
        #expect(BlockSizing.blocks.blockMax(limit: 500, perSeconds: 1) == 50)
        #expect(BlockSizing.blocks.blockMax(limit: 500, perSeconds: 10) == 5)
        #expect(BlockSizing.blocks.blockMax(limit: 0, perSeconds: 1) == 1)
        #expect(BlockSizing.whole.blockMax(limit: 500, perSeconds: 10) == 500)
    }

    @Test("what lies unspent is at most a block of this window and a block of the next, at any rate", arguments: [1, 20, 300, 50_000] as [Double])
    func unspent(rate: Double) {
        let bench = LedgerBench()
        let index = bench.add(limit: 20_000, per: 2)
        let most = BlockSizing.blocks.blockMax(limit: 20_000, perSeconds: 2)
        for _ in 0..<40 {
            _ = bench.run(index, seconds: 0.1, rate: rate)
            for window in bench.window(index)...bench.window(index) + 1 {
                #expect(QuotaPurse.available(bench.words(index), window: window) <= most)
            }
        }
    }

    @Test("a slow condition holds little: its block follows its rate")
    func slow() {
        let bench = LedgerBench()
        let index = bench.add(limit: 100_000, per: 86_400)
        #expect(bench.run(index, seconds: 1, rate: 40).pending <= 5)
        #expect(bench.run(index, seconds: 20, rate: 40).pending == 0)
        #expect((1...20).contains(QuotaPurse.available(bench.words(index), window: bench.window(index))))
    }

    @Test("a store that loses nothing with the process gives the whole window in one exchange")
    func whole() {
        let bench = LedgerBench(sizing: .whole)
        let index = bench.add(limit: 1000, per: 86_400)
        #expect(bench.take(index) == .pending)
        bench.round()
        #expect(QuotaPurse.available(bench.words(index), window: bench.window(index)) == 1000)
        _ = bench.run(index, seconds: 1, rate: 5000)
        #expect(bench.exchanges == 1)
        #expect(bench.take(index) == .exhausted)
    }

    @Test("a condition that is no longer used gives back what it holds but for one, and is no longer looked at")
    func idle() {
        let bench = LedgerBench()
        let index = bench.add(limit: 100_000, per: 86_400)
        let taken = bench.run(index, seconds: 2, rate: 2000).taken
        #expect(bench.reserved(index) > taken + 1)
        for _ in 0..<60 {
            bench.pass(milliseconds: 100)
            bench.round()
        }
        #expect(bench.reserved(index) == taken + 1)
        #expect(bench.ledger.active.isEmpty)
        #expect(bench.take(index) == .taken)
    }

    @Test("conditions that nobody uses cost nothing: 100,000 of them ask for nothing and are not looked at")
    func idleCostsNothing() {
        let bench = LedgerBench()
        for number in 0..<100_000 { _ = bench.add(limit: 10, per: 1, owner: "\(number)") }
        #expect(bench.take(77_777) == .pending)
        for _ in 0..<200 {
            bench.pass(milliseconds: 7)
            bench.round()
            #expect(bench.ledger.active.count <= 1)
        }
        #expect(bench.ledger.due.count <= 1)
        #expect(bench.requests <= 4)
    }

    @Test("100,000 conditions that are demanded at once are served in rounds of bounded size, and none is left out")
    func manyAtOnce() {
        let bench = LedgerBench()
        for number in 0..<100_000 { _ = bench.add(limit: 10, per: 86_400, owner: "\(number)") }
        for index in 0..<100_000 { _ = bench.take(index) }
        for _ in 0..<60 {
            #expect(bench.round().count <= QuotaLedger.requestsMax)
            bench.pass(milliseconds: 1)
        }
        let served = (0..<100_000).filter { bench.take($0) == .taken }.count
        #expect(served == 100_000)
    }

    @Test(
        "the store is asked for at most 150 times a second, whatever the rate and however many rounds, and nobody waits",
        arguments: [10_000, 1_000_000] as [Double])
    func traffic(rate: Double) {
        let bench = LedgerBench()
        let indices = (0..<8).map { bench.add(limit: 100_000_000, per: $0 % 2 == 0 ? 60 : 86_400, owner: "\($0)") }
        for millisecond in 0..<2000 {
            bench.pass(milliseconds: 1)
            for index in indices {
                for _ in 0..<Int(rate / 8000) {
                    let outcome = bench.take(index)
                    if millisecond >= 1000, outcome != .taken { Issue.record("\(outcome) at \(millisecond) ms") }
                    if outcome != .taken { break }
                }
            }
            if millisecond == 1000 { bench.exchanges = 0 }
            bench.round()
        }
        #expect((4...150).contains(bench.exchanges))
    }
}
