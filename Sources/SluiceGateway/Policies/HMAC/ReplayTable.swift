import Glibc
import Synchronization

/// The signatures that were accepted within the skew window, shared by all workers without a lock.
///
/// A fixed number of 64-bit words, in buckets of 64 (eight cache lines). A word holds 39 bits of the signature and the
/// low 24 bits of the second that was signed; 64 other bits of the signature choose the bucket. As the second is part of
/// what is signed, an equal signature always makes an equal word, so that one compare-and-swap both tests and marks.
/// Two different signatures are taken for one with a probability below 64 in 2^39, and only if they name the same second.
///
/// Invariants:
/// 1. A word, once not zero, never becomes zero again; it is replaced when its second has left the window.
/// 2. Behind the first zero word of a bucket there are only zero words: a new word takes the first place that is free.
/// 3. Whoever has marked looks at the bucket once more. Two workers that mark one signature in two places (one of them saw
///    an old word leave the window a moment earlier) therefore see each other, and both refuse.
///
/// A bucket full of live words refuses what comes (`.full`): admitting it would admit its replay.
///
/// Sendable, because its members do not change and the words that they point to are atomic.
final class ReplayTable: @unchecked Sendable {
    /// Fewest signatures that a table can be made for: one bucket.
    static let capacityMin = bucketWords
    /// Most: 128 MiB.
    static let capacityMax = 1 << 24

    static let bucketWords = 64
    /// Seconds by which the clocks of two workers, or one clock at two times, may differ before a word is given up.
    static let slackSeconds: Int64 = 60

    enum Outcome: BitwiseCopyable, Sendable, Equatable {
        /// Never seen within the window; seen from this moment on.
        case fresh
        case replayed
        /// No room. Counts as a replay for the caller.
        case full
    }

    /// What policies hold; valid as long as the table, and Sendable for the same reason.
    struct Handle: BitwiseCopyable, @unchecked Sendable {
        fileprivate let words: UnsafeMutablePointer<Atomic<UInt64>>
        fileprivate let bucketMask: UInt64

        /// Marks a signature as seen.
        ///
        /// - Parameters:
        ///   - mac: a raw MAC of at least 16 bytes, already found right.
        ///   - second: the signed timestamp in seconds since the Unix epoch.
        ///   - now: seconds since the Unix epoch.
        ///   - skew: the policy's clock skew: `second` is at most so far from `now`.
        func insert(_ mac: UnsafePointer<UInt8>, second: Int64, now: Int64, skew: Int64) -> Outcome {
            let raw = UnsafeRawPointer(mac)
            let tag = raw.loadUnaligned(as: UInt64.self)
            let place = raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            // The lowest tag bit is set so that no word is zero.
            let word = (tag | 1) << 24 | UInt64(truncatingIfNeeded: second) & 0xFF_FFFF
            let bucket = words + Int(place & bucketMask) * ReplayTable.bucketWords
            // Every failed exchange means that another worker marked something: a bucket's worth of tries is more than
            // any number of workers makes likely.
            for _ in 0..<ReplayTable.bucketWords {
                guard let free = findFree(in: bucket, for: word, now: now, skew: skew) else { return .replayed }
                guard free.index < ReplayTable.bucketWords else { return .full }
                let exchanged = bucket[free.index].compareExchange(
                    expected: free.content, desired: word, ordering: .sequentiallyConsistent)
                if exchanged.exchanged {
                    return occursOnce(word, in: bucket, at: free.index) ? .fresh : .replayed
                }
            }
            return .full
        }

        /// The first place whose word may be replaced; index `bucketWords` where there is none; nil where `word` stands already.
        private func findFree(
            in bucket: UnsafeMutablePointer<Atomic<UInt64>>, for word: UInt64, now: Int64, skew: Int64
        ) -> (index: Int, content: UInt64)? {
            var free = (index: ReplayTable.bucketWords, content: UInt64(0))
            var index = 0
            while index < ReplayTable.bucketWords {
                let content = bucket[index].load(ordering: .sequentiallyConsistent)
                if content == word { return nil }
                if free.index == ReplayTable.bucketWords, !isLive(content, now: now, skew: skew) {
                    free = (index, content)
                }
                if content == 0 { break }
                index += 1
            }
            return free
        }

        private func occursOnce(_ word: UInt64, in bucket: UnsafeMutablePointer<Atomic<UInt64>>, at own: Int) -> Bool {
            var index = 0
            while index < ReplayTable.bucketWords {
                let content = bucket[index].load(ordering: .sequentiallyConsistent)
                if content == word, index != own { return false }
                if content == 0 { return true }
                index += 1
            }
            return true
        }

        /// Seconds are compared modulo 2^24 (194 days): a word of that age could seem live for one window, which costs
        /// its place for so long and nothing else.
        private func isLive(_ word: UInt64, now: Int64, skew: Int64) -> Bool {
            guard word != 0 else { return false }
            let difference = UInt32(truncatingIfNeeded: now) &- UInt32(truncatingIfNeeded: word)
            let age = Int64(Int32(bitPattern: difference << 8) >> 8)
            return abs(age) <= skew + ReplayTable.slackSeconds
        }
    }

    let handle: Handle
    /// Signatures that fit, a power of two.
    let capacity: Int

    /// - Parameter capacity: rounded up to a power of two within `capacityMin` and `capacityMax`.
    init(capacity: Int) {
        var rounded = Self.capacityMin
        while rounded < min(capacity, Self.capacityMax) { rounded *= 2 }
        self.capacity = rounded
        // From calloc, so that a table costs memory only where it was written.
        guard let memory = calloc(rounded, MemoryLayout<Atomic<UInt64>>.stride) else {
            preconditionFailure("no memory for a table of \(rounded) signatures")
        }
        handle = Handle(
            words: memory.bindMemory(to: Atomic<UInt64>.self, capacity: rounded),
            bucketMask: UInt64(rounded / Self.bucketWords - 1))
    }

    deinit { free(handle.words) }
}
