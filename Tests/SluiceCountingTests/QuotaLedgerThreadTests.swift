import Foundation
import Synchronization
import Testing

@testable import SluiceCounting

@Suite("Quota ledger: workers at the same time")
struct QuotaLedgerThreadTests {
    private final class Shared: Sendable {
        let window = Atomic<UInt64>(1000)
        let isOver = Atomic<Bool>(false)
        let marks = Mutex<[Int]>([])
        /// Admissions in each window, from the first.
        let admitted: [CountBox] = (0..<64).map { _ in CountBox() }
        nonisolated(unsafe) let words: QuotaPurse.Words

        init(words: QuotaPurse.Words) { self.words = words }
    }

    private final class CountBox: Sendable {
        let count = Atomic<UInt64>(0)
    }

    private func work(_ shared: Shared) {
        var turn = 0
        while !shared.isOver.load(ordering: .relaxed) {
            let window = shared.window.load(ordering: .relaxed)
            let box = shared.admitted[Int(window - 1000)]
            switch QuotaPurse.take(shared.words, window: window) {
            case .taken:
                turn += 1
                if turn % 16 == 0 {
                    QuotaPurse.putBack(shared.words, window: window, resets: 0)
                } else {
                    box.count.add(1, ordering: .relaxed)
                }
            case .exhausted, .pending:
                if QuotaPurse.demandAttention(shared.words) { shared.marks.withLock { $0.append(0) } }
                // The keeper shares two processors with the workers.
                sched_yield()
            }
        }
    }

    @Test("four workers take while purses are filled, limits change and windows turn: no window admits more than its limit")
    func threads() async {
        let limits: [UInt64] = [4000, 2500, 7000]
        let shared = Shared(words: QuotaPurse.make())
        defer { QuotaPurse.free(shared.words) }
        let store = MemoryStore()
        let ledger = QuotaLedger(sizing: .blocks, isShared: false)
        let key = QuotaKey(owner: "orders", perSeconds: 1)
        ledger.add(key, words: shared.words, limit: limits[0])
        let finished = DispatchGroup()
        for _ in 0..<4 {
            finished.enter()
            Thread.detachNewThread {
                work(shared)
                finished.leave()
            }
        }
        var monotonic: UInt64 = 1_000_000_000
        for window in 0..<24 as Range<UInt64> {
            shared.window.store(1000 + window, ordering: .relaxed)
            for step in 0..<100 as Range<UInt64> {
                let attention = shared.marks.withLock { marks in
                    defer { marks.removeAll() }
                    return marks
                }
                monotonic += 9_900_000
                let requests = ledger.plan(
                    attention: attention, countingNanoseconds: (1000 + window) * 1_000_000_000 + step * 9_900_000, monotonicNanoseconds: monotonic)
                if let replies = try? store.exchange(AllowanceBatch(sequence: 1, quotas: requests)) { ledger.apply(requests, replies) }
                // Raised, lowered and raised again in every window; the first may be in force at its beginning.
                if step % 25 == 24 { ledger.setLimit(0, to: limits[Int(step / 25) % 3]) }
                sched_yield()
            }
            ledger.setLimit(0, to: limits[0])
        }
        shared.isOver.store(true, ordering: .relaxed)
        await withCheckedContinuation { continuation in finished.notify(queue: .global()) { continuation.resume() } }
        let counts = shared.admitted.map { $0.count.load(ordering: .relaxed) }
        #expect(counts.reduce(0, +) > 24 * 100)
        for (window, count) in counts.enumerated() {
            #expect(count <= 7000)
            #expect(count <= store.reserved(key, window: 1000 + UInt64(window)))
        }
    }
}
