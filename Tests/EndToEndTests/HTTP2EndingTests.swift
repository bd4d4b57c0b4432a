import Foundation
import Glibc
import Synchronization
import Testing

/// How streams, connections and the process end where HTTP/2 is spoken.
@Suite("HTTP/2 endings", .loopback, .minutes(5))
struct HTTP2EndingTests {
    /// A service that answers targets that begin with `/slow` when the flag is set, others at once.
    private func slow(_ gate: Flag) throws -> ScriptedUpstream {
        try ScriptedUpstream { call in
            if call.request.target.hasPrefix("/slow") { try gate.wait(20) }
            try call.reply(200, body: call.request.target)
        }
    }

    // MARK: The client's end

    @Test("a client's RST_STREAM ends the service's request, and nothing else", arguments: [true, false])
    func clientResets(withBody: Bool) throws {
        let ended = Flag()
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            if call.request.target == "/x" { return try call.reply(200, body: "x") }
            while let some = try? call.some(), !some.isEmpty {}
            ended.set()
            call.close()
        }
        let (_, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        let stream = try client.request(withBody ? "POST" : "GET", "/api/slow", ends: !withBody)
        if withBody { try client.data(stream, "some") }
        #expect(eventually { upstream.requests.count == 1 })
        try client.reset(stream)
        try ended.wait()
        #expect(try client.exchange("GET", "/api/x").text == "x")
        #expect(client[stream].resetCode == nil && client.goAways.isEmpty)
    }

    @Test("a client that resets in the middle of a response ends its service's request too, and gets nothing more of it")
    func clientResetsResponse() throws {
        let ended = Flag()
        let upstream = try ScriptedUpstream { call in
            if call.request.target == "/x" { return try call.reply(200, body: "x") }
            defer { ended.set() }
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            for _ in 0..<100 { try call.send([UInt8](repeating: 120, count: 1_000_000)) }
        }
        let (gateway, port) = try Gateway.http2(admin: true) { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port, window: 100_000)
        let stream = try client.get("/api/long")
        try client.wait { client[stream].body.count == 100_000 }
        try client.reset(stream)
        try ended.wait()
        #expect(try client.exchange("GET", "/api/x").text == "x")
        #expect(try gateway.get("/metrics", port: gateway.adminPort).text.contains("sluice_http2_resets_total{reason=\"byPeer\"} 1"))
    }

    @Test("a client that closes in the middle of many streams ends them all; nothing of them is left", arguments: [false, true])
    func clientCloses(byReset: Bool) throws {
        let ended = Flag()
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            if call.request.target == "/begun" { try call.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin") }
            while let some = try? call.some(), !some.isEmpty {}
            ended.set()
            call.close()
        }
        let (gateway, port) = try Gateway.http2(admin: true) { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        for number in 0..<60 {
            let stream = try client.request(number % 3 == 0 ? "POST" : "GET", number % 2 == 0 ? "/api/begun" : "/api/silent", ends: number % 3 != 0)
            if number % 3 == 0 { try client.data(stream, "part") }
        }
        #expect(eventually { upstream.requests.count == 60 })
        if byReset { client.socket.reset() } else { client.close() }
        #expect(eventually { ended.count == 60 })
        #expect(try eventually {
            let metrics = try gateway.get("/metrics", port: gateway.adminPort).text
            return metrics.contains("\nsluice_exchange_blocks 0\n") && metrics.contains("\nsluice_output_blocks 0\n") && metrics.contains("\nsluice_upstream_connections 0\n")
        })
    }

    @Test("a client's GOAWAY: its streams are served to their end, then the connection ends")
    func clientGoesAway() throws {
        let gate = Flag()
        let upstream = try slow(gate)
        let (_, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        let stream = try client.get("/api/slow")
        #expect(eventually { upstream.requests.count == 1 })
        try client.send(Frame(kind: .goAway, payload: Frame.number(0) + Frame.number(0)))
        try client.ping()
        try client.wait { client.pingsAcknowledged == 1 }
        gate.set()
        #expect(try client.response(stream).text == "/slow")
        #expect(client.ends())
    }

    // MARK: The process's end

    @Test("SIGTERM: GOAWAY and PING, then GOAWAY with the last stream; what is under way is served, what comes later is not; exit 0")
    func drain() throws {
        let gate = Flag()
        let upstream = try slow(gate)
        let (gateway, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        let idle = try FrameClient(port: port)
        try idle.wait { idle.settingsAcknowledged == 1 }
        client.answersPings = false
        let first = try client.get("/api/slow")
        let upload = try client.request("POST", "/api/slow", ends: false)
        #expect(eventually { upstream.requests.count == 1 })
        gateway.process.signal(SIGTERM)
        try client.wait { client.goAways.count == 1 && client.pings.count == 1 }
        #expect(client.goAways[0] == (FrameClient.largestWindow, FrameCode.none))
        // One that was on its way when the client heard of it is served.
        let second = try client.get("/api/slow/second")
        try client.send(Frame(kind: .ping, flags: Frame.acknowledgement, payload: client.pings[0]))
        try client.wait { client.goAways.count == 2 }
        #expect(client.goAways[1] == (second, FrameCode.none))
        let late = try client.get("/api/slow/late")
        try client.data(upload, "whole", ends: true)
        #expect(gateway.process.exitCode() == nil)
        gate.set()
        #expect(try client.response(first).text == "/slow")
        #expect(try client.response(second).text == "/slow/second")
        #expect(try client.response(upload).status == 200)
        #expect(client.ends() && client[late].status == nil)
        #expect(idle.ends() && idle.goAways.map(\.last) == [FrameClient.largestWindow, 0])
        #expect(gateway.process.waitForExit(5) == 0)
        #expect(!upstream.requests.contains { $0.target == "/slow/late" })
    }

    @Test("SIGTERM and clients that do not answer the PING: the second GOAWAY comes all the same, however often they ask meanwhile", arguments: [false, true])
    func drainWithoutPing(busy: Bool) throws {
        let gate = Flag()
        let upstream = try slow(gate)
        let (gateway, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        client.answersPings = false
        #expect(try client.exchange("GET", "/api/x").status == 200)
        let start = monotonicSeconds()
        gateway.process.signal(SIGTERM)
        while busy, client.goAways.count < 2, monotonicSeconds() - start < 5 {
            let stream = try client.get("/api/x")
            _ = client.eventually(within: 0.1) { client[stream].isOver }
            client.listen(0.05)
        }
        #expect(client.ends() && client.goAways.count == 2)
        #expect(gateway.process.waitForExit(5) == 0)
        #expect(monotonicSeconds() - start < 4)
    }

    @Test("SIGTERM, and a stream that never ends: the process ends after SLUICE_DRAIN_TIMEOUT_MS")
    func drainTimeout() throws {
        let gate = Flag()
        let upstream = try slow(gate)
        let (gateway, port) = try Gateway.http2(environment: ["SLUICE_DRAIN_TIMEOUT_MS": "400"]) { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        try client.get("/api/slow")
        #expect(eventually { upstream.requests.count == 1 })
        let start = monotonicSeconds()
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(5) == 0)
        #expect(monotonicSeconds() - start > 0.3 && monotonicSeconds() - start < 3)
        gate.set()
    }

    @Test("SIGTERM while a client takes nothing of a response: it is served as soon as it does")
    func drainShutWindow() throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, body: String(repeating: "x", count: 100_000)) }
        let (gateway, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port, window: 10)
        let stream = try client.get("/api/x")
        try client.wait { client[stream].body.count == 10 }
        gateway.process.signal(SIGTERM)
        try client.wait { client.goAways.count == 2 }
        try client.open(stream, window: 100_000)
        #expect(try client.response(stream).body.count == 100_000)
        #expect(client.ends())
        #expect(gateway.process.waitForExit(5) == 0)
    }

    @Test("SLUICE_REQUESTS_PER_CONNECTION_MAX: with the last request the client is told to go elsewhere, and what is under way is served")
    func requestsPerConnection() throws {
        let (_, port) = try Gateway.http2(environment: ["SLUICE_REQUESTS_PER_CONNECTION_MAX": "3"]) { configuration(top: $0, [EndpointText("/**", helloMock)]) }
        let client = try FrameClient(port: port)
        for _ in 0..<2 { #expect(try client.exchange("GET", "/api/x").text == "hello") }
        try client.ping()
        try client.wait { client.pingsAcknowledged == 1 }
        #expect(client.goAways.isEmpty)
        #expect(try client.exchange("GET", "/api/x").text == "hello")
        #expect(client.ends())
        #expect(client.goAways.map(\.last) == [FrameClient.largestWindow, 5] && client.goAways.allSatisfy { $0.code == FrameCode.none })
    }

    // MARK: Other configurations and other processes

    @Test("a reload while streams are under way: they end as they began, later ones on the same connection see the new configuration")
    func reload() throws {
        let gate = Flag()
        let upstream = try slow(gate)
        let port = try Ports.free()
        func text(_ word: String) -> String {
            configuration(upstream: upstream.url, top: FrameClient.listener(port), [
                EndpointText("/mock", "mock: {status: 200, body: \"\(word)\"}"),
                EndpointText("/**", "headers: {response: {set: {X-Version: \"\(word)\"}}}"),
            ])
        }
        let gateway = try Gateway(text("old"), readyPort: port)
        let client = try FrameClient(port: port)
        let begun = try client.get("/api/slow")
        #expect(eventually { upstream.requests.count == 1 })
        try gateway.reload(text("new"))
        #expect(try eventually { try client.exchange("GET", "/api/mock").text == "new" })
        let later = try client.get("/api/slow")
        #expect(eventually { upstream.requests.count == 2 })
        gate.set()
        #expect(try client.response(begun)["x-version"] == "old")
        #expect(try client.response(later)["x-version"] == "new")
        #expect(client.goAways.isEmpty)
    }

    @Test("reloads under load: no request on any stream fails")
    func reloadsUnderLoad() throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "up") }
        let port = try Ports.free()
        func text(_ word: String) -> String {
            configuration(ceiling: 1_000_000, upstream: upstream.url, top: FrameClient.listener(port), [EndpointText("/mock", "mock: {status: 200, body: \"\(word)\"}"), EndpointText("/**")])
        }
        let gateway = try Gateway(text("v0"), readyPort: port)
        let (stop, done) = (Flag(), Flag())
        let failures = Mutex<[String]>([])
        for _ in 0..<4 {
            Thread.detachNewThread {
                defer { done.set() }
                do {
                    let client = try FrameClient(port: port)
                    while !stop.isSet {
                        let streams = try (0..<8).map { try client.get($0 % 2 == 0 ? "/api/mock" : "/api/x") }
                        for (number, stream) in streams.enumerated() {
                            let text = try client.response(stream).text
                            if number % 2 == 0 ? !text.hasPrefix("v") || text.count != 2 : text != "up" { failures.withLock { $0.append(text) } }
                        }
                    }
                } catch { failures.withLock { $0.append("\(error)") } }
            }
        }
        for version in 1...6 {
            try gateway.reload(text("v\(version)"))
            pause(0.12)
        }
        stop.set()
        #expect(eventually(within: 15) { done.count == 4 })
        #expect(failures.withLock { $0 }.isEmpty)
    }

    @Test("a tunnel that its service has ended is over after seconds, though the client does not end its direction")
    func endedTunnel() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nlast words")
            call.close()
        }
        let (gateway, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        let stream = client.takeStream()
        var head = FrameClient.head("CONNECT", "/api/x", ["sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="])
        head.insert((":protocol", "websocket"), at: 1)
        try client.socket.send(FrameClient.frames(head, stream: stream, ends: false).flatMap(\.bytes))
        try client.wait { client[stream].hasEnded }
        #expect(client[stream].status == 200, "\(client[stream].fields) \(String(decoding: client[stream].body, as: UTF8.self))")
        #expect(client[stream].body == Array("last words".utf8))
        #expect(client[stream].resetCode == nil, "it has some time to end its own direction")
        try client.wait { client[stream].resetCode != nil }
        #expect(client[stream].resetCode == 0)
        #expect(try client.exchange("GET", "/none").status == 404, "the connection goes on")
        #expect(gateway.process.exitCode() == nil)
    }

    @Test("a take-over: the old process serves what is under way and tells its clients to go, the new one serves their next connections")
    func takeOver() throws {
        let gate = Flag()
        let upstream = try slow(gate)
        let folder = try Folder()
        let port = try Ports.free()
        let path = folder.file("sluice.sock")
        try folder.write("sluice.yaml", configuration(upstream: upstream.url, top: FrameClient.listener(port)))
        func start() throws -> ChildProcess {
            var variables = Gateway.environment(folder: folder, port: port)
            variables["SLUICE_TAKEOVER_SOCKET"] = path
            return try ChildProcess([Gateway.binary(), "run", "--config", folder.file("sluice.yaml")], environment: variables, folder: folder)
        }
        let old = try start()
        #expect(eventually(within: 10) { FileManager.default.fileExists(atPath: path) && (try? FrameClient(port: port).exchange("GET", "/none").status) == 404 })
        let client = try FrameClient(port: port)
        let begun = try client.get("/api/slow")
        #expect(eventually { !upstream.requests.isEmpty })
        let new = try start()
        try client.wait { client.goAways.count == 2 }
        #expect(client.goAways.map(\.last) == [FrameClient.largestWindow, begun])
        let next = try FrameClient(port: port)
        #expect(try next.exchange("GET", "/api/x").text == "/x")
        gate.set()
        #expect(try client.response(begun).text == "/slow")
        #expect(client.ends())
        #expect(old.waitForExit(8) == 0 && new.exitCode() == nil)
        #expect(try next.exchange("GET", "/api/x").text == "/x")
    }
}
