import SluiceHTTP
import Testing
@testable import SluiceHTTP2

@Suite struct FlowControlTests {
    private func text(_ count: Int) -> String { String(repeating: "x", count: count) }

    @Test("content is sent within both windows and the client's frames, and no further")
    func sending() {
        let peer = Peer()
        peer.feed(frame(4, 0, setting(4, 3)) + headers(1) + headers(3))
        _ = peer.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n")
        #expect(peer.session.sendable(1) == 3 && !peer.sendData(1, 4) && peer.sendData(1, 3))
        #expect(peer.session.sendable(1) == 0 && !peer.sendData(1, 1))
        #expect(peer.feed(frame(8, 1, number(2))) == [.windowOpened(1)])
        #expect(peer.feed(frame(8, 1, number(2))) == [])
        #expect(peer.session.sendable(1) == 4)
        #expect(peer.feed(frame(4, 0, setting(4, 2))) == [.settings])
        #expect(peer.session.sendable(1) == 3 && peer.session.sendable(3) == 2)
        #expect(peer.sendData(1, 3, ends: true))
    }

    @Test("a window that is taken back goes below zero, and has to come up again first")
    func negativeWindow() {
        let peer = Peer()
        peer.feed(frame(4, 0, setting(4, 3)) + headers(1))
        _ = peer.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n")
        #expect(peer.sendData(1, 3))
        peer.feed(frame(4, 0, setting(4, 2)))
        #expect(peer.session.sendable(1) == 0)
        #expect(peer.feed(frame(8, 1, number(1))) == [])
        #expect(peer.session.sendable(1) == 0)
        #expect(peer.feed(frame(8, 1, number(1))) == [.windowOpened(1)])
        #expect(peer.session.sendable(1) == 1)
        #expect(peer.sendData(1, 0, ends: true), "END_STREAM needs no window")
    }

    @Test("the connection's window is shared by all streams")
    func connectionWindow() {
        let peer = Peer()
        peer.feed(frame(4, 0, setting(4, 1_000_000) + setting(5, 1_000_000)) + headers(1) + headers(3))
        _ = peer.sendHead(1, "HTTP/1.1 200 OK\r\n\r\n")
        _ = peer.sendHead(3, "HTTP/1.1 200 OK\r\n\r\n")
        #expect(peer.sendData(1, 65_000))
        #expect(peer.session.sendable(1) == 535 && peer.session.sendable(3) == 535 && peer.sendData(3, 535))
        #expect(peer.session.sendable(1) == 0)
        #expect(peer.feed(frame(8, 0, number(10))) == [.windowOpened(0)])
        #expect(peer.session.sendable(1) == 10 && peer.session.sendable(3) == 10)
    }

    @Test("who sends more than the window of its stream loses the stream, of the connection the connection")
    func exceeded() {
        var limits = HTTP2Limits()
        limits.streamWindow = 10
        limits.connectionWindow = 65_535
        for padded in [false, true] {
            let peer = Peer(limits: limits)
            func content(_ stream: UInt32, _ count: Int) -> [UInt8] {
                padded ? frame(0, flags: 8, stream, [UInt8](repeating: 0, count: count)) : data(stream, text(count))
            }
            _ = peer.feed(headers(1, ends: false))
            #expect(!peer.feed(content(1, 10)).contains { if case .reset = $0 { true } else { false } })
            #expect(peer.feed(content(1, 1)) == [.reset(1, .flowControlError, .windowExceeded)])
            #expect(peer.sent().last == .reset(1, .flowControlError))
        }
        limits.streamWindow = 100_000
        let peer = Peer(limits: limits)
        for _ in 0..<5 { peer.feed(peer.session.openStreams == 0 ? headers(1, ends: false) : data(1, text(13_107))) }
        #expect(peer.seen.count == 5)
        #expect(peer.feed(data(1, text(13_107))).count == 1, "all of the window")
        #expect(peer.feed(data(1, "x")) == [.failed(.flowControlError, .windowExceeded)])
    }

    @Test("credit is given back as content is consumed, when half of a window is due, and for what nobody can consume at once")
    func credit() {
        var limits = HTTP2Limits()
        limits.streamWindow = 1000
        limits.connectionWindow = 65_535
        let peer = Peer(limits: limits)
        peer.feed(headers(1, ends: false) + data(1, text(1000)))
        #expect(peer.sent() == [] && peer.session.unconsumed(1) == 1000)
        peer.session.consumed(1, 499, &peer.output)
        #expect(peer.sent() == [])
        peer.session.consumed(1, 1, &peer.output)
        #expect(peer.sent() == [.update(1, 500)])
        peer.session.consumed(1, 100_000, &peer.output)
        #expect(peer.session.unconsumed(1) == 0 && peer.sent() == [.update(1, 500)], "no more than was handed out")
        // Of padding, of streams that were reset, and of what was not consumed in the end.
        peer.feed(frame(0, flags: 8, 1, [200] + [UInt8](repeating: 0, count: 400)))
        #expect(peer.session.unconsumed(1) == 200)
        peer.session.reset(1, .cancel, &peer.output)
        peer.feed(data(1, text(400)))
        peer.release(1)
        #expect(peer.session.unannounced == 1000 + 401 + 400)
        #expect(peer.session.receiveWindow + peer.session.unannounced == 65_535)
    }

    @Test("what was consumed before the other side knew of a smaller window is credited when it does (RFC 9113, 6.9.2)")
    func creditBeforeSettings() {
        var limits = HTTP2Limits()
        limits.streamWindow = 16_384
        let peer = Peer(limits: limits, started: false)
        _ = peer.sent()
        peer.feed(Peer.preface + Peer.settings + headers(1, ends: false) + data(1, text(12_500)) + data(1, text(12_500)))
        _ = peer.sent()
        peer.session.consumed(1, 25_000, &peer.output)
        #expect(peer.sent() == [], "less than half of 65,535")
        peer.feed(frame(4, flags: 1))
        #expect(peer.sent() == [.update(1, 25_000)])
    }

    @Test("a window of one byte is given back byte by byte, and an answer needs no more room than it takes")
    func oneByte() {
        var limits = HTTP2Limits()
        limits.streamWindow = 1
        let peer = Peer(limits: limits)
        peer.feed(headers(1, ends: false) + data(1, "x"))
        withExactly([UInt8](repeating: 0, count: 13)) { memory in
            var output = HTTP2Output(base: memory, capacity: 13)
            peer.session.consumed(1, 1, &output)
            #expect(output.bytes.buffer.elementsEqual(frame(8, 1, number(1))))
        }
    }

    @Test("the connection's credit comes with half of its window")
    func connectionCredit() {
        var limits = HTTP2Limits()
        limits.connectionWindow = 65_535
        let peer = Peer(limits: limits)
        peer.feed(headers(1, ends: false))
        peer.session.reset(1, .cancel, &peer.output)
        _ = peer.sent()
        for _ in 0..<4 { peer.feed(data(1, text(8_192))) }
        #expect(peer.sent() == [.update(0, 32_768)])
    }

    @Test("credit and resets for which there is no room are written when there is")
    func owed() {
        var limits = HTTP2Limits()
        limits.streamWindow = 100
        limits.connectionWindow = 65_535
        let peer = Peer(limits: limits)
        peer.feed(headers(1, ends: false) + headers(3, ends: false) + data(1, text(100)) + data(3, text(100)))
        _ = peer.sent()
        withExactly([UInt8](repeating: 0, count: 12)) { memory in
            var full = HTTP2Output(base: memory, capacity: 12)
            peer.session.consumed(1, 100, &full)
            peer.session.reset(3, .cancel, &full)
            #expect(!peer.session.release(3, &full) && peer.session.openStreams == 2)
        }
        #expect(peer.session.sendable(3) == 0)
        peer.session.outputSent(&peer.output)
        #expect(Set(peer.sent().map(\.stream)) == [1, 3])
        #expect(peer.session.release(3, &peer.output) && peer.sent() == [])
    }

    @Test("what the client may send before it has our settings is what every endpoint begins with")
    func beforeAcknowledgement() {
        var limits = HTTP2Limits()
        limits.streamWindow = 10
        let peer = Peer(limits: limits, started: false)
        _ = peer.sent()
        #expect(peer.feed(Peer.preface + Peer.settings + headers(1, ends: false) + data(1, text(16_000))).count == 3)
        peer.feed(frame(4, flags: 1))
        #expect(peer.feed(data(1, "x")) == [.reset(1, .flowControlError, .windowExceeded)], "the window is 15,990 below zero")
        #expect(peer.feed(headers(3, ends: false) + data(3, text(11))).last == .reset(3, .flowControlError, .windowExceeded))
    }

    @Test("windows are those of a plain model, over five hundred random steps of each of twenty connections")
    func windows() {
        for seed in 1...20 {
            var random = FixedRandom(state: UInt64(seed) &* 0x9E37_79B9)
            var limits = HTTP2Limits()
            limits.glitchBurst = 100_000
            limits.streamWindow = Int.random(in: 1...70_000, using: &random)
            let peer = Peer(limits: limits)
            var initial: Int64 = 65_535, connection: Int64 = 65_535
            var windows: [UInt32: Int64] = [:]
            var received: [UInt32: Int64] = [:]
            var next: UInt32 = 1
            for _ in 0..<500 {
                // A window of as many bytes is not waited for.
                let enough = max(1, min(2048, initial / 2))
                let stream = windows.keys.sorted().randomElement(using: &random) ?? 0
                switch Int.random(in: 0..<8, using: &random) {
                case 0 where windows.count < 20:
                    peer.feed(headers(next, ends: false))
                    _ = peer.sendHead(next, "HTTP/1.1 200 OK\r\n\r\n")
                    windows[next] = initial
                    received[next] = Int64(limits.streamWindow)
                    next += 2
                case 1 where windows[stream] != nil:
                    let increment = Int64.random(in: 1...100_000, using: &random)
                    guard let window = windows[stream], window + increment <= 0x7FFF_FFFF else { continue }
                    #expect(peer.feed(frame(8, stream, number(UInt32(increment)))) == (window < enough && window + increment > 0 ? [.windowOpened(stream)] : []))
                    windows[stream] = window + increment
                case 2:
                    let increment = Int64.random(in: 1...100_000, using: &random)
                    #expect(peer.feed(frame(8, 0, number(UInt32(increment)))) == (connection < enough ? [.windowOpened(0)] : []))
                    connection += increment
                case 3:
                    let size = Int64.random(in: 0...200_000, using: &random)
                    peer.feed(frame(4, 0, setting(4, UInt32(size))))
                    for stream in windows.keys { windows[stream]! += size - initial }
                    initial = size
                case 4, 5:
                    guard let window = windows[stream] else { continue }
                    let sendable = max(0, min(window, connection, 16_384))
                    #expect(peer.session.sendable(stream) == Int(sendable))
                    #expect(!peer.sendData(stream, Int(sendable) + 1))
                    guard sendable > 0 else { continue }
                    let count = Int64.random(in: 1...sendable, using: &random)
                    #expect(peer.sendData(stream, Int(count)))
                    windows[stream] = window - count
                    connection -= count
                    _ = peer.sent()
                case 6:
                    guard let window = received[stream], window > 0 else { continue }
                    let count = Int.random(in: 1...Int(min(window, 3_000)), using: &random)
                    #expect(peer.feed(data(stream, text(count))) == [.data(stream, text(count), ends: false)])
                    received[stream] = window - Int64(count)
                default:
                    guard received[stream] != nil else { continue }
                    _ = peer.sent()
                    peer.session.consumed(stream, Int.random(in: 0...70_000, using: &random), &peer.output)
                    for sent in peer.sent() where sent.kind == 8 && sent.stream != 0 { received[sent.stream]! += Int64(sent.payload.reduce(0) { $0 << 8 | UInt32($1) }) }
                }
                #expect(!peer.session.isFailed)
            }
        }
    }
}
