import SluiceConfiguration
import SluiceCounting
import Testing

@testable import SluiceRedis

@Suite("Redis as the fleet's store")
struct RedisStoreTests {
    private func request(_ demand: UInt64, held: UInt64 = 0) -> AllowanceBatch.CeilingRequest {
        .init(project: "p", ceiling: 100, held: held, demand: demand)
    }

    /// Begins a fleet: the first batch makes the books settle.
    private func settle(_ store: RedisStore, _ server: RedisServer) throws {
        let replies = try store.exchange(AllowanceBatch(sequence: 1, ceilings: [request(100)]))
        #expect(replies.settlesInMilliseconds > 4000)
        #expect(replies.ceilings[0].share == 0)
        try server.pass(milliseconds: 4500)
    }

    @Test("two nodes: the first gets what it asks for, the second what the first gives up, and both never more than the ceiling")
    func sharing() throws {
        let server = try RedisServer()
        let (one, two) = (try RedisStore(server.url()), try RedisStore(server.url()))
        try settle(one, server)
        #expect(try one.exchange(AllowanceBatch(sequence: 2, ceilings: [request(100)])).ceilings[0].share == 100)
        let wanting = try two.exchange(AllowanceBatch(sequence: 1, ceilings: [request(100)]))
        #expect(wanting.nodes == 2)
        #expect(wanting.ceilings[0].share == 0)
        #expect(wanting.ceilings[0].target == 50)
        let notice = try one.exchange(AllowanceBatch(sequence: 3)).ceilings
        #expect(notice == [.init(project: "p", share: 100, target: 50, fair: 0)])
        #expect(try one.exchange(AllowanceBatch(sequence: 4, ceilings: [request(100, held: 50)])).ceilings[0].share == 50)
        #expect(try two.exchange(AllowanceBatch(sequence: 2, ceilings: [request(100)])).ceilings[0].share == 50)
    }

    @Test("a batch that comes after a newer one is refused, and the connection remains")
    func late() throws {
        let server = try RedisServer()
        let store = try RedisStore(server.url())
        try settle(store, server)
        #expect(throws: AllowanceStoreError.self) { try store.exchange(AllowanceBatch(sequence: 1)) }
        #expect(try store.exchange(AllowanceBatch(sequence: 2)).nodes == 1)
    }

    @Test("a node that leaves is counted no more, and what it held is free when its last second is over")
    func leaving() throws {
        let server = try RedisServer()
        let (one, two) = (try RedisStore(server.url()), try RedisStore(server.url()))
        try settle(one, server)
        #expect(try one.exchange(AllowanceBatch(sequence: 2, ceilings: [request(100)])).ceilings[0].share == 100)
        one.close()
        let first = try two.exchange(AllowanceBatch(sequence: 1, ceilings: [request(100)]))
        #expect(first.nodes == 1)
        #expect(first.ceilings[0].share == 0)
        try server.pass(milliseconds: 1700)
        #expect(try two.exchange(AllowanceBatch(sequence: 2, ceilings: [request(100)])).ceilings[0].share == 100)
    }

    @Test("scripts that Redis has forgotten are sent again")
    func forgottenScripts() throws {
        let server = try RedisServer()
        let store = try RedisStore(server.url())
        try settle(store, server)
        try server.call("SCRIPT", "FLUSH")
        #expect(try store.exchange(AllowanceBatch(sequence: 2)).nodes == 1)
    }

    @Test("data that is gone: the store settles anew, confirms what is held, and registers everybody again")
    func lostData() throws {
        let server = try RedisServer()
        let store = try RedisStore(server.url())
        try settle(store, server)
        let before = try store.exchange(AllowanceBatch(sequence: 2, ceilings: [request(60)]))
        try server.call("FLUSHALL")
        let after = try store.exchange(AllowanceBatch(sequence: 3, ceilings: [request(100, held: 60)]))
        #expect(after.registration != before.registration)
        #expect(after.settlesInMilliseconds > 4000)
        #expect(after.ceilings[0].share == 60)
    }

    @Test("a quota is granted once over all nodes, is listed, and begins anew when it is reset")
    func quota() throws {
        let server = try RedisServer()
        let (one, two) = (try RedisStore(server.url()), try RedisStore(server.url()))
        try settle(one, server)
        let clock = try #require(try two.exchange(AllowanceBatch(sequence: 1)).clockMicroseconds)
        let key = QuotaKey(owner: "domain:a", perSeconds: 86_400)
        let window = clock / 1_000_000 / 86_400
        var begun: UInt64 = 0
        func ask(_ wanted: UInt64, granted: UInt64 = 0, generation: UInt64 = 0) -> AllowanceBatch.QuotaRequest {
            .init(key: key, window: window, limit: 100, granted: granted, wanted: wanted, generation: generation, begun: granted > 0 ? begun : 0)
        }
        let first = try one.exchange(AllowanceBatch(sequence: 2, quotas: [ask(80)])).quotas[0]
        begun = first.begun
        #expect(begun > 0)
        #expect(first == .init(granted: 80, total: 80, begun: begun, added: 80))
        #expect(try two.exchange(AllowanceBatch(sequence: 2, quotas: [ask(80)])).quotas == [.init(granted: 20, total: 100, begun: begun, added: 20)])
        let notice = try one.exchange(AllowanceBatch(sequence: 3)).quotaNotices
        #expect(notice == [.init(key: key, window: window, keep: 40)])
        #expect(try one.exchange(AllowanceBatch(sequence: 4, quotas: [ask(0, granted: 50)])).quotas[0].total == 70)
        let listed = try one.usage(wallSeconds: clock / 1_000_000)
        #expect(listed.map(\.key) == [key])
        #expect(listed.map(\.reserved) == [70])
        try one.reset(key)
        #expect(try one.usage(wallSeconds: clock / 1_000_000).isEmpty)
        let fresh = try two.exchange(AllowanceBatch(sequence: 3, quotas: [ask(10, granted: 20)])).quotas
        #expect(fresh == [.init(granted: 10, total: 10, generation: 1, begun: begun, added: 10)])
    }

    @Test("a wrong password is an error that does not show it")
    func password() throws {
        let server = try RedisServer(password: "right")
        #expect(try RedisStore(server.url(":right@")).exchange(AllowanceBatch(sequence: 1)).nodes == 1)
        do {
            _ = try RedisStore(server.url(":hush-hush@")).exchange(AllowanceBatch(sequence: 1))
            Issue.record("it was let in")
        } catch let error as AllowanceStoreError {
            #expect(!error.description.contains("hush"))
            #expect(error.description.contains("127.0.0.1:\(server.port)"))
        }
    }

    @Test("a server that is gone is an error at once, and again without waiting until it is time for another attempt")
    func gone() throws {
        let server = try RedisServer()
        let store = try RedisStore(server.url())
        try settle(store, server)
        server.stop()
        for sequence in 2...4 as ClosedRange<UInt64> {
            #expect(throws: AllowanceStoreError.self) { try store.exchange(AllowanceBatch(sequence: sequence)) }
        }
    }
}
