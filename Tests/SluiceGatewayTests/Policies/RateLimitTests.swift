import SluiceConfiguration
import SluiceCounting
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// The policy `rateLimit`: who is one caller, what a list charges, and what a caller is told.
@Suite("Rate limit")
final class RateLimitTests {
    /// What compiled policies point into.
    private var kept: [Site] = []

    private func site(domain: String = "{}", endpoint: String = "{}", path: String = "/**", callers: CallerLimits = CallerLimits()) throws -> Site {
        let site = try Site(domain: domain, endpoint: endpoint, path: path, callers: callers)
        kept.append(site)
        return site
    }

    /// Domain and endpoint with these policies, compiled as a configuration has them.
    private final class Site {
        let problems: Problems
        let builder: SnapshotBuilder
        let domain: PolicySite
        let endpoint: PolicySite

        init(domain: String = "{}", endpoint: String = "{}", path: String = "/**", callers: CallerLimits = CallerLimits()) throws {
            let problems = Problems(file: "sluice.yaml", environment: [:])
            func settings(_ yaml: String, _ level: PolicyDeclaration.Level) throws -> PolicySettings {
                let node = try #require(ConfigurationNode.load(text: yaml, problems: problems))
                return PolicySettings(try #require(MappingReader(node, problems)), at: level)
            }
            self.problems = problems
            builder = SnapshotBuilder(problems: problems, callers: callers)
            self.domain = PolicySite(
                domain: "api", try settings(domain, .domain), project: .init(name: "p", limit: 1000), counts: CountRegistry().makeHold(), into: builder)
            self.endpoint = PolicySite(endpoint: "* \(path)", path: path, try settings(endpoint, .endpoint), in: self.domain)
        }

        var complaints: [String] { problems.all.map { String($0.description.dropFirst("sluice.yaml:".count)) } }

        /// The list of the endpoint's chain that is charged before authentication.
        func early() throws -> RateLimit.Compiled {
            try #require(complaints.isEmpty, "\(complaints)")
            return try #require(RateLimit.compiled(at: endpoint)).pointee
        }

        func late() throws -> RateLimit.Compiled { try #require(LateRateLimit.compiled(at: endpoint)).pointee }
    }

    private static let start: UInt64 = 1_000_000_000_000

    private func ask(
        _ policy: RateLimit.Compiled, _ request: String = "GET /", client: String = "192.0.2.1", at time: UInt64 = 0, claims: [String] = []
    ) throws -> Answer {
        let test = try TestExchange(request, client: client, monotonicNanoseconds: Self.start + time)
        let texts = Arena()
        for (index, claim) in claims.enumerated() { test.exchange.forwardedClaims[index] = texts.bytes(claim) }
        test.exchange.forwardedClaimCount = claims.count
        return Answer(policy.evaluate(&test.exchange))
    }

    // MARK: Callers

    @Test("by address: IPv4 addresses differ in every bit, IPv6 addresses in the first 64, or in as many as are said", arguments: [
        ("", "192.0.2.1", "192.0.2.1", true), ("", "192.0.2.1", "192.0.2.2", false), ("", "192.0.2.1", "::ffff:192.0.2.1", true),
        ("", "2001:db8::1", "2001:db8::ffff:1", true), ("", "2001:db8::1", "2001:db8:0:1::1", false),
        (", ipv6Prefix: 128", "2001:db8::1", "2001:db8::2", false), (", ipv6Prefix: 127", "2001:db8::2", "2001:db8::3", true),
        (", ipv6Prefix: 127", "2001:db8::1", "2001:db8::2", false), (", ipv6Prefix: 65", "2001:db8::1", "2001:db8::8000:0:0:1", false),
        (", ipv6Prefix: 63", "2001:db8::1", "2001:db8:0:1::1", true), (", ipv6Prefix: 1", "2001:db8::1", "7fff::", true),
        (", ipv6Prefix: 1", "2001:db8::1", "8000::", false), (", ipv6Prefix: 1", "192.0.2.1", "192.0.2.2", false),
    ])
    func addresses(option: String, first: String, second: String, areOne: Bool) throws {
        let policy = try site(domain: "{rateLimit: [{limit: 1, perSeconds: 60\(option)}]}").early()
        #expect(try ask(policy, client: first) == .proceed)
        #expect(try ask(policy, client: second) == (areOne ? .refuse(.rateLimited) : .proceed))
    }

    @Test("by header: the lines that go on to the upstream, whatever Connection says; without a value nobody is counted", arguments: [
        ("X-Tenant: a", "x-tenant: a", true), ("X-Tenant: a", "X-Tenant: A", false), ("X-Tenant: a", "X-Tenant: b", false),
        ("X-Tenant: a", "Connection: x-tenant\nX-Tenant: a", true), ("X-Tenant: a\nX-Tenant: b", "X-Tenant: a\nX-Other: c\nX-Tenant: b", true),
        ("X-Tenant: a\nX-Tenant: b", "X-Tenant: b\nX-Tenant: a", false), ("X-Tenant: ab", "X-Tenant: a\nX-Tenant: b", false),
        ("X-Tenant:", "X-Tenant:", false), ("X-Other: a", "X-Other: a", false), ("X_Tenant: a", "X_Tenant: a", false), ("X-Tenants: a", "X-Tenants: a", false),
    ])
    func headers(first: String, second: String, areOne: Bool) throws {
        let policy = try site(domain: "{rateLimit: [{limit: 1, perSeconds: 60, by: 'header:X-Tenant'}]}").early()
        #expect(try ask(policy, "GET /\n\(first)") == .proceed)
        #expect(try ask(policy, "GET /\n\(second)", client: "192.0.2.9") == (areOne ? .refuse(.rateLimited) : .proceed))
    }

    @Test("what only trusted proxies may say is nobody's name")
    func forwardedHeaders() throws {
        let policy = try site(domain: "{rateLimit: [{limit: 1, perSeconds: 60, by: 'header:X-Real-IP', missing: refuse}]}").early()
        #expect(try ask(policy, "GET /\nX-Real-IP: 10.0.0.1") == .refuse(.rateLimited))
    }

    @Test("by path: the whole segment of a variable, as it was normalised", arguments: [
        ("/a/{id}", "id", "/a/7", "/a/7", true), ("/a/{id}", "id", "/a/7", "/a/8", false), ("/a/{id}", "id", "/a/%37", "/a/7", true),
        ("/a/{id}/b/{x}", "x", "/a/7/b/1", "/a/8/b/1", true), ("/a/{id}/**", "id", "/a/7/b/c", "/a/7/d", true), ("/{id}", "id", "/7", "/7", true),
        ("/a/{id:[0-9/]+}", "id", "/a/7", "/a/7", true), ("/a/{id}", "id", "/a/7?x", "/a/7?y", true), ("/{a}.json/{id}", "id", "/1.json/7", "/2.json/7", true),
    ])
    func paths(pattern: String, name: String, first: String, second: String, areOne: Bool) throws {
        let policy = try site(endpoint: "{rateLimit: [{limit: 1, perSeconds: 60, by: 'path:\(name)'}]}", path: pattern).early()
        #expect(try ask(policy, "GET \(first)") == .proceed)
        #expect(try ask(policy, "GET \(second)", client: "192.0.2.9") == (areOne ? .refuse(.rateLimited) : .proceed))
    }

    @Test("by claim: charged after authentication, by the claim that `jwt` forwards; a token without it is nobody's")
    func claims() throws {
        let site = try site(
            domain: "{jwt: {secret: s, forward: {aud: X-A, sub: X-B}}, rateLimit: [{limit: 1, perSeconds: 60, by: 'claim:sub'}, {limit: 9, perSeconds: 1}]}")
        #expect(PolicyTable.rows.steps(at: site.endpoint).map { $0.policy.key } == ["ceiling", "rateLimit", "jwt", "rateLimit", "bodyLimit"])
        let policy = try site.late()
        #expect(try ask(policy, claims: ["x", "alice"]) == .proceed)
        #expect(try ask(policy, claims: ["y", "alice"]) == .refuse(.rateLimited))
        #expect(try ask(policy, claims: ["x", "bob"]) == .proceed)
        for _ in 0..<2 {
            #expect(try ask(policy, claims: ["x", ""]) == .proceed)
            #expect(try ask(policy, claims: []) == .proceed)
        }
        #expect(RateLimit.compiled(at: site.endpoint)?.pointee.conditions.count == 1)
    }

    @Test("by path: what differs only behind a semicolon is one caller", arguments: ["/t/acme;1", "/t/acme;a=b", "/t/acme%3B2", "/t/acme%3b3", "/t/acme;"])
    func pathParameters(target: String) throws {
        let policy = try site(endpoint: "{rateLimit: [{limit: 1, perSeconds: 60, by: 'path:tenant'}]}", path: "/t/{tenant}").early()
        #expect(try ask(policy, "GET /t/acme") == .proceed)
        #expect(try ask(policy, "GET \(target)") == .refuse(.rateLimited))
        #expect(try ask(policy, "GET /t/acm;e") == .proceed)
    }

    @Test("a claim that issuers forward in several headers, or in one with another claim, tells nobody apart: a problem, once", arguments: [
        "issuers: [{issuer: 'https://a.test', forward: {sub: X-A}}, {issuer: 'https://b.test', forward: {sub: X-B}}]",
        "issuers: [{issuer: 'https://a.test', forward: {sub: X-A}}, {issuer: 'https://b.test', forward: {uid: x-a}}]",
    ])
    func claimsOfIssuers(issuers: String) throws {
        let site = try site(domain: "{jwt: {\(issuers)}, rateLimit: [{limit: 1, perSeconds: 60, by: 'claim:sub'}]}")
        _ = (RateLimit.compiled(at: site.endpoint), LateRateLimit.compiled(at: site.endpoint), LateRateLimit.compiled(at: site.domain))
        #expect(site.complaints.count == 1 && site.complaints[0].contains("the claim \"sub\""), "\(site.complaints)")
    }

    @Test("a claim that a domain's own credentials forward in the header that is counted by is a problem, and so is a header that is set")
    func headersThatAreNotTheClients() throws {
        func problems(_ yaml: String) throws -> [String] {
            let problems = Problems(file: "a.yaml", environment: [:])
            _ = GatewayConfiguration.read(try #require(ConfigurationNode.load(text: yaml, problems: problems)), problems: problems)
            return problems.all.filter { !$0.isNote }.map { "\($0.keyPath): \($0.found)" }
        }
        let limit = "rateLimit: [{limit: 1, perSeconds: 60, by: 'header:X-User'}]"
        #expect(try problems("domains: [{key: a, upstream: 'http://a', policies: {jwt: {secret: s, forward: {sub: X-User}}, \(limit)}, endpoints: [{path: /}]}]").count == 1)
        #expect(try problems("domains: [{key: a, upstream: 'http://a', endpoints: [{path: /, policies: {headers: {request: {set: {x-user: b}}}, \(limit)}}]}]").count == 1)
        #expect(try problems("domains: [{key: a, upstream: 'http://a', policies: {\(limit)}, endpoints: [{path: /}]}]") == [])
    }

    @Test("a claim that an endpoint's own credentials do not tell is missing there")
    func claimsOfOthers() throws {
        let list = "rateLimit: [{limit: 1, perSeconds: 60, by: 'claim:sub', missing: refuse}]"
        let site = try site(domain: "{jwt: {secret: s, forward: {sub: X-B}}, \(list)}", endpoint: "{authentication: none}")
        #expect(site.complaints == [])
        #expect(try ask(site.late(), claims: ["alice"]) == .refuse(.rateLimited))
    }

    @Test("a request without the key passes uncounted, or is refused where the limit says so")
    func missing() throws {
        let passes = try site(domain: "{rateLimit: [{limit: 1, perSeconds: 60, by: 'header:X-A'}]}").early()
        for _ in 0..<3 { #expect(try ask(passes) == .proceed) }
        let refuses = try site(domain: "{rateLimit: [{limit: 1, perSeconds: 60, by: 'header:X-A', missing: refuse}]}").early()
        let test = try TestExchange("GET /")
        guard case .refuse(let refusal) = refuses.evaluate(&test.exchange) else { return #expect(Bool(false)) }
        #expect(refusal.row == .rateLimited && refusal.detail.string == "header X-A missing" && refusal.toldDetail.isEmpty)
        #expect(refuses.secondsToWait(test.exchange) == nil)
    }

    // MARK: Lists

    @Test("a request that one limit of a list refuses is charged to none")
    func allOrNothing() throws {
        let policy = try site(domain: "{rateLimit: [{limit: 3, perSeconds: 60}, {limit: 1, perSeconds: 60, by: 'header:X-A'}]}").early()
        #expect(try ask(policy, "GET /\nX-A: a") == .proceed)
        for _ in 0..<20 { #expect(try ask(policy, "GET /\nX-A: a") == .refuse(.rateLimited)) }
        #expect(try ask(policy, "GET /\nX-A: b") == .proceed)
        #expect(try ask(policy, "GET /\nX-A: c") == .proceed)
        #expect(try ask(policy, "GET /\nX-A: d") == .refuse(.rateLimited))
    }

    @Test("an endpoint's list stands in place of its domain's, and an empty one lifts it; the domain's is one count for all other endpoints")
    func levels() throws {
        let callers = CallerLimits()
        let domain = "{rateLimit: [{limit: 2, perSeconds: 60}]}"
        let plain = try site(domain: domain, path: "/a", callers: callers).early()
        let other = try site(domain: domain, path: "/b", callers: callers).early()
        let own = try site(domain: domain, endpoint: "{rateLimit: [{limit: 1, perSeconds: 60}]}", path: "/c", callers: callers).early()
        let lifted = try site(domain: domain, endpoint: "{rateLimit: []}", callers: callers)
        #expect(lifted.complaints == [] && RateLimit.compiled(at: lifted.endpoint) == nil)
        #expect(try ask(plain) == .proceed)
        #expect(try ask(own) == .proceed)
        #expect(try ask(own) == .refuse(.rateLimited))
        #expect(try ask(other) == .proceed)
        #expect(try ask(plain) == .refuse(.rateLimited))
    }

    @Test("a reload keeps the counts, and another limit goes on with them; another interval, source or owner begins anew")
    func reload() throws {
        let callers = CallerLimits()
        func policy(_ list: String, path: String = "/**") throws -> RateLimit.Compiled {
            try site(endpoint: "{rateLimit: [\(list)]}", path: path, callers: callers).early()
        }
        let before = try policy("{limit: 3, perSeconds: 60}")
        for _ in 0..<3 { #expect(try ask(before) == .proceed) }
        #expect(try ask(policy("{limit: 3, perSeconds: 60}")) == .refuse(.rateLimited))
        #expect(try ask(policy("{limit: 2, perSeconds: 60}")) == .refuse(.rateLimited))
        #expect(try ask(policy("{limit: 4, perSeconds: 60}")) == .proceed)
        #expect(try ask(policy("{limit: 4, perSeconds: 60}")) == .refuse(.rateLimited))
        #expect(try ask(policy("{limit: 3, perSeconds: 61}")) == .proceed)
        #expect(try ask(policy("{limit: 3, perSeconds: 60}", path: "/b")) == .proceed)
    }

    // MARK: Leaving

    @Test("what leaves late counts from when it leaves; what waited too long may not leave if others have used the limit up")
    func leaving() throws {
        let policy = try site(domain: "{rateLimit: [{limit: 1, perSeconds: 1}]}").early()
        let test = try TestExchange("GET /", monotonicNanoseconds: Self.start)
        #expect(Answer(policy.evaluate(&test.exchange)) == .proceed)
        #expect(!test.exchange.hasLateCallerCharge(at: Self.start + 1_000_000))
        #expect(test.exchange.hasLateCallerCharge(at: Self.start + 1_100_000))
        test.monotonicNanoseconds = Self.start + 500_000_000
        #expect(test.exchange.moveCallerCharges())
        #expect(try ask(policy, at: 1_100_000_000) == .refuse(.rateLimited))
        #expect(try ask(policy, at: 1_510_000_000) == .proceed)
        test.monotonicNanoseconds = Self.start + 2_000_000_000
        #expect(!test.exchange.moveCallerCharges())
    }

    @Test("what is sent once more counts once more")
    func repetition() throws {
        let policy = try site(domain: "{rateLimit: [{limit: 2, perSeconds: 60}]}").early()
        let test = try TestExchange("GET /", monotonicNanoseconds: Self.start)
        #expect(Answer(policy.evaluate(&test.exchange)) == .proceed)
        test.exchange.spendCharges()
        #expect(test.exchange.hasLateCallerCharge(at: Self.start) && test.exchange.moveCallerCharges())
        test.exchange.spendCharges()
        #expect(!test.exchange.moveCallerCharges())
    }

    // MARK: No room

    @Test("a caller for whom there is no room is refused, or passes uncounted, as the setting says", arguments: [false, true])
    func full(isOpen: Bool) throws {
        let callers = CallerLimits(keys: 1, admitsUncounted: isOpen)
        let policy = try site(domain: "{rateLimit: [{limit: 1, perSeconds: 60, by: 'header:X-A'}]}", callers: callers).early()
        var passed = 0
        for number in 0..<100 { passed += try ask(policy, "GET /\nX-A: \(number)") == .proceed ? 1 : 0 }
        #expect(isOpen ? passed == 100 : passed == Int(policy.meter.table.places))
        #expect(callers.usage.full == 100 - policy.meter.table.places && callers.usage.used == policy.meter.table.places && callers.usage.room == 1)
        // Those who are known are held to their limit either way, and there is room again when their time is over.
        #expect(try ask(policy, "GET /\nX-A: 0", at: 1_000_000_000) == .refuse(.rateLimited))
        #expect(try ask(policy, "GET /\nX-A: 99", at: 61_000_000_000) == .proceed)
        #expect(try ask(policy, "GET /\nX-A: 99", at: 61_000_000_000) == .refuse(.rateLimited))
        // Nobody can say when there will be room.
        let test = try TestExchange("GET /\nX-A: new", monotonicNanoseconds: Self.start)
        #expect(policy.secondsToWait(test.exchange) == nil)
    }

    // MARK: What callers are told

    @Test("RateLimit names every limit that the caller has, what is left of it and when there is more; Retry-After waits for all")
    func fields() throws {
        let site = try site(
            domain: "{rateLimit: [{limit: 2, perSeconds: 60}, {limit: 5, perSeconds: 3600, by: 'header:X-A'}, {limit: 1, perSeconds: 10, by: 'header:X-B'}]}")
        let policy = try site.early()
        #expect(policy.limitPolicy?.string == "\"domain-address-60\";q=2;w=60, \"domain-header:x-a-3600\";q=5;w=3600, \"domain-header:x-b-10\";q=1;w=10")
        func told(_ request: String, isRefusing: Bool, at time: UInt64) throws -> String {
            let test = try TestExchange(request, monotonicNanoseconds: Self.start + time)
            let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 1000)
            defer { memory.deallocate() }
            var writer = HeadWriter(memory, capacity: 1000)
            policy.writeLimit(&writer, test.exchange, isRefusing: isRefusing)
            let wait = policy.secondsToWait(test.exchange).map { " \($0)" } ?? ""
            return ByteView(base: memory, count: writer.count).string + wait
        }
        #expect(try told("GET /\nX-A: a", isRefusing: false, at: 0) == "\"domain-address-60\";r=2, \"domain-header:x-a-3600\";r=5")
        #expect(try ask(policy, "GET /\nX-A: a") == .proceed)
        #expect(try ask(policy, "GET /\nX-A: a\nX-B: b", at: 5_000_000_000) == .proceed)
        #expect(try told("GET /\nX-A: a", isRefusing: true, at: 6_000_000_000) == "\"domain-address-60\";r=0;t=55, \"domain-header:x-a-3600\";r=3 55")
        #expect(try told("GET /\nX-B: b", isRefusing: true, at: 6_000_000_000) == "\"domain-address-60\";r=0;t=55, \"domain-header:x-b-10\";r=0;t=10 55")
        #expect(try ask(policy, at: 61_000_000_000) == .proceed)
    }

    @Test("of a refusal for another reason nothing is told")
    func nothingToTell() throws {
        let policy = try site(domain: "{rateLimit: [{limit: 2, perSeconds: 60}]}").early()
        let test = try TestExchange("GET /", monotonicNanoseconds: Self.start)
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 100)
        defer { memory.deallocate() }
        var writer = HeadWriter(memory, capacity: 100)
        policy.writeLimit(&writer, test.exchange, isRefusing: true)
        #expect(writer.count == 0)
    }

    // MARK: Configuration

    @Test("configuration: each problem with its place", arguments: [
        ("{}", "1:13: rateLimit: found a mapping, allowed a list of {limit, perSeconds, by}"),
        ("[{limit: 1}]", "1:14: rateLimit[0].perSeconds: found nothing, allowed an integer from 1 to 86400 (required)"),
        ("[{limit: 0, perSeconds: 1}]", "1:22: rateLimit[0].limit: found the integer 0, allowed an integer from 1 to 10000000"),
        ("[{limit: 10000001, perSeconds: 1}]", "1:22: rateLimit[0].limit: found the integer 10000001, allowed an integer from 1 to 10000000"),
        ("[{limit: 1, perSeconds: 86401}]", "1:37: rateLimit[0].perSeconds: found the integer 86401, allowed an integer from 1 to 86400"),
        ("[{limit: 1, perSeconds: 1, by: cookie}]", "1:44: rateLimit[0].by: found \"cookie\", allowed address, header:NAME, path:NAME, claim:NAME or apiKey"),
        ("[{limit: 1, perSeconds: 1, by: 'header:'}]", "1:44: rateLimit[0].by: found \"header:\", allowed the name of a header that is sent on"),
        ("[{limit: 1, perSeconds: 1, by: 'header:Connection'}]", "1:44: rateLimit[0].by: found \"header:Connection\", allowed the name of a header that is sent on"),
        ("[{limit: 1, perSeconds: 1, by: 'claim:'}]", "1:44: rateLimit[0].by: found \"claim:\", allowed address, header:NAME, path:NAME, claim:NAME or apiKey"),
        ("[{limit: 1, perSeconds: 1, by: 'apiKey:x'}]", "1:44: rateLimit[0].by: found \"apiKey:x\", allowed address, header:NAME, path:NAME, claim:NAME or apiKey"),
        ("[{limit: 1, perSeconds: 1, missing: deny}]", "1:49: rateLimit[0].missing: found the text \"deny\", allowed pass or refuse"),
        ("[{limit: 1, perSeconds: 1, ipv6Prefix: 0}]", "1:52: rateLimit[0].ipv6Prefix: found the integer 0, allowed an integer from 1 to 128 (bits)"),
        ("[{limit: 1, perSeconds: 1, by: 'header:X', ipv6Prefix: 64}]", "1:68: rateLimit[0].ipv6Prefix: found `ipv6Prefix` beside `by: header:x`, allowed `ipv6Prefix` beside `by: address`"),
        ("[{limit: 1, perSeconds: 1}, {limit: 2, perSeconds: 1, by: address}]", "1:41: rateLimit[1]: found a second limit by \"address\" per 1 seconds, allowed one limit for each length of interval"),
        ("[{limit: 1, perSeconds: 1, burst: 5}]", "1:40: rateLimit[0].burst: found the unknown key \"burst\", allowed limit, perSeconds, by, missing or ipv6Prefix"),
    ])
    func problems(yaml: String, problem: String) throws {
        #expect(try site(domain: "{rateLimit: \(yaml)}").complaints == [problem])
    }

    @Test("configuration: eight limits, and not one more")
    func bounds() throws {
        func list(_ count: Int) -> String { (1...count).map { "{limit: 1, perSeconds: \($0)}" }.joined(separator: ", ") }
        #expect(try site(domain: "{rateLimit: [\(list(8))]}").complaints == [])
        #expect(try site(domain: "{rateLimit: [\(list(9))]}").complaints == ["1:13: rateLimit: found 9 limits, allowed at most 8"])
    }

    @Test("configuration: a variable that the path does not have, or that is no segment of its own", arguments: [
        ("/a/{x}", "`path:id`; the path \"/a/{x}\" has {x}, allowed a variable of the endpoint's path"),
        ("/a", "`path:id`; the path \"/a\" has none, allowed a variable of the endpoint's path"),
        ("/a/{id}.json", "`path:id`, which is part of a segment or stands behind `**`, allowed a variable that is a whole segment, with no `**` before it"),
        ("/**/{id}", "`path:id`, which is part of a segment or stands behind `**`, allowed a variable that is a whole segment, with no `**` before it"),
    ])
    func variables(path: String, problem: String) throws {
        let site = try site(endpoint: "{rateLimit: [{limit: 1, perSeconds: 1, by: 'path:id'}]}", path: path)
        #expect(RateLimit.compiled(at: site.endpoint) == nil)
        #expect(site.complaints == ["1:14: rateLimit[0]: found " + problem])
    }

    @Test("configuration: a variable of a path in a domain")
    func variableInDomain() throws {
        let site = try site(domain: "{rateLimit: [{limit: 1, perSeconds: 1, by: 'path:id'}]}", path: "/{id}")
        #expect(RateLimit.compiled(at: site.endpoint) == nil && RateLimit.compiled(at: site.endpoint) == nil)
        #expect(site.complaints == [
            "1:14: rateLimit[0]: found `by: path:id` in a domain, allowed `by: path:NAME` in an endpoint, whose path has the variable",
        ])
    }
}
