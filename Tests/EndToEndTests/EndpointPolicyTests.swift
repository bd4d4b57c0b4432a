import Foundation
import Testing

/// Rewrite, header changes and mock, on what the upstream and the client receive.
@Suite("Endpoint policies", .loopback, .minutes(5))
struct EndpointPolicyTests {
    @Test("rewrite: groups, templates, %0, %%, the query kept or replaced, no match left alone", arguments: [
        ("/api/v2.0/(.*)", "/%1", "/api/v2.0/a/b?q=1", "/a/b?q=1"), ("/api/v2.0/(.*)", "/%1?z=9", "/api/v2.0/a?q=1", "/a?z=9"),
        ("/(a)/(b)", "/%2/%1", "/a/b", "/b/a"), ("/a", "/p%%20x", "/a", "/p%20x"), ("/a/b", "/x%0", "/a/b", "/x/a/b"),
        ("/{version}/{path}", "/{path}/{version}", "/v1/users", "/users/v1"), ("/{version}/{path}", "/{path}/{version}", "/v1/a/b", "/v1/a/b"),
        ("/api/v2.0/(.*)", "/%1", "/other", "/other"), ("/a", "/b", "/a/c", "/a/c"),
    ])
    func rewrite(pattern: String, to: String, path: String, expected: String) throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/**", "rewrite: {pattern: \"\(pattern)\", to: \"\(to)\"}")]))
        let response = try gateway.get("/api" + path)
        #expect(response.status == 200, "\(response.text)")
        #expect(try upstream.onlyRequest().target == expected)
    }

    @Test("a rewrite joins the upstream URL's own path")
    func rewriteWithBase() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(upstream: upstream.url + "/base", [EndpointText("/**", "rewrite: {pattern: \"/v1.0/members/(.*)\", to: \"/members/%1\"}")]))
        #expect(try gateway.get("/api/v1.0/members/7?x=1").status == 200)
        #expect(try upstream.onlyRequest().target == "/base/members/7?x=1")
    }

    @Test("a pattern that would take for ever ends in bounded time with 500 20005, and others are served meanwhile")
    func catastrophicPattern() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(upstream: upstream.url, [EndpointText("/mock", helloMock), EndpointText("/**", "rewrite: {pattern: \"/(a+)+(a+)+(a+)+b\", to: \"/x\"}")]))
        let start = monotonicSeconds()
        let response = try gateway.get("/api/" + String(repeating: "a", count: 200) + "c")
        let took = monotonicSeconds() - start
        // A matcher that sees at once that no "b" can follow may also leave the path alone.
        #expect(response.status == 200 || response.text == RefusalRow.rewritePattern.body, "\(response.text)")
        #expect(took < 1, "\(took) s")
        #expect(try gateway.get("/api/mock").text == "hello")
    }

    @Test("validate: what is missing is named, before a pre-call API is asked; a header that is required gets to the upstream although Connection names it")
    func validate() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(
                upstream: upstream.url,
                [
                    EndpointText(
                        "/**",
                        "validate: {query: {required: [from, to]}, headers: {required: [X-Tenant]}}, preCall: {url: \"http://127.0.0.1:1/\"}"),
                    EndpointText("/open", "validate: {query: {required: [from]}, headers: {required: [X-Tenant]}}"),
                ]))
        for (target, fields, detail) in [
            ("/api/x?to=1", ["X-Tenant: a"], "query parameter from missing"), ("/api/x?from=1", ["X-Tenant: a"], "query parameter to missing"),
            ("/api/x?from&to", ["X-Other: a"], "header X-Tenant missing"), ("/api/x", [], "query parameter from missing"),
        ] {
            let response = try gateway.get(target, fields)
            expect(response, is: .validation)
            #expect(response.text.contains("Bad Request (\(detail))"), "\(response.text)")
        }
        expect(try gateway.get("/api/x?from=1&to=2", ["X-Tenant: a"]), is: .preCall)
        #expect(upstream.requests.isEmpty)
        #expect(try gateway.get("/api/open?fr%6Fm", ["Connection: X-Tenant, X-Other", "x-tenant: a", "X-Other: b"]).status == 200)
        let request = try upstream.onlyRequest()
        #expect(request.values("X-Tenant") == ["a"] && request["X-Other"] == nil)
    }

    @Test("request and response fields are set, replacing every line of that name, and removed")
    func headerChanges() throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, ["Server: origin", "X-Two: a", "X-Two: b", "X-Kept: k"], body: "x") }
        let gateway = try Gateway(
            configuration(
                upstream: upstream.url,
                [
                    EndpointText(
                        "/**",
                        "headers: {request: {set: {X-Gateway: sluice, Accept: text/x}, remove: [X-Debug, Cookie]}, response: {set: {X-Two: one}, remove: [Server]}}")
                ]))
        let response = try gateway.get("/api/x", ["x-gateway: mine", "X-Gateway: again", "Accept: a/b", "X-DEBUG: 1", "Cookie: a", "X-Other: o"])
        #expect(response.values("X-Two") == ["one"] && response["Server"] == nil && response["X-Kept"] == "k")
        let request = try upstream.onlyRequest()
        #expect(request.values("X-Gateway") == ["sluice"] && request.values("Accept") == ["text/x"])
        #expect(request["X-Debug"] == nil && request["Cookie"] == nil && request["X-Other"] == "o")
    }

    @Test("mock: status, fields and body, an exact length, for HEAD too; the upstream is not asked")
    func mock() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(
                upstream: upstream.url,
                [
                    EndpointText("/text", "mock: {status: 202, headers: {Content-Type: text/plain, X-Mock: \"1\"}, body: \"héllo\"}"),
                    EndpointText("/empty", "mock: {status: 204}"),
                ]))
        let client = try gateway.client()
        let response = try client.exchange(Gateway.text("GET", "/api/text"))
        #expect(response.status == 202 && response.text == "héllo" && response["Content-Length"] == "6" && response["X-Mock"] == "1")
        let head = try client.exchange(Gateway.text("HEAD", "/api/text"), method: "HEAD")
        #expect(head["Content-Length"] == "6")
        let empty = try client.exchange(Gateway.text("GET", "/api/empty"))
        #expect(empty.status == 204 && empty["Content-Length"] == nil)
        #expect(try client.exchange(Gateway.text("GET", "/api/text")).text == "héllo")
        #expect(upstream.requests.isEmpty)
    }

    @Test("a configured body of any length up to 1 MiB arrives whole, also at a client that reads slowly, and the connection goes on", arguments: [
        131_072, 131_073, 262_144, 1_048_576,
    ])
    func longBody(length: Int) throws {
        let text = String((0..<length).map { Character(UnicodeScalar(UInt8(0x61 + $0 % 23))) })
        let gateway = try Gateway(configuration([EndpointText("/**", "mock: {status: 200, body: \"\(text)\"}")]))
        let client = try RawClient(port: gateway.port, receiveBuffer: 4096)
        try client.send(Gateway.text("GET", "/api/x") + Gateway.text("HEAD", "/api/x") + Gateway.text("GET", "/api/y"))
        pause(0.3)
        let first = try client.response()
        #expect(first.text == text && first["Content-Length"] == "\(length)")
        #expect(try client.response(to: "HEAD")["Content-Length"] == "\(length)")
        #expect(try client.response().text == text)
        #expect(try gateway.get("/api/x").text == text)
    }

    @Test("a client that leaves in the midst of a long configured body leaves nothing behind")
    func longBodyAborted() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", "mock: {status: 200, body: \"\(String(repeating: "b", count: 1 << 20))\"}")]))
        for _ in 0..<20 {
            let client = try RawClient(port: gateway.port, receiveBuffer: 4096)
            try client.send(Gateway.text("GET", "/api/x"))
            _ = try client.head()
        }
        #expect(try gateway.get("/api/x").body.count == 1 << 20)
    }

    @Test("a body sent to a mock is taken off the connection before the next request")
    func mockWithBody() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]))
        let client = try gateway.client()
        let smuggled = "GET /api/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        for _ in 0..<3 { #expect(try client.exchange(Gateway.text("POST", "/api/x", body: smuggled)).text == "hello") }
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        pause(0.05)
        try client.send("3\r\nabc\r\n0\r\n\r\n")
        let early = try client.response()
        #expect(early.text == "hello")
        // Answered before the body's end: the gateway may read on, or say that it closes.
        if !early.saysClose { #expect(try client.exchange(Gateway.text("GET", "/api/x", ["Connection: close"])).text == "hello") }
        #expect(client.endsQuietly(), "something was answered that was never asked")
    }
}
