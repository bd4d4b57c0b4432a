import Foundation
import SluiceCrypto
import Testing

@Suite("TLS resumption")
struct TLSResumptionTests {
    let authority: Authority
    let sources: [TLSCertificateSource]
    let server: TLSServerContext

    init() throws {
        authority = try Authority()
        sources = [try authority.issue("a", ["DNS:a.example"]), try authority.issue("b", ["DNS:b.example"])]
        server = try TLSServerContext(sources, now: TLSServerContextTests.now)
    }

    /// One connection with one exchange; whether it was resumed.
    func connect(_ peer: TLSPeer, to context: TLSServerContext? = nil, leave: (TLSPair) -> Void = { _ in }) throws
        -> Bool
    {
        let pair = try TLSPair(context ?? server, peer)
        #expect(pair.shake())
        #expect(pair.exchange())
        #expect(pair.client.isResumed == pair.server.isResumed)
        leave(pair)
        return pair.client.isResumed
    }

    func peer(_ name: String, _ newest: TLSVersion) throws -> TLSPeer {
        try TLSPeer(TLSClientContext(authorityFile: authority.file, newest: newest), name: name)
    }

    @Test(
        "the second connection resumes the first and the third the second, whichever certificate is served",
        arguments: [
            TLSVersion.tls12, .tls13,
        ], ["a.example", "b.example"])
    func again(newest: TLSVersion, name: String) throws {
        let peer = try peer(name, newest)
        #expect(!peer.handle.hasSession)
        #expect(try !connect(peer))
        #expect(peer.handle.hasSession)
        #expect(try connect(peer))
        #expect(try connect(peer))
    }

    @Test("however a connection ends, its session can be resumed", arguments: [TLSVersion.tls12, .tls13])
    func endings(newest: TLSVersion) throws {
        let peer = try peer("a.example", newest)
        #expect(try !connect(peer))
        #expect(try connect(peer) { $0.client.closeNotify() })
        #expect(try connect(peer) { $0.sockets.close($0.sockets.server) })
        #expect(try connect(peer))
    }

    @Test("a session belongs to its peer: another begins anew")
    func otherPeer() throws {
        #expect(try !connect(peer("a.example", .tls13)))
        #expect(try !connect(peer("a.example", .tls13)))
    }

    @Test(
        "a reload: sessions go on if the new context replaces the old, and begin anew if it does not",
        arguments: [
            TLSVersion.tls12, .tls13,
        ])
    func reload(newest: TLSVersion) throws {
        let peer = try peer("b.example", newest)
        #expect(try !connect(peer))
        let heir = try TLSServerContext(sources.reversed(), now: TLSServerContextTests.now, replacing: server)
        #expect(try connect(peer, to: heir))
        let stranger = try TLSServerContext(sources, now: TLSServerContextTests.now)
        #expect(try !connect(peer, to: stranger))
        #expect(try connect(peer, to: stranger))
    }

    @Test(
        "ticket keys are renewed: a session goes on over two renewals, over a reload too, and begins anew after a third",
        arguments: [TLSVersion.tls12, .tls13])
    func renewal(newest: TLSVersion) throws {
        for (renewals, resumes) in [(1, true), (2, true), (3, false), (7, false)] {
            let peer = try peer("a.example", newest)
            #expect(try !connect(peer))
            for _ in 0..<renewals { server.renewTicketKey() }
            let heir = try TLSServerContext(sources, now: TLSServerContextTests.now, replacing: server)
            #expect(try connect(peer, to: heir) == resumes, "\(renewals)")
        }
    }

    // OpenSSL's client of TLS 1.2 does not pass a ticket on that came with a resumption.
    @Test("TLS 1.3: every resumption brings a ticket of the newest key, so that a client that comes now and then never begins anew")
    func renewedTicket() throws {
        let peer = try peer("a.example", .tls13)
        #expect(try !connect(peer))
        for _ in 0..<6 {
            server.renewTicketKey()
            #expect(try connect(peer))
        }
    }

    @Test("a session of one name is not resumed under another, whichever certificate serves both, nor without one (RFC 6066, 3)",
        arguments: [TLSVersion.tls12, .tls13])
    func otherName(newest: TLSVersion) throws {
        let both = try TLSServerContext([try authority.issue("w", ["DNS:a.w.example", "DNS:*.w.example"])], now: TLSServerContextTests.now)
        let names = ["a.example", "b.example", "unknown.example", "127.0.0.1"]
        for (context, names) in [(server, names), (both, ["a.w.example", "b.w.example"])] {
            for first in names {
                for second in names {
                    let blind = try TLSClientContext(verify: false, newest: newest)
                    let peer = try TLSPeer(blind, name: first)
                    #expect(try !connect(peer, to: context))
                    let other = try TLSPeer(blind, name: second)
                    other.adoptSession(of: peer)
                    #expect(try connect(other, to: context) == (first == second), "\(first), then \(second)")
                }
            }
        }
    }

    @Test("contexts and peers may go while a session is open, even in its handshake")
    func lifetimes() throws {
        func open() throws -> TLSPair {
            let context = try TLSServerContext(sources, now: TLSServerContextTests.now)
            return try TLSPair(context, peer("b.example", .tls13))
        }
        let pair = try open()
        #expect(pair.shake())
        #expect(pair.exchange())
    }
}
