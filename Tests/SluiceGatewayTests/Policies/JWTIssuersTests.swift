import SluiceClient
import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("JWT: several issuers, and discovery")
struct JWTIssuersTests {
    let bench: AuthenticationBench
    private static let now = AuthenticationBench.now

    init() throws { bench = try AuthenticationBench() }

    private func read(_ yaml: String) throws -> JWT.Configuration? { JWT.read(try bench.node(yaml), problems: bench.problems) }

    private func policy(_ yaml: String) throws -> (configuration: JWT.Configuration, compiled: JWT.Compiled) {
        let configuration = try #require(try read(yaml), "\(bench.problems.all)")
        let compiled = try #require(JWT.compile(configuration, into: bench.snapshot), "\(bench.problems.all)")
        bench.takeOver()
        return (configuration, compiled)
    }

    private enum Answer: Equatable {
        case passes([String])
        case refused(TokenFault?, String)
        case waits
    }

    private func answer(_ policy: JWT.Compiled, _ token: String, hasAwaited: Bool = false) throws -> Answer {
        var exchange = try bench.exchange("GET /", ["Authorization: Bearer \(token)"])
        exchange.hasAwaitedKeys = hasAwaited
        switch policy.evaluate(&exchange) {
        case .proceed: return .passes((0..<exchange.forwardedClaimCount).map { exchange.forwardedClaims[$0].string })
        case .refuse(let refusal): return .refused(refusal.tokenFault, refusal.detail.string)
        case .suspend: return .waits
        case .respond: throw AuthenticationBench.BenchFault()
        }
    }

    // MARK: Reading

    @Test("each issuer has keys and rules of its own")
    func reading() throws {
        let configuration = try #require(try read(
            "{issuers: [{issuer: a, secret: s, algorithms: [HS256, HS512], audience: x, clockSkew: 5}, {issuer: 'https://b.test/tenant/'}]}"))
        #expect(configuration.choosesByIssuer && configuration.issuers.map(\.name) == ["a", "https://b.test/tenant/"])
        #expect(configuration.issuers.map { $0.algorithms() } == [[.hs256, .hs512], [.rs256]])
        guard case .keySet(let location) = configuration.issuers[1].key else { return #expect(Bool(false), "no key set") }
        #expect(location.value.description == "https://b.test/tenant/.well-known/openid-configuration")
        #expect(try read("{issuer: 'https://a.test', jwksCa: ca.pem}")?.only.name == "https://a.test")
        #expect(bench.problems.isEmpty)
    }

    @Test("each mistake is one problem, at its place", arguments: [
        ("{issuers: []}", "issuers"), ("{issuers: {issuer: a, secret: s}}", "issuers"), ("{issuers: [{secret: s}]}", "issuers[0].issuer"),
        ("{issuers: [{issuer: a, secret: s}, {issuer: a, secret: t}]}", "issuers[1].issuer"),
        ("{issuers: [{issuer: a}]}", "issuers[0].issuer"), ("{issuer: idp}", "issuer"), ("{issuer: 'ftp://a'}", "issuer"),
        ("{issuer: 'https://a/?b'}", "issuer"), ("{issuer: 'https://a/#b'}", "issuer"), ("{issuer: 'https://u:p@a/'}", "issuer"),
        ("{issuer: 'http://a', jwksCa: ca.pem}", "jwksCa"), ("{issuer: 'https://a', algorithm: HS256}", "algorithm"),
        ("{issuers: [{issuer: a, secret: s, jwks: 'https://b'}]}", "issuers[0]"), ("{issuers: [{issuer: a, secret: s}], audience: x}", "audience"),
        ("{issuers: [{issuer: a, secret: s}], secret: s}", "secret"), ("{issuers: [{issuer: a, secret: s, iss: b}]}", "issuers[0].iss"),
        ("{issuers: [{issuer: a, secret: s, issuers: []}]}", "issuers[0].issuers"),
        ("{issuers: [{issuer: a, secret: s, forward: {a: A, b: B, c: C, d: D, e: E}}, {issuer: b, secret: s, forward: {a: F, b: G, c: H, d: I}}]}", ""),
    ])
    func problems(yaml: String, keyPath: String) throws {
        #expect(try read(yaml) == nil)
        #expect(bench.problems.all.map(\.keyPath) == [keyPath], "\(bench.problems.all)")
        #expect(!bench.problems.all.contains { "\($0)".contains("u:p") })
    }

    @Test("sixteen issuers are allowed, seventeen are not", arguments: [(16, true), (17, false)])
    func count(issuers: Int, isAllowed: Bool) throws {
        let list = (0..<issuers).map { "{issuer: a\($0), secret: s}" }.joined(separator: ", ")
        #expect(try (read("{issuers: [\(list)]}") != nil) == isAllowed)
        #expect(bench.problems.all.map(\.keyPath) == (isAllowed ? [] : ["issuers[16]"]))
    }

    // MARK: Choosing

    private static let two = "{issuers: [{issuer: a, secret: first, audience: x, forward: {sub: X-User, role: X-Role}}, "
        + "{issuer: b, secret: second, algorithm: HS512, clockSkew: 30, claims: [{name: tenant, equals: t}], forward: {uid: x-user, mail: X-Mail}}]}"

    @Test("`iss` chooses the issuer, whose keys, algorithms, audience, claims and leeway hold; no other issuer's do")
    func choosing() throws {
        let (configuration, policy) = try policy(Self.two)
        let (a, b) = (JWT.TokenSigner(issuer: configuration.issuers[0]), JWT.TokenSigner(issuer: configuration.issuers[1]))
        let now = Self.now
        #expect((0..<policy.forwardedHeaders.count).map { policy.forwardedHeaders[$0].string } == ["X-User", "X-Role", "X-Mail"])
        // Twice: the second time from memory.
        for _ in 0..<2 {
            #expect(try answer(policy, a.token(claims: [("sub", "u1"), ("role", "r")], now: now)) == .passes(["u1", "r", ""]))
            #expect(try answer(policy, b.token(claims: [("sub", "u1"), ("uid", "u2"), ("mail", "m")], now: now)) == .passes(["u2", "", "m"]))
            // 300 s of life, and 30 s of leeway at one of them.
            #expect(try answer(policy, a.token(now: now - 300)) == .refused(.expired, ""))
            #expect(try answer(policy, b.token(now: now - 300)) == .passes(["", "", ""]))
            #expect(try answer(policy, b.token(now: now - 329)) == .passes(["", "", ""]))
            #expect(try answer(policy, b.token(now: now - 330)) == .refused(.expired, ""))
        }
        #expect(try answer(policy, a.token(claims: [("aud", "y")], now: now)) == .refused(.audience, ""))
        #expect(try answer(policy, b.token(claims: [("tenant", "u")], now: now)) == .refused(.claim, "tenant"))
        // Signed by the one, and naming the other.
        #expect(try answer(policy, a.token(claims: [("iss", "b"), ("tenant", "t")], now: now)) == .refused(.algorithm, ""))
        #expect(try answer(policy, b.token(claims: [("iss", "a"), ("aud", "x")], now: now)) == .refused(.algorithm, ""))
        for iss in ["c", "A", "\"\"", "[\"a\"]", "null", "{\"a\":\"a\"}", "\" a\""] {
            #expect(try answer(policy, a.token(claims: [("iss", iss)], now: now)) == .refused(.issuer, ""), "\(iss)")
        }
        #expect(try answer(policy, "eyJhbGciOiJub25lIn0.e30.eA") == .refused(.algorithm, ""))
        #expect(try answer(policy, "eyJhbGciOiJIUzI1NiJ9.e30.eA") == .refused(.issuer, ""))
        #expect(try answer(policy, "eyJhbGciOiJIUzI1NiJ9.e3.eA") == .refused(.malformed, ""))
        // An escaped name is the same name.
        #expect(try answer(policy, a.token(claims: [("iss", "\"\\u0061\"")], now: now)) == .passes(["", "", ""]))
    }

    @Test("a secret of one issuer does not speak for another")
    func confusion() throws {
        let (configuration, policy) = try policy("{issuers: [{issuer: a, secret: first}, {issuer: b, secret: second}]}")
        let a = JWT.TokenSigner(issuer: configuration.issuers[0])
        #expect(try answer(policy, a.token(now: Self.now)) == .passes([]))
        #expect(try answer(policy, a.token(claims: [("iss", "b")], now: Self.now)) == .refused(.signature, ""))
    }

    @Test("a token waits for the key set of its own issuer; one of an unknown issuer waits for none; a new set has all tokens verified anew")
    func keySets() throws {
        bench.monotonicNanoseconds = 1_000_000_000_000
        let registry = bench.snapshot.keySets
        registry.setRefresher {}
        let (configuration, policy) = try policy("{issuers: [{issuer: 'https://a.test'}, {issuer: b, secret: s}]}")
        let own = try JWT.TokenSigner(issuer: configuration.issuers[1]).token(now: Self.now)
        var foreign = JWT.Issuer(key: .publicKey(Located(value: TextOrFile(bytes: Array(JWTVectors.firstPublicKey.utf8)))))
        func signed(_ name: String) throws -> String {
            foreign.name = name
            return try JWT.TokenSigner(issuer: foreign).token(now: Self.now, privateKey: Array(JWTVectors.firstPrivateKey.utf8), keyID: "k1")
        }
        #expect(try answer(policy, own) == .passes([]))
        #expect(try answer(policy, signed("https://c.test")) == .refused(.issuer, ""))
        #expect(try answer(policy, signed("https://a.test/")) == .refused(.issuer, ""))
        #expect(registry.sources.map(\.due) == [0], "nobody has asked for a fetch, but the first is due")
        #expect(try answer(policy, signed("https://a.test")) == .waits)
        let now = bench.monotonicNanoseconds
        registry.fetchDue(interval: 300_000_000_000, now: { now }) { location in
            location.description == "https://a.test/.well-known/openid-configuration" ? .success(JWTKeySetTests.text("first")) : .failure(.init(description: "?"))
        }
        #expect(try answer(policy, signed("https://a.test"), hasAwaited: true) == .passes([]))
        #expect(try answer(policy, own) == .passes([]))
        // The key is taken away: what was remembered is forgotten, of both.
        bench.monotonicNanoseconds += 400_000_000_000
        let later = bench.monotonicNanoseconds
        registry.fetchDue(interval: 300_000_000_000, now: { later }) { _ in .success(Array(#"{"keys":[]}"#.utf8)) }
        #expect(try answer(policy, signed("https://a.test"), hasAwaited: true) == .refused(.unknownKey, ""))
        #expect(try answer(policy, own) == .passes([]))
    }

    // MARK: Discovery

    private static let issuer = KeySetLocation.Issuer(
        name: "https://idp.test/tenant", document: KeySetLocation(issuer: "https://idp.test/tenant").flatMap {
            if case .issuer(let issuer) = $0.kind { issuer.document } else { nil }
        }!)

    private func fault(_ text: String, of issuer: KeySetLocation.Issuer = issuer) -> String {
        do throws(KeySet.Fault) {
            return "\(try DiscoveryDocument(Array(text.utf8), of: issuer).keySet)"
        } catch {
            return error.description
        }
    }

    @Test("the document stands below the issuer, whose last slash does not count", arguments: [
        ("https://a.test", "/.well-known/openid-configuration"), ("https://a.test/", "/.well-known/openid-configuration"),
        ("https://a.test/x/v2.0", "/x/v2.0/.well-known/openid-configuration"), ("https://a.test/x/", "/x/.well-known/openid-configuration"),
    ])
    func place(issuer: String, target: String) throws {
        guard case .issuer(let own)? = KeySetLocation(issuer: issuer)?.kind else { return #expect(Bool(false), "\(issuer)") }
        #expect(own.document.target == target && own.name == issuer)
    }

    @Test("a document says where the key set is, also at another host", arguments: [
        #"{"issuer":"https://idp.test/tenant","jwks_uri":"https://keys.test/k"}"#,
        #"{"jwks_uri":"https:\/\/keys.test\/k","more":[{}],"issuer":"https:\/\/idp.test\/tenant"}"#,
    ])
    func document(text: String) { #expect(fault(text) == "https://keys.test/k") }

    @Test("a document of another issuer, one that is none, and one that names no place to fetch from give no keys", arguments: [
        (#"{"issuer":"https://idp.test/tenant/","jwks_uri":"https://k/"}"#, "of another issuer (\"https://idp.test/tenant/\" instead of \"https://idp.test/tenant\")"),
        (#"{"issuer":["https://idp.test/tenant"],"jwks_uri":"https://k/"}"#, "of another issuer (none"),
        (#"{"jwks_uri":"https://k/"}"#, "of another issuer (none"), ("[]", "not a JSON object"), ("<html>", "not a JSON object"),
        (#"{"issuer":"https://idp.test/tenant","issuer":"https://x","jwks_uri":"https://k/"}"#, "not a JSON object"),
        (#"{"issuer":"https://idp.test/tenant"}"#, "without jwks_uri"), (#"{"issuer":"https://idp.test/tenant","jwks_uri":7}"#, "without jwks_uri"),
        (#"{"issuer":"https://idp.test/tenant","jwks_uri":"file:///etc/passwd"}"#, "not an http or https URL"),
        (#"{"issuer":"https://idp.test/tenant","jwks_uri":"/keys"}"#, "not an http or https URL"),
        (#"{"issuer":"https://idp.test/tenant","jwks_uri":"https://k/\r\nX: y"}"#, "not an http or https URL"),
        (#"{"issuer":"https://idp.test/tenant","jwks_uri":"http://k/"}"#, "has no TLS although the issuer has"),
    ])
    func documentFaults(text: String, part: String) { #expect(fault(text).contains(part), "\(fault(text))") }
}
