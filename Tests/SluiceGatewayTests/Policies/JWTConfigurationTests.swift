import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("JWT configuration and signer")
struct JWTConfigurationTests {
    let bench: AuthenticationBench

    init() throws { bench = try AuthenticationBench() }

    func read(_ yaml: String) throws -> JWT.Configuration? { JWT.read(try bench.node(yaml), problems: bench.problems) }

    @Test("only the key is needed; the rest has the documented defaults")
    func defaults() throws {
        let configuration = try #require(try read("secret: s")).only
        #expect(configuration.algorithms() == [.hs256])
        #expect(configuration.name == nil)
        #expect(configuration.audience.isEmpty)
        #expect(configuration.clockSkew == 0)
        #expect(configuration.expiryIsRequired)
        #expect(configuration.conditions.isEmpty)
        #expect(configuration.forwards.isEmpty)
    }

    @Test("every key is read")
    func everything() throws {
        let configuration = try #require(
            try read(
                "{algorithm: RS256, jwks: \"https://idp.example.com/jwks.json\", jwksCa: ca.pem, issuer: idp, audience: [orders], clockSkew: 30, "
                    + "expiry: optional, claims: [{name: scope, oneOf: [read, 1, true, 0.5]}, {name: x, present: true}], forward: {sub: X-User}}")).only
        #expect(configuration.algorithms() == [.rs256])
        guard case .keySet(let location) = configuration.key else {
            Issue.record("no key set")
            return
        }
        #expect(location.value.authorityFile == "ca.pem")
        #expect(configuration.name == "idp")
        #expect(configuration.audience == ["orders"])
        #expect(configuration.clockSkew == 30)
        #expect(!configuration.expiryIsRequired)
        #expect(
            configuration.conditions == [
                .init(name: "scope", values: [.text("read"), .integer(1), .boolean(true), .number(0.5)], readsWords: true), .init(name: "x", values: []),
            ])
        #expect(configuration.forwards == [.init(claim: "sub", header: "X-User")])
        #expect(bench.problems.isEmpty)
    }

    @Test(
        "each mistake is one problem, at its place",
        arguments: [
            ("{}", ""), ("{secret: s, jwks: a.json}", ""), ("{secret: s, publicKey: p}", ""), ("{algorithm: RS256, secret: s}", "algorithm"),
            ("{algorithm: HS256, jwks: a.json}", "algorithm"), ("{algorithm: HS256, publicKey: p}", "algorithm"),
            ("{algorithm: none, secret: s}", "algorithm"), ("{algorithm: ES256K, secret: s}", "algorithm"),
            ("{algorithms: [], secret: s}", "algorithms"), ("{algorithms: [HS256, RS256], secret: s}", "algorithms"),
            ("{algorithms: [ES256, HS512], jwks: a.json}", "algorithms"), ("{algorithm: HS256, algorithms: [HS256], secret: s}", "algorithm"),
            ("{secret: s, clockSkew: -1}", "clockSkew"), ("{secret: s, clockSkew: 86401}", "clockSkew"), ("{secret: s, audience: []}", "audience"),
            ("{secret: s, expiry: no}", "expiry"), ("{secret: s, iss: idp}", "iss"), ("{jwks: \"ftp://a/b\"}", "jwks"),
            ("{jwks: a.json, jwksCa: ca.pem}", "jwksCa"), ("{secret: s, jwksCa: ca.pem}", ""),
            ("{secret: s, claims: [{name: a}]}", "claims[0]"), ("{secret: s, claims: [{name: a, equals: 1, present: true}]}", "claims[0]"),
            ("{secret: s, claims: [{name: a, present: false}]}", "claims[0].present"), ("{secret: s, claims: [{name: a, oneOf: []}]}", "claims[0].oneOf"),
            ("{secret: s, claims: [{name: a, equals: null}]}", "claims[0].equals"), ("{secret: s, claims: [{name: a, oneOf: [[1]]}]}", "claims[0].oneOf[0]"),
            ("{secret: s, claims: [{name: a, equals: b, words: true}]}", "claims[0].words"),
            ("{secret: s, claims: [{equals: 1}]}", "claims[0].name"), ("{secret: s, forward: {sub: \"X User\"}}", "forward.sub"),
            ("{secret: s, forward: {sub: Connection}}", "forward.sub"), ("{secret: s, forward: {sub: content-length}}", "forward.sub"),
            ("{secret: s, forward: {sub: X-Forwarded-For}}", "forward.sub"), ("{secret: s, forward: {sub: X-User, name: x-user}}", "forward.name"),
            ("{secret: s, forward: {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I}}", "forward.i"),
        ])
    func problems(yaml: String, keyPath: String) throws {
        #expect(try read(yaml) == nil)
        #expect(bench.problems.all.map(\.keyPath) == [keyPath], "\(bench.problems.all)")
    }

    @Test("eight forwarded claims are allowed")
    func eightForwards() throws {
        #expect(try read("{secret: s, forward: {a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H}}")?.only.forwards.count == 8)
    }

    @Test("a key set file that is absent is a problem at jwks")
    func absentFile() throws {
        let configuration = try #require(try read("jwks: /nonexistent/jwks.json"))
        #expect(JWT.compile(configuration, into: bench.snapshot) == nil)
        #expect(bench.problems.all.map(\.keyPath) == ["jwks"])
    }

    @Test("authorities of a key set that cannot be read are a problem at jwks")
    func absentAuthorities() throws {
        let configuration = try #require(try read("{jwks: \"https://idp.test/\", jwksCa: /nonexistent/ca.pem}"))
        #expect(JWT.compile(configuration, into: bench.snapshot) == nil)
        #expect(bench.problems.all.map(\.keyPath) == ["jwks"])
    }

    // MARK: - Signer

    private func outcome(_ configuration: JWT.Configuration, _ token: String) throws -> Outcome {
        let policy = try #require(JWT.compile(configuration, into: bench.snapshot))
        bench.takeOver()
        var exchange = try bench.exchange("GET /", ["Authorization: Bearer \(token)"])
        return Outcome(policy.evaluate(&exchange))
    }

    @Test("the signer's HS256 token meets every condition of its policy")
    func signer() throws {
        let configuration = try #require(
            try read(
                "{secret: s, issuer: \"i\\\"d\\u0001p\", audience: [orders, x], claims: [{name: scope, oneOf: [read]}, {name: scope, equals: write}, "
                    + "{name: level, equals: 3}, {name: admin, equals: true}, {name: x, present: true}]}"))
        let signer = JWT.TokenSigner(issuer: configuration.only)
        let now = AuthenticationBench.now
        #expect(try outcome(configuration, signer.token(now: now)) == .proceed)
        #expect(try outcome(configuration, signer.token(now: now - 299)) == .proceed)
        #expect(try outcome(configuration, signer.token(now: now - 300)) == .refuse(.jwtExpired))
        #expect(try outcome(configuration, signer.token(claims: [("level", "3"), ("note", "a \"b\"")], now: now)) == .proceed)
        #expect(try outcome(configuration, signer.token(claims: [("level", "4")], now: now)) == .refuse(.jwtInvalid))
        #expect(try outcome(configuration, signer.token(claims: [("exp", "soon")], now: now)) == .refuse(.jwtInvalid))
    }

    @Test("the signer's RS256 token passes under its public key, and needs the private key")
    func signerRS256() throws {
        let configuration = JWT.Configuration(key: .publicKey(Located(value: TextOrFile(bytes: Array(JWTVectors.firstPublicKey.utf8)))))
        let signer = JWT.TokenSigner(issuer: configuration.only)
        let token = try signer.token(now: AuthenticationBench.now, privateKey: Array(JWTVectors.firstPrivateKey.utf8), keyID: "k1")
        #expect(try outcome(configuration, token) == .proceed)
        #expect(throws: JWT.TokenSigner.Fault(description: "RS256 needs a private key")) { try signer.token(now: 0) }
    }
}
