import Dispatch
import SluiceHTTP
import Synchronization
import Testing

@testable import SluiceGateway

@Suite("PreCallCache")
struct PreCallCacheTests {
    private func key(_ number: UInt64) -> SipHash128.Value { SipHash128.Value(low: number, high: ~number) }

    @Test("memory is bounded: the largest power of two of buckets of 256 bytes that fits", arguments: [
        (-1, 0), (0, 0), (255, 0), (256, 10), (511, 10), (512, 20), (1023, 20), (1024, 40), (8_388_608, 327_680),
    ])
    func capacity(bytes: Int, entries: Int) {
        #expect(PreCallCache(bytesMax: bytes).capacity == entries)
    }

    @Test("where the system has less memory than it may take, it takes half of it, and half of that", arguments: [(65_536, 2560), (65_535, 1280), (256, 10), (255, 0)])
    func lessMemory(most: Int, entries: Int) {
        let cache = PreCallCache(bytesMax: 1 << 36) { $0 <= most ? SystemMemory.allocate(byteCount: $0) : nil }
        #expect(cache.capacity == entries)
        cache.table.remember(key(1), until: 100, at: 1)
        #expect(cache.table.contains(key(1), at: 1) == (entries > 0))
    }

    @Test("without memory nothing is remembered, and nothing fails")
    func withoutMemory() {
        let cache = PreCallCache(bytesMax: 0)
        cache.table.remember(key(1), until: 100, at: 1)
        #expect(!cache.table.contains(key(1), at: 1))
    }

    @Test("both halves of a key count, and the key of all zeros is not there before it is remembered")
    func wholeKeys() {
        let cache = PreCallCache(bytesMax: 256)
        let table = cache.table
        #expect(!table.contains(SipHash128.Value(low: 0, high: 0), at: 0))
        table.remember(SipHash128.Value(low: 1, high: 2), until: 100, at: 1)
        #expect(table.contains(SipHash128.Value(low: 1, high: 2), at: 1))
        #expect(!table.contains(SipHash128.Value(low: 1, high: 3), at: 1))
        #expect(!table.contains(SipHash128.Value(low: 2, high: 2), at: 1))
    }

    @Test("a full bucket gives up the entry that would end first, over or not")
    func eviction() {
        let cache = PreCallCache(bytesMax: 256)
        let table = cache.table
        for number in 0..<10 as Range<UInt64> { table.remember(key(number), until: 100 + number, at: 1) }
        for number in 0..<10 as Range<UInt64> { #expect(table.contains(key(number), at: 99)) }
        table.remember(key(10), until: 200, at: 1)
        #expect(!table.contains(key(0), at: 1))
        for number in 1...10 as ClosedRange<UInt64> { #expect(table.contains(key(number), at: 1)) }
    }

    @Test("a key is remembered in one place: again means longer, never twice")
    func renewal() {
        let cache = PreCallCache(bytesMax: 256)
        let table = cache.table
        for number in 0..<10 as Range<UInt64> { table.remember(key(number), until: 100, at: 1) }
        table.remember(key(5), until: 300, at: 1)
        #expect(table.contains(key(5), at: 299) && !table.contains(key(5), at: 300))
        for number in 0..<10 as Range<UInt64> { #expect(table.contains(key(number), at: 99)) }
    }

    @Test("while other threads write to the bucket, nobody finds a key with another's expiry, or one that was never there")
    func concurrency() {
        let cache = PreCallCache(bytesMax: 256)
        let table = cache.table
        let faults = Atomic(0)
        let hits = Atomic(0)
        // One bucket, and more keys than places: even keys are good for long, odd ones for short.
        @Sendable func expiry(_ number: UInt64) -> UInt64 { number % 2 == 0 ? 1000 : 10 }
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            var random = SeededRandom(seed: UInt64(thread))
            for _ in 0..<20_000 {
                let written = random.next() % 30
                table.remember(key(written), until: expiry(written), at: 1)
                let read = random.next() % 40
                guard table.contains(key(read), at: 100) else { continue }
                hits.add(1, ordering: .relaxed)
                if read >= 30 || read % 2 == 1 { faults.add(1, ordering: .relaxed) }
            }
        }
        #expect(faults.load(ordering: .relaxed) == 0)
        #expect(hits.load(ordering: .relaxed) > 0)
    }
}
