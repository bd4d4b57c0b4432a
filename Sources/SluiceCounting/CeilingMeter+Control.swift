import Glibc
import Synchronization

// What the owner of the words does: make and free them, change limits, look at them. Any thread.

extension CeilingMeter {
    /// Words for one project that may use its whole ceiling (requests per second, 1 to 10,000,000). Freed with the registry only: a worker may
    /// hold a lease from them at any time.
    ///
    /// The memory is zero and untouched until the project has traffic: 2 KiB for each one that does.
    package static func make(ceiling limit: UInt64, now: UInt64) -> Words {
        // A cache line's alignment: no two projects share one. `calloc` leaves fresh memory untouched.
        let size = (ring + Int(ringSlots)) * MemoryLayout<Atomic<UInt64>>.stride
        guard let memory = calloc(1, size + 64) else { preconditionFailure("out of memory") }
        let words = memory.alignedUp(toMultipleOf: 64).bindMemory(to: Atomic<UInt64>.self, capacity: size / 8)
        words[origin].store(UInt64(UInt(bitPattern: memory)), ordering: .relaxed)
        words[horizon].store(now / slotNanoseconds, ordering: .relaxed)
        words[ceiling].store(limit, ordering: .relaxed)
        words[state].store(limit << limitShift, ordering: .relaxed)
        words[validUntil].store(.max, ordering: .relaxed)
        return words
    }

    /// Frees the words; nobody may use them any more.
    package static func free(_ words: Words) {
        Glibc.free(UnsafeMutableRawPointer(bitPattern: UInt(words[origin].load(ordering: .relaxed))))
    }

    /// What the configuration allows, in requests per second.
    package static func ceiling(of words: Words) -> UInt64 { words[ceiling].load(ordering: .relaxed) }

    /// Changes the configured ceiling; what is in force is the limit.
    package static func setCeiling(_ words: Words, to ceiling: UInt64) { words[self.ceiling].store(ceiling, ordering: .relaxed) }

    /// What may be admitted: `limit` until `end` (nanoseconds, monotonic; nil: for ever), after it `away`. Holds for the next
    /// lease, on every worker.
    /// - Returns: what was in use when the limit changed. No more than the larger of it and the limit will be.
    @discardableResult
    package static func setLimit(_ words: Words, to limit: UInt64, until end: UInt64? = nil, away: UInt64 = 0) -> UInt64 {
        words[awayLimit].store(away, ordering: .releasing)
        var current = words[state].load(ordering: .relaxed)
        while true {
            let desired = limit << limitShift | current & usedMask
            let result = words[state].weakCompareExchange(expected: current, desired: desired, ordering: .acquiringAndReleasing)
            if result.exchanged { break }
            current = result.original
        }
        words[validUntil].store(end.map { $0 / slotNanoseconds } ?? .max, ordering: .releasing)
        return current & usedMask
    }

    /// Admissions charged to the present window, unspent leases included.
    package static func usage(of words: Words, now: UInt64) -> UInt64 {
        expire(words, through: now / slotNanoseconds, Uninterrupted())
        return words[state].load(ordering: .acquiring) & usedMask
    }

    /// The limit in force at `now`.
    package static func limit(of words: Words, now: UInt64) -> UInt64 {
        limit(in: words[state].load(ordering: .relaxed), of: words, at: now / slotNanoseconds)
    }

    /// Refusals so far. A worker reports its own once per slot.
    package static func refusals(of words: Words) -> UInt64 { words[refused].load(ordering: .relaxed) }

    /// Nanoseconds until one more request can be admitted if nobody else takes it; 0 if now, nil if never at this limit.
    package static func wait(_ words: Words, now: UInt64) -> UInt64? {
        let slot = now / slotNanoseconds
        let limit = limit(of: words, now: now)
        guard limit > 0 else { return nil }
        var left = words[state].load(ordering: .acquiring) & usedMask
        guard left >= limit else { return 0 }
        var next = slot >= windowSlots ? slot - windowSlots + 1 : 0
        while next <= slot {
            let place = next % ringSlots
            let bits = words[charged + Int(place / 64)].load(ordering: .relaxed) >> (place % 64)
            guard bits != 0 else {
                next += 64 - place % 64
                continue
            }
            next += UInt64(bits.trailingZeroBitCount)
            let word = words[ring + Int(next % ringSlots)].load(ordering: .relaxed)
            if word >> countBits == next {
                left -= min(left, word & countMask)
                if left < limit { return (next + windowSlots) * slotNanoseconds - now }
            }
            next += 1
        }
        // Charges that stand in no slot yet: they will in a moment.
        return windowSlots * slotNanoseconds
    }

    // MARK: Shares of a fleet

    /// Whether this node's share is what holds requests back, and asking the store could raise it.
    package static func isShort(_ words: Words, now: UInt64) -> Bool {
        limit(of: words, now: now) < ceiling(of: words) && words[settledUntil].load(ordering: .relaxed) <= now
    }

    /// Says that until `time` (nanoseconds, monotonic) asking the store would not raise the share: all of the ceiling is in use.
    package static func settle(_ words: Words, until time: UInt64) { words[settledUntil].store(time, ordering: .relaxed) }

    // MARK: Attention

    /// Marks the project for its node's ledger; true if it was not marked already.
    package static func demandAttention(_ words: Words) -> Bool {
        // Sequentially consistent, against the keeper that takes the mark and then looks for who waits.
        words[attention].exchange(1, ordering: .sequentiallyConsistent) == 0
    }

    /// Takes the mark away, before the ledger looks at the words.
    package static func takeAttention(_ words: Words) { words[attention].store(0, ordering: .sequentiallyConsistent) }
}
