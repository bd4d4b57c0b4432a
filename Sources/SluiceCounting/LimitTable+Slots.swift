import Synchronization

// The steps of an admission. Each touches one shared word.

extension LimitTable {
    /// How often an admission begins again because its place was given to another key meanwhile.
    private static let triesMax = 8

    /// `take` with points at which a simulation interrupts.
    package func take(
        _ key: LimitKey, _ rule: LimitRule, now: UInt64, charge: inout LimitCharge, interruption: some Interruption
    ) -> Outcome {
        for _ in 0..<Self.triesMax {
            guard let place = find(key) ?? findOrMake(key, rule, now: now, interruption) else { break }
            interruption.point()
            let isTaken = use(place, rule, now: now, charge: &charge, interruption)
            interruption.point()
            // Not before the slot was charged: see the head of `LimitTable`.
            guard place.key.pointee.load(ordering: .sequentiallyConsistent) == key.low else { continue }
            return isTaken ? .taken : .exhausted
        }
        charge = .none
        words[Self.fullCount].add(1, ordering: .relaxed)
        return .full
    }

    /// Uses the slot in use, or the first behind it that can be used. False if none can.
    private func use(
        _ place: Place, _ rule: LimitRule, now: UInt64, charge: inout LimitCharge, _ interruption: some Interruption
    ) -> Bool {
        let past = LimitRule.tick(containing: now)
        let tick = LimitRule.tick(from: now)
        let state = place.rest.pointee.load(ordering: .relaxed)
        let hint = state & Self.hintMask
        var number = hint < rule.slots ? hint : 0
        for _ in 0..<rule.slots {
            let slot = place.slot(number)
            var word = slot.pointee.load(ordering: .acquiring)
            while let desired = Self.used(word, capacity: rule.capacity(number), rule, past: past, tick: tick) {
                interruption.point()
                let result = slot.pointee.weakCompareExchange(expected: word, desired: desired, ordering: .sequentiallyConsistent)
                if result.exchanged {
                    charge = LimitCharge(slot: slot, tick: desired &>> Self.countBits, before: word, after: desired)
                    // Lost to another worker, or to the next key of the place, it costs a longer search and nothing else.
                    if number != hint {
                        _ = place.rest.pointee.compareExchange(expected: state, desired: state & ~Self.hintMask | number, ordering: .relaxed)
                    }
                    return true
                }
                word = result.original
            }
            number &+= 1
            if number == rule.slots { number = 0 }
        }
        return false
    }

    /// The word of a slot that is used once more; nil if it cannot be.
    @inline(__always)
    private static func used(_ word: UInt64, capacity: UInt64, _ rule: LimitRule, past: UInt64, tick: UInt64) -> UInt64? {
        let latest = word &>> countBits
        if latest &+ rule.span <= past { return tick &<< countBits | 1 }
        let count = word & countMask
        guard count < capacity else { return nil }
        return max(latest, tick) &<< countBits | (count &+ 1)
    }

    /// `move` with points at which a simulation interrupts.
    package func move(
        _ key: LimitKey, _ rule: LimitRule, now: UInt64, charge: inout LimitCharge, interruption: some Interruption
    ) -> Outcome {
        let tick = LimitRule.tick(from: now)
        // Beyond that its place may be another key's.
        if let slot = charge.slot, LimitRule.tick(containing: now) < charge.tick + rule.span {
            var word = slot.pointee.load(ordering: .acquiring)
            while counts(charge, in: word, rule) {
                let latest = max(word >> Self.countBits, tick)
                let desired = latest << Self.countBits | word & Self.countMask
                interruption.point()
                let result = slot.pointee.weakCompareExchange(expected: word, desired: desired, ordering: .sequentiallyConsistent)
                if result.exchanged {
                    charge = LimitCharge(slot: slot, tick: latest, before: desired, after: desired)
                    return .taken
                }
                word = result.original
            }
        }
        charge = .none
        return take(key, rule, now: now, charge: &charge, interruption: interruption)
    }
}
