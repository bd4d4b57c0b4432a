import Glibc
package import Synchronization

/// Counts callers, any number of them up to a bound, so that no interval of a limit's length holds more admissions of a caller than its limit.
/// One table for all workers and all limits of a process.
///
/// The picture: a caller's entry has fourteen slots, and a limit is divided among them. A slot is a permission that may be used a number of times
/// and then rests: it may be used anew when the interval has passed since its *latest* use. So an interval
/// contains at most the uses of a slot between two rests. These are at most its capacity. Over all slots they are at most the limit. The bound needs
/// nothing else: it does not depend on which slot is used, in which order, or on what other workers do meanwhile.
///
/// A limit of up to fourteen has a slot for each admission: a caller is refused only if it had all of its limit within the interval. Above that, slots
/// are used one after the other, each until it is full. The one that was filled first is the first to be free again, and its
/// first uses are then older than an interval; so a caller is refused only if it had more than its limit less one slot's capacity, a fourteenth. A caller
/// of that rate or less is never refused, however its requests are spaced, and all of the limit may come at once.
///
/// A slot is one word: the tick of its latest use, and how often it was used since it rested. Every use is one compare-and-swap of that word.
/// An interval counts by when requests leave, as with ceilings. A request may leave up to `LimitRule.graceNanoseconds` after its charge and takes
/// `CeilingMeter.sendingNanoseconds` to be sent; slots rest for so much longer, two thousandths of a second. Who is later moves the charge (`move`).
///
/// Another limit needs no change of the entry: capacities grow or shrink slot by slot, so that over the change an interval holds no more than the
/// larger of the two limits.
///
/// Where entries are: a key has two buckets of seven places. A place has the lower half of its key in the bucket's first line, the upper half,
/// the length of its rest and fourteen slots in two lines of its own. Who finds its key there takes no lock. Who does not takes both buckets' locks, which
/// only such callers take, looks again, and takes the place of nobody or of a key all of whose slots have rested: it could be admitted
/// its whole limit, so forgetting it changes nothing. Of two buckets the one with more such places is chosen, so that seven
/// of ten places are taken before one key in a hundred thousand finds none. A lock that is not free after some tries counts as a table that is full; it is
/// held for less than a microsecond, unless its holder is interrupted.
///
/// Who takes the place of another key K marks it first and looks at the slots then; who charges a slot of K looks at the mark afterwards. All four steps
/// are sequentially consistent, so one of the two sees the other: either the place is left to K, or the charge counts for nothing and its
/// request begins again. A charge that has stood like that is not taken back, since the slot may be another's by then: it costs that one an
/// admission at most, for one interval.
///
/// Time is the monotonic clock's, which no setting of the clock moves. It stands still while a machine sleeps: less is admitted then. A
/// worker whose clock is behind finds slots used in its future, which it takes for used.
///
/// Sendable, because all words are atomic and stay where they are: until `free`, or for as long as the `LimitFile` whose memory it is.
package struct LimitTable: BitwiseCopyable, @unchecked Sendable {
    package typealias Words = UnsafeMutablePointer<Atomic<UInt64>>

    /// What became of a request.
    package enum Outcome: Sendable, Equatable {
        case taken
        /// The caller has used its limit up.
        case exhausted
        /// The caller is not known, and there is no place for it.
        case full
    }

    static let slotsOfEntry: UInt64 = 14
    static let placesOfBucket = 7
    /// Words of an entry: the upper half of its key, its rest with the number of the slot in use, and the slots.
    static let entryWords = 16
    static let slotsBegin = 2
    /// Words of a bucket: its lock, the lower halves of seven keys, seven entries.
    static let bucketWords = 8 + placesOfBucket * entryWords
    /// The word of a slot: the tick, then how often it was used.
    static let countBits: UInt64 = 20
    static let countMask: UInt64 = (1 << countBits) - 1
    /// In the word of an entry's rest: the number of the slot in use.
    static let hintMask: UInt64 = 15
    static let restShift: UInt64 = 4
    /// In the lower half of a key: the place is being given to another.
    static let closing: UInt64 = 1

    /// Bytes that a table takes for each key that it has room for, rounded up.
    package static let bytesOfKey = bucketWords * 8 * 100 / (placesOfBucket * fillPercent) + 1
    /// How many of a hundred places may be taken before keys find none.
    static let fillPercent = 65

    // Places of the words before the buckets.
    static let origin = 0
    static let used = 1
    static let fullCount = 2
    static let bucketsBegin = 8

    let words: Words
    let bucketCount: UInt64
    /// Who locks buckets.
    let process: Process

    /// - Parameters:
    ///   - keys: how many callers it has room for at once; fewer where the system has not so much memory. It stays untouched until it is needed.
    ///   - allocate: memory of so many bytes, all zeros.
    package init(keys: Int, allocate: (Int) -> UnsafeMutableRawPointer? = { calloc(1, $0) }) {
        var buckets = Self.buckets(for: keys)
        var memory = allocate(Self.size(buckets) + 64)
        while memory == nil, buckets > 1 {
            buckets /= 2
            memory = allocate(Self.size(buckets) + 64)
        }
        guard let memory else { preconditionFailure("out of memory") }
        self.init(buckets: buckets, in: memory.alignedUp(toMultipleOf: 64), .only)
        words[Self.origin].store(UInt64(UInt(bitPattern: memory)), ordering: .relaxed)
    }

    /// A table in memory that somebody else frees.
    /// - Parameters:
    ///   - keys: how many callers it has room for at once.
    ///   - memory: `byteCount` bytes at an address that 64 divides: all zeros, or those of a table for as many keys, which this one goes on with.
    ///   - process: which of those it is that use the memory.
    package init(keys: Int, in memory: UnsafeMutableRawPointer, process: Process) {
        self.init(buckets: Self.buckets(for: keys), in: memory, process)
    }

    private init(buckets: Int, in memory: UnsafeMutableRawPointer, _ process: Process) {
        self.process = process
        words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: Self.size(buckets) / 8)
        bucketCount = UInt64(buckets)
    }

    private static func buckets(for keys: Int) -> Int { (max(1, keys) * 100 + placesOfBucket * fillPercent - 1) / (placesOfBucket * fillPercent) }

    /// Bytes of memory for so many buckets.
    private static func size(_ buckets: Int) -> Int { (bucketsBegin + buckets * bucketWords) * 8 }

    /// Bytes of a table for so many keys.
    package static func byteCount(keys: Int) -> Int { size(buckets(for: keys)) }

    /// Gives the memory back if the table has allocated it; nobody may use the table any more.
    package func free() { Glibc.free(UnsafeMutableRawPointer(bitPattern: UInt(words[Self.origin].load(ordering: .relaxed)))) }

    // MARK: Requests

    /// Admits one request of a caller at `now` (nanoseconds, monotonic), or refuses it.
    /// - Parameter charge: what it was charged to.
    package func take(_ key: LimitKey, _ rule: LimitRule, now: UInt64, charge: inout LimitCharge) -> Outcome {
        take(key, rule, now: now, charge: &charge, interruption: Uninterrupted())
    }

    /// The same for a request that leaves at once.
    package func take(_ key: LimitKey, _ rule: LimitRule, now: UInt64) -> Outcome {
        var charge = LimitCharge.none
        return take(key, rule, now: now, charge: &charge)
    }

    /// Whether what was charged leaves, at `now`, later than its charge stands for: it must be moved before.
    @inline(__always)
    package static func isLate(_ charge: LimitCharge, now: UInt64) -> Bool {
        now > (charge.tick &<< LimitRule.tickShift) &+ LimitRule.graceNanoseconds
    }

    /// Charges what was admitted at the present instead of when it was: it leaves now.
    ///
    /// As long as the charge counts, nobody is refused. If it does not any more, because the request has waited for longer than the
    /// interval, it is charged like a new one.
    package func move(_ key: LimitKey, _ rule: LimitRule, now: UInt64, charge: inout LimitCharge) -> Outcome {
        move(key, rule, now: now, charge: &charge, interruption: Uninterrupted())
    }

    /// Takes back what was charged in this moment: the request is refused for another reason of the same list.
    package func undo(_ rule: LimitRule, _ charge: inout LimitCharge) {
        defer { charge = .none }
        guard let slot = charge.slot else { return }
        // It was the first since the slot had rested, and nobody has used it since: the slot becomes what it was. If others are counted with it, the
        // tick stays: one of them may have been moved to it, or have come with it. What was moved has nothing that it was.
        if charge.after & Self.countMask == 1, charge.before != charge.after,
            slot.pointee.compareExchange(expected: charge.after, desired: charge.before, ordering: .sequentiallyConsistent).exchanged {
            return
        }
        var word = slot.pointee.load(ordering: .acquiring)
        while counts(charge, in: word, rule) {
            let result = slot.pointee.weakCompareExchange(expected: word, desired: word - 1, ordering: .sequentiallyConsistent)
            if result.exchanged { return }
            word = result.original
        }
    }

    /// Whether a charge is among those that the word of its slot tells of: the slot cannot have rested since.
    func counts(_ charge: LimitCharge, in word: UInt64, _ rule: LimitRule) -> Bool {
        let tick = word >> Self.countBits
        return word & Self.countMask > 0 && tick >= charge.tick && tick < charge.tick + rule.span
    }

    // MARK: Looking

    /// What is left of a caller's limit.
    package struct Rest: Equatable, Sendable {
        /// Requests that would be admitted now.
        package var remaining: UInt64
        /// Nanoseconds until one more is, if nobody else takes it; 0 if now.
        package var wait: UInt64
    }

    package func rest(of key: LimitKey, _ rule: LimitRule, now: UInt64) -> Rest {
        guard let place = find(key) else { return Rest(remaining: rule.limit, wait: 0) }
        var remaining: UInt64 = 0
        var first = UInt64.max
        for number in 0..<rule.slots {
            let word = place.slot(number).pointee.load(ordering: .relaxed)
            let (tick, count, capacity) = (word >> Self.countBits, word & Self.countMask, rule.capacity(number))
            if tick + rule.span <= LimitRule.tick(containing: now) {
                remaining += capacity
            } else {
                remaining += capacity - min(capacity, count)
                first = min(first, tick + rule.span)
            }
        }
        guard remaining == 0 else { return Rest(remaining: remaining, wait: 0) }
        let free = first << LimitRule.tickShift
        return Rest(remaining: 0, wait: free - min(now, free))
    }

    /// Places that a key has, also one that has rested and whose place nobody has needed since.
    package var usedPlaces: UInt64 { words[Self.used].load(ordering: .relaxed) }
    /// How often a caller found no place.
    package var fullTimes: UInt64 { words[Self.fullCount].load(ordering: .relaxed) }
    /// How many callers it has room for.
    package var room: UInt64 { places * UInt64(Self.fillPercent) / 100 }
    /// All places.
    package var places: UInt64 { bucketCount * UInt64(Self.placesOfBucket) }
    /// Bytes of the table, when all of it is in use.
    package var bytes: UInt64 { (UInt64(Self.bucketsBegin) + bucketCount * UInt64(Self.bucketWords)) * 8 }
}
