import Synchronization

/// The usage of one quota condition in its present window, shared by all workers.
///
/// One word holds the window's number and the usage, so that turning a window over and counting in it are one
/// compare-and-swap. Windows are aligned to the Unix epoch. A wall clock that is set back does not open an old window
/// again: the later window stays until the clock has caught up.
enum QuotaCounter {
    typealias Word = UnsafeMutablePointer<Atomic<UInt64>>

    /// Largest limit of a condition: what the usage has room for.
    static let limitMax: UInt64 = (1 << usageBits) - 1
    private static let usageBits: UInt64 = 36
    private static let windowBits: UInt64 = 64 - usageBits

    /// A word with no usage. Freed with the registry only: it outlives every reload.
    static func make() -> Word {
        let word = Word.allocate(capacity: 1)
        word.initialize(to: Atomic(0))
        return word
    }

    /// Counts one request, unless the window at `wallSeconds` has none left.
    static func charge(_ word: Word, limit: UInt64, perSeconds: UInt64, wallSeconds: UInt64) -> Bool {
        let window = wallSeconds / perSeconds
        var current = word.pointee.load(ordering: .relaxed)
        while true {
            let state = standing(current, window: window)
            guard state.usage < limit else { return false }
            let result = word.pointee.weakCompareExchange(
                expected: current, desired: pack(window: state.window, usage: state.usage + 1),
                ordering: .acquiringAndReleasing)
            if result.exchanged { return true }
            current = result.original
        }
    }

    /// Takes one request back that was counted in the window at `wallSeconds`, unless that window is over.
    static func refund(_ word: Word, perSeconds: UInt64, wallSeconds: UInt64) {
        let window = wallSeconds / perSeconds
        var current = word.pointee.load(ordering: .relaxed)
        while true {
            let state = standing(current, window: window)
            guard state.window == current >> usageBits, state.usage > 0 else { return }
            let result = word.pointee.weakCompareExchange(
                expected: current, desired: current - 1, ordering: .acquiringAndReleasing)
            if result.exchanged { return }
            current = result.original
        }
    }

    /// The usage in the window at `wallSeconds`.
    static func usage(_ word: Word, perSeconds: UInt64, wallSeconds: UInt64) -> UInt64 {
        standing(word.pointee.load(ordering: .relaxed), window: wallSeconds / perSeconds).usage
    }

    /// The window that counts, the one at hand or a later one that was already begun, and its usage.
    private static func standing(_ word: UInt64, window: UInt64) -> (window: UInt64, usage: UInt64) {
        let mask = (1 << windowBits) - 1 as UInt64
        let held = word >> usageBits
        // Nothing was counted: there is no window to stay in.
        guard word & limitMax > 0 else { return (window & mask, 0) }
        // Window numbers wrap, after eight years of windows of a second. A quarter of the circle is what a clock may have
        // been set back by; the rest is time that has passed.
        let setBack = (held &- window) & mask
        return setBack <= mask / 4 ? (held, word & limitMax) : (window & mask, 0)
    }

    private static func pack(window: UInt64, usage: UInt64) -> UInt64 { window << usageBits | usage }
}
