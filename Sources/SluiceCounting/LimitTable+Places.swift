import Synchronization

// Finding a key's place, and giving places to keys.

extension LimitTable {
    /// Where a key is.
    struct Place: BitwiseCopyable {
        /// The lower half of the key.
        let key: Words
        private let entry: Words

        init(bucket: Words, number: Int) {
            key = bucket + 1 + number
            entry = bucket + 8 + number * LimitTable.entryWords
        }

        /// The upper half.
        var upper: Words { entry }
        /// How long the slots rest, in ticks, and the number of the slot in use.
        var rest: Words { entry + 1 }

        @inline(__always)
        func slot(_ number: UInt64) -> Words { entry + (LimitTable.slotsBegin &+ Int(truncatingIfNeeded: number)) }
    }

    /// The two buckets of a key: by its upper half, the lower one stands in them.
    private func buckets(of key: LimitKey) -> (first: Words, second: Words) {
        (bucket(at: key.high), bucket(at: key.high &* 0x9E37_79B9_7F4A_7C15 ^ key.low))
    }

    @inline(__always)
    private func bucket(at hash: UInt64) -> Words {
        let number = Int(truncatingIfNeeded: hash.multipliedFullWidth(by: bucketCount).high)
        return words + (Self.bucketsBegin &+ number &* Self.bucketWords)
    }

    /// Takes no lock. A place that is being given to another is not found.
    func find(_ key: LimitKey) -> Place? {
        let (first, second) = buckets(of: key)
        return find(key, in: first) ?? find(key, in: second)
    }

    @inline(__always)
    private func find(_ key: LimitKey, in bucket: Words) -> Place? {
        for number in 0..<Self.placesOfBucket where bucket[1 &+ number].load(ordering: .acquiring) == key.low {
            let place = Place(bucket: bucket, number: number)
            if place.upper.pointee.load(ordering: .acquiring) == key.high { return place }
        }
        return nil
    }

    /// The place of the key. If it has none, it gets one. Nil if the table has no free place for it.
    @inline(never)
    func findOrMake(_ key: LimitKey, _ rule: LimitRule, now: UInt64, _ interruption: some Interruption) -> Place? {
        let (first, second) = buckets(of: key)
        // In the order of their addresses, so that no two wait for each other.
        let (lower, upper) = first <= second ? (first, second) : (second, first)
        guard lock(lower) else { return nil }
        defer { unlock(lower) }
        guard lower == upper || lock(upper) else { return nil }
        defer { if lower != upper { unlock(upper) } }
        // Whoever makes a place for this key has both locks.
        if let place = find(key) { return place }
        let past = LimitRule.tick(containing: now)
        let isFirst = Self.freePlaces(first, at: past) >= Self.freePlaces(second, at: past)
        return make(key, rule, in: isFirst ? first : second, past, interruption) ?? make(key, rule, in: isFirst ? second : first, past, interruption)
    }

    /// Gives a place of a bucket that the caller has locked to a key.
    private func make(
        _ key: LimitKey, _ rule: LimitRule, in bucket: Words, _ past: UInt64, _ interruption: some Interruption
    ) -> Place? {
        for number in 0..<Self.placesOfBucket {
            let place = Place(bucket: bucket, number: number)
            let old = place.key.pointee.load(ordering: .acquiring)
            if old != 0 {
                guard Self.hasRested(place, at: past) else { continue }
                place.key.pointee.store(old | Self.closing, ordering: .sequentiallyConsistent)
                interruption.point()
                // Once more, behind the mark: see the head of `LimitTable`.
                guard Self.hasRested(place, at: past) else {
                    place.key.pointee.store(old, ordering: .sequentiallyConsistent)
                    continue
                }
            } else {
                words[Self.used].add(1, ordering: .relaxed)
            }
            for slot in 0..<Self.slotsOfEntry { place.slot(slot).pointee.store(0, ordering: .relaxed) }
            interruption.point()
            place.rest.pointee.store(rule.span << Self.restShift, ordering: .relaxed)
            place.upper.pointee.store(key.high, ordering: .releasing)
            place.key.pointee.store(key.low, ordering: .sequentiallyConsistent)
            return place
        }
        return nil
    }

    /// Whether all slots of a place may be used anew.
    private static func hasRested(_ place: Place, at past: UInt64) -> Bool {
        let state = place.rest.pointee.load(ordering: .acquiring)
        var number = state & hintMask
        // The slot in use is the one that says no most often.
        for _ in 0..<slotsOfEntry {
            let word = place.slot(number).pointee.load(ordering: .sequentiallyConsistent)
            if word != 0, word >> countBits + state >> restShift > past { return false }
            number = number + 1 < slotsOfEntry ? number + 1 : 0
        }
        return true
    }

    /// Places of a bucket that a key could have.
    private static func freePlaces(_ bucket: Words, at past: UInt64) -> Int {
        var count = 0
        for number in 0..<placesOfBucket {
            let place = Place(bucket: bucket, number: number)
            if place.key.pointee.load(ordering: .acquiring) == 0 || hasRested(place, at: past) { count += 1 }
        }
        return count
    }
}
