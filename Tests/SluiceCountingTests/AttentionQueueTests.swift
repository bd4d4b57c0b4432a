import Testing

@testable import SluiceCounting

@Suite("Attention queue")
struct AttentionQueueTests {
    @Test("numbers come out in the order in which they went in")
    func order() {
        let words = AttentionQueue.make()
        defer { AttentionQueue.free(words) }
        #expect(AttentionQueue.take(words) == nil)
        for round in 0..<3000 as Range<UInt64> {
            AttentionQueue.put(round, words)
            AttentionQueue.put(round + 1, words)
            #expect(AttentionQueue.take(words) == round)
            #expect(AttentionQueue.take(words) == round + 1)
        }
        #expect(!AttentionQueue.hasOverflowed(words))
    }

    @Test("the keeper takes a worker's wish to hear of the reply, once")
    func awaiting() {
        let words = AttentionQueue.make()
        defer { AttentionQueue.free(words) }
        #expect(!AttentionQueue.takeAwaiting(words))
        AttentionQueue.awaitReply(words)
        #expect(AttentionQueue.takeAwaiting(words))
        #expect(!AttentionQueue.takeAwaiting(words))
    }

    @Test("a full queue loses the newest and says so once")
    func overflow() {
        let words = AttentionQueue.make()
        defer { AttentionQueue.free(words) }
        for number in 0..<AttentionQueue.capacity { AttentionQueue.put(number, words) }
        #expect(!AttentionQueue.hasOverflowed(words))
        AttentionQueue.put(9999, words)
        #expect(AttentionQueue.hasOverflowed(words))
        #expect(!AttentionQueue.hasOverflowed(words))
        for number in 0..<AttentionQueue.capacity { #expect(AttentionQueue.take(words) == number) }
        #expect(AttentionQueue.take(words) == nil)
    }
}
