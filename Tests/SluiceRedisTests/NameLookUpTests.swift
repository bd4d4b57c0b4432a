import SluiceCounting
import Synchronization
import Testing

@testable import SluiceRedis

@Suite("The name of Redis")
struct NameLookUpTests {
    /// Look-ups that end when the test says so, with what it says.
    private final class Script: Sendable {
        private let state = Mutex<(asked: Int, outcomes: [NameLookUp.Outcome])>((0, []))

        var asked: Int { state.withLock { $0.asked } }

        func answer(_ outcome: NameLookUp.Outcome) { state.withLock { $0.outcomes.append(outcome) } }

        @Sendable
        func ask(_: String, _: UInt16) -> NameLookUp.Outcome {
            state.withLock { $0.asked += 1 }
            while true {
                if let outcome = state.withLock({ $0.outcomes.isEmpty ? nil : $0.outcomes.removeFirst() }) { return outcome }
            }
        }
    }

    private static let one = NameLookUp.Address(bytes: [1, 2, 3, 4])
    private static let two = NameLookUp.Address(bytes: [5, 6, 7, 8])
    /// Far enough for a look-up that has its answer.
    private static var patience: UInt64 { RedisConnection.now() + 600_000_000_000 }

    @Test("a look-up that does not end is waited for until the deadline, and no second one is begun beside it")
    func hangs() throws {
        let script = Script()
        let name = NameLookUp("redis.test", port: 6379, ask: script.ask)
        for _ in 0..<3 { #expect(throws: AllowanceStoreError.self) { try name.addresses(deadline: RedisConnection.now()) } }
        script.answer(.success([Self.one]))
        #expect(try name.addresses(deadline: Self.patience) == [Self.one])
        #expect(script.asked == 1)
    }

    @Test("a name that was resolved keeps its addresses while it hangs or cannot be resolved, and takes new ones")
    func keeps() throws {
        let script = Script()
        let name = NameLookUp("redis.test", port: 6379, ask: script.ask)
        script.answer(.success([Self.one]))
        #expect(try name.addresses(deadline: Self.patience) == [Self.one])
        #expect(try name.addresses(deadline: RedisConnection.now()) == [Self.one])
        script.answer(.failure(.init(description: "no")))
        #expect(try name.addresses(deadline: Self.patience) == [Self.one])
        script.answer(.success([Self.two, Self.one]))
        #expect(try name.addresses(deadline: Self.patience) == [Self.two, Self.one])
    }

    @Test("a name that was never resolved: the failure says why, and the next attempt asks again")
    func unknown() throws {
        let script = Script()
        let name = NameLookUp("redis.test", port: 6379, ask: script.ask)
        for outcome in [NameLookUp.Outcome.failure(.init(description: "no")), .success([])] {
            script.answer(outcome)
            #expect(throws: AllowanceStoreError.self) { try name.addresses(deadline: Self.patience) }
        }
        #expect(script.asked == 2)
    }

    @Test("the system resolves a literal address")
    func literal() throws {
        let name = NameLookUp("127.0.0.1", port: 80)
        #expect(try name.addresses(deadline: Self.patience).count == 1)
    }
}
