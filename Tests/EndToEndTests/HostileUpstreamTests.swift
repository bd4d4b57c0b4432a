import Foundation
import Testing

/// Services that break the protocol: nothing of one exchange may reach another, and nothing ambiguous the client.
@Suite("Hostile upstream", .loopback, .minutes(5))
struct HostileUpstreamTests {
    private let oneWorker = ["SLUICE_WORKERS": "1"]

    @Test("an ambiguous or malformed response head: 502", arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\nabc", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked, x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nName : x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\u{0}b\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "ICY 200 OK\r\n\r\n", "\r\n\r\n\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ])
    func malformedHead(text: String) throws {
        let upstream = try ScriptedUpstream { call in
            try call.send(text)
            pause(0.1)
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        expect(try gateway.get("/api/x"), is: .badGateway)
    }

    @Test("a response head over the limit: 502")
    func longHead() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nX-Long: \(String(repeating: "a", count: 2 << 20))\r\nContent-Length: 0\r\n\r\n")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        expect(try gateway.get("/api/x"), is: .badGateway)
    }

    @Test("bytes beyond the response never become the next one", arguments: [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
    ])
    func bytesBeyond(method: String, text: String) throws {
        let upstream = try ScriptedUpstream { call in
            if call.request.target == "/poison" { try call.send(text) } else { try call.reply(200, body: "clean") }
        }
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/**", methods: "GET")]), environment: oneWorker)
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text(method, "/api/poison"), method: method).status < 400)
        for _ in 0..<3 { #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "clean") }
        #expect(upstream.requests.last?.connection != 1, "the spoilt connection was used again")
    }

    @Test("a response that nobody asked for spoils the idle connection, not the next exchange")
    func unsolicited() throws {
        let upstream = try ScriptedUpstream { call in
            try call.reply(200, body: "clean")
            if call.request.target == "/first" {
                pause(0.05)
                try call.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            }
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: oneWorker)
        #expect(try gateway.get("/api/first").text == "clean")
        pause(0.15)
        for _ in 0..<3 { #expect(try gateway.get("/api/x").text == "clean") }
    }

    @Test("a response that nobody asked for, read in the same turn as the next request: the connection is not taken")
    func unsolicitedInTheSameTurn() throws {
        let (poison, sent) = (Flag(), Flag())
        let upstream = try ScriptedUpstream { call in
            try call.reply(200, body: "clean")
            guard call.request.target == "/first" else { return }
            try poison.wait()
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            sent.set()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: oneWorker)
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text("GET", "/api/first")).text == "clean")
        // While it stands still both arrive, the request first.
        gateway.process.signal(SIGSTOP)
        #expect(eventually { gateway.process.isStopped })
        try client.send(Gateway.text("GET", "/api/next"))
        poison.set()
        try sent.wait()
        gateway.process.signal(SIGCONT)
        #expect(try client.response().text == "clean")
    }

    @Test("sixteen interim responses pass, the next one is refused", arguments: [16, 17, 2000])
    func interimFlood(count: Int) throws {
        let upstream = try ScriptedUpstream { call in
            for _ in 0..<count { try call.send("HTTP/1.1 103 Early Hints\r\nLink: <\(String(repeating: "a", count: 200))>\r\n\r\n") }
            try call.reply(200, body: "end")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        try client.send(Gateway.text("GET", "/api/x"))
        for _ in 0..<16 { #expect(try client.response().status == 103) }
        let response = try client.response()
        if count == 16 { #expect(response.status == 200 && response.text == "end") } else { expect(response, is: .badGateway) }
        #expect(gateway.process.residentBytes() < 200 << 20)
    }

    @Test("a chunk that is not one ends the client's response early, never wholly")
    func badChunk() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            pause(0.05)
            try call.send("zz\r\nbad\r\n0\r\n\r\n")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        #expect(throws: HarnessError.self) { try gateway.get("/api/x") }
    }

    @Test("a chunk or a trailer that is none, in one piece with the head: nothing has been sent yet, so it is 502", arguments: [
        "zz\r\nbad\r\n0\r\n\r\n", "5\r\nhello\r\nzz\r\nbad\r\n0\r\n\r\n", "5\r\nhelloX", "0\r\nBad Name: x\r\n\r\n",
    ])
    func badChunkWithTheHead(body: String) throws {
        let upstream = try ScriptedUpstream { try $0.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(body)") }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        expect(try client.exchange(Gateway.text("GET", "/api/x")), is: .badGateway)
        // Its connection goes on.
        expect(try client.exchange(Gateway.text("GET", "/api/x")), is: .badGateway)
        #expect(upstream.acceptedConnections == 2)
    }

    @Test("a body that stalls longer than the upstream's timeout ends the response early")
    func stalledBody() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            pause(3)
        }
        let gateway = try Gateway(configuration(upstream: upstream.url, domain: ["upstreamTimeoutMs: 300"]))
        let start = monotonicSeconds()
        #expect(throws: HarnessError.self) { try gateway.get("/api/x") }
        #expect(monotonicSeconds() - start < 2.5)
    }

    @Test("an HTTP/1.0 service is served from: its body ends with the connection")
    func http10() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold but whole")
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        #expect(try gateway.get("/api/x").text == "old but whole")
    }
}
