import Foundation
import SluiceCrypto
import Testing

@Suite("Certificate files")
struct CertificateFileTests {
    static var now: Int64 { TLSServerContextTests.now }

    /// The check's answer, which a server context must agree with on what cannot be served.
    static func problems(_ source: TLSCertificateSource, now: Int64 = now) -> [String] {
        let problems = CertificateFile.check(source, now: now)
        do {
            #expect(try TLSServerContext([source], now: now).warnings == problems)
        } catch {
            #expect(problems.first == "\(error)")
        }
        return problems
    }

    @Test("files in order: nothing to say")
    func clean() throws {
        let authority = try Authority()
        #expect(try Self.problems(authority.issue("a", ["DNS:a.example"])) == [])
    }

    @Test("a byte order mark before chain and key hides nothing")
    func byteOrderMark() throws {
        let authority = try Authority()
        var source = try authority.issue("a", ["DNS:a.example"])
        func marked(_ file: String) throws -> String {
            let text = try Data(contentsOf: URL(fileURLWithPath: file))
            try (Data([0xEF, 0xBB, 0xBF]) + text).write(to: URL(fileURLWithPath: file + ".marked"))
            return file + ".marked"
        }
        source.chainFile = try marked(source.chainFile)
        if case .file(let key) = source.key { source.key = .file(try marked(key)) }
        #expect(Self.problems(source) == [])
    }

    @Test("files that cannot be read are named with the system's reason")
    func unreadable() throws {
        let authority = try Authority()
        var source = try authority.issue("a", ["DNS:a.example"])
        let absent = authority.openssl.path("absent")
        source.key = .file(absent)
        #expect(Self.problems(source) == ["\(absent): cannot be read: No such file or directory"])
        source.chainFile = absent
        #expect(Self.problems(source) == ["\(absent): cannot be read: No such file or directory"])
        source.chainFile = authority.openssl.folder.path
        #expect(Self.problems(source) == ["\(source.chainFile): not a regular file"])
    }

    @Test("a file of more than a mebibyte is refused, one just below is read")
    func length() throws {
        let authority = try Authority()
        let source = try authority.issue("a", ["DNS:a.example"])
        let pem = try authority.openssl.bytes("a.pem")
        let filler = [UInt8](repeating: UInt8(ascii: "\n"), count: 1_000_000)
        try authority.openssl.write(pem + filler, to: "a.pem")
        #expect(Self.problems(source) == [])
        try authority.openssl.write(pem + filler + filler, to: "a.pem")
        #expect(Self.problems(source) == ["\(source.chainFile): longer than 1048576 bytes"])
    }

    @Test("not PEM, a broken certificate, a broken or encrypted key")
    func contents() throws {
        let authority = try Authority()
        let openssl = authority.openssl
        var source = try authority.issue("a", ["DNS:a.example"])
        let good = source.chainFile
        try openssl.write(Array("hello".utf8), to: "text")
        source.chainFile = openssl.path("text")
        #expect(Self.problems(source) == ["\(source.chainFile): no certificate in PEM form"])
        try openssl.write([], to: "empty")
        source.chainFile = openssl.path("empty")
        #expect(Self.problems(source) == ["\(source.chainFile): no certificate in PEM form"])
        var broken = try openssl.bytes("a.pem")
        broken.removeSubrange(100..<200)
        try openssl.write(openssl.bytes("a.pem") + broken, to: "broken")
        source.chainFile = openssl.path("broken")
        #expect(Self.problems(source).first?.hasPrefix("\(source.chainFile): certificate 2 cannot be read: ") == true)
        source.chainFile = good
        source.key = .file(openssl.path("text"))
        #expect(Self.problems(source).first?.hasPrefix("\(openssl.path("text")): no private key in PEM form") == true)
        try openssl.run("pkey -in a.key -aes256 -passout pass:abcd -out locked")
        source.key = .file(openssl.path("locked"))
        #expect(Self.problems(source) == ["\(openssl.path("locked")): the private key is encrypted"])
        source.key = .pem(try openssl.bytes("locked"))
        #expect(Self.problems(source) == ["the key of \(good): the private key is encrypted"])
    }

    @Test("a key of another certificate: both files are named, and other faults are still told")
    func mismatch() throws {
        let authority = try Authority()
        var source = try authority.issue("a", ["DNS:a.example"])
        try authority.issue("b", ["DNS:b.example"])
        let key = authority.openssl.path("b.key")
        source.key = .file(key)
        let told = "\(source.chainFile): the key in \(key) does not belong to the certificate"
        #expect(Self.problems(source) == [told])
        #expect(
            CertificateFile.check(source, now: Self.now + 31 * 86400)
                == [told, "\(source.chainFile): the certificate has expired"])
        source.key = .pem(try authority.openssl.bytes("b.key"))
        #expect(Self.problems(source) == ["\(source.chainFile): the key does not belong to the certificate"])
    }

    @Test("a certificate with an RSA key of 1024 bits cannot be served, one of 2048 can")
    func weakKey() throws {
        let authority = try Authority()
        for (bits, rest) in [(1024, [": the certificate cannot be used: ee key too small"]), (2048, [])] {
            try authority.openssl.run(
                "req -x509 -newkey rsa:\(bits) -nodes -keyout r.key -subj /CN=r.example -days 30 -out r.pem")
            let source = authority.source("r")
            #expect(Self.problems(source) == rest.map { source.chainFile + $0 })
        }
    }

    @Test("a chain that ends before its root: told where the last certificate says that its issuer can be had, and the issuer is no authority of the system's")
    func end() throws {
        let authority = try Authority()
        let openssl = authority.openssl
        try authority.issue("middle", [], commonName: "Middle")
        try openssl.write(Array("[e]\nsubjectAltName=DNS:a.example\nauthorityInfoAccess=caIssuers;URI:http://pki.example/middle\n".utf8), to: "e.cnf")
        try openssl.run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -CA middle.pem -CAkey middle.key -subj /CN=x -days 30 "
                + "-config e.cnf -extensions e -out leaf.pem")
        let leaf = authority.source("leaf")
        #expect(Self.problems(leaf) == ["\(leaf.chainFile): the issuer of the last certificate is missing: clients do not know it"])
        try openssl.write(openssl.bytes("leaf.pem") + openssl.bytes("middle.pem"), to: "chain.pem")
        #expect(Self.problems(TLSCertificateSource(chainFile: openssl.path("chain.pem"), key: leaf.key)) == [])
    }

    @Test("a chain out of order, or with a stranger in it")
    func order() throws {
        let authority = try Authority()
        let openssl = authority.openssl
        try authority.issue("middle", [], commonName: "Middle")
        let leaf = try authority.issue("leaf", ["DNS:a.example"], by: "middle")
        func chain(_ labels: [String]) throws -> [String] {
            try openssl.write(labels.flatMap { try openssl.bytes($0 + ".pem") }, to: "chain.pem")
            return Self.problems(TLSCertificateSource(chainFile: openssl.path("chain.pem"), key: leaf.key))
        }
        let rest = "the server's own comes first, then the issuer of each"
        let file = openssl.path("chain.pem")
        #expect(try chain(["leaf", "middle"]) == [])
        #expect(try chain(["leaf", "middle", "ca"]) == [])
        #expect(try chain(["leaf", "ca", "middle"]) == ["\(file): certificate 2 did not issue certificate 1; \(rest)"])
        #expect(
            try chain(["leaf", "middle", "leaf"]) == ["\(file): certificate 3 did not issue certificate 2; \(rest)"])
    }
}
