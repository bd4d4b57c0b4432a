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
