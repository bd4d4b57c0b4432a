import Synchronization

// The steps behind `admit`, in the order in which a renewal takes them. Each touches one shared word.

extension CeilingMeter {
    /// `admit` with points at which a simulation interrupts.
    package static func admit(
        _ words: Words, _ lease: UnsafeMutablePointer<Lease>, now: UInt64, workers: UInt64, interruption: some Interruption
    ) -> Bool {
        let slot = now / slotNanoseconds
        if lease.pointee.slot == slot, lease.pointee.remaining > 0 {
            lease.pointee.remaining &-= 1
            return true
        }
        return renew(words, lease, slot: slot, workers: workers, interruption: interruption)
    }

    static func renew(
        _ words: Words, _ lease: UnsafeMutablePointer<Lease>, slot read: UInt64, workers: UInt64, interruption: some Interruption
    ) -> Bool {
        // Another worker's clock may be ahead of the one that this worker has read: it is later than it thinks.
        var slot = max(read, words[horizon].load(ordering: .acquiring))
        if lease.pointee.slot == slot {
            if lease.pointee.remaining > 0 {
                lease.pointee.remaining &-= 1
                return true
            }
        } else {
            if lease.pointee.remaining > 0 {
                giveBack(words, count: UInt64(lease.pointee.remaining), slot: lease.pointee.slot, interruption)
            }
            if lease.pointee.refused > 0 {
                words[refused].add(UInt64(lease.pointee.refused), ordering: .relaxed)
            }
            lease.pointee.remaining = 0
            lease.pointee.refused = 0
            lease.pointee.slot = slot
        }
        expire(words, through: slot, interruption)
        var current = words[state].load(ordering: .acquiring)
        while true {
            let limit = limit(in: current, of: words, at: slot)
            let used = current & usedMask
            guard used < limit else {
                lease.pointee.refused &+= 1
                return false
            }
            let want = leaseSize(limit: limit, left: limit - used, workers: workers)
            interruption.point()
            let result = words[state].weakCompareExchange(expected: current, desired: current + want, ordering: .acquiringAndReleasing)
            guard result.exchanged else {
                current = result.original
                continue
            }
            interruption.point()
            // What others have let go of meanwhile must not lie within a second of this slot. Two slots of the window are there for it.
            let reached = words[horizon].load(ordering: .acquiring)
            if reached > slot + 1 {
                words[state].subtract(want, ordering: .acquiringAndReleasing)
                slot = reached
                lease.pointee.slot = slot
                current = words[state].load(ordering: .acquiring)
                continue
            }
            guard charge(words, count: want, slot: slot, interruption) else {
                lease.pointee.refused &+= 1
                return false
            }
            lease.pointee.remaining = UInt32(truncatingIfNeeded: want - 1)
            return true
        }
    }

    /// A slot's even share, divided so that what lies with a worker that has gone idle is a thousandth of the limit at
    /// most; single admissions when little is left, so that none lies with one worker while another refuses.
    private static func leaseSize(limit: UInt64, left: UInt64, workers: UInt64) -> UInt64 {
        let share = min(256, limit / (1000 * workers))
        return share > 1 && left > 2 * share * workers ? share : 1
    }

    /// The limit in force: beyond `validUntil` the one for a node that has lost its store.
    static func limit(in state: UInt64, of words: Words, at slot: UInt64) -> UInt64 {
        slot < words[validUntil].load(ordering: .relaxed) ? state >> limitShift : words[awayLimit].load(ordering: .relaxed)
    }

    /// Takes what the slots that left the window were charged with out of `used`.
    static func expire(_ words: Words, through slot: UInt64, _ interruption: some Interruption) {
        var reached = words[horizon].load(ordering: .acquiring)
        while reached < slot {
            interruption.point()
            let result = words[horizon].compareExchange(expected: reached, desired: slot, ordering: .acquiringAndReleasing)
            if result.exchanged { break }
            reached = result.original
        }
        guard reached < slot, slot >= windowSlots else { return }
        // The slots in (reached - window, slot - window] have left; after a pause longer than the ring, that is every place.
        let last = slot - windowSlots
        let count = min(slot - reached, ringSlots)
        var next = last &+ 1 &- count
        while next <= last {
            let place = next % ringSlots
            let word = charged + Int(place / 64)
            let bits = words[word].load(ordering: .acquiring) >> (place % 64)
            guard bits != 0 else {
                next += 64 - place % 64
                continue
            }
            let skipped = UInt64(bits.trailingZeroBitCount)
            next += skipped
            guard next <= last else { return }
            clear(words, place: place + skipped, through: next, interruption)
            next += 1
        }
    }

    /// Empties a place whose slot is `slot` or an earlier one.
    private static func clear(_ words: Words, place: UInt64, through slot: UInt64, _ interruption: some Interruption) {
        let bit = (1 as UInt64) << (place % 64)
        words[charged + Int(place / 64)].bitwiseAnd(~bit, ordering: .acquiringAndReleasing)
        interruption.point()
        var word = words[ring + Int(place)].load(ordering: .acquiring)
        while word & countMask > 0 {
            guard word >> countBits <= slot else {
                words[charged + Int(place / 64)].bitwiseOr(bit, ordering: .acquiringAndReleasing)
                return
            }
            interruption.point()
            let result = words[ring + Int(place)].weakCompareExchange(expected: word, desired: 0, ordering: .acquiringAndReleasing)
            if result.exchanged {
                interruption.point()
                words[state].subtract(word & countMask, ordering: .acquiringAndReleasing)
                return
            }
            word = result.original
        }
    }

    /// Writes into the ring what `used` has been raised by. False if the worker was stalled for so long that the place
    /// belongs to a later slot; the charge has then been taken back.
    static func charge(_ words: Words, count: UInt64, slot: UInt64, _ interruption: some Interruption) -> Bool {
        let place = Int(slot % ringSlots)
        var word = words[ring + place].load(ordering: .acquiring)
        while true {
            let owner = word >> countBits
            if owner > slot, word & countMask > 0 {
                words[state].subtract(count, ordering: .acquiringAndReleasing)
                return false
            }
            let isOwn = owner == slot
            let desired = isOwn ? word + count : slot << countBits | count
            interruption.point()
            let result = words[ring + place].weakCompareExchange(expected: word, desired: desired, ordering: .acquiringAndReleasing)
            if result.exchanged {
                interruption.point()
                // What stood there was 256 slots old: its time is over, whoever was to expire it.
                if !isOwn, word & countMask > 0 { words[state].subtract(word & countMask, ordering: .acquiringAndReleasing) }
                break
            }
            word = result.original
        }
        let bit = (1 as UInt64) << UInt64(place % 64)
        if words[charged + place / 64].load(ordering: .acquiring) & bit == 0 {
            words[charged + place / 64].bitwiseOr(bit, ordering: .acquiringAndReleasing)
        }
        return true
    }

    /// Takes the rest of a lease out of its slot, unless the slot has left the window by then.
    private static func giveBack(_ words: Words, count: UInt64, slot: UInt64, _ interruption: some Interruption) {
        let place = ring + Int(slot % ringSlots)
        var word = words[place].load(ordering: .acquiring)
        while word >> countBits == slot, word & countMask >= count {
            interruption.point()
            let result = words[place].weakCompareExchange(expected: word, desired: word - count, ordering: .acquiringAndReleasing)
            if result.exchanged {
                interruption.point()
                words[state].subtract(count, ordering: .acquiringAndReleasing)
                return
            }
            word = result.original
        }
    }
}
