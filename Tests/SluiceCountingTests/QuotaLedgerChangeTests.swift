import Testing

@testable import SluiceCounting

@Suite("Quota ledger: limits, failures, other nodes, the end")
struct QuotaLedgerChangeTests {
    private func available(_ bench: LedgerBench, _ index: Int) -> UInt64 {
        QuotaPurse.available(bench.words(index), window: bench.window(index))
    }

    @Test("a lowered limit takes from the purse at once what it does not leave, and gives it back")
    func lowered() {
        let bench = LedgerBench(sizing: .whole)
        let index = bench.add(limit: 100, per: 86_400)
        _ = bench.take(index)
        bench.round()
        for _ in 0..<30 { #expect(bench.take(index) == .taken) }
        bench.ledger.setLimit(index, to: 40)
        #expect(available(bench, index) == 10)
        let request = bench.round().first
        #expect(request?.givenBack == 60)
        #expect(request?.granted == 40)
        #expect(bench.reserved(index) == 40)
        for _ in 0..<10 { #expect(bench.take(index) == .taken) }
        #expect(bench.take(index) == .exhausted)
    }

    @Test("a limit lowered below what was used exhausts the window; raised again it admits the difference")
    func loweredBelowUse() {
        let bench = LedgerBench()
        let index = bench.add(limit: 100, per: 86_400)
        _ = bench.run(index, seconds: 1, rate: 50)
        let used = QuotaPurse.usage(bench.words(index), window: bench.window(index))
        bench.ledger.setLimit(index, to: 5)
        #expect(bench.take(index) == .exhausted)
        bench.round()
        bench.ledger.setLimit(index, to: used + 3)
        var taken = 0
        for _ in 0..<20 {
            if bench.take(index) == .taken { taken += 1 }
            bench.pass(milliseconds: 7)
            bench.round()
        }
        #expect(taken == 3)
        #expect(bench.take(index) == .exhausted)
    }

    @Test("a raised limit opens an exhausted window at once")
    func raised() {
        let bench = LedgerBench(sizing: .whole)
        let index = bench.add(limit: 2, per: 86_400)
        _ = bench.take(index)
        bench.round()
        #expect(bench.take(index) == .taken)
        #expect(bench.take(index) == .taken)
        #expect(bench.take(index) == .exhausted)
        bench.ledger.setLimit(index, to: 3)
        #expect(bench.take(index) == .pending)
        bench.round()
        #expect(bench.take(index) == .taken)
        #expect(bench.take(index) == .exhausted)
    }

    @Test("a limit of 0 that is raised admits, and one that is lowered to 0 stops at once")
    func zeroAndBack() {
        let bench = LedgerBench()
        let index = bench.add(limit: 0, per: 86_400)
        _ = bench.take(index)
        bench.round()
        #expect(bench.take(index) == .exhausted)
        bench.ledger.setLimit(index, to: 10)
        #expect(bench.take(index) == .pending)
        bench.round()
        #expect(bench.take(index) == .taken)
        bench.ledger.setLimit(index, to: 0)
        #expect(bench.take(index) == .exhausted)
    }

    @Test("the same key again keeps its index and takes the new limit")
    func addAgain() {
        let bench = LedgerBench()
        let index = bench.add(limit: 5, per: 60)
        #expect(bench.ledger.add(QuotaKey(owner: "orders", perSeconds: 60), words: bench.words(0), limit: 7) == index)
        #expect(bench.ledger.count == 1)
        #expect(bench.run(index, seconds: 2, rate: 20).taken == 7)
        #expect(bench.ledger.index(of: QuotaKey(owner: "orders", perSeconds: 61)) == nil)
    }

    @Test("after an error nothing is in the purse, and the same is asked again in the next round")
    func failure() {
        let bench = LedgerBench()
        let index = bench.add(limit: 10, per: 86_400)
        bench.failures = 3
        #expect(bench.take(index) == .pending)
        for _ in 0..<3 {
            #expect(bench.round().count == 1)
            #expect(bench.take(index) == .pending)
        }
        #expect(bench.round().map(\.wanted) == [1])
        #expect(bench.take(index) == .taken)
    }

    @Test("what was given back with a batch that failed is not given back again")
    func failedGiveBack() {
        let bench = LedgerBench(sizing: .whole)
        let index = bench.add(limit: 100, per: 86_400)
        _ = bench.take(index)
        bench.round()
        bench.failures = 1
        bench.ledger.setLimit(index, to: 40)
        #expect(bench.round().map(\.givenBack) == [60])
        for _ in 0..<10 {
            bench.pass(milliseconds: 100)
            #expect(bench.round().allSatisfy { $0.givenBack == 0 })
        }
    }

    @Test("an orderly end gives back all that is unspent, of the next window too")
    func release() {
        let bench = LedgerBench()
        let index = bench.add(limit: 1000, per: 10)
        let taken = bench.run(index, seconds: 9.8, rate: 50).taken
        let next = bench.window(index) + 1
        #expect(QuotaPurse.available(bench.words(index), window: next) > 0)
        bench.send(bench.ledger.release())
        #expect(bench.reserved(index) == taken)
        bench.pass(milliseconds: 1000)
        #expect(bench.window(index) == next)
        #expect(bench.reserved(index) == 0)
        #expect(bench.take(index) == .pending)
    }

    @Test("what was used before a restart counts, and what is left is used to the last unit")
    func restart() {
        let store = MemoryStore()
        let first = LedgerBench(store: store)
        let before = first.run(first.add(limit: 300, per: 86_400), seconds: 2, rate: 100).taken
        let second = LedgerBench(store: store)
        let index = second.add(limit: 300, per: 86_400)
        let after = second.run(index, seconds: 5, rate: 200).taken
        #expect(before + after <= 300)
        #expect(before + after >= 300 - 3, "at most a block is wasted")
        #expect(QuotaPurse.usage(second.words(index), window: second.window(index)) == 300)
    }

    @Test("a reset empties the purses and begins the window anew")
    func reset() throws {
        let bench = LedgerBench()
        let index = bench.add(limit: 3, per: 86_400)
        #expect(bench.run(index, seconds: 1, rate: 100).taken == 3)
        try bench.store.reset(nil)
        bench.ledger.reset(nil)
        #expect(QuotaPurse.usage(bench.words(index), window: bench.window(index)) == 0)
        #expect(bench.run(index, seconds: 1, rate: 100).taken == 3)
    }

    // MARK: Several nodes

    private func plan(_ bench: LedgerBench, _ attention: [Int]) -> [AllowanceBatch.QuotaRequest] {
        bench.ledger.plan(attention: attention, countingNanoseconds: bench.counting, monotonicNanoseconds: bench.monotonic)
    }

    @Test("a notice that others are in need: what exceeds it is taken out of the purse and given back with the next batch")
    func notice() {
        let bench = LedgerBench(sizing: .whole)
        let index = bench.add(limit: 100, per: 86_400)
        let first = plan(bench, [index])
        bench.ledger.apply(first, AllowanceReplies(nodes: 2, quotas: [.init(granted: 100, total: 100)]))
        var replies = AllowanceReplies(nodes: 2)
        replies.quotaNotices = [.init(key: first[0].key, window: first[0].window, keep: 30)]
        bench.ledger.apply([], replies)
        #expect(available(bench, index) == 30)
        let second = plan(bench, [])
        #expect(second.map(\.givenBack) == [70])
        #expect(second.map(\.granted) == [30])
    }

    @Test("`keep` leaves what has just been granted to those who wait for it: it would go round the nodes for ever")
    func keepOfAGrant() {
        let bench = LedgerBench()
        let index = bench.add(limit: 5, per: 86_400)
        bench.ledger.apply(plan(bench, [index]), AllowanceReplies(nodes: 2, quotas: [.init(granted: 1, total: 5, keep: 0)]))
        #expect(available(bench, index) == 1)
    }

    @Test("with several nodes an exhausted window is asked for again, on demand and not before 100 ms have passed")
    func askAgain() {
        let bench = LedgerBench()
        let index = bench.add(limit: 100, per: 86_400)
        bench.ledger.apply(plan(bench, [index]), AllowanceReplies(nodes: 2, quotas: [.init(granted: 0, total: 100)]))
        #expect(bench.take(index) == .exhausted)
        bench.pass(milliseconds: 99)
        #expect(plan(bench, [index]).isEmpty)
        bench.pass(milliseconds: 1)
        #expect(plan(bench, []).isEmpty)
        let again = plan(bench, [index])
        #expect(again.map(\.wanted) == [1])
        bench.ledger.apply(again, AllowanceReplies(nodes: 2, quotas: [.init(granted: 1, total: 100)]))
        #expect(bench.take(index) == .taken)
        #expect(bench.take(index) == .pending)
    }

    @Test("a store that says to have granted more than was asked for is not believed")
    func generous() {
        let bench = LedgerBench()
        let index = bench.add(limit: 100, per: 86_400)
        bench.ledger.apply(plan(bench, [index]), AllowanceReplies(quotas: [.init(granted: 50, total: 50)]))
        #expect(available(bench, index) == 1)
    }

    @Test("without the store a window of which nothing was agreed gets this node's even part, once, and says so later")
    func local() {
        let bench = LedgerBench()
        let index = bench.add(limit: 100, per: 86_400)
        #expect(bench.take(index) == .pending)
        for _ in 0..<3 { bench.grantLocally(nodes: 3) }
        var taken = 0
        while bench.take(index) == .taken { taken += 1 }
        #expect(taken == 33)
        #expect(bench.take(index) == .exhausted)
        bench.grantLocally(nodes: 3)
        #expect(bench.take(index) == .exhausted)
        let request = bench.round().first
        #expect(request?.granted == 33)
        #expect(bench.reserved(index) >= 33)
    }

    @Test("without the store a window under way keeps what it holds, and the next gets its part when it begins")
    func localUnderWay() {
        let bench = LedgerBench()
        let index = bench.add(limit: 100, per: 1)
        _ = bench.run(index, seconds: 0.3, rate: 20)
        let held = available(bench, index)
        bench.grantLocally(nodes: 2)
        #expect(available(bench, index) == held)
        for _ in 0..<3 {
            bench.pass(milliseconds: 1000)
            bench.grantLocally(nodes: 2)
            #expect(available(bench, index) == 50)
            _ = bench.take(index)
        }
    }

    @Test("without the store the window after one that was spent from gets its part, however long nothing came; then no more")
    func localAfterAPause() {
        let bench = LedgerBench()
        let index = bench.add(limit: 100, per: 10)
        #expect(bench.take(index) == .pending)
        bench.grantLocally(nodes: 2)
        #expect(bench.take(index) == .taken)
        bench.pass(milliseconds: 10_000)
        bench.grantLocally(nodes: 2)
        #expect(available(bench, index) == 50)
        bench.pass(milliseconds: 10_000)
        bench.grantLocally(nodes: 2)
        #expect(available(bench, index) == 0)
    }

    @Test("usage: what was spent in the window")
    func usage() {
        let bench = LedgerBench(atSeconds: 1000)
        let index = bench.add(limit: 100, per: 60)
        let taken = bench.run(index, seconds: 1, rate: 30).taken
        #expect(taken > 0)
        #expect(QuotaPurse.usage(bench.words(index), window: bench.window(index)) == taken)
    }

    @Test("a clock that is set back gives back what was reserved for later windows, and admits no more than the limit")
    func clockBack() {
        let bench = LedgerBench()
        let index = bench.add(limit: 10, per: 1)
        _ = bench.run(index, seconds: 1, rate: 100)
        let window = bench.window(index)
        bench.counting -= 2_000_000_000
        #expect(bench.run(index, seconds: 0.5, rate: 100).taken <= 10)
        bench.counting = window * 1_000_000_000
        #expect(bench.reserved(index) <= 10)
    }

    @Test("10,000 conditions that a configuration names no more are given back in batches of bounded size, before anything else is asked")
    func removed() {
        let bench = LedgerBench(sizing: .whole)
        for number in 0..<10_000 { _ = bench.add(limit: 10, per: 86_400, owner: "\(number)") }
        for index in 0..<10_000 { _ = bench.take(index) }
        while bench.round().isEmpty == false { bench.pass(milliseconds: 1) }
        for index in 0..<10_000 { #expect(bench.take(index) == .taken) }
        for index in 0..<10_000 { bench.ledger.remove(index) }
        let later = bench.add(limit: 10, per: 86_400, owner: "0")
        _ = bench.take(later)
        var given: [Int] = []
        while bench.ledger.nextDue(latest: .max) == 0 || given.isEmpty {
            let requests = bench.round()
            #expect(requests.count <= QuotaLedger.requestsMax)
            #expect(requests.allSatisfy { $0.givenBack == 9 && $0.granted == 1 } || given.reduce(0, +) >= 10_000)
            given.append(requests.count)
            bench.pass(milliseconds: 7)
        }
        #expect(given.prefix(3) == [4096, 4096, 1808])
        #expect(bench.reserved(later) == 10 && bench.take(later) == .taken)
    }
}
