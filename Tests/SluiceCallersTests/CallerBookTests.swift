import Testing

@testable import SluiceCallers

/// What may be done with callers and plans.
@Suite("Book of callers")
struct CallerBookTests {
    final class Bench {
        let store = MemoryCallers()
        var declared = CallerBook.Declared()
        var now: Int64 = 1_800_000_000
        var made = 0
        var changes: [CallerBook.Change] = []

        /// A digest that tests can tell: the key's text, and zeros.
        static func digest(_ key: String) -> KeyDigest { KeyDigest(Array((Array(key.utf8) + [UInt8](repeating: 0, count: 32)).prefix(32)))! }

        @discardableResult
        func perform(_ operation: CallerRequest.Operation, _ name: String?, _ fill: (inout CallerRequest) -> Void = { _ in }) throws(CallerFault) -> CallerAnswer {
            var request = CallerRequest(name: name)
            fill(&request)
            let book = CallerBook(store: store, declared: declared, now: now, makeKey: { () throws(CallerFault) in
                self.made += 1
                return "made\(self.made)"
            }, digest: { (key: String) throws(CallerFault) in Self.digest(key) })
            return try book.perform(operation, request) { changes.append($0) }
        }

        /// Why it is refused.
        func refusal(_ operation: CallerRequest.Operation, _ name: String?, _ fill: (inout CallerRequest) -> Void = { _ in }) -> String {
            let before = (store.kept, store.keptPlans)
            do throws(CallerFault) {
                _ = try perform(operation, name, fill)
                return "not refused"
            } catch {
                #expect(before.0 == store.kept && before.1 == store.keptPlans, "a refusal has changed something")
                return "\(error.kind.rawValue) \(error.description)"
            }
        }
    }

    @Test("a caller is made: with one key or two, made or chosen, shown once; it may call every domain without limits, at once")
    func create() throws {
        let bench = Bench()
        let answer = try bench.perform(.createKey, "alice")
        #expect(answer.key == "made1" && answer.secondaryKey == nil)
        let alice = try #require(bench.store.kept.first)
        #expect(alice.primary == Bench.digest("made1") && alice.secondary == nil && alice.isEnabled && alice.created == bench.now)
        #expect(alice.grants == [.init(domain: nil, plan: nil)])
        let two = try bench.perform(.createKey, "bob") { $0.withSecondary = true }
        #expect(two.key == "made2" && two.secondaryKey == "made3")
        let chosen = try bench.perform(.createKey, "carol") { $0.key = "0123456789"; $0.secondaryKey = String(repeating: "a", count: 40) }
        #expect(chosen.key == "0123456789" && chosen.notes?.count == 1)
        // Nothing that is asked later shows a key.
        let shown = try bench.perform(.showKey, "carol")
        #expect(shown.key == nil && shown.secondaryKey == nil && shown.callers?.first?.hasSecondary == true)
        #expect(bench.changes.count == 3)
    }

    @Test("names, descriptions and keys have bounds", arguments: [
        ("", "400 a caller's name must have 1 to 50 letters, digits and any of -._@+"), (String(repeating: "n", count: 51), "400 a caller's name must have 1 to 50 letters, digits and any of -._@+"),
        ("a b", "400 a caller's name must have 1 to 50 letters, digits and any of -._@+"), ("a\"b", "400 a caller's name must have 1 to 50 letters, digits and any of -._@+"),
        ("ä", "400 a caller's name must have 1 to 50 letters, digits and any of -._@+"), (String(repeating: "n", count: 50), "not refused"),
    ])
    func names(_ name: String, _ outcome: String) { #expect(Bench().refusal(.createKey, name) == outcome) }

    @Test("keys have 10 to 40 letters and digits", arguments: [
        (9, false), (10, true), (40, true), (41, false),
    ])
    func keyCounts(_ count: Int, _ isRight: Bool) {
        let refusal = Bench().refusal(.createKey, "a") { $0.key = String(repeating: "k", count: count) }
        #expect(refusal == (isRight ? "not refused" : "400 a key has 10 to 40 letters and digits"))
        #expect(Bench().refusal(.createKey, "a") { $0.key = "0123456789-" } == "400 a key has 10 to 40 letters and digits")
    }

    @Test("a description has at most 200 bytes")
    func descriptions() {
        #expect(Bench().refusal(.createKey, "a") { $0.description = String(repeating: "d", count: 200) } == "not refused")
        #expect(Bench().refusal(.createKey, "a") { $0.description = String(repeating: "d", count: 201) }.hasPrefix("400 "))
        #expect(Bench().refusal(.createKey, "a") { $0.description = "a\nb" }.hasPrefix("400 "))
    }

    @Test("names and keys are one caller's: over all callers, their second keys and those of the configuration")
    func unique() throws {
        let bench = Bench()
        var declared = Caller(name: "zoe")
        declared.secondary = Bench.digest("configured")
        bench.declared.callers = [declared]
        try bench.perform(.createKey, "alice") { $0.key = "0123456789"; $0.secondaryKey = "9876543210" }
        #expect(bench.refusal(.createKey, "alice") == "409 there is a caller `alice` already")
        #expect(bench.refusal(.createKey, "zoe") == "409 there is a caller `zoe` already")
        for key in ["0123456789", "9876543210", "configured"] {
            #expect(bench.refusal(.createKey, "bob") { $0.key = key } == "409 this key is in use already")
            #expect(bench.refusal(.rotateKey, "alice") { $0.key = key } == "409 this key is in use already")
        }
        #expect(bench.refusal(.createKey, "bob") { $0.key = "aaaaaaaaaa"; $0.secondaryKey = "aaaaaaaaaa" } == "409 the two keys are the same")
    }

    @Test("each key is changed alone, and the old one ends at once")
    func rotate() throws {
        let bench = Bench()
        try bench.perform(.createKey, "alice") { $0.withSecondary = true }
        let answer = try bench.perform(.rotateKey, "alice")
        #expect(answer.key == "made3" && answer.secondaryKey == nil)
        #expect(bench.store.kept[0].digests == [Bench.digest("made3"), Bench.digest("made2")])
        let second = try bench.perform(.rotateKey, "alice") { $0.slot = .secondary }
        #expect(second.key == nil && second.secondaryKey == "made4")
        #expect(bench.store.kept[0].digests == [Bench.digest("made3"), Bench.digest("made4")])
        guard case .caller(let old?, let new?)? = bench.changes.last else { throw CallerFault(.unknown, "no change") }
        #expect(old.digests.contains(Bench.digest("made2")) && !new.digests.contains(Bench.digest("made2")))
    }

    @Test("a caller that may call cannot be deleted; one that is disabled can")
    func delete() throws {
        let bench = Bench()
        try bench.perform(.createKey, "alice")
        #expect(bench.refusal(.deleteKey, "alice") == "409 the caller `alice` is enabled, and its keys may be in use: disable it first")
        try bench.perform(.disableKey, "alice")
        try bench.perform(.deleteKey, "alice")
        #expect(bench.store.kept.isEmpty)
        #expect(bench.refusal(.deleteKey, "alice") == "404 there is no caller `alice`")
    }

    @Test("times: RFC 3339 or a date, and an end behind the beginning", arguments: [
        ("2027-01-31T00:00:00Z", 1_801_353_600 as Int64?), ("2027-01-31", 1_801_353_600), ("2027-01-31T09:00:00+09:00", 1_801_353_600), ("none", nil),
    ])
    func times(_ text: String, _ seconds: Int64?) throws {
        let bench = Bench()
        try bench.perform(.createKey, "alice") { $0.expires = text }
        #expect(bench.store.kept[0].expires == seconds)
        #expect(bench.refusal(.setKey, "alice") { $0.notBefore = "tomorrow" }.hasPrefix("400 `notBefore` must be"))
        if seconds != nil {
            #expect(bench.refusal(.setKey, "alice") { $0.notBefore = "2027-01-31" }.hasPrefix("400 `expires` must be later"))
            #expect(bench.refusal(.setKey, "alice") { $0.notBefore = "2027-01-30T23:59:59Z" } == "not refused")
            #expect(bench.store.kept[0].standing(at: seconds! - 1) == .active && bench.store.kept[0].standing(at: seconds!) == .expired)
            #expect(bench.store.kept[0].standing(at: seconds! - 2) == .notYetValid)
        }
    }

    @Test("plans: within the model's bounds, by name; one that has callers is not deleted")
    func plans() throws {
        let bench = Bench()
        for (rate, isRight) in [(1, true), (5000, true), (5001, false)] as [(UInt64, Bool)] {
            #expect((Bench().refusal(.createPlan, "p") { $0.requestsPerSecond = rate } == "not refused") == isRight)
        }
        for (quota, isRight) in [(0, false), (1, true), (2_147_483_647, true), (2_147_483_648, false)] as [(UInt64, Bool)] {
            #expect((Bench().refusal(.createPlan, "p") { $0.quota = quota; $0.per = "day" } == "not refused") == isRight)
        }
        #expect(bench.refusal(.createPlan, "p") { $0.quota = 5 } == "400 a quota needs `per`: day or month")
        #expect(bench.refusal(.createPlan, "none").hasPrefix("400 a plan's name"))
        try bench.perform(.createPlan, "gold") { $0.quota = 5; $0.per = "month"; $0.requestsPerSecond = 7 }
        #expect(bench.refusal(.createPlan, "gold") == "409 there is a plan `gold` already")
        try bench.perform(.setPlan, "gold") { $0.per = "day" }
        #expect(bench.store.keptPlans == [Plan(name: "gold", requestsPerSecond: 7, quota: .init(limit: 5, per: .day))])
        try bench.perform(.setPlan, "gold") { $0.per = "none"; $0.requestsPerSecond = 0 }
        #expect(bench.store.keptPlans == [Plan(name: "gold")])
        try bench.perform(.createKey, "alice") { $0.plans = ["orders=gold", "none"] }
        #expect(bench.store.kept[0].grants == [.init(domain: "orders", plan: "gold"), .init(domain: nil, plan: nil)])
        #expect(bench.refusal(.deletePlan, "gold") == "409 the plan `gold` has 1 caller: give them another one first")
        #expect(bench.refusal(.setKey, "alice") { $0.plans = ["silver"] } == "404 there is no plan `silver`")
        #expect(bench.refusal(.setKey, "alice") { $0.plans = ["gold", "none"] } == "400 two plans for all domains")
        #expect(bench.refusal(.setKey, "alice") { $0.plans = [] }.hasPrefix("400 "))
        #expect(bench.refusal(.setKey, "alice") { $0.plans = ["=gold"] }.hasPrefix("400 "))
        try bench.perform(.setKey, "alice") { $0.plans = ["none"] }
        try bench.perform(.deletePlan, "gold")
        #expect(bench.store.keptPlans.isEmpty)
    }

    @Test("what was cleared in a domain stays cleared when the caller's plan for it goes and comes back")
    func comesBack() throws {
        let bench = Bench()
        try bench.perform(.createPlan, "gold") { $0.quota = 5; $0.per = "month" }
        try bench.perform(.createPlan, "free") { $0.requestsPerSecond = 5 }
        try bench.perform(.createKey, "alice") { $0.plans = ["orders=gold"] }
        func clearings(_ plans: [String]) throws -> [UInt32] {
            try bench.perform(.setKey, "alice") { $0.plans = plans }
            return bench.store.kept[0].grants.map(\.clearings)
        }
        #expect(try clearings(["orders=free"]) == [1])
        #expect(try clearings(["none"]) == [0])
        #expect(try clearings(["orders=gold"]) == [1])
        // Without a quota it comes back to nothing used.
        #expect(try clearings(["none"]).count == 1 && clearings(["orders=free"]) == [2] && clearings(["orders=gold"]) == [2])
        // Who has never been there begins with the first.
        #expect(try clearings(["orders=gold", "other=gold"]) == [2, 0])
        // Behind the last number comes the first again.
        bench.store.kept[0].grants[0].clearings = 65_535
        #expect(try clearings(["orders=free", "other=gold"]) == [0, 0])
    }

    @Test("what the configuration declares is shown, and changed by nobody here")
    func declared() throws {
        let bench = Bench()
        bench.declared.callers = [Caller(name: "zoe")]
        bench.declared.plans = [Plan(name: "gold", requestsPerSecond: 5)]
        try bench.perform(.createKey, "alice") { $0.plans = ["gold"] }
        #expect(try bench.perform(.listKeys, nil).callers?.map(\.name) == ["alice", "zoe"])
        #expect(try bench.perform(.showKey, "zoe").callers?.first?.isConfigured == true)
        for operation in [.setKey, .rotateKey, .disableKey, .enableKey, .deleteKey] as [CallerRequest.Operation] {
            #expect(bench.refusal(operation, "zoe") == "409 the caller `zoe` is declared in the configuration: change it there, and reload")
        }
        for operation in [.setPlan, .deletePlan] as [CallerRequest.Operation] {
            #expect(bench.refusal(operation, "gold") == "409 the plan `gold` is declared in the configuration: change it there, and reload")
        }
    }

    @Test("a list comes in pieces, in the order of names")
    func pieces() throws {
        let bench = Bench()
        bench.declared.callers = [Caller(name: "n03")]
        for number in [5, 1, 4, 2] { try bench.perform(.createKey, "n0\(number)") }
        let first = try bench.perform(.listKeys, nil) { $0.limit = 2 }
        #expect(first.callers?.map(\.name) == ["n01", "n02"] && first.hasMore == true)
        let second = try bench.perform(.listKeys, nil) { $0.limit = 2; $0.after = "n02" }
        #expect(second.callers?.map(\.name) == ["n03", "n04"] && second.hasMore == true)
        let third = try bench.perform(.listKeys, nil) { $0.limit = 2; $0.after = "n04" }
        #expect(third.callers?.map(\.name) == ["n05"] && third.hasMore == nil)
    }

    @Test("a store that fails changes nothing, and nobody hears of a change")
    func fails() {
        let bench = Bench()
        bench.store.fault = "the disk is full"
        #expect(bench.refusal(.createKey, "alice") == "503 the disk is full")
        #expect(bench.changes.isEmpty)
    }

    @Test("a key that is made has 40 letters and digits, each as likely as the others")
    func madeKeys() throws {
        #expect(CallerRules.key(from: Array(0..<80)) != nil)
        #expect(CallerRules.key(from: [UInt8](repeating: 255, count: 80)) == nil)
        #expect(CallerRules.key(from: Array(208...247))?.count == 40)
        let key = try #require(CallerRules.key(from: Array(248...255) + Array(0..<62)))
        #expect(key == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcd" && CallerRules.isKey(key))
    }

    @Test("times are told in UTC")
    func timeTexts() {
        #expect(CallerTimes.text(0) == "1970-01-01T00:00:00Z" && CallerTimes.text(-1) == "1969-12-31T23:59:59Z")
        #expect(CallerTimes.text(1_801_353_599) == "2027-01-30T23:59:59Z")
    }
}
