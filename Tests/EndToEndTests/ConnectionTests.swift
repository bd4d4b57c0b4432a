import Foundation
import Synchronization
import Testing

/// Connections on both sides: pipelining, reuse, retries, half-close, HTTP/1.0, timeouts.
@Suite("Connections", .loopback, .minutes(5))
struct ConnectionTests {
    @Test("pipelined requests are answered in order, mocks, refusals and proxied ones mixed")
    func pipelining() throws {
        let upstream = try ScriptedUpstream { call in
            if call.request.target == "/slow" { pause(0.1) }
            try call.reply(200, body: "upstream \(call.request.target)")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/mock", helloMock), EndpointText("/slow"), EndpointText("/fast")]))
        let client = try gateway.client()
        let targets = ["/api/slow", "/api/mock", "/api/none", "/api/fast", "/api/slow", "/api/mock"]
        try client.send(targets.map { Gateway.text("GET", $0) }.joined())
        let bodies = try targets.map { _ in try client.response() }
        #expect(bodies.map(\.status) == [200, 200, 404, 200, 200, 200])
        #expect(bodies[0].text == "upstream /slow" && bodies[1].text == "hello" && bodies[3].text == "upstream /fast" && bodies[5].text == "hello")
    }

    @Test("pipelined requests are all answered although the client has ended its sending side")
    func pipeliningHalfClosed() throws {
        let upstream = try ScriptedUpstream { call in
            pause(0.05)
            try call.reply(200, body: "upstream \(call.request.target)")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/mock", helloMock), EndpointText("/**")]))
        let client = try gateway.client()
        try client.send(["/api/a", "/api/mock", "/api/b"].map { Gateway.text("GET", $0) }.joined())
        client.halfClose()
        #expect(try client.response().text == "upstream /a")
        #expect(try client.response().text == "hello")
        #expect(try client.response().text == "upstream /b")
        #expect(client.endsQuietly())
    }

    @Test("a head in single bytes, and empty lines before it, are taken")
    func slowHead() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]))
        let client = try gateway.client()
        try client.send("\r\n" + Gateway.text("GET", "/api/x"), inPiecesOf: 1, every: 0.0005)
        #expect(try client.response().text == "hello")
    }

    @Test("upstream connections are kept and used again")
    func reuse() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "1"])
        for _ in 0..<10 { #expect(try gateway.get("/api/x").status == 200) }
        #expect(upstream.acceptedConnections == 1)
    }

    @Test("an upstream that says close is not used again")
    func upstreamCloses() throws {
        let upstream = try ScriptedUpstream { call in
            try call.reply(200, ["Connection: close"], body: "x")
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "1"])
        let client = try gateway.client()
        for _ in 0..<5 { #expect(try client.exchange(Gateway.text("GET", "/api/x")).status == 200) }
        #expect(upstream.acceptedConnections == 5)
    }

    @Test("an HTTP/1.0 client gets a response that ends with the connection; keep-alive when it asks")
    func http10() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/mock", helloMock), EndpointText("/**")]))
        let client = try gateway.client()
        let response = try client.exchange("GET /api/x HTTP/1.0\r\n\r\n")
        #expect(response.status == 200 && response.text == "hello" && response["Transfer-Encoding"] == nil)
        let kept = try gateway.client()
        for _ in 0..<2 {
            let response = try kept.exchange("GET /api/mock HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(response.text == "hello" && response["Connection"]?.lowercased() == "keep-alive")
        }
    }

    @Test("Connection: close from the client ends the connection after the response")
    func clientCloses() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/mock", helloMock), EndpointText("/**")]))
        for target in ["/api/mock", "/api/x", "/none"] {
            let client = try gateway.client()
            let response = try client.exchange(Gateway.text("GET", target, ["Connection: close"]))
            #expect(response.saysClose && client.endsQuietly())
        }
    }

    @Test("a client that half-closes after its request still gets the response")
    func halfClose() throws {
        let upstream = try ScriptedUpstream { call in
            pause(0.1)
            try call.reply(200, body: "late")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        try client.send(Gateway.text("GET", "/api/x"))
        client.halfClose()
        #expect(try client.response().text == "late")
    }

    @Test("a client that half-closes behind bytes that nobody reads gets its response and an end in order, no reset")
    func halfCloseBehindUnreadBytes() throws {
        let body = String(repeating: "x", count: 200_000)
        let upstream = try ScriptedUpstream { call in
            pause(0.1)
            try call.reply(200, body: body)
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        try client.send(Gateway.text("GET", "/api/x", ["Connection: close"]) + String(repeating: "y", count: 100_000))
        client.halfClose()
        #expect(try client.response().text == body)
        #expect(client.endsQuietly())
    }

    @Test("a GET on a kept connection that the upstream ends without a byte is sent again")
    func staleConnection() throws {
        let upstream = try ScriptedUpstream { call in
            if call.request.target == "/end" {
                call.close()  // the first answer, then this connection is no more
                if call.request.connection == 1 { return }
            }
            try call.reply(200, body: "connection \(call.request.connection)")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "1"])
        #expect(try gateway.get("/api/x").text == "connection 1")
        #expect(try gateway.get("/api/end").text == "connection 2")
        #expect(upstream.requests.map(\.target) == ["/x", "/end", "/end"])
    }

    @Test("a POST is not sent again once it was sent")
    func noRetryOfPost() throws {
        let upstream = try ScriptedUpstream { call in
            if call.request.method == "POST" { return call.close() }
            try call.reply(200, body: "x")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "1"])
        #expect(try gateway.get("/api/x").status == 200)
        expect(try gateway.request("POST", "/api/x", body: "once"), is: .badGateway)
        #expect(upstream.requests.filter { $0.method == "POST" }.count == 1)
    }

    @Test("an upstream that ended its idle connections is asked on a new one, POST too")
    func idleConnectionsEnded() throws {
        let upstream = try ScriptedUpstream { call in
            try call.reply(200, body: "x")
            call.close()  // without saying so
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "1"])
        for _ in 0..<5 {
            #expect(try gateway.request("POST", "/api/x", body: "b").status == 200)
            pause(0.1)
        }
        #expect(upstream.requests.count == 5)
    }

    @Test("an upstream that comes back is used again")
    func upstreamReturns() throws {
        let port = try Ports.free()
        let gateway = try Gateway(configuration(upstream: "http://127.0.0.1:\(port)"))
        expect(try gateway.get("/api/x"), is: .badGateway)
        let upstream = try ScriptedUpstream(port: port)
        #expect(try eventually { try gateway.get("/api/x").status == 200 })
        #expect(upstream.requests.count >= 1)
    }

    @Test("an idle client connection is ended after its time, without a word")
    func idleTimeout() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]), environment: ["SLUICE_IDLE_TIMEOUT_MS": "800"])
        let client = try gateway.client(timeout: 5)
        #expect(try client.exchange(Gateway.text("GET", "/api/x")).status == 200)
        pause(0.2)
        #expect(try client.exchange(Gateway.text("GET", "/api/x")).status == 200, "still inside its time")
        let start = monotonicSeconds()
        #expect(client.endsQuietly())
        #expect(monotonicSeconds() - start > 0.5 && monotonicSeconds() - start < 4)
    }

    @Test("a client that leaves ends the upstream's request")
    func clientLeaves() throws {
        let ended = Flag()
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin")
            if (try? call.some())?.isEmpty ?? true { ended.set() }
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        try client.send(Gateway.text("GET", "/api/x"))
        _ = try client.head()
        client.socket.reset()
        #expect(eventually { ended.isSet })
    }

    @Test("64 clients with 20 requests each, mixed, on two workers: every response is the right one")
    func concurrency() throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, body: $0.request.target) }
        let gateway = try Gateway(configuration(ceiling: 100_000, upstream: upstream.url, [EndpointText("/mock/*", helloMock), EndpointText("/**")]))
        let wrong = Flag()
        let done = Flag()
        for number in 0..<64 {
            Thread.detachNewThread {
                defer { done.set() }
                do {
                    let client = try gateway.client(timeout: 20)
                    for turn in 0..<20 {
                        let mock = turn % 3 == 0
                        let target = mock ? "/api/mock/\(number)" : "/api/p/\(number)/\(turn)"
                        let response = try client.exchange(Gateway.text("GET", target))
                        if response.text != (mock ? "hello" : String(target.dropFirst(4))) { wrong.set() }
                    }
                } catch { wrong.set() }
            }
        }
        #expect(eventually(within: 30) { done.count == 64 })
        #expect(wrong.count == 0)
    }

    @Test("the body of a refused request is never read as a request", arguments: ["/api/none", "/none", "/api/mock", "/api/%zz"])
    func refusedBody(target: String) throws {
        let gateway = try Gateway(configuration([EndpointText("/mock", helloMock)]))
        let smuggled = "GET /api/mock HTTP/1.1\r\nHost: smuggled\r\n\r\n"
        let client = try gateway.client()
        try client.send(Gateway.text("POST", target, body: smuggled) + Gateway.text("GET", "/last", ["Connection: close"]))
        let first = try client.response()
        #expect(first.status == (target == "/api/mock" ? 200 : target == "/api/%zz" ? 400 : 404))
        if !first.saysClose { expect(try client.response(), is: .notFound) }
        #expect(client.endsQuietly())
    }

    @Test("a client that sends a long body to a refused target still reads the refusal")
    func longRefusedBody() throws {
        let gateway = try Gateway(configuration([EndpointText("/mock", helloMock)]), environment: ["SLUICE_MAX_BODY_BYTES": "100000000"])
        for (target, length) in [("/api/none", 8 << 20), ("/api/mock", 8 << 20), ("/api/mock", 200_000_000)] {
            let client = try gateway.client()
            try client.send("POST \(target) HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n")
            let socket = client.socket
            Thread.detachNewThread { try? socket.send([UInt8](repeating: 98, count: 8 << 20)) }
            pause(0.05)
            let response = try client.response()
            #expect(response.status == (length > 100_000_000 ? 413 : target == "/api/none" ? 404 : 200))
        }
    }
}
