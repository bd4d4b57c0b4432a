import Foundation
import Synchronization
import Testing

/// Bodies through the gateway: framing both ways, trailers, interim responses, upgrades, size and pace.
@Suite("Bodies", .loopback, .minutes(5))
struct BodyTests {
    @Test("a chunked request arrives with its body and trailers, however it is cut")
    func chunkedRequest() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        try client.send(
            "POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;ext=1\r\nhello\r\n006\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n",
            inPiecesOf: 3)
        #expect(try client.response().status == 200)
        let request = try upstream.onlyRequest()
        #expect(request.text == "hello world")
        #expect(request["Transfer-Encoding"]?.lowercased() == "chunked" && request["Content-Length"] == nil)
        #expect(request.trailers["X-Sum"] == "11")
    }

    @Test("a chunked response arrives with its body and trailers")
    func chunkedResponse() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n")
            pause(0.02)
            try call.send("6\r\n wor")
            pause(0.02)
            try call.send("ld\r\n0\r\nX-Sum: 11\r\n\r\n")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let response = try gateway.get("/api/x", ["TE: trailers"])
        #expect(response.text == "hello world" && response["Content-Length"] == nil)
        #expect(response.trailers["X-Sum"] == "11")
    }

    @Test("a response that ends with its connection arrives whole; cut inside a length or a chunk it is never taken for whole")
    func cutResponses() throws {
        let untilClose = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\n\r\nall of it")
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: untilClose.url))
        #expect(try gateway.get("/api/x").text == "all of it")
        for text in ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
            let cut = try ScriptedUpstream { call in
                try call.send(text)
                pause(0.05)
                call.close()
            }
            let gateway = try Gateway(configuration(upstream: cut.url))
            #expect(throws: HarnessError.self) { try gateway.get("/api/x") }
        }
    }

    @Test("HEAD, 204 and 304 have no body, and the connection goes on after them")
    func bodiless() throws {
        let upstream = try ScriptedUpstream { call in
            switch call.request.target {
            case "/204": try call.reply(204)
            case "/304": try call.send("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 7\r\n\r\n")
            default: try call.reply(200, body: "1234567")
            }
        }
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/**", methods: "GET")]))
        let client = try gateway.client()
        let head = try client.exchange(Gateway.text("HEAD", "/api/x"), method: "HEAD")
        #expect(head.status == 200 && head["Content-Length"] == "7")
        #expect(try upstream.request(0).method == "HEAD")
        let noContent = try client.exchange(Gateway.text("GET", "/api/204"))
        #expect(noContent.status == 204 && noContent["Content-Length"] == nil && noContent["Transfer-Encoding"] == nil)
        #expect(try client.exchange(Gateway.text("GET", "/api/304")).status == 304)
        #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "1234567")
    }

    @Test("Expect: 100-continue: the client is told to go on, and its body arrives")
    func expectContinue() throws {
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            try call.send("HTTP/1.1 100 Continue\r\n\r\n")
            try call.readBody()
            try call.reply(200, body: call.request.text)
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client(timeout: 5)
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        #expect(try client.response().status == 100)
        try client.send("hello")
        let response = try client.finalResponse()
        #expect(response.status == 200 && response.text == "hello")
    }

    @Test("Expect: 100-continue: a refusal comes at once, without 100 and without the body")
    func expectContinueRefused() throws {
        let gateway = try Gateway(configuration([EndpointText("/known", helloMock)]))
        let client = try gateway.client()
        try client.send("POST /api/none HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        expect(try client.response(), is: .notFound)
    }

    @Test("interim responses are relayed before the final one")
    func interim() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
            pause(0.02)
            try call.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        let first = try client.exchange(Gateway.text("GET", "/api/x"))
        #expect(first.status == 103 && first["Link"] == "</a.css>")
        #expect(try client.response().status == 102)
        #expect(try client.response().text == "ok")
    }

    @Test("a tunnel whose both ends have ended still delivers what is under way", arguments: [1, 3, 4, 6])
    func tunnelEnds(megabytes: Int) throws {
        let large = [UInt8](repeating: 7, count: megabytes << 20)
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
            try call.send(large)
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text("GET", "/api/ws", ["Connection: Upgrade", "Upgrade: echo"])).status == 101)
        // Time for the upstream to fill every buffer, and, where they hold all of it, to end its side.
        pause(0.3)
        client.halfClose()
        pause(0.1)
        #expect(try client.bytes(large.count) == large)
        #expect(client.endsQuietly())
    }

    @Test("an upgrade passes through: the handshake's fields, then raw bytes both ways")
    func upgrade() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\nX-Accept: yes\r\n\r\nfirst")
            while true {
                let bytes = try call.some()
                if bytes.isEmpty { break }
                try call.send(bytes)
            }
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        let response = try client.exchange(Gateway.text("GET", "/api/ws", ["Connection: Upgrade", "Upgrade: echo"]))
        #expect(response.status == 101 && response["X-Accept"] == "yes" && response["Upgrade"] == "echo")
        #expect(response["X-Hop"] == nil, "the service's connection ends here")
        #expect((response["Connection"] ?? "").lowercased() == "upgrade")
        #expect(try client.bytes(5) == [UInt8]("first".utf8))
        let raw: [UInt8] = [0, 255, 13, 10, 13, 10, 1]
        try client.send(raw)
        #expect(try client.bytes(raw.count) == raw)
        let large = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try client.send(large)
        #expect(try client.bytes(large.count) == large)
        client.halfClose()
        #expect(client.endsQuietly())
        let request = try upstream.onlyRequest()
        #expect(request["Upgrade"] == "echo" && request["Connection"]?.lowercased() == "upgrade")
    }

    @Test("an upgrade that the upstream declines is an ordinary response")
    func upgradeDeclined() throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "plain") }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text("GET", "/api/ws", ["Connection: Upgrade", "Upgrade: echo"])).text == "plain")
        #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "plain")
    }

    @Test("a body of 8 MiB arrives byte for byte, in both directions")
    func largeEcho() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(call.request.body.count)\r\n\r\n")
            try call.send(call.request.body)
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let body = (0..<(8 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        let client = try gateway.client()
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n")
        try client.send(body)
        #expect(try client.response().body == body)
    }

    @Test("100 MiB to a slow reader: streamed, and the upstream waits with it; the gateway's memory stays small")
    func backPressure() throws {
        let total = 100 << 20
        let counter = SentBytes()
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            let block = [UInt8](repeating: 120, count: 1 << 20)
            for _ in 0..<100 {
                try call.send(block)
                counter.add(block.count)
            }
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        client.socket.setReceiveBuffer(65_536)
        try client.send(Gateway.text("GET", "/api/x"))
        let head = try client.head()
        #expect(head.fields["Content-Length"] == "\(total)")
        let before = gateway.process.residentBytes()
        pause(0.7)
        let held = counter.value
        #expect(held < 32 << 20, "the upstream could send \(held) bytes that nobody reads")
        #expect(gateway.process.residentBytes() - before < 16 << 20)
        var received = 0
        while received < total { received += try client.bytes(min(1 << 20, total - received)).count }
        #expect(received == total)
        #expect(gateway.process.residentBytes() < 200 << 20)
        #expect(gateway.process.residentBytes() - before < 24 << 20)
    }

    @Test("a request body to a slow upstream: the client waits with it")
    func requestBackPressure() throws {
        let gate = Flag()
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            try gate.wait()
            try call.readBody()
            try call.reply(200, body: "\(call.request.body.count)")
        }
        let total = 40 << 20
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_MAX_BODY_BYTES": "100000000"])
        let client = try gateway.client()
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: \(total)\r\n\r\n")
        let before = gateway.process.residentBytes()
        let counter = SentBytes()
        let socket = client.socket
        Thread.detachNewThread {
            let block = [UInt8](repeating: 121, count: 1 << 20)
            for _ in 0..<40 {
                guard (try? socket.send(block)) != nil else { return }
                counter.add(block.count)
            }
        }
        pause(0.7)
        #expect(counter.value < 24 << 20, "\(counter.value) bytes were taken that the upstream did not read")
        #expect(gateway.process.residentBytes() - before < 16 << 20)
        gate.set()
        #expect(try client.response().text == "\(total)")
    }

    @Test("the upstream's answer before the body's end reaches the client")
    func earlyResponse() throws {
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            try call.reply(403, ["Connection: close"], body: "no")
            pause(0.3)
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome")
        let response = try client.response()
        #expect(response.status == 403 && response.text == "no")
    }
}

/// How much a script has sent so far.
final class SentBytes: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func add(_ bytes: Int) { count.withLock { $0 += bytes } }
}
