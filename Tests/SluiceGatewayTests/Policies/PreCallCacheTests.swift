import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("PreCallCache")
struct PreCallCacheTests {
    private func key(_ number: UInt64) -> SipHash128.Value { SipHash128.Value(low: number, high: ~number) }

    private func table(_ cache: PreCallCache) -> PreCallCache.Table {
        cache.handle.assumingMemoryBound(to: PreCallCache.Table.self).pointee
    }

    @Test("memory is bounded: the largest power of two of buckets of 192 bytes that fits", arguments: [
        (-1, 0), (0, 0), (191, 0), (192, 8), (383, 8), (384, 16), (767, 16), (768, 32), (8_388_608, 262_144),
    ])
    func capacity(bytes: Int, entries: Int) {
        #expect(PreCallCache(bytesMax: bytes).capacity == entries)
    }

    @Test("where the system has less memory than it may take, it takes half of it, and half of that", arguments: [(49_152, 2048), (49_151, 1024), (192, 8), (191, 0)])
    func lessMemory(most: Int, entries: Int) {
        let cache = PreCallCache(bytesMax: 1 << 36) { $0 <= most ? SystemMemory.allocate(byteCount: $0) : nil }
        #expect(cache.capacity == entries)
        table(cache).remember(key(1), until: 100, at: 1)
        #expect(table(cache).contains(key(1), at: 1) == (entries > 0))
    }

    @Test("without memory nothing is remembered, and nothing fails")
    func withoutMemory() {
        let cache = PreCallCache(bytesMax: 0)
        table(cache).remember(key(1), until: 100, at: 1)
        #expect(!table(cache).contains(key(1), at: 1))
    }

    @Test("both halves of a key count, and the key of all zeros is not there before it is remembered")
    func wholeKeys() {
        let cache = PreCallCache(bytesMax: 192)
        let table = table(cache)
        #expect(!table.contains(SipHash128.Value(low: 0, high: 0), at: 0))
        table.remember(SipHash128.Value(low: 1, high: 2), until: 100, at: 1)
        #expect(table.contains(SipHash128.Value(low: 1, high: 2), at: 1))
        #expect(!table.contains(SipHash128.Value(low: 1, high: 3), at: 1))
        #expect(!table.contains(SipHash128.Value(low: 2, high: 2), at: 1))
    }

    @Test("a full bucket gives up the entry that would end first, over or not")
    func eviction() {
        let cache = PreCallCache(bytesMax: 192)
        let table = table(cache)
        for number in 0..<8 as Range<UInt64> { table.remember(key(number), until: 100 + number, at: 1) }
        for number in 0..<8 as Range<UInt64> { #expect(table.contains(key(number), at: 99)) }
        table.remember(key(8), until: 200, at: 1)
        #expect(!table.contains(key(0), at: 1))
        for number in 1...8 as ClosedRange<UInt64> { #expect(table.contains(key(number), at: 1)) }
    }

    @Test("a key is remembered in one place: again means longer, never twice")
    func renewal() {
        let cache = PreCallCache(bytesMax: 192)
        let table = table(cache)
        for number in 0..<8 as Range<UInt64> { table.remember(key(number), until: 100, at: 1) }
        table.remember(key(5), until: 300, at: 1)
        #expect(table.contains(key(5), at: 299) && !table.contains(key(5), at: 300))
        for number in 0..<8 as Range<UInt64> { #expect(table.contains(key(number), at: 99)) }
    }
}
