import Foundation
import SluiceCrypto
import Testing

@Suite("TLS handshakes")
struct TLSHandshakeTests {
    static var now: Int64 { TLSServerContextTests.now }

    enum Answer: Equatable {
        /// The server goes on with its own first message.
        case hello
        /// A fatal alert (RFC 8446, 6).
        case alert(UInt8)
        case other([UInt8])
    }

    /// What a server answers to a first message.
    static func answer(_ hello: ClientHello) throws -> Answer {
        let authority = try Authority()
        let context = try TLSServerContext([authority.issue("a", ["DNS:a.example"])], now: now)
        let sockets = try SocketPair()
        let server = try #require(TLSSession(context.handle, descriptor: sockets.server))
        defer { server.free() }
        let record = hello.record
        #expect(write(sockets.client, record, record.count) == record.count)
        let result = server.handshake()
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(sockets.client, &bytes, bytes.count)
        let received = Array(bytes.prefix(max(0, count)))
        if received.count == 7, received[0] == 21, received[5] == 2 {
            #expect(result == .failed)
            return .alert(received[6])
        }
        if received.first == 22 {
            #expect(result == .wantRead)
            return .hello
        }
        return .other(received)
    }

    @Test("versions: TLS 1.2 is answered, TLS 1.1 and 1.0 get the alert protocol_version, SSL 3.0 handshake_failure")
    func versions() throws {
        #expect(try Self.answer(ClientHello()) == .hello)
        for (minor, alert): (UInt8, UInt8) in [(0, 40), (1, 70), (2, 70)] {
            // Suites that those versions know, so that only the version can be at fault.
            let hello = ClientHello(version: (3, minor), suites: [0xC00A, 0xC009, 0xC014, 0xC013, 0x002F])
            #expect(try Self.answer(hello) == .alert(alert))
        }
    }

    @Test("TLS 1.2 ciphers: only ECDHE with authenticated encryption; others get the alert handshake_failure")
    func ciphers() throws {
        for suite: UInt16 in [0xC02B, 0xC02C, 0xCCA9] {
            #expect(try Self.answer(ClientHello(suites: [suite])) == .hello)
        }
        // ECDHE with CBC; RSA key exchange; finite-field Diffie-Hellman; no encryption.
        for suite: UInt16 in [0xC009, 0xC023, 0x009C, 0x009E, 0x0002] {
            #expect(try Self.answer(ClientHello(suites: [suite])) == .alert(40))
        }
    }

    @Test("ALPN: http/1.1 anywhere in the list is taken, its absence gets the alert no_application_protocol")
    func applicationProtocols() throws {
        #expect(try Self.answer(ClientHello(protocols: nil)) == .hello)
        #expect(try Self.answer(ClientHello(protocols: ["http/1.1"])) == .hello)
        #expect(try Self.answer(ClientHello(protocols: ["h2", "http/1.1"])) == .hello)
        #expect(try Self.answer(ClientHello(protocols: ["h2"])) == .alert(120))
        #expect(try Self.answer(ClientHello(protocols: ["h2", "http/1.0", "HTTP/1.1", "http/1.10"])) == .alert(120))
    }

    @Test("ALPN: an empty or malformed list gets the alert decode_error")
    func malformedProtocols() throws {
        #expect(try Self.answer(ClientHello(protocols: [])) == .alert(50))
        #expect(try Self.answer(ClientHello(protocols: [""])) == .alert(50))
    }

    @Test("bytes that are no TLS fail the handshake and nothing more")
    func noise() throws {
        let authority = try Authority()
        let context = try TLSServerContext([authority.issue("a", ["DNS:a.example"])], now: Self.now)
        let sockets = try SocketPair()
        let server = try #require(TLSSession(context.handle, descriptor: sockets.server))
        defer { server.free() }
        #expect(server.handshake() == .wantRead)
        let request = Array("GET / HTTP/1.1\r\n\r\n".utf8)
        #expect(write(sockets.client, request, request.count) == request.count)
        #expect(server.handshake() == .failed)
        #expect(server.failureReason == "http request")
        #expect(!server.verificationFailed)
        server.closeNotify()
        #expect(server.handshake() == .failed)
    }

    @Test(
        "both sides agree on the newest version that both have, on http/1.1, and data passes",
        arguments: [
            (TLSVersion.tls12), .tls13,
        ])
    func agreement(newest: TLSVersion) throws {
        let authority = try Authority()
        let server = try TLSServerContext([authority.issue("a", ["DNS:a.example"])], now: Self.now)
        let peer = try TLSPeer(TLSClientContext(authorityFile: authority.file, newest: newest), name: "a.example.")
        let pair = try TLSPair(server, peer)
        #expect(pair.client.version == nil)
        #expect(pair.shake())
        #expect(pair.client.version == newest)
        #expect(pair.server.version == newest)
        #expect(pair.client.hasNegotiatedProtocol)
        #expect(pair.exchange())
        #expect(!pair.client.isResumed)
    }

    @Test("HTTP/2 is offered only by a session that is told so, and a server that speaks none of it chooses HTTP/1.1")
    func offers() throws {
        let authority = try Authority()
        let server = try TLSServerContext([authority.issue("a", ["DNS:a.example"])], now: Self.now)
        let peer = try TLSPeer(TLSClientContext(authorityFile: authority.file), name: "a.example")
        let pair = try TLSPair(server, peer, offersHTTP2: true)
        #expect(pair.shake())
        #expect(!pair.client.isHTTP2)
        #expect(pair.client.hasNegotiatedProtocol)
    }

    @Test("verification: a name that the certificate lacks, and an authority that is not trusted, are told apart")
    func verification() throws {
        let authority = try Authority()
        let server = try TLSServerContext(
            [authority.issue("a", ["DNS:a.example", "DNS:*.w.example", "DNS:p*.example"])], now: Self.now)
        func reason(_ context: TLSClientContext, _ name: String) throws -> String? {
            let pair = try TLSPair(server, TLSPeer(context, name: name))
            let isComplete = pair.shake()
            #expect(pair.client.verificationFailed == !isComplete)
            #expect(isComplete == (pair.clientReason == nil))
            return pair.clientReason
        }
        let trusting = try TLSClientContext(authorityFile: authority.file)
        #expect(try reason(trusting, "a.example") == nil)
        #expect(try reason(trusting, "b.w.example") == nil)
        #expect(try reason(trusting, "b.example") == "certificate: hostname mismatch")
        #expect(try reason(trusting, "c.b.w.example") == "certificate: hostname mismatch")
        #expect(try reason(trusting, "pq.example") == "certificate: hostname mismatch")
        #expect(try reason(trusting, "10.0.0.1") == "certificate: IP address mismatch")
        let system = try TLSClientContext()
        #expect(try reason(system, "a.example") == "certificate: unable to get local issuer certificate")
        let stranger = try Authority()
        let other = try TLSClientContext(authorityFile: stranger.file)
        #expect(try reason(other, "a.example") == "certificate: unable to get local issuer certificate")
        let blind = try TLSClientContext(verify: false)
        #expect(try reason(blind, "b.example") == nil)
    }

    @Test("a name that stands in the subject only does not count: neither without alternative names nor beside those of other kinds")
    func commonName() throws {
        let authority = try Authority()
        let trusting = try TLSClientContext(authorityFile: authority.file)
        for (label, names) in [("bare", []), ("address", ["IP:10.0.0.1"])] {
            let server = try TLSServerContext([authority.issue(label, names, commonName: "a.example")], now: Self.now)
            let pair = try TLSPair(server, TLSPeer(trusting, name: "a.example"))
            #expect(!pair.shake())
            #expect(pair.clientReason == "certificate: hostname mismatch")
        }
    }

    @Test("a certificate that is named as trusted is trusted, though no authority issued it")
    func pinned() throws {
        let authority = try Authority()
        let source = try authority.issue("a", ["DNS:a.example"])
        let server = try TLSServerContext([source], now: Self.now)
        let pair = try TLSPair(server, TLSPeer(TLSClientContext(authorityFile: source.chainFile), name: "a.example"))
        #expect(pair.shake())
    }

    @Test("an authority file that cannot be read or holds none is refused by name")
    func authorityFile() throws {
        let authority = try Authority()
        let key = authority.openssl.path("ca.key")
        #expect(throws: CryptoError("\(key): no certificate in PEM form")) { try TLSClientContext(authorityFile: key) }
        #expect(throws: CryptoError("/absent: cannot be read: No such file or directory")) {
            try TLSClientContext(authorityFile: "/absent")
        }
    }

    @Test("authorities are trusted as they were read: what stands in their file later is another trust")
    func authoritiesReadOnce() throws {
        let authority = try Authority()
        let server = try TLSServerContext([authority.issue("a", ["DNS:a.example"])], now: Self.now)
        let read = try TLSClientContext.Authorities(file: authority.file)
        let stranger = try Authority()
        try FileManager.default.removeItem(atPath: authority.file)
        try FileManager.default.copyItem(atPath: stranger.file, toPath: authority.file)
        #expect(try TLSPair(server, TLSPeer(TLSClientContext(authorities: read), name: "a.example")).shake())
        let later = try TLSClientContext.Authorities(file: authority.file)
        #expect(try !TLSPair(server, TLSPeer(TLSClientContext(authorities: later), name: "a.example")).shake())
        #expect(read.fingerprint != later.fingerprint)
    }

    // The limit is long because its clock runs while a test waits for one of the few threads that all share.
    @Test("a FIFO in place of a file is refused, and keeps nobody waiting", .timeLimit(.minutes(60)))
    func authorityFIFO() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString)").path
        #expect(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        #expect(throws: CryptoError("\(path): not a regular file")) { try TLSClientContext(authorityFile: path) }
    }

    @Test("names: 1 to 255 bytes without NUL")
    func names() throws {
        let context = try TLSClientContext(verify: false)
        for name in ["a", String(repeating: "a", count: 255), "::1"] {
            #expect(throws: Never.self) { try TLSPeer(context, name: name) }
        }
        for name in ["", ".", String(repeating: "a", count: 256), "a\0b"] {
            #expect(throws: CryptoError.self) { try TLSPeer(context, name: name) }
        }
    }
}
