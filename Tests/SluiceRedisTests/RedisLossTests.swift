import SluiceConfiguration
import SluiceCounting
import Testing

@testable import SluiceRedis

/// A Redis that loses some of the books, or whose clock is set.
@Suite("Redis that forgets")
struct RedisLossTests {
    private let key = QuotaKey(owner: "domain:a", perSeconds: 86_400)

    /// Two nodes of which each holds 50 of a ceiling of 100, and has been granted 50 of a quota of 100.
    private final class Fleet {
        let server: RedisServer
        let nodes: [RedisStore]
        private var sequence: UInt64 = 0
        private(set) var begun: UInt64 = 0
        var window: UInt64 = 0
        let key: QuotaKey

        init(_ key: QuotaKey) throws {
            self.key = key
            server = try RedisServer()
            nodes = [try RedisStore(server.url()), try RedisStore(server.url())]
            for node in [0, 1] { try ask(node, held: 0, granted: 0, wanted: 0) }
            try server.pass(milliseconds: 4500)
            for node in [0, 1] {
                let replies = try ask(node, held: 0, granted: 0, wanted: 50, demand: 50)
                #expect(replies.quotas[0].granted == 50)
                begun = replies.quotas[0].begun
            }
            for node in [0, 1] { try ask(node, held: 50, granted: 50, wanted: 0, demand: 50) }
        }

        @discardableResult
        func ask(_ node: Int, held: UInt64, granted: UInt64, wanted: UInt64, demand: UInt64 = 0) throws -> AllowanceReplies {
            sequence += 1
            if window == 0 {
                let seconds = try #require(try server.call("TIME").elements?.first?.text.flatMap { UInt64($0) })
                window = seconds / key.perSeconds
            }
            return try nodes[node].exchange(AllowanceBatch(
                sequence: sequence, ceilings: [.init(project: "p", ceiling: 100, held: held, demand: demand)],
                quotas: [.init(key: key, window: window, limit: 100, granted: granted, wanted: wanted, begun: granted > 0 ? begun : 0)]))
        }
    }

    private static let names = [
        "{sluice}:clock", "{sluice}:members", "{sluice}:c:p", "{sluice}:held", "{sluice}:sums", "{sluice}:generations", "q",
    ]

    @Test("the loss of any one key costs admissions and adds none", arguments: names)
    func oneKey(name: String) throws {
        let fleet = try Fleet(key)
        let lost = name == "q" ? "{sluice}:q:86400:\(fleet.window):domain:a" : name
        #expect(try fleet.server.call("EXISTS", lost).number == (name == "{sluice}:generations" ? 0 : 1))
        try fleet.server.call("DEL", lost)
        // The first node asks for everything. The second has not been heard since.
        let first = try fleet.ask(0, held: 50, granted: 50, wanted: 50, demand: 100)
        #expect(first.ceilings[0].share == 50)
        #expect(first.quotas[0].granted == 50)
        // It tells again what it holds, and nobody has more for it.
        try fleet.ask(1, held: 50, granted: 50, wanted: 50, demand: 100)
        try fleet.server.pass(milliseconds: 4600)
        try fleet.ask(1, held: 50, granted: 50, wanted: 0, demand: 100)
        let later = try fleet.ask(0, held: 50, granted: 50, wanted: 50, demand: 100)
        #expect(later.ceilings[0].share == 50)
        #expect(later.quotas[0].granted == 50)
        #expect(later.settlesInMilliseconds == 0)
    }

    @Test("the loss of any of the keys at once adds none either, although the first who asks has never been there", arguments: 1..<1 << names.count)
    func severalKeys(which: Int) throws {
        let fleet = try Fleet(key)
        for (bit, name) in Self.names.enumerated() where which >> bit & 1 == 1 {
            try fleet.server.call("DEL", name == "q" ? "{sluice}:q:86400:\(fleet.window):domain:a" : name)
        }
        let stranger = try RedisStore(fleet.server.url())
        func strangers(_ sequence: UInt64) throws -> AllowanceReplies {
            try stranger.exchange(AllowanceBatch(
                sequence: sequence, ceilings: [.init(project: "p", ceiling: 100, held: 0, demand: 100)],
                quotas: [.init(key: key, window: fleet.window, limit: 100, granted: 0, wanted: 100)]))
        }
        func expectNothing(_ sequence: UInt64) throws {
            let replies = try strangers(sequence)
            #expect(replies.ceilings[0].share == 0)
            #expect(replies.quotas[0].granted == 0)
        }
        try expectNothing(1)
        for node in [0, 1] { try fleet.ask(node, held: 50, granted: 50, wanted: 0, demand: 50) }
        try expectNothing(2)
        // It has come to rest, and nothing is missing any more.
        try fleet.server.pass(milliseconds: 1600)
        for _ in 0..<3 {
            for node in [0, 1] { try fleet.ask(node, held: 50, granted: 50, wanted: 0, demand: 50) }
            try fleet.server.pass(milliseconds: 1600)
        }
        try expectNothing(3)
        #expect(try strangers(4).settlesInMilliseconds == 0)
    }

    @Test("sums of windows that are long over are taken away, and nothing settles for it")
    func oldSums() throws {
        let server = try RedisServer()
        let store = try RedisStore(server.url())
        let seconds = try #require(try server.call("TIME").elements?.first?.text.flatMap { UInt64($0) })
        let lead = "\(seconds)000000"
        let (gone, stays) = ("\((seconds - 7200) / 60) 10 0 \(lead)", "\(seconds / 86_400 - 1) 10 0 \(lead)")
        try server.call("HSET", "{sluice}:sums", "1:60:domain: gone", gone, "0:86400:domain:stays", stays)
        for sequence: UInt64 in 1...64 { _ = try store.exchange(AllowanceBatch(sequence: sequence)) }
        #expect(try server.call("HEXISTS", "{sluice}:sums", "1:60:domain: gone").number == 0)
        #expect(try server.call("HEXISTS", "{sluice}:sums", "0:86400:domain:stays").number == 1)
        try server.pass(milliseconds: 4500)
        #expect(try store.exchange(AllowanceBatch(sequence: 65)).settlesInMilliseconds == 0)
    }

    @Test("the loss of the numbers of resets adds nothing: a node that has not been there before learns them from the row")
    func resets() throws {
        let fleet = try Fleet(key)
        try fleet.nodes[0].reset(nil)
        func ask(_ node: RedisStore, _ sequence: UInt64, granted: UInt64, wanted: UInt64, generation: UInt64) throws -> AllowanceReplies.QuotaReply {
            try node.exchange(AllowanceBatch(sequence: sequence, quotas: [
                .init(key: key, window: fleet.window, limit: 100, granted: granted, wanted: wanted, generation: generation, begun: granted > 0 ? fleet.begun : 0)
            ])).quotas[0]
        }
        // After the reset one node has taken 60.
        #expect(try ask(fleet.nodes[0], 100, granted: 0, wanted: 60, generation: 0).granted == 60)
        try fleet.server.call("DEL", "{sluice}:generations")
        let fresh = try RedisStore(fleet.server.url())
        let first = try ask(fresh, 1, granted: 0, wanted: 60, generation: 0)
        #expect(first.granted == 40 && first.generation == 1)
        // Who knows of the reset comes: what the other was granted is not taken for something from before it.
        #expect(try ask(fleet.nodes[0], 101, granted: 60, wanted: 60, generation: 1).granted == 60)
        #expect(try ask(fresh, 2, granted: 40, wanted: 10, generation: 1).granted == 40)
    }

    @Test("the loss of the clock keeps nobody's lease from ending")
    func clockOfTheDead() throws {
        let fleet = try Fleet(key)
        try fleet.server.pass(milliseconds: 3_600_000)
        for node in [0, 1] { try fleet.ask(node, held: 50, granted: 50, wanted: 0, demand: 50) }
        try fleet.server.call("DEL", "{sluice}:clock")
        // The second node is heard no more.
        try fleet.ask(0, held: 50, granted: 50, wanted: 0, demand: 100)
        try fleet.server.pass(milliseconds: 4600)
        let later = try fleet.ask(0, held: 50, granted: 50, wanted: 0, demand: 100)
        #expect(later.nodes == 1)
        #expect(later.ceilings[0].share == 100)
    }

    @Test("what nodes were granted that are gone for an hour stands in a window as one sum")
    func nodesThatCameAndWent() throws {
        let fleet = try Fleet(key)
        for _ in 0..<20 {
            let node = try RedisStore(fleet.server.url())
            _ = try node.exchange(AllowanceBatch(
                sequence: 1, quotas: [.init(key: key, window: fleet.window, limit: 1000, granted: 0, wanted: 5)]))
            node.close()
        }
        let row = "{sluice}:q:86400:\(fleet.window):domain:a"
        func ask(_ sequence: UInt64) throws -> AllowanceReplies.QuotaReply {
            try fleet.nodes[0].exchange(AllowanceBatch(
                sequence: sequence, quotas: [.init(key: key, window: fleet.window, limit: 1000, granted: 50, wanted: 1, begun: fleet.begun)])).quotas[0]
        }
        // Forgotten, and not long enough ago.
        try fleet.server.pass(milliseconds: 3_590_000)
        #expect(try ask(100).total == 201)
        #expect(try fleet.server.call("HLEN", row).number == 24)
        try fleet.server.pass(milliseconds: 20_000)
        #expect(try ask(101).total == 201)
        #expect(try fleet.server.call("HLEN", row).number == 4)
        #expect(try ask(102).total == 201)
        #expect(try fleet.nodes[0].usage(wallSeconds: fleet.window * 86_400).map(\.reserved) == [201])
    }

    @Test("FLUSHALL: every node tells again what it holds, and then goes on")
    func everything() throws {
        let fleet = try Fleet(key)
        try fleet.server.call("FLUSHALL")
        let first = try fleet.ask(0, held: 50, granted: 50, wanted: 50, demand: 100)
        #expect(first.settlesInMilliseconds > 4000)
        #expect(first.quotas[0].granted == 50)
        try fleet.ask(1, held: 50, granted: 50, wanted: 0)
        try fleet.server.pass(milliseconds: 4500)
        let other = try fleet.ask(1, held: 20, granted: 30, wanted: 0)
        let later = try fleet.ask(0, held: 50, granted: 50, wanted: 50, demand: 100)
        #expect(later.settlesInMilliseconds == 0)
        #expect(later.ceilings[0].share + other.ceilings[0].share == 100)
        #expect(later.quotas[0].granted == 70)
    }

    @Test("what is held of a project is kept as long as it is configured somewhere, and no longer")
    func projectGone() throws {
        let fleet = try Fleet(key)
        for node in [0, 1] {
            #expect(try fleet.server.call("EXISTS", "{sluice}:c:p").number == 1)
            _ = try fleet.nodes[node].exchange(AllowanceBatch(sequence: 100, ceilings: [.init(project: "p", ceiling: 0, held: 0, demand: 0)]))
        }
        #expect(try fleet.server.call("EXISTS", "{sluice}:c:p", "{sluice}:held").number == 0)
    }

    // MARK: Eviction

    @Test("a Redis that evicts is refused, whichever keys it takes", arguments: ["allkeys-lru", "allkeys-random", "volatile-ttl", "volatile-lfu"])
    func evicting(policy: String) throws {
        let server = try RedisServer()
        try server.call("CONFIG", "SET", "maxmemory", "100mb")
        try server.call("CONFIG", "SET", "maxmemory-policy", policy)
        do {
            _ = try RedisStore(server.url()).exchange(AllowanceBatch(sequence: 1))
            Issue.record("it was taken")
        } catch let error as AllowanceStoreError {
            #expect(error.description.contains("maxmemory-policy \(policy)"))
        }
        // Nothing is evicted without a bound, and nothing where the policy says so.
        try server.call("CONFIG", "SET", "maxmemory", "0")
        #expect(try RedisStore(server.url()).exchange(AllowanceBatch(sequence: 1)).nodes == 1)
        try server.call("CONFIG", "SET", "maxmemory", "100mb")
        try server.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        let store = try RedisStore(server.url())
        #expect(try store.exchange(AllowanceBatch(sequence: 1)).nodes == 2)
        #expect(store.takeRemark() == nil)
    }

    @Test("a Redis that does not let its policy be read is taken, and a remark is made, once")
    func unreadable() throws {
        let server = try RedisServer()
        try server.call("ACL", "SETUSER", "sluice", "on", ">secret", "~*", "+@all", "-info")
        let store = try RedisStore(server.url("sluice:secret@"))
        #expect(try store.exchange(AllowanceBatch(sequence: 1)).nodes == 1)
        #expect(store.takeRemark()?.contains("maxmemory-policy") == true)
        #expect(store.takeRemark() == nil)
    }

    @Test("a Redis that begins to evict under a running fleet, with a stranger's writes: no more is granted than there is")
    func strangersWrites() throws {
        let fleet = try Fleet(key)
        try fleet.server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        try fleet.server.call("CONFIG", "SET", "maxmemory", "2mb")
        let text = String(repeating: "x", count: 40_000)
        var granted: (UInt64, UInt64) = (50, 50)
        for number in 0..<200 {
            try fleet.server.call("SET", "stranger:\(number)", text)
            // Only one of the two is heard all the time.
            granted.0 = try fleet.ask(0, held: 50, granted: granted.0, wanted: 5, demand: 100).quotas[0].granted
            if number % 20 == 0 { granted.1 = try fleet.ask(1, held: 50, granted: granted.1, wanted: 0).quotas[0].granted }
        }
        #expect(granted.0 + granted.1 <= 100)
    }

    // MARK: Clocks

    @Test("a window that a clock which was set back shows again begins anew if the set-back was as long as it, and else goes on")
    func setBack() throws {
        let fleet = try Fleet(key)
        // The logical clock is ahead then, as it is when the other was set back.
        try fleet.server.pass(milliseconds: 86_390_000)
        for node in [0, 1] { try fleet.ask(node, held: 0, granted: 50, wanted: 0) }
        #expect(try fleet.ask(0, held: 0, granted: 50, wanted: 50).quotas[0].granted == 50)
        try fleet.server.pass(milliseconds: 20_000)
        for node in [0, 1] { try fleet.ask(node, held: 0, granted: 0, wanted: 0) }
        let anew = try fleet.ask(0, held: 0, granted: 0, wanted: 70).quotas[0]
        #expect(anew.added == 70 && anew.total == 70)
    }
}
