import Synchronization

/// What the process remembers of pre-call APIs' answers: which requests were let through, and until when.
///
/// Entries are 24 bytes in buckets of ten, in memory of fixed size; a full bucket gives up the entry that would end first.
/// An entry is a keyed 128-bit hash of all that distinguishes the question and nothing else. Two different questions share
/// a value with a probability of 2^-128 each time, and a client cannot search for a pair, because it has not the key:
/// keeping the fields to compare them would cost kilobytes per entry and buy nothing.
///
/// Shared by all workers without a lock. A bucket begins with its version, which is odd while somebody writes: whoever reads looks at it
/// before and after, and believes nothing that was read in between if it has changed. Who finds a bucket in somebody's hands again
/// and again goes without: a miss, or an answer that is not remembered.
///
/// Sendable, because its members do not change and the words that they point to are atomic.
final class PreCallCache: @unchecked Sendable {
    private static let entriesPerBucket = 10
    private static let wordsPerEntry = 3
    private static let wordsPerBucket = 32
    /// How often a bucket is tried that somebody writes to.
    private static let readsMax = 8
    private static let writesMax = 64

    /// What policies hold; valid as long as the cache, and Sendable for the same reason.
    struct Table: BitwiseCopyable, @unchecked Sendable {
        /// Nil where there are no buckets.
        fileprivate let words: UnsafeMutablePointer<Atomic<UInt64>>?
        /// A power of two, or 0.
        fileprivate let bucketCount: Int

        /// Whether anything can be remembered.
        var hasRoom: Bool { bucketCount > 0 }

        /// Whether this key is remembered at `now`, in nanoseconds of the monotonic clock.
        func contains(_ key: SipHash128.Value, at now: UInt64) -> Bool {
            guard let bucket = bucket(of: key) else { return false }
            for _ in 0..<PreCallCache.readsMax {
                let version = bucket[0].load(ordering: .acquiring)
                guard version & 1 == 0 else { continue }
                let expiry = Self.expiry(of: key, in: bucket)
                atomicMemoryFence(ordering: .acquiring)
                if bucket[0].load(ordering: .relaxed) == version { return now < expiry }
            }
            return false
        }

        /// Remembers this key until `expiry`, for an answer that came at `now`.
        func remember(_ key: SipHash128.Value, until expiry: UInt64, at now: UInt64) {
            guard let bucket = bucket(of: key), now < expiry, let version = Self.lock(bucket) else { return }
            let entry = Self.place(for: key, in: bucket)
            entry[0].store(key.low, ordering: .relaxed)
            entry[1].store(key.high, ordering: .relaxed)
            entry[2].store(expiry, ordering: .relaxed)
            bucket[0].store(version &+ 2, ordering: .releasing)
        }

        private static func entry(_ index: Int, of bucket: UnsafeMutablePointer<Atomic<UInt64>>) -> UnsafeMutablePointer<Atomic<UInt64>> {
            bucket + (1 + index * PreCallCache.wordsPerEntry)
        }

        /// 0 where the key is not.
        private static func expiry(of key: SipHash128.Value, in bucket: UnsafeMutablePointer<Atomic<UInt64>>) -> UInt64 {
            var index = 0
            while index < PreCallCache.entriesPerBucket {
                let entry = entry(index, of: bucket)
                if entry[0].load(ordering: .relaxed) == key.low, entry[1].load(ordering: .relaxed) == key.high {
                    return entry[2].load(ordering: .relaxed)
                }
                index += 1
            }
            return 0
        }

        /// Where the key stands already, else what would end first: one that is over, or not in use, ends before any that is not.
        private static func place(
            for key: SipHash128.Value, in bucket: UnsafeMutablePointer<Atomic<UInt64>>
        ) -> UnsafeMutablePointer<Atomic<UInt64>> {
            var victim = entry(0, of: bucket)
            var index = 0
            while index < PreCallCache.entriesPerBucket {
                let entry = entry(index, of: bucket)
                if entry[0].load(ordering: .relaxed) == key.low, entry[1].load(ordering: .relaxed) == key.high { return entry }
                if entry[2].load(ordering: .relaxed) < victim[2].load(ordering: .relaxed) { victim = entry }
                index += 1
            }
            return victim
        }

        /// Makes the version odd; nil while others hold the bucket.
        private static func lock(_ bucket: UnsafeMutablePointer<Atomic<UInt64>>) -> UInt64? {
            for _ in 0..<PreCallCache.writesMax {
                let version = bucket[0].load(ordering: .relaxed)
                if version & 1 == 0,
                    bucket[0].compareExchange(expected: version, desired: version | 1, ordering: .acquiring).exchanged
                {
                    // Nothing that is written from here on may be seen before the odd version.
                    atomicMemoryFence(ordering: .releasing)
                    return version
                }
            }
            return nil
        }

        private func bucket(of key: SipHash128.Value) -> UnsafeMutablePointer<Atomic<UInt64>>? {
            guard let words else { return nil }
            return words + (Int(truncatingIfNeeded: key.low) & (bucketCount - 1)) * PreCallCache.wordsPerBucket
        }
    }

    let table: Table
    private let memory: SystemMemory?

    /// - Parameters:
    ///   - bytesMax: bound of the entries' memory; below the size of one bucket nothing is remembered. It is less where the system
    ///     has not so much.
    ///   - allocate: memory of so many bytes, all zeros: places that are not in use.
    init(bytesMax: Int, allocate: (Int) -> SystemMemory? = SystemMemory.allocate) {
        let bucketBytes = MemoryLayout<Atomic<UInt64>>.stride * Self.wordsPerBucket
        let bucketsMax = max(0, bytesMax) / bucketBytes
        var bucketCount = bucketsMax == 0 ? 0 : 1 << (Int.bitWidth - 1 - bucketsMax.leadingZeroBitCount)
        var memory: SystemMemory?
        while bucketCount > 0, memory == nil {
            memory = allocate(bucketCount * bucketBytes)
            if memory == nil { bucketCount /= 2 }
        }
        self.memory = memory
        let words = memory?.base.bindMemory(to: Atomic<UInt64>.self, capacity: bucketCount * Self.wordsPerBucket)
        table = Table(words: words, bucketCount: bucketCount)
    }

    deinit { memory?.deallocate() }

    /// How many entries there is room for.
    var capacity: Int { table.bucketCount * Self.entriesPerBucket }
}
