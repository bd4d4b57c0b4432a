import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("PreCall")
struct PreCallTests {
    private static let second: UInt64 = 1_000_000_000

    // MARK: What is sent

    @Test("the head of the question is rendered once: method, target and authority of the URL", arguments: [
        ("{url: 'http://127.0.0.1:9100/authorise'}", "GET /authorise HTTP/1.1\r\nHost: 127.0.0.1:9100\r\n"),
        ("{url: 'HTTPS://IdP.test', method: DELETE}", "DELETE / HTTP/1.1\r\nHost: idp.test\r\n"),
        ("{url: 'http://[::1]:80/a?b=c', method: OPTIONS}", "OPTIONS /a?b=c HTTP/1.1\r\nHost: [::1]\r\n"),
        ("{url: 'http://a?b', method: POST}", "POST /?b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"),
        ("{url: 'http://a', method: PUT}", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"),
        ("{url: 'http://a', method: PATCH}", "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"),
    ])
    func requestHead(yaml: String, head: String) throws {
        let policy = try PolicyFixture(PreCall.self, yaml)
        let preCall = try policy.faultless()
        #expect(preCall.call.pointee.requestHead.string == head)
        #expect(preCall.call.pointee.timeoutMilliseconds == 1000)
    }

    @Test("end-to-end fields are forwarded; hop-by-hop, nominated and per-connection ones are not")
    func forwardedFields() throws {
        let test = try TestExchange(
            """
            POST /
            Host: h
            Authorization: a
            Connection: x-Nominated, authorization, close
            X-Nominated: 1
            X-Kept: 2
            Expect: 100-continue
            Content-Length: 3
            Content-Type: text/plain
            Keep-Alive: 5
            TE: trailers
            Trailer: X
            Upgrade: a
            Proxy-Connection: keep-alive
            Proxy-Authorization: b
            X-Forwarded-For: 192.0.2.9
            Traceparent: t
            """)
        let head = test.exchange.head
        let bytes = test.exchange.headBytes
        let withheld = FieldSelection.withheld(peerIsTrusted: true, test.exchange.context)
        let forwarded = (0..<head.fields.count).map { head.fields[$0] }.filter { withheld & $0.known.bit == 0 }.map { bytes[$0.name].string }
        #expect(forwarded == ["Authorization", "X-Kept", "Content-Type", "X-Forwarded-For", "Traceparent"])
    }

    // MARK: What is remembered

    /// Asks, answers 200 to the first request one second after the start, and asks again with the second.
    private func isRemembered(_ options: String, _ first: String, _ second: String, after: UInt64 = 0) throws -> Bool {
        let policy = try PolicyFixture(PreCall.self, "{url: 'http://a/', \(options)}")
        let preCall = try policy.faultless()
        let one = try TestExchange(first, monotonicNanoseconds: Self.second)
        #expect(Answer(preCall.evaluate(&one.exchange)) == .suspend)
        preCall.call.pointee.remember(one.exchange)
        let two = try TestExchange(second, monotonicNanoseconds: Self.second + after)
        let answer = Answer(preCall.evaluate(&two.exchange))
        #expect(answer == .proceed || answer == .suspend)
        return answer == .proceed
    }

    @Test("without cacheSeconds every request asks")
    func nothingIsRemembered() throws {
        #expect(try !isRemembered("timeoutMs: 5", "GET /", "GET /"))
        #expect(try !isRemembered("cacheSeconds: 0", "GET /", "GET /"))
    }

    @Test("a 200 is remembered for cacheSeconds, to the nanosecond")
    func expiry() throws {
        #expect(try isRemembered("cacheSeconds: 5", "GET /", "GET /", after: 5 * Self.second - 1))
        #expect(try !isRemembered("cacheSeconds: 5", "GET /", "GET /", after: 5 * Self.second))
        #expect(try isRemembered("cacheSeconds: 86400", "GET /", "GET /", after: 86400 * Self.second - 1))
    }

    @Test("what was not answered with 200 is asked again")
    func notRemembered() throws {
        let policy = try PolicyFixture(PreCall.self, "{url: 'http://a/', cacheSeconds: 5}")
        let preCall = try policy.faultless()
        let test = try TestExchange("GET /")
        #expect(Answer(preCall.evaluate(&test.exchange)) == .suspend)
        #expect(Answer(preCall.evaluate(&test.exchange)) == .suspend)
    }

    @Test("requests that the service cannot tell apart share the answer", arguments: [
        ("GET /a?b\nAuthorization: x", "POST /c\nauthorization: x"),
        ("GET /\nX-Request-Id: 1\nTraceparent: 2\nTracestate: 3\nX-A: a", "GET /\nX-A: a\nx-request-id: 4"),
        ("GET /\nConnection: keep-alive", "GET /\nContent-Length: 0"),
        ("GET /\nConnection: x-a\nX-A: 1", "GET /"), ("GET /\nX_A: a", "GET /"),
        ("GET /\nX-Forwarded-Server: a\nX-Original-URL: /b", "GET /"),
        ("GET /\nRange: bytes=0-1\nIf-Range: x\nif-match: *\nIf-None-Match: *\nIf-Modified-Since: y", "GET /\nExpect: 100-continue"),
    ])
    func sharedAnswers(first: String, second: String) throws {
        #expect(try isRemembered("cacheSeconds: 5", first, second))
    }

    @Test("any other forwarded field, value, order or repetition is another question", arguments: [
        ("GET /\nAuthorization: x", "GET /\nAuthorization: y"), ("GET /\nAuthorization: x", "GET /"),
        ("GET /", "GET /\nX-A:"), ("GET /\nX-A: a", "GET /\nX-A: A"), ("GET /\nX-A: a", "GET /\nX-B: a"),
        ("GET /\nX-A: ab", "GET /\nX-Aa: b"), ("GET /\nX-A: a\nX-B: b", "GET /\nX-B: b\nX-A: a"),
        ("GET /\nX-A: a", "GET /\nX-A: a\nX-A: a"),
        ("GET /\nX-A: 1\nConnection: x-a", "GET /\nX-A: 1"),
        ("GET /\nHost: one", "GET /\nHost: two"), ("GET /\nX-Long-Name-A: a", "GET /\nX-Long-Name-B: a"),
    ])
    func distinctQuestions(first: String, second: String) throws {
        #expect(try !isRemembered("cacheSeconds: 5", first, second))
    }

    @Test("cacheKey: the named fields alone tell questions apart", arguments: [
        ("GET /\nAuthorization: x\nX-A: 1", "GET /\nX-A: 2\nauthorization: x", true),
        ("GET /\nAuthorization: x", "GET /\nAuthorization: y", false),
        ("GET /\nAuthorization: x", "GET /", false), ("GET /\nX-Key:", "GET /", false), ("GET /", "GET /", true),
        ("GET /\nAuthorization: x", "GET /\nX-Key: x", false),
        ("GET /\nX-Key: a\nX-Key: b", "GET /\nX-Key: ab", false), ("GET /\nX-Key: a\nX-Key: b", "GET /\nX-Key: a\nX-Key: b", true),
        // Its sender cannot take off what is remembered; what is not sent is nobody's key.
        ("GET /\nX-Key: a\nConnection: x-key", "GET /\nX-Key: a", true), ("GET /\nX-Key: a\nConnection: x-key", "GET /", false),
        ("GET /\nX_Key: a", "GET /", true), ("GET /\nX_Key: a", "GET /\nX-Key: a", false),
    ])
    func narrowed(first: String, second: String, isShared: Bool) throws {
        #expect(try isRemembered("cacheSeconds: 5, cacheKey: [Authorization, X-Key]", first, second) == isShared)
    }

    @Test("what the gateway says of the client is part of the question, unless cacheKey leaves it out", arguments: [
        ("", "192.0.2.1", false, true), ("", "192.0.2.2", false, false), ("", "192.0.2.1", true, false),
        (", cacheKey: [X-Forwarded-For]", "192.0.2.2", false, false), (", cacheKey: [x-forwarded-proto]", "192.0.2.1", true, false),
        (", cacheKey: [X-Forwarded-Host]", "192.0.2.1", false, true), (", cacheKey: [Authorization]", "192.0.2.2", true, true),
    ])
    func clients(options: String, client: String, isSecure: Bool, isShared: Bool) throws {
        let policy = try PolicyFixture(PreCall.self, "{url: 'http://a/', cacheSeconds: 5\(options)}")
        let memory = try #require(policy.faultless().call.pointee.memory)
        let one = try TestExchange("GET /", client: "192.0.2.1")
        let two = try TestExchange("GET /", client: client, isSecure: isSecure)
        #expect((memory.key(of: one.exchange) == memory.key(of: two.exchange)) == isShared)
    }

    @Test("of an IPv6 client the network counts as well as the interface")
    func networks() throws {
        let policy = try PolicyFixture(PreCall.self, "{url: 'http://a/', cacheSeconds: 5}")
        let memory = try #require(policy.faultless().call.pointee.memory)
        let tests = try ["2001:db8:1::5", "2001:db8:2::5", "2001:db8:1::6"].map { try TestExchange("GET /", client: $0) }
        let keys = tests.map { memory.key(of: $0.exchange) }
        #expect(keys[0] != keys[1] && keys[0] != keys[2])
    }

    /// Has the exchange lead to an endpoint whose domain forwards a claim as X-User.
    private func forwardClaim(_ test: TestExchange, _ arena: Arena) {
        let fields = EndpointFields(changes: nil, changed: [], claims: ["X-User"], relied: [], into: arena)
        test.exchange.endpoint = UnsafePointer(arena.store(CompiledEndpoint(
            pattern: .empty, counter: 0, steps: ArenaSlice(), goesByClock: false, headers: nil, forwardedClaims: ArenaSlice(), variables: ArenaSlice(),
            fields: fields.map { arena.store($0) })))
    }

    @Test("a line that is not sent tells nothing apart: by it no client says of itself what the service was told of another", arguments: [
        "", ", cacheKey: [X-User, X-Real-IP, Tracestate, Authorization]",
    ])
    func unsentLines(options: String) throws {
        let policy = try PolicyFixture(PreCall.self, "{url: 'http://a/', cacheSeconds: 5\(options)}")
        let memory = try #require(policy.faultless().call.pointee.memory)
        let named = try TestExchange("GET /\nX-User: root")
        let claimed = try TestExchange("GET /\nX-User: root")
        let bare = try TestExchange("GET /")
        forwardClaim(claimed, policy.snapshot.arena)
        // The endpoint without claims passes the client's own X-User on, the other does not.
        #expect(memory.key(of: named.exchange) != memory.key(of: claimed.exchange))
        #expect(memory.key(of: bare.exchange) == memory.key(of: claimed.exchange))

        let told = try TestExchange("GET /\nX-Real-IP: 10.0.0.1")
        told.exchange.peerIsTrusted = true
        let untold = try TestExchange("GET /\nX-Real-IP: 10.0.0.1")
        #expect(memory.key(of: told.exchange) != memory.key(of: untold.exchange))
        #expect(memory.key(of: bare.exchange) == memory.key(of: untold.exchange))

        let traced = try TestExchange("GET /\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nTracestate: a=b")
        let untraced = try TestExchange("GET /\nTraceparent: 00-0-0-01\nTracestate: a=b")
        #expect((memory.key(of: traced.exchange) == memory.key(of: untraced.exchange)) == options.isEmpty)
        #expect(memory.key(of: bare.exchange) == memory.key(of: untraced.exchange))
    }

    @Test("endpoints share an answer only if they ask the same question for the same time", arguments: [
        ("{url: 'http://a/', cacheSeconds: 5}", true), ("{url: 'http://A:80', cacheSeconds: 5}", true),
        ("{url: 'http://a/', cacheSeconds: 6}", false), ("{url: 'http://a/b', cacheSeconds: 5}", false),
        ("{url: 'https://a:80/', cacheSeconds: 5}", false), ("{url: 'http://a/', cacheSeconds: 5, method: POST}", false),
        ("{url: 'http://a/', cacheSeconds: 5, cacheKey: [X-A]}", false), ("{url: 'http://a/', cacheSeconds: 5, allow: [200]}", true),
        ("{url: 'http://a/', cacheSeconds: 5, allow: [204]}", false), ("{url: 'http://a/', cacheSeconds: 5, allow: [200, 204]}", false),
        ("{url: 'http://a/', cacheSeconds: 5, timeoutMs: 7}", true),
    ])
    func sharedBetweenEndpoints(yaml: String, isShared: Bool) throws {
        let onePolicy = try PolicyFixture(PreCall.self, "{url: 'http://a/', cacheSeconds: 5}")
        let otherPolicy = try PolicyFixture(PreCall.self, yaml)
        let (one, other) = (try onePolicy.faultless().call.pointee, try otherPolicy.faultless().call.pointee)
        let test = try TestExchange("GET /")
        let keys = (try #require(one.memory).key(of: test.exchange), try #require(other.memory).key(of: test.exchange))
        #expect((keys.0 == keys.1) == isShared)
    }

    @Test("fields about the resource that the client wants are none of the pre-call API's", arguments: [
        ("Range", true), ("range", true), ("If-Match", true), ("IF-NONE-MATCH", true), ("If-Modified-Since", true), ("If-Range", true), ("if-x", true),
        ("Ranges", false), ("Rang", false), ("Accept-Ranges", false), ("Iff-Match", false), ("Information", false), ("If", false), ("R", false),
    ])
    func aboutResource(name: String, isAboutResource: Bool) {
        #expect(name.withByteView(ServiceCall.isAboutResource) == isAboutResource)
    }

    @Test("a method that may be repeated is one that is idempotent", arguments: [
        ("GET", true), ("PUT", true), ("DELETE", true), ("OPTIONS", true), ("POST", false), ("PATCH", false),
    ])
    func idempotence(method: String, isIdempotent: Bool) throws {
        let policy = try PolicyFixture(PreCall.self, "{url: 'http://a/', method: \(method)}")
        #expect(try policy.faultless().call.pointee.isIdempotent == isIdempotent)
    }

    @Test("allow names the statuses that let a request pass: 200 alone unless it is set", arguments: [
        ("", [200]), (", allow: [200]", [200]), (", allow: [204, 200, 204]", [200, 204]), (", allow: [599]", [599]),
    ])
    func allow(option: String, statuses: [UInt16]) throws {
        let policy = try PolicyFixture(PreCall.self, "{url: 'http://a/'\(option)}")
        let preCall = try policy.faultless()
        for status in 100...600 as ClosedRange<UInt16> { #expect(preCall.call.pointee.allows(status) == statuses.contains(status)) }
    }

    @Test("configuration: allow holds statuses of final responses, at least one")
    func allowFaults() throws {
        #expect(try PolicyFixture(PreCall.self, "{url: 'http://a', allow: []}").complaints == ["1:26: allow: found an empty list, allowed at least one status"])
        let complaints = try PolicyFixture(PreCall.self, "{url: 'http://a', allow: [199, 600, '200', 2xx, 200]}").complaints
        #expect(complaints.count == 4 && complaints.allSatisfy { $0.hasSuffix("allowed a status from 200 to 599") }, "\(complaints)")
        #expect(try PolicyFixture(PreCall.self, "{url: 'http://a', allow: 200}").complaints.count == 1)
    }

    // MARK: Configuration

    @Test("configuration: every value is read, cacheKey without regard to case, order and repetition")
    func reading() throws {
        let policy = try PolicyFixture(
            PreCall.self,
            "{method: PUT, url: 'http://a', cacheSeconds: 86400, timeoutMs: 600000, cacheKey: [X-B, authorization, x-b]}")
        let configuration = try #require(policy.configuration)
        #expect(configuration.method == "PUT" && configuration.url.value.host == "a")
        #expect(configuration.cacheSeconds == 86400 && configuration.timeoutMilliseconds == 600_000)
        #expect(configuration.cacheKey == ["authorization", "x-b"])
    }

    @Test("configuration: what is missing, out of range or unknown is reported in one run")
    func faults() throws {
        let policy = try PolicyFixture(
            PreCall.self,
            "method: HEAD\nurl: ftp://a\ncacheSeconds: 86401\ntimeoutMs: 0\ncacheKey: ['a b', Host, Connection, Expect, X-A, If-Match]\ncache: 1\n")
        #expect(policy.configuration == nil)
        #expect(policy.complaints == [
            #"1:9: method: found the text "HEAD", allowed GET, POST, PUT, PATCH, DELETE or OPTIONS"#,
            #"2:6: url: found "ftp://a", allowed a URL that begins with http://, https:// or h2c://"#,
            "3:15: cacheSeconds: found the integer 86401, allowed an integer from 0 to 86400 (seconds)",
            "4:12: timeoutMs: found the integer 0, allowed an integer from 1 to 600000 (milliseconds)",
            #"5:12: cacheKey[0]: found "a b", allowed the name of a field that is forwarded"#,
            #"5:19: cacheKey[1]: found "Host", allowed the name of a field that is forwarded"#,
            #"5:25: cacheKey[2]: found "Connection", allowed the name of a field that is forwarded"#,
            #"5:37: cacheKey[3]: found "Expect", allowed the name of a field that is forwarded"#,
            #"5:50: cacheKey[5]: found "If-Match", allowed the name of a field that is forwarded"#,
            #"6:1: cache: found the unknown key "cache", allowed method, url, cacheSeconds, timeoutMs, cacheKey or allow"#,
        ])
    }

    @Test("configuration: the URL is required, and an empty cacheKey would let everybody through")
    func requiredValues() throws {
        #expect(try PolicyFixture(PreCall.self, "{cacheKey: []}").complaints == [
            "1:1: url: found nothing, allowed an absolute http, https or h2c URL (required)",
            "1:12: cacheKey: found an empty list, allowed at least one field",
        ])
    }
}
