import SluiceConfiguration
import Testing

@testable import SluiceGateway

/// The pools that keep a worker from allocating.
@Suite("Blocks, slabs, output queues")
struct MemoryTests {
    @Test("what a connection holds is what ARCHITECTURE says")
    func perConnection() {
        let settings = ProcessSettings()
        let layout = ExchangeBlock.Layout(fieldsMax: settings.maxFields, headBytesMax: settings.maxHeadBytes, streamWindow: settings.http2StreamWindow)
        #expect(MemoryLayout<ClientConnection>.stride <= 312)
        #expect(MemoryLayout<UpstreamConnection>.stride <= 344)
        #expect(BlockPool(blockBytes: layout.blockBytes, retained: 0).blockBytes == 188 * 1024)
        #expect(BlockPool(blockBytes: Limits.outputBytes, retained: 0).blockBytes == 196 * 1024)
    }

    @Test("a stream's block has room for what a client may send before it knows our settings (RFC 9113, 6.9.2)", arguments: [16_384, 65_535, 1_048_576])
    func firstWindow(streamWindow: Int) {
        let layout = ExchangeBlock.Layout(fieldsMax: 128, headBytesMax: 8192, streamWindow: streamWindow)
        #expect(layout.streamInputCapacity >= 8192 + Limits.chunkLineBytes + max(65_535, streamWindow) + Limits.requestTrailerBytes)
    }

    @Test("a block that was given back is the next one taken")
    func blocks() {
        var pool = BlockPool(blockBytes: 5000, retained: 1)
        #expect(pool.blockBytes == 8192)
        guard let first = pool.take(), let second = pool.take() else {
            Issue.record("no memory")
            return
        }
        #expect(first != second && pool.taken == 2)
        pool.give(back: first)
        pool.give(back: second)
        #expect(pool.taken == 0)
        let again = pool.take()
        #expect(again == second)
        pool.give(back: second)
        pool.releaseAll()
    }

    @Test("a slab reuses places and leaves what their last user wrote")
    func slab() {
        var slab = Slab<Int>(chunkBytes: 4096)
        let places = (0..<3).map { _ in slab.take(7) }
        #expect(Set(places).count == 3 && slab.live == 3)
        places[1].pointee = 42
        slab.give(back: places[1])
        let again = slab.take(7)
        #expect(again == places[1] && again.pointee == 42)
        slab.deallocate()
    }

    @Test("trimming keeps what was in use at once since the last time, and the retained number after a quiet time")
    func trimBlocks() {
        var pool = BlockPool(blockBytes: 4096, retained: 2)
        let taken = (0..<5).compactMap { _ in pool.take() }
        for block in taken { pool.give(back: block) }
        let isKept = !pool.trim()
        #expect(isKept, "five were in use at once")
        let isTrimmed = pool.trim()
        #expect(isTrimmed, "none was in use since")
        let isDone = !pool.trim()
        #expect(isDone, "two are retained")
        let again = (0..<3).compactMap { _ in pool.take() }
        #expect(Set(again).count == 3)
        for block in again { pool.give(back: block) }
        pool.releaseAll()
    }

    @Test("a slab gives chunks back in which nothing is in use, and goes on with the others")
    func trimSlab() {
        var slab = Slab<Int>(chunkBytes: 4096)
        let places = (0..<2000).map { slab.take($0) }
        #expect(Set(places).count == 2000)
        let isFull = !slab.trim()
        #expect(isFull)
        for place in places.dropFirst() { slab.give(back: place) }
        let isTrimmed = slab.trim()
        #expect(isTrimmed && slab.live == 1)
        places[0].pointee = 77
        let more = (0..<2000).map { slab.take($0) }
        #expect(Set(more).count == 2000 && !more.contains(places[0]))
        #expect(places[0].pointee == 77)
        for place in more { slab.give(back: place) }
        slab.give(back: places[0])
        _ = slab.trim()
        #expect(slab.live == 0)
        slab.deallocate()
    }

    @Test("an output queue keeps the order, returns its block with the last byte, and refuses what does not fit")
    func output() throws {
        var pool = BlockPool(blockBytes: 4096, retained: 4)
        var queue = OutputQueue()
        let text: [UInt8] = Array("hello world".utf8)
        #expect(queue.isEmpty)
        let isQueued = queue.append(text, 5, from: &pool)
        let isQueuedToo = text.withUnsafeBufferPointer { queue.append($0.baseAddress! + 5, 6, from: &pool) }
        #expect(isQueued && isQueuedToo)
        queue.remove(6, to: &pool)
        let front = try #require(queue.front)
        #expect(String(decoding: UnsafeBufferPointer(start: front, count: queue.count), as: UTF8.self) == "world")
        #expect(pool.taken == 1)
        let isTooMuch = queue.append([UInt8](repeating: 0, count: 4096), 4096, from: &pool)
        #expect(!isTooMuch)
        queue.remove(5, to: &pool)
        #expect(queue.isEmpty && pool.taken == 0)
        pool.releaseAll()
    }

    @Test("a turn's queue is first in, first out, and empty again after the last")
    func turns() {
        var queue = TurnQueue()
        let places = UnsafeMutablePointer<ClientConnection>.allocate(capacity: 3)
        defer { places.deallocate() }
        for index in 0..<3 { queue.append(.init(place: places + index, generation: UInt32(index), kind: .client)) }
        var seen: [UInt32] = []
        while let entry = queue.next() { seen.append(entry.generation) }
        #expect(seen == [0, 1, 2] && queue.isEmpty)
    }

    @Test("a turn's queue that is never empty keeps no more than what waits and was taken out lately", arguments: [2, 3, 500])
    func busyTurns(connections: Int) {
        var queue = TurnQueue()
        let places = UnsafeMutablePointer<ClientConnection>.allocate(capacity: 1)
        defer { places.deallocate() }
        for number in 0..<connections { queue.append(.init(place: places, generation: UInt32(number), kind: .client)) }
        for turn in 0..<20 * connections + 10_000 {
            guard let entry = queue.next() else { return #expect(Bool(false), "an entry is gone") }
            #expect(Int(entry.generation) == turn % connections)
            queue.append(entry)
            #expect(queue.count == connections && queue.heldCount <= 2 * connections + 130)
        }
    }
}
