import Synchronization

// Into how many parts a fleet divides each limit of a caller. A node counts its own part only, so the parts in use must never be more than a limit:
// neither of the nodes that there are, nor of those that admitted something within the interval and are gone.

extension KeeperState {
    /// In the word of parts: some that count no more for short intervals do for long ones.
    private static let isHeld: UInt64 = 1 << 63
    private static let countBits: UInt64 = 20
    /// Longest interval that a limit may have, in ticks and with time to spare.
    private static let longest = UInt64(100_000) * 1_000_000_000 >> LimitRule.tickShift

    /// Into how many parts a limit is divided at `now` whose interval has so many ticks: the most that there were within it. Any thread.
    @inline(__always)
    static func parts(_ words: Words, over span: UInt64, now: UInt64) -> UInt64 {
        let word = words[partsBeside].load(ordering: .acquiring)
        return word & isHeld == 0 ? word &+ 1 : heldParts(words, (word & ~isHeld) &+ 1, over: span, now: now)
    }

    @inline(never)
    private static func heldParts(_ words: Words, _ current: UInt64, over span: UInt64, now: UInt64) -> UInt64 {
        var most = current
        for index in 0..<formerPartsCount {
            let former = Former(word: words[formerParts + index].load(ordering: .acquiring))
            if former.tick + span > LimitRule.tick(containing: now) { most = max(most, former.parts) }
        }
        return most
    }

    /// Divides limits into at least so many parts, however few nodes there are. Before requests come.
    package static func setPartsMin(_ words: Words, to parts: Int) {
        words[partsMin].store(UInt64(max(1, parts)), ordering: .relaxed)
        words[partsBeside].store(UInt64(max(1, parts)) - 1, ordering: .releasing)
    }

    /// Follows the number of nodes. More take effect at once. Fewer do for a limit when its interval has passed, and not before the store knows its nodes
    /// again. The keeper's thread.
    static func followNodes(_ words: Words, _ nodes: UInt64, isSettling: Bool, now: UInt64) {
        let before = (words[partsBeside].load(ordering: .relaxed) & ~isHeld) + 1
        var parts = max(nodes, words[partsMin].load(ordering: .relaxed), 1)
        if isSettling { parts = max(parts, before) }
        if parts < before { remember(Former(parts: before, tick: LimitRule.tick(from: now)), in: words) }
        var isAnyHeld = false
        for index in 0..<formerPartsCount {
            let former = Former(word: words[formerParts + index].load(ordering: .relaxed))
            if former.parts > parts, former.tick + longest > LimitRule.tick(containing: now) { isAnyHeld = true }
        }
        words[partsBeside].store((parts - 1) | (isAnyHeld ? isHeld : 0), ordering: .releasing)
        writeDown(words, Former(parts: parts, tick: LimitRule.tick(containing: now)))
    }

    /// A number of parts that there were, and when for the last time.
    private struct Former {
        var parts: UInt64
        var tick: UInt64

        init(parts: UInt64, tick: UInt64) {
            self.parts = parts
            self.tick = tick
        }

        init(word: UInt64) { self.init(parts: word & (1 << countBits - 1), tick: word >> countBits) }

        var word: UInt64 { tick << countBits | parts }
    }

    /// Adds one that is later than all others. It takes the place of one that it says more than. If there is none, the two oldest become one that says as much as both. It is written behind the
    /// other place first: whoever reads from the beginning finds what both said in any case.
    private static func remember(_ latest: Former, in words: Words) {
        let indices = 0..<formerPartsCount
        let formers = indices.map { Former(word: words[formerParts + $0].load(ordering: .relaxed)) }
        func write(_ former: Former, _ index: Int) { words[formerParts + index].store(former.word, ordering: .releasing) }
        if let index = indices.first(where: { formers[$0].parts <= latest.parts || formers[$0].tick + longest <= latest.tick }) { return write(latest, index) }
        let byAge = indices.sorted { formers[$0].tick < formers[$1].tick }
        let (oldest, next) = (byAge[0], byAge[1])
        write(Former(parts: max(formers[oldest].parts, formers[next].parts), tick: formers[next].tick), max(oldest, next))
        write(latest, min(oldest, next))
    }

    // MARK: Beyond the process

    /// Words that a mirror has.
    package static let mirrorWords = formerPartsCount + 1

    /// Goes on with the parts that an earlier process had written down, and writes its own down from here on. Before requests come.
    /// - Parameter mirror: `mirrorWords` words, zeros at first, which outlive `words`.
    package static func mirrorParts(_ words: Words, in mirror: Words, now: UInt64) {
        let present = LimitRule.tick(from: now)
        let formers = (0..<mirrorWords).map { index in
            let former = Former(word: mirror[index].load(ordering: .acquiring))
            // The first one has been in use until its process ended, whenever that was.
            return Former(parts: former.parts, tick: index == 0 ? present : min(former.tick, present))
        }
        for former in formers.sorted(by: { $0.tick < $1.tick }) where former.parts > 0 { remember(former, in: words) }
        words[partsMirror].store(UInt64(UInt(bitPattern: mirror)), ordering: .releasing)
        followNodes(words, nodes(words), isSettling: false, now: now)
    }

    private static func writeDown(_ words: Words, _ present: Former) {
        guard let mirror = Words(bitPattern: UInt(words[partsMirror].load(ordering: .acquiring))) else { return }
        mirror[0].store(present.word, ordering: .releasing)
        for index in 0..<formerPartsCount { mirror[index + 1].store(words[formerParts + index].load(ordering: .relaxed), ordering: .releasing) }
    }
}
