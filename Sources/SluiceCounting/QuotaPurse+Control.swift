import Synchronization

// What the ledger's thread does with purses, and what metrics and answers read. Workers take at the same time.

extension QuotaPurse {
    /// An empty purse. Freed with the registry only: it outlives every reload.
    package static func make() -> Words {
        let words = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64)
            .bindMemory(to: Atomic<UInt64>.self, capacity: count)
        for index in 0..<count { (words + index).initialize(to: Atomic(0)) }
        // No window has this number: window 0, of 1970, must not look begun.
        for place in 0..<2 {
            words[purse + place].store(tag(.max), ordering: .relaxed)
            words[granted + place].store(tag(.max), ordering: .relaxed)
        }
        return words
    }

    package static func free(_ words: Words) { UnsafeMutableRawPointer(words).deallocate() }

    // MARK: Filling: the ledger's thread only

    /// Puts `amount` into the purse of `window`, of which `granted` were given to this node altogether and `elsewhere` to others.
    /// A purse of another window is begun anew; what lay in it is lost with its window.
    package static func put(
        _ amount: UInt64, _ words: Words, window: UInt64, granted total: UInt64, elsewhere others: UInt64, isExhausted: Bool
    ) {
        let place = Int(window & 1)
        words[elsewhere + place].store(min(others, limitMax), ordering: .relaxed)
        // First the purse, so that nobody reads that nothing is left while it is being filled.
        var current = words[purse + place].load(ordering: .acquiring)
        while true {
            let held = isSame(current, window) ? current & amountMask : 0
            let desired = tag(window) | min(held + amount, limitMax)
            let result = words[purse + place].weakCompareExchange(expected: current, desired: desired, ordering: .acquiringAndReleasing)
            if result.exchanged { break }
            current = result.original
        }
        words[granted + place].store(
            tag(window) | (isExhausted ? exhaustedBit : 0) | min(total, limitMax), ordering: .releasing)
    }

    /// Takes at most `most` out of the purse of `window`, for giving it back to the store; what was granted sinks by as much.
    package static func withdraw(_ most: UInt64, _ words: Words, window: UInt64) -> UInt64 {
        let place = Int(window & 1)
        var current = words[purse + place].load(ordering: .acquiring)
        while isSame(current, window) {
            let amount = min(most, current & amountMask)
            if amount == 0 { return 0 }
            let result = words[purse + place].weakCompareExchange(
                expected: current, desired: current - amount, ordering: .acquiringAndReleasing)
            if result.exchanged {
                words[granted + place].subtract(amount, ordering: .acquiringAndReleasing)
                return amount
            }
            current = result.original
        }
        return 0
    }

    /// What lies in both purses, and what is known to be spent of them, counts no more.
    package static func reset(_ words: Words, windows: some Sequence<UInt64>) {
        // First this: what a worker has taken before must not come back afterwards.
        words[resets].add(1, ordering: .sequentiallyConsistent)
        for window in windows {
            _ = withdraw(.max, words, window: window)
            put(0, words, window: window, granted: 0, elsewhere: 0, isExhausted: false)
        }
    }

    /// Says that the store may have more for `window` again: after a reset or a raised limit.
    package static func reopen(_ words: Words, window: UInt64) {
        let place = granted + Int(window & 1)
        guard isSame(words[place].load(ordering: .acquiring), window) else { return }
        words[place].bitwiseAnd(~exhaustedBit, ordering: .acquiringAndReleasing)
    }

    // MARK: Looking

    /// What lies in the purse of `window`.
    package static func available(_ words: Words, window: UInt64) -> UInt64 {
        let word = words[purse + Int(window & 1)].load(ordering: .acquiring)
        return isSame(word, window) ? word & amountMask : 0
    }

    /// What was granted to this node for `window`.
    package static func granted(_ words: Words, window: UInt64) -> UInt64 {
        let word = words[granted + Int(window & 1)].load(ordering: .acquiring)
        return isSame(word, window) ? word & (exhaustedBit - 1) : 0
    }

    /// What has been spent in `window`: by this node, and what others hold.
    package static func usage(_ words: Words, window: UInt64) -> UInt64 {
        let place = Int(window & 1)
        let word = words[granted + place].load(ordering: .acquiring)
        guard isSame(word, window) else { return 0 }
        let total = word & (exhaustedBit - 1)
        return total - min(total, available(words, window: window)) + words[elsewhere + place].load(ordering: .relaxed)
    }

    /// Differs from what it was if something was put in or taken since.
    package static func fingerprint(_ words: Words) -> UInt64 {
        var sum: UInt64 = 0
        for place in 0..<2 {
            for word in [purse + place, granted + place] { sum = (sum ^ words[word].load(ordering: .relaxed)) &* 0x9E37_79B9_7F4A_7C15 }
        }
        return sum
    }

    // MARK: Attention

    /// Marks the condition for the ledger; true if it was not marked already.
    package static func demandAttention(_ words: Words) -> Bool {
        // Sequentially consistent, against the keeper that takes the mark and then looks for who waits.
        words[attention].exchange(1, ordering: .sequentiallyConsistent) == 0
    }

    /// Takes the mark away, before the ledger looks at the words.
    package static func takeAttention(_ words: Words) { words[attention].store(0, ordering: .sequentiallyConsistent) }

    /// Whether the condition is marked.
    package static func hasAttention(_ words: Words) -> Bool { words[attention].load(ordering: .sequentiallyConsistent) != 0 }
}
