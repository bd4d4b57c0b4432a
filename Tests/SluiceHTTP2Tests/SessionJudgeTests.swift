import Foundation
import SluiceHTTP
import Testing
@testable import SluiceHTTP2

/// A connection with Python's h2 at its other end: skipped where that is not installed.
@Suite struct SessionJudgeTests {
    private static func judge(_ mode: String) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Judges/h2_judge.py").path, mode]
        return process
    }

    static let isHere: Bool = {
        let process = judge("here")
        process.standardError = FileHandle.nullDevice
        // A judge that gives up is told by its status.
        signal(SIGPIPE, SIG_IGN)
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    /// Reads what comes, lets `take` see every event, and sends what was written, until that says true.
    private static func converse(_ mode: String, _ peer: Peer, _ take: (HTTP2Event, Peer) -> Bool) throws -> Int32 {
        let process = judge(mode)
        let input = Pipe(), output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        var rest = Data()
        var isOver = false
        while !isOver {
            try input.fileHandleForWriting.write(contentsOf: Data(peer.output.bytes.buffer))
            peer.output.clear()
            peer.session.outputSent(&peer.output)
            let read = output.fileHandleForReading.availableData
            guard !read.isEmpty else { break }
            rest += read
            let bytes = [UInt8](rest)
            let used = withExactly(bytes) { memory in
                var input = HTTP2Input(ByteView(base: memory, count: bytes.count))
                while true {
                    let event = peer.session.next(&input, head: peer.area, output: &peer.output, now: 0)
                    switch event {
                    case .needMore, .outputFull: return input.used
                    case .failed(_, let reason):
                        Issue.record("failed: \(reason)")
                        isOver = true
                        return input.used
                    default: isOver = take(event, peer) || isOver
                    }
                    if peer.output.room < 100_000 { return input.used }
                }
            }
            rest = rest.dropFirst(used)
        }
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// What is to be sent on a stream.
    private struct Pending {
        var content: [UInt8] = []
        var trailers: String?
        var hasEnded = false
    }

    /// Sends as much as the windows and the output allow. True if all of it is sent.
    private static func send(_ stream: UInt32, _ pending: inout Pending, _ peer: Peer) -> Bool {
        while !pending.content.isEmpty {
            let count = min(peer.session.sendable(stream), pending.content.count, peer.output.room - 9)
            guard count > 0 else { return false }
            let place = peer.output.next
            guard peer.session.beginData(stream, count: count, endsStream: false, at: place) else { return false }
            for index in 0..<count { place[9 + index] = pending.content[index] }
            peer.output.add(9 + count)
            pending.content.removeFirst(count)
            peer.session.consumed(stream, count, &peer.output)
        }
        guard pending.hasEnded, peer.output.room > 2000 else { return false }
        if let trailers = pending.trailers { return peer.sendTrailers(stream, trailers) == .sent }
        let place = peer.output.next
        guard peer.session.beginData(stream, count: 0, endsStream: true, at: place) else { return false }
        peer.output.add(9)
        return true
    }

    @Test("as a server: requests of all sizes, many at once, come back whole", .enabled(if: isHere))
    func server() throws {
        let peer = Peer(started: false)
        var pending: [UInt32: Pending] = [:]
        var heads = 0
        let status = try Self.converse("client", peer) { event, peer in
            switch event {
            case .head(let head):
                let text = ByteView(base: peer.area.base, count: head.count).string
                #expect(text.contains("\r\ncookie: a=b; c=d\r\n") && text.contains("Host: a.test\r\n"))
                heads += 1
                pending[head.stream] = Pending(hasEnded: head.endsStream)
                #expect(peer.sendHead(head.stream, "HTTP/1.1 200 OK\r\nX-Path: \(text.split(separator: " ")[1])\r\n\r\n") == .sent)
            case .data(let stream, let bytes, let ends):
                pending[stream]?.content += bytes.buffer
                pending[stream]?.hasEnded = ends
            case .trailers(let head):
                pending[head.stream]?.trailers = ByteView(base: peer.area.base, count: head.count).string
                pending[head.stream]?.hasEnded = true
            case .reset(let reset): Issue.record("\(reset)")
            default: break
            }
            for stream in pending.keys.sorted() {
                if var one = pending[stream] {
                    let isDone = Self.send(stream, &one, peer)
                    pending[stream] = isDone ? nil : one
                    if isDone { peer.release(stream) }
                }
            }
            return false
        }
        #expect(status == 0 && heads == 96 && peer.session.openStreams == 0)
    }

    @Test("as a client: requests of all sizes, many at once, come back whole", .enabled(if: isHere))
    func client() throws {
        let peer = Peer(.client, started: false)
        let sizes = [0, 1, 1000, 16_384, 16_385, 70_000, 300_000] + Array(repeating: 2_000, count: 13)
        var pending: [UInt32: Pending] = [:]
        var expected: [UInt32: [UInt8]] = [:]
        var received: [UInt32: [UInt8]] = [:]
        for (number, size) in sizes.enumerated() {
            let (sending, stream) = peer.request("POST /\(number) HTTP/1.1\r\nHost: a.test\r\nX-Long: \(number * 2000)\r\nAuthorization: secret\r\n\r\n", ends: false)
            #expect(sending == .sent)
            let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number) }
            expected[stream] = content
            pending[stream] = Pending(content: content, trailers: number % 2 == 0 ? "x-number: \(number)\r\n\r\n" : nil, hasEnded: true)
        }
        var done = 0
        let status = try Self.converse("server", peer) { event, peer in
            switch event {
            case .head(let head):
                let number = Int(head.stream / 2)
                let text = ByteView(base: peer.area.base, count: head.count).string
                if number * 2000 < 32_000 { #expect(text == "HTTP/1.1 200 \r\nx-path: /\(number)\r\nx-long: \(String(repeating: "l", count: number * 2000))\r\n\r\n") }
            case .data(let stream, let bytes, let ends):
                received[stream, default: []] += bytes.buffer
                peer.session.consumed(stream, bytes.count, &peer.output)
                if ends { done += 1 }
                #expect(!ends || received[stream] == expected[stream])
            case .trailers(let head):
                #expect(ByteView(base: peer.area.base, count: head.count).string == "x-number: \(head.stream / 2)\r\n\r\n")
                #expect(received[head.stream, default: []] == expected[head.stream])
                done += 1
            case .reset(let reset):
                // The longest heads of all are more than we take.
                #expect(reset.reason == .headTooLong && reset.stream / 2 > 15)
                done += 1
            default: break
            }
            for stream in pending.keys.sorted() {
                if var one = pending[stream] { pending[stream] = Self.send(stream, &one, peer) ? nil : one }
            }
            return done == sizes.count
        }
        #expect(done == sizes.count)
        _ = status
    }
}
