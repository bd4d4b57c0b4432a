import SluiceCallers
import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// API keys, as the policy reads them.
@Suite("API key")
struct ApiKeyTests {
    static let key = "0123456789abcdefABCDEF0123456789abcdefgh"
    static let other = "zyxwvutsrqponmlkjihgfedcba9876543210ZYXW"

    /// A policy in the domain `a`, and callers that are in force.
    private final class Bench {
        let snapshot: SnapshotBuilder
        let compiled: ApiKey.Compiled

        init(_ yaml: String = "{}", callers: [Caller], plans: [Plan] = []) throws {
            let problems = Problems(file: "sluice.yaml", environment: [:])
            snapshot = SnapshotBuilder(problems: problems)
            snapshot.domainKey = "a"
            var declared = CallerBook.Declared()
            declared.callers = callers
            declared.plans = plans
            snapshot.knownCallers.beginCompilation(declared)
            let node = try #require(ConfigurationNode.load(text: yaml, problems: problems))
            let configuration = try #require(ApiKey.read(node, problems: problems))
            compiled = try #require(ApiKey.compile(configuration, into: snapshot))
            #expect(snapshot.knownCallers.putInForce() == nil)
            try #require(problems.all.isEmpty)
        }

        func answer(_ lines: String, at seconds: Int64 = 1_700_000_000) throws -> Answer {
            let test = try TestExchange("GET /\n" + lines, wallSeconds: seconds)
            return Answer(compiled.evaluate(&test.exchange))
        }
    }

    private static func caller(_ name: String = "alice", _ change: (inout Caller) -> Void = { _ in }) -> Caller {
        var caller = Caller(name: name)
        caller.primary = CallerKeys.digest(Array(key.utf8))
        change(&caller)
        return caller
    }

    @Test("a caller is known by its first key and by its second, by the whole of it and nothing else")
    func keys() throws {
        let bench = try Bench(callers: [Self.caller { $0.secondary = CallerKeys.digest(Array(Self.other.utf8)) }])
        for key in [Self.key, Self.other] {
            let test = try TestExchange("GET /\nX-NHN-APIKEY: \(key)")
            #expect(Answer(bench.compiled.evaluate(&test.exchange)) == .proceed)
            #expect(test.exchange.caller.name.string == "alice")
        }
        for key in [String(Self.key.dropLast()), Self.key + "x", "x", Self.key.lowercased(), String(repeating: "k", count: 257), String(repeating: "k", count: 9000)] {
            #expect(try bench.answer("x-nhn-apikey: \(key)") == .refuse(.apiKeyInvalid))
        }
    }

    @Test("no key, an empty one, several")
    func missing() throws {
        let bench = try Bench(callers: [Self.caller()])
        #expect(try bench.answer("A: b") == .refuse(.apiKeyEmpty))
        #expect(try bench.answer("x-nhn-apikey: ") == .refuse(.apiKeyEmpty))
        #expect(try bench.answer("x-nhn-apikey2: \(Self.key)") == .refuse(.apiKeyEmpty))
        #expect(try bench.answer("x-nhn-apikey: \(Self.key)\nx-nhn-apikey: \(Self.key)") == .refuse(.apiKeyInvalid))
        #expect(try bench.answer("x-nhn-apikey: \nX-NHN-apikey: \(Self.key)") == .refuse(.apiKeyInvalid))
    }

    @Test("disabled, too early, too late: inactive, to the second")
    func inactive() throws {
        #expect(try Bench(callers: [Self.caller { $0.isEnabled = false }]).answer("x-nhn-apikey: \(Self.key)") == .refuse(.apiKeyInactive))
        let bench = try Bench(callers: [Self.caller { $0.notBefore = 1_700_000_000; $0.expires = 1_700_000_010 }])
        for (seconds, isIn) in [(-1, false), (0, true), (9, true), (10, false)] as [(Int64, Bool)] {
            #expect(try bench.answer("x-nhn-apikey: \(Self.key)", at: 1_700_000_000 + seconds) == (isIn ? .proceed : .refuse(.apiKeyInactive)))
        }
    }

    @Test("a caller without access to the domain, or with a plan that does not exist, is unknown there")
    func access() throws {
        func answer(_ grants: [Caller.Grant], plans: [Plan] = []) throws -> Answer {
            try Bench(callers: [Self.caller { $0.grants = grants }], plans: plans).answer("x-nhn-apikey: \(Self.key)")
        }
        #expect(try answer([.init(domain: "a", plan: nil)]) == .proceed)
        #expect(try answer([.init(domain: "b", plan: nil)]) == .refuse(.apiKeyInvalid))
        #expect(try answer([.init(domain: "b", plan: nil), .init(domain: nil, plan: nil)]) == .proceed)
        #expect(try answer([]) == .refuse(.apiKeyInvalid))
        #expect(try answer([.init(domain: nil, plan: "gold")]) == .refuse(.apiKeyInvalid))
        #expect(try answer([.init(domain: nil, plan: "gold")], plans: [Plan(name: "gold")]) == .proceed)
    }

    @Test("another header, and the caller's name for the service")
    func header() throws {
        let bench = try Bench("{header: X-Key, forwardCaller: X-Caller}", callers: [Self.caller("a.b@c+d")])
        #expect(try bench.answer("x-nhn-apikey: \(Self.key)") == .refuse(.apiKeyEmpty))
        let test = try TestExchange("GET /\nx-key: \(Self.key)")
        #expect(Answer(bench.compiled.evaluate(&test.exchange)) == .proceed)
        #expect(test.exchange.forwardedClaimCount == 1 && test.exchange.forwardedClaims[0].string == "a.b@c+d")
    }

    @Test("problems are reported with their places", arguments: [
        ("header: a_b", "1:9: header: found \"a_b\", allowed the name of a header of letters, digits and hyphens that is sent on"),
        ("header: Connection", "1:9: header: found \"Connection\", allowed the name of a header of letters, digits and hyphens that is sent on"),
        ("forwardCaller: ''", "1:16: forwardCaller: found \"\", allowed the name of a header of letters, digits and hyphens that is sent on"),
        ("{header: A, forwardCaller: a}", "1:28: forwardCaller: found the header of the key, allowed another header"),
        ("hide: 1", "1:7: hide: found the integer 1, allowed true or false"),
    ])
    func problems(_ yaml: String, _ complaint: String) throws {
        #expect(try PolicyFixture(ApiKey.self, yaml).complaints == [complaint])
    }

    @Test("the first hundred callers have a row in the metrics, all others share one")
    func rows() throws {
        let rows = CallerRows()
        for number in 0..<100 { #expect("caller\(number)".withByteView { rows.row(of: $0) } == number) }
        for number in 100..<2000 { #expect("caller\(number)".withByteView { rows.row(of: $0) } == CallerRows.others) }
        for number in 0..<100 { #expect("caller\(number)".withByteView { rows.row(of: $0) } == number) }
        #expect(rows.labels.count == 100 && rows.labels[7] == "caller7")
    }
}
