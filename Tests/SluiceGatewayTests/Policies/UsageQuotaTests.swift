import SluiceCounting
import Testing

@testable import SluiceGateway

/// Purses that the tests fill: what a request takes from them, and what it puts back.
@Suite("Usage quotas: charging")
final class UsageQuotaTests {
    private let arena = Arena()
    private let test: TestExchange
    private var purses: [QuotaPurse.Words] = []
    private static let now: UInt64 = 1_700_000_000

    init() throws {
        test = try TestExchange("GET /")
        test.exchange.context.pointee.countSeconds = Self.now
    }

    deinit { purses.forEach(QuotaPurse.free) }

    /// A list with one condition for each purse: so much lies in it, and with nil nothing is reserved yet. Windows are 10, 20, 30 s long.
    private func list(_ held: [UInt64?], limit: UInt64 = 100) -> ArenaSlice<UsageQuota.Compiled.Condition> {
        arena.store(held.enumerated().map { place, units in
            let perSeconds = UInt64(10 * (place + 1))
            let purse = QuotaPurse.make()
            purses.append(purse)
            if let units {
                QuotaPurse.put(units, purse, window: Self.now / perSeconds, granted: units, elsewhere: 0, isExhausted: true)
            }
            return UsageQuota.Compiled.Condition(purse: purse, number: purses.count - 1, limit: limit, perSeconds: perSeconds)
        })
    }

    private func left(_ list: ArenaSlice<UsageQuota.Compiled.Condition>) -> [UInt64] {
        (0..<list.count).map { QuotaPurse.available(list[$0].purse, window: Self.now / list[$0].perSeconds) }
    }

    private func evaluate(
        domain: ArenaSlice<UsageQuota.Compiled.Condition>, endpoint: ArenaSlice<UsageQuota.Compiled.Condition>
    ) -> Outcome {
        Outcome(UsageQuota.Compiled(domain: domain, endpoint: endpoint, into: arena).evaluate(&test.exchange))
    }

    @Test("every condition of both lists is charged one")
    func taken() {
        let (domain, endpoint) = (list([5, 3]), list([2]))
        #expect(evaluate(domain: domain, endpoint: endpoint) == .proceed)
        #expect(left(domain) == [4, 2])
        #expect(left(endpoint) == [1])
    }

    @Test("a list of which one condition has nothing left is charged nothing, the other is charged all the same")
    func exhausted() {
        let (domain, endpoint) = (list([5, 0, 7]), list([2]))
        #expect(evaluate(domain: domain, endpoint: endpoint) == .refuse(.quotaExceeded))
        #expect(left(domain) == [5, 0, 7])
        #expect(left(endpoint) == [1])
    }

    @Test("a limit of 0 refuses without waiting for anybody")
    func zero() {
        let domain = list([nil], limit: 0)
        #expect(evaluate(domain: domain, endpoint: list([])) == .refuse(.quotaExceeded))
    }

    @Test("while something is not reserved yet the request waits, and has charged nothing", arguments: [true, false])
    func pending(domainWaits: Bool) {
        let (waiting, ready) = (list([4, nil]), list([5, 3]))
        let verdict = domainWaits ? evaluate(domain: waiting, endpoint: ready) : evaluate(domain: ready, endpoint: waiting)
        #expect(verdict == .suspend)
        #expect(left(ready) == [5, 3])
        #expect(left(waiting) == [4, 0])
    }

    @Test("who has waited in vain is admitted or refused as the setting says, and refused where the other list has nothing left")
    func late() {
        test.exchange.hasAwaitedAllowance = true
        let (waiting, empty) = (list([nil]), list([0]))
        KeeperState.setWhenLate(test.counts.state, .admit)
        #expect(evaluate(domain: waiting, endpoint: list([])) == .proceed)
        #expect(evaluate(domain: empty, endpoint: waiting) == .refuse(.quotaExceeded))
        #expect(evaluate(domain: waiting, endpoint: empty) == .refuse(.quotaExceeded))
        KeeperState.setWhenLate(test.counts.state, .refuse)
        #expect(evaluate(domain: waiting, endpoint: list([])) == .refuse(.quotaExceeded))
    }

    @Test("the keeper hears of every condition that has nothing left, once")
    func attention() {
        let (domain, endpoint) = (list([nil, 3]), list([nil]))
        let queue = test.exchange.context.pointee.attention
        _ = evaluate(domain: domain, endpoint: endpoint)
        _ = evaluate(domain: domain, endpoint: endpoint)
        var told: [UInt64] = []
        while let word = AttentionQueue.take(queue) { told.append(word) }
        #expect(told == [0, 2].map { Attention.quota($0).word })
    }
}
