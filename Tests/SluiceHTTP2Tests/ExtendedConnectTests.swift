import SluiceHTTP
import Testing
@testable import SluiceHTTP2

/// Other protocols over a stream, such as WebSocket (RFC 8441).
@Suite struct ExtendedConnectTests {
    private static let connect = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/chat"), (":authority", "a.test")]
    private static let text = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n"

    private var limits: HTTP2Limits {
        var limits = HTTP2Limits()
        limits.extendedConnect = true
        return limits
    }

    @Test("it is announced where it is allowed, and malformed where it is not")
    func allowed() {
        for isAllowed in [false, true] {
            var limits = limits
            limits.extendedConnect = isAllowed
            let peer = Peer(limits: limits, started: false)
            #expect((peer.sent().first?.payload.starts(with: setting(3, 100) + setting(8, 1)) == true) == isAllowed)
            peer.feed(Peer.preface + Peer.settings)
            let seen = peer.feed(headers(1, Self.connect + [("sec-websocket-version", "13")], ends: false))
            #expect(seen == (isAllowed ? [.head(1, Self.text, ends: false)] : [.rejected(1, .protocolError, .protocolField)]))
        }
    }

    @Test("it is the request for an upgrade that HTTP/1.1 would have had, for the same parser, and its stream carries bytes both ways")
    func tunnel() {
        let peer = Peer(limits: limits)
        for piece in [1, 7, Int.max] {
            #expect(Peer(limits: limits).feed(headers(1, Self.connect.reversed() + [("sec-websocket-version", "13")], ends: false), piece: piece) == [.head(1, Self.text, ends: false)])
        }
        peer.feed(headers(1, Self.connect + [("sec-websocket-version", "13")], ends: false))
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: 8)
        defer { slots.deallocate() }
        var head = RequestHead(slots: slots, capacity: 8)
        #expect(RequestHead.parse(ByteView(base: peer.area.base, count: Self.text.utf8.count), slots: slots, capacity: 8, into: &head) == .complete)
        #expect(head.upgrade && head.method == .get && head.framing == .none)
        #expect(peer.sendHead(1, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n") == .sent)
        #expect(peer.sent().last == Sent(kind: 1, flags: 4, stream: 1, payload: [0x88]))
        #expect(peer.sendData(1, 3) && peer.feed(data(1, "abc", ends: true)) == [.data(1, "abc", ends: true)] && peer.sendData(1, 0, ends: true))
    }

    @Test("what makes it malformed")
    func malformed() {
        func verdict(_ fields: [(String, String)], ends: Bool = false) -> [Seen] { Peer(limits: limits).feed(headers(1, fields, ends: ends)) }
        let wrong: [Seen] = [.rejected(1, .protocolError, .protocolField)]
        #expect(verdict(Self.connect, ends: true) == wrong)
        #expect(verdict(Self.connect + [("content-length", "3")]) == wrong)
        #expect(verdict(plainRequest + [(":protocol", "websocket")]) == wrong)
        for value in ["", "a b", "web\r\nsocket", "a,b"] { #expect(verdict(Self.connect.map { $0.0 == ":protocol" ? ($0.0, value) : $0 }) == wrong) }
        for name in [":scheme", ":path", ":authority"] { #expect(verdict(Self.connect.filter { $0.0 != name }) == [.rejected(1, .protocolError, .missingPseudoField)]) }
        #expect(verdict(Self.connect.filter { $0.0 != ":protocol" }) == [.rejected(1, .protocolError, .connect)])
        #expect(verdict(Self.connect + [("upgrade", "websocket")]) == [.rejected(1, .protocolError, .connectionField)])
        #expect(verdict(Self.connect + [(":protocol", "websocket")]) == [.rejected(1, .protocolError, .pseudoField)])
    }

    @Test("a client asks for it where the service has said that it takes it, and that cannot be taken back")
    func client() {
        let peer = Peer(.client)
        func ask() -> (HTTP2Sending, UInt32) {
            let bytes = Array("GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n".utf8)
            var stream: UInt32 = 0
            let outcome = withExactly(bytes) {
                peer.session.sendRequest(
                    ByteView(base: $0, count: bytes.count), endsStream: false, isHTTPS: true, isHead: false, connect: ByteView("websocket"), stream: &stream, &peer.output)
            }
            return (outcome, stream)
        }
        #expect(ask() == (.noStream, 0))
        peer.feed(frame(4, 0, setting(8, 1)))
        _ = peer.sent()
        let length = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n".utf8.count
        let output = peer.output
        peer.output = HTTP2Output(base: output.base, capacity: peer.session.room(forHead: length + 9 + 32) - 1)
        #expect(ask() == (.noRoom, 0))
        peer.output = output
        #expect(ask() == (.sent, 1))
        let sent = peer.sent()
        #expect(Peer(limits: limits).feed(sent.flatMap { frame($0.kind, flags: $0.flags, $0.stream, $0.payload) }) == [.head(1, Self.text, ends: false)])
        #expect(peer.feed(headers(1, [(":status", "200")], ends: false) + data(1, "abc")) == [.head(1, "HTTP/1.1 200 \r\n\r\n", ends: false), .data(1, "abc", ends: false)])
        #expect(peer.feed(frame(4, 0, setting(8, 0))) == [.failed(.protocolError, .settingValue)])
    }
}
