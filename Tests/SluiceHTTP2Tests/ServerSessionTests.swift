import SluiceHTTP
import Testing
@testable import SluiceHTTP2

@Suite struct ServerSessionTests {
    @Test("it begins with its settings and the window of the connection, and acknowledges the client's")
    func start() {
        let peer = Peer(started: false)
        #expect(peer.sent() == [
            Sent(kind: 4, flags: 0, stream: 0, payload: setting(3, 100) + setting(4, 65_536) + setting(6, 32_768 + 128 * 32)), .update(0, 6_553_600 - 65_535),
        ])
        for piece in [1, 2, 5, 24, 25, Int.max] {
            let peer = Peer(started: false)
            _ = peer.sent()
            #expect(peer.feed(Peer.preface + frame(4, 0, setting(3, 10) + setting(1, 0) + setting(99, 7)), piece: piece) == [.settings])
            #expect(peer.sent() == [.settingsAcknowledgement])
        }
    }

    @Test("an idle session is small, and holds tables only once they were needed")
    func memory() {
        #expect(MemoryLayout<HTTP2Session>.size <= 768, "\(MemoryLayout<HTTP2Session>.size)")
        let peer = Peer()
        #expect(peer.session.memory == MemoryLayout<HTTP2Session>.size)
        for stream in stride(from: UInt32(1), to: 401, by: 2) {
            peer.feed(headers(stream))
            #expect(peer.sendHead(stream, "HTTP/1.1 200 OK\r\n\r\n", ends: true) == .sent)
            peer.release(stream)
        }
        #expect(peer.session.memory <= 2560, "\(peer.session.memory) after requests one by one")
        for stream in stride(from: UInt32(401), to: 601, by: 2) { peer.feed(headers(stream, ends: false)) }
        #expect(peer.session.openStreams == 100)
        for stream in stride(from: UInt32(401), to: 601, by: 2) { peer.release(stream) }
        peer.session.trim()
        #expect(peer.session.memory <= 768, "\(peer.session.memory) after a hundred at once")
        // And with a table that is full, its fields being as long as most are.
        for stream in stride(from: UInt32(601), to: 801, by: 2) {
            peer.feed(frame(1, flags: 5, stream, BlockWriter.block(plainRequest) + BlockWriter.field("x-request-id", "7f3c1c5e-58d2-4b5f-9e29-\(stream)", .indexing)))
            peer.release(stream)
        }
        #expect(peer.session.decoder.table.count > 40)
        peer.session.trim()
        #expect(peer.session.memory <= 4000, "\(peer.session.memory) with a full table")
        #expect(peer.feed(headers(801)) == [.head(801, request, ends: true)])
    }

    @Test("a request and its response")
    func exchange() {
        let peer = Peer()
        #expect(peer.feed(headers(1)) == [.head(1, request, ends: true)])
        #expect(peer.sendHead(1, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n") == .sent)
        #expect(peer.sendHead(1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n") == .sent)
        #expect(peer.sendData(1, 5))
        #expect(peer.sendTrailers(1, "a: b\r\n\r\n") == .sent)
        let sent = peer.sent()
        #expect(sent.map(\.kind) == [1, 1, 0, 1] && sent.map(\.flags) == [4, 4, 0, 5])
        #expect(peer.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n") == .closed && !peer.sendData(1, 1) && peer.session.sendable(1) == 0)
        peer.release(1)
        #expect(peer.session.openStreams == 0 && peer.sent() == [])
    }

    @Test("content and trailers come as they are, padding left out")
    func content() {
        let bytes = headers(1, ends: false) + data(1, "abc") + frame(0, flags: 8, 1, [3] + Array("de".utf8) + [0, 0, 0]) + frame(0, flags: 8, 1, [2, 0, 0]) + data(1, "f")
            + headers(1, [("x", "y")])
        for piece in [1, 2, 3, 7, Int.max] {
            let peer = Peer()
            #expect(peer.feed(bytes, piece: piece) == [.head(1, request, ends: false), .data(1, "abcdef", ends: false), .trailers(1, "x: y\r\n\r\n")])
        }
        let peer = Peer()
        #expect(peer.feed(headers(1, ends: false) + data(1, "ab", ends: true)) == [.head(1, request, ends: false), .data(1, "ab", ends: true)])
        #expect(peer.feed(headers(3, ends: false) + frame(0, flags: 9, 3, [1, 0])) == [.head(3, request, ends: false), .data(3, "", ends: true)])
    }

    @Test("HEADERS with padding, priority and CONTINUATION")
    func continuation() {
        let block = BlockWriter.block(plainRequest + [("x", "y")])
        let text = "GET / HTTP/1.1\r\nHost: a.test\r\nx: y\r\n\r\n"
        let forms = [
            frame(1, flags: 5, 1, block), frame(1, flags: 13, 1, [2] + block + [0, 0]), frame(1, flags: 37, 1, [0, 0, 0, 0, 9] + block),
            frame(1, flags: 45, 1, [1, 0x80, 0, 0, 3, 9] + block + [0]), frame(1, flags: 1, 1) + frame(9, flags: 4, 1, block),
            frame(1, flags: 33, 1, [0, 0, 0, 0, 9]) + frame(9, flags: 4, 1, block), frame(1, flags: 9, 1, [0]) + frame(9, flags: 4, 1, block),
            frame(1, flags: 1, 1, Array(block[..<5])) + frame(9, 1, Array(block[5..<8])) + frame(9, 1) + frame(9, flags: 4, 1, Array(block[8...])),
            frame(1, flags: 41, 1, [1, 0, 0, 0, 0, 9, block[0], 0]) + frame(9, 1, Array(block[1...])) + frame(9, flags: 4, 1),
        ]
        for (number, bytes) in forms.enumerated() {
            for piece in [1, 2, 9, Int.max] { #expect(Peer().feed(bytes, piece: piece) == [.head(1, text, ends: true)], "form \(number), pieces of \(piece)") }
        }
    }

    @Test("streams side by side do not disturb each other")
    func interleaved() {
        let peer = Peer()
        let seen = peer.feed(headers(1, ends: false) + headers(3, ends: false) + data(1, "a") + data(3, "b", ends: true) + data(1, "c") + headers(5) + data(1, "d", ends: true))
        #expect(seen == [
            .head(1, request, ends: false), .head(3, request, ends: false), .data(1, "a", ends: false), .data(3, "b", ends: true), .data(1, "c", ends: false),
            .head(5, request, ends: true), .data(1, "d", ends: true),
        ])
    }

    @Test("a valid head that is too large opens its stream for an answer; a malformed one resets it")
    func refusedHeads() {
        var limits = HTTP2Limits()
        limits.fields = 2
        let peer = Peer(limits: limits)
        let many = plainRequest + [("a", ""), ("b", ""), ("c", "")]
        #expect(peer.feed(headers(1, many)) == [.refused(1, .tooManyFields, ends: true)])
        #expect(peer.sendHead(1, "HTTP/1.1 431 No\r\n\r\n", ends: true) == .sent)
        #expect(peer.feed(headers(3, plainRequest + [("A", "")])) == [.rejected(3, .protocolError, .fieldName)])
        #expect(peer.feed(headers(5, many, ends: false) + data(5, "x", ends: true)) == [.refused(5, .tooManyFields, ends: false), .data(5, "x", ends: true)])
        #expect(peer.sent().dropFirst() == [.reset(3, .protocolError)])
    }

    @Test("Content-Length and content must agree; what does not is told before its last byte is passed on")
    func contentLength() {
        func post(_ length: Int, ends: Bool = false) -> [UInt8] { headers(1, plainRequest + [("content-length", "\(length)")], ends: ends) }
        let head = Seen.head(1, "GET / HTTP/1.1\r\nHost: a.test\r\ncontent-length: 3\r\n\r\n", ends: false)
        let mismatch = Seen.reset(1, .protocolError, .contentLengthMismatch)
        for piece in [1, Int.max] {
            #expect(Peer().feed(post(3) + data(1, "abc", ends: true), piece: piece) == [head, .data(1, "abc", ends: true)])
            #expect(Peer().feed(post(3) + data(1, "ab") + data(1, "c") + data(1, "", ends: true), piece: piece) == [head, .data(1, "abc", ends: true)])
            #expect(Peer().feed(post(3) + data(1, "abc") + headers(1, [("x", "y")]), piece: piece) == [head, .data(1, "abc", ends: false), .trailers(1, "x: y\r\n\r\n")])
            #expect(Peer().feed(post(3) + data(1, "abcd"), piece: piece) == [head, mismatch])
            #expect(Peer().feed(post(3) + data(1, "ab", ends: true), piece: piece) == [head, mismatch])
            #expect(Peer().feed(post(3) + data(1, "ab") + data(1, "cd", ends: true) + data(1, "x"), piece: piece) == [head, .data(1, "ab", ends: false), mismatch])
            #expect(Peer().feed(post(3) + data(1, "ab") + data(1, "", ends: true), piece: piece) == [head, .data(1, "ab", ends: false), mismatch])
            #expect(Peer().feed(post(3) + data(1, "ab") + headers(1, [("x", "y")]), piece: piece) == [head, .data(1, "ab", ends: false), mismatch])
            #expect(Peer().feed(post(3) + frame(0, flags: 9, 1, [1, 0x61, 0x62, 0x63, 0]), piece: piece) == [head, .data(1, "abc", ends: true)], "padding is no content")
            #expect(Peer().feed(post(3) + frame(0, flags: 9, 1, [1, 0x61, 0x62, 0]), piece: piece) == [head, mismatch])
        }
        #expect(Peer().feed(post(3, ends: true)) == [.rejected(1, .protocolError, .contentLengthMismatch)])
        #expect(Peer().feed(post(0, ends: true)).count == 1)
    }

    @Test("a large response head is cut into frames as large as the client takes")
    func largeHead() {
        let peer = Peer()
        peer.feed(headers(1))
        let value = String(repeating: "v", count: 40_000)
        #expect(peer.sendHead(1, "HTTP/1.1 200 OK\r\na: \(value)\r\n\r\n", ends: true) == .sent)
        let sent = peer.sent()
        #expect(sent.map(\.kind) == [1, 9, 9] && sent.map(\.flags) == [1, 0, 4] && sent.map(\.payload.count) == [16_384, 16_384, 40_008 - 32_768])
        let other = Peer(.client)
        #expect(other.request().0 == .sent)
        let bytes = sent.flatMap { frame($0.kind, flags: $0.flags, $0.stream, $0.payload) }
        var limits = HTTP2Limits()
        limits.headBytes = 50_000
        let large = Peer(.client, limits: limits)
        _ = large.request()
        #expect(large.feed(bytes, piece: 1000) == [.head(1, "HTTP/1.1 200 \r\na: \(value)\r\n\r\n", ends: true)])
        #expect(other.feed(bytes) == [.reset(1, .enhanceYourCalm, .headTooLong)])
        peer.feed(frame(4, 0, setting(5, 65_536)) + headers(3))
        #expect(peer.sendHead(3, "HTTP/1.1 200 OK\r\na: \(value)\r\n\r\n", ends: true) == .sent)
        #expect(peer.sent().map(\.kind) == [4, 1])
    }

    @Test("with too little room nothing is written and nothing changes")
    func noRoom() {
        let peer = Peer()
        peer.feed(headers(1))
        let text = Array("HTTP/1.1 200 OK\r\n\r\n".utf8)
        withExactly(text) { text in
            withExactly([UInt8](repeating: 0, count: 200)) { memory in
                var small = HTTP2Output(base: memory, capacity: peer.session.room(forHead: 19) - 1)
                #expect(peer.session.sendHead(1, ByteView(base: text, count: 19), endsStream: true, &small) == .noRoom && small.count == 0)
                small = HTTP2Output(base: memory, capacity: peer.session.room(forHead: 19))
                #expect(peer.session.sendHead(1, ByteView(base: text, count: 19), endsStream: true, &small) == .sent)
            }
        }
    }

    @Test("streams keep what the caller keeps with them, and all of them can be gone over and let go of")
    func tags() {
        let peer = Peer()
        for number in 0..<20 {
            peer.feed(headers(UInt32(number * 2 + 1), ends: false))
            peer.session.setTag(UInt(number + 100), of: UInt32(number * 2 + 1))
        }
        #expect(peer.session.tag(of: 1) == 100 && peer.session.tag(of: 39) == 119 && peer.session.tag(of: 41) == nil)
        var place = 0
        var seen: [UInt32: UInt] = [:]
        while let (stream, tag) = peer.session.nextStream(&place) {
            seen[stream] = tag
            if stream % 4 == 1 { peer.release(stream) }
        }
        #expect(seen.count == 20 && seen.allSatisfy { UInt($0.key) == ($0.value - 100) * 2 + 1 } && peer.session.openStreams == 10)
        peer.feed(frame(6, 1, [1, 2, 3, 4, 5, 6, 7, 8]))
        place = 0
        while let (stream, _) = peer.session.nextStream(&place) { peer.release(stream) }
        #expect(peer.session.openStreams == 0 && peer.session.nextStream(&place) == nil)
    }

    @Test("the first bytes tell HTTP/2 from HTTP/1")
    func preface() {
        func told(_ bytes: [UInt8]) -> Bool? { withExactly(bytes) { HTTP2Session.isPreface(ByteView(base: $0, count: bytes.count)) } }
        for count in 0..<24 {
            #expect(told(Array(Peer.preface[..<count])) == nil)
            #expect(told(Peer.preface[..<count] + [0x58]) == false)
        }
        #expect(told(Peer.preface) == true && told(Peer.preface + [0]) == true && told(Array("POST / HTTP/1.1".utf8)) == false)
    }

    @Test("who has answered before the request's end is told that more may come")
    func early() {
        let peer = Peer()
        peer.feed(headers(1, ends: false))
        #expect(peer.session.mayReceive(1) && peer.session.maySend(1) && !peer.session.mayReceive(3) && peer.session.lastStream == 1)
        _ = peer.sendHead(1, "HTTP/1.1 413 No\r\n\r\n", ends: true)
        #expect(peer.session.mayReceive(1) && !peer.session.maySend(1))
        _ = peer.sent()
        peer.session.reset(1, .noError, &peer.output)
        #expect(peer.sent() == [.reset(1, .noError)] && !peer.session.mayReceive(1))
    }

    @Test("where all the announced content has come, the end alone may come late: it is awaited, not answered with a reset", arguments: [0, 4])
    func lateEnd(length: Int) {
        let peer = Peer()
        peer.feed(headers(1, plainRequest + [("content-length", "\(length)")], ends: false) + (length > 0 ? data(1, "test") : []))
        peer.session.consumed(1, length, &peer.output)
        _ = peer.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n", ends: true)
        _ = peer.sent()
        peer.session.reset(1, .noError, &peer.output)
        peer.release(1)
        #expect(peer.session.openStreams == 0)
        // An empty frame, trailers, and what should not come at all.
        for last in [data(1, "", ends: true), headers(1, [("x-sum", "1")]), data(1, "more", ends: true)] { #expect(peer.feed(last) == []) }
        #expect(peer.sent() == [])
        #expect(peer.feed(headers(3)) == [.head(3, request, ends: true)])
    }

    @Test("a client that changes the size of its table is told that ours is empty, once for each change")
    func sizeUpdate() {
        let peer = Peer()
        peer.feed(frame(4, 0, setting(1, 100)) + headers(1) + headers(3))
        _ = peer.sent()
        #expect(peer.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n", ends: true) == .sent && peer.sendHead(3, "HTTP/1.1 200 OK\r\n\r\n", ends: true) == .sent)
        #expect(peer.sent().map(\.payload) == [[0x20, 0x88], [0x88]])
    }
}
