import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("HMAC")
struct HMACTests {
    static let stamp = "2027-01-15T08:00:00Z"
    static let plain = HMACVectors.rows["plain"]!.code
    static let compact = ["X-TC-Timestamp: \(stamp)", "Authorization: \(plain)"]

    let bench: AuthenticationBench
    let registry = ReplayRegistry()

    init() throws { bench = try AuthenticationBench() }

    func policy(_ change: (inout HMAC.Configuration) -> Void = { _ in }) throws -> HMAC.Compiled {
        var configuration = HMAC.Configuration(secret: Located(value: Secret(bytes: Array(HMACVectors.secret.utf8))))
        change(&configuration)
        let compiled = try #require(HMAC.compile(configuration, into: bench.snapshot, registry: registry))
        bench.takeOver()
        return compiled
    }

    func outcome(_ policy: HMAC.Compiled, _ headers: [String], line: String = "GET /orders/v1?a=b") throws -> Outcome {
        var exchange = try bench.exchange(line, headers)
        return Outcome(policy.evaluate(&exchange))
    }

    func named(_ parameters: String) -> [String] {
        ["x-nhn-date: \(Self.stamp)", "Authorization: hmac \(parameters)"]
    }

    // MARK: - Signatures made by openssl

    @Test("compact form: the code over method, target and timestamp passes", arguments: ["plain", "post", "escapes"])
    func compactForm(name: String) throws {
        let row = try #require(HMACVectors.rows[name])
        let headers = ["X-TC-Timestamp: \(row.timestamp)", "Authorization: \(row.code)"]
        #expect(try outcome(policy(), headers, line: "\(row.method) \(row.target)") == .proceed)
    }

    @Test("compact form: another method, target or timestamp than the signed one is invalid")
    func compactFormIsBound() throws {
        let policy = try policy()
        #expect(try outcome(policy, Self.compact, line: "HEAD /orders/v1?a=b") == .refuse(.hmacInvalid))
        #expect(try outcome(policy, Self.compact, line: "GET /orders/v1?a=c") == .refuse(.hmacInvalid))
        #expect(try outcome(policy, Self.compact, line: "GET /orders/v1?a=b&") == .refuse(.hmacInvalid))
        let other = ["X-TC-Timestamp: 2027-01-15T08:00:00+00:00", "Authorization: \(Self.plain)"]
        #expect(try outcome(policy, other) == .refuse(.hmacInvalid))
    }

    @Test(
        "named form: listed headers are signed in listed order, several lines joined",
        arguments: [
            ("plain", ""), ("headers", "host,x-nhn-client-id"), ("headers", " Host , X-NHN-Client-ID "),
            ("headers", "host,x-absent,x-nhn-client-id"), ("reversed", "x-nhn-client-id,host"), ("several", "x-many"),
            ("emptyValue", "x-empty"),
        ])
    func namedForm(name: String, list: String) throws {
        let row = try #require(HMACVectors.rows[name])
        let headers = named("algorithm=\"HmacSHA256\", headers=\"\(list)\", signature=\"\(row.code)\"") + row.headers
        #expect(try outcome(policy(), headers) == .proceed)
    }

    @Test("named form: a listed header with another value, or in another order, is invalid")
    func namedFormIsBound() throws {
        let row = try #require(HMACVectors.rows["headers"])
        let policy = try policy()
        let credentials = named("algorithm=\"HmacSHA256\", headers=\"host,x-nhn-client-id\", signature=\"\(row.code)\"")
        #expect(try outcome(policy, credentials + ["X-Nhn-Client-Id: c-1"]) == .proceed)
        #expect(try outcome(policy, credentials + ["X-Nhn-Client-Id: c-2"]) == .refuse(.hmacInvalid))
        #expect(try outcome(policy, credentials) == .refuse(.hmacInvalid))
        #expect(try outcome(policy, credentials + row.headers + row.headers) == .refuse(.hmacInvalid))
        let swapped = named("algorithm=\"HmacSHA256\", headers=\"x-nhn-client-id,host\", signature=\"\(row.code)\"")
        #expect(try outcome(policy, swapped + row.headers) == .refuse(.hmacInvalid))
    }

    @Test(
        "named form: parameters in any order, with optional blanks, in any case of their names",
        arguments: [
            "signature=\"S\",algorithm=\"HmacSHA256\",headers=\"\"", "ALGORITHM = \"HmacSHA256\" ,\tsignature = \"S\"",
            "  algorithm=\"HmacSHA256\"  ,  headers=\"\"  ,  signature=\"S\"",
        ])
    func parameterOrder(parameters: String) throws {
        #expect(try outcome(policy(), named(parameters.replacing("S\"", with: Self.plain + "\""))) == .proceed)
    }

    @Test(
        "named form: malformed parameters are invalid",
        arguments: [
            "", "algorithm=\"HmacSHA256\"", "signature=\"S\"", "algorithm=\"HmacSHA256\" signature=\"S\"",
            "algorithm=\"HmacSHA256\",,signature=\"S\"", "algorithm=\"HmacSHA256\",signature=\"S\",",
            ",algorithm=\"HmacSHA256\",signature=\"S\"", "algorithm=HmacSHA256,signature=\"S\"",
            "algorithm=\"HmacSHA256\",signature=\"S", "algorithm=\"HmacSHA256\",signature=\"S\",signature=\"S\"",
            "algorithm=\"HmacSHA256\",algorithm=\"HmacSHA256\",signature=\"S\"",
            "algorithm=\"HmacSHA256\",headers=\"\",headers=\"\",signature=\"S\"",
            "algorithm=\"HmacSHA256\",keyId=\"1\",signature=\"S\"", "algorithm=\"HmacSHA512\",signature=\"S\"",
            "algorithm=\"hmacsha256\",signature=\"S\"", "algorithm=\"HmacSHA1\",signature=\"S\"",
            "algorithm=\"HmacSHA256\",headers=\",\",signature=\"S\"", "algorithm=\"HmacSHA256\",headers=\"x,\",signature=\"S\"",
            "algorithm=\"Hmac\\SHA256\",signature=\"S\"", "algorithm=\"HmacSHA256\",signature=\" S\"",
        ])
    func malformedParameters(parameters: String) throws {
        let text = parameters.replacing("S\"", with: Self.plain + "\"").replacing("signature=\"S", with: "signature=\"" + Self.plain)
        #expect(try outcome(policy(), named(text)) == .refuse(.hmacInvalid))
    }

    @Test("named form: 32 listed headers pass, 33 are invalid; a name of 257 bytes is invalid")
    func listIsBounded() throws {
        let policy = try policy()
        func list(_ count: Int) -> [String] {
            let names = (0..<count).map { "x-absent-\($0)" }.joined(separator: ",")
            return named("algorithm=\"HmacSHA256\", headers=\"\(names)\", signature=\"\(Self.plain)\"")
        }
        #expect(try outcome(policy, list(32)) == .proceed)
        #expect(try outcome(policy, list(33)) == .refuse(.hmacInvalid))
        for (count, expected) in [(256, Outcome.proceed), (257, .refuse(.hmacInvalid))] {
            let name = String(repeating: "x", count: count)
            #expect(
                try outcome(policy, named("algorithm=\"HmacSHA256\", headers=\"\(name)\", signature=\"\(Self.plain)\""))
                    == expected)
        }
    }

    @Test("named form: a list that names a field twice is invalid, in any case: its value would be hashed for each")
    func listNamesOnce() throws {
        let policy = try policy()
        for (list, expected) in [("x-a,x-b", Outcome.proceed), ("x-a,x-a", .refuse(.hmacInvalid)), ("x-a, X-A", .refuse(.hmacInvalid))] {
            #expect(try outcome(policy, named("algorithm=\"HmacSHA256\", headers=\"\(list)\", signature=\"\(Self.plain)\"")) == expected)
        }
    }

    @Test("named form: with 32 listed headers, each received several times among others, the canonical text is as it is defined")
    func manyFields() throws {
        let names = (0..<20).map { "x-header-\($0)" }
        var lines: [String] = []
        for round in 0..<2 { lines += names.reversed().map { "\(round == 0 ? $0 : $0.uppercased()): \($0.count)\(round)" } }
        let list = names + (0..<12).map { "x-absent-\($0)" }
        let text = (["GET", "/orders/v1?a=b", Self.stamp] + names.map { "\($0):\($0.count)0,\($0.count)1" }).joined(separator: "\n")
        let code = try HMACKeys.code(.sha256, Secret(bytes: Array(HMACVectors.secret.utf8)), of: Array(text.utf8))
        let signature = String(unsafeUninitializedCapacity: Base64.encodedCount(code.count)) { out in
            code.withByteView { Base64.encode($0, into: out.baseAddress!) }
        }
        let credentials = named("algorithm=\"HmacSHA256\", headers=\"\(list.joined(separator: ","))\", signature=\"\(signature)\"")
        let policy = try policy { $0.requiredHeaders = ["x-header-3", "x-header-19"] }
        #expect(try outcome(policy, credentials + lines) == .proceed)
        #expect(try outcome(policy, credentials + lines.dropLast()) == .refuse(.hmacInvalid))
        let absent = try self.policy { $0.requiredHeaders = ["x-absent-1"] }
        #expect(try outcome(absent, credentials + lines) == .refuse(.hmacInvalid))
    }

    // MARK: - Algorithms and encodings

    @Test("HmacSHA1 passes only where it is allowed, in both forms")
    func sha1() throws {
        let code = try #require(HMACVectors.rows["sha1"]).code
        let both = try policy { $0.algorithms = [.sha1, .sha256] }
        let strict = try policy()
        let only = try policy { $0.algorithms = [.sha1] }
        let requests = [
            ["X-TC-Timestamp: \(Self.stamp)", "Authorization: \(code)"],
            named("algorithm=\"HmacSHA1\", headers=\"\", signature=\"\(code)\""),
        ]
        for request in requests {
            #expect(try outcome(both, request) == .proceed)
            #expect(try outcome(only, request) == .proceed)
            #expect(try outcome(strict, request) == .refuse(.hmacInvalid))
        }
        #expect(try outcome(both, Self.compact) == .proceed)
        #expect(try outcome(only, Self.compact) == .refuse(.hmacInvalid))
        // The right code under the other algorithm's name.
        #expect(try outcome(both, named("algorithm=\"HmacSHA256\", signature=\"\(code)\"")) == .refuse(.hmacInvalid))
    }

    @Test("signature: anything but the one padded base64 text of the code is invalid")
    func signatureEncoding() throws {
        let policy = try policy()
        let plain = Self.plain
        #expect(plain.hasSuffix("A="))
        let wrong = [
            String(plain.dropLast()), plain + "=", plain.dropLast(2) + "B=", plain.dropLast(1) + "==", "AAAA" + plain,
            plain + "AAAA", String(plain.dropLast(4)), plain.replacing("+", with: "-"), plain.lowercased(), "=", "A", "A===",
            String(repeating: "A", count: 4000),
        ]
        for signature in wrong {
            #expect(
                try outcome(policy, ["X-TC-Timestamp: \(Self.stamp)", "Authorization: \(signature)"])
                    == .refuse(.hmacInvalid), "\(signature)")
        }
    }

    // MARK: - The order of the checks

    @Test("refusals come in the contract's order: timestamp, format, time, authorization, signature")
    func order() throws {
        let policy = try policy()
        let bad = "Authorization: nonsense"
        #expect(try outcome(policy, []) == .refuse(.hmacTimestampEmpty))
        #expect(try outcome(policy, [bad]) == .refuse(.hmacTimestampEmpty))
        #expect(try outcome(policy, ["X-TC-Timestamp:", bad]) == .refuse(.hmacTimestampEmpty))
        #expect(try outcome(policy, ["X-TC-Timestamp: \t "]) == .refuse(.hmacTimestampEmpty))
        #expect(try outcome(policy, ["X-TC-Timestamp: now"]) == .refuse(.hmacTimestampFormat))
        #expect(try outcome(policy, ["X-TC-Timestamp: now", bad]) == .refuse(.hmacTimestampFormat))
        #expect(try outcome(policy, ["X-TC-Timestamp: 2020-01-01T00:00:00Z"]) == .refuse(.hmacExpired))
        #expect(try outcome(policy, ["X-TC-Timestamp: 2020-01-01T00:00:00Z", bad]) == .refuse(.hmacExpired))
        #expect(try outcome(policy, ["X-TC-Timestamp: \(Self.stamp)"]) == .refuse(.hmacAuthorizationEmpty))
        #expect(try outcome(policy, ["X-TC-Timestamp: \(Self.stamp)", "Authorization: "]) == .refuse(.hmacAuthorizationEmpty))
        #expect(try outcome(policy, ["X-TC-Timestamp: \(Self.stamp)", bad]) == .refuse(.hmacInvalid))
    }

    @Test("without Authorization either timestamp counts; with it, the one of its form")
    func timestampOfTheForm() throws {
        let policy = try policy()
        let signature = "algorithm=\"HmacSHA256\", headers=\"\", signature=\"\(Self.plain)\""
        #expect(try outcome(policy, ["x-nhn-date: \(Self.stamp)"]) == .refuse(.hmacAuthorizationEmpty))
        #expect(try outcome(policy, ["X-TC-Timestamp: ", "x-nhn-date: never"]) == .refuse(.hmacTimestampFormat))
        #expect(try outcome(policy, ["x-nhn-date: \(Self.stamp)", "Authorization: \(Self.plain)"]) == .refuse(.hmacTimestampEmpty))
        #expect(
            try outcome(policy, ["X-TC-Timestamp: \(Self.stamp)", "Authorization: hmac \(signature)"])
                == .refuse(.hmacTimestampEmpty))
        #expect(try outcome(policy, named(signature) + ["X-TC-Timestamp: never"]) == .proceed)
        #expect(try outcome(policy, ["x-nhn-date: \(Self.stamp)", "Authorization: HMAC\t\(signature)"]) == .proceed)
        #expect(try outcome(policy, ["x-nhn-date: \(Self.stamp)", "Authorization: hmac"]) == .refuse(.hmacInvalid))
        #expect(try outcome(policy, ["X-TC-Timestamp: \(Self.stamp)", "Authorization: hmacs x"]) == .refuse(.hmacInvalid))
    }

    @Test("several Authorization or timestamp lines are invalid, even equal ones")
    func repeatedLines() throws {
        let policy = try policy()
        #expect(try outcome(policy, Self.compact + ["Authorization: \(Self.plain)"]) == .refuse(.hmacInvalid))
        #expect(try outcome(policy, Self.compact + ["x-tc-timestamp: \(Self.stamp)"]) == .refuse(.hmacInvalid))
        #expect(try outcome(policy, ["X-TC-Timestamp:"] + Self.compact) == .refuse(.hmacTimestampEmpty))
    }

    // MARK: - Time

    @Test(
        "clock skew 300: both ends pass, one second more in either direction is expired",
        arguments: [
            ("2027-01-15T08:05:00Z", Outcome.proceed), ("2027-01-15T08:05:01Z", .refuse(.hmacExpired)),
            ("2027-01-15T07:55:00Z", .proceed), ("2027-01-15T07:54:59Z", .refuse(.hmacExpired)),
            ("2027-01-15T17:00:00+09:00", .proceed), ("2027-01-15T17:00:00+0900", .proceed),
        ])
    func clockSkew(stamp: String, expected: Outcome) throws {
        let code = try #require(HMACVectors.codes[stamp])
        #expect(try outcome(policy(), ["X-TC-Timestamp: \(stamp)", "Authorization: \(code)"]) == expected)
    }

    @Test("clock skew 0: any time passes, but it must be in the format")
    func noClockSkew() throws {
        let policy = try policy { $0.clockSkew = 0 }
        let stamp = "2020-02-29T23:59:59Z"
        let code = try #require(HMACVectors.codes[stamp])
        #expect(try outcome(policy, ["X-TC-Timestamp: \(stamp)", "Authorization: \(code)"]) == .proceed)
        #expect(try outcome(policy, ["X-TC-Timestamp: 2021-02-29T23:59:59Z", "Authorization: \(code)"]) == .refuse(.hmacTimestampFormat))
    }

    // MARK: - Required headers

    @Test("required headers must be listed and present; the compact form can list none")
    func requiredHeaders() throws {
        let row = try #require(HMACVectors.rows["headers"])
        let policy = try policy { $0.requiredHeaders = ["x-nhn-client-id", "host"] }
        let credentials = named("algorithm=\"HmacSHA256\", headers=\"host,X-Nhn-Client-Id\", signature=\"\(row.code)\"")
        #expect(try outcome(policy, credentials + row.headers) == .proceed)
        #expect(try outcome(policy, Self.compact + row.headers) == .refuse(.hmacInvalid))
        let unlisted = named("algorithm=\"HmacSHA256\", headers=\"host\", signature=\"\(row.code)\"")
        #expect(try outcome(policy, unlisted + row.headers) == .refuse(.hmacInvalid))
        // Listed but absent: what is signed would leave it out, and the code over the rest is right.
        let absent = try self.policy { $0.requiredHeaders = ["x-absent"] }
        let rest = named("algorithm=\"HmacSHA256\", headers=\"x-absent\", signature=\"\(Self.plain)\"")
        #expect(try outcome(absent, rest) == .refuse(.hmacInvalid))
        #expect(try outcome(self.policy(), rest) == .proceed)
    }

    // MARK: - Replays

    @Test("replay protection: a signature passes once, also for another worker, in another form and after a reload")
    func replay() throws {
        let policy = try policy { $0.replayProtection = true }
        #expect(try outcome(policy, Self.compact) == .proceed)
        #expect(try outcome(policy, Self.compact) == .refuse(.hmacInvalid))
        #expect(
            try outcome(policy, named("algorithm=\"HmacSHA256\", headers=\"\", signature=\"\(Self.plain)\""))
                == .refuse(.hmacInvalid))
        let reloaded = try self.policy { $0.replayProtection = true }
        #expect(try outcome(reloaded, Self.compact) == .refuse(.hmacInvalid))
        let code = try #require(HMACVectors.codes["2027-01-15T08:00:01Z"])
        #expect(try outcome(reloaded, ["X-TC-Timestamp: 2027-01-15T08:00:01Z", "Authorization: \(code)"]) == .proceed)
    }

    @Test("replay protection: a wrong signature marks nothing")
    func wrongSignatureMarksNothing() throws {
        let policy = try policy { $0.replayProtection = true }
        #expect(try outcome(policy, Self.compact, line: "GET /orders/v1?a=c") == .refuse(.hmacInvalid))
        #expect(try outcome(policy, Self.compact) == .proceed)
    }

    @Test("replay protection: what passed before a change of the capacity is refused after it, and what replay protection refuses is told to logs")
    func capacityChanges() throws {
        let policy = try policy { $0.replayProtection = true }
        #expect(try outcome(policy, Self.compact) == .proceed)
        let texts = RefusalTexts()
        defer { texts.deallocate() }
        for capacity in [64, 1 << 24, 4096] {
            let changed = try self.policy {
                $0.replayProtection = true
                $0.replayCapacity = capacity
            }
            var exchange = try bench.exchange("GET /orders/v1?a=b", Self.compact)
            guard case .refuse(let refusal) = changed.evaluate(&exchange) else {
                Issue.record("passed with a capacity of \(capacity)")
                continue
            }
            #expect(refusal == Refusal(.hmacInvalid, detail: "replayed"))
            #expect(refusal.toldDetail.isEmpty && texts[ErrorPlace(refusal.row)].bodyEnd.isEmpty)
        }
    }

    @Test("replay protection that begins refuses what was signed up to the present second, and takes what was signed in the next")
    func beginning() throws {
        registry.beginCompilation()
        let policy = try policy { $0.replayProtection = true }
        #expect(registry.putInForce(now: AuthenticationBench.now) == 1)
        var exchange = try bench.exchange("GET /orders/v1?a=b", Self.compact)
        guard case .refuse(let refusal) = policy.evaluate(&exchange) else {
            Issue.record("passed")
            return
        }
        #expect(refusal == Refusal(.hmacInvalid, detail: "signed before replay protection began"))
        let code = try #require(HMACVectors.codes["2027-01-15T08:00:01Z"])
        #expect(try outcome(policy, ["X-TC-Timestamp: 2027-01-15T08:00:01Z", "Authorization: \(code)"]) == .proceed)
        // A reload begins nothing anew.
        registry.beginCompilation()
        _ = try self.policy { $0.replayProtection = true }
        #expect(registry.putInForce(now: AuthenticationBench.now + 100) == 0)
    }

    @Test("replay protection: a full table refuses what is new")
    func fullTable() throws {
        let policy = try policy {
            $0.replayProtection = true
            $0.replayCapacity = 64
        }
        let digest = HMACKeys.fingerprint(of: Secret(bytes: Array(HMACVectors.secret.utf8)))
        let table = try #require(registry.table(of: digest, skew: 300)).handle(capacity: 64)
        for index in 0..<64 {
            let mac = withUnsafeBytes(of: (UInt64(index) << 8, UInt64(0))) { Array($0) }
            #expect(table.insert(mac, second: AuthenticationBench.now, now: AuthenticationBench.now, skew: 300) == .fresh)
        }
        #expect(try outcome(policy, Self.compact) == .refuse(.hmacInvalid))
    }
}
