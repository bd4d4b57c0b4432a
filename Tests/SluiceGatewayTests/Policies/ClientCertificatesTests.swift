import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// The policy `clientCertificate`: whose certificate lets a request pass, and what services are told of it.
@Suite("Client certificate policy")
struct ClientCertificatesTests {
    private typealias Name = ClientCertificateFacts.Name

    private func facts(_ subject: String = "CN=alice", _ names: [Name] = [], validUntil: Int64 = .max, encoding: [UInt8] = [1, 2, 3, 255]) -> ClientCertificateFacts {
        ClientCertificateFacts(encoding: encoding, fingerprint: Array("00ff".utf8), subject: Array(subject.utf8), names: names, validUntil: validUntil)
    }

    private func name(_ kind: Name.Kind, _ text: String) -> Name { Name(kind: kind, text: Array(text.utf8)) }

    /// The row that a request is refused with, or nil; and whether its service is told of the certificate.
    private func ask(_ yaml: String, _ facts: ClientCertificateFacts?, at now: Int64 = 1_700_000_000) throws -> (row: Refusal.Row?, isTold: Bool) {
        let policy = try PolicyFixture(ClientCertificates.self, yaml)
        let test = try TestExchange("GET /", isSecure: true, wallSeconds: now)
        let certificate = try #require(ClientCertificate.make(serverName: [], facts, session: nil))
        defer { ClientCertificate.free(certificate) }
        test.exchange.certificate = certificate
        switch try policy.faultless().evaluate(&test.exchange) {
        case .proceed: return (nil, test.exchange.tellsCertificate)
        case .refuse(let refusal): return (refusal.row, test.exchange.tellsCertificate)
        default: throw Unexpected()
        }
    }

    private struct Unexpected: Error {}

    @Test("without a list every certificate passes; each list that is written must name it")
    func lists() throws {
        let alice = facts("CN=alice", [name(.uri, "spiffe://td/a"), name(.dns, "a.example")])
        #expect(try ask("{}", alice) == (nil, true))
        #expect(try ask("{}", nil) == (.certificateMissing, false))
        #expect(try ask("{required: false}", nil) == (nil, false))
        #expect(try ask("{subjects: [CN=bob, CN=alice]}", alice) == (nil, true))
        #expect(try ask("{subjects: [CN=bob]}", alice) == (.certificateRefused, false))
        #expect(try ask("{required: false, subjects: [CN=bob]}", alice) == (.certificateRefused, false))
        #expect(try ask("{subjects: [CN=alice], sans: ['dns:b.example']}", alice) == (.certificateRefused, false))
        #expect(try ask("{subjects: [CN=alice], sans: ['dns:b.example', 'uri:spiffe://td/a']}", alice) == (nil, true))
        #expect(try ask("{sans: ['dns:b.example']}", facts()) == (.certificateRefused, false))
    }

    @Test("names compare by their kind: hosts without regard to case, a wildcard for one label, URIs byte for byte", arguments: [
        ("dns:a.example", "a.example", true), ("DNS:A.EXAMPLE", "a.example", true), ("dns:*.example", "a.example", true), ("dns:*.example", "a.b.example", false),
        ("dns:*.example", "example", false), ("dns:*.b.example", "a.b.example", true), ("dns:*.example", "ba.example.test", false), ("dns:a.example", "b.example", false),
        ("uri:a.example:1", "a.example", false), ("email:x@a.example", "a.example", false),
    ])
    func hosts(pattern: String, host: String, passes: Bool) throws {
        #expect(try ask("{sans: ['\(pattern)']}", facts("", [name(.dns, host)])).row == (passes ? nil : .certificateRefused))
    }

    @Test("mail and URIs", arguments: [
        ("email:Me@Example.org", ClientCertificateFacts.Name.Kind.mail, "Me@example.org", true), ("email:me@example.org", .mail, "Me@example.org", false),
        ("uri:spiffe://td/a", .uri, "spiffe://td/a", true), ("uri:spiffe://td/a", .uri, "spiffe://td/A", false), ("uri:spiffe://td/a", .uri, "spiffe://td/a/b", false),
        ("uri:x:a.example", .dns, "a.example", false),
    ])
    func others(pattern: String, kind: ClientCertificateFacts.Name.Kind, text: String, passes: Bool) throws {
        #expect(try ask("{sans: ['\(pattern)']}", facts("", [name(kind, text)])).row == (passes ? nil : .certificateRefused))
    }

    @Test("a verdict holds to its last second, with a clock that steps either way")
    func validity() throws {
        let limited = facts(validUntil: 1_700_000_000)
        #expect(try ask("{}", limited, at: 1_700_000_000) == (nil, true))
        #expect(try ask("{}", limited, at: 1_700_000_001) == (.certificateRefused, false))
        #expect(try ask("{required: false}", limited, at: 1_700_000_001) == (.certificateRefused, false))
    }

    @Test("where the listener does not ask, a request has no certificate")
    func notAsked() throws {
        let test = try TestExchange("GET /")
        #expect(try PolicyFixture(ClientCertificates.self, "{}").faultless().answer(test) == .certificateMissing)
        #expect(try PolicyFixture(ClientCertificates.self, "{required: false}").faultless().answer(test) == nil)
    }

    @Test("after a reload a client that was not asked by the new authorities is sent to another connection; one that nobody asks has no certificate")
    func reloads() throws {
        let policy = try PolicyFixture(ClientCertificates.self, "{}").faultless()
        let open = try PolicyFixture(ClientCertificates.self, "{required: false}").faultless()
        let certificate = try #require(ClientCertificate.make(serverName: [], facts(), session: nil))
        defer { ClientCertificate.free(certificate) }
        let test = try TestExchange("GET /", isSecure: true)
        test.exchange.certificate = certificate
        #expect(policy.answer(test) == nil)
        certificate.pointee.reconsider(by: nil)
        #expect(policy.answer(test) == .certificateMissing)
        #expect(open.answer(test) == nil)
    }

    @Test("what services are told: quoted and escaped so that every reader finds the same end of each value", arguments: [
        ("CN=alice,O=Example", "Hash=00ff;Subject=\"CN=alice,O=Example\""), ("CN=a\\2Cb\\22", "Hash=00ff;Subject=\"CN=a\\\\2Cb\\\\22\""), ("", "Hash=00ff;Subject=\"\""),
    ])
    func forwardedSubject(subject: String, line: String) {
        #expect(String(decoding: ForwardedCertificate.forwardedLine(facts(subject)), as: UTF8.self) == "X-Forwarded-Client-Cert: \(line)\r\n")
    }

    @Test("URIs come before hosts, mail is not told, and a value with a sign that divides is quoted; Client-Cert is a byte sequence")
    func forwardedNames() {
        let names = [name(.dns, "a.example"), name(.mail, "a@b"), name(.uri, "spiffe://td/a"), name(.uri, "x:a;b=c,d"), name(.dns, "b.example")]
        let line = String(decoding: ForwardedCertificate.forwardedLine(facts("CN=a", names)), as: UTF8.self)
        #expect(line == "X-Forwarded-Client-Cert: Hash=00ff;Subject=\"CN=a\";URI=spiffe://td/a;URI=\"x:a;b=c,d\";DNS=a.example;DNS=b.example\r\n")
        #expect(String(decoding: ForwardedCertificate.certificateLine(facts()), as: UTF8.self) == "Client-Cert: :AQID/w==:\r\n")
    }

    @Test("the lines have 24 KiB, and a certificate that needs more is not taken")
    func lineSize() {
        for (count, isTaken) in [(24_000, true), (24_600, false)] {
            let certificate = ClientCertificate.make(serverName: [], facts(String(repeating: "a", count: count)), session: nil)
            #expect((certificate != nil) == isTaken, "\(count)")
            if let certificate { ClientCertificate.free(certificate) }
        }
    }

    @Test("every problem has its place", arguments: [
        ("{subjects: []}", "1:12: subjects: found an empty list, which nobody is in"), ("{sans: [a.example]}", "1:9: sans[0]: found \"a.example\""),
        ("{sans: ['dns:*']}", "1:9: sans[0]: found"), ("{sans: ['dns:a.*.b']}", "1:9: sans[0]: found"), ("{sans: ['dns:a..b']}", "1:9: sans[0]: found"),
        ("{sans: ['email:a']}", "1:9: sans[0]: found"), ("{sans: ['uri:a']}", "1:9: sans[0]: found"), ("{sans: ['ip:10.0.0.1']}", "1:9: sans[0]: found"),
        ("{subjects: [alice]}", "1:13: subjects[0]: found \"alice\""), ("{subject: [CN=a]}", "1:2: subject: found"), ("{required: 1}", "1:12: required: found"),
    ])
    func problems(yaml: String, complaint: String) throws {
        let policy = try PolicyFixture(ClientCertificates.self, yaml)
        #expect(policy.complaints.count == 1 && policy.complaints[0].hasPrefix(complaint), "\(policy.complaints)")
    }

    @Test("a list has at most a thousand names")
    func bounds() throws {
        let names = { (count: Int) in "{subjects: [" + (0..<count).map { "CN=\($0)" }.joined(separator: ", ") + "]}" }
        #expect(try PolicyFixture(ClientCertificates.self, names(1000)).complaints.isEmpty)
        #expect(try PolicyFixture(ClientCertificates.self, names(1001)).complaints.count == 1)
    }
}

extension ClientCertificates.Compiled {
    /// The row that the exchange is refused with.
    fileprivate func answer(_ test: TestExchange) -> Refusal.Row? {
        if case .refuse(let refusal) = evaluate(&test.exchange) { refusal.row } else { nil }
    }
}
