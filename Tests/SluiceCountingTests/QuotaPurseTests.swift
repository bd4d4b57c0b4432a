import Testing

@testable import SluiceCounting

@Suite("Quota purse")
struct QuotaPurseTests {
    @Test("what was put in for a window can be taken in it, and no more")
    func takeAll() {
        let words = QuotaPurse.make()
        defer { QuotaPurse.free(words) }
        #expect(QuotaPurse.take(words, window: 7) == .pending)
        QuotaPurse.put(2, words, window: 7, granted: 2, elsewhere: 0, isExhausted: false)
        #expect(QuotaPurse.take(words, window: 7) == .taken)
        #expect(QuotaPurse.take(words, window: 7) == .taken)
        #expect(QuotaPurse.take(words, window: 7) == .pending)
        #expect(QuotaPurse.usage(words, window: 7) == 2)
    }

    @Test("a window takes nothing from its neighbours, nor from one that uses the same purse")
    func otherWindows() {
        let words = QuotaPurse.make()
        defer { QuotaPurse.free(words) }
        QuotaPurse.put(5, words, window: 7, granted: 5, elsewhere: 0, isExhausted: true)
        for window in [6, 8, 9, 5] as [UInt64] { #expect(QuotaPurse.take(words, window: window) == .pending) }
        #expect(QuotaPurse.available(words, window: 7) == 5)
    }

    @Test("an empty purse of which the store has no more is exhausted, until it is opened again")
    func exhausted() {
        let words = QuotaPurse.make()
        defer { QuotaPurse.free(words) }
        QuotaPurse.put(1, words, window: 8, granted: 1, elsewhere: 0, isExhausted: true)
        #expect(QuotaPurse.take(words, window: 8) == .taken)
        #expect(QuotaPurse.take(words, window: 8) == .exhausted)
        QuotaPurse.reopen(words, window: 8)
        #expect(QuotaPurse.take(words, window: 8) == .pending)
    }

    @Test("what is put back can be taken again, but not in the next window")
    func putBack() {
        let words = QuotaPurse.make()
        defer { QuotaPurse.free(words) }
        QuotaPurse.put(1, words, window: 8, granted: 1, elsewhere: 0, isExhausted: true)
        #expect(QuotaPurse.take(words, window: 8) == .taken)
        QuotaPurse.putBack(words, window: 8, resets: 0)
        QuotaPurse.putBack(words, window: 9, resets: 0)
        #expect(QuotaPurse.available(words, window: 8) == 1)
        #expect(QuotaPurse.available(words, window: 9) == 0)
    }

    @Test("what is withdrawn is no longer granted, and what others hold counts as used")
    func withdraw() {
        let words = QuotaPurse.make()
        defer { QuotaPurse.free(words) }
        QuotaPurse.put(10, words, window: 8, granted: 10, elsewhere: 30, isExhausted: false)
        for _ in 0..<4 { #expect(QuotaPurse.take(words, window: 8) == .taken) }
        #expect(QuotaPurse.usage(words, window: 8) == 34)
        #expect(QuotaPurse.withdraw(5, words, window: 8) == 5)
        #expect(QuotaPurse.withdraw(5, words, window: 8) == 1)
        #expect(QuotaPurse.granted(words, window: 8) == 4)
        #expect(QuotaPurse.take(words, window: 8) == .pending)
    }

    @Test("attention is asked for once until it is given")
    func attention() {
        let words = QuotaPurse.make()
        defer { QuotaPurse.free(words) }
        #expect(QuotaPurse.demandAttention(words))
        #expect(!QuotaPurse.demandAttention(words))
        QuotaPurse.takeAttention(words)
        #expect(QuotaPurse.demandAttention(words))
    }

    @Test("what was taken before a reset does not come back after it")
    func putBackAfterReset() {
        let words = QuotaPurse.make()
        defer { QuotaPurse.free(words) }
        QuotaPurse.put(1, words, window: 8, granted: 1, elsewhere: 0, isExhausted: true)
        let resets = QuotaPurse.resetCount(words)
        #expect(QuotaPurse.take(words, window: 8) == .taken)
        QuotaPurse.reset(words, windows: [8])
        QuotaPurse.putBack(words, window: 8, resets: resets)
        #expect(QuotaPurse.available(words, window: 8) == 0)
        QuotaPurse.put(1, words, window: 8, granted: 1, elsewhere: 0, isExhausted: true)
        #expect(QuotaPurse.take(words, window: 8) == .taken)
        QuotaPurse.putBack(words, window: 8, resets: QuotaPurse.resetCount(words))
        #expect(QuotaPurse.available(words, window: 8) == 1)
    }
}
