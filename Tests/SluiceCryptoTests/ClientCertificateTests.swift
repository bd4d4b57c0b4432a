import Foundation
import SluiceCrypto
import Testing

@Suite("Client certificates")
struct ClientCertificateTests {
    private let authority: Authority

    init() throws { authority = try Authority() }

    private func facts(_ label: String) throws -> ClientCertificateFacts {
        try ClientCertificateFile.read(authority.openssl.path(label + ".pem"), by: nil).get()
    }

    /// The certificate with the bytes of its encoding changed: its signature is wrong then, and what it says is read all the same.
    private func patch(_ label: String, _ from: [UInt8], _ to: [UInt8]) throws {
        try #require(from.count == to.count)
        try authority.openssl.run("x509 -in \(label).pem -outform DER -out \(label).der")
        let bytes = try authority.openssl.bytes(label + ".der")
        let places = bytes.indices.filter { bytes[$0...].starts(with: from) }
        // The issuer's name stands before the subject's.
        let place = try #require(places.last)
        let patched = bytes[..<place] + to + bytes[(place + from.count)...]
        let text = Data(patched).base64EncodedString(options: .lineLength64Characters)
        try authority.openssl.write(Array("-----BEGIN CERTIFICATE-----\n\(text)\n-----END CERTIFICATE-----\n".utf8), to: label + ".pem")
    }

    private func subject(_ label: String) throws -> String { String(decoding: try facts(label).subject, as: UTF8.self) }

    // MARK: Subjects

    @Test("a subject has one form, last part first, with what has a meaning or no letter as \\XX", arguments: [
        ("/CN=alice", "CN=alice"), ("/C=KR/O=Example/CN=alice", "CN=alice,O=Example,C=KR"), ("/CN=a,b", "CN=a\\2Cb"), ("/CN=a\"b;<>", "CN=a\\22b\\3B\\3C\\3E"),
        ("/CN=#a", "CN=\\23a"), ("/CN=a\\\\b", "CN=a\\5Cb"), ("/CN=김", "CN=\\EA\\B9\\80"), ("/CN=b+OU=a", "CN=b+OU=a"), ("/OU=a+CN=b", "CN=b+OU=a"),
        ("/emailAddress=a@b.test", "emailAddress=a@b.test"), ("/DC=test/DC=example/CN=x", "CN=x,DC=example,DC=test"), ("/UID=7", "UID=7"),
    ])
    func subjectForm(written: String, form: String) throws {
        try authority.openssl.run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -utf8 -multivalue-rdn -keyout s.key -days 3 -out s.pem -subj \(written)")
        #expect(try subject("s") == form)
        // The form is one that an operator can write.
        #expect(try String(decoding: DistinguishedName.canonical(form), as: UTF8.self) == form)
    }

    @Test("a NUL, or the same letters in another encoding, is another subject")
    func lookalikes() throws {
        try authority.issue("s", [], commonName: "aliceXevil")
        try patch("s", Array("aliceXevil".utf8), Array("alice\0evil".utf8))
        #expect(try subject("s") == "CN=alice\\00evil")
        try authority.issue("t", [], commonName: "teletex")
        // UTF8String (12) as T61String (20).
        try patch("t", [12, 7] + Array("teletex".utf8), [20, 7] + Array("teletex".utf8))
        #expect(try subject("t") == "CN=#140774656C65746578")
    }

    @Test("what an operator writes comes to the same form", arguments: [
        ("CN=alice, O=Example", "CN=alice,O=Example"), ("cn = alice , o=Example ", "CN=alice,O=Example"), ("CN=a\\,b", "CN=a\\2Cb"), ("CN=a\\2cb", "CN=a\\2Cb"),
        ("CN=\\ a\\ ", "CN=\\20a\\20"), ("CN=a b", "CN=a b"), ("CN=김", "CN=\\EA\\B9\\80"), ("CN=\\EA\\B9\\80", "CN=\\EA\\B9\\80"), ("OU=a+CN=b", "CN=b+OU=a"),
        ("CN=a=b", "CN=a\\3Db"), ("CN=#0c0161", "CN=#0C0161"), ("1.2.3=#0101FF", "1.2.3=#0101FF"),
    ])
    func written(text: String, form: String) throws {
        #expect(try String(decoding: DistinguishedName.canonical(text), as: UTF8.self) == form)
    }

    @Test("what can be no subject is refused", arguments: [
        "", "alice", "/CN=alice", "CN=", "XX=a", "CN=a,", "CN=\"a\"", "CN=a\\", "CN=a\\x", "CN=a\\0", "CN=a\\00b", "CN=#1", "CN=#xy", "1.2.3=a", "CN=a;O=b",
        "CN=" + String(repeating: "a", count: 2048),
    ])
    func malformed(text: String) {
        #expect(throws: DistinguishedName.Malformed.self) { try DistinguishedName.canonical(text) }
    }

    // MARK: Names

    @Test("names that can be meant as they are read; no wildcards, and none with a NUL")
    func names() throws {
        try authority.issue("n", ["DNS:A.Example", "DNS:*.wild.example", "URI:spiffe://td/A", "email:Me@Example.ORG", "IP:10.0.0.1", "DNS:xnul.example"])
        try patch("n", Array("xnul.example".utf8), Array("x\0ul.example".utf8))
        let names = try facts("n").names
        #expect(names.map { String(decoding: $0.text, as: UTF8.self) } == ["a.example", "spiffe://td/A", "Me@example.org"])
        #expect(names.map(\.kind) == [.dns, .uri, .mail])
    }

    @Test("a certificate of 8,192 bytes is told of, and a longer one is not")
    func size() throws {
        let names = (0..<400).map { "DNS:a\($0).some-longer-name.example" }
        try authority.issue("large", names)
        #expect(throws: ClientCertificateFault.tooLarge) { try facts("large") }
        try authority.issue("small", Array(names.prefix(200)))
        let small = try facts("small")
        #expect(small.encoding.count > 5000 && small.names.count == 200)
    }

    // MARK: Verification

    private func verification(lists: String? = nil, mode: ClientVerification.Mode = .required, intermediates: Int = 4) throws -> ClientVerification {
        try ClientVerification(
            ClientAuthorities(file: authority.file), lists: lists.map { try RevocationLists(file: authority.openssl.path($0)) }, mode: mode,
            bounds: .init(intermediatesMax: intermediates))
    }

    private func verdict(_ label: String, _ verification: ClientVerification) throws -> Result<ClientCertificateFacts, ClientCertificateFault> {
        try ClientCertificateFile.read(authority.openssl.path(label + ".pem"), by: verification)
    }

    private func list(revoking labels: [String] = [], to name: String, seconds: Int = 3600) throws {
        if !FileManager.default.fileExists(atPath: authority.openssl.path("index.txt")) { try authority.openssl.write([], to: "index.txt") }
        try authority.openssl.write(Array("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\n".utf8), to: "d.cnf")
        for label in labels { try authority.openssl.run("ca -config d.cnf -keyfile ca.key -cert ca.pem -revoke \(label).pem") }
        try authority.openssl.run("ca -config d.cnf -keyfile ca.key -cert ca.pem -gencrl -crlsec \(seconds) -out \(name)")
    }

    @Test("a verdict holds as long as the certificate and the list")
    func end() throws {
        try authority.issue("a", [])
        let now = Int64(Date().timeIntervalSince1970)
        let alone = try verdict("a", verification()).get().validUntil
        #expect(abs(alone - now - 30 * 86_400) < 100)
        try list(to: "crl.pem")
        let listed = try verdict("a", verification(lists: "crl.pem")).get().validUntil
        #expect(abs(listed - now - 3600) < 100)
    }

    @Test("a revoked certificate, and one of an authority without a list")
    func revocation() throws {
        try authority.issue("a", [])
        try authority.issue("b", [])
        try list(revoking: ["b"], to: "crl.pem")
        #expect((try? verdict("a", verification(lists: "crl.pem")).get()) != nil)
        #expect(throws: ClientCertificateFault.revoked) { try verdict("b", verification(lists: "crl.pem")).get() }
        #expect((try? verdict("b", verification()).get()) != nil)
        let other = try Authority()
        try other.openssl.write([], to: "index.txt")
        try other.openssl.write(Array("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\n".utf8), to: "d.cnf")
        try other.openssl.run("ca -config d.cnf -keyfile ca.key -cert ca.pem -gencrl -crldays 1 -out crl.pem")
        let foreign = try RevocationLists(file: other.openssl.path("crl.pem"))
        // It bears the same name, and another's signature.
        #expect(throws: CryptoError.self) { try foreign.check(by: ClientAuthorities(file: authority.file)) }
        #expect(throws: Never.self) { try foreign.check(by: ClientAuthorities(file: other.file)) }
    }

    @Test("an intermediate authority that is named is trusted as it is, and its own authority is not asked for")
    func partialChain() throws {
        try authority.openssl.run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout i.key -CA ca.pem -CAkey ca.key -subj /CN=Middle -days 9 -out i.pem")
        try authority.issue("leaf", [], by: "i")
        let middle = try ClientVerification(ClientAuthorities(file: authority.openssl.path("i.pem")), mode: .required)
        #expect((try? verdict("leaf", middle).get()) != nil)
        // Neither is a list of the root's wanted.
        try authority.openssl.write([], to: "index.txt")
        try authority.openssl.write(Array("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\n".utf8), to: "d.cnf")
        try authority.openssl.run("ca -config d.cnf -keyfile i.key -cert i.pem -gencrl -crldays 1 -out icrl.pem")
        let listed = try ClientVerification(
            ClientAuthorities(file: authority.openssl.path("i.pem")), lists: RevocationLists(file: authority.openssl.path("icrl.pem")), mode: .required)
        #expect((try? verdict("leaf", listed).get()) != nil)
        // The root alone needs the one between, which the client has not sent.
        #expect(throws: ClientCertificateFault.unknownIssuer) { try verdict("leaf", verification()).get() }
    }

    @Test("one that is good, by an authority between whose time is over, is none; nor is one that was not made by an authority")
    func expiredBetween() throws {
        for (label, isAuthority, days) in [("over", "TRUE", -1), ("user", "FALSE", 9), ("good", "TRUE", 9)] {
            try authority.openssl.write(Array("basicConstraints=critical,CA:\(isAuthority)\n".utf8), to: "i.ext")
            try authority.openssl.run("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \(label).key -out i.csr -subj /CN=\(label)")
            try authority.openssl.run("x509 -req -in i.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days \(days) -extfile i.ext -out \(label).pem")
            try authority.issue("below-\(label)", [], by: label)
            let chain = try authority.openssl.bytes("below-\(label).pem") + authority.openssl.bytes("\(label).pem")
            try authority.openssl.write(chain, to: "below-\(label).pem")
        }
        #expect(throws: ClientCertificateFault.expired) { try verdict("below-over", verification()).get() }
        #expect(throws: ClientCertificateFault.purpose) { try verdict("below-user", verification()).get() }
        #expect((try? verdict("below-good", verification()).get()) != nil)
    }

    @Test("a certificate for servers only is none for clients")
    func purpose() throws {
        try authority.openssl.run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout p.key -CA ca.pem -CAkey ca.key -subj /CN=p -days 9 -addext extendedKeyUsage=serverAuth -out p.pem")
        #expect(throws: ClientCertificateFault.purpose) { try verdict("p", verification()).get() }
    }

    @Test("what decides who is let in has a fingerprint: authorities, lists, mode")
    func fingerprint() throws {
        try list(to: "one.pem")
        try authority.issue("b", [])
        try list(revoking: ["b"], to: "two.pem")
        let all = try [
            verification(), verification(mode: .optional), verification(lists: "one.pem"), verification(lists: "two.pem"),
        ].map(\.fingerprint)
        #expect(Set(all).count == all.count)
        #expect(try verification().fingerprint == all[0])
    }
}
