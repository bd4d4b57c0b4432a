/// What one worker remembers of pre-call APIs' 200s: which requests were let through, and until when.
///
/// Entries are 24 bytes in buckets of eight, in memory of fixed size; a full bucket gives up the entry that would end first.
/// An entry is a keyed 128-bit hash of all that distinguishes the request and nothing else. Two different requests share
/// a value with a probability of 2^-128 each time, and a client cannot search for a pair, because it has not the key:
/// keeping the fields to compare them would cost kilobytes per entry and buy nothing.
///
/// For one worker's thread. Ends with its snapshot, so a reload asks again.
final class PreCallCache: WorkerResource {
    struct Entry: BitwiseCopyable {
        var key: SipHash128.Value
        /// Nanoseconds of the monotonic clock at which it is over; 0 in a place that is not in use.
        var expiry: UInt64
    }

    private static let entriesPerBucket = 8

    struct Table: BitwiseCopyable {
        /// Nil where there are no buckets.
        fileprivate let entries: UnsafeMutablePointer<Entry>?
        /// A power of two, or 0.
        fileprivate let bucketCount: Int

        /// Whether this key is remembered at `now`.
        func contains(_ key: SipHash128.Value, at now: UInt64) -> Bool {
            guard let bucket = bucket(of: key) else { return false }
            var index = 0
            while index < PreCallCache.entriesPerBucket {
                if bucket[index].key == key { return now < bucket[index].expiry }
                index += 1
            }
            return false
        }

        /// Remembers this key until `expiry`, for an answer that came at `now`.
        func remember(_ key: SipHash128.Value, until expiry: UInt64, at now: UInt64) {
            guard let bucket = bucket(of: key), now < expiry else { return }
            var victim = 0
            var index = 0
            while index < PreCallCache.entriesPerBucket {
                if bucket[index].key == key {
                    victim = index
                    break
                }
                // One that is over, or not in use, ends before any that is not.
                if bucket[index].expiry < bucket[victim].expiry { victim = index }
                index += 1
            }
            bucket[victim] = Entry(key: key, expiry: expiry)
        }

        private func bucket(of key: SipHash128.Value) -> UnsafeMutablePointer<Entry>? {
            guard let entries else { return nil }
            let index = Int(truncatingIfNeeded: key.low) & (bucketCount - 1)
            return entries + index * PreCallCache.entriesPerBucket
        }
    }

    private let table: UnsafeMutablePointer<Table>
    private let memory: SystemMemory?

    /// - Parameters:
    ///   - bytesMax: bound of the entries' memory; below the size of one bucket nothing is remembered. It is less where the system
    ///     has not so much.
    ///   - allocate: memory of so many bytes, all zeros: places that are not in use.
    init(bytesMax: Int, allocate: (Int) -> SystemMemory? = SystemMemory.allocate) {
        let bucketBytes = MemoryLayout<Entry>.stride * Self.entriesPerBucket
        let bucketsMax = max(0, bytesMax) / bucketBytes
        var bucketCount = bucketsMax == 0 ? 0 : 1 << (Int.bitWidth - 1 - bucketsMax.leadingZeroBitCount)
        var memory: SystemMemory?
        while bucketCount > 0, memory == nil {
            memory = allocate(bucketCount * bucketBytes)
            if memory == nil { bucketCount /= 2 }
        }
        self.memory = memory
        let entries = memory?.base.bindMemory(to: Entry.self, capacity: bucketCount * Self.entriesPerBucket)
        table = .allocate(capacity: 1)
        table.initialize(to: Table(entries: entries, bucketCount: bucketCount))
    }

    deinit {
        memory?.deallocate()
        table.deallocate()
    }

    /// A `Table`.
    var handle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(table) }

    /// How many entries there is room for.
    var capacity: Int { table.pointee.bucketCount * Self.entriesPerBucket }
}
