import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("HMAC configuration and signer")
struct HMACConfigurationTests {
    let bench: AuthenticationBench

    init() throws { bench = try AuthenticationBench(environment: ["ORDERS_SECRET": "from the environment"]) }

    func read(_ yaml: String) throws -> HMAC.Configuration? { HMAC.read(try bench.node(yaml), problems: bench.problems) }

    @Test("only the secret is needed; the rest has the documented defaults")
    func defaults() throws {
        let configuration = try #require(try read("secret: {env: ORDERS_SECRET}"))
        #expect(configuration.secret.value.bytes == Array("from the environment".utf8))
        #expect(configuration.clockSkew == 300)
        #expect(configuration.algorithms == [.sha256])
        #expect(configuration.requiredHeaders.isEmpty)
        #expect(!configuration.replayProtection)
        #expect(configuration.replayCapacity == 1_048_576)
        #expect(bench.problems.isEmpty)
    }

    @Test("every key is read")
    func everything() throws {
        let configuration = try #require(
            try read(
                "{secret: s, clockSkew: 86400, algorithms: [HmacSHA1, HmacSHA256], requiredHeaders: [X-A, host], "
                    + "replayProtection: true, replayCapacity: 64}"))
        #expect(configuration.clockSkew == 86_400)
        #expect(configuration.algorithms == [.sha1, .sha256])
        #expect(configuration.requiredHeaders == ["x-a", "host"])
        #expect(configuration.replayProtection)
        #expect(configuration.replayCapacity == 64)
    }

    @Test(
        "each mistake is one problem, at its key",
        arguments: [
            ("clockSkew: 1", "secret"), ("{secret: s, clockSkew: -1}", "clockSkew"), ("{secret: s, clockSkew: 86401}", "clockSkew"),
            ("{secret: s, algorithms: []}", "algorithms"), ("{secret: s, algorithms: [HmacMD5, HmacSHA256]}", "algorithms[0]"),
            ("{secret: s, requiredHeaders: [\"a b\"]}", "requiredHeaders[0]"),
            ("{secret: s, requiredHeaders: [x, Authorization]}", "requiredHeaders[1]"),
            ("{secret: s, clockSkew: 0, replayProtection: true}", "replayProtection"),
            ("{secret: s, replayCapacity: 63}", "replayCapacity"), ("{secret: s, skew: 1}", "skew"), ("{secret: \"\"}", "secret"),
        ])
    func problems(yaml: String, keyPath: String) throws {
        #expect(try read(yaml) == nil)
        #expect(bench.problems.all.map(\.keyPath) == [keyPath])
    }

    @Test("clock skew 0 without replay protection is no problem")
    func zeroSkew() throws {
        #expect(try read("{secret: s, clockSkew: 0, replayProtection: false}")?.clockSkew == 0)
    }

    @Test("the signer's lines pass the policy, with and without required headers", arguments: [[], ["x-a", "host"]])
    func signer(required: [String]) throws {
        var configuration = try #require(try read("secret: s"))
        configuration.requiredHeaders = required
        let lines = try HMAC.Signer(configuration: configuration).lines(
            method: "GET", target: "/orders/v1?a=b", timestamp: HMAC.Signer.timestamp(at: AuthenticationBench.now),
            headers: [("Host", "api.example.com"), ("X-A", " 1 "), ("x-a", "2")])
        let policy = try #require(HMAC.compile(configuration, into: bench.snapshot))
        bench.takeOver()
        var exchange = try bench.exchange("GET /orders/v1?a=b", lines + ["X-A: 1", "x-a: 2"])
        #expect(Outcome(policy.evaluate(&exchange)) == .proceed)
        #expect(lines[0].hasPrefix(required.isEmpty ? "X-TC-Timestamp: 2027" : "x-nhn-date: 2027"))
    }

    @Test("the signer makes openssl's code, and says which required header it lacks")
    func signerVector() throws {
        var configuration = try #require(try read("{secret: \(HMACVectors.secret), algorithms: [HmacSHA1]}"))
        let row = try #require(HMACVectors.rows["sha1"])
        #expect(
            try HMAC.Signer(configuration: configuration).lines(method: row.method, target: row.target, timestamp: row.timestamp)
                == ["X-TC-Timestamp: \(row.timestamp)", "Authorization: \(row.code)"])
        configuration.requiredHeaders = ["x-a"]
        #expect(throws: HMAC.Signer.Fault(description: "the policy requires the header x-a")) {
            try HMAC.Signer(configuration: configuration).lines(method: "GET", target: "/", timestamp: row.timestamp)
        }
    }

    @Test(
        "timestamps are those of the calendar",
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
            (1_800_000_000, "2027-01-15T08:00:00Z"), (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] as [(Int64, String)])
    func timestamps(second: Int64, text: String) {
        #expect(HMAC.Signer.timestamp(at: second) == text)
    }
}
