import SluiceHTTP
import Testing
@testable import SluiceHTTP2

/// What an endpoint has to say to frames that are not as they should be: the cases of h2spec (http2/ and hpack/), and some beside them.
@Suite struct SpecificationTests {
    enum Verdict: Equatable {
        /// GOAWAY with this code, and the end of the connection.
        case connection(HTTP2ErrorCode)
        /// RST_STREAM of one stream.
        case stream(UInt32, HTTP2ErrorCode)
        /// None: a PING behind it is answered.
        case none
    }

    struct Case: CustomTestStringConvertible, Sendable {
        var section: String
        var name: String
        var bytes: [UInt8]
        var verdict: Verdict

        init(_ section: String, _ name: String, _ bytes: [UInt8], _ verdict: Verdict) {
            self.section = section
            self.name = name
            self.bytes = bytes
            self.verdict = verdict
        }

        var testDescription: String { "\(section): \(name)" }
    }

    static let block = BlockWriter.block(plainRequest)
    /// A stream that is half closed (remote).
    static let halfClosed = headers(1)
    static let open = headers(1, ends: false)
    static func with(_ fields: [(String, String)], without: String? = nil) -> [UInt8] { headers(1, plainRequest.filter { $0.0 != without } + fields) }
    static let ping = frame(6, 0, Array("12345678".utf8))

    static let frames: [Case] = [
        Case("4.1", "unknown type", frame(22, 0, [1, 2, 3]) + frame(22, 77, []), .none),
        Case("4.1", "undefined flags", frame(6, flags: 0xFE, 0, Array("12345678".utf8)), .none),
        Case("4.1", "reserved bit", [0, 0, 8, 6, 0, 0x80, 0, 0, 0] + Array("12345678".utf8), .none),
        Case("4.2", "DATA of 2^14 bytes", open + frame(0, 1, [UInt8](repeating: 0, count: 16_384)), .none),
        Case("4.2", "DATA beyond the maximum", open + frame(0, 1, [UInt8](repeating: 0, count: 16_385)), .connection(.frameSizeError)),
        Case("4.2", "HEADERS beyond the maximum", frame(1, flags: 5, 1, [UInt8](repeating: 0, count: 16_385)), .connection(.frameSizeError)),
        Case("4.2", "any frame far beyond the maximum", frame(99, 0, [0], length: 0xFF_FFFF), .connection(.frameSizeError)),
        Case("4.3", "invalid block", frame(1, flags: 5, 1, [0x40, 0x01, 0x61, 0xFF]), .connection(.compressionError)),
        Case("4.3", "PRIORITY within a block", frame(1, flags: 1, 1, block) + frame(2, 1, [0, 0, 0, 0, 255]), .connection(.protocolError)),
        Case("4.3", "HEADERS of another stream within a block", frame(1, flags: 1, 1, block) + headers(3), .connection(.protocolError)),
        Case("5.1", "idle: DATA", data(1, "x", ends: true), .connection(.protocolError)),
        Case("5.1", "idle: RST_STREAM", frame(3, 1, number(8)), .connection(.protocolError)),
        Case("5.1", "idle: WINDOW_UPDATE", frame(8, 1, number(100)), .connection(.protocolError)),
        Case("5.1", "idle: CONTINUATION", frame(9, flags: 4, 1, block), .connection(.protocolError)),
        Case("5.1", "idle: PRIORITY", frame(2, 5, [0, 0, 0, 0, 255]), .none),
        Case("5.1", "half closed (remote): DATA", halfClosed + data(1, "x", ends: true), .stream(1, .streamClosed)),
        Case("5.1", "half closed (remote): HEADERS", halfClosed + headers(1), .stream(1, .streamClosed)),
        Case("5.1", "half closed (remote): CONTINUATION", halfClosed + frame(9, flags: 4, 1, block), .connection(.protocolError)),
        Case("5.1", "half closed (remote): WINDOW_UPDATE, PRIORITY and RST_STREAM", halfClosed + frame(8, 1, number(1)) + frame(2, 1, [0, 0, 0, 0, 1]) + frame(3, 1, number(8)), .none),
        Case("5.1", "closed by RST_STREAM: DATA", open + frame(3, 1, number(8)) + data(1, "x"), .stream(1, .streamClosed)),
        Case("5.1", "closed by RST_STREAM: HEADERS", open + frame(3, 1, number(8)) + headers(1), .stream(1, .streamClosed)),
        Case("5.1", "closed by RST_STREAM: CONTINUATION", open + frame(3, 1, number(8)) + frame(9, flags: 4, 1, block), .connection(.protocolError)),
        Case("5.1", "closed by RST_STREAM: WINDOW_UPDATE, PRIORITY and RST_STREAM", open + frame(3, 1, number(8)) + frame(8, 1, number(1)) + frame(2, 1, [0, 0, 0, 0, 1]) + frame(3, 1, number(8)), .none),
        Case("5.1.1", "an even number", headers(2), .connection(.protocolError)),
        Case("5.1.1", "a number below the last", headers(5) + headers(3), .connection(.protocolError)),
        Case("5.3.1", "HEADERS that depends on itself", frame(1, flags: 37, 1, number(1) + [255] + block), .stream(1, .protocolError)),
        Case("5.3.1", "PRIORITY that depends on itself", open + frame(2, 1, number(1) + [255]), .stream(1, .protocolError)),
        Case("5.3.1", "PRIORITY of an idle stream that depends on itself", frame(2, 3, number(3) + [255]), .connection(.protocolError)),
        Case("5.3.1", "the exclusive bit belongs to no number", open + frame(2, 1, number(0x8000_0001) + [255]), .stream(1, .protocolError)),
        Case("5.4.1", "PING of a wrong length", frame(6, 0, [1, 2, 3, 4, 5, 6]), .connection(.frameSizeError)),
        Case("5.5", "an unknown frame within a block", frame(1, flags: 1, 1, block) + frame(22, 1), .connection(.protocolError)),
        Case("6.1", "DATA on stream 0", open + data(0, "x"), .connection(.protocolError)),
        Case("6.1", "DATA with too much padding", open + frame(0, flags: 8, 1, [5, 1, 2, 3, 4]), .connection(.protocolError)),
        Case("6.1", "DATA with padding and no length of it", open + frame(0, flags: 8, 1), .connection(.frameSizeError)),
        Case("6.2", "PRIORITY behind HEADERS without END_HEADERS", frame(1, flags: 1, 1, block) + frame(2, 1, [0, 0, 0, 0, 1]), .connection(.protocolError)),
        Case("6.2", "HEADERS on stream 0", headers(0), .connection(.protocolError)),
        Case("6.2", "HEADERS with too much padding", frame(1, flags: 13, 1, [UInt8(block.count + 1)] + block), .connection(.protocolError)),
        Case("6.2", "HEADERS with too much padding beside its priority", frame(1, flags: 45, 1, [UInt8(block.count + 1), 0, 0, 0, 0, 1] + block), .connection(.protocolError)),
        Case("6.2", "HEADERS too short for its priority", frame(1, flags: 37, 1, [0, 0, 0, 0]), .connection(.frameSizeError)),
        Case("6.2", "HEADERS too short for the length of its padding", frame(1, flags: 13, 1), .connection(.frameSizeError)),
        Case("6.3", "PRIORITY on stream 0", frame(2, 0, [0, 0, 0, 0, 1]), .connection(.protocolError)),
        Case("6.3", "PRIORITY of a wrong length", open + frame(2, 1, [0, 0, 0, 0]), .stream(1, .frameSizeError)),
        Case("6.4", "RST_STREAM on stream 0", frame(3, 0, number(8)), .connection(.protocolError)),
        Case("6.4", "RST_STREAM of a wrong length", open + frame(3, 1, [0, 0, 8]), .connection(.frameSizeError)),
        Case("6.5", "acknowledgement with a payload", frame(4, flags: 1, 0, [0]), .connection(.frameSizeError)),
        Case("6.5", "SETTINGS on a stream", frame(4, 1, setting(3, 100)), .connection(.protocolError)),
        Case("6.5", "SETTINGS of a wrong length", frame(4, 0, [0, 3, 0]), .connection(.frameSizeError)),
        Case("6.5.2", "ENABLE_PUSH of 2", frame(4, 0, setting(2, 2)), .connection(.protocolError)),
        Case("6.5.2", "ENABLE_PUSH of 1", frame(4, 0, setting(2, 1)), .none),
        Case("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", frame(4, 0, setting(4, 0x8000_0000)), .connection(.flowControlError)),
        Case("6.5.2", "INITIAL_WINDOW_SIZE of 2^31-1", frame(4, 0, setting(4, 0x7FFF_FFFF)), .none),
        Case("6.5.2", "MAX_FRAME_SIZE of 2^14-1", frame(4, 0, setting(5, 16_383)), .connection(.protocolError)),
        Case("6.5.2", "MAX_FRAME_SIZE of 0", frame(4, 0, setting(5, 0)), .connection(.protocolError)),
        Case("6.5.2", "MAX_FRAME_SIZE of 2^24", frame(4, 0, setting(5, 1 << 24)), .connection(.protocolError)),
        Case("6.5.2", "MAX_FRAME_SIZE of 2^24-1", frame(4, 0, setting(5, 1 << 24 - 1)), .none),
        Case("6.5.2", "unknown", frame(4, 0, setting(0xFF, 1)), .none),
        Case("6.5.2", "ENABLE_CONNECT_PROTOCOL of 2", frame(4, 0, setting(8, 2)), .connection(.protocolError)),
        Case("6.7", "PING on a stream", frame(6, 1, Array("12345678".utf8)), .connection(.protocolError)),
        Case("6.7", "an acknowledgement that nobody waits for", frame(6, flags: 1, 0, Array("12345678".utf8)), .none),
        Case("6.8", "GOAWAY on a stream", frame(7, 1, number(0) + number(0)), .connection(.protocolError)),
        Case("6.8", "GOAWAY too short", frame(7, 0, number(0)), .connection(.frameSizeError)),
        Case("6.8", "GOAWAY with a text", frame(7, 0, number(0x8000_0000) + number(0xFF) + Array("bye".utf8)), .none),
        Case("6.9", "WINDOW_UPDATE by 0", frame(8, 0, number(0)), .connection(.protocolError)),
        Case("6.9", "WINDOW_UPDATE by 0 and the reserved bit", frame(8, 0, number(0x8000_0000)), .connection(.protocolError)),
        Case("6.9", "WINDOW_UPDATE by 0 of a stream", open + frame(8, 1, number(0)), .stream(1, .protocolError)),
        Case("6.9", "WINDOW_UPDATE of a wrong length", frame(8, 0, [0, 0, 1]), .connection(.frameSizeError)),
        Case("6.9.1", "the window of the connection above 2^31-1", frame(8, 0, number(0x7FFF_FFFF)), .connection(.flowControlError)),
        Case("6.9.1", "the window of the connection of 2^31-1", frame(8, 0, number(0x7FFF_FFFF - 65_535)), .none),
        Case("6.9.1", "the window of a stream above 2^31-1", open + frame(8, 1, number(0x7FFF_FFFF)), .stream(1, .flowControlError)),
        Case("6.9.1", "the window of a stream of 2^31-1", open + frame(8, 1, number(0x7FFF_FFFF - 65_535)), .none),
        Case("6.9.2", "a window above 2^31-1 by a setting", open + frame(8, 1, number(1)) + frame(4, 0, setting(4, 0x7FFF_FFFF)), .connection(.flowControlError)),
        Case("6.10", "several CONTINUATION", frame(1, flags: 1, 1, [block[0]]) + frame(9, 1) + frame(9, flags: 4, 1, Array(block[1...])), .none),
        Case("6.10", "DATA behind CONTINUATION without END_HEADERS", frame(1, flags: 0, 1, block) + frame(9, 1) + data(1, "x"), .connection(.protocolError)),
        Case("6.10", "CONTINUATION on stream 0", frame(1, flags: 1, 1, block) + frame(9, flags: 4, 0), .connection(.protocolError)),
        Case("6.10", "CONTINUATION of another stream", frame(1, flags: 1, 1, block) + frame(9, flags: 4, 3), .connection(.protocolError)),
        Case("6.10", "CONTINUATION behind END_HEADERS", open + frame(9, flags: 4, 1, block), .connection(.protocolError)),
        Case("6.10", "CONTINUATION behind CONTINUATION with END_HEADERS", frame(1, 1, block) + frame(9, flags: 4, 1) + frame(9, flags: 4, 1), .connection(.protocolError)),
        Case("6.10", "CONTINUATION behind DATA", open + data(1, "x") + frame(9, flags: 4, 1, block), .connection(.protocolError)),
        Case("7", "GOAWAY with an unknown code", frame(7, 0, number(0) + number(0xFF)), .none),
        Case("7", "RST_STREAM with an unknown code", open + frame(3, 1, number(0xFF)), .none),
        Case("8.2", "PUSH_PROMISE", open + frame(5, flags: 4, 1, number(2) + block), .connection(.protocolError)),
    ]

    static let messages: [Case] = [
        Case("8.1", "a second HEADERS without END_STREAM", open + headers(1, [("a", "b")], ends: false), .stream(1, .protocolError)),
        Case("8.1", "trailers", open + headers(1, [("a", "b")]), .none),
        Case("8.1.2", "upper case in a name", with([("X-TEST", "ok")]), .stream(1, .protocolError)),
        Case("8.1.2.1", "an unknown pseudo-header field", with([(":test", "ok")]), .stream(1, .protocolError)),
        Case("8.1.2.1", "one of responses", with([(":status", "200")]), .stream(1, .protocolError)),
        Case("8.1.2.1", "one in trailers", open + headers(1, [(":method", "GET")]), .stream(1, .protocolError)),
        Case("8.1.2.1", "one behind another field", headers(1, [(":method", "GET"), (":scheme", "http"), ("a", "b"), (":path", "/")]), .stream(1, .protocolError)),
        Case("8.1.2.2", "Connection", with([("connection", "keep-alive")]), .stream(1, .protocolError)),
        Case("8.1.2.2", "TE with more than trailers", with([("trailers", "test"), ("te", "trailers, deflate")]), .stream(1, .protocolError)),
        Case("8.1.2.3", "an empty path", headers(1, [(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "a")]), .stream(1, .protocolError)),
        Case("8.1.2.3", "no method", with([], without: ":method"), .stream(1, .protocolError)),
        Case("8.1.2.3", "no scheme", with([], without: ":scheme"), .stream(1, .protocolError)),
        Case("8.1.2.3", "no path", with([], without: ":path"), .stream(1, .protocolError)),
        Case("8.1.2.3", "two methods", headers(1, plainRequest + [(":method", "GET")]), .stream(1, .protocolError)),
        Case("8.1.2.3", "two schemes", headers(1, plainRequest + [(":scheme", "https")]), .stream(1, .protocolError)),
        Case("8.1.2.3", "two paths", headers(1, plainRequest + [(":path", "/")]), .stream(1, .protocolError)),
        Case("8.1.2.6", "Content-Length unlike DATA", headers(1, plainRequest + [("content-length", "1")], ends: false) + data(1, "test", ends: true), .stream(1, .protocolError)),
        Case("8.1.2.6", "Content-Length unlike the sum of DATA", headers(1, plainRequest + [("content-length", "1")], ends: false) + data(1, "t") + data(1, "t", ends: true), .stream(1, .protocolError)),
        Case("hpack 2.3.3", "an index beyond the tables", frame(1, flags: 5, 1, block + [0xC6]), .connection(.compressionError)),
        Case("hpack 2.3.3", "a name's index beyond the tables", frame(1, flags: 5, 1, block + [0x7F, 0x07, 0x01, 0x61]), .connection(.compressionError)),
        Case("hpack 4.2", "a change of size at the end", frame(1, flags: 5, 1, block + [0x21]), .connection(.compressionError)),
        Case("hpack 5.2", "padding of more than 7 bits", frame(1, flags: 5, 1, block + hex("00 85 f2b24a84ff 84 49509fff")), .connection(.compressionError)),
        Case("hpack 5.2", "padding of zeros", frame(1, flags: 5, 1, block + hex("00 85 f2b24a87ff 83 495090")), .connection(.compressionError)),
        Case("hpack 5.2", "the end of string within one", frame(1, flags: 5, 1, block + hex("00 85 f2b24a87ff 87 ffffffffffffff")), .connection(.compressionError)),
        Case("hpack 6.1", "index 0", frame(1, flags: 5, 1, block + [0x80]), .connection(.compressionError)),
        Case("hpack 6.3", "a table larger than allowed", frame(1, flags: 5, 1, hex("3f e2 1f") + block), .connection(.compressionError)),
    ]

    private func verdict(_ peer: Peer) -> Verdict {
        for frame in peer.sent() {
            if frame.kind == 7 { return .connection(HTTP2ErrorCode(rawValue: frame.payload[4...].reduce(0) { $0 << 8 | UInt32($1) })) }
            if frame.kind == 3 { return .stream(frame.stream, HTTP2ErrorCode(rawValue: frame.payload.reduce(0) { $0 << 8 | UInt32($1) })) }
        }
        peer.feed(Self.ping)
        return peer.sent().contains(Sent(kind: 6, flags: 1, stream: 0, payload: Array("12345678".utf8))) ? .none : .connection(.internalError)
    }

    @Test("the verdict is the same however the bytes are cut, and nothing is read behind a connection error", arguments: frames + messages)
    func cases(_ subject: Case) {
        var events: [Seen]?
        for piece in [Int.max, 1, 2, 3, 5, 9, 10] {
            let peer = Peer()
            let seen = peer.feed(subject.bytes, piece: piece)
            #expect(events == nil || seen == events, "pieces of \(piece)")
            events = seen
            let failed = peer.session.isFailed
            #expect(verdict(peer) == subject.verdict, "pieces of \(piece)")
            if case .connection = subject.verdict {
                #expect(failed)
                _ = peer.feed(headers(11))
                #expect(peer.seen.last.map { if case .failed = $0 { true } else { false } } == true && peer.sent() == [])
            }
        }
    }

    @Test("streams that have ended: DATA and HEADERS are errors, other frames are not", arguments: [false, true])
    func ended(isReleased: Bool) {
        func peer() -> Peer {
            let peer = Peer()
            peer.feed(headers(1))
            #expect(peer.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n", ends: true) == .sent)
            if isReleased { peer.release(1) }
            _ = peer.sent()
            return peer
        }
        let forDATA = peer(), forHEADERS = peer(), forCONTINUATION = peer(), forOthers = peer()
        forDATA.feed(data(1, "x"))
        #expect(verdict(forDATA) == .stream(1, .streamClosed))
        forHEADERS.feed(headers(1))
        #expect(verdict(forHEADERS) == .connection(.streamClosed))
        forCONTINUATION.feed(frame(9, flags: 4, 1))
        #expect(verdict(forCONTINUATION) == .connection(.protocolError))
        forOthers.feed(frame(8, 1, number(5)) + frame(3, 1, number(8)) + frame(2, 1, [0, 0, 0, 0, 1]))
        #expect(verdict(forOthers) == .none)
    }

    @Test("streams that we have reset: what was under way is passed over", arguments: [false, true])
    func resetByUs(isReleased: Bool) {
        let peer = Peer()
        peer.feed(headers(1, ends: false))
        peer.session.reset(1, .cancel, &peer.output)
        if isReleased { peer.release(1) }
        #expect(peer.sent() == [.reset(1, .cancel)])
        // The block counts for later ones.
        let block = BlockWriter.field("a", "b", .indexing)
        #expect(peer.feed(data(1, "x") + frame(8, 1, number(5)) + frame(1, flags: 5, 1, block) + frame(3, 1, number(8))) == [])
        #expect(peer.feed(frame(1, flags: 5, 3, Self.block + [0xBE])) == [.head(3, "GET / HTTP/1.1\r\nHost: a.test\r\na: b\r\n\r\n", ends: true)])
        #expect(peer.sent() == [])
    }

    @Test("of the streams that were released twice as many are remembered as may be open at once")
    func remembered() {
        let peer = Peer()
        for number in UInt32(0)..<202 {
            peer.feed(headers(number * 2 + 1, ends: false))
            peer.session.reset(number * 2 + 1, .cancel, &peer.output)
            peer.release(number * 2 + 1)
        }
        _ = peer.sent()
        #expect(peer.feed(data(5, "x")) == [] && peer.feed(headers(403)) == [])
        #expect(peer.feed(data(3, "x")) == [.rejected(3, .streamClosed, .closedStream)])
        #expect(peer.feed(headers(1)) == [.failed(.protocolError, .streamNumber)])
    }

    @Test("more streams than were allowed are refused, and can be sent again")
    func concurrency() {
        var limits = HTTP2Limits()
        limits.concurrentStreams = 2
        let peer = Peer(limits: limits)
        #expect(peer.feed(headers(1) + headers(3)).count == 2)
        #expect(peer.feed(headers(5)) == [.rejected(5, .refusedStream, .tooManyStreams)])
        #expect(peer.sent() == [.reset(5, .refusedStream)])
        #expect(peer.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n", ends: true) == .sent)
        #expect(peer.feed(headers(7)) == [.rejected(7, .refusedStream, .tooManyStreams)], "nobody has released the first")
        peer.release(1)
        #expect(peer.feed(headers(9)).count == 1 && peer.session.openStreams == 2)
    }

    @Test("the preface, and SETTINGS as the first frame", arguments: [
        "INVALID CONNECTION PREFACE\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\n\r", "PRI * HTTP/2.0\r\n\r\n\r\n",
    ])
    func preface(text: String) {
        for piece in [1, 24, Int.max] {
            let peer = Peer(started: false)
            _ = peer.sent()
            #expect(peer.feed(Array(text.utf8), piece: piece) == [.failed(.protocolError, .preface)])
            for first in [headers(1), Self.ping, frame(4, flags: 1), frame(8, 0, number(1)), frame(99)] {
                let peer = Peer(started: false)
                _ = peer.sent()
                #expect(peer.feed(Peer.preface + first, piece: piece) == [.failed(.protocolError, .firstFrame)])
                #expect(peer.sent() == [.goAway(0, .protocolError)])
            }
        }
    }
}
