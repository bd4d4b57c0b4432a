import Testing

@testable import SluiceCallers

/// Callers and plans from a file.
@Suite("Import of callers")
struct CallerImportTests {
    private final class Bench {
        let store = MemoryCallers()
        var declared = CallerBook.Declared()

        func take(_ lines: [CallerLine]) throws(CallerFault) -> CallerImport {
            let book = CallerBook(
                store: store, declared: declared, now: 1_800_000_000, makeKey: { () throws(CallerFault) in throw CallerFault(.unusable, "no key is made") },
                digest: { (_: String) throws(CallerFault) in throw CallerFault(.unusable, "no key is seen") })
            return try book.takeOver(lines.enumerated().map { ($0.offset + 1, $0.element) })
        }

        func refusal(_ lines: [CallerLine]) -> String {
            let before = (store.kept, store.keptPlans)
            do throws(CallerFault) {
                _ = try take(lines)
                return "not refused"
            } catch {
                #expect(before.0 == store.kept && before.1 == store.keptPlans, "a refusal has changed something")
                return "\(error.kind.rawValue) \(error.description)"
            }
        }
    }

    private func digest(_ byte: UInt8) -> KeyDigest { KeyDigest([UInt8](repeating: byte, count: 32))! }

    private func caller(_ name: String, _ first: UInt8, _ second: UInt8? = nil, plans: [Caller.Grant] = [.init(domain: nil, plan: "gold")], id: UInt32 = 0) -> Caller {
        var caller = Caller(name: name)
        caller.primary = digest(first)
        caller.secondary = second.map(digest)
        caller.grants = plans
        caller.id = id
        caller.created = 1_700_000_000
        return caller
    }

    private let gold = Plan(name: "gold", requestsPerSecond: 5, quota: .init(limit: 9, per: .month))

    @Test("what one gateway has another has behind it, with ids where they are free; twice changes nothing")
    func moves() throws {
        let bench = Bench()
        var alice = caller("alice", 1, 2, plans: [.init(domain: nil, plan: nil), .init(domain: "orders", plan: "gold")], id: 7)
        alice.description = "Ä"
        alice.isEnabled = false
        alice.notBefore = 5
        alice.expires = 9
        let lines = [CallerLine(alice), CallerLine(caller("bob", 3, id: 7)), CallerLine(gold), CallerLine(Plan(name: "free"))]
        #expect(try bench.take(lines) == { var outcome = CallerImport(); outcome.made = 4; return outcome }())
        #expect(bench.store.kept == [alice, caller("bob", 3, id: 8)] && bench.store.keptPlans == [gold, Plan(name: "free")])
        #expect(try bench.take(lines) == { var outcome = CallerImport(); outcome.unchanged = 4; return outcome }())
        #expect(bench.store.kept == [alice, caller("bob", 3, id: 8)])
    }

    @Test("who is there becomes what the file says, also if keys go from one to another; who is not named stays")
    func changes() throws {
        let bench = Bench()
        _ = try bench.take([CallerLine(gold), CallerLine(caller("alice", 1, 2)), CallerLine(caller("bob", 3)), CallerLine(caller("carol", 4))])
        let before = bench.store.kept
        let outcome = try bench.take([CallerLine(caller("alice", 3)), CallerLine(caller("bob", 1, 2, plans: [.init(domain: "orders", plan: "gold")]))])
        #expect(outcome.changed == 2 && outcome.made == 0)
        #expect(bench.store.kept.map(\.digests) == [[digest(3)], [digest(1), digest(2)], [digest(4)]] && bench.store.kept.map(\.id) == before.map(\.id))
        #expect(bench.store.kept[1].grants == [.init(domain: "orders", plan: "gold")] && bench.store.kept[2] == before[2])
    }

    @Test("a plan that loses its quota by it clears what was used, as by a command")
    func clears() throws {
        let bench = Bench()
        _ = try bench.take([CallerLine(gold), CallerLine(caller("alice", 1))])
        _ = try bench.take([CallerLine(Plan(name: "gold", requestsPerSecond: 5))])
        #expect(bench.store.keptPlans == [Plan(name: "gold", requestsPerSecond: 5)] && bench.store.kept[0].grants == [.init(domain: nil, plan: "gold", clearings: 1)])
    }

    @Test("a file that cannot be taken changes nothing, and the error names the line")
    func refusals() throws {
        let bench = Bench()
        _ = try bench.take([CallerLine(gold), CallerLine(caller("alice", 1, 2))])
        func line(_ change: (inout CallerLine) -> Void) -> [CallerLine] {
            var line = CallerLine(caller("bob", 9))
            change(&line)
            return [CallerLine(caller("zoe", 50)), line]
        }
        #expect(bench.refusal(line { $0.caller = "a b" }).hasPrefix("400 line 2: a caller's name must have"))
        #expect(bench.refusal(line { $0.caller = "zoe" }) == "409 line 2: the same name as in line 1")
        #expect(bench.refusal(line { $0.key = nil }) == "400 line 2: `key` is missing")
        #expect(bench.refusal(line { $0.key = "0123456789abcdef" }) == "400 line 2: `key` must be `sha256:` and 64 hexadecimal digits")
        #expect(bench.refusal(line { $0.secondaryKey = $0.key }) == "409 line 2: the two keys are the same")
        #expect(bench.refusal(line { $0.key = CallerLine(caller("zoe", 50)).key }) == "409 line 2: a key that line 1 has too")
        #expect(bench.refusal(line { $0.key = CallerLine(caller("alice", 2)).key }) == "409 line 2: a key that the caller `alice` has, whom the file does not name")
        #expect(bench.refusal(line { $0.plans = ["silver"] }) == "404 line 2: there is no plan `silver`")
        #expect(bench.refusal(line { $0.plans = [] }).hasPrefix("400 line 2: a caller has 1 to 64 plans"))
        #expect(bench.refusal(line { $0.expires = "soon" }).hasPrefix("400 line 2: `expires` must be a time"))
        #expect(bench.refusal(line { $0.created = "soon" }).hasPrefix("400 line 2: `created` must be a time"))
        #expect(bench.refusal(line { $0.description = String(repeating: "d", count: 201) }).hasPrefix("400 line 2: a description has"))
        var plan = CallerLine(gold)
        plan.quota = 5_000_000_000
        #expect(bench.refusal([plan]) == "400 line 1: a quota is 1 to 2147483647 requests")
        plan.quota = nil
        #expect(bench.refusal([plan]) == "400 line 1: `quota` and `per` need each other")
        plan.plan = "none"
        #expect(bench.refusal([plan]).hasPrefix("400 line 1: a plan's name must have"))
        bench.declared.callers = [caller("bob", 77)]
        bench.declared.plans = [Plan(name: "gold")]
        #expect(bench.refusal(line { _ in }) == "409 line 2: the caller `bob` is declared in the configuration")
        #expect(bench.refusal([CallerLine(gold)]) == "409 line 1: the plan `gold` is declared in the configuration")
        #expect(bench.refusal([CallerLine(caller("zoe", 77))]) == "409 line 1: a key that the configuration has too")
        bench.store.fault = "the disk is full"
        #expect(bench.refusal([CallerLine(Plan(name: "free"))]) == "503 the disk is full")
    }
}
