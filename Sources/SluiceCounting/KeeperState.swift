package import Synchronization

/// What the keeper of counts tells the workers, and what they count for it: a few words, read once per turn or on rare paths.
package enum KeeperState {
    /// Where they stand. Any thread may read and write them, as long as nobody has freed them.
    package typealias Words = UnsafeMutablePointer<Atomic<UInt64>>

    private static let clockOffset = 0
    private static let away = 1
    private static let nodesBeside = 2
    static let partsBeside = 3
    static let partsMin = 4
    static let partsMirror = 5
    private static let waits = 8
    private static let late = 9
    private static let exchanges = 16
    private static let failures = 17
    static let formerParts = 24
    static let formerPartsCount = 8
    private static let count = 32

    /// What becomes of a request whose allowance cannot be reserved in time.
    package enum Away: Sendable {
        case refuse
        case admit
    }

    /// Words that say: a clock that begins in 1970, a store that answers. The caller frees them.
    package static func make() -> Words {
        let words = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64).bindMemory(to: Atomic<UInt64>.self, capacity: count)
        for index in 0..<count { (words + index).initialize(to: Atomic(0)) }
        return words
    }

    /// Gives the words back; nobody may use them any more.
    package static func free(_ words: Words) { UnsafeMutableRawPointer(words).deallocate() }

    // MARK: The clock of windows

    /// Seconds since the Unix epoch as windows count them, at `monotonic` nanoseconds.
    @inline(__always)
    package static func seconds(_ words: Words, at monotonic: UInt64) -> UInt64 {
        (monotonic &+ words[clockOffset].load(ordering: .relaxed)) / 1_000_000_000
    }

    /// What `seconds` adds to the monotonic clock. The keeper's thread.
    package static func setClockOffset(_ words: Words, to nanoseconds: Int64) {
        words[clockOffset].store(UInt64(bitPattern: nanoseconds), ordering: .relaxed)
    }

    // MARK: The store

    /// Whether the store does not answer: nobody need wait for it.
    package static func isAway(_ words: Words) -> Bool { words[away].load(ordering: .relaxed) & 1 != 0 }

    /// Says whether the store answers. The keeper's thread.
    package static func setAway(_ words: Words, _ isAway: Bool) {
        if isAway { words[away].bitwiseOr(1, ordering: .relaxed) } else { words[away].bitwiseAnd(~1, ordering: .relaxed) }
    }

    /// What becomes of a request whose allowance cannot be reserved in time.
    package static func whenLate(_ words: Words) -> Away { words[away].load(ordering: .relaxed) & 2 != 0 ? .admit : .refuse }

    /// Says what `whenLate` answers. Before requests come.
    package static func setWhenLate(_ words: Words, _ choice: Away) {
        if choice == .admit { words[away].bitwiseOr(2, ordering: .relaxed) } else { words[away].bitwiseAnd(~2, ordering: .relaxed) }
    }

    /// Whether other nodes may give back what a window has nothing left of.
    package static func isShared(_ words: Words) -> Bool { words[away].load(ordering: .relaxed) & 4 != 0 }

    /// Says that the store is shared with other nodes. Before requests come.
    package static func setShared(_ words: Words) { words[away].bitwiseOr(4, ordering: .relaxed) }

    /// Nodes that share the store, this one included, as the store last said; 1 for a node by itself.
    @inline(__always)
    package static func nodes(_ words: Words) -> UInt64 { words[nodesBeside].load(ordering: .relaxed) &+ 1 }

    /// Says how many nodes there are. The keeper's thread.
    /// - Parameter isSettling: whether the store may not know all of them yet.
    package static func setNodes(_ words: Words, to nodes: Int, isSettling: Bool, now: UInt64) {
        let nodes = UInt64(min(max(1, nodes), 100_000))
        words[nodesBeside].store(nodes - 1, ordering: .relaxed)
        followNodes(words, nodes, isSettling: isSettling, now: now)
    }

    // MARK: Counts for metrics

    /// A request waits for its allowance.
    package static func countWait(_ words: Words) { words[waits].add(1, ordering: .relaxed) }

    /// A request was decided without its allowance having been reserved.
    package static func countLate(_ words: Words) { words[late].add(1, ordering: .relaxed) }

    /// A round trip to the store has ended.
    package static func countExchange(_ words: Words, hasFailed: Bool) {
        words[exchanges].add(1, ordering: .relaxed)
        if hasFailed { words[failures].add(1, ordering: .relaxed) }
    }

    /// How often each of the above was counted since the words were made, and whether the store is away.
    package struct Counts: Sendable {
        package var waits: UInt64
        package var late: UInt64
        package var exchanges: UInt64
        package var failures: UInt64
        package var isAway: Bool
        /// Nodes that share the store.
        package var nodes: UInt64

        package init(
            waits: UInt64 = 0, late: UInt64 = 0, exchanges: UInt64 = 0, failures: UInt64 = 0, isAway: Bool = false, nodes: UInt64 = 1
        ) {
            self.nodes = nodes
            self.waits = waits
            self.late = late
            self.exchanges = exchanges
            self.failures = failures
            self.isAway = isAway
        }
    }

    /// What was counted so far. Any thread.
    package static func counts(_ words: Words) -> Counts {
        Counts(
            waits: words[waits].load(ordering: .relaxed), late: words[late].load(ordering: .relaxed),
            exchanges: words[exchanges].load(ordering: .relaxed), failures: words[failures].load(ordering: .relaxed), isAway: isAway(words),
            nodes: nodes(words))
    }
}
