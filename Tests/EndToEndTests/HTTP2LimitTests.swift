import Foundation
import Testing

/// Every bound of HTTP/2 that an operator sets, on both sides; what is abuse ends its connection, is counted by its reason, and harms nobody else.
@Suite("HTTP/2 limits", .loopback, .minutes(5))
struct HTTP2LimitTests {
    private struct Site {
        let gateway: Gateway
        let port: UInt16

        func client(window: UInt32 = FrameClient.largestWindow) throws -> FrameClient {
            let client = try FrameClient(port: port, window: window)
            try client.wait { client.settingsAcknowledged == 1 }
            return client
        }

        /// The count of a metric that is labelled with a reason.
        func count(_ name: String, _ reason: String) throws -> Int {
            let page = try gateway.get("/metrics", port: gateway.adminPort).text
            let line = page.split(separator: "\n").first { $0.hasPrefix("\(name){reason=\"\(reason)\"} ") }
            return line.flatMap { Int($0.split(separator: " ").last ?? "") } ?? 0
        }

        /// Expects the connection to have been ended for abuse, and counted.
        func expectEnd(_ client: FrameClient, _ code: UInt32, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
            #expect(client.ends(), sourceLocation: sourceLocation)
            #expect(client.goAways.last?.code == code, "\(client.goAways)", sourceLocation: sourceLocation)
            #expect(try count("sluice_http2_connections_ended_total", reason) == 1, sourceLocation: sourceLocation)
        }
    }

    private func site(_ environment: [String: String], upstream: String = "http://127.0.0.1:9") throws -> Site {
        let (gateway, port) = try Gateway.http2(environment: environment.merging(["SLUICE_WORKERS": "1"]) { given, _ in given }, admin: true) {
            configuration(upstream: upstream, top: $0, [EndpointText("/mock", helloMock), EndpointText("/**")])
        }
        return Site(gateway: gateway, port: port)
    }

    /// A service that answers when the flag is set, and reads no body before.
    private func waiting(_ gate: Flag) throws -> ScriptedUpstream {
        try ScriptedUpstream(readsBody: false) { call in
            try gate.wait(20)
            try call.readBody()
            try call.reply(200, body: "\(call.request.body.count)")
        }
    }

    // MARK: Streams and windows

    @Test("SLUICE_HTTP2_MAX_STREAMS is announced; one more is refused without a harm to the others, and a place that is free is given again")
    func streams() throws {
        let gate = Flag()
        let upstream = try waiting(gate)
        let site = try site(["SLUICE_HTTP2_MAX_STREAMS": "3"], upstream: upstream.url)
        let client = try site.client()
        #expect(client.settings[FrameSetting.maxConcurrentStreams] == 3)
        let streams = try (0..<3).map { _ in try client.get("/api/x") }
        let refused = try client.get("/api/x")
        try client.wait { client[refused].isOver }
        #expect(client[refused].resetCode == FrameCode.refusedStream && client[refused].status == nil)
        #expect(try site.count("sluice_http2_resets_total", "tooManyStreams") == 1)
        gate.set()
        for stream in streams { #expect(try client.response(stream).status == 200) }
        #expect(try client.exchange("GET", "/api/x").status == 200)
        #expect(upstream.requests.count == 4 && client.goAways.isEmpty)
    }

    @Test("a stream that its client has reset has its place again")
    func placeOfReset() throws {
        let gate = Flag()
        let upstream = try waiting(gate)
        let site = try site(["SLUICE_HTTP2_MAX_STREAMS": "1"], upstream: upstream.url)
        let client = try site.client()
        for _ in 0..<5 {
            let stream = try client.get("/api/x")
            try client.reset(stream)
        }
        #expect(try client.exchange("GET", "/api/mock").text == "hello")
        gate.set()
    }

    /// A gateway that asks a service first, which answers when the flag is set: until then nothing of a body is consumed.
    private func asking(_ gate: Flag, _ environment: [String: String]) throws -> Site {
        let authoriser = try ScriptedUpstream { call in
            try gate.wait(20)
            try call.reply(200)
        }
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "\($0.request.body.count)") }
        let (gateway, port) = try Gateway.http2(environment: environment, admin: true) { top in
            configuration(upstream: upstream.url, top: top, [
                EndpointText("/**", "preCall: {method: GET, url: \"\(authoriser.url)/\", timeoutMs: 20000}"),
            ])
        }
        return Site(gateway: gateway, port: port)
    }

    @Test("SLUICE_HTTP2_STREAM_WINDOW is announced; as much is taken before the service has read, one byte more ends the stream")
    func streamWindow() throws {
        let gate = Flag()
        let site = try asking(gate, ["SLUICE_HTTP2_STREAM_WINDOW": "20000"])
        let client = try site.client()
        #expect(client.settings[FrameSetting.initialWindowSize] == 20_000)
        let streams = try [4_000, 4_001].map { last in
            let stream = try client.request("POST", "/api/x", ends: false)
            try client.data(stream, [UInt8](repeating: 1, count: 16_000))
            try client.data(stream, [UInt8](repeating: 1, count: last))
            return stream
        }
        try client.wait { client[streams[1]].isOver }
        #expect(client[streams[1]].resetCode == 3 && client[streams[0]].resetCode == nil)
        gate.set()
        try client.wait { client.uploadRoom(streams[0]) > 0 }
        try client.data(streams[0], ends: true)
        #expect(try client.response(streams[0]).text == "20000")
        #expect(try site.count("sluice_http2_resets_total", "windowExceeded") == 1)
    }

    @Test("SLUICE_HTTP2_CONNECTION_WINDOW is announced; as much is taken on all streams together, one byte more ends the connection", arguments: [0, 1])
    func connectionWindow(more: Int) throws {
        let gate = Flag()
        let site = try asking(gate, ["SLUICE_HTTP2_CONNECTION_WINDOW": "100000"])
        let client = try site.client()
        try client.ping()
        try client.wait { client.pingsAcknowledged == 1 }
        #expect(client.sendWindow == 100_000)
        let streams = try (0..<10).map { number in
            let stream = try client.request("POST", "/api/x", ends: false)
            try client.data(stream, [UInt8](repeating: 1, count: 10_000 + (number == 9 ? more : 0)), ends: true)
            return stream
        }
        if more > 0 { return try site.expectEnd(client, 3, "windowExceeded") }
        try client.ping()
        try client.wait { client.pingsAcknowledged == 2 }
        gate.set()
        for stream in streams { #expect(try client.response(stream).text == "10000") }
        #expect(client.sendWindow > 50_000 && client.goAways.isEmpty)
    }

    // MARK: Heads

    @Test("SLUICE_HTTP2_HEADER_TABLE_BYTES: a client may keep a table of that size, a larger one ends the connection", arguments: [4096, 0, 32_768])
    func headerTable(bytes: Int) throws {
        let site = try site(["SLUICE_HTTP2_HEADER_TABLE_BYTES": "\(bytes)"])
        /// A change of the table's size (RFC 7541, 6.3).
        func sizeUpdate(_ size: Int) -> [UInt8] {
            guard size >= 31 else { return [0x20 | UInt8(size)] }
            var update: [UInt8] = [0x3F]
            var rest = size - 31
            while rest >= 128 {
                update.append(UInt8(rest & 127) | 128)
                rest >>= 7
            }
            return update + [UInt8(rest)]
        }
        for size in [bytes, bytes + 1] {
            let client = try site.client()
            #expect(client.settings[FrameSetting.headerTableSize].map(Int.init) == (bytes == 4096 ? nil : bytes))
            let stream = client.takeStream()
            let block = sizeUpdate(size) + PlainFields.encode(FrameClient.head("GET", "/api/mock"))
            try client.send(Frame(kind: .headers, flags: Frame.endHeaders | Frame.endStream, stream: stream, payload: block))
            guard size > bytes else {
                #expect(try client.response(stream).text == "hello")
                // A name and a value that are kept, and used by their number in the next request.
                let second = client.takeStream()
                let stored = PlainFields.encode(FrameClient.head("GET", "/api/mock")) + [0x40] + PlainFields.string("x-kept") + PlainFields.string("v")
                try client.send(Frame(kind: .headers, flags: Frame.endHeaders | Frame.endStream, stream: second, payload: stored))
                #expect(try client.response(second).text == "hello")
                let third = client.takeStream()
                try client.send(Frame(
                    kind: .headers, flags: Frame.endHeaders | Frame.endStream, stream: third,
                    payload: PlainFields.encode(FrameClient.head("GET", "/api/mock")) + [0x80 | 62]))
                if bytes > 0 {
                    #expect(try client.response(third).text == "hello")
                } else {
                    #expect(client.ends() && client.goAways.last?.code == 9)
                }
                continue
            }
            #expect(client.ends() && client.goAways.last?.code == 9)
        }
        #expect(try site.count("sluice_http2_connections_ended_total", "compression") == (bytes > 0 ? 1 : 2))
    }

    @Test("SLUICE_HTTP2_MAX_COOKIE_CRUMBS: as many reach the service as one field, one more is 431")
    func crumbs() throws {
        let upstream = try ScriptedUpstream()
        let site = try site(["SLUICE_HTTP2_MAX_COOKIE_CRUMBS": "3"], upstream: upstream.url)
        let client = try site.client()
        #expect(try client.exchange("GET", "/api/x", ["Cookie: a=1", "Cookie: b=2", "Cookie: c=3"]).status == 200)
        #expect(try upstream.onlyRequest().values("Cookie") == ["a=1; b=2; c=3"])
        expect(try client.exchange("GET", "/api/x", ["Cookie: a=1", "Cookie: b=2", "Cookie: c=3", "Cookie: d=4"]), is: .headTooLarge)
        #expect(try client.exchange("GET", "/api/x").status == 200)
    }

    @Test("SLUICE_MAX_FIELDS and SLUICE_MAX_HEAD_BYTES hold; what is much more ends the connection")
    func heads() throws {
        let site = try site(["SLUICE_MAX_FIELDS": "20", "SLUICE_MAX_HEAD_BYTES": "8192"])
        let client = try site.client()
        #expect(client.settings[FrameSetting.maxHeaderListSize].map(Int.init) == 8832)
        // Host is one of them.
        let fields = { (count: Int) in (1..<count).map { "X-\($0): a" } }
        #expect(try client.exchange("GET", "/api/mock", fields(20)).text == "hello")
        expect(try client.exchange("GET", "/api/mock", fields(21)), is: .headTooLarge)
        let long = { (count: Int) in ["X-Long: \(String(repeating: "a", count: count))"] }
        #expect(try client.exchange("GET", "/api/mock", long(8000)).text == "hello")
        expect(try client.exchange("GET", "/api/mock", long(8300)), is: .headTooLarge)
        expect(try client.exchange("GET", "/api/mock", long(60_000)), is: .headTooLarge)
        #expect(try client.exchange("GET", "/api/mock").text == "hello")
        try client.get("/api/mock", long(70_000))
        try site.expectEnd(client, FrameCode.enhanceYourCalm, "blockTooLong")
        #expect(try site.count("sluice_http2_resets_total", "headTooLong") == 2)
    }

    @Test("SLUICE_HTTP2_MAX_CONTINUATIONS: as many are read, one more ends the connection")
    func continuations() throws {
        let site = try site(["SLUICE_HTTP2_MAX_CONTINUATIONS": "3"])
        let client = try site.client()
        for count in [3, 4] {
            let stream = client.takeStream()
            let head = FrameClient.head("GET", "/api/mock")
            let size = (PlainFields.encode(head).count + count) / (count + 1)
            let frames = FrameClient.frames(head, stream: stream, ends: true, size: size)
            #expect(frames.count == count + 1)
            try client.socket.send(frames.flatMap(\.bytes))
            if count == 3 { #expect(try client.response(stream).text == "hello") }
        }
        try site.expectEnd(client, FrameCode.enhanceYourCalm, "continuationFlood")
    }

    // MARK: Floods

    @Test("a flood of resets: so many as SLUICE_HTTP2_RESET_BURST are taken, one more ends the connection; others and their requests live on")
    func resetFlood() throws {
        let gate = Flag()
        let upstream = try waiting(gate)
        let site = try site(["SLUICE_HTTP2_RESET_BURST": "20", "SLUICE_HTTP2_RESETS_PER_SECOND": "0"], upstream: upstream.url)
        let other = try site.client()
        let stream = try other.get("/api/x")
        let client = try site.client()
        for _ in 0..<20 { try client.reset(client.get("/api/x")) }
        #expect(try client.exchange("GET", "/api/mock").text == "hello")
        #expect(try site.count("sluice_http2_resets_total", "byPeer") == 20)
        let waiting = try client.get("/api/x")
        try client.reset(client.get("/api/x"))
        try site.expectEnd(client, FrameCode.enhanceYourCalm, "resetFlood")
        #expect(client[waiting].status == nil)
        #expect(try other.exchange("GET", "/api/mock").text == "hello")
        gate.set()
        #expect(try other.response(stream).status == 200)
        // What was reset has ended at the service too.
        #expect(try eventually { try site.gateway.get("/metrics", port: site.gateway.adminPort).text.contains("\nsluice_exchange_blocks 0\n") })
    }

    @Test("resets for faults of a client's own streams count as well; SLUICE_HTTP2_RESETS_PER_SECOND grants them again")
    func resetsForFaults() throws {
        let site = try site(["SLUICE_HTTP2_RESET_BURST": "5", "SLUICE_HTTP2_RESETS_PER_SECOND": "10"])
        let client = try site.client()
        for round in 0..<2 {
            for _ in 0..<5 {
                let stream = try client.request("GET", "/api/mock", ["Connection: close"])
                try client.wait { client[stream].isOver }
                #expect(client[stream].resetCode == FrameCode.protocolError)
            }
            // Half of a second for all of them.
            if round == 0 { pause(0.8) }
        }
        for _ in 0..<5 { _ = try? client.request("GET", "/api/mock", ["Connection: close"]) }
        try site.expectEnd(client, FrameCode.enhanceYourCalm, "resetFlood")
        #expect(try site.count("sluice_http2_resets_total", "connectionField") >= 10)
    }

    @Test("a flood of frames that carry nothing: so many as SLUICE_HTTP2_GLITCH_BURST are taken, one more ends the connection", arguments: [
        Frame(kind: .ping, payload: [UInt8](repeating: 0, count: 8)), FrameClient.settings([]), Frame(kind: .priority, stream: 3, payload: [0, 0, 0, 0, 1]),
        Frame(kind: .windowUpdate, payload: Frame.number(1)),
    ])
    func glitchFlood(frame: Frame) throws {
        let site = try site(["SLUICE_HTTP2_GLITCH_BURST": "50", "SLUICE_HTTP2_GLITCHES_PER_SECOND": "0"])
        let other = try site.client()
        // Without the WINDOW_UPDATE that the client would begin with, and without a request, which would allow some more.
        let client = try FrameClient(port: site.port, connectionWindow: 65_535)
        try client.wait { client.settingsAcknowledged == 1 }
        try client.socket.send((0..<49).flatMap { _ in frame.bytes })
        // One for the answer that says that all of it was read.
        let before = client.pingsAcknowledged + (frame.kind == .ping ? 49 : 0)
        try client.ping()
        try client.wait { client.pingsAcknowledged == before + 1 }
        try client.send(frame)
        try site.expectEnd(client, FrameCode.enhanceYourCalm, "glitchFlood")
        #expect(try other.exchange("GET", "/api/mock").text == "hello")
    }

    @Test("empty DATA frames count, too, and SLUICE_HTTP2_GLITCHES_PER_SECOND grants all of them again")
    func emptyData() throws {
        let gate = Flag()
        let upstream = try waiting(gate)
        let site = try site(["SLUICE_HTTP2_GLITCH_BURST": "30", "SLUICE_HTTP2_GLITCHES_PER_SECOND": "100"], upstream: upstream.url)
        let client = try site.client()
        let stream = try client.request("POST", "/api/x", ends: false)
        for _ in 0..<4 {
            for _ in 0..<20 { try client.data(stream) }
            pause(0.3)
        }
        gate.set()
        try client.data(stream, "x", ends: true)
        #expect(try client.response(stream).text == "1")
        let flooded = try client.request("POST", "/api/x", ends: false)
        for _ in 0..<60 { _ = try? client.data(flooded) }
        try site.expectEnd(client, FrameCode.enhanceYourCalm, "glitchFlood")
    }

    @Test("what honest clients send with each request is no flood: a priority, a cancelling, credit, many times over")
    func honest() throws {
        let site = try site(["SLUICE_HTTP2_GLITCH_BURST": "20", "SLUICE_HTTP2_GLITCHES_PER_SECOND": "0"])
        let client = try FrameClient(port: site.port)
        for _ in 0..<200 {
            let stream = try client.get("/api/mock")
            try client.send(Frame(kind: .priority, stream: stream, payload: [0, 0, 0, 0, 1]))
            #expect(try client.response(stream).text == "hello")
            try client.open(window: 5)
        }
        #expect(client.goAways.isEmpty)
    }

    @Test("faults of the protocol end the connection with their code, and are counted by their rule")
    func faults() throws {
        let site = try site([:])
        let cases: [(Frame, UInt32, String)] = [
            (Frame(kind: .push, stream: 1, payload: Frame.number(2)), 1, "push"),
            (Frame(kind: .windowUpdate, payload: Frame.number(0)), 1, "windowIncrement"),
            (Frame(kind: .windowUpdate, payload: Frame.number(FrameClient.largestWindow)), 3, "windowOverflow"),
            (Frame(kind: .settings, payload: [0]), 6, "frameLength"),
            (Frame(kind: .data, stream: 1, payload: [1]), 1, "idleStream"),
            (Frame(kind: .headers, flags: 5, stream: 2, payload: PlainFields.encode(FrameClient.head("GET", "/"))), 1, "streamNumber"),
            (Frame(kind: .continuation, flags: 4, stream: 1), 1, "continuation"),
            (Frame(kind: .headers, flags: 5, stream: 1, payload: [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), 9, "compression"),
            (Frame(kind: .data, stream: 1, payload: [UInt8](repeating: 0, count: 16_385)), 6, "frameTooLong"),
        ]
        for (frame, code, reason) in cases {
            let client = try FrameClient(port: site.port)
            try client.send(frame)
            try site.expectEnd(client, code, reason)
        }
        let client = try site.client()
        #expect(try client.exchange("GET", "/api/mock").text == "hello")
    }
}

extension Frame: CustomTestStringConvertible {
    var testDescription: String { "\(kind), \(payload.count) bytes" }
}
