import Foundation
import SluiceCrypto
import Testing

@Suite("TLS server: certificates")
struct TLSServerContextTests {
    static var now: Int64 { Int64(Date().timeIntervalSince1970) }

    /// Whether a client that asks for `name` and trusts the authority is satisfied with what it is served.
    static func serves(_ server: TLSServerContext, _ name: String, _ authority: Authority) throws -> Bool {
        let peer = try TLSPeer(TLSClientContext(authorityFile: authority.file), name: name)
        let pair = try TLSPair(server, peer)
        guard pair.shake() else {
            #expect(pair.client.verificationFailed)
            return false
        }
        #expect(pair.exchange())
        return true
    }

    @Test("SNI: the exact name wins over a wildcard, a wildcard stands for one label, letters of either case")
    func choice() throws {
        let authority = try Authority()
        // Each certificate satisfies a client for its own names only, so a wrong choice is a failed handshake.
        let server = try TLSServerContext(
            [
                authority.issue("first", ["DNS:first.example", "IP:127.0.0.1"]),
                authority.issue("wild", ["DNS:*.shop.example"]),
                authority.issue("exact", ["DNS:a.shop.example", "DNS:Other.Example"]),
            ], now: Self.now)
        for name in ["first.example", "a.shop.example", "b.shop.example", "B.Shop.EXAMPLE", "other.example"] {
            #expect(try Self.serves(server, name, authority), "\(name)")
        }
        for name in ["shop.example", "a.b.shop.example", "unknown.example"] {
            #expect(try !Self.serves(server, name, authority), "\(name)")
        }
        #expect(
            server.certificates.map(\.names) == [
                ["first.example"], ["*.shop.example"], ["a.shop.example", "other.example"],
            ])
        #expect(server.warnings == [])
    }

    @Test("no name or an unknown one: the first certificate, whatever the order of the others")
    func fallback() throws {
        let authority = try Authority()
        let withAddress = try authority.issue("address", ["DNS:a.example", "IP:127.0.0.1", "IP:::1"])
        let without = try authority.issue("plain", ["DNS:b.example"])
        // A client that connects by address sends no name.
        #expect(try Self.serves(TLSServerContext([withAddress, without], now: Self.now), "127.0.0.1", authority))
        #expect(try Self.serves(TLSServerContext([withAddress, without], now: Self.now), "::1", authority))
        #expect(try !Self.serves(TLSServerContext([withAddress, without], now: Self.now), "127.0.0.2", authority))
        #expect(try !Self.serves(TLSServerContext([without, withAddress], now: Self.now), "127.0.0.1", authority))
    }

    @Test("two certificates for one name: the one listed first, and a wildcard never hides an exact name")
    func order() throws {
        let authority = try Authority()
        let other = try Authority()
        let (ours, theirs) = (try authority.issue("a", ["DNS:a.example"]), try other.issue("a", ["DNS:a.example"]))
        let wild = try other.issue("w", ["DNS:*.example"])
        #expect(try Self.serves(TLSServerContext([wild, ours, theirs], now: Self.now), "a.example", authority))
        #expect(try !Self.serves(TLSServerContext([wild, theirs, ours], now: Self.now), "a.example", authority))
    }

    @Test("the common name counts only where there are no alternative names")
    func commonName() throws {
        let authority = try Authority()
        let server = try TLSServerContext(
            [
                authority.issue("a", ["DNS:a.example"], commonName: "hidden.example"),
                authority.issue("b", [], commonName: "CN.example"),
                authority.issue("c", ["IP:10.0.0.1"], commonName: "alsohidden.example"),
            ], now: Self.now)
        #expect(server.certificates.map(\.names) == [["a.example"], ["cn.example"], []])
        // It is chosen by that name; a client that takes no common name, as ours, refuses it.
        let pair = try TLSPair(server, TLSPeer(TLSClientContext(verify: false), name: "cn.example"))
        #expect(pair.shake())
        #expect(try !Self.serves(server, "cn.example", authority))
    }

    @Test("a chain through an intermediate authority is sent whole; without it the client is not satisfied")
    func intermediate() throws {
        let authority = try Authority()
        try authority.issue("middle", [], commonName: "Middle")
        let bare = try authority.issue("leaf", ["DNS:a.example"], by: "middle")
        let chain = try authority.openssl.bytes("leaf.pem") + authority.openssl.bytes("middle.pem")
        try authority.openssl.write(chain, to: "chain.pem")
        let full = TLSCertificateSource(chainFile: authority.openssl.path("chain.pem"), key: bare.key)
        #expect(try Self.serves(TLSServerContext([full], now: Self.now), "a.example", authority))
        #expect(try !Self.serves(TLSServerContext([bare], now: Self.now), "a.example", authority))
    }

    @Test("the key may be given as bytes, and be an RSA key")
    func keyBytes() throws {
        let authority = try Authority()
        try authority.openssl.run(
            "req -x509 -newkey rsa:2048 -nodes -keyout r.key -CA ca.pem -CAkey ca.key -subj /CN=r -addext subjectAltName=DNS:r.example -days 30 -out r.pem"
        )
        let source = TLSCertificateSource(
            chainFile: authority.openssl.path("r.pem"), key: .pem(try authority.openssl.bytes("r.key")))
        #expect(try Self.serves(TLSServerContext([source], now: Self.now), "r.example", authority))
    }

    @Test("dates: the facts tell both ends, and a certificate past its time is served with a warning")
    func dates() throws {
        let authority = try Authority()
        let source = try authority.issue("a", ["DNS:a.example"])
        let facts = try TLSServerContext([source], now: Self.now).certificates[0]
        #expect(facts.notAfter - facts.notBefore == 30 * 86400)
        #expect(abs(facts.notBefore - Self.now) < 300)
        let file = source.chainFile
        #expect(try TLSServerContext([source], now: facts.notAfter).warnings == [])
        #expect(
            try TLSServerContext([source], now: facts.notAfter + 1).warnings == ["\(file): the certificate has expired"]
        )
        #expect(try TLSServerContext([source], now: facts.notBefore).warnings == [])
        #expect(
            try TLSServerContext([source], now: facts.notBefore - 1).warnings == [
                "\(file): the certificate is not valid yet"
            ])
    }

    @Test("no certificate at all is refused")
    func none() {
        #expect(throws: CryptoError("no certificate is configured")) { try TLSServerContext([], now: Self.now) }
    }
}
