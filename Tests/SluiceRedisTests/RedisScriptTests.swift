import SluiceConfiguration
import SluiceCounting
import Testing

@testable import SluiceRedis
@testable import SluiceSimulation

@Suite("The script in Redis and its model")
struct RedisScriptTests {
    /// Answers with what has no order put in order.
    private func ordered(_ replies: AllowanceReplies, requests: Int) -> AllowanceReplies {
        var result = replies
        result.ceilings = Array(replies.ceilings[..<requests]) + replies.ceilings[requests...].sorted { $0.project < $1.project }
        result.quotaNotices = replies.quotaNotices.sorted { ($0.key.owner, $0.window) < ($1.key.owner, $1.window) }
        return result
    }

    @Test("random batches of several nodes: Redis and the model answer the same", arguments: 1...6 as ClosedRange<UInt64>)
    func differential(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let server = try RedisServer()
        var model = StoreModel()
        var stores = try (0..<5).map { _ in try RedisStore(server.url()) }
        var sequences = [UInt64](repeating: 0, count: stores.count)
        var acknowledged = sequences
        var fair = sequences
        var generation: UInt64 = 0
        var compared = 0
        var granted = 0
        for _ in 0..<600 {
            let index = random.below(random.pick([2, stores.count]))
            let isLate = random.chance(1, in: 30) && sequences[index] > 3
            if !isLate { sequences[index] += UInt64(random.between(1, 2)) }
            var batch = AllowanceBatch(sequence: isLate ? sequences[index] - 2 : sequences[index])
            batch.standing = .init(
                acknowledged: random.chance(3, in: 4) ? acknowledged[index] : acknowledged[index] / 2, fairParts: fair[index],
                isLocal: seed % 2 == 0 && random.chance(9, in: 10))
            // A node that has lost more replies than there were would make the store settle for ever.
            if random.chance(1, in: 200) { batch.standing.acknowledged = sequences[index] + 5 }
            batch.ceilings = (0..<random.below(4)).map { _ in
                let project = random.below(5)
                return .init(
                    project: "p\(project)", ceiling: UInt64([1, 7, 100, 5000, 10_000_000][project]), held: UInt64(random.below(60)),
                    demand: UInt64(random.pick([0, 1, 5, 50, 4000, 20_000_000])))
            }
            let second = try serverSeconds(server)
            batch.quotas = (0..<random.below(3)).map { _ in
                let seconds = random.pick([1, 60, 3600])
                return .init(
                    key: QuotaKey(owner: "a:\(random.below(2))", perSeconds: UInt64(seconds)),
                    window: UInt64(second / seconds + random.pick([-1, 0, 0, 0, 1, 2])), limit: UInt64(random.pick([10, 100, 1000])),
                    granted: UInt64(random.below(20)), givenBack: UInt64(random.below(5)), wanted: UInt64(random.below(60)), generation: generation)
            }
            let node = stores[index].node
            do {
                let replies = ordered(try stores[index].exchange(batch), requests: batch.ceilings.count)
                let clock = try #require(replies.clockMicroseconds)
                let expected = model.exchange(batch, from: node, run: stores[index].run, now: Int(clock))
                let same = try #require(expected.map { ordered($0, requests: batch.ceilings.count) })
                try #require("\(replies)" == "\(same)", "after \(compared): \(batch)")
                compared += 1
                granted += replies.ceilings.count { $0.share > 0 } + replies.quotas.count { $0.granted > 0 }
                acknowledged[index] = batch.sequence
                fair[index] = min(replies.fairParts, replies.fairTarget)
            } catch let error as AllowanceStoreError {
                #expect(error.description.contains("STALE"))
                #expect(model.exchange(batch, from: node, run: stores[index].run, now: 0) == nil)
            }
            if random.chance(1, in: 12) {
                let milliseconds = random.pick([300, 1000, 1600, 2500, 5000, 5000, 61_000])
                try server.pass(milliseconds: milliseconds)
                model.clock.logical += milliseconds * 1000
            }
            if random.chance(1, in: 100) {
                try stores[0].reset(nil)
                model.reset("*")
            }
            if random.chance(1, in: 100) {
                try stores[0].reset(QuotaKey(owner: "a:1", perSeconds: 60))
                model.reset("60:a:1")
                generation += 1
            }
            if random.chance(1, in: 60) {
                stores[index] = try RedisStore(server.url())
                (sequences[index], acknowledged[index], fair[index]) = (0, 0, 0)
            }
        }
        #expect(compared > 400)
        #expect(granted > 100)
    }

    private func serverSeconds(_ server: RedisServer) throws -> Int {
        let time = try #require(try server.call("TIME").elements)
        return try #require(time.first?.text.flatMap { Int($0) })
    }
}
