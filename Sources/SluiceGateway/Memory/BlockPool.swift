import Glibc
import SluiceEvent

/// Blocks of one size for one worker: taken when bytes arrive, returned when nothing refers to them.
///
/// Last in, first out, so that the block in use is the one that the processor's cache still holds. Blocks come from
/// the system one by one and untouched pages of them cost nothing. They go back by `trim`, now and then, down to what was in
/// use at once since the last time: returned as they are freed, a load above a fixed number would map and unmap for
/// every request, which costs more than the request.
struct BlockPool {
    private struct FreeBlock {
        var next: UnsafeMutableRawPointer?
    }

    let blockBytes: Int
    /// Free blocks that are always kept.
    private let retained: Int
    private var free: UnsafeMutableRawPointer?
    private var freeCount = 0
    /// Blocks in use at this moment.
    private(set) var taken = 0
    /// Most blocks in use at once since the last `trim`.
    private var peak = 0

    init(blockBytes: Int, retained: Int) {
        let page = 4096
        self.blockBytes = (blockBytes + page - 1) & ~(page - 1)
        self.retained = retained
    }

    /// A block with undefined content; nil when the system has no memory.
    mutating func take() -> UnsafeMutableRawPointer? {
        if let block = free {
            free = block.assumingMemoryBound(to: FreeBlock.self).pointee.next
            // The next taker reads there where the block behind it is.
            if let free { Cache.fetch(free, byteCount: Cache.lineBytes) }
            freeCount -= 1
            noteTaken()
            return block
        }
        let memory = mmap(nil, blockBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard memory != MAP_FAILED, let memory else { return nil }
        noteTaken()
        return memory
    }

    private mutating func noteTaken() {
        taken += 1
        if taken > peak { peak = taken }
    }

    mutating func give(back block: UnsafeMutableRawPointer) {
        taken -= 1
        #if DEBUG
        // Who goes on using it does not find what it was, in builds for tests: of the pages that every request touches.
        memset(block, 0xA5, min(blockBytes, 16_384))
        #endif
        block.bindMemory(to: FreeBlock.self, capacity: 1).pointee.next = free
        free = block
        freeCount += 1
    }

    /// Returns blocks to the system that were in use neither now nor at any time since the last call, but for `retained`
    /// of them. True if any went.
    mutating func trim() -> Bool {
        let kept = max(peak - taken, retained)
        peak = taken
        guard freeCount > kept else { return false }
        while freeCount > kept, let block = free {
            free = block.assumingMemoryBound(to: FreeBlock.self).pointee.next
            freeCount -= 1
            munmap(block, blockBytes)
        }
        return true
    }

    /// Returns the free blocks to the system.
    mutating func releaseAll() {
        while let block = free {
            free = block.assumingMemoryBound(to: FreeBlock.self).pointee.next
            munmap(block, blockBytes)
        }
        freeCount = 0
    }
}
