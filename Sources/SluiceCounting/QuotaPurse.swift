public import Synchronization

/// What one quota condition may still admit on this node: allowance that was reserved in the store before it lies here.
///
/// A worker takes one from the purse of the present window; it never asks the store. The ledger (`QuotaLedger`) fills
/// purses on its own thread, ahead of use. Whatever becomes of the process, no more can have been spent than was
/// reserved, and what lay unspent in a purse is what a crash wastes.
///
/// Windows take turns at two purses, so that the next window's can be filled before it begins. A purse is one word, the number of
/// its window and the amount, so that nothing can be taken from a window that it was not put in for. Beside each purse
/// stands what was put in altogether: the difference has been spent.
public enum QuotaPurse {
    /// The words of one condition: one cache line.
    public typealias Words = UnsafeMutablePointer<Atomic<UInt64>>

    /// What came of an attempt to take one.
    public enum Outcome: BitwiseCopyable, Sendable {
        case taken
        /// The window has nothing left, on this node or, with a store that is shared, on any.
        case exhausted
        /// The purse is empty and the store has not said that it stays so.
        case pending
    }

    /// Largest limit of a condition: what an amount has room for.
    package static let limitMax: UInt64 = (1 << 35) - 1

    @usableFromInline static let amountBits: UInt64 = 36
    @usableFromInline static let amountMask: UInt64 = (1 << amountBits) - 1
    /// In the word beside the purse: the store has no more for this window.
    @usableFromInline static let exhaustedBit: UInt64 = 1 << 35

    // Places of the words: two purses, what was granted to each, what is reserved elsewhere, and the rest.
    @usableFromInline static let purse = 0
    @usableFromInline static let granted = 2
    static let elsewhere = 4
    static let attention = 6
    static let resets = 7
    static let count = 8

    /// Takes one from the purse of `window`.
    @inlinable
    public static func take(_ words: Words, window: UInt64) -> Outcome {
        let place = Int(window & 1)
        var current = words[purse + place].load(ordering: .acquiring)
        while current & amountMask > 0, isSame(current, window) {
            let result = words[purse + place].weakCompareExchange(
                expected: current, desired: current &- 1, ordering: .acquiringAndReleasing)
            if result.exchanged { return .taken }
            current = result.original
        }
        let beside = words[granted + place].load(ordering: .acquiring)
        return isSame(beside, window) && beside & exhaustedBit != 0 ? .exhausted : .pending
    }

    /// Puts one back that was taken from the purse of `window`, unless that window is over, or was begun anew since it was taken: by
    /// a reset, or because the clock was set back. Then it was granted before that and counts no more.
    ///
    /// - Parameter resets: `resetCount` before it was taken.
    package static func putBack(_ words: Words, window: UInt64, resets: UInt64) {
        guard resetCount(words) == resets else { return }
        let place = purse + Int(window & 1)
        var current = words[place].load(ordering: .acquiring)
        while isSame(current, window) {
            let result = words[place].weakCompareExchange(expected: current, desired: current + 1, ordering: .acquiringAndReleasing)
            if result.exchanged {
                // A reset in this very moment has emptied the purse before or after.
                if resetCount(words) != resets { _ = take(words, window: window) }
                return
            }
            current = result.original
        }
    }

    /// How often the condition's windows were begun anew.
    package static func resetCount(_ words: Words) -> UInt64 { words[resets].load(ordering: .sequentiallyConsistent) }

    /// Whether the word is of this window. Numbers are compared by their last 28 bits: windows of a second that look alike are eight years apart.
    @inlinable
    @inline(__always)
    static func isSame(_ word: UInt64, _ window: UInt64) -> Bool {
        word >> amountBits == window & (UInt64.max >> amountBits)
    }

    static func tag(_ window: UInt64) -> UInt64 { window << amountBits }
}
