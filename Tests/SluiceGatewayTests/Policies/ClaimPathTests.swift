import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Names of claims")
struct ClaimPathTests {
    private func value(_ path: String, _ json: String) throws -> String? {
        let memory = ClaimScanner.Memory.allocate(textBytesMax: 1 << 16)
        defer { memory.deallocate() }
        let arena = Arena()
        let object = try #require(ClaimScanner.scan(arena.bytes(json), memory: memory), "\(json)")
        return ClaimPath(arena.bytes(path)).value(in: object).map { "\($0.raw.string)" }
    }

    @Test("the longest name that is there counts, at each level, and there is no second try", arguments: [
        ("a", #"{"a":1}"#, "1"), ("a", #"{"b":1}"#, nil), ("a.b", #"{"a":{"b":1}}"#, "1"), ("a.b", #"{"a.b":2,"a":{"b":1}}"#, "2"),
        ("a.b", #"{"a":{"b":1},"a.b":null}"#, "null"), ("a.b.c", #"{"a":{"b":{"c":1}}}"#, "1"), ("a.b.c", #"{"a":{"b.c":2,"b":{"c":1}}}"#, "2"),
        ("a.b.c", #"{"a.b":{"c":3},"a":{"b":{"c":1}}}"#, "3"), ("a.b.c", #"{"a.b":{"d":3},"a":{"b":{"c":1}}}"#, nil), ("a.b.c", #"{"a.b":7,"a":{"b":{"c":1}}}"#, nil),
        ("a.b.c", #"{"a":{"b":[{"c":1}]}}"#, nil), ("a.b", #"{"a":[{"b":1}]}"#, nil), ("a.b", #"{"a":"b"}"#, nil), ("a.b", #"{"a":null}"#, nil), ("a.b", #"{"a":{}}"#, nil),
        ("a.b", #"{"a":{"x":{"b":1},"y":"b","b" : [1, 2] ,"z":"}"}}"#, "[1, 2]"), ("a.b", #"{"a":{"x":"\"b\":9","b":true}}"#, "true"),
        ("a.b", #"{"a":{"\u0062":1}}"#, "1"), ("a.b", #"{"\u0061":{"b":1}}"#, "1"), ("a.b", #"{"a\u002eb":1}"#, "1"), ("a.b.c", #"{"a":{"b\u002ec":1}}"#, "1"),
        ("a.b", #"{"a":{"bb":1,"":2}}"#, nil), ("a.", #"{"a":{"":2}}"#, "2"), (".a", #"{"":{"a":2}}"#, "2"), (".", #"{"":{"":2}}"#, "2"), ("a..b", #"{"a":{"":{"b":4}}}"#, "4"),
        ("https://example.com/roles", #"{"https://example.com/roles":["x"]}"#, #"["x"]"#), ("https://example.com/roles", #"{"https://example":{"com/roles":5}}"#, "5"),
        ("resource_access.my.client.roles", #"{"resource_access":{"my":{"client":{"roles":1}},"my.client":{"roles":2}}}"#, "2"),
        ("a.b", #"{"a":{"b":-1.5e3}}"#, "-1.5e3"), ("a.b", "{ \"a\" : {\n\t\"b\" : false\n} }", "false"),
    ])
    func longest(path: String, json: String, value: String?) throws { #expect(try self.value(path, json) == value, "\(path) in \(json)") }

    @Test("an object of many members, and a way of many levels, take one pass each")
    func large() throws {
        let many = (0..<3000).map { "\"m\($0)\":{\"x\":\"}{\"}" }.joined(separator: ",")
        #expect(try value("a.m2999.x", "{\"a\":{\(many)}}") == "}{")
        let path = (0..<1000).map { "n\($0)" }
        let deep = path.reversed().reduce("1") { "{\"\($1)\":\($0)}" }
        #expect(try value(path.joined(separator: "."), deep) == "1")
    }

    private func outcome(_ yaml: String, _ claims: [(String, String)]) throws -> (Outcome, [String]) {
        let bench = try AuthenticationBench()
        let configuration = try #require(JWT.read(try bench.node(yaml), problems: bench.problems), "\(bench.problems.all)")
        let policy = try #require(JWT.compile(configuration, into: bench.snapshot))
        bench.takeOver()
        let token = try JWT.TokenSigner(issuer: configuration.only).token(claims: claims.map { (name: $0.0, value: $0.1) }, now: AuthenticationBench.now)
        var exchange = try bench.exchange("GET /", ["Authorization: Bearer \(token)"])
        let outcome = Outcome(policy.evaluate(&exchange))
        return (outcome, (0..<exchange.forwardedClaimCount).map { exchange.forwardedClaims[$0].string })
    }

    @Test("conditions and forwarded claims read names alike, and the signer meets them")
    func policies() throws {
        let yaml = "{secret: s, claims: [{name: realm_access.roles, oneOf: [admin, editor]}, {name: realm_access.level, equals: 3}, "
            + "{name: \"https://example.com/tenant\", equals: acme}, {name: scp, oneOf: [read]}, {name: a.b.c, present: true}], "
            + "forward: {realm_access.roles: X-Roles, \"https://example.com/tenant\": X-Tenant, a.b: X-B, none.such: X-None}}"
        let made = try outcome(yaml, [])
        #expect(made.0 == .proceed && made.1 == ["admin", "acme", #"{"c":true}"#, ""])
        let other = try outcome(yaml, [("realm_access.roles", #"["viewer","editor"]"#)])
        #expect(other.0 == .proceed && other.1 == [#"["viewer","editor"]"#, "acme", #"{"c":true}"#, ""])
        #expect(try outcome(yaml, [("realm_access", #"{"roles":["viewer","editor"],"level":3}"#)]).0 == .proceed)
        #expect(try outcome(yaml, [("realm_access", #"{"roles":["viewer"],"level":3}"#)]).0 == .refuse(.jwtInvalid))
        #expect(try outcome(yaml, [("realm_access.roles", "viewer editor")]).0 == .proceed)
        #expect(try outcome(yaml, [("realm_access.roles", "[[\"editor\"]]")]).0 == .refuse(.jwtInvalid))
        #expect(try outcome(yaml, [("a", #"{"b":{"c":null}}"#)]).0 == .refuse(.jwtInvalid))
        #expect(try outcome(yaml, [("https://example.com/tenant", "other")]).0 == .refuse(.jwtInvalid))
        #expect(try outcome(yaml, [("scp", "write read")]).0 == .proceed)
    }
}
