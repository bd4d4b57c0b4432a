import Synchronization

/// Counts one project's admitted requests over all workers, so that no interval of one second holds more than the ceiling.
///
/// The picture: time is cut into slots of 5 ms. A ring remembers how many admissions each slot was charged with, and
/// `used` is their sum over the window, the slots that can lie in one second together with the present moment. A worker
/// charges a small lease to the present slot, spends it request by request from memory of its own, and gives back
/// what is left when the slot is over.
///
/// Why it holds: an admission is spent from a lease of the slot that the clock shows, so it stands in the ring under its own
/// slot, and it leaves `used` only when some clock has reached `windowSlots` later. Two admissions less than one second apart are at most
/// 200 slots apart, hence both in `used` when the later one was granted, and `used` never exceeds the ceiling. The
/// window is two slots longer than that: one because a second can begin inside a slot, one because a worker reads its
/// clock once per turn of the loop, and a turn may take a few milliseconds. That is what the 1 % pays for that may stay unused: 200/202.
///
/// Races are resolved to the safe side. A lease is charged to `used` first, then to the ring; if the slot expires
/// in between, the charge stays until its place in the ring is reused: less is admitted, never more. Giving back removes the lease
/// from the ring by compare-and-swap under the slot's tag, so that an expiry cannot count it a second time.
///
/// Nothing here takes a lock. Lost and won races only repeat a compare-and-swap.
enum CeilingMeter {
    /// The words of one project, shared by all workers and outliving every reload.
    typealias Words = UnsafeMutablePointer<Atomic<UInt64>>

    static let slotNanoseconds: UInt64 = 5_000_000
    static let windowSlots: UInt64 = 202
    /// Slots in the ring; a power of two. What exceeds the window is how late a stalled worker may charge without touching a live slot.
    private static let ringSlots: UInt64 = 256
    private static let tagShift: UInt64 = 32
    private static let countMask: UInt64 = (1 << tagShift) - 1

    private static let used = 0
    private static let horizon = 1
    private static let ceiling = 2
    /// The ring begins on a cache line of its own.
    private static let ring = 8

    /// Words for one project. Freed with the registry only: a worker may hold a lease from them at any time.
    static func make(ceiling limit: UInt64, now: UInt64) -> Words {
        let count = ring + Int(ringSlots)
        let words = Words.allocate(capacity: count)
        for index in 0..<count { (words + index).initialize(to: Atomic(0)) }
        words[horizon].store(now / slotNanoseconds, ordering: .relaxed)
        words[ceiling].store(limit, ordering: .relaxed)
        return words
    }

    /// Changes the ceiling; holds for the next lease.
    static func setCeiling(_ words: Words, to limit: UInt64) { words[ceiling].store(limit, ordering: .relaxed) }

    /// The ceiling at this moment.
    static func ceiling(of words: Words) -> UInt64 { words[ceiling].load(ordering: .relaxed) }

    /// Admissions charged to the present window, leases included: for metrics.
    static func usage(of words: Words, now: UInt64) -> UInt64 {
        expire(words, through: now / slotNanoseconds)
        return words[used].load(ordering: .relaxed)
    }

    /// One worker's share of one project. Only that worker touches it.
    struct Lease {
        /// The slot that the remainder was charged to.
        var slot: UInt64 = 0
        var remaining: UInt32 = 0
    }

    /// Admits one request at `now` (nanoseconds, monotonic) or refuses it.
    @inline(__always)
    static func admit(_ words: Words, _ lease: UnsafeMutablePointer<Lease>, now: UInt64, workers: UInt64) -> Bool {
        let slot = now / slotNanoseconds
        if lease.pointee.slot == slot, lease.pointee.remaining > 0 {
            lease.pointee.remaining &-= 1
            return true
        }
        return renew(words, lease, slot: slot, workers: workers)
    }

    @inline(never)
    private static func renew(
        _ words: Words, _ lease: UnsafeMutablePointer<Lease>, slot: UInt64, workers: UInt64
    ) -> Bool {
        if lease.pointee.remaining > 0 {
            giveBack(words, count: UInt64(lease.pointee.remaining), slot: lease.pointee.slot)
            lease.pointee.remaining = 0
        }
        expire(words, through: slot)
        let limit = words[ceiling].load(ordering: .relaxed)
        var current = words[used].load(ordering: .acquiring)
        while true {
            guard current < limit else { return false }
            let left = limit - current
            // A slot's even share, halved so that workers meet rarely; single admissions when little is left, so that
            // none of it lies unspent with one worker while another refuses.
            let share = max(1, min(64, limit / (200 * 2 * workers)))
            let want = left > 2 * share * workers ? share : 1
            let result = words[used].weakCompareExchange(
                expected: current, desired: current + want, ordering: .acquiringAndReleasing)
            if result.exchanged {
                charge(words, count: want, slot: slot)
                lease.pointee = Lease(slot: slot, remaining: UInt32(want - 1))
                return true
            }
            current = result.original
        }
    }

    /// Takes what the slots that left the window were charged with out of `used`.
    private static func expire(_ words: Words, through slot: UInt64) {
        var reached = words[horizon].load(ordering: .acquiring)
        while reached < slot {
            // After a pause longer than the ring every place is looked at once.
            let next = slot - reached > ringSlots ? slot - ringSlots : reached + 1
            let result = words[horizon].compareExchange(
                expected: reached, desired: next, ordering: .acquiringAndReleasing)
            guard result.exchanged else {
                reached = result.original
                continue
            }
            if next >= windowSlots {
                let word = words[ring + Int((next - windowSlots) % ringSlots)]
                    .exchange(0, ordering: .acquiringAndReleasing)
                let count = word & countMask
                if count > 0 { words[used].subtract(count, ordering: .acquiringAndReleasing) }
            }
            reached = next
        }
    }

    private static func charge(_ words: Words, count: UInt64, slot: UInt64) {
        let place = ring + Int(slot % ringSlots)
        let tag = tag(of: slot)
        var word = words[place].load(ordering: .relaxed)
        while true {
            // A count under an older tag was charged too late to be expired; it goes on under this one.
            let desired = tag | (word & countMask) + count
            let result = words[place].weakCompareExchange(
                expected: word, desired: desired, ordering: .acquiringAndReleasing)
            if result.exchanged { return }
            word = result.original
        }
    }

    private static func giveBack(_ words: Words, count: UInt64, slot: UInt64) {
        let place = ring + Int(slot % ringSlots)
        let tag = tag(of: slot)
        var word = words[place].load(ordering: .relaxed)
        while word & ~countMask == tag, word & countMask >= count {
            let result = words[place].weakCompareExchange(
                expected: word, desired: word - count, ordering: .acquiringAndReleasing)
            if result.exchanged {
                words[used].subtract(count, ordering: .acquiringAndReleasing)
                return
            }
            word = result.original
        }
    }

    private static func tag(of slot: UInt64) -> UInt64 { slot << tagShift }
}
