import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("JWT verified tokens")
struct JWTTokenCacheTests {
    let arena = Arena()

    func claims(_ values: [String] = [], expiry: Int64? = nil, notBefore: Int64? = nil) -> VerifiedClaims {
        var claims = VerifiedClaims(expiry: expiry, notBefore: notBefore, values: InlineArray(repeating: .empty), valueCount: values.count)
        for (index, value) in values.enumerated() { claims.values[index] = arena.bytes(value) }
        return claims
    }

    func token(_ number: Int, bytes: Int = 500) -> ByteView {
        let text = "token \(number) "
        return arena.bytes(text + String(repeating: "x", count: bytes - text.utf8.count))
    }

    @Test("a token is found with its times and values, under its generation only")
    func find() throws {
        let cache = VerifiedTokenCache(entries: 16)
        cache.handle.insert(token(1), generation: 7, claims: claims(["a", "", "ccc"], expiry: 5, notBefore: -5))
        let found = try #require(cache.handle.find(token(1), generation: 7))
        #expect(found.expiry == 5)
        #expect(found.notBefore == -5)
        #expect((0..<found.valueCount).map { found.values[$0].string } == ["a", "", "ccc"])
        #expect(cache.handle.find(token(1), generation: 8) == nil)
        #expect(cache.handle.find(token(2), generation: 7) == nil)
        #expect(cache.handle.find(token(1, bytes: 501), generation: 7) == nil)
    }

    @Test("tokens that differ in one byte, wherever, are told apart")
    func everyByteCounts() {
        let cache = VerifiedTokenCache(entries: 16)
        var bytes = Array("header.payload.signature-x".utf8)
        cache.handle.insert(arena.bytes(bytes), generation: 0, claims: claims())
        for index in bytes.indices {
            bytes[index] ^= 1
            #expect(cache.handle.find(arena.bytes(bytes), generation: 0) == nil)
            bytes[index] ^= 1
        }
        #expect(cache.handle.find(arena.bytes(bytes), generation: 0) != nil)
    }

    @Test("the newest tokens stay, and none is ever mistaken for another", arguments: [64, 500, 3000])
    func eviction(bytes: Int) throws {
        let cache = VerifiedTokenCache(entries: 64)
        for number in 0..<2000 {
            cache.handle.insert(token(number, bytes: bytes), generation: 0, claims: claims(["v\(number)"], expiry: Int64(number)))
            for earlier in [number, number - 1, number - 40, number - 1000] where earlier >= 0 {
                let found = cache.handle.find(token(earlier, bytes: bytes), generation: 0)
                if earlier == number { try #require(found != nil) }
                if let found {
                    try #require(found.expiry == Int64(earlier))
                    try #require(found.values[0].string == "v\(earlier)")
                }
                if earlier == number - 1000 { try #require(found == nil) }
            }
        }
    }

    @Test("a token of 4,096 bytes is remembered, one of 4,097 is not; nor one whose values fill a quarter of the ring")
    func longTokens() {
        let cache = VerifiedTokenCache(entries: 32)
        cache.handle.insert(token(1, bytes: 4096), generation: 0, claims: claims())
        #expect(cache.handle.find(token(1, bytes: 4096), generation: 0) != nil)
        cache.handle.insert(token(2, bytes: 4097), generation: 0, claims: claims())
        #expect(cache.handle.find(token(2, bytes: 4097), generation: 0) == nil)
        cache.handle.insert(token(3), generation: 0, claims: claims([String(repeating: "v", count: 8000)]))
        #expect(cache.handle.find(token(3), generation: 0) == nil)
    }

    @Test("a record of which the ring has overwritten only the beginning is not found, even if it still looks sound")
    func partlyOverwritten() {
        let cache = VerifiedTokenCache(entries: 64)
        let generation: UInt64 = 0x6161_6161_6161_6161
        cache.handle.insert(token(1, bytes: 1000), generation: generation, claims: claims())
        cache.handle.insert(token(2, bytes: 1000), generation: generation, claims: claims())
        // 64 KiB of ring: the next record after these begins at its start again.
        for number in 3..<18 { cache.handle.insert(token(number, bytes: 4096), generation: generation, claims: claims()) }
        // Eight bytes longer than the first: its end, eight times `a`, falls on the generation of the second.
        let last = arena.bytes(String(repeating: "a", count: 1008))
        cache.handle.insert(last, generation: generation, claims: claims())
        #expect(cache.handle.find(last, generation: generation) != nil)
        #expect(cache.handle.find(token(2, bytes: 1000), generation: generation) == nil)
    }

    @Test("where the system has less memory than so many entries need, there are fewer, or none", arguments: [(1 << 20, 512), (16 * 1040, 16), (16 * 1040 - 1, 0)])
    func lessMemory(most: Int, entries: Int) {
        var taken = 0
        let cache = VerifiedTokenCache(entries: 1 << 20) { bytes in
            guard bytes <= most else { return nil }
            taken = bytes
            return SystemMemory.allocate(byteCount: bytes)
        }
        #expect(taken == entries * 1040)
        cache.handle.insert(token(1), generation: 0, claims: claims())
        #expect((cache.handle.find(token(1), generation: 0) != nil) == (entries > 0))
    }

    @Test("no more than 1,048,576 entries, whatever is asked for")
    func mostEntries() {
        var asked: [Int] = []
        _ = VerifiedTokenCache(entries: 1 << 22) { bytes in
            asked.append(bytes)
            return nil
        }
        #expect(asked.first == (1 << 20) * 1040)
    }

    @Test("no entries: nothing is found, and nothing fails")
    func off() {
        let cache = VerifiedTokenCache(entries: 0)
        cache.handle.insert(token(1), generation: 0, claims: claims())
        #expect(cache.handle.find(token(1), generation: 0) == nil)
    }
}
