package import Synchronization

/// What one worker tells the keeper: numbers of projects and conditions that need it, first in, first out.
///
/// One thread puts, one takes, neither waits. A full queue loses numbers and says so; the keeper then looks at everything.
package enum AttentionQueue {
    /// Where it stands, until it is freed.
    package typealias Words = UnsafeMutablePointer<Atomic<UInt64>>

    /// Numbers that it holds at most.
    package static let capacity: UInt64 = 1024

    // Writer's and reader's words stand on lines of their own.
    private static let written = 0
    private static let overflowed = 1
    private static let awaiting = 2
    private static let taken = 8
    private static let entries = 16

    /// An empty queue. The caller frees it.
    package static func make() -> Words {
        let count = entries + Int(capacity)
        let words = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64).bindMemory(to: Atomic<UInt64>.self, capacity: count)
        for index in 0..<count { (words + index).initialize(to: Atomic(0)) }
        return words
    }

    /// Gives the memory back; neither side may use the queue any more.
    package static func free(_ words: Words) { UnsafeMutableRawPointer(words).deallocate() }

    /// Puts a number. On the worker's thread.
    ///
    /// - Returns: whether there was room for it.
    @discardableResult
    package static func put(_ number: UInt64, _ words: Words) -> Bool {
        let place = words[written].load(ordering: .relaxed)
        guard place - words[taken].load(ordering: .acquiring) < capacity else {
            words[overflowed].store(1, ordering: .releasing)
            return false
        }
        words[entries + Int(place % capacity)].store(number, ordering: .relaxed)
        words[written].store(place + 1, ordering: .releasing)
        return true
    }

    /// The next number; nil if there is none. On the keeper's thread.
    package static func take(_ words: Words) -> UInt64? {
        let place = words[taken].load(ordering: .relaxed)
        guard place < words[written].load(ordering: .acquiring) else { return nil }
        let number = words[entries + Int(place % capacity)].load(ordering: .relaxed)
        words[taken].store(place + 1, ordering: .releasing)
        return number
    }

    /// Says that the worker wants to hear when the keeper has been to the store. On the worker's thread.
    package static func awaitReply(_ words: Words) { words[awaiting].store(1, ordering: .sequentiallyConsistent) }

    /// Whether the worker wants to hear from the keeper, which takes the wish. On the keeper's thread.
    package static func takeAwaiting(_ words: Words) -> Bool { words[awaiting].exchange(0, ordering: .sequentiallyConsistent) != 0 }

    /// Whether numbers were lost since the last call. On the keeper's thread.
    package static func hasOverflowed(_ words: Words) -> Bool { words[overflowed].exchange(0, ordering: .acquiringAndReleasing) != 0 }
}
