import Glibc
import SluiceEvent
import Synchronization

/// The signatures that were accepted within the skew window, shared without a lock by all workers and, during a takeover, by two
/// processes.
///
/// 64-bit words in buckets of 64 (eight cache lines). A word holds 39 bits of the signature and the low 24 bits of the second that was
/// signed; other bits of the signature choose the bucket. As the second is part of what is signed, an equal signature always makes an
/// equal word, so that one compare-and-swap both tests and marks. Two different signatures are taken for one with a probability below
/// 64 in 2^39, and only if they name the same second.
///
/// Invariants:
/// 1. A word, once not zero, never becomes zero again; it is replaced when its second has left the window.
/// 2. Behind the first zero word of a bucket there are only zero words: a new word takes the first place that is free.
/// 3. Whoever has marked looks at the bucket once more. Two workers that mark one signature in two places (one of them saw
///    an old word leave the window a moment earlier) therefore see each other, and both refuse.
/// 4. Whoever replaces a word has raised `floor` to its second before, and nothing that was signed up to the floor is admitted. So what
///    is not remembered any more is refused, however clocks step and skews change: after a step forwards, whose reading lets
///    words go, and back; and after a reload from a small skew to a large one.
///
/// A capacity is a number of buckets, of which all capacities use the first ones of the same memory. `levels` has a bit for every one that
/// was ever used, and a signature is looked for where each of them would have put it: so a reload may change the capacity, and
/// domains that share the secret may have different ones.
///
/// A bucket full of live words refuses what comes (`.full`): admitting it would admit its replay.
///
/// Sendable, because its members do not change and the words that they point to are atomic.
final class ReplayTable: @unchecked Sendable {
    /// Fewest signatures that a capacity may be: one bucket.
    static let capacityMin = bucketWords
    /// Most: 128 MiB.
    static let capacityMax = 1 << 24

    static let bucketWords = 64
    /// Seconds by which the clocks of two workers, or one clock at two times, may differ before a word is given up.
    static let slackSeconds: Int64 = 60

    /// In front of the words: tells that another process's memory is laid out as here.
    private static let layout: UInt64 = 0x736c_7563_6572_0001
    private static let headBytes = 4096
    private static let byteCount = headBytes + capacityMax * MemoryLayout<UInt64>.stride

    enum Outcome: BitwiseCopyable, Sendable, Equatable {
        /// Never seen within the window; seen from this moment on.
        case fresh
        case replayed
        /// Signed at a time of which the table does not know everything: before it began, or let go since.
        case forgotten
        /// No room. Counts as a replay for the caller.
        case full
    }

    fileprivate struct Head: ~Copyable {
        let layout: Atomic<UInt64>
        /// Bit n: buckets were chosen by n bits.
        let levels: Atomic<UInt64>
        /// Nothing that was signed up to this second since the Unix epoch is admitted.
        let floor: Atomic<Int64>
        /// Largest skew of all policies that use the table.
        let skew: Atomic<Int64>
    }

    /// What policies hold; valid as long as the table, and Sendable for the same reason.
    struct Handle: BitwiseCopyable, @unchecked Sendable {
        fileprivate let head: UnsafeMutablePointer<Head>
        fileprivate let words: UnsafeMutablePointer<Atomic<UInt64>>
        /// Bits that choose a bucket.
        fileprivate let level: UInt64

        /// Marks a signature as seen.
        ///
        /// - Parameters:
        ///   - mac: a raw MAC of at least 16 bytes, already found right.
        ///   - second: the signed timestamp in seconds since the Unix epoch.
        ///   - now: seconds since the Unix epoch.
        ///   - skew: the policy's clock skew: `second` is at most so far from `now`.
        func insert(_ mac: UnsafePointer<UInt8>, second: Int64, now: Int64, skew: Int64) -> Outcome {
            guard second > head.pointee.floor.load(ordering: .sequentiallyConsistent) else { return .forgotten }
            let raw = UnsafeRawPointer(mac)
            let tag = raw.loadUnaligned(as: UInt64.self)
            let place = raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            // The lowest tag bit is set so that no word is zero.
            let word = (tag | 1) << 24 | UInt64(truncatingIfNeeded: second) & 0xFF_FFFF
            let bucket = bucket(of: place, level: level)
            if standsElsewhere(word, place, than: bucket) { return .replayed }
            let window = max(skew, head.pointee.skew.load(ordering: .relaxed)) + ReplayTable.slackSeconds
            // Every failed exchange means that another worker marked something: a bucket's worth of tries is more than
            // any number of workers makes likely.
            for _ in 0..<ReplayTable.bucketWords {
                guard let free = findFree(in: bucket, for: word, now: now, window: window) else { return .replayed }
                guard free.index < ReplayTable.bucketWords else { return .full }
                if free.content != 0, free.age > 0 { ReplayTable.raiseFloor(of: head, to: now - free.age) }
                let exchanged = bucket[free.index].compareExchange(
                    expected: free.content, desired: word, ordering: .sequentiallyConsistent)
                guard exchanged.exchanged else { continue }
                guard occursOnce(word, in: bucket, at: free.index), !standsElsewhere(word, place, than: bucket) else { return .replayed }
                // Whoever has replaced this very word since it was looked for has raised the floor first.
                return second > head.pointee.floor.load(ordering: .sequentiallyConsistent) ? .fresh : .forgotten
            }
            return .full
        }

        private func bucket(of place: UInt64, level: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
            words + Int(place & (1 << level - 1)) * ReplayTable.bucketWords
        }

        /// Whether the word stands where another capacity puts it.
        @inline(__always)
        private func standsElsewhere(_ word: UInt64, _ place: UInt64, than own: UnsafeMutablePointer<Atomic<UInt64>>) -> Bool {
            let levels = head.pointee.levels.load(ordering: .sequentiallyConsistent)
            return levels != 1 << level && stands(word, place, at: levels, butIn: own)
        }

        @inline(never)
        private func stands(
            _ word: UInt64, _ place: UInt64, at levels: UInt64, butIn own: UnsafeMutablePointer<Atomic<UInt64>>
        ) -> Bool {
            for level in 0...ReplayTable.levelMax where levels & 1 << level != 0 {
                let bucket = bucket(of: place, level: level)
                if bucket != own, !occursOnce(word, in: bucket, at: ReplayTable.bucketWords) { return true }
            }
            return false
        }

        /// The first place whose word may be replaced; index `bucketWords` where there is none; nil where `word` stands already.
        ///
        /// A word of the far future can only come from a clock that was ahead. It is let go last: when its second comes, its replay
        /// could be admitted.
        private func findFree(
            in bucket: UnsafeMutablePointer<Atomic<UInt64>>, for word: UInt64, now: Int64, window: Int64
        ) -> (index: Int, content: UInt64, age: Int64)? {
            var free = (index: ReplayTable.bucketWords, content: UInt64(0), age: Int64(0))
            var future = free
            var index = 0
            while index < ReplayTable.bucketWords {
                let content = bucket[index].load(ordering: .sequentiallyConsistent)
                if content == word { return nil }
                if content == 0 {
                    if free.index == ReplayTable.bucketWords { free = (index, 0, 0) }
                    break
                }
                let age = Self.age(of: content, now: now)
                if age > window, free.index == ReplayTable.bucketWords { free = (index, content, age) }
                if age < -window, future.index == ReplayTable.bucketWords { future = (index, content, age) }
                index += 1
            }
            return free.index < ReplayTable.bucketWords ? free : future
        }

        /// Whether the word stands in no place of the bucket but `own`.
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

        /// Seconds since the word's, modulo 2^24 (194 days): beyond 97 days of age it is taken for one of the future.
        private static func age(of word: UInt64, now: Int64) -> Int64 {
            let difference = UInt32(truncatingIfNeeded: now) &- UInt32(truncatingIfNeeded: word)
            return Int64(Int32(bitPattern: difference << 8) >> 8)
        }

    }

    /// Refuses from now on what was signed up to `second`, in seconds since the Unix epoch. Any thread.
    func refuse(upTo second: Int64) { Self.raiseFloor(of: head, to: second) }

    /// Keeps words for the largest skew, in seconds, of all policies that use the table, and a little longer. Any thread.
    func remember(for skew: Int64) { head.pointee.skew.store(skew, ordering: .relaxed) }

    private static func raiseFloor(of head: UnsafeMutablePointer<Head>, to second: Int64) {
        var floor = head.pointee.floor.load(ordering: .sequentiallyConsistent)
        while floor < second {
            let exchanged = head.pointee.floor.weakCompareExchange(expected: floor, desired: second, ordering: .sequentiallyConsistent)
            if exchanged.exchanged { return }
            floor = exchanged.original
        }
    }

    private static let levelMax = UInt64((capacityMax / bucketWords).trailingZeroBitCount)

    private let memory: SharedMemory

    /// For a process that takes over; -1 where there is none.
    var descriptor: Int32 { memory.descriptor }

    private var head: UnsafeMutablePointer<Head> { memory.base.assumingMemoryBound(to: Head.self) }

    /// An empty table. Nil where the system has no memory for it.
    /// - Parameter isHandedOver: whether another process may be given it.
    init?(isHandedOver: Bool = false) {
        guard let memory = SharedMemory(byteCount: Self.byteCount, keepsDescriptor: isHandedOver) else { return nil }
        self.memory = memory
        head.pointee.layout.store(Self.layout, ordering: .releasing)
    }

    /// The table of another process, which goes on to use it. Nil where the descriptor, which is taken over, is of something else.
    init?(inherited descriptor: Int32) {
        guard let memory = SharedMemory(descriptor: descriptor, byteCount: Self.byteCount) else { return nil }
        self.memory = memory
        guard head.pointee.layout.load(ordering: .acquiring) == Self.layout else { return nil }
    }

    /// The table as a policy uses it.
    ///
    /// - Parameter capacity: signatures, rounded up to a power of two within `capacityMin` and `capacityMax`.
    func handle(capacity: Int) -> Handle {
        var level: UInt64 = 0
        while level < Self.levelMax, Self.bucketWords << level < capacity { level += 1 }
        head.pointee.levels.bitwiseOr(1 << level, ordering: .sequentiallyConsistent)
        let words = (memory.base + Self.headBytes).assumingMemoryBound(to: Atomic<UInt64>.self)
        return Handle(head: head, words: words, level: level)
    }
}
