import Foundation
import Testing

/// Flow control over HTTP/2 (RFC 9113, 6.9): what a client's windows let through, and what it may send.
@Suite("HTTP/2 flow control", .loopback, .minutes(5))
struct HTTP2FlowTests {
    /// Answers with as many bytes as the target says.
    private func sized() throws -> ScriptedUpstream {
        try ScriptedUpstream { call in
            let count = Int(call.request.target.split(separator: "?")[0].dropFirst()) ?? 0
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\n\r\n")
            try call.send(Self.content(count))
        }
    }

    private static func content(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) } }

    // MARK: To the client

    @Test("a shut window of a stream holds up that stream only; opened byte by byte, every byte comes")
    func streamWindow() throws {
        let upstream = try sized()
        let (_, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0, [EndpointText("/mock", helloMock), EndpointText("/**")]) }
        let client = try FrameClient(port: port, window: 0)
        let streams = try [client.get("/api/50"), client.get("/api/mock")]
        // Heads are not under flow control.
        for stream in streams { try client.wait { client[stream].status == 200 } }
        client.listen(0.1)
        #expect(streams.allSatisfy { client[$0].body.isEmpty && !client[$0].isOver })
        try client.open(streams[1], window: 100)
        #expect(try client.response(streams[1]).text == "hello")
        for count in 1...50 {
            try client.open(streams[0], window: 1)
            try client.wait { client[streams[0]].body.count == count }
        }
        #expect(try client.response(streams[0]).body == Self.content(50))
        // A response without content needs no window.
        #expect(try client.exchange("GET", "/api/0").body.isEmpty)
    }

    @Test("a shut window of the connection holds up content of every stream, heads pass; credit goes to all of them")
    func connectionWindow() throws {
        let upstream = try sized()
        let (_, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port, connectionWindow: 65_535)
        let first = try client.get("/api/65535")
        #expect(try client.response(first).body.count == 65_535)
        let streams = try (0..<4).map { _ in try client.get("/api/30000") }
        for stream in streams { try client.wait { client[stream].status == 200 } }
        client.listen(0.1)
        #expect(streams.allSatisfy { client[$0].body.isEmpty })
        for _ in 0..<12 {
            let before = streams.reduce(0) { $0 + client[$1].body.count }
            try client.open(window: 10_000)
            try client.wait { streams.reduce(0) { $0 + client[$1].body.count } == before + 10_000 }
        }
        for stream in streams { #expect(try client.response(stream).body == Self.content(30_000)) }
    }

    @Test("SETTINGS_INITIAL_WINDOW_SIZE may be lowered while content is under way, so that windows are below nothing, and raised again")
    func negativeWindow() throws {
        let upstream = try sized()
        let (_, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port, window: 20_000)
        let stream = try client.get("/api/100000")
        try client.wait { client[stream].body.count == 20_000 }
        try client.send(settings: [(FrameSetting.initialWindowSize, 5_000)])
        try client.wait { client.settingsAcknowledged == 2 }
        // 15,000 below nothing: as much credit opens nothing.
        try client.open(stream, window: 15_000)
        client.listen(0.1)
        #expect(client[stream].body.count == 20_000)
        try client.open(stream, window: 1)
        try client.wait { client[stream].body.count == 20_001 }
        let other = try client.get("/api/100000")
        try client.wait { client[other].body.count == 5_000 }
        try client.send(settings: [(FrameSetting.initialWindowSize, 200_000)])
        #expect(try client.response(stream).body == Self.content(100_000))
        #expect(try client.response(other).body == Self.content(100_000))
    }

    @Test("a client that gives credit for every frame, as large as it was, gets large frames to the end of a long response", arguments: [
        "/mock", "/length", "/chunked",
    ])
    func creditForEachFrame(target: String) throws {
        let total = 30_000_000
        let upstream = try ScriptedUpstream { call in
            let block = [UInt8](repeating: 120, count: 1_000_000)
            try call.send("HTTP/1.1 200 OK\r\n" + (call.request.target == "/length" ? "Content-Length: \(total)\r\n\r\n" : "Transfer-Encoding: chunked\r\n\r\n"))
            for _ in 0..<30 {
                if call.request.target == "/length" { try call.send(block) } else { try call.send([UInt8]("f4240\r\n".utf8) + block + [13, 10]) }
            }
            if call.request.target == "/chunked" { try call.send("0\r\n\r\n") }
        }
        let (_, port) = try Gateway.http2 { top in
            configuration(upstream: upstream.url, top: top, [
                EndpointText("/mock", "mock: {status: 200, body: \"\(String(repeating: "x", count: 1 << 20))\"}"), EndpointText("/**"),
            ])
        }
        let client = try FrameClient(port: port, window: 65_535, connectionWindow: 65_535)
        client.creditsFrames = true
        var count = 0
        for _ in 0..<(target == "/mock" ? 30 : 1) { count += try client.exchange("GET", "/api\(target)").body.count }
        #expect(count >= total)
        #expect(client.goAways.isEmpty && client.contentFrames < 4 * count / 16_384, "\(client.contentFrames)")
    }

    @Test("a client that takes nothing of long responses: their services wait, and the gateway's memory stays small", arguments: [0, 1000])
    func backPressure(window: Int) throws {
        let counter = SentBytes()
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n")
            let block = [UInt8](repeating: 120, count: 100_000)
            for _ in 0..<200 {
                try call.send(block)
                counter.add(block.count)
            }
        }
        let (gateway, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port, window: UInt32(window))
        let streams = try (0..<20).map { _ in try client.get("/api/x") }
        for stream in streams { try client.wait { client[stream].status == 200 && client[stream].body.count == window } }
        let before = gateway.process.residentBytes()
        // What the kernel holds for each of the services' connections.
        client.listen(0.5)
        #expect(counter.value < 160_000_000, "\(counter.value)")
        #expect(gateway.process.residentBytes() - before < 4 << 20)
        for stream in streams { try client.open(stream, window: 20_000_000 - UInt32(window)) }
        for stream in streams { #expect(try client.response(stream).body.count == 20_000_000) }
        #expect(gateway.process.residentBytes() - before < 32 << 20)
    }

    @Test("a client that does not read its socket: its services wait, it is not read on, and the memory stays small; then all of it comes")
    func shutSocket() throws {
        let upstream = try sized()
        let (gateway, port) = try Gateway.http2(environment: ["SLUICE_HTTP2_GLITCH_BURST": "1000000"]) { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port, receiveBuffer: 16_384)
        let streams = try (0..<20).map { _ in try client.get("/api/2000000") }
        #expect(eventually { upstream.requests.count == 20 })
        let before = gateway.process.residentBytes()
        // Each wants an answer, for which there is no room.
        for _ in 0..<2000 { try client.ping() }
        pause(0.3)
        #expect(gateway.process.residentBytes() - before < 8 << 20)
        for stream in streams { #expect(try client.response(stream).body == Self.content(2_000_000)) }
        try client.wait { client.pingsAcknowledged == 2000 }
    }

    @Test("other connections of the worker are served while one takes nothing")
    func others() throws {
        let upstream = try sized()
        let (_, port) = try Gateway.http2(environment: ["SLUICE_WORKERS": "1"]) { configuration(upstream: upstream.url, top: $0) }
        let stuck = try FrameClient(port: port, receiveBuffer: 16_384)
        for _ in 0..<20 { try stuck.get("/api/2000000") }
        #expect(eventually { upstream.requests.count == 20 })
        let client = try FrameClient(port: port)
        for _ in 0..<50 { #expect(try client.exchange("GET", "/api/1000").body.count == 1000) }
    }

    // MARK: From the client

    @Test("an upload to a service that does not read: credit stops within the window, the memory stays small, and all arrives when it reads")
    func upload() throws {
        let gate = Flag()
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            try gate.wait(20)
            try call.readBody()
            try call.reply(200, body: "\(call.request.body.count)")
        }
        let (gateway, port) = try Gateway.http2(environment: ["SLUICE_MAX_BODY_BYTES": "100000000"]) { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        let total = 40 << 20
        let body = [UInt8](repeating: 121, count: total)
        let stream = try client.request("POST", "/api/x", ["Content-Length: \(total)"], ends: false)
        let before = gateway.process.residentBytes()
        var sent = 0
        while sent < total, client.eventually(within: 0.5, { client.uploadRoom(stream) > 0 }) {
            sent += try client.uploadSome(stream, body[sent...], ends: true)
        }
        #expect(sent < 24 << 20, "\(sent) bytes were taken that the service did not read")
        #expect(gateway.process.residentBytes() - before < 4 << 20)
        gate.set()
        try client.upload(stream, Array(body[sent...]))
        #expect(try client.response(stream).text == "\(total)")
    }

    @Test("what services do not read of their uploads holds up no upload to another, and no request, on the same connection")
    func uploadsThatStop() throws {
        let gate = Flag()
        let stopped = try ScriptedUpstream(readsBody: false) { call in
            try gate.wait(30)
            try call.readBody()
            try call.reply(200, body: "\(call.request.body.count)")
        }
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "\($0.request.body.count)") }
        let (gateway, port) = try Gateway.http2(environment: ["SLUICE_MAX_BODY_BYTES": "100000000"]) { top in
            configuration(upstream: upstream.url, top: top) + domainLines(key: "stopped", upstream: stopped.url).joined(separator: "\n") + "\n"
        }
        let client = try FrameClient(port: port)
        let body = [UInt8](repeating: 121, count: 12 << 20)
        let streams = try (0..<40).map { _ in try client.request("POST", "/stopped/x", ends: false) }
        var sent = [Int](repeating: 0, count: streams.count)
        // Until no stream has room any more.
        while client.eventually(within: 0.5, { streams.indices.contains { client.uploadRoom(streams[$0]) > 0 && sent[$0] < body.count } }) {
            for index in streams.indices { sent[index] += try client.uploadSome(streams[index], body[sent[index]...], ends: false) }
        }
        #expect(sent.allSatisfy { $0 < body.count })
        let before = gateway.process.residentBytes()
        #expect(try client.exchange("GET", "/api/x").status == 200)
        let other = try client.request("POST", "/api/x", ends: false)
        try client.upload(other, [UInt8](repeating: 122, count: 1_000_000))
        #expect(try client.response(other).text == "1000000")
        #expect(gateway.process.residentBytes() - before < 4 << 20)
        gate.set()
        for index in streams.indices {
            try client.data(streams[index], ends: true)
            #expect(try client.response(streams[index]).text == "\(sent[index])")
        }
    }

    @Test("a body whose service is not known yet, or is asked first, waits within its window", arguments: [200, 403])
    func uploadBehindPreCall(status: Int) throws {
        let gate = Flag()
        let authoriser = try ScriptedUpstream { call in
            try gate.wait()
            try call.reply(status, body: "asked")
        }
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "\($0.request.body.count)") }
        let (_, port) = try Gateway.http2 { top in
            configuration(upstream: upstream.url, top: top, [EndpointText("/**", "preCall: {method: GET, url: \"\(authoriser.url)/\", timeoutMs: 20000}")])
        }
        let client = try FrameClient(port: port)
        let body = [UInt8](repeating: 121, count: 500_000)
        let stream = try client.request("POST", "/api/x", ends: false)
        #expect(eventually { !authoriser.requests.isEmpty })
        var sent = try client.uploadSome(stream, body[...], ends: true)
        client.listen(0.2)
        sent += try client.uploadSome(stream, body[sent...], ends: true)
        #expect(sent <= 65_536, "\(sent)")
        gate.set()
        try client.upload(stream, Array(body[sent...]))
        let response = try client.response(stream)
        #expect(response.status == status && response.text == (status == 200 ? "500000" : "asked"), "\(response.status) \(response.text)")
        #expect(try client.exchange("GET", "/none").status == 404)
    }
}
