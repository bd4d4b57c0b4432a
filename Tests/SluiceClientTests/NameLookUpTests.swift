import SluiceEvent
import SluiceHTTP
import Synchronization
import Testing

@testable import SluiceClient

@Suite("The look-up of a name")
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

    private static let one = SocketAddress(IPAddress(v4: 1), port: 6379)
    private static let two = SocketAddress(IPAddress(v4: 2), port: 6379)
    /// Far enough for a look-up that has its answer.
    private static var patience: Patience { Patience(milliseconds: 600_000) }
    private static var none: Patience { Patience(milliseconds: 0) }

    private func last(_ name: NameLookUp, _ patience: Patience = Self.patience) throws -> [IPAddress] { try name.addresses(patience).map(\.ip) }

    @Test("a look-up that does not end is waited for until the deadline, and no second one is begun beside it")
    func hangs() throws {
        let script = Script()
        let name = NameLookUp("redis.test", port: 6379, ask: script.ask)
        for _ in 0..<3 { #expect(throws: StreamFailure("its name is not resolved in time")) { try name.addresses(Self.none) } }
        script.answer(.success([Self.one]))
        #expect(try last(name) == [Self.one.ip])
        #expect(script.asked == 1)
    }

    @Test("whoever waits may be told to give up before the deadline")
    func ends() throws {
        let script = Script()
        let name = NameLookUp("redis.test", port: 6379, ask: script.ask)
        #expect(throws: StreamFailure.self) { try name.addresses(Patience(milliseconds: 600_000) { true }) }
        script.answer(.success([]))
    }

    @Test("a name that was resolved keeps its addresses while it hangs or cannot be resolved, and takes new ones")
    func keeps() throws {
        let script = Script()
        let name = NameLookUp("redis.test", port: 6379, ask: script.ask)
        script.answer(.success([Self.one]))
        #expect(try last(name) == [Self.one.ip])
        #expect(try last(name, Self.none) == [Self.one.ip])
        script.answer(.failure(StreamFailure("no")))
        #expect(try last(name) == [Self.one.ip])
        script.answer(.success([Self.two, Self.one]))
        #expect(try last(name) == [Self.two.ip, Self.one.ip])
    }

    @Test("a name that was never resolved: the failure says why, and the next attempt asks again")
    func unknown() throws {
        let script = Script()
        let name = NameLookUp("redis.test", port: 6379, ask: script.ask)
        for (outcome, text) in [
            (NameLookUp.Outcome.failure(StreamFailure("no")), "its name cannot be resolved: no"), (.success([]), "its name has no address"),
        ] {
            script.answer(outcome)
            #expect(throws: StreamFailure(text)) { try name.addresses(Self.patience) }
        }
        #expect(script.asked == 2)
    }

    @Test("an address needs no look-up, and the system resolves one", arguments: ["127.0.0.1", "::1"])
    func literal(address: String) throws {
        let script = Script()
        #expect(try NameLookUp(address, port: 80, ask: script.ask).addresses(Self.none).map(\.port) == [80])
        #expect(script.asked == 0)
        #expect(try NameLookUp.system(address, port: 80).get().map(\.ip) == [IPAddress(address)])
    }
}
