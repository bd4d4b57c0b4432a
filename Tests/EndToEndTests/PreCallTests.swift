import Foundation
import Testing

/// The pre-call API: what it is sent, what its answers do, what is remembered.
@Suite("Pre-call", .loopback, .minutes(5))
struct PreCallTests {
    @Test("it gets the method and URL configured and the client's end-to-end fields, never its target or body")
    func request() throws {
        let authoriser = try ScriptedUpstream()
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(upstream: upstream.url, [EndpointText("/**", "preCall: {method: POST, url: \"\(authoriser.url)/authorise?a=1\"}")]))
        let response = try gateway.request(
            "PUT", "/api/secret/path?token=1", ["Authorization: Bearer t", "Connection: X-Hop", "X-Hop: 1", "Cookie: c=d", "Content-Type: text/plain"],
            body: "the body")
        #expect(response.status == 200)
        let call = try authoriser.onlyRequest()
        #expect(call.method == "POST" && call.target == "/authorise?a=1" && call.body.isEmpty)
        #expect(call.values("Host") == ["127.0.0.1:\(authoriser.port)"])
        #expect(call["Authorization"] == "Bearer t" && call["Cookie"] == "c=d" && call["X-Hop"] == nil)
        #expect(!call.headText.contains("secret/path") && !call.headText.contains("the body"))
        #expect(call["Content-Length"] == nil || call["Content-Length"] == "0")
        let request = try upstream.onlyRequest()
        #expect(request.method == "PUT" && request.text == "the body" && request["Authorization"] == "Bearer t")
    }

    @Test("another status than 200 is the answer: status, end-to-end fields, body", arguments: [201, 204, 302, 401, 403, 500])
    func answer(status: Int) throws {
        let authoriser = try ScriptedUpstream {
            try $0.reply(status, ["X-Reason: because", "Connection: X-Hop", "X-Hop: 1", "WWW-Authenticate: Basic"], body: status == 204 ? "" : "denied")
        }
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/**", "preCall: {method: GET, url: \"\(authoriser.url)/\"}")]))
        let response = try gateway.get("/api/x")
        #expect(response.status == status && response["X-Reason"] == "because" && response["WWW-Authenticate"] == "Basic")
        #expect(response["X-Hop"] == nil && response.text == (status == 204 ? "" : "denied"))
        #expect(upstream.requests.isEmpty)
    }

    @Test("an answer is passed on, and the connection goes on; HEAD gets its head alone", arguments: [true, false])
    func answerToHead(isChunked: Bool) throws {
        let authoriser = try ScriptedUpstream { call in
            guard isChunked else { return try call.reply(403, body: "hello world") }
            try call.send("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        }
        let gateway = try Gateway(configuration([EndpointText("/x", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\"}"), EndpointText("/m", helloMock)]))
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "hello world")
        let head = try client.exchange(Gateway.text("HEAD", "/api/x"), method: "HEAD")
        #expect(head.status == 403 && head.body.isEmpty)
        #expect(try client.exchange(Gateway.text("GET", "/api/m")).text == "hello")
    }

    @Test("timeoutMs is one time for everything: a head that trickles in for ever, and a handshake that never comes, end with it")
    func oneTime() throws {
        let trickling = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nX-Long: ")
            while true {
                try call.send("x")
                pause(0.05)
            }
        }
        // Accepts in the kernel's queue, and says nothing.
        let deaf = try RawSocket.listen()
        try LoopbackScope.onEnd { deaf.close() }
        let gateway = try Gateway(
            configuration([
                EndpointText("/trickling", "\(helloMock), preCall: {method: GET, url: \"\(trickling.url)/\", timeoutMs: 300}"),
                EndpointText("/deaf", "\(helloMock), preCall: {method: GET, url: \"https://127.0.0.1:\(deaf.localPort)/\", timeoutMs: 300}"),
            ]), environment: ["SLUICE_UPSTREAM_CONNECT_TIMEOUT_MS": "600000"])
        expect(try gateway.get("/api/trickling"), is: .preCall)
        expect(try gateway.get("/api/deaf"), is: .preCall)
    }

    @Test("the call and the request are one trace, of which each is a span; the client's own trace goes to both", arguments: [[], ["X-Request-Id: given"]])
    func oneTrace(fields: [String]) throws {
        let authoriser = try ScriptedUpstream()
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/**", "preCall: {method: GET, url: \"\(authoriser.url)/\"}")]))
        #expect(try gateway.get("/api/x", fields).status == 200)
        let traces = try [authoriser, upstream].map { try #require($0.request(0)["traceparent"]).split(separator: "-") }
        #expect(traces[0].count == 4 && traces[0][1].count == 32 && traces[0][1] == traces[1][1], "\(traces)")
        #expect(traces[0][2] != traces[1][2])
        #expect(try authoriser.request(0)["X-Request-Id"] == upstream.request(0)["X-Request-Id"])
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        #expect(try gateway.get("/api/x", fields + ["traceparent: \(given)"]).status == 200)
        for service in [authoriser, upstream] { #expect(try service.request(1)["traceparent"] == given) }
    }

    @Test("an answer to a request whose body has come already keeps the connection; one whose body is still to come ends it")
    func answerToBody() throws {
        let authoriser = try ScriptedUpstream { try $0.reply(403, body: "no") }
        let gateway = try Gateway(
            configuration([EndpointText("/x", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\"}"), EndpointText("/m", helloMock)]))
        let client = try gateway.client()
        try client.send(Gateway.text("POST", "/api/x", body: "a body") + Gateway.text("GET", "/api/m"))
        #expect(try client.response().text == "no")
        #expect(try client.response().text == "hello")
        let partial = try client.exchange("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        #expect(partial.status == 403 && partial.saysClose)
    }

    @Test("a 200 whose body never ends: the request goes on at once, and the connection is given up after two seconds")
    func stalledBody() throws {
        let ended = Flag()
        let authoriser = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            if (try? call.socket.receive()) == .some(nil) { ended.set() }
        }
        let gateway = try Gateway(configuration([EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\"}")]))
        let began = monotonicSeconds()
        #expect(try gateway.get("/api/x").text == "hello")
        #expect(monotonicSeconds() - began < TimeScale.patience(1))
        try ended.wait(10)
        #expect(monotonicSeconds() - began > 1.5)
    }

    @Test("a 200 with a body lets the request go on, and its body reaches nobody")
    func yesWithBody() throws {
        let authoriser = try ScriptedUpstream { try $0.reply(200, ["X-Auth: 1"], body: "welcome") }
        let gateway = try Gateway(configuration([EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\"}")]))
        let client = try gateway.client()
        for _ in 0..<3 {
            let response = try client.exchange(Gateway.text("GET", "/api/x"))
            #expect(response.text == "hello" && response["X-Auth"] == nil)
        }
        #expect(authoriser.requests.count == 3)
    }

    @Test("cacheSeconds remembers a 200 per forwarded fields, never a no")
    func cache() throws {
        let authoriser = try ScriptedUpstream { try $0.reply($0.request["X-User"] == "bad" ? 403 : 200, body: "x") }
        let gateway = try Gateway(
            configuration([EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\", cacheSeconds: 60}")]),
            environment: ["SLUICE_WORKERS": "1"])
        for _ in 0..<5 { #expect(try gateway.get("/api/x", ["X-User: one"]).status == 200) }
        #expect(authoriser.requests.count == 1)
        for _ in 0..<3 { #expect(try gateway.get("/api/y", ["X-User: one", "X-Request-Id: other", "tracestate: a=1"]).status == 200) }
        #expect(authoriser.requests.count == 1, "X-Request-Id and tracestate are no part of the key")
        #expect(try gateway.get("/api/x", ["X-User: two"]).status == 200)
        #expect(authoriser.requests.count == 2)
        for _ in 0..<2 { #expect(try gateway.get("/api/x", ["X-User: bad"]).status == 403) }
        #expect(authoriser.requests.count == 4)
    }

    @Test("cacheKey narrows what is told apart; a remembered yes ends after cacheSeconds")
    func cacheKey() throws {
        let authoriser = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration([
                EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\", cacheSeconds: 1, cacheKey: [Authorization]}")
            ]), environment: ["SLUICE_WORKERS": "1"])
        for number in 0..<3 { #expect(try gateway.get("/api/x", ["Authorization: a", "X-Other: \(number)"]).status == 200) }
        #expect(authoriser.requests.count == 1)
        #expect(try gateway.get("/api/x", ["Authorization: b"]).status == 200)
        #expect(authoriser.requests.count == 2)
        pause(1.2)
        #expect(try gateway.get("/api/x", ["Authorization: a"]).status == 200)
        #expect(authoriser.requests.count == 3)
    }

    @Test("a body that the client sends while the pre-call waits reaches the upstream whole")
    func bodyWaits() throws {
        let authoriser = try ScriptedUpstream { call in
            pause(0.2)
            try call.reply(200)
        }
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "\($0.request.body.count)") }
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/**", "preCall: {method: GET, url: \"\(authoriser.url)/\"}")]))
        #expect(try gateway.request("POST", "/api/x", body: String(repeating: "b", count: 600_000)).text == "600000")
    }
}
