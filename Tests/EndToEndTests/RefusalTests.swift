import Foundation
import Testing

/// Every row of the contract's two error tables, on the bytes that a client receives.
@Suite("Refusals", .loopback, .minutes(5))
struct RefusalTests {
    /// Expects the row for GET, and for HEAD the same fields without the body.
    private func check(_ row: RefusalRow, _ gateway: Gateway, _ target: String = "/api/x", _ fields: [String] = []) throws {
        let get = try gateway.get(target, fields + ["Connection: close"])
        expect(get, is: row)
        #expect(get.saysClose)

        let client = try gateway.client()
        try client.send(Gateway.text("HEAD", target, fields + ["Connection: close"]))
        let head = try client.response(to: "HEAD")
        #expect(head.status == row.status)
        #expect(try client.toEnd().isEmpty, "HEAD got a body")
        let varying = ["date", "x-request-id", "ratelimit", "retry-after"]
        let names = { (response: Response) in
            response.fields.filter { !varying.contains($0.name.lowercased()) }.map { "\($0.name): \($0.value)" }
        }
        #expect(names(head) == names(get))
    }

    @Test("project ceiling exceeded: 429")
    func ceiling() throws {
        let gateway = try Gateway(configuration(ceiling: 1, [EndpointText("/**", helloMock)]))
        #expect(try gateway.get("/api/x").status == 200)
        try check(.ceiling, gateway)
    }

    @Test("usage quota exceeded: 403, of the domain and of the endpoint", arguments: [true, false])
    func quota(ofDomain: Bool) throws {
        let quota = "usageQuota: [{limit: 1, perSeconds: 86400}]"
        let gateway = try Gateway(
            configuration(policies: ofDomain ? quota : "", [EndpointText("/**", helloMock + (ofDomain ? "" : ", " + quota))]))
        #expect(try gateway.get("/api/x").status == 200)
        try check(.quota, gateway)
    }

    @Test("HMAC: each of its five refusals")
    func hmac() throws {
        let gateway = try Gateway(configuration(policies: "hmac: {secret: s3cret, clockSkew: 300}", [EndpointText("/**", helloMock)]))
        let now = Signing.timestamp()
        try check(.hmacNoTimestamp, gateway)
        try check(.hmacNoTimestamp, gateway, "/api/x", ["X-TC-Timestamp: ", "Authorization: x"])
        try check(.hmacFormat, gateway, "/api/x", ["X-TC-Timestamp: yesterday"])
        try check(.hmacFormat, gateway, "/api/x", ["X-TC-Timestamp: 2024-02-30T00:00:00Z"])
        try check(.hmacExpired, gateway, "/api/x", ["X-TC-Timestamp: \(Signing.timestamp(-400))"])
        try check(.hmacExpired, gateway, "/api/x", ["X-TC-Timestamp: \(Signing.timestamp(400))"])
        try check(.hmacNoAuthorization, gateway, "/api/x", ["X-TC-Timestamp: \(now)"])
        try check(.hmacNoAuthorization, gateway, "/api/x", ["X-TC-Timestamp: \(now)", "Authorization:"])
        try check(.hmacInvalid, gateway, "/api/x", ["X-TC-Timestamp: \(now)", "Authorization: bm90IGEgc2lnbmF0dXJl"])
    }

    @Test("JWT: each of its three refusals")
    func jwt() throws {
        let gateway = try Gateway(configuration(policies: "jwt: {algorithm: HS256, secret: s3cret, clockSkew: 0}", [EndpointText("/**", helloMock)]))
        try check(.jwtNoAuthorization, gateway)
        try check(.jwtNoAuthorization, gateway, "/api/x", ["Authorization: Bearer"])
        try check(.jwtNoAuthorization, gateway, "/api/x", ["Authorization: "])
        let expired = try Signing.hs256(#"{"exp":\#(Signing.epoch() - 60)}"#, secret: "s3cret")
        try check(.jwtExpired, gateway, "/api/x", ["Authorization: Bearer \(expired)"])
        try check(.jwtInvalid, gateway, "/api/x", ["Authorization: Bearer a.b.c"])
        let forged = try Signing.hs256(#"{"exp":\#(Signing.epoch() - 60)}"#, secret: "another")
        try check(.jwtInvalid, gateway, "/api/x", ["Authorization: Bearer \(forged)"])
    }

    @Test("pre-call API refused, too slow, or not HTTP: 502 20008")
    func preCall() throws {
        let silent = try ScriptedUpstream { call in
            pause(1)
            call.close()
        }
        let rubbish = try ScriptedUpstream { call in
            try call.send("SSH-2.0-nothing\r\n")
            call.close()
        }
        let closing = try ScriptedUpstream { $0.close() }
        let refusing = "http://127.0.0.1:\(try Ports.free())"
        let gateway = try Gateway(
            configuration([
                EndpointText("/refused", helloMock + ", preCall: {method: GET, url: \"\(refusing)/\"}"),
                EndpointText("/slow", helloMock + ", preCall: {method: GET, url: \"\(silent.url)/\", timeoutMs: 200}"),
                EndpointText("/rubbish", helloMock + ", preCall: {method: GET, url: \"\(rubbish.url)/\"}"),
                EndpointText("/closing", helloMock + ", preCall: {method: GET, url: \"\(closing.url)/\"}"),
            ]))
        for target in ["/api/refused", "/api/slow", "/api/rubbish", "/api/closing"] { try check(.preCall, gateway, target) }
    }

    @Test("a rewrite pattern that does not compile: 500 20005; a malformed replacement: 500 20006; other endpoints work")
    func rewrite() throws {
        let gateway = try Gateway(
            configuration([
                EndpointText("/pattern", helloMock + ", rewrite: {pattern: \"/a(b\", to: \"/x\"}"),
                EndpointText("/replacement", helloMock + ", rewrite: {pattern: \"/a(.*)\", to: \"/x/%2\"}"),
                EndpointText("/variable", helloMock + ", rewrite: {pattern: \"/{a}\", to: \"/{b}\"}"),
                EndpointText("/good", helloMock),
            ]))
        try check(.rewritePattern, gateway, "/api/pattern")
        try check(.rewriteReplacement, gateway, "/api/replacement")
        try check(.rewriteReplacement, gateway, "/api/variable")
        #expect(try gateway.get("/api/good").text == "hello")
    }

    @Test("no such domain, path or method: 404")
    func notFound() throws {
        let gateway = try Gateway(configuration([EndpointText("/known", methods: "GET", helloMock)]))
        try check(.notFound, gateway, "/nothing/known")
        try check(.notFound, gateway, "/api/unknown")
        try check(.notFound, gateway, "/api/known/")
        try check(.notFound, gateway, "/")
        expect(try gateway.request("POST", "/api/known", body: ""), is: .notFound)
        expect(try gateway.request("OPTIONS", "/api/known"), is: .notFound)
    }

    @Test("address refused by the IP ACL: 403")
    func address() throws {
        let gateway = try Gateway(
            configuration(policies: "ipAcl: {permit: false, addresses: [127.0.0.1]}", [EndpointText("/**", helloMock)]))
        try check(.address, gateway)
        #expect(try gateway.get("/api/x", source: "127.0.0.2").status == 200)
    }

    @Test("a malformed or unsafe target: 400 4000003", arguments: [
        "/api/%", "/api/%4", "/api/%zz", "/api/%00", "/api/%0a", "/api/%7f", "/api/..", "/api/../..", "/..", "/api/a/../../../b",
        "/api/%2e%2e/%2e%2e/x", "/api/a\\b", "/api/a%5cb", "/api/a%2Fb", "/api/a%2fb",
    ])
    func target(target: String) throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]))
        // "/api/.." climbs to "/", which is inside the root but names no domain; every other target is unsafe.
        if target == "/api/.." {
            expect(try gateway.get(target), is: .notFound)
        } else {
            expect(try gateway.get(target), is: .target)
        }
    }

    @Test("an absolute-form target whose authority is not Host's: 400; the same authority: taken")
    func absoluteForm() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]))
        expect(try gateway.get("http://other.test/api/x", ["Host: gateway.test"]), is: .target)
        #expect(try gateway.get("http://gateway.test/api/x", ["Host: gateway.test"]).text == "hello")
    }

    @Test("a request malformed otherwise: 400 4000007 and the connection ends", arguments: [
        "GET /api/x HTTP/1.1\r\n\r\n",
        "GET /api/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /api/x HTTP/1.1\r\nHost: a\r\nBad Name: b\r\n\r\n",
        "GET /api/x HTTP/1.1\r\nHost: a\r\nName : b\r\n\r\n",
        "GET /api/x HTTP/1.1\r\nHost: a\r\nName: b\r\n folded\r\n\r\n",
        "GET /api/x HTTP/1.1\r\nHost: a\r\nName: b\u{1}c\r\n\r\n",
        "GET /api/x HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n",
        "GET /api/x\r\n\r\n",
        "G@T /api/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
        "POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "POST /api/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ])
    func badRequest(text: String) throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]))
        let client = try gateway.client()
        let response = try client.exchange(text)
        expect(response, is: .badRequest)
        #expect(response.saysClose)
        #expect(client.endsQuietly())
    }

    @Test("a chunk that is not one, after the head was good: 400 or an end, and nothing ambiguous reaches the upstream", arguments: [
        "zz\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "-1\r\n\r\n", "fffffffffffffffff\r\n", "3\nabc\r\n0\r\n\r\n",
    ])
    func badChunk(chunks: String) throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        let response = try client.exchange("POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        expect(response, is: .badRequest)
        #expect(client.endsQuietly())
        #expect(upstream.requests.isEmpty, "the upstream read a whole request")
    }

    @Test("a client too slow with its head or its body: 408 and the connection ends")
    func slowClient() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(upstream: upstream.url), environment: ["SLUICE_HEAD_TIMEOUT_MS": "300", "SLUICE_BODY_TIMEOUT_MS": "300"])
        for text in ["GET /api/x HT", "POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"] {
            let client = try gateway.client(timeout: 6)
            let start = monotonicSeconds()
            expect(try client.exchange(text), is: .timeout)
            #expect(client.endsQuietly())
            #expect(monotonicSeconds() - start > 0.2 && monotonicSeconds() - start < 4)
        }
    }

    @Test("a body over the limit: 413, by its length at once and in chunks once it is over; at the limit: taken")
    func bodyTooLarge() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_MAX_BODY_BYTES": "1000"])
        expect(try gateway.request("POST", "/api/x", body: String(repeating: "x", count: 1001)), is: .bodyTooLarge)
        #expect(upstream.requests.isEmpty)
        #expect(try gateway.request("POST", "/api/x", body: String(repeating: "x", count: 1000)).status == 200)
        let chunk = "1f4\r\n" + String(repeating: "y", count: 500) + "\r\n"
        let chunked = { (tail: String) in
            try gateway.request("POST", "/api/x", ["Transfer-Encoding: chunked"]) { chunk + chunk + tail }
        }
        #expect(try chunked("0\r\n\r\n").status == 200)
        expect(try chunked("1\r\nz\r\n0\r\n\r\n"), is: .bodyTooLarge)
        #expect(upstream.requests.count == 2)
    }

    @Test("10 MiB is the body's limit unless set")
    func defaultBodyLimit() throws {
        let gateway = try Gateway(configuration(upstream: try ScriptedUpstream().url))
        let client = try gateway.client()
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: \(10 * 1_048_576 + 1)\r\n\r\n")
        expect(try client.response(), is: .bodyTooLarge)
    }

    @Test("a head over the limit: 431 and the connection ends; at the limit: taken")
    func headTooLarge() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]), environment: ["SLUICE_MAX_HEAD_BYTES": "4096"])
        let around = Gateway.text("GET", "/api/x", ["X-Long: "]).utf8.count
        let longest = "X-Long: " + String(repeating: "a", count: 4096 - around)
        #expect(try gateway.get("/api/x", [longest]).status == 200)
        let client = try gateway.client()
        expect(try client.exchange(Gateway.text("GET", "/api/x", [longest + "a"])), is: .headTooLarge)
        #expect(client.endsQuietly())
    }

    @Test("upstream refused, reset, closed or answered rubbish: 502 5020001")
    func badGateway() throws {
        let reset = try ScriptedUpstream { $0.reset() }
        let closed = try ScriptedUpstream { $0.close() }
        let rubbish = try ScriptedUpstream { call in
            try call.send("this is not HTTP\r\n\r\n")
            call.close()
        }
        let ambiguous = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
            call.close()
        }
        for url in ["http://127.0.0.1:\(try Ports.free())", reset.url, closed.url, rubbish.url, ambiguous.url] {
            let gateway = try Gateway(configuration(upstream: url))
            try check(.badGateway, gateway)
        }
    }

    @Test("an upstream name that does not resolve: 503 5030001")
    func unavailable() throws {
        let gateway = try Gateway(configuration(upstream: "http://no-such-name.invalid:9000"))
        try check(.unavailable, gateway)
    }

    @Test("an upstream slower than its timeout: 504 5040001")
    func upstreamTimeout() throws {
        let slow = try ScriptedUpstream { call in
            pause(1.5)
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: slow.url, domain: ["upstreamTimeoutMs: 250"]))
        let start = monotonicSeconds()
        try check(.upstreamTimeout, gateway)
        #expect(monotonicSeconds() - start < 3)
    }
}
