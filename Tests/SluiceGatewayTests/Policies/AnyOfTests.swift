import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Several kinds of credentials")
struct AnyOfTests {
    let bench: AuthenticationBench
    private static let now = AuthenticationBench.now

    init() throws {
        bench = try AuthenticationBench()
        bench.monotonicNanoseconds = 1_000_000_000_000
        bench.snapshot.keySets.setRefresher {}
    }

    private func read(_ yaml: String) throws -> AnyOf.Configuration? { AnyOf.read(try bench.node(yaml), problems: bench.problems) }

    private struct Made {
        let configuration: AnyOf.Configuration
        let compiled: AnyOf.Compiled

        func token(_ index: Int, _ claims: [(name: String, value: String)] = [], now: Int64 = AnyOfTests.now) throws -> String {
            let jwt = try #require(configuration.alternatives[index][JWT.self])
            return "Authorization: Bearer \(try JWT.TokenSigner(issuer: jwt.only).token(claims: claims, now: now))"
        }

        func signature(_ index: Int, _ target: String = "/", isNamed: Bool = false) throws -> [String] {
            let hmac = try #require(configuration.alternatives[index][HMAC.self])
            let time = HMAC.Signer.timestamp(at: AnyOfTests.now)
            return try HMAC.Signer(configuration: hmac).lines(method: "GET", target: target, timestamp: time, headers: [], isNamed: isNamed)
        }
    }

    private func policy(_ yaml: String) throws -> Made {
        let configuration = try #require(try read(yaml), "\(bench.problems.all)")
        let site = PolicySite(
            domain: "d", PolicySettings(), project: .init(name: "default", limit: 1000), counts: CountRegistry().makeHold(), into: bench.snapshot)
        let compiled = try #require(AnyOf.compile(configuration, at: site), "\(bench.problems.all)")
        bench.takeOver()
        return Made(configuration: configuration, compiled: compiled)
    }

    private func answer(_ made: Made, _ headers: [String], _ exchange: UnsafeMutablePointer<Exchange>? = nil) throws -> String {
        // The bench has memory for one request.
        var own = if let exchange { exchange.pointee } else { try bench.exchange("GET /", headers) }
        let used = own.storageUsed
        defer { exchange?.pointee = own }
        switch made.compiled.evaluate(&own) {
        case .proceed:
            let claims = (0..<own.forwardedClaimCount).map { own.forwardedClaims[$0].string }
            return "passes \(own.alternative)" + (claims.isEmpty ? "" : " \(claims)") + (own.isSigned ? " signed" : "")
        case .refuse(let refusal):
            #expect(own.storageUsed == used && !own.isSigned && own.forwardedClaimCount == 0)
            return "\(refusal.row.label)" + (refusal.tokenFault.map { " \($0.label)" } ?? "") + (refusal.detail.isEmpty ? "" : " \(refusal.detail.string)")
        case .suspend(.keySet): return "waits"
        case .suspend, .respond: return "?"
        }
    }

    // MARK: Reading

    @Test("each mistake is one problem, at its place", arguments: [
        ("[]", ""), ("{hmac: {secret: s}}", ""), ("[{}]", "[0]"), ("[{hmac: {secret: s}, jwt: {secret: s}}]", "[0]"), ("[{hmac: {}}]", "[0].hmac.secret"),
        ("[{hmac: {secret: s}}, {jwt: {secret: s, iss: b}}]", "[1].jwt.iss"), ("[{hmac: {secret: s}}, 5]", "[1]"),
        ("[{jwt: {secret: s, forward: {a: A, b: B, c: C, d: D, e: E}}}, {jwt: {secret: s, forward: {a: F, b: G, c: H, d: I}}}]", ""),
    ])
    func problems(yaml: String, keyPath: String) throws {
        #expect(try read(yaml) == nil)
        #expect(bench.problems.all.map(\.keyPath) == [keyPath], "\(bench.problems.all)")
    }

    @Test("an unknown kind is named with those that there are")
    func unknownKind() throws {
        #expect(try read("[{anyOf: []}]") == nil)
        #expect(bench.problems.all.contains { $0.found.contains("anyOf") && $0.allowed == "hmac, jwt or apiKey" }, "\(bench.problems.all)")
    }

    @Test("eight alternatives are allowed, nine are not; eight headers are allowed over all of them", arguments: [(8, true), (9, false)])
    func count(alternatives: Int, isAllowed: Bool) throws {
        let list = (0..<alternatives).map { "{jwt: {secret: s, forward: {sub: X-User, c\($0): X-\($0 % 7)}}}" }.joined(separator: ", ")
        #expect(try (read("[\(list)]") != nil) == isAllowed)
        #expect(bench.problems.all.map(\.keyPath) == (isAllowed ? [] : ["[8]"]))
    }

    @Test("hmac or jwt beside it, in a domain and in an endpoint; `authentication` beside it")
    func beside() throws {
        func problems(_ yaml: String) throws -> [String] {
            let problems = Problems(file: "a.yaml", environment: [:])
            _ = GatewayConfiguration.read(try #require(ConfigurationNode.load(text: yaml, problems: problems)), problems: problems)
            return problems.all.filter { !$0.isNote }.map { "\($0.keyPath): \($0.found)" }
        }
        let any = "anyOf: [{hmac: {secret: s}}, {jwt: {secret: t}}]"
        #expect(try problems("domains: [{key: a, upstream: http://a, policies: {\(any)}, endpoints: [{path: /, policies: {\(any)}}]}]") == [])
        #expect(try problems("domains: [{key: a, upstream: http://a, policies: {\(any), jwt: {secret: t}}, endpoints: [{path: /}]}]")
            == ["domains[0].policies.anyOf: both `anyOf` and `jwt`"])
        #expect(try problems("domains: [{key: a, upstream: http://a, endpoints: [{path: /, policies: {\(any), authentication: none}}]}]")
            == ["domains[0].endpoints[0].policies.authentication: both `authentication` and `anyOf`"])
    }

    // MARK: Deciding

    @Test("the first alternative that lets a request pass decides, by its own rules")
    func passing() throws {
        let made = try policy("[{hmac: {secret: s}}, {jwt: {secret: t, audience: x, forward: {sub: X-User}}}, {jwt: {secret: u, forward: {mail: X-Mail, uid: x-user}}}]")
        for _ in 0..<2 {
            #expect(try answer(made, made.signature(0)) == "passes 0 signed")
            #expect(try answer(made, made.signature(0, isNamed: true)) == "passes 0 signed")
            #expect(try answer(made, [made.token(1, [("sub", "a")])]) == "passes 1 [\"a\", \"\"]")
            #expect(try answer(made, [made.token(2, [("uid", "b"), ("mail", "m")])]) == "passes 2 [\"b\", \"m\"]")
        }
    }

    @Test("who is refused is told what is wrong with the kind of credentials that came, else with the first", arguments: [false, true])
    func refusing(jwtFirst: Bool) throws {
        let alternatives = ["{hmac: {secret: s}}", "{jwt: {secret: t, claims: [{name: role, equals: r}]}}"]
        let made = try policy("[\((jwtFirst ? alternatives.reversed() : alternatives).joined(separator: ", "))]")
        let (hmac, jwt) = jwtFirst ? (1, 0) : (0, 1)
        let time = "X-TC-Timestamp: \(HMAC.Signer.timestamp(at: Self.now))"
        let none = jwtFirst ? "jwt_authorization_empty missing" : "hmac_timestamp_empty"
        #expect(try answer(made, []) == none)
        #expect(try answer(made, [time]) == "hmac_authorization_empty")
        #expect(try answer(made, ["X-TC-Timestamp: x"]) == "hmac_timestamp_format")
        #expect(try answer(made, made.signature(hmac, "/other")) == "hmac_invalid")
        #expect(try answer(made, made.signature(hmac, "/other", isNamed: true)) == "hmac_invalid")
        #expect(try answer(made, ["Authorization: hmac signature=\"x\""]) == "hmac_timestamp_empty")
        #expect(try answer(made, [made.token(jwt, now: Self.now - 300)]) == "jwt_expired expired")
        #expect(try answer(made, [made.token(jwt, [("role", "q")])]) == "jwt_invalid claim role")
        #expect(try answer(made, ["Authorization: Bearer x"]) == "jwt_invalid malformed")
        #expect(try answer(made, ["Authorization: Bearer"]) == "jwt_authorization_empty missing")
        #expect(try answer(made, [made.token(jwt, [("role", "q")]), time]) == "jwt_invalid claim role")
        let first = try made.signature(hmac).first { $0.hasPrefix("Authorization") } ?? ""
        // Without its timestamp a signature is none.
        #expect(try answer(made, [first]) == (jwtFirst ? "jwt_invalid malformed" : "hmac_timestamp_empty"))
        #expect(try answer(made, ["Authorization: Basic dTpw"]) == (jwtFirst ? "jwt_invalid malformed" : "hmac_timestamp_empty"))
        // Two lines are refused by all.
        #expect(try answer(made, [made.token(jwt), made.token(jwt)]) == "jwt_invalid malformed")
    }

    @Test("of several alternatives for tokens, the one that got furthest is told")
    func furthest() throws {
        let made = try policy("[{jwt: {secret: a, algorithm: HS512}}, {jwt: {secret: b}}, {jwt: {secret: c, audience: x}}]")
        #expect(try answer(made, [made.token(2, [("aud", "y")])]) == "jwt_invalid audience")
        #expect(try answer(made, [made.token(1, now: Self.now - 300)]) == "jwt_expired expired")
        #expect(try answer(made, ["Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.eA"]) == "jwt_invalid signature")
    }

    @Test("no refusal lets another alternative pass: claims that do not fit, replays, keys that cannot be had")
    func specialRefusals() throws {
        let made = try policy("[{jwt: {secret: t, forward: {big: X-Big}}}, {hmac: {secret: s, replayProtection: true}}, {jwt: {jwks: 'http://idp.test/k'}}]")
        // More than the exchange has room for.
        #expect(try answer(made, [made.token(0, [("big", String(repeating: "x", count: 9000))])]).hasPrefix("head_too_large"))
        let signed = try made.signature(1)
        #expect(try answer(made, signed) == "passes 1 signed")
        #expect(try answer(made, signed) == "hmac_invalid replayed")
    }

    @Test("none waits before all were asked; then each waits once, in order, and no request passes because it waited")
    func waiting() throws {
        let made = try policy("[{jwt: {jwks: 'http://a.test/k'}}, {jwt: {jwks: 'http://b.test/k'}}, {jwt: {secret: s}}]")
        let registry = bench.snapshot.keySets
        #expect(try answer(made, [made.token(2)]) == "passes 2")
        #expect(registry.sources.allSatisfy { $0.due == 0 })
        func sets(_ a: String, _ b: String) {
            let now = bench.monotonicNanoseconds
            registry.fetchDue(interval: 300_000_000_000, now: { now }) { .success(JWTKeySetTests.text($0.description.contains("a.test") ? a : b)) }
        }
        let token = "Authorization: Bearer \(JWTVectors.tokens["rsSecond"]!)"
        var exchange = try bench.exchange("GET /", [token])
        var said: [String] = []
        for _ in 0..<3 { said.append("\(try answer(made, [], &exchange)) \(exchange.awaitedAlternatives)") }
        #expect(said == ["waits 1", "waits 3", "jwt_invalid unknownKey key set unavailable 3"])
        sets("first", "both")
        let passed = try answer(made, [], &exchange)
        #expect(passed == "passes 1")
        // In the 10 s after a fetch nobody waits.
        #expect(try answer(made, [token]) == "passes 1")
        #expect(try answer(made, ["Authorization: Bearer \(JWTVectors.tokens["rsUnknownKid"]!)"]) == "jwt_invalid unknownKey")
        bench.monotonicNanoseconds += 10_000_000_000
        #expect(try answer(made, [token]) == "passes 1", "the other's unknown key costs no fetch")
        #expect(registry.sources.allSatisfy { ($0.due ?? 0) > bench.monotonicNanoseconds })
        var stranger = try bench.exchange("GET /", ["Authorization: Bearer \(JWTVectors.tokens["rsUnknownKid"]!)"])
        said = []
        for _ in 0..<3 {
            said.append(try answer(made, [], &stranger))
            sets("first", "first")
        }
        #expect(said == ["waits", "waits", "jwt_invalid unknownKey"])
    }

    @Test("a refusal names every other scheme once, beside its own", arguments: [
        ("[{hmac: {secret: s}}, {jwt: {secret: s}}, {jwt: {secret: t}}]", ["hmac": "Bearer", "jwt": "HMAC"]), ("[{jwt: {secret: s}}]", ["jwt": ""]),
    ])
    func challenges(yaml: String, others: [String: String]) throws {
        let made = try policy(yaml)
        for row in Refusal.Row.allCases where row.challenge != nil {
            guard let other = others[row.policy.string] else { continue }
            var bytes = [UInt8](repeating: 0, count: 256)
            let text = bytes.withUnsafeMutableBufferPointer { buffer in
                var writer = HeadWriter(buffer.baseAddress!, capacity: buffer.count)
                made.compiled.writeOtherChallenges(&writer, besides: row)
                return String(decoding: buffer.prefix(writer.count), as: UTF8.self)
            }
            #expect(text == (other.isEmpty ? "" : "WWW-Authenticate: \(other)\r\n"), "\(row)")
        }
    }
}
