import Synchronization
import Testing

@testable import SluiceGateway

@Suite("Quota counter")
struct QuotaCounterTests {
    private let word = QuotaCounter.make()

    private func charge(limit: UInt64 = 3, per seconds: UInt64 = 60, at second: UInt64) -> Bool {
        QuotaCounter.charge(word, limit: limit, perSeconds: seconds, wallSeconds: second)
    }

    @Test("a window admits its limit and not one more")
    func limit() {
        for _ in 0..<3 { #expect(charge(at: 120)) }
        #expect(!charge(at: 120))
        #expect(!charge(at: 179))
        #expect(QuotaCounter.usage(word, perSeconds: 60, wallSeconds: 179) == 3)
    }

    @Test("windows begin at multiples of their length: the next one is new, to the second")
    func alignment() {
        for _ in 0..<3 { #expect(charge(at: 179)) }
        #expect(!charge(at: 179))
        #expect(charge(at: 180))
        #expect(QuotaCounter.usage(word, perSeconds: 60, wallSeconds: 180) == 1)
    }

    @Test("a limit of 0 refuses everything")
    func zero() { #expect(!charge(limit: 0, at: 0)) }

    @Test("a clock that is set back opens no earlier window again")
    func backwards() {
        for _ in 0..<3 { #expect(charge(at: 600)) }
        #expect(!charge(at: 540))
        #expect(charge(at: 660))
    }

    @Test("any time of the coming centuries is a first window, and the one after it is new", arguments: [1, 2, 60, 86_400] as [UInt64])
    func anyTime(perSeconds: UInt64) {
        var random = SystemRandom(seed: perSeconds)
        for _ in 0..<2000 {
            let word = QuotaCounter.make()
            let second = random.next() % (1 << 34)
            #expect(QuotaCounter.charge(word, limit: 1, perSeconds: perSeconds, wallSeconds: second))
            #expect(!QuotaCounter.charge(word, limit: 1, perSeconds: perSeconds, wallSeconds: second))
            #expect(QuotaCounter.charge(word, limit: 1, perSeconds: perSeconds, wallSeconds: second + perSeconds))
        }
    }

    @Test("a counter that was not used for years begins a new window", arguments: [1, 30, 365, 2000] as [UInt64])
    func longUnused(days: UInt64) {
        #expect(QuotaCounter.charge(word, limit: 1, perSeconds: 1, wallSeconds: 1_700_000_000))
        #expect(QuotaCounter.charge(word, limit: 1, perSeconds: 1, wallSeconds: 1_700_000_000 + days * 86_400))
    }

    @Test("a refund gives one back in its window, and nothing once the window is over")
    func refund() {
        for _ in 0..<3 { _ = charge(at: 60) }
        QuotaCounter.refund(word, perSeconds: 60, wallSeconds: 60)
        #expect(charge(at: 61))
        #expect(!charge(at: 61))
        #expect(charge(at: 120))
        QuotaCounter.refund(word, perSeconds: 60, wallSeconds: 180)
        #expect(QuotaCounter.usage(word, perSeconds: 60, wallSeconds: 120) == 1)
    }

    @Test("many threads charge exactly the limit")
    func threads() async {
        let address = UInt(bitPattern: word)
        let admitted = Tally()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    guard let word = QuotaCounter.Word(bitPattern: address) else { return }
                    for _ in 0..<20_000 where QuotaCounter.charge(word, limit: 10_007, perSeconds: 60, wallSeconds: 6) {
                        admitted.count.wrappingAdd(1, ordering: .relaxed)
                    }
                }
            }
        }
        #expect(admitted.count.load(ordering: .relaxed) == 10_007)
    }

    @Test("the registry gives the same counter for the same owner and window, over any number of reloads")
    func registry() {
        let registry = CountRegistry()
        let key = CountRegistry.QuotaKey(owner: "orders", perSeconds: 60)
        #expect(registry.quota(key) == registry.quota(key))
        #expect(registry.quota(key) != registry.quota(.init(owner: "orders", perSeconds: 61)))
        #expect(registry.quota(key) != registry.quota(.init(owner: "orders GET /", perSeconds: 60)))
        let first = registry.ceiling(project: "shop", limit: 5, now: 0)
        let again = registry.ceiling(project: "shop", limit: 9, now: 0)
        #expect(first.words == again.words && first.slot == again.slot)
        #expect(CeilingMeter.ceiling(of: first.words) == 9)
    }
}

/// A count that several threads raise.
private final class Tally: Sendable {
    let count = Atomic<Int>(0)
}
