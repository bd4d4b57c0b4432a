import Foundation
import Synchronization
import Testing

@testable import SluiceCounting

/// Into how many parts a fleet divides a caller's limit.
@Suite("Parts of callers' limits")
struct KeeperPartsTests {
    private static let second: UInt64 = 1_000_000_000
    private static let start: UInt64 = 1_000_000 * second

    private func parts(_ words: KeeperState.Words, _ perSeconds: UInt64, at seconds: UInt64) -> UInt64 {
        let rule = LimitRule(limit: 1_000_000, perSeconds: perSeconds)
        return (rule.limit / rule.part(words, now: Self.start + seconds * Self.second).limit)
    }

    private func withWords(_ body: (KeeperState.Words) -> Void) {
        let words = KeeperState.make()
        defer { KeeperState.free(words) }
        body(words)
    }

    @Test("who comes counts at once, who goes until the interval has passed")
    func comesAndGoes() {
        withWords { words in
            func nodes(_ count: Int, at seconds: UInt64, isSettling: Bool = false) {
                KeeperState.setNodes(words, to: count, isSettling: isSettling, now: Self.start + seconds * Self.second)
            }
            #expect(parts(words, 60, at: 0) == 1)
            nodes(4, at: 0)
            #expect(parts(words, 60, at: 0) == 4 && KeeperState.nodes(words) == 4)
            nodes(2, at: 10)
            #expect(KeeperState.nodes(words) == 2)
            #expect(parts(words, 60, at: 69) == 4 && parts(words, 60, at: 71) == 2)
            #expect(parts(words, 1, at: 10) == 4 && parts(words, 1, at: 12) == 2)
            nodes(1, at: 20)
            #expect(parts(words, 60, at: 69) == 4 && parts(words, 60, at: 71) == 2 && parts(words, 60, at: 81) == 1)
            nodes(3, at: 30)
            #expect(parts(words, 60, at: 69) == 4 && parts(words, 60, at: 71) == 3 && parts(words, 60, at: 1000) == 3)
            #expect(parts(words, 86_400, at: 80_000) == 4)
            nodes(3, at: 90_000)
            #expect(parts(words, 86_400, at: 90_000) == 3)
        }
    }

    @Test("a store that has lost its nodes makes no part larger before it knows them again")
    func settling() {
        withWords { words in
            KeeperState.setNodes(words, to: 5, isSettling: false, now: Self.start)
            for second in 1...10 as ClosedRange<UInt64> {
                KeeperState.setNodes(words, to: 1, isSettling: true, now: Self.start + second * Self.second)
                #expect(parts(words, 1, at: second + 5) == 5)
            }
            KeeperState.setNodes(words, to: 4, isSettling: false, now: Self.start + 20 * Self.second)
            #expect(parts(words, 1, at: 21) == 5 && parts(words, 1, at: 22) == 4)
        }
    }

    @Test("there are never fewer than the setting says")
    func least() {
        withWords { words in
            KeeperState.setPartsMin(words, to: 3)
            #expect(parts(words, 1, at: 0) == 3)
            for nodes in [1, 5, 2] { KeeperState.setNodes(words, to: nodes, isSettling: false, now: Self.start) }
            #expect(parts(words, 1, at: 0) == 5 && parts(words, 1, at: 2) == 3)
        }
    }

    @Test("however often nodes come and go, there are no fewer parts than there were within the interval")
    func manySteps() {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            withWords { words in
                var history: [(from: UInt64, nodes: UInt64)] = [(0, 1)]
                var now: UInt64 = 0
                for _ in 0..<60 {
                    now += random.next() % 30
                    let nodes = 1 + random.next() % 12
                    KeeperState.setNodes(words, to: Int(nodes), isSettling: false, now: Self.start + now * Self.second)
                    history.append((now, nodes))
                    for length in [1, 10, 60, 300] as [UInt64] {
                        let late = now + random.next() % 5
                        let most = history.enumerated().filter { index, _ in
                            index + 1 == history.count || history[index + 1].from + length >= late
                        }.map(\.element.nodes).max() ?? 1
                        let found = parts(words, length, at: late)
                        #expect(found >= most, "\(found) of \(most) at \(late), seed \(seed)")
                    }
                }
            }
        }
    }

    @Test("a thread that looks while nodes go, one after another, never finds fewer parts than there were")
    func readers() {
        // Sendable for what is in it: atomic words.
        nonisolated(unsafe) let words = KeeperState.make()
        defer { KeeperState.free(words) }
        let isOver = Atomic(false)
        let fewest = Atomic(UInt64.max)
        let rule = LimitRule(limit: 1_000_000, perSeconds: 86_400)
        DispatchQueue.concurrentPerform(iterations: 2) { number in
            guard number == 0 else {
                while !isOver.load(ordering: .relaxed) {
                    fewest.min(KeeperState.parts(words, over: rule.span, now: Self.start + 1000), ordering: .relaxed)
                }
                return
            }
            KeeperState.setNodes(words, to: 40, isSettling: false, now: Self.start)
            fewest.store(.max, ordering: .relaxed)
            // Each round has more steps than are remembered.
            for round in 0..<2000 as Range<UInt64> {
                for nodes in (1...39).reversed() { KeeperState.setNodes(words, to: nodes, isSettling: false, now: Self.start + round) }
            }
            isOver.store(true, ordering: .relaxed)
        }
        #expect(fewest.load(ordering: .relaxed) >= 40)
    }
}
