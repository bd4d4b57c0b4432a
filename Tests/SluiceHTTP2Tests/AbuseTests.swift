import SluiceHTTP
import Testing
@testable import SluiceHTTP2

/// Each kind of abuse ends its connection with ENHANCE_YOUR_CALM after as much as the limits say, and not before.
@Suite struct AbuseTests {
    private var limits: HTTP2Limits {
        var limits = HTTP2Limits()
        limits.resetBurst = 20
        limits.resetsPerSecond = 10
        limits.glitchBurst = 50
        limits.glitchesPerSecond = 20
        return limits
    }

    /// How often `bytes` may come until the connection ends, and why it does. The argument is 0, 1, 2 and so on.
    private func count(_ peer: Peer, upTo most: Int = 100_000, each: (Int) -> Void = { _ in }, _ bytes: (Int) -> [UInt8]) -> (Int, HTTP2Reason?) {
        for number in 0..<most {
            each(number)
            peer.feed(bytes(number))
            if peer.session.isFailed { return (number, peer.session.failureReason) }
        }
        return (most, nil)
    }

    private func open(_ number: Int, ends: Bool = true) -> [UInt8] { headers(UInt32(number * 2 + 1), ends: ends) }
    private func stream(_ number: Int) -> UInt32 { UInt32(max(0, number * 2 + 1)) }

    @Test("rapid reset: streams that are reset before their response ended")
    func rapidReset() {
        let peer = Peer(limits: limits)
        let outcome = count(peer) { peer.release(stream($0 - 1)) } _: { open($0) + frame(3, stream($0), number(8)) }
        #expect(outcome == (20, .resetFlood))
        #expect(peer.sent().last == .goAway(stream(20), .enhanceYourCalm))
    }

    @Test("an honest client that cancels as often as it may goes on for ever, and a burst is forgotten in time")
    func honestReset() {
        let peer = Peer(limits: limits)
        let outcome = count(peer, upTo: 1000) { peer.release(stream($0 - 1)); peer.now += 100 } _: { open($0) + frame(3, stream($0), number(8)) }
        #expect(outcome == (1000, nil))
    }

    @Test("a reset behind the response costs nothing but a glitch")
    func lateReset() {
        var limits = limits
        limits.glitchBurst = 10_000
        let peer = Peer(limits: limits)
        let outcome = count(peer, upTo: 200) {
            if $0 > 0 { peer.release(stream($0 - 1)) }
            peer.feed(open($0, ends: false))
            _ = peer.sendHead(stream($0), "HTTP/1.1 200 OK\r\n\r\n", ends: true)
        } _: { frame(3, stream($0), number(8)) }
        #expect(outcome == (200, nil))
    }

    @Test("made you reset: what makes us reset costs the same, in every way, also behind GOAWAY", arguments: [false, true])
    func madeYouReset(isDraining: Bool) {
        let ways: [(String, (UInt32) -> [UInt8])] = [
            ("WINDOW_UPDATE by 0", { frame(8, $0, number(0)) }), ("WINDOW_UPDATE beyond the most", { frame(8, $0, number(0x7FFF_FFFF)) }),
            ("DATA behind the end", { data($0, "x") }), ("HEADERS behind the end", { headers($0) }), ("PRIORITY of a wrong length", { frame(2, $0, [0]) }),
            ("a stream that depends on itself", { frame(2, $0, number($0) + [1]) }),
        ]
        for (name, bytes) in ways {
            let peer = Peer(limits: limits)
            if isDraining {
                for number in 0..<60 { peer.feed(open(number)) }
                #expect(peer.session.announceEnd(&peer.output) == .sent && peer.session.endAfterLast(&peer.output) == .sent)
            }
            let outcome = count(peer, upTo: 60) { if !isDraining { peer.release(stream($0 - 1)) } } _: { (isDraining ? [] : open($0)) + bytes(stream($0)) }
            #expect(outcome == (20, .resetFlood), "\(name)")
        }
        let malformed = Peer(limits: limits)
        #expect(count(malformed) { headers(stream($0), [("a", "b")]) } == (20, .resetFlood))
        var few = limits
        few.concurrentStreams = 1
        let refused = Peer(limits: few)
        refused.feed(headers(1))
        #expect(count(refused) { open($0 + 1) } == (20, .resetFlood))
    }

    @Test("heads that are too large, read on for nothing, are as few")
    func largeHeads() {
        var limits = limits
        limits.fields = 1
        let peer = Peer(limits: limits)
        let outcome = count(peer) { peer.release(stream($0 - 1)) } _: { headers(stream($0), plainRequest + [("a", ""), ("b", "")]) }
        #expect(outcome == (20, .resetFlood))
    }

    @Test("a stream that was reset counts as open until nobody works for it")
    func unreleased() {
        let peer = Peer()
        for number in 0..<100 { peer.feed(open(number) + frame(3, stream(number), number == 0 ? number32(8) : number32(8))) }
        #expect(peer.session.openStreams == 100)
        #expect(peer.feed(open(100)) == [.rejected(201, .refusedStream, .tooManyStreams)])
    }

    private func number32(_ value: UInt32) -> [UInt8] { number(value) }

    @Test("CONTINUATION: as many frames as the limit, empty ones too, and as many bytes")
    func continuations() {
        let block = BlockWriter.block(plainRequest)
        for payload in [[], [0x20], BlockWriter.field("a", "b")] as [[UInt8]] {
            let peer = Peer()
            peer.feed(frame(1, flags: 1, 1, payload == [0x20] ? [] : block))
            #expect(count(peer) { _ in frame(9, 1, payload) } == (8, .continuationFlood))
            #expect(peer.seen.last == .failed(.enhanceYourCalm, .continuationFlood))
        }
        let peer = Peer()
        peer.feed(frame(1, flags: 1, 1, block))
        for _ in 0..<7 { peer.feed(frame(9, 1)) }
        #expect(peer.feed(frame(9, flags: 4, 1)) == [.head(1, request, ends: true)])
    }

    @Test("encoded bytes of a block are bounded before they are decoded")
    func encodedBytes() {
        var limits = HTTP2Limits()
        limits.blockBytes = 20_000
        let peer = Peer(limits: limits)
        let field = BlockWriter.field("a", String(repeating: "b", count: 16_000))
        peer.feed(frame(1, flags: 1, 1, field))
        #expect(peer.feed(frame(9, 1, [], length: 20_001 - field.count)) == [.failed(.enhanceYourCalm, .blockTooLong)])
    }

    @Test("HPACK bomb: a few bytes that stand for many end the connection when the decoded bytes are too many, kept or not")
    func bomb() {
        for ends in [true, false] {
            let peer = Peer()
            // 4,000 bytes in the table, then a byte for each time they are meant: as text, a hundred times the limit.
            peer.feed(frame(1, flags: 4 | (ends ? 1 : 0), 1, BlockWriter.block(plainRequest) + BlockWriter.field("a", String(repeating: "b", count: 4_000), .indexing)))
            let bytes = frame(1, flags: 5, 3, [UInt8](repeating: 0xBE, count: 16_000))
            #expect(peer.feed(bytes).last == .failed(.enhanceYourCalm, .decodedTooLong))
        }
        // References to an empty field: 32 each.
        let peer = Peer()
        peer.feed(frame(1, flags: 5, 1, BlockWriter.block(plainRequest) + BlockWriter.field("a", "", .indexing)))
        #expect(peer.feed(frame(1, flags: 5, 3, [UInt8](repeating: 0xBE, count: 2_900))) == [.rejected(3, .protocolError, .missingPseudoField)])
        #expect(peer.feed(frame(1, flags: 5, 5, [UInt8](repeating: 0xBE, count: 3_100))) == [.failed(.enhanceYourCalm, .decodedTooLong)])
    }

    @Test("cookie crumbs by reference, and Hosts that are left out, are bounded like everything else")
    func crumbBomb() {
        for (name, value) in [("cookie", "a=b"), ("host", "a.test")] {
            let peer = Peer()
            peer.feed(frame(1, flags: 5, 1, BlockWriter.block(plainRequest) + BlockWriter.field(name, value, .indexing)))
            let several = peer.feed(frame(1, flags: 5, 3, BlockWriter.block(plainRequest) + [UInt8](repeating: 0xBE, count: 250)))
            #expect(several.count == 1 && !peer.session.isFailed)
            let many = peer.feed(frame(1, flags: 5, 5, BlockWriter.block(plainRequest) + [UInt8](repeating: 0xBE, count: 300)))
            #expect(many == (name == "cookie" ? [.refused(5, .tooManyCrumbs, ends: true)] : [.head(5, request, ends: true)]))
            #expect(peer.feed(frame(1, flags: 5, 7, BlockWriter.block(plainRequest) + [UInt8](repeating: 0xBE, count: 3_000))) == [.failed(.enhanceYourCalm, .decodedTooLong)])
        }
    }

    @Test("frames that move nothing forward", arguments: [
        ("PING", frame(6, 0, [1, 2, 3, 4, 5, 6, 7, 8])), ("acknowledged PING", frame(6, flags: 1, 0, [1, 2, 3, 4, 5, 6, 7, 8])), ("SETTINGS", frame(4)), ("acknowledged SETTINGS", frame(4, flags: 1)),
        ("SETTINGS with values", frame(4, 0, setting(4, 100))), ("PRIORITY", frame(2, 99, [0, 0, 0, 0, 1])), ("unknown", frame(77, 0, [1, 2, 3])), ("empty DATA", frame(0, 1)),
        ("DATA of padding", frame(0, flags: 8, 1, [3, 0, 0, 0])), ("WINDOW_UPDATE", frame(8, 0, number(1))), ("WINDOW_UPDATE of a stream", frame(8, 1, number(1))),
        ("RST_STREAM of a stream that has ended", frame(3, 3, number(8))), ("DATA of a stream that we reset", data(5, "x")), ("HEADERS of a stream that we reset", headers(5)),
    ])
    func glitches(name: String, bytes: [UInt8]) {
        let peer = Peer(limits: limits)
        peer.feed(headers(1, ends: false) + headers(3) + headers(5, ends: false))
        _ = peer.sendHead(3, "HTTP/1.1 200 OK\r\n\r\n", ends: true)
        peer.session.reset(5, .cancel, &peer.output)
        let outcome = count(peer) { _ in bytes }
        // Three requests have earned six.
        #expect(outcome == (56, .glitchFlood))
        // Twenty a second are no flood.
        let slow = Peer(limits: limits)
        slow.feed(headers(1, ends: false) + headers(3) + headers(5, ends: false))
        _ = slow.sendHead(3, "HTTP/1.1 200 OK\r\n\r\n", ends: true)
        slow.session.reset(5, .cancel, &slow.output)
        #expect(count(slow, upTo: 300) { _ in slow.now += 50 } _: { _ in bytes } == (300, nil))
    }

    @Test("two WINDOW_UPDATE and a PING for each frame of content are no glitches, unless windows of a few bytes make the frames")
    func windowUpdates() {
        let peer = Peer(limits: limits)
        peer.feed(headers(1))
        _ = peer.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n")
        let honest = count(peer, upTo: 1000) { _ in #expect(peer.sendData(1, 1000)); _ = peer.sent() } _: { _ in frame(8, 0, number(1000)) + frame(8, 1, number(1000)) + frame(6, 0, [1, 2, 3, 4, 5, 6, 7, 8]) }
        #expect(honest == (1000, nil))
        let small = Peer(limits: limits)
        small.feed(frame(4, 0, setting(4, 0)) + headers(1))
        _ = small.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n")
        let dribble = count(small) { _ in if small.session.sendable(1) > 0 { #expect(small.sendData(1, 1)) } } _: { _ in frame(8, 1, number(1)) }
        #expect(dribble.1 == .glitchFlood && dribble.0 <= 52)
    }

    @Test("a browser that says priorities, and cancels, for each of its requests goes on for ever")
    func browser() {
        var limits = limits
        limits.resetBurst = 2_000
        let peer = Peer(limits: limits)
        let outcome = count(peer, upTo: 1000) { peer.release(stream($0 - 1)) } _: { open($0) + frame(16, 0, [0, 0, 0, 1, 0x75]) + frame(3, stream($0), number(8)) }
        #expect(outcome == (1000, nil))
    }

    @Test("content that is under way when its stream is reset costs nothing in frames of some size")
    func lateContent() {
        let peer = Peer(limits: limits)
        peer.feed(headers(1, ends: false))
        peer.session.reset(1, .noError, &peer.output)
        #expect(count(peer, upTo: 500) { _ in data(1, String(repeating: "x", count: 512)) } == (500, nil))
        #expect(count(peer, upTo: 500) { _ in data(1, String(repeating: "x", count: 511)) } == (52, .glitchFlood))
    }

    @Test("behind a failure nothing is written any more")
    func silence() {
        var limits = limits
        limits.streamWindow = 10_000
        let peer = Peer(limits: limits)
        peer.feed(headers(1, ends: false) + data(1, String(repeating: "x", count: 10_000)) + frame(6, 1, [1, 2, 3, 4, 5, 6, 7, 8]))
        #expect(peer.session.isFailed)
        _ = peer.sent()
        peer.session.consumed(1, 10_000, &peer.output)
        peer.session.reset(1, .cancel, &peer.output)
        #expect(peer.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n") == .closed && !peer.sendData(1, 1) && peer.session.ping(1, &peer.output) == .closed)
        #expect(peer.session.announceEnd(&peer.output) == .closed && peer.session.endAfterLast(&peer.output) == .closed)
        peer.release(1)
        #expect(peer.sent() == [] && peer.session.openStreams == 0)
    }

    @Test("answers that are not fetched stop the reading, however little they cost")
    func queuedAnswers() {
        let peer = Peer()
        let bytes = (0..<1000).flatMap { _ in frame(6, 0, [1, 2, 3, 4, 5, 6, 7, 8]) }
        peer.feed(bytes, sending: false)
        #expect(peer.output.count == 64 * 17 && peer.unread.count == bytes.count - 64 * 17)
        #expect(peer.sent().count == 64)
        peer.feed([], sending: false)
        #expect(peer.output.count == 64 * 17)
        #expect(peer.sent().count == 64)
    }

    @Test("credit and resets count among the answers that wait")
    func queuedCredit() {
        var limits = HTTP2Limits()
        limits.streamWindow = 2
        let peer = Peer(limits: limits)
        peer.feed(headers(1, ends: false), sending: false)
        for number in 0..<64 {
            #expect(peer.feed(data(1, "xx"), sending: false).count == 1, "\(number)")
            peer.session.consumed(1, 2, &peer.output)
        }
        #expect(peer.feed(data(1, "xx"), sending: false) == [] && !peer.unread.isEmpty)
        #expect(peer.sent().count == 64 && peer.feed([], sending: false).count == 1)
        let third = Peer()
        third.feed((0..<100).flatMap { _ in frame(4) }, sending: false)
        #expect(third.output.count == 64 * 9)
        let other = Peer()
        for number in 0..<64 { #expect(other.feed(headers(stream(number), [("a", "b")]), sending: false).count == 1) }
        #expect(other.feed(headers(stream(64), [("a", "b")]), sending: false) == [])
    }

    @Test("with little room in the output nothing is read")
    func outputRoom() {
        let peer = Peer()
        withExactly([UInt8](repeating: 0, count: 200)) { memory in
            withExactly(headers(1)) { bytes in
                var input = HTTP2Input(ByteView(base: bytes, count: headers(1).count))
                var output = HTTP2Output(base: memory, capacity: HTTP2Output.reserve - 1)
                guard case .outputFull = peer.session.next(&input, head: peer.area, output: &output, now: 0) else { return #expect(Bool(false)) }
                #expect(input.used == 0)
                output = HTTP2Output(base: memory, capacity: HTTP2Output.reserve)
                guard case .head = peer.session.next(&input, head: peer.area, output: &output, now: 0) else { return #expect(Bool(false)) }
            }
        }
    }

    @Test("settings in one frame")
    func settings() {
        let peer = Peer()
        #expect(peer.feed(frame(4, 0, (0..<64).flatMap { _ in setting(4, 100) })) == [.settings])
        #expect(peer.feed(frame(4, 0, (0..<65).flatMap { _ in setting(4, 100) })) == [.failed(.enhanceYourCalm, .settingsFlood)])
    }

    @Test("streams that come behind the last that is served are passed over, and their fields count for later ones")
    func draining() {
        let peer = Peer()
        peer.feed(headers(1, ends: false))
        #expect(peer.session.announceEnd(&peer.output) == .sent)
        #expect(peer.feed(headers(3)) == [.head(3, request, ends: true)])
        #expect(peer.session.endAfterLast(&peer.output) == .sent)
        #expect(peer.sent() == [.goAway(0x7FFF_FFFF, .noError), .goAway(3, .noError)])
        #expect(peer.feed(headers(5, ends: false) + data(5, "x") + headers(5, [("a", "b")]) + frame(8, 5, number(1)) + frame(3, 5, number(8))) == [])
        #expect(peer.feed(data(1, "y", ends: true)) == [.data(1, "y", ends: true)])
        #expect(peer.sent() == [])
    }

    @Test("a bucket fills up again and no further, and a clock that stands still is none that goes back")
    func bucket() {
        var bucket = TokenBucket()
        func taken(_ now: UInt64) -> Int { (0..<1000).prefix { _ in bucket.take(burst: 10, perSecond: 4, now: now) }.count }
        #expect(taken(5) == 10 && taken(5) == 0 && taken(254) == 0 && taken(255) == 1 && taken(1255) == 4 && taken(1255) == 0 && taken(100) == 0)
        #expect(taken(1_000_000_000) == 10 && taken(.max) == 10)
    }
}
