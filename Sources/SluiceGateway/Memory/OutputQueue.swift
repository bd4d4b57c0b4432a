/// Bytes that a socket did not take yet. Holds a block of its worker's pool only while there are any.
struct OutputQueue {
    fileprivate(set) var block: UnsafeMutableRawPointer?
    /// Of the unsent bytes in the block, in 32 bits, so that the count below has room in the connection.
    private var start: UInt32 = 0
    private var end: UInt32 = 0
    /// Bytes that the peer had not acknowledged when its time to take some began.
    var owed: UInt32 = 0

    var isEmpty: Bool { start == end }
    var count: Int { Int(end &- start) }

    /// The first unsent byte; only when not empty.
    var front: UnsafeMutablePointer<UInt8>? {
        block.map { $0.assumingMemoryBound(to: UInt8.self) + Int(start) }
    }

    /// Queues a copy. False if the block has no room, which the callers' back-pressure excludes.
    mutating func append(_ bytes: UnsafePointer<UInt8>, _ count: Int, from pool: inout BlockPool) -> Bool {
        if block == nil {
            block = pool.take()
            start = 0
            end = 0
        }
        guard let block, count <= pool.blockBytes - Int(end) else { return false }
        (block + Int(end)).copyMemory(from: bytes, byteCount: count)
        end += UInt32(count)
        return true
    }

    /// Memory behind what waits, of `wanted` bytes at least, for the caller to write and then `add`: moved to the front of the block if need be. Nil
    /// without so much room.
    mutating func room(_ wanted: Int, from pool: inout BlockPool) -> (place: UnsafeMutablePointer<UInt8>, capacity: Int)? {
        if block == nil {
            block = pool.take()
            start = 0
            end = 0
        }
        guard let block else { return nil }
        if pool.blockBytes - Int(end) < wanted, start > 0 {
            block.copyMemory(from: block + Int(start), byteCount: count)
            end -= start
            start = 0
        }
        let capacity = pool.blockBytes - Int(end)
        guard capacity >= wanted else { return nil }
        return (block.assumingMemoryBound(to: UInt8.self) + Int(end), capacity)
    }

    /// Queues bytes that were written where `room` said.
    mutating func add(_ count: Int) { end += UInt32(count) }

    /// Gives the block back if nothing waits in it.
    mutating func settle(to pool: inout BlockPool) { if isEmpty { clear(to: &pool) } }

    /// Drops what was sent; the block goes back with the last byte.
    mutating func remove(_ count: Int, to pool: inout BlockPool) {
        start += UInt32(count)
        if start >= end { clear(to: &pool) }
    }

    /// Drops everything.
    mutating func clear(to pool: inout BlockPool) {
        if let block { pool.give(back: block) }
        block = nil
        start = 0
        end = 0
    }
}
