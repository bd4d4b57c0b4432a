import SluiceCounting
import Testing

@testable import SluiceRedis

@Suite("The script's answers")
struct SyncArgumentsTests {
    private func answer(clock: Int) -> RedisReply {
        .array([.integer(clock)] + (0..<6).map { _ in .integer(0) } + (0..<4).map { _ in .array([]) })
    }

    @Test("an answer whose numbers no script can give is no answer: what is reckoned with them must not overflow")
    func largest() {
        let batch = AllowanceBatch(sequence: 1)
        let largest = 1 << 53
        #expect(SyncArguments.replies(in: answer(clock: largest), to: batch)?.clockMicroseconds == UInt64(largest))
        for clock in [largest + 1, .max, -1] { #expect(SyncArguments.replies(in: answer(clock: clock), to: batch) == nil) }
    }
}
