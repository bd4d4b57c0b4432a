import Foundation
import Glibc
import Testing

/// Caps on connections and requests, on both sides of each.
@Suite("Limits", .loopback, .minutes(5))
struct LimitTests {
    private func gateway(_ environment: [String: String]) throws -> Gateway {
        try Gateway(
            configuration([EndpointText("/**", helloMock)]),
            environment: environment.merging(["SLUICE_WORKERS": "1"]) { given, _ in given })
    }

    @Test("SLUICE_MAX_CONNECTIONS_PER_CLIENT: the last allowed connection is served, one more is closed, and a place that is freed is given again")
    func connectionsPerClient() throws {
        let gateway = try gateway(["SLUICE_MAX_CONNECTIONS_PER_CLIENT": "2"])
        // The connections by which the harness saw that it listens may take a moment to go.
        var clients: [RawClient] = []
        let bothServed = eventually {
            guard let client = try? gateway.client(), (try? client.exchange(Gateway.text("GET", "/api/x")).status) == 200 else { return false }
            clients.append(client)
            return clients.count == 2
        }
        #expect(bothServed)
        let first = try #require(clients.first)
        let third = try gateway.client()
        #expect((try? third.exchange(Gateway.text("GET", "/api/x"))) == nil)
        first.close()
        #expect(eventually { (try? gateway.client().exchange(Gateway.text("GET", "/api/x")).status) == 200 })
    }

    @Test("SLUICE_MAX_CONNECTIONS: one more waits in the kernel's queue until a place is free")
    func connections() throws {
        let gateway = try gateway(["SLUICE_MAX_CONNECTIONS": "1"])
        let first = try gateway.client()
        #expect(try first.exchange(Gateway.text("GET", "/api/x")).status == 200)
        let second = try gateway.client(timeout: 0.5)
        try second.send(Gateway.text("GET", "/api/x"))
        #expect((try? second.response()) == nil)
        second.socket.setTimeout(10)
        first.close()
        #expect(try second.response().status == 200)
    }

    @Test("both caps hold over all workers: of eight connections three are served, and more as places are freed", arguments: [
        "SLUICE_MAX_CONNECTIONS", "SLUICE_MAX_CONNECTIONS_PER_CLIENT",
    ])
    func overAllWorkers(cap: String) throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]), environment: ["SLUICE_WORKERS": "4", cap: "3"])
        // The connections by which the harness saw that it listens may take a moment to go.
        var served: [RawClient] = []
        #expect(eventually {
            guard let client = try? gateway.client(timeout: 1), (try? client.exchange(Gateway.text("GET", "/api/x")).status) == 200 else { return false }
            served.append(client)
            return served.count == 3
        })
        let others = try (0..<5).map { _ in
            let client = try gateway.client(timeout: 1)
            try? client.send(Gateway.text("GET", "/api/x"))
            return client
        }
        #expect(others.allSatisfy { (try? $0.response()) == nil })
        for client in others + served { client.close() }
        #expect(eventually { (try? gateway.client(timeout: 1).exchange(Gateway.text("GET", "/api/x")).status) == 200 })
    }

    @Test("maxConnections of a listener holds over all workers: one more waits in the kernel's queue until a place is free, other listeners serve")
    func listenerConnections() throws {
        let (capped, open) = (try Ports.free(), try Ports.free())
        func text(_ most: Int) -> String {
            configuration(
                top: ["listeners:", "  - {address: \"127.0.0.1:\(capped)\", maxConnections: \(most)}", "  - address: 127.0.0.1:\(open)"],
                [EndpointText("/**", helloMock)])
        }
        let gateway = try Gateway(text(3), environment: ["SLUICE_WORKERS": "2"], readyPort: open)
        var clients: [RawClient] = []
        for _ in 0..<8 {
            let client = try RawClient(port: capped, timeout: 1)
            try client.send(Gateway.text("GET", "/api/x"))
            clients.append(client)
        }
        let waiting = clients.filter { (try? $0.response().status) != 200 }
        #expect(waiting.count == 5)
        #expect(try gateway.get("/api/x", port: open).status == 200)
        let served = try #require(clients.first { client in !waiting.contains { $0 === client } })
        served.close()
        #expect(eventually { waiting.contains { (try? $0.response().status) == 200 } })
        // A reload may allow more.
        try gateway.reload(text(100))
        let last = try RawClient(port: capped)
        #expect(try last.exchange(Gateway.text("GET", "/api/x")).status == 200)
    }

    @Test("SLUICE_REQUESTS_PER_CONNECTION_MAX: the last request says close, those before it do not")
    func requestsPerConnection() throws {
        let gateway = try gateway(["SLUICE_REQUESTS_PER_CONNECTION_MAX": "3"])
        let client = try gateway.client()
        for number in 1...3 {
            let response = try client.exchange(Gateway.text("GET", "/api/x"))
            #expect(response.status == 200)
            #expect(response["Connection"] == (number == 3 ? "close" : nil), "request \(number)")
        }
        #expect(client.endsQuietly())
    }

    @Test("SLUICE_UPSTREAM_MAX_CONNECTIONS: a request beyond it is 503, and served again when one is free")
    func upstreamConnections() throws {
        let upstream = try ScriptedUpstream { call in
            if call.request.target.contains("slow") { pause(0.8) }
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup")
        }
        let gateway = try Gateway(
            configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "1", "SLUICE_UPSTREAM_MAX_CONNECTIONS": "1"])
        let slow = try gateway.client()
        try slow.send(Gateway.text("GET", "/api/slow"))
        #expect(eventually { upstream.requests.count == 1 })
        #expect(try gateway.get("/api/x").status == 503)
        #expect(try slow.response().status == 200)
        #expect(try gateway.get("/api/x").status == 200)
    }

    @Test("SLUICE_MAX_HEAD_BYTES: the longest head that can be allowed reaches a service that is slow to read it")
    func longestHead() throws {
        let listener = try RawSocket.listen()
        listener.setReceiveBuffer(16_384)
        // As over a network: what the kernel holds for a sender begins with ten segments.
        var segment: Int32 = 1400
        #expect(setsockopt(listener.number, Int32(IPPROTO_TCP), TCP_MAXSEG, &segment, 4) == 0)
        Thread.detachNewThread {
            guard let connection = listener.accept() else { return }
            pause(0.3)
            var reader = MessageReader(connection)
            guard let head = try? reader.head() else { return }
            let body = "\(head.fields.values("X-Long").reduce(0) { $0 + $1.utf8.count })"
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            _ = try? connection.receive()
        }
        let gateway = try Gateway(
            configuration(upstream: "http://127.0.0.1:\(listener.localPort)"), environment: ["SLUICE_MAX_HEAD_BYTES": "1048576"])
        let fields = [String](repeating: "X-Long: " + String(repeating: "a", count: 100_000), count: 10)
        #expect(try gateway.get("/api/x", fields).text == "1000000")
    }

    @Test("SLUICE_MAX_HEAD_BYTES: with the smallest value, the longest configured body is sent with the fields beside it")
    func smallestHead() throws {
        let mock = "mock: {status: 200, headers: {X-Long: \"\(String(repeating: "a", count: 8000))\"}, body: \"\(String(repeating: "b", count: 131_072))\"}"
        let gateway = try Gateway(configuration([EndpointText("/**", mock)]), environment: ["SLUICE_MAX_HEAD_BYTES": "1024"])
        let response = try gateway.get("/api/x")
        #expect(response.body.count == 131_072 && response["X-Long"]?.count == 8000)
    }

    // MARK: Fixed bounds

    @Test("a refused body of 64 KiB is read to keep the connection, a longer one ends it")
    func refusedBody() throws {
        let gateway = try gateway([:])
        for (length, isKept) in [(65_536, true), (65_537, false)] {
            let client = try gateway.client()
            let response = try client.exchange("POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n")
            expect(response, is: .notFound)
            #expect(response.saysClose != isKept)
            if isKept {
                try client.send([UInt8](repeating: UInt8(ascii: "x"), count: length))
                #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "hello")
            } else {
                #expect(client.endsQuietly())
            }
        }
    }

    @Test("the rest of a refused body has one SLUICE_BODY_TIMEOUT_MS, however often a byte comes", arguments: [(20_000, true), (600, false)])
    func slowRefusedBody(timeout: Int, isKept: Bool) throws {
        let gateway = try gateway(["SLUICE_BODY_TIMEOUT_MS": "\(timeout)"])
        let client = try gateway.client()
        let response = try client.exchange("POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n")
        #expect(response.status == 404 && !response.saysClose)
        for _ in 0..<15 {
            try? client.send("x")
            pause(0.1)
        }
        #expect(((try? client.exchange(Gateway.text("GET", "/api/x")).text) == "hello") == isKept)
    }

    @Test("a connection that was closed with a refusal takes what the client still sends for two seconds, so that the refusal is read, and no longer")
    func lingering() throws {
        let gateway = try gateway([:])
        let client = try gateway.client()
        try client.send("POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        expect(try client.response(), is: .notFound)
        #expect(client.endsQuietly())
        for _ in 0..<3 {
            pause(0.4)
            try client.send("still sending")
        }
        pause(1.8)
        // The first byte is answered with a reset, which the next one meets.
        #expect(throws: HarnessError.self) {
            for _ in 0..<5 {
                try client.send("too late")
                pause(0.1)
            }
        }
    }

    @Test("what a client sends behind a refusal is thrown away up to 16 MiB, and then left where it is: it can still read")
    func lingeringBytes() throws {
        let gateway = try gateway([:])
        let client = try gateway.client()
        try client.send("POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000000\r\n\r\n")
        expect(try client.response(), is: .notFound)
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        var sent = 0
        // Until the gateway closes, after two seconds. The kernel's buffers take some more.
        #expect(throws: HarnessError.self) {
            while sent < 1024 {
                try client.send(piece)
                sent += 1
            }
        }
        #expect(sent >= 16 && sent < 64, "MiB")
    }

    @Test("a pre-call API's 200 with a body of 1 MiB keeps its connection, a longer one does not", arguments: [(1 << 20, true), (1 << 20 + 1, false)])
    func preCallBody(size: Int, isKept: Bool) throws {
        let authoriser = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            try call.send([UInt8](repeating: UInt8(ascii: "x"), count: size))
        }
        let gateway = try Gateway(
            configuration([EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\"}")]),
            environment: ["SLUICE_WORKERS": "1"])
        // The body is read while nobody waits for it: a request that comes too early needs a connection of its own.
        let hasKept = try eventually(within: isKept ? 5 : 2) {
            let before = authoriser.acceptedConnections
            guard try gateway.get("/api/x").text == "hello" else { throw HarnessError("the pre-call API's 200 did not let the request pass") }
            pause(0.2)
            return authoriser.acceptedConnections == before && before > 0
        }
        #expect(hasKept == isKept)
    }
}
