import SluiceHTTP
import Testing
@testable import SluiceHTTP2

@Suite struct ClientSessionTests {
    private static let ok = [(":status", "200")]

    private func post(_ peer: Peer) -> UInt32 { peer.request("POST / HTTP/1.1\r\nHost: a\r\n\r\n", ends: false).1 }

    @Test("it begins with the preface and forbids pushing")
    func start() {
        let peer = Peer(.client, started: false)
        #expect(peer.output.bytes[..<24].string == "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        #expect(peer.sent().first == Sent(kind: 4, flags: 0, stream: 0, payload: setting(2, 0) + setting(4, 65_536) + setting(6, 32_768 + 128 * 32)))
        #expect(peer.request() == (.sent, 1), "before anything has come")
        #expect(peer.feed(Peer.settings + frame(4, flags: 1)) == [.settings])
    }

    @Test("requests take odd numbers, and their responses come back on them")
    func exchange() {
        let peer = Peer(.client)
        #expect(peer.request() == (.sent, 1) && peer.request(ends: false) == (.sent, 3))
        let sent = peer.sent()
        #expect(sent.map(\.stream) == [1, 3] && sent.map(\.flags) == [5, 4])
        let bytes = headers(1, [(":status", "103"), ("a", "b")], ends: false) + headers(3, Self.ok, ends: false) + headers(1, Self.ok, ends: false) + data(1, "abc") + headers(1, [("x", "y")]) + data(3, "d", ends: true)
        for piece in [1, 3, Int.max] {
            let peer = Peer(.client)
            _ = (peer.request(), post(peer))
            #expect(peer.feed(bytes, piece: piece) == [
                .head(1, "HTTP/1.1 103 \r\na: b\r\n\r\n", ends: false), .head(3, "HTTP/1.1 200 \r\n\r\n", ends: false), .head(1, "HTTP/1.1 200 \r\n\r\n", ends: false),
                .data(1, "abc", ends: false), .trailers(1, "x: y\r\n\r\n"), .data(3, "d", ends: true),
            ])
            #expect(peer.sendData(3, 5, ends: true) && peer.sendTrailers(3, "\r\n") == .closed)
            peer.release(1)
            peer.release(3)
            #expect(peer.session.openStreams == 0)
        }
    }

    @Test("as many streams at once as the service takes")
    func concurrency() {
        let peer = Peer(.client)
        #expect(peer.feed(frame(4, 0, setting(3, 2))) == [.settings])
        #expect(peer.request().0 == .sent && peer.request().0 == .sent && peer.request().0 == .noStream && !peer.session.mayOpen)
        peer.feed(headers(1, Self.ok))
        #expect(peer.request().0 == .noStream)
        peer.release(1)
        #expect(peer.request() == (.sent, 5))
    }

    @Test("the numbers of streams end before they overflow")
    func numbers() {
        let peer = Peer(.client)
        peer.session.lastOwnStream = 0x7FFF_FFFB
        #expect(peer.request() == (.sent, 0x7FFF_FFFD) && peer.request() == (.sent, 0x7FFF_FFFF) && peer.request() == (.noStream, 0))
    }

    @Test("GOAWAY says which requests the service never saw: each is reset, and may be sent again")
    func goAway() {
        for piece in [1, 8, Int.max] {
            let peer = Peer(.client)
            for _ in 0..<4 { _ = peer.request() }
            #expect(peer.feed(frame(7, 0, number(0x7FFF_FFFF) + number(0)) + headers(1, Self.ok), piece: piece) == [.goAway(0x7FFF_FFFF, .noError), .head(1, "HTTP/1.1 200 \r\n\r\n", ends: true)])
            #expect(peer.request().0 == .noStream)
            let seen = peer.feed(frame(7, 0, number(3) + number(2) + Array("bye".utf8)) + headers(3, Self.ok), piece: piece)
            #expect(seen.first == .goAway(3, .internalError) && seen.last == .head(3, "HTTP/1.1 200 \r\n\r\n", ends: true))
            #expect(Set(seen[1..<3].map { "\($0)" }) == Set([5, 7].map { "\(Seen.reset(UInt32($0), .refusedStream, .goneAway, unprocessed: true, known: true))" }))
            #expect(peer.feed(frame(7, 0, number(9) + number(0))) == [.goAway(3, .noError)], "never up")
        }
    }

    @Test("RST_STREAM with REFUSED_STREAM may be sent again, others may not")
    func refused() {
        let peer = Peer(.client)
        _ = (peer.request(), peer.request())
        #expect(peer.feed(frame(3, 1, number(7)) + frame(3, 3, number(2))) == [
            .reset(1, .refusedStream, .byPeer, unprocessed: true, known: true), .reset(3, .internalError, .byPeer, unprocessed: false, known: true),
        ])
    }

    @Test("a response to HEAD, 204 and 304 have no content, whatever Content-Length says")
    func withoutContent() {
        for (status, isHead) in [("200", true), ("204", false), ("304", false), ("404", true)] {
            let peer = Peer(.client)
            _ = peer.request(isHead: isHead)
            #expect(peer.feed(headers(1, [(":status", status), ("content-length", "5")])) == [.head(1, "HTTP/1.1 \(status) \r\ncontent-length: 5\r\n\r\n", ends: true)])
            let other = Peer(.client)
            _ = other.request(isHead: isHead)
            #expect(other.feed(headers(1, [(":status", status), ("content-length", "5")], ends: false) + data(1, "", ends: true)).last == .data(1, "", ends: true))
            let third = Peer(.client)
            _ = third.request(isHead: isHead)
            #expect(third.feed(headers(1, [(":status", status)], ends: false) + data(1, "abc", ends: true)).last == .reset(1, .protocolError, .contentLengthMismatch))
        }
        let peer = Peer(.client)
        _ = peer.request()
        #expect(peer.feed(headers(1, Self.ok + [("content-length", "5")])) == [.reset(1, .protocolError, .contentLengthMismatch)])
    }

    @Test("what a service must not send")
    func violations() {
        func verdict(_ bytes: [UInt8]) -> Seen? {
            let peer = Peer(.client)
            _ = peer.request()
            return peer.feed(bytes).last
        }
        #expect(verdict(data(1, "x")) == .reset(1, .protocolError, .contentBeforeHead))
        #expect(verdict(headers(1, [(":status", "100")])) == .reset(1, .protocolError, .status), "an interim response that ends the stream")
        #expect(verdict(headers(1, [(":status", "101")], ends: false)) == .reset(1, .protocolError, .status))
        #expect(verdict(headers(1, [("a", "b")])) == .reset(1, .protocolError, .missingPseudoField))
        #expect(verdict(headers(1, plainRequest)) == .reset(1, .protocolError, .pseudoField))
        #expect(verdict(headers(1, Self.ok, ends: false) + headers(1, Self.ok)) == .reset(1, .protocolError, .pseudoField))
        #expect(verdict(headers(1, Self.ok, ends: false) + headers(1, [("a", "b")], ends: false)) == .reset(1, .protocolError, .trailersWithoutEnd))
        #expect(verdict(headers(2, Self.ok)) == .failed(.protocolError, .streamNumber))
        #expect(verdict(headers(3, Self.ok)) == .failed(.protocolError, .idleStream))
        #expect(verdict(data(3, "x")) == .failed(.protocolError, .idleStream))
        #expect(verdict(frame(3, 3, number(0))) == .failed(.protocolError, .idleStream))
        #expect(verdict(frame(8, 3, number(1))) == .failed(.protocolError, .idleStream))
        #expect(verdict(frame(8, 2, number(1))) == .failed(.protocolError, .idleStream))
        #expect(verdict(frame(5, flags: 4, 1, number(2) + BlockWriter.block(plainRequest))) == .failed(.protocolError, .push))
        #expect(verdict(frame(4, 0, setting(2, 1))) == .failed(.protocolError, .settingValue))
        #expect(verdict(headers(1, Self.ok) + headers(1, Self.ok)) == .reset(1, .streamClosed, .closedStream, unprocessed: false, known: true) || verdict(headers(1, Self.ok) + headers(1, Self.ok)) == .failed(.streamClosed, .closedStream))
    }

    @Test("an early response does not end the request; whoever wants no more of it resets")
    func earlyResponse() {
        let peer = Peer(.client)
        let stream = post(peer)
        #expect(peer.feed(headers(stream, Self.ok)) == [.head(stream, "HTTP/1.1 200 \r\n\r\n", ends: true)])
        #expect(peer.sendData(stream, 3) && peer.session.sendable(stream) > 0)
        #expect(peer.feed(frame(3, stream, number(0))) == [.reset(stream, .noError, .byPeer, unprocessed: false, known: true)])
        #expect(!peer.sendData(stream, 3))
    }

    @Test("a service that answers early and ends what it does not read, for each request, goes on for ever")
    func earlyAnswers() {
        var limits = HTTP2Limits()
        limits.glitchBurst = 20
        limits.glitchesPerSecond = 0
        limits.resetBurst = 20
        limits.resetsPerSecond = 0
        let peer = Peer(.client, limits: limits)
        for _ in 0..<200 {
            let stream = post(peer)
            #expect(peer.feed(headers(stream, Self.ok) + frame(8, 0, number(1)) + frame(3, stream, number(0))).count == 2)
            peer.release(stream)
        }
    }

    @Test("what comes for a request that was given up is passed over; behind a whole response nothing may come")
    func late() {
        let peer = Peer(.client)
        _ = (peer.request(), peer.request())
        peer.session.reset(1, .cancel, &peer.output)
        peer.release(1)
        #expect(peer.feed(headers(1, Self.ok + [("a", "b")], ends: false) + data(1, "abc") + headers(1, [("x", "y")]) + frame(3, 1, number(8)) + frame(8, 1, number(1))) == [])
        peer.feed(headers(3, Self.ok))
        peer.release(3)
        #expect(peer.feed(headers(3, Self.ok)) == [.failed(.streamClosed, .closedStream)])
    }

    @Test("PING is answered by the same number")
    func ping() {
        let peer = Peer(.client)
        #expect(peer.session.ping(0x0102_0304_0506_0708, &peer.output) == .sent)
        #expect(peer.sent() == [Sent(kind: 6, flags: 0, stream: 0, payload: [1, 2, 3, 4, 5, 6, 7, 8])])
        #expect(peer.feed(frame(6, flags: 1, 0, [1, 2, 3, 4, 5, 6, 7, 8])) == [.pong(0x0102_0304_0506_0708)])
    }
}
