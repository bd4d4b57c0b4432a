import Foundation
import SluiceHTTP
import Testing
@testable import SluiceHTTP2

/// Random connections: never a trap, and the same events and answers however the bytes are cut.
@Suite struct SessionMutationTests {
    /// Frames as a connection has them, some of them wrong.
    private struct Script {
        var random: FixedRandom

        private mutating func stream() -> UInt32 { UInt32(Int.random(in: 0...12, using: &random) == 0 ? Int.random(in: 0...20, using: &random) : 2 * Int.random(in: 0...6, using: &random) + 1) }

        private mutating func bytes(_ most: Int) -> [UInt8] { (0..<Int.random(in: 0...most, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) } }

        private mutating func block(isResponse: Bool) -> [UInt8] {
            var fields = isResponse ? [(":status", ["200", "103", "204", "20x"].randomElement(using: &random)!)] : plainRequest
            let others = [("a", "b"), ("cookie", "c=d"), ("content-length", "3"), ("te", "trailers"), ("host", "a.test"), ("X", "y"), ("connection", "close"), ("e", "\0"), (":path", "/x"), ("long", String(repeating: "v", count: 300))]
            for _ in 0..<Int.random(in: 0...4, using: &random) { fields.append(others.randomElement(using: &random)!) }
            if Int.random(in: 0...5, using: &random) == 0 { fields.removeFirst() }
            if Int.random(in: 0...5, using: &random) == 0 { fields = [("trailer", "t")] }
            var block = BlockWriter.block(fields, BlockWriter.Form.allCases.randomElement(using: &random)!, huffman: Bool.random(using: &random))
            if Int.random(in: 0...9, using: &random) == 0 { block += [0xBE, 0xBF] }
            if Int.random(in: 0...30, using: &random) == 0, !block.isEmpty { block[Int.random(in: 0..<block.count, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random) }
            return block
        }

        mutating func frames(isResponse: Bool) -> [UInt8] {
            let stream = stream()
            switch Int.random(in: 0...15, using: &random) {
            case 0...4:
                let block = block(isResponse: isResponse)
                let end: UInt8 = Bool.random(using: &random) ? 1 : 0
                guard Int.random(in: 0...3, using: &random) == 0 else { return frame(1, flags: 4 | end, stream, block) }
                let cut = Int.random(in: 0...block.count, using: &random)
                return frame(1, flags: 0x28 | end, stream, [2, 0, 0, 0, 99, 1] + block[..<cut] + [0, 0]) + frame(9, flags: 4, stream, Array(block[cut...]))
            case 5...7: return frame(0, flags: Bool.random(using: &random) ? 1 : 0, stream, bytes(8))
            case 8: return frame(0, flags: 9, stream, [UInt8.random(in: 0...6, using: &random)] + bytes(12))
            case 9: return frame(3, stream, number(UInt32.random(in: 0...16, using: &random)))
            case 10: return frame(8, Bool.random(using: &random) ? stream : 0, number(Bool.random(using: &random) ? 100 : UInt32.random(in: 0...UInt32.max, using: &random)))
            case 11: return frame(4, 0, setting(UInt8.random(in: 0...9, using: &random), Bool.random(using: &random) ? 20_000 : UInt32.random(in: 0...UInt32.max, using: &random)))
            case 12: return frame(6, flags: UInt8.random(in: 0...1, using: &random), 0, [1, 2, 3, 4, 5, 6, 7, 8])
            case 13: return frame(7, 0, number(stream) + number(0) + bytes(5))
            case 14: return frame(2, stream, number(stream &+ UInt32.random(in: 0...1, using: &random)) + [1])
            default: return frame(UInt8.random(in: 0...12, using: &random), flags: UInt8.random(in: 0...255, using: &random), stream, bytes(20))
            }
        }
    }

    /// The same answers at the same events, and all that was seen and sent.
    private func play(_ bytes: [UInt8], _ role: HTTP2Role, piece: Int) -> ([Seen], [Sent]) {
        var limits = HTTP2Limits()
        limits.concurrentStreams = 5
        limits.streamWindow = 200
        limits.headBytes = 800
        let peer = Peer(role, limits: limits, area: 4_096)
        if role == .client { for _ in 0..<4 { _ = peer.request(ends: false) } }
        peer.feed(bytes, piece: piece)
        for case .head(let stream, _, _) in peer.seen where role == .server {
            _ = peer.sendHead(stream, "HTTP/1.1 200 OK\r\n\r\n")
            _ = peer.sendData(stream, min(3, peer.session.sendable(stream)))
        }
        if !peer.session.isFailed { peer.feed(frame(6, 0, [1, 2, 3, 4, 5, 6, 7, 8]), piece: piece) }
        let sent = peer.sent()
        for stream in UInt32(0)...30 { peer.release(stream) }
        #expect(peer.session.openStreams == 0)
        return (merged(peer.seen), sent)
    }

    /// Content of one stream in a row is one piece, whatever the frames were.
    private func merged(_ seen: [Seen]) -> [Seen] {
        seen.reduce(into: []) { all, event in
            if case .data(let stream, let text, let ends) = event, case .data(stream, let before, ends: false)? = all.last {
                all[all.count - 1] = .data(stream, before + text, ends: ends)
            } else {
                all.append(event)
            }
        }
    }

    @Test("a thousand connections of each side", arguments: [HTTP2Role.server, .client])
    func connections(role: HTTP2Role) {
        var failures: [HTTP2Reason: Int] = [:]
        for seed in 1...1000 {
            var script = Script(random: FixedRandom(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15))
            let bytes = (0..<Int.random(in: 1...25, using: &script.random)).flatMap { _ in script.frames(isResponse: role == .client) }
            let whole = play(bytes, role, piece: .max)
            for piece in [1, 2 + seed % 20] {
                let cut = play(bytes, role, piece: piece)
                #expect(cut.0 == whole.0 && cut.1 == whole.1, "seed \(seed), pieces of \(piece)")
            }
            for event in whole.0 {
                if case .failed(_, let reason) = event { failures[reason, default: 0] += 1 }
                if case .reset(_, _, let reason, _, _) = event { failures[reason, default: 0] += 1 }
            }
        }
        // That the scripts reach what they are for.
        #expect(failures.count > 15, "\(failures)")
    }

    @Test("a connection that is cut at every byte of it", arguments: [HTTP2Role.server, .client])
    func everyCut(role: HTTP2Role) {
        let block = BlockWriter.block(plainRequest + [("a", "b")], .indexing, huffman: true)
        let bytes = role == .server
            ? frame(4, 0, setting(4, 100) + setting(1, 0)) + frame(1, flags: 0x28, 1, [2, 0, 0, 0, 0, 9] + block[..<7] + [0, 0]) + frame(9, flags: 4, 1, Array(block[7...]))
                + data(1, "abc") + frame(0, flags: 8, 1, [1, 100, 0]) + frame(8, 1, number(5)) + frame(6, 0, [1, 2, 3, 4, 5, 6, 7, 8]) + headers(1, [("x", "y")]) + frame(7, 0, number(0) + number(0) + [1, 2])
            : headers(1, [(":status", "103")], ends: false) + headers(1, [(":status", "200"), ("content-length", "3")], ends: false) + data(1, "ab") + frame(3, 3, number(7)) + data(1, "c", ends: true)
                + frame(7, 0, number(5) + number(0))
        let whole = play(bytes, role, piece: .max)
        #expect(!whole.0.contains { if case .failed = $0 { true } else { false } })
        for first in 1..<bytes.count {
            let peer = Peer(role)
            if role == .client { for _ in 0..<4 { _ = peer.request(ends: false) } }
            peer.feed(Array(bytes[..<first]))
            peer.feed(Array(bytes[first...]))
            #expect(merged(peer.seen) == whole.0, "cut at \(first)")
        }
    }

    /// A folder with what clients send, one connection a file, such as the corpora of nghttp2's and H2O's fuzzers, which are not in this repository.
    static let inputs = ProcessInfo.processInfo.environment["SLUICE_HTTP2_INPUTS"]

    @Test("every connection that somebody recorded gets the same answers however it is cut", .enabled(if: inputs != nil))
    func everyInput() throws {
        let folder = URL(fileURLWithPath: Self.inputs ?? "")
        let files = (FileManager.default.enumerator(atPath: folder.path)?.allObjects as? [String] ?? []).sorted()
        var count = 0
        for file in files {
            guard let bytes = try? Data(contentsOf: folder.appendingPathComponent(file)) else { continue }
            count += 1
            var whole: ([Seen], [Sent])?
            for piece in [Int.max, 1, 7] {
                let peer = Peer(started: false)
                _ = peer.sent()
                peer.feed([UInt8](bytes), piece: piece)
                let outcome = (merged(peer.seen), peer.sent())
                #expect(whole == nil || (outcome.0 == whole!.0 && outcome.1 == whole!.1), "\(file), pieces of \(piece)")
                #expect(peer.session.memory < 64 * 1024, "\(file): \(peer.session.memory)")
                whole = whole ?? outcome
            }
        }
        #expect(count > 0)
        print("\(count) connections")
    }
}
