import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("JWT with a secret")
struct JWTTests {
    let bench: AuthenticationBench

    init() throws { bench = try AuthenticationBench() }

    func policy(_ yaml: String = "") throws -> JWT.Compiled {
        let node = try bench.node("{secret: \"\(JWTVectors.secret)\"\(yaml.isEmpty ? "" : ", ")\(yaml)}")
        let configuration = try #require(JWT.read(node, problems: bench.problems), "\(bench.problems.all)")
        let compiled = try #require(JWT.compile(configuration, into: bench.snapshot))
        bench.takeOver()
        return compiled
    }

    func outcome(_ policy: JWT.Compiled, _ headers: [String]) throws -> Outcome {
        var exchange = try bench.exchange("GET /", headers)
        return Outcome(policy.evaluate(&exchange))
    }

    func outcome(_ policy: JWT.Compiled, token name: String) throws -> Outcome {
        try outcome(policy, ["Authorization: Bearer \(JWTVectors.tokens[name]!)"])
    }

    // MARK: - The field

    @Test("the token is taken after Bearer in any case, and bare")
    func schemes() throws {
        let token = JWTVectors.tokens["valid"]!
        for value in ["Bearer \(token)", "bearer \(token)", "BEARER\t  \(token)", token] {
            #expect(try outcome(policy(), ["Authorization: \(value)"]) == .proceed)
        }
    }

    @Test("no field, an empty one, and Bearer with nothing after it are an empty authorization")
    func emptyField() throws {
        let policy = try policy()
        for headers in [[], ["Authorization:"], ["Authorization:  \t"], ["Authorization: Bearer"], ["Authorization: bearer  "]] {
            #expect(try outcome(policy, headers) == .refuse(.jwtAuthorizationEmpty))
        }
    }

    @Test("other schemes, several fields and anything but three parts are invalid")
    func malformedFields() throws {
        let policy = try policy()
        let token = JWTVectors.tokens["valid"]!
        let parts = token.split(separator: ".").map(String.init)
        let values = [
            "Basic dTpw", "Bearers \(token)", "Bearer \(token) x", "Bearer, \(token)", "x", ".", "..", "...", parts[0], parts[0] + "." + parts[1],
            parts[0] + "." + parts[1] + ".", "." + parts[1] + "." + parts[2], parts[0] + ".." + parts[2], token + ".", "." + token,
            token + "." + parts[2], "Bearer Bearer \(token)",
        ]
        for value in values {
            #expect(try outcome(policy, ["Authorization: \(value)"]) == .refuse(.jwtInvalid), "\(value)")
        }
        let line = "Authorization: Bearer \(token)"
        #expect(try outcome(policy, [line, line]) == .refuse(.jwtInvalid))
    }

    @Test("base64url: padding, the standard alphabet, blanks and stray bits are invalid in every part")
    func encodings() throws {
        let policy = try policy()
        let parts = JWTVectors.tokens["valid"]!.split(separator: ".").map(String.init)
        #expect(try outcome(policy, ["Authorization: " + parts.joined(separator: ".")]) == .proceed)
        for part in 0..<3 {
            for change in ["=", "+", "/", "*", "A"] {
                var changed = parts
                changed[part] += change
                #expect(try outcome(policy, ["Authorization: " + changed.joined(separator: ".")]) == .refuse(.jwtInvalid))
            }
        }
        // 32 bytes leave two bits of the last character unused: each of the other three characters names the same bytes.
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let last = try #require(alphabet.firstIndex(of: parts[2].last!))
        #expect(last % 4 == 0)
        for stray in 1...3 {
            let signature = parts[2].dropLast() + String(alphabet[last + stray])
            #expect(try outcome(policy, ["Authorization: \(parts[0]).\(parts[1]).\(signature)"]) == .refuse(.jwtInvalid))
        }
    }

    @Test("a token of any length that a head may have is looked at, whatever its claims are", arguments: [16_000, 16_500, 23_000])
    func longTokens(bytes: Int) throws {
        let policy = try policy()
        for filler in ["\"" + String(repeating: "x", count: bytes) + "\"", String(repeating: "[", count: bytes / 2) + String(repeating: "]", count: bytes / 2)] {
            let claims = "{\"exp\":\(AuthenticationBench.now + 100),\"a\":\(filler)}"
            #expect(try outcome(policy, ["Authorization: \(signed("{\"alg\":\"HS256\"}", claims))"]) == .proceed)
        }
        #expect(try outcome(policy, ["Authorization: " + String(repeating: "a", count: 100_000) + ".b.c"]) == .refuse(.jwtInvalid))
    }

    private func encoded(_ bytes: [UInt8]) -> String {
        var out = [UInt8](repeating: 0, count: Base64URL.encodedCount(bytes.count))
        let count = bytes.withByteView { bytes in
            out.withUnsafeMutableBufferPointer { out in out.baseAddress.map { Base64URL.encode(bytes, into: $0) } ?? 0 }
        }
        return String(decoding: out.prefix(count), as: UTF8.self)
    }

    private func signed(_ header: String, _ claims: String) throws -> String {
        let input = encoded(Array(header.utf8)) + "." + encoded(Array(claims.utf8))
        return try input + "." + encoded(HMACKeys.code(.sha256, Secret(bytes: Array(JWTVectors.secret.utf8)), of: Array(input.utf8)))
    }

    @Test("a header of 128 values is read, of 129 it is refused, and logs are told why", arguments: [(128, true), (129, false)])
    func headerValues(values: Int, isRead: Bool) throws {
        let header = "{\"alg\":\"HS256\",\"x5c\":[" + (2..<values).map { "\"\($0)\"" }.joined(separator: ",") + "]}"
        var exchange = try bench.exchange("GET /", ["Authorization: " + signed(header, "{\"exp\":\(AuthenticationBench.now + 100)}")])
        switch try policy().evaluate(&exchange) {
        case .proceed: #expect(isRead)
        case .refuse(let refusal): #expect(!isRead && refusal == Refusal(.jwtInvalid, detail: "too many values in the token's header"))
        default: Issue.record("neither passed nor refused")
        }
    }

    private func view(_ text: String) -> ByteView { bench.snapshot.arena.bytes(text) }

    // MARK: - Header

    @Test(
        "headers that are accepted",
        arguments: ["valid", "typOther", "b64True", "algEscaped", "headerSpaces", "header32", "header33"])
    func acceptedHeaders(name: String) throws {
        #expect(try outcome(policy(), token: name) == .proceed)
    }

    @Test(
        "headers that are refused although the signature is right",
        arguments: [
            "algNoneSigned", "algNoneCase", "algRS256", "algCase", "algMissing", "algNumber", "algList", "algTwice", "algTwiceEscaped",
            "crit", "critEmpty", "b64False", "b64Text", "kidNumber", "headerArray", "headerText", "headerTrailing", "headerNestedTwice",
        ])
    func refusedHeaders(name: String) throws {
        #expect(try outcome(policy(), token: name) == .refuse(.jwtInvalid))
    }

    @Test(
        "signatures that are refused",
        arguments: ["algNone", "hs512", "otherSecret", "rsFirst", "confusionHS256", "confusionRS256"])
    func refusedSignatures(name: String) throws {
        #expect(try outcome(policy(), token: name) == .refuse(.jwtInvalid))
    }

    @Test("the signature comes before the times: a forged token that has expired is invalid, not expired")
    func signatureFirst() throws {
        let parts = JWTVectors.tokens["expiredOtherIssuer"]!.split(separator: ".").map(String.init)
        let forged = "\(parts[0]).\(parts[1]).\(JWTVectors.tokens["valid"]!.split(separator: ".")[2])"
        #expect(try outcome(policy(), token: "expiredOtherIssuer") == .refuse(.jwtExpired))
        #expect(try outcome(policy(), ["Authorization: \(forged)"]) == .refuse(.jwtInvalid))
    }

    // MARK: - Claims that are no sound JSON

    @Test(
        "payloads that are refused although the signature is right",
        arguments: [
            "dupExp", "dupEscaped", "dupNested", "dupInArray", "dupSurrogate", "badUTF8", "overlong",
            "surrogateUTF8", "beyondUnicode", "cutUTF8", "loneSurrogate", "lowSurrogate", "twoHigh", "shortEscape", "badEscape",
            "control", "trailing", "twoObjects", "bom", "array", "text", "empty", "leadingZero", "plus", "point", "noInteger", "minus",
            "exponent", "nan", "infinite", "expString", "expBool", "expNull", "expObject", "nbfString", "trailingComma", "missingColon",
            "bareName", "singleQuotes", "comment", "unclosed", "mixedBrackets", "literal",
        ])
    func refusedPayloads(name: String) throws {
        #expect(try outcome(policy(), token: name) == .refuse(.jwtInvalid))
    }

    @Test(
        "payloads that are accepted",
        arguments: [
            "sameNameElsewhere", "depth32", "depth33", "members512", "members513", "expFraction", "expExponent", "expHuge", "expEscapedName", "escapes", "unicode",
        ])
    func acceptedPayloads(name: String) throws {
        #expect(try outcome(policy(), token: name) == .proceed)
    }

    // MARK: - Times

    /// Evaluated by a fresh policy and by one that remembers the token from a moment at which it was valid.
    private func outcomes(_ yaml: String, token name: String, at seconds: Int64, validAt: Int64) throws -> [Outcome] {
        let remembering = try policy(yaml)
        bench.wallSeconds = AuthenticationBench.now + validAt
        #expect(try outcome(remembering, token: name) == .proceed)
        bench.wallSeconds = AuthenticationBench.now + seconds
        return [try outcome(remembering, token: name), try outcome(policy(yaml), token: name)]
    }

    @Test(
        "exp: the token is expired from that second on, later by the leeway",
        arguments: [
            ("", "valid", 99, Outcome.proceed), ("", "valid", 100, .refuse(.jwtExpired)),
            ("clockSkew: 30", "valid", 129, .proceed), ("clockSkew: 30", "valid", 130, .refuse(.jwtExpired)),
            ("", "expFraction", 100, .proceed), ("", "expFraction", 101, .refuse(.jwtExpired)),
            ("", "expExponent", 99, .proceed), ("", "expExponent", 100, .refuse(.jwtExpired)),
        ] as [(String, String, Int64, Outcome)])
    func expiry(yaml: String, name: String, seconds: Int64, expected: Outcome) throws {
        #expect(try outcomes(yaml, token: name, at: seconds, validAt: 0) == [expected, expected])
    }

    @Test(
        "nbf: the token is valid from that second on, sooner by the leeway",
        arguments: [
            ("", "nbf", 50, Outcome.proceed), ("", "nbf", 49, .refuse(.jwtInvalid)),
            ("clockSkew: 30", "nbf", 20, .proceed), ("clockSkew: 30", "nbf", 19, .refuse(.jwtInvalid)),
            ("", "nbfFraction", 51, .proceed), ("", "nbfFraction", 50, .refuse(.jwtInvalid)),
        ] as [(String, String, Int64, Outcome)])
    func notBefore(yaml: String, name: String, seconds: Int64, expected: Outcome) throws {
        #expect(try outcomes(yaml, token: name, at: seconds, validAt: 60) == [expected, expected])
    }

    @Test("a token without exp is refused unless expiry is optional; one with exp expires all the same")
    func optionalExpiry() throws {
        #expect(try outcome(policy(), token: "noExp") == .refuse(.jwtInvalid))
        #expect(try outcome(policy("expiry: required"), token: "noExp") == .refuse(.jwtInvalid))
        #expect(try outcome(policy("expiry: optional"), token: "noExp") == .proceed)
        #expect(try outcome(policy("expiry: optional"), token: "expZero") == .refuse(.jwtExpired))
        #expect(try outcome(policy("expiry: optional"), token: "expNegative") == .refuse(.jwtExpired))
        #expect(try outcome(policy("expiry: optional"), token: "expString") == .refuse(.jwtInvalid))
    }

    // MARK: - Other claims

    @Test(
        "iss, aud and further claims",
        arguments: [
            ("issuer: idp", "full", true), ("issuer: idp", "issOther", false), ("issuer: idp", "valid", false),
            ("audience: [orders]", "full", true), ("audience: [x, billing]", "full", true), ("audience: orders", "audText", true),
            ("audience: [orders]", "audOther", false), ("audience: [orders]", "valid", false), ("audience: [order]", "full", false),
            ("claims: [{name: sub, equals: u-1}]", "full", true), ("claims: [{name: sub, equals: u-2}]", "full", false),
            ("claims: [{name: level, equals: 3}]", "full", true), ("claims: [{name: level, equals: 3.0}]", "full", true),
            ("claims: [{name: level, equals: \"3\"}]", "full", false), ("claims: [{name: level, equals: 4}]", "full", false),
            ("claims: [{name: ratio, equals: 0.5}]", "full", true), ("claims: [{name: ratio, equals: 0}]", "full", false),
            ("claims: [{name: admin, equals: true}]", "full", true), ("claims: [{name: admin, equals: false}]", "full", false),
            ("claims: [{name: admin, equals: \"true\"}]", "full", false), ("claims: [{name: roles, equals: b}]", "full", true),
            ("claims: [{name: roles, oneOf: [x, a]}]", "full", true), ("claims: [{name: roles, oneOf: [c]}]", "full", false),
            ("claims: [{name: scope, oneOf: [write]}]", "full", true), ("claims: [{name: scope, equals: \"read write\"}]", "full", true),
            ("claims: [{name: list, oneOf: [write]}]", "listText", true), ("claims: [{name: list, oneOf: [rea, \"ad wr\", \"\"]}]", "listText", false),
            ("claims: [{name: list, oneOf: [\"read write\"]}]", "listText", true),
            ("claims: [{name: list, oneOf: [write], words: false}]", "listText", false),
            ("claims: [{name: list, oneOf: [x, \"read write\"], words: false}]", "listText", true),
            ("claims: [{name: list, equals: write}]", "listText", false), ("claims: [{name: list, equals: \"read write\"}]", "listText", true),
            ("claims: [{name: scope, equals: write}]", "full", true),
            ("claims: [{name: scope, oneOf: [rea, \"ad wr\", \"\"]}]", "full", false), ("claims: [{name: scope, oneOf: [read]}]", "scopeEscaped", true),
            ("claims: [{name: sub, present: true}]", "full", true), ("claims: [{name: nothing, present: true}]", "full", false),
            ("claims: [{name: nested, present: true}]", "full", true), ("claims: [{name: absent, present: true}]", "full", false),
            ("claims: [{name: nested, equals: c}]", "full", false), ("claims: [{name: sub, present: true}, {name: level, equals: 2}]", "full", false),
            ("claims: [{name: id, equals: 9007199254740993}]", "bigInteger", true), ("claims: [{name: id, equals: 9007199254740992}]", "bigInteger", false),
            ("claims: [{name: sub, equals: \"a/\u{e9}\u{1F600}\\\"\\\\\"}]", "escapes", true),
        ])
    func claims(yaml: String, name: String, passes: Bool) throws {
        #expect(try outcome(policy(yaml), token: name) == (passes ? .proceed : .refuse(.jwtInvalid)))
    }

    @Test("a token that has expired is expired, whatever else is wrong with it")
    func expiryFirst() throws {
        #expect(try outcome(policy("{issuer: idp, claims: [{name: x, present: true}]}".trimmedBraces), token: "expiredOtherIssuer") == .refuse(.jwtExpired))
    }

    // MARK: - Forwarded claims

    private func forwarded(_ policy: JWT.Compiled, _ name: String) throws -> [String]? {
        var exchange = try bench.exchange("GET /", ["Authorization: \(JWTVectors.tokens[name]!)"])
        guard case .proceed = policy.evaluate(&exchange) else { return nil }
        let values = (0..<exchange.forwardedClaimCount).map { exchange.forwardedClaims[$0].string }
        // The exchange gives the values' own bytes and no more.
        #expect(exchange.storageUsed == values.reduce(0) { $0 + $1.utf8.count })
        return values
    }

    @Test("forwarded claims: text decoded, scalars as they stand, arrays and objects as compact JSON, absent ones empty; also from memory")
    func forwards() throws {
        let policy = try policy(
            "forward: {sub: X-User, level: X-Level, admin: X-Admin, roles: X-Roles, nested: X-Nested, nothing: X-Nothing, absent: X-Absent, ratio: X-Ratio}")
        let names = (0..<policy.forwardedHeaders.count).map { policy.forwardedHeaders[$0].string }
        #expect(names == ["X-User", "X-Level", "X-Admin", "X-Roles", "X-Nested", "X-Nothing", "X-Absent", "X-Ratio"])
        for _ in 0..<2 {
            #expect(try forwarded(policy, "full") == ["u-1", "3", "true", "[\"a\",\"b\"]", "{\"roles\":[\"c\"]}", "", "", "0.5"])
        }
    }

    @Test("forwarded text has its escapes resolved; white space outside strings is left out")
    func forwardedText() throws {
        let policy = try policy("forward: {sub: X-User}")
        #expect(try forwarded(policy, "unicode") == ["\u{fc}n\u{ef} \u{1F600}"])
        #expect(try forwarded(policy, "escapes") == ["a/\u{e9}\u{1F600}\"\\"])
        #expect(try forwarded(policy, "list") == ["[\"a, b\",{\"c\":\"\\\" d\"}]"])
        #expect(try forwarded(policy, "subEmpty") == [""])
    }

    @Test("a forwarded claim with a control character or a blank at its end makes the token invalid; unforwarded it does not matter", arguments: ["newline", "blankEnd", "subDelete", "subNul"])
    func unfitForwards(name: String) throws {
        #expect(try outcome(policy("forward: {sub: X-User}"), token: name) == .refuse(.jwtInvalid))
        #expect(try outcome(policy(), token: name) == .proceed)
    }

    @Test("a forwarded claim that does not fit into the exchange is refused as too large")
    func forwardsTooLarge() throws {
        #expect(try outcome(policy("forward: {sub: X-User}"), token: "subBig") == .refuse(.headTooLarge))
        #expect(try outcome(policy(), token: "subBig") == .proceed)
    }
}

extension String {
    fileprivate var trimmedBraces: String { String(dropFirst().dropLast()) }
}
