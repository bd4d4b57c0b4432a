import Foundation
import Testing

/// Times and rates of clients that speak HTTP/2: too slow a stream ends alone, too slow a connection as a whole.
@Suite("HTTP/2 pace", .loopback, .minutes(5))
struct HTTP2PaceTests {
    private static let large = [UInt8](repeating: UInt8(ascii: "x"), count: 1_000_000)

    /// A service that answers a GET with a megabyte, and a POST with how much it was sent.
    private func site(
        _ environment: [String: String], domain: [String] = []
    ) throws -> (gateway: Gateway, port: UInt16, upstream: ScriptedUpstream) {
        let upstream = try ScriptedUpstream { call in
            guard call.request.method == "GET" else { return try call.reply(200, body: "\(call.request.body.count)") }
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(Self.large.count)\r\n\r\n")
            try call.send(Self.large)
        }
        let (gateway, port) = try Gateway.http2(environment: environment) { configuration(upstream: upstream.url, domain: domain, top: $0) }
        return (gateway, port, upstream)
    }

    // MARK: Bodies

    @Test("a body that stops: 408 after SLUICE_BODY_TIMEOUT_MS, on its stream only")
    func silentBody() throws {
        let (_, port, upstream) = try site(["SLUICE_BODY_TIMEOUT_MS": "400"])
        let client = try FrameClient(port: port)
        let start = monotonicSeconds()
        let withLength = try client.request("POST", "/api/x", ["Content-Length: 10"], ends: false)
        try client.data(withLength, "half")
        let without = try client.request("POST", "/api/x", ends: false)
        let refused = try client.request("POST", "/none", ends: false)
        expect(try client.response(refused), is: .notFound)
        expect(try client.response(withLength), is: .timeout)
        expect(try client.response(without), is: .timeout)
        #expect(monotonicSeconds() - start > 0.3 && monotonicSeconds() - start < 3)
        for stream in [withLength, without] { #expect(client.eventually(within: 2) { client[stream].resetCode == FrameCode.none }) }
        let good = try client.request("POST", "/api/x", ends: false)
        try client.data(good, "whole", ends: true)
        #expect(try client.response(good).text == "5")
        #expect(upstream.requests.contains { $0.text == "whole" })
    }

    @Test("a body slower than SLUICE_CLIENT_RATE_MIN: 408, although it is never silent for long; with 0 it arrives", arguments: [(1_000, 408), (0, 200)])
    func crawlingBody(rate: Int, status: Int) throws {
        let (_, port, _) = try site(["SLUICE_BODY_TIMEOUT_MS": "300", "SLUICE_CLIENT_RATE_MIN": "\(rate)"])
        let client = try FrameClient(port: port)
        let stream = try client.request("POST", "/api/x", ends: false)
        for number in 1...20 {
            try client.data(stream, "x", ends: number == 20)
            pause(0.05)
        }
        #expect(try client.response(stream).status == status)
        #expect(client.goAways.isEmpty)
    }

    @Test("while the service is the slow one, the client's rate is not measured, and its body has time")
    func heldBackBody() throws {
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            pause(1.2)
            try call.readBody()
            try call.reply(200, body: "read")
        }
        let (_, port) = try Gateway.http2(environment: [
            "SLUICE_BODY_TIMEOUT_MS": "500", "SLUICE_CLIENT_RATE_MIN": "1000000", "SLUICE_MAX_BODY_BYTES": "100000000",
        ]) { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        let size = 12_000_000
        let stream = try client.request("POST", "/api/x", ["Content-Length: \(size)"], ends: false)
        try client.upload(stream, [UInt8](repeating: UInt8(ascii: "x"), count: size))
        #expect(try client.response(stream).text == "read")
    }

    @Test("a service that reads in spans: the time in which it does not is none of the client's")
    func unsteadyService() throws {
        let listener = try RawSocket.listen()
        let size = 16_000_000
        Thread.detachNewThread {
            guard let connection = listener.accept() else { return }
            var left = size
            var span = 0
            while left > 0, let bytes = try? connection.receive(atMost: 400_000) {
                left -= bytes.count
                span += bytes.count
                guard span >= 1_000_000 else { continue }
                // Shorter than the time for a body, which is looked at whenever more has been taken.
                pause(0.1)
                span = 0
            }
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole")
            _ = try? connection.receive()
        }
        let (_, port) = try Gateway.http2(environment: ["SLUICE_BODY_TIMEOUT_MS": "300", "SLUICE_CLIENT_RATE_MIN": "50000000", "SLUICE_MAX_BODY_BYTES": "100000000"]) {
            configuration(upstream: "http://127.0.0.1:\(listener.localPort)", top: $0)
        }
        let client = try FrameClient(port: port, timeout: 30)
        let stream = try client.request("POST", "/api/x", ["Content-Length: \(size)"], ends: false)
        try client.upload(stream, [UInt8](repeating: UInt8(ascii: "x"), count: size))
        #expect(try client.response(stream).text == "whole")
    }

    @Test("a client that is silent behind a service that was slow has its time, and no more")
    func silentBehindSlow() throws {
        let gate = Flag()
        let listener = try RawSocket.listen()
        Thread.detachNewThread {
            guard let connection = listener.accept() else { return }
            try? gate.wait()
            while let some = try? connection.receive(), !some.isEmpty {}
        }
        let (_, port) = try Gateway.http2(environment: ["SLUICE_BODY_TIMEOUT_MS": "400", "SLUICE_MAX_BODY_BYTES": "100000000"]) {
            configuration(upstream: "http://127.0.0.1:\(listener.localPort)", top: $0)
        }
        let client = try FrameClient(port: port)
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: 40_000_000)
        let stream = try client.request("POST", "/api/x", ends: false)
        var sent = 0
        while client.eventually(within: 0.7, { client.uploadRoom(stream) > 0 }) { sent += try client.uploadSome(stream, body[sent...].prefix(65_536), ends: false) }
        #expect(!client[stream].isOver && sent < body.count)
        gate.set()
        expect(try client.response(stream), is: .timeout)
    }

    // MARK: Responses

    @Test("a window that stays shut: its stream is reset after SLUICE_WRITE_TIMEOUT_MS, others and the connection go on")
    func shutWindow() throws {
        let (_, port, _) = try site(["SLUICE_WRITE_TIMEOUT_MS": "400"])
        let client = try FrameClient(port: port, window: 1000)
        let start = monotonicSeconds()
        let stuck = try client.get("/api/x")
        try client.wait { client[stuck].body.count == 1000 }
        let other = try client.request("POST", "/api/x", ends: false)
        try client.wait { client[stuck].isOver }
        #expect(client[stuck].resetCode == FrameCode.cancel && client[stuck].body.count == 1000)
        #expect(monotonicSeconds() - start > 0.3 && monotonicSeconds() - start < 3)
        try client.data(other, "abc", ends: true)
        #expect(try client.response(other).text == "3")
        #expect(client.goAways.isEmpty)
    }

    @Test("windows opened by single bytes save nobody from SLUICE_CLIENT_RATE_MIN; with 0 they do", arguments: [(1_000, true), (0, false)])
    func crawlingReader(rate: Int, isCut: Bool) throws {
        let (_, port, _) = try site(["SLUICE_WRITE_TIMEOUT_MS": "300", "SLUICE_CLIENT_RATE_MIN": "\(rate)"])
        let client = try FrameClient(port: port, window: 100)
        let stream = try client.get("/api/x")
        try client.wait { client[stream].body.count == 100 }
        for _ in 0..<20 where !client[stream].isOver {
            try client.open(stream, window: 1)
            client.listen(0.05)
        }
        #expect((client[stream].resetCode == FrameCode.cancel) == isCut)
        #expect(client[stream].body.count > 100)
    }

    @Test("a client that reads all the time gets its response, although it takes longer than the timeout")
    func steadyReader() throws {
        let (_, port, _) = try site(["SLUICE_WRITE_TIMEOUT_MS": "300", "SLUICE_CLIENT_RATE_MIN": "10000"])
        let client = try FrameClient(port: port, window: 10_000)
        let stream = try client.get("/api/x")
        var given = 10_000
        while !client[stream].isOver {
            try client.wait { client[stream].body.count == min(given, Self.large.count) || client[stream].isOver }
            if given >= Self.large.count { break }
            pause(0.02)
            try client.open(stream, window: 10_000)
            given += 10_000
        }
        #expect(try client.response(stream).body.count == Self.large.count)
    }

    @Test("a stream whose service sends little at long intervals: only the time for which its client was waited for is measured")
    func sparseService() throws {
        let next = Flag()
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nsome b")
            try next.wait()
            try call.send("ytes..")
        }
        let (_, port) = try Gateway.http2(environment: ["SLUICE_WRITE_TIMEOUT_MS": "2000", "SLUICE_CLIENT_RATE_MIN": "1000"]) {
            configuration(upstream: upstream.url, top: $0)
        }
        let client = try FrameClient(port: port, window: 3)
        let stream = try client.get("/api/x")
        try client.wait { client[stream].body.count == 3 }
        try client.open(stream, window: 3)
        try client.wait { client[stream].body.count == 6 }
        pause(1.7)
        next.set()
        client.listen(0.7)
        #expect(!client[stream].isOver, "the client has had 0.7 seconds of two")
        try client.open(stream, window: 100)
        #expect(try client.response(stream).text == "some bytes..")
    }

    @Test("a client that does not read its socket is cut off after SLUICE_WRITE_TIMEOUT_MS")
    func shutSocket() throws {
        let (gateway, port, upstream) = try site(["SLUICE_WRITE_TIMEOUT_MS": "400", "SLUICE_WORKERS": "1"])
        let client = try FrameClient(port: port, receiveBuffer: 16_384)
        for _ in 0..<10 { try client.get("/api/x") }
        #expect(eventually { upstream.requests.count == 10 })
        let before = gateway.process.openDescriptors()
        #expect(eventually { gateway.process.openDescriptors() <= before - 11 })
        #expect(client.ends())
    }

    // MARK: Heads and silence

    @Test("a head that does not end: the connection ends after SLUICE_HEAD_TIMEOUT_MS", arguments: [false, true])
    func unfinishedHead(dripping: Bool) throws {
        let (_, port, _) = try site(["SLUICE_HEAD_TIMEOUT_MS": "400"])
        let client = try FrameClient(port: port)
        try client.wait { client.settingsAcknowledged == 1 }
        let stream = client.takeStream()
        let bytes = Frame(kind: .headers, flags: Frame.endStream, stream: stream, payload: PlainFields.encode(FrameClient.head("GET", "/api/x"))).bytes
        let start = monotonicSeconds()
        if dripping {
            for byte in bytes where monotonicSeconds() - start < 3 {
                guard (try? client.socket.send([byte])) != nil else { break }
                pause(0.05)
            }
        } else {
            try client.socket.send(bytes)
        }
        #expect(client.ends())
        #expect(monotonicSeconds() - start > 0.3 && monotonicSeconds() - start < 3.5)
        #expect(!client[stream].isOver)
    }

    @Test("heads that come one after the other, each within its time, and no read ends between two of them")
    func overlappingHeads() throws {
        let (_, port, _) = try site(["SLUICE_HEAD_TIMEOUT_MS": "1500"])
        let client = try FrameClient(port: port)
        try client.wait { client.settingsAcknowledged == 1 }
        var rest: [UInt8] = []
        var streams: [UInt32] = []
        for _ in 0..<6 {
            streams.append(client.takeStream())
            let head = FrameClient.frames(FrameClient.head("GET", "/none"), stream: streams[streams.count - 1], ends: true).flatMap(\.bytes)
            try client.socket.send(rest + head.prefix(30))
            rest = Array(head.dropFirst(30))
            client.listen(0.4)
        }
        try client.socket.send(rest)
        for stream in streams { #expect(try client.response(stream).status == 404) }
    }

    @Test("silence within the preface, or behind it: the connection ends after SLUICE_HEAD_TIMEOUT_MS", arguments: [1, 10, 23, 24, 30])
    func silentPreface(count: Int) throws {
        let (_, port, _) = try site(["SLUICE_HEAD_TIMEOUT_MS": "400", "SLUICE_IDLE_TIMEOUT_MS": "60000"])
        let socket = try RawSocket.connect(port: port)
        let start = monotonicSeconds()
        try socket.send(Array((FrameClient.preface + FrameClient.settings([]).bytes).prefix(count)))
        // Where nobody has read the bytes, the end is a reset.
        while (try? socket.receive()) ?? nil != nil {}
        #expect(monotonicSeconds() - start > 0.3 && monotonicSeconds() - start < 3)
    }

    @Test("a preface in drops has one SLUICE_HEAD_TIMEOUT_MS")
    func drippingPreface() throws {
        let (_, port, _) = try site(["SLUICE_HEAD_TIMEOUT_MS": "400"])
        let socket = try RawSocket.connect(port: port)
        let start = monotonicSeconds()
        for byte in FrameClient.preface {
            guard (try? socket.send([byte])) != nil else { break }
            pause(0.1)
        }
        #expect((try? socket.receive()) == nil)
        #expect(monotonicSeconds() - start < 3)
        _ = socket
    }

    @Test("a connection without requests: GOAWAY and its end after SLUICE_IDLE_TIMEOUT_MS, whether it has had any or not", arguments: [0, 2])
    func idle(requests: Int) throws {
        let (_, port, _) = try site(["SLUICE_HEAD_TIMEOUT_MS": "200", "SLUICE_IDLE_TIMEOUT_MS": "800"])
        let client = try FrameClient(port: port)
        for _ in 0..<requests {
            #expect(try client.exchange("GET", "/none").status == 404)
            pause(0.3)
        }
        let start = monotonicSeconds()
        #expect(client.ends())
        #expect(monotonicSeconds() - start > 0.4 && monotonicSeconds() - start < 4)
        #expect(client.goAways.count == 1 && client.goAways.last?.code == FrameCode.none && client.goAways.last?.last == UInt32(max(0, requests * 2 - 1)))
    }

    @Test("a stream that is under way keeps its connection, however long it is silent")
    func notIdle() throws {
        let upstream = try ScriptedUpstream { call in
            pause(1.2)
            try call.reply(200, body: "late")
        }
        let (_, port) = try Gateway.http2(environment: ["SLUICE_HEAD_TIMEOUT_MS": "200", "SLUICE_IDLE_TIMEOUT_MS": "300"]) { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        #expect(try client.exchange("GET", "/api/x").text == "late")
    }

    @Test("SLUICE_TOTAL_TIMEOUT_MS: 504 before a response has begun, 408 for a body that goes on and on, RST_STREAM behind a head")
    func totalTimeout() throws {
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            switch call.request.target {
            case "/silent": pause(2)
            case "/reads": try call.readBody()
            default:
                try call.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin")
                pause(2)
            }
            call.close()
        }
        let (_, port) = try Gateway.http2(environment: ["SLUICE_TOTAL_TIMEOUT_MS": "500"]) { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        let start = monotonicSeconds()
        let streams = try [client.get("/api/silent"), client.get("/api/begins"), client.request("POST", "/api/reads", ends: false)]
        while monotonicSeconds() - start < 3, !client[streams[2]].isOver {
            try client.data(streams[2], "more")
            client.listen(0.05)
        }
        expect(try client.response(streams[0]), is: .upstreamTimeout)
        try client.wait { client[streams[1]].isOver }
        #expect(client[streams[1]].resetCode == FrameCode.internalError && client[streams[1]].body == [UInt8]("begin".utf8))
        expect(try client.response(streams[2]), is: .timeout)
        #expect(monotonicSeconds() - start > 0.4 && monotonicSeconds() - start < 3)
        #expect(try client.exchange("GET", "/none").status == 404)
    }
}
