import Foundation
import SluiceCrypto
import Testing

@Suite("TLS sessions", .serialized)
struct TLSSessionTests {
    let authority: Authority
    let server: TLSServerContext
    let peer: TLSPeer

    init() throws {
        authority = try Authority()
        server = try TLSServerContext([authority.issue("a", ["DNS:a.example"])], now: TLSServerContextTests.now)
        peer = try TLSPeer(TLSClientContext(authorityFile: authority.file), name: "a.example")
    }

    func connected(sendBuffer: Int32? = nil) throws -> TLSPair {
        let pair = try TLSPair(server, peer, sendBuffer: sendBuffer)
        try #require(pair.shake())
        return pair
    }

    @Test("a socket with room: a write takes one record of 16,384 bytes at a time")
    func oneRecord() throws {
        let pair = try connected()
        let bytes = [UInt8](repeating: 1, count: 20_000)
        #expect(pair.server.write(bytes, count: 16_384) == .bytes(16_384))
        #expect(pair.server.write(bytes, count: 16_385) == .bytes(16_384))
        #expect(pair.server.write(bytes, count: 1) == .bytes(1))
    }

    @Test(
        "a full socket: writes want room; repeated from other memory, every byte arrives once, in order",
        arguments: [
            true, false,
        ])
    func partialWrites(fromServer: Bool) throws {
        // Less than a record, so that every record is cut.
        let pair = try connected(sendBuffer: 4096)
        let (sender, receiver) = fromServer ? (pair.server, pair.client) : (pair.client, pair.server)
        let sent = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        // Two places in turn; the one not in use holds other bytes.
        var places = [[UInt8]](repeating: [UInt8](repeating: 0xEE, count: 100_000), count: 2)
        var received: [UInt8] = []
        var (written, waits, turn) = (0, 0, 0)
        var buffer = [UInt8](repeating: 0, count: 5000)
        while received.count < sent.count, turn < 100_000 {
            turn += 1
            if written < sent.count {
                let count = min(100_000, sent.count - written)
                places[turn % 2].replaceSubrange(0..<count, with: sent[written..<(written + count)])
                let result = places[turn % 2].withUnsafeBytes { sender.write($0.baseAddress!, count: count) }
                for index in places[turn % 2].indices { places[turn % 2][index] = 0xEE }
                switch result {
                case .bytes(let taken): written += taken
                case .wantWrite: waits += 1
                case let other:
                    Issue.record("\(other)")
                    return
                }
            }
            while case .bytes(let count) = receiver.read(into: &buffer, capacity: buffer.count) {
                received += buffer.prefix(count)
            }
        }
        #expect(waits > 10)
        #expect(received == sent)
    }

    @Test("pending: what a short read left of a record, then nothing")
    func pending() throws {
        let pair = try connected()
        let text = Array("0123456789".utf8)
        #expect(pair.client.write(text, count: 10) == .bytes(10))
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(pair.server.pending == 0)
        #expect(pair.server.read(into: &buffer, capacity: 4) == .bytes(4))
        #expect(pair.server.pending == 6)
        #expect(pair.server.read(into: &buffer, capacity: 16) == .bytes(6))
        #expect(pair.server.pending == 0)
        #expect(pair.server.read(into: &buffer, capacity: 16) == .wantRead)
    }

    @Test("bytes that were read ahead: another record, or a part of one, is told of until it has been read")
    func readAhead() throws {
        let pair = try connected()
        #expect(!pair.server.hasBuffered)
        for text in ["one", "two"] { #expect(pair.client.write(Array(text.utf8), count: 3) == .bytes(3)) }
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(pair.server.read(into: &buffer, capacity: 16) == .bytes(3))
        #expect(pair.server.hasBuffered)
        #expect(pair.server.read(into: &buffer, capacity: 16) == .bytes(3))
        #expect(!pair.server.hasBuffered)
    }

    @Test("key updates: a few are followed, a flood of them ends the session instead of keeping a read busy", arguments: [true, false])
    func keyUpdates(fromServer: Bool) throws {
        let pair = try connected()
        let (sender, receiver) = fromServer ? (pair.server, pair.client) : (pair.client, pair.server)
        var buffer = [UInt8](repeating: 0, count: 16)
        for _ in 0..<10 { #expect(sender.updateKeys() == .bytes(0)) }
        #expect(TLSPair.send("text", from: sender, to: receiver) == "text")
        #expect(TLSPair.send("back", from: receiver, to: sender) == "back")
        // More than twice the bound: whichever seconds they fall into, one of two is over it.
        for _ in 0..<250 { #expect(sender.updateKeys() == .bytes(0)) }
        #expect(receiver.read(into: &buffer, capacity: 16) == .failed)
        #expect(receiver.failureReason == "too many key updates")
    }

    @Test("TLS 1.2: a client that wants another handshake is at its end, whatever comes of the message; a service that does goes without")
    func renegotiation() throws {
        let older = try TLSPeer(TLSClientContext(authorityFile: authority.file, newest: .tls12), name: "a.example")
        var buffer = [UInt8](repeating: 0, count: 16)
        let asking = try TLSPair(server, older)
        try #require(asking.shake())
        #expect(asking.exchange())
        #expect(asking.client.renegotiate() == .wantRead)
        #expect(asking.server.read(into: &buffer, capacity: 16) == .failed)
        #expect(asking.server.failureReason == "no renegotiation")
        let asked = try TLSPair(server, older)
        try #require(asked.shake())
        _ = asked.server.renegotiate()
        #expect(asked.client.read(into: &buffer, capacity: 16) == .wantRead)
        #expect(asked.client.failureReason == nil)
    }

    @Test("data that comes in one packet with session tickets is read in one call")
    func ticketsAndData() throws {
        let pair = try connected()
        // The server's tickets wait in the client's socket; data follows them.
        let text = Array("data".utf8)
        #expect(pair.server.write(text, count: 4) == .bytes(4))
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(pair.client.read(into: &buffer, capacity: 16) == .bytes(4))
    }

    @Test("close_notify is a clean end of one direction; the other still carries data")
    func cleanEnd() throws {
        let pair = try connected()
        var buffer = [UInt8](repeating: 0, count: 16)
        pair.client.closeNotify()
        #expect(pair.server.read(into: &buffer, capacity: 16) == .closed)
        #expect(pair.server.read(into: &buffer, capacity: 16) == .closed)
        #expect(TLSPair.send("rest", from: pair.server, to: pair.client) == "rest")
        pair.server.closeNotify()
        #expect(pair.client.read(into: &buffer, capacity: 16) == .closed)
    }

    @Test("an end without close_notify is a failure, after the data that came before it")
    func truncation() throws {
        let pair = try connected()
        #expect(pair.exchange())
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(pair.client.write(Array("half".utf8), count: 4) == .bytes(4))
        pair.sockets.close(pair.sockets.client)
        #expect(pair.server.read(into: &buffer, capacity: 16) == .bytes(4))
        #expect(pair.server.read(into: &buffer, capacity: 16) == .failed)
        #expect(pair.server.failureReason == "unexpected eof while reading")
        #expect(pair.server.read(into: &buffer, capacity: 16) == .failed)
        #expect(pair.server.write(buffer, count: 4) == .failed)
        #expect(!pair.server.verificationFailed)
        pair.server.closeNotify()
    }

    @Test("a write to a socket that the peer has closed fails and does not end the process")
    func brokenPipe() throws {
        let pair = try connected()
        pair.sockets.close(pair.sockets.client)
        #expect(pair.server.write(Array("late".utf8), count: 4) == .failed)
    }

    @Test("a record changed on the way is a failure")
    func tampering() throws {
        let pair = try connected()
        // A record of application data that nobody sealed.
        let record: [UInt8] = [23, 3, 3, 0, 32] + [UInt8](repeating: 9, count: 32)
        #expect(write(pair.sockets.client, record, record.count) == record.count)
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(pair.server.read(into: &buffer, capacity: 16) == .failed)
        #expect(pair.server.failureReason == "decryption failed or bad record mac")
    }

    @Test("a failure on one session does not show on another of the same thread")
    func separateFailures() throws {
        let (broken, sound) = (try connected(), try connected())
        var buffer = [UInt8](repeating: 0, count: 16)
        broken.sockets.close(broken.sockets.client)
        #expect(broken.server.read(into: &buffer, capacity: 16) == .failed)
        #expect(sound.server.read(into: &buffer, capacity: 16) == .wantRead)
        #expect(sound.exchange())
    }

    @Test("no bytes: neither a read nor a write of nothing touches the session")
    func nothing() throws {
        let pair = try connected()
        var buffer: [UInt8] = [0]
        #expect(pair.server.read(into: &buffer, capacity: 0) == .bytes(0))
        #expect(pair.server.write(buffer, count: 0) == .bytes(0))
        #expect(pair.exchange())
    }
}
