import Synchronization

// What becomes of a charge whose request leaves later than it stands for.

extension CeilingMeter {
    /// Charges what was admitted to the present slot instead of its own: it leaves now.
    ///
    /// As long as the old slot is in the window, what is in use remains what it was, and nobody is refused. If it has left the window, or its
    /// charge came from a pocket, what was admitted is charged like a new request.
    ///
    /// - Parameter now: the clock, read for this.
    /// - Returns: false if the request may not leave: nothing of it is charged to the present any more.
    package static func move(
        _ words: Words, _ lease: UnsafeMutablePointer<Lease>, charge: inout Charge, now: UInt64, workers: UInt64, pocket: UInt32 = 0
    ) -> Bool {
        move(words, lease, charge: &charge, now: now, workers: workers, pocket: pocket, interruption: Uninterrupted())
    }

    /// `move` with points at which a simulation interrupts.
    package static func move(
        _ words: Words, _ lease: UnsafeMutablePointer<Lease>, charge: inout Charge, now: UInt64, workers: UInt64, pocket: UInt32 = 0,
        interruption: some Interruption
    ) -> Bool {
        // Whoever has read a later clock is right: it is at least that late.
        let slot = max(now / slotNanoseconds, words[horizon].load(ordering: .acquiring))
        if charge.slot != pocketSlot {
            expire(words, through: slot, interruption)
            if take(words, from: charge.slot, interruption) {
                // In `used` and in no slot, as a new charge is for a moment. The end of a share is kept: what is in use must end with it.
                let current = words[state].load(ordering: .acquiring)
                let isOver = slot >= words[validUntil].load(ordering: .relaxed) && current & usedMask > words[awayLimit].load(ordering: .relaxed)
                if isOver {
                    words[state].subtract(1, ordering: .acquiringAndReleasing)
                    return false
                }
                charge = Charge(slot: slot, lastSlot: slot &+ 1)
                return self.charge(words, count: 1, slot: slot, interruption)
            }
        }
        return admitAnew(words, lease, charge: &charge, now: now, workers: workers, pocket: pocket, interruption: interruption)
    }

    private static func admitAnew(
        _ words: Words, _ lease: UnsafeMutablePointer<Lease>, charge: inout Charge, now: UInt64, workers: UInt64, pocket: UInt32,
        interruption: some Interruption
    ) -> Bool {
        let slot = now / slotNanoseconds
        charge = Charge(slot: pocketSlot, lastSlot: slot &+ 1)
        if pocket > 0, takeFromPocket(lease, now: now, pocket: pocket) { return true }
        guard admit(words, lease, now: now, workers: workers, interruption: interruption) else { return false }
        charge = Charge(slot: lease.pointee.slot, lastSlot: lease.pointee.slot &+ 1)
        return true
    }

    /// Takes one out of a slot, unless that has left the window. It remains in `used`.
    private static func take(_ words: Words, from slot: UInt64, _ interruption: some Interruption) -> Bool {
        let place = ring + Int(slot % ringSlots)
        var word = words[place].load(ordering: .acquiring)
        while word >> countBits == slot, word & countMask > 0 {
            interruption.point()
            let result = words[place].weakCompareExchange(expected: word, desired: word - 1, ordering: .acquiringAndReleasing)
            if result.exchanged { return true }
            word = result.original
        }
        return false
    }
}
