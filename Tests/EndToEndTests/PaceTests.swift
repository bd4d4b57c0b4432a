import Foundation
import Testing

/// Peers that are slow, but not silent, and peers that are too slow.
@Suite("Pace", .loopback, .minutes(5))
struct PaceTests {
    /// Answers with `count` bytes.
    private func large(_ count: Int) throws -> ScriptedUpstream {
        try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\n\r\n")
            try call.send([UInt8](repeating: UInt8(ascii: "x"), count: count))
        }
    }

    /// Reads `size` bytes at a time, and waits after each, until `count` have come or the connection has ended. How many came.
    private func read(_ client: RawClient, _ size: Int, until count: Int) -> Int {
        var total = 0
        while total < count {
            guard let bytes = try? client.socket.receive(atMost: size), !bytes.isEmpty else { break }
            total += bytes.count
            pause(0.02)
        }
        return total
    }

    @Test("a service that reads a long body all the time, for longer than its timeout in all: its answer arrives")
    func slowService() throws {
        let listener = try RawSocket.listen()
        listener.setReceiveBuffer(65_536)
        let size = 8_000_000
        Thread.detachNewThread {
            guard let connection = listener.accept() else { return }
            var left = size
            while left > 0, let bytes = try? connection.receive(atMost: 50_000) {
                left -= bytes.count
                pause(0.01)
            }
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole")
            _ = try? connection.receive()
        }
        let gateway = try Gateway(configuration(upstream: "http://127.0.0.1:\(listener.localPort)", domain: ["upstreamTimeoutMs: 400"]))
        let client = try gateway.client(timeout: 30)
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
        try client.send([UInt8](repeating: UInt8(ascii: "x"), count: size))
        #expect(try client.response().text == "whole")
    }

    @Test("what one service had not taken when its connection broke gives the next one, which is silent, no time")
    func timeOfAnother() throws {
        let listener = try RawSocket.listen()
        listener.setReceiveBuffer(16_384)
        Thread.detachNewThread {
            guard let first = listener.accept() else { return }
            _ = try? first.receive(atMost: 10_000)
            pause(0.3)
            first.reset()
            guard let second = listener.accept() else { return }
            while (try? second.receive()) != nil {}
        }
        let gateway = try Gateway(
            configuration(upstream: "http://127.0.0.1:\(listener.localPort)", domain: ["upstreamTimeoutMs: 2000"]),
            environment: ["SLUICE_WORKERS": "1", "SLUICE_RETRY_MAX": "0"])
        let client = try gateway.client()
        let size = 6_000_000
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
        // The gateway stops reading when the service has broken the connection.
        try? client.send([UInt8](repeating: UInt8(ascii: "x"), count: size))
        expect(try client.response(), is: .badGateway)
        let start = monotonicSeconds()
        expect(try gateway.get("/api/x"), is: .upstreamTimeout)
        #expect(monotonicSeconds() - start < 3.5)
    }

    @Test("a service that sends its head in drops: 504 when the time for a head is over, however often a drop falls")
    func drippedHead() throws {
        let upstream = try ScriptedUpstream { call in
            for byte in "HTTP/1.1 200 OK\r\nX-Long: \(String(repeating: "a", count: 200))".utf8 {
                try call.send([byte])
                pause(0.05)
            }
        }
        let gateway = try Gateway(configuration(upstream: upstream.url, domain: ["upstreamTimeoutMs: 400"]))
        expect(try gateway.get("/api/x"), is: .upstreamTimeout)
    }

    @Test("interim responses give the service its time again")
    func interim() throws {
        let upstream = try ScriptedUpstream { call in
            for _ in 0..<6 {
                pause(0.2)
                try call.send("HTTP/1.1 102 Processing\r\n\r\n")
            }
            try call.reply(200, body: "at last")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url, domain: ["upstreamTimeoutMs: 800"]))
        #expect(try gateway.get("/api/x").text == "at last")
    }

    @Test("a client that reads all the time gets its response, although the kernel's buffer reports no room within the timeout")
    func steadyReader() throws {
        let upstream = try large(20_000_000)
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_WRITE_TIMEOUT_MS": "300"])
        let client = try RawClient(port: gateway.port, receiveBuffer: 16_384)
        try client.send(Gateway.text("GET", "/api/x"))
        // Some 100 KB a second: five of those times.
        #expect(read(client, 2_000, until: 150_000) >= 150_000)
    }

    @Test("a client that takes less than SLUICE_CLIENT_RATE_MIN is cut off; with 0 it is not", arguments: [(100_000_000, true), (0, false)])
    func crawlingReader(rate: Int, isCut: Bool) throws {
        let upstream = try large(20_000_000)
        let gateway = try Gateway(
            configuration(upstream: upstream.url), environment: ["SLUICE_WRITE_TIMEOUT_MS": "300", "SLUICE_CLIENT_RATE_MIN": "\(rate)"])
        let client = try RawClient(port: gateway.port, receiveBuffer: 16_384)
        try client.send(Gateway.text("GET", "/api/x"))
        #expect((read(client, 2_000, until: 150_000) < 150_000) == isCut)
    }

    @Test("a client that sends a body slower than SLUICE_CLIENT_RATE_MIN: 408, although it is never silent for long; with 0 its body arrives",
        arguments: [(1_000, 408), (0, 200)])
    func crawlingBody(rate: Int, status: Int) throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(upstream: upstream.url), environment: ["SLUICE_BODY_TIMEOUT_MS": "300", "SLUICE_CLIENT_RATE_MIN": "\(rate)"])
        let client = try gateway.client()
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n")
        for _ in 0..<20 {
            // It may have been answered by then.
            try? client.send("x")
            pause(0.05)
        }
        #expect(try client.response().status == status)
        #expect(upstream.requests.contains { $0.body.count == 20 } == (status == 200))
    }

    @Test("while the service is the slow one, the client's rate is not measured")
    func heldBackBody() throws {
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            pause(1.2)
            try call.readBody()
            try call.reply(200, body: "read")
        }
        let gateway = try Gateway(
            configuration(upstream: upstream.url),
            environment: ["SLUICE_BODY_TIMEOUT_MS": "300", "SLUICE_CLIENT_RATE_MIN": "1000000000", "SLUICE_MAX_BODY_BYTES": "100000000"])
        let client = try gateway.client()
        let size = 12_000_000
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
        try client.send([UInt8](repeating: UInt8(ascii: "x"), count: size))
        #expect(try client.response().text == "read")
    }

    @Test("a client that does not read: the kernel holds little for it besides what its window has")
    func unsent() throws {
        let upstream = try large(20_000_000)
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try RawClient(port: gateway.port, receiveBuffer: 16_384)
        try client.send(Gateway.text("GET", "/api/x"))
        pause(1)
        let waiting = try #require(try Self.unsentBytes(from: gateway.port, to: client.socket.localPort))
        #expect(waiting > 0 && waiting < 1 << 20, "\(waiting)")
    }

    /// What the kernel has not got rid of on the connection between two ports of 127.0.0.1: its queue in /proc/net/tcp.
    private static func unsentBytes(from local: UInt16, to remote: UInt16) throws -> Int? {
        let table = try command(["cat", "/proc/net/tcp"]).output
        let ends = [local, remote].map { String(format: "0100007F:%04X", $0) }
        for line in table.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 4, words[1] == ends[0], words[2] == ends[1] else { continue }
            return words[4].split(separator: ":").first.flatMap { Int($0, radix: 16) }
        }
        return nil
    }
}
