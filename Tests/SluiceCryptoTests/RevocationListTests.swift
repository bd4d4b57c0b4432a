import Foundation
import SluiceCrypto
import Testing

/// Lists of revoked certificates: which of them decides about a client. All are made by the `openssl` program.
@Suite("Revocation lists")
struct RevocationListTests {
    private let authority: Authority
    private let now = Int64(Date().timeIntervalSince1970)

    init() throws {
        authority = try Authority()
        try authority.openssl.write(Array("""
            [ca]
            default_ca=d
            [d]
            database=index.txt
            default_md=sha256
            [whole]
            authorityKeyIdentifier=keyid
            [delta]
            2.5.29.27=critical,DER:020101
            [users]
            issuingDistributionPoint=critical,@users_scope
            [users_scope]
            onlyuser=TRUE
            [authorities]
            issuingDistributionPoint=critical,@authorities_scope
            [authorities_scope]
            onlyCA=TRUE
            [one]
            issuingDistributionPoint=critical,@one_scope
            [one_scope]
            fullname=URI:http://lists.test/1
            [two]
            issuingDistributionPoint=critical,@two_scope
            [two_scope]
            fullname=URI:http://lists.test/2
            [indirect]
            issuingDistributionPoint=critical,@indirect_scope
            [indirect_scope]
            indirectCRL=TRUE
            [reasons]
            issuingDistributionPoint=critical,@reasons_scope
            [reasons_scope]
            onlysomereasons=keyCompromise
            [attributes]
            issuingDistributionPoint=critical,@attributes_scope
            [attributes_scope]
            onlyAA=TRUE
            [relative]
            issuingDistributionPoint=critical,@relative_scope
            [relative_scope]
            relativename=relative_name
            [relative_name]
            CN=lists
            [unknown]
            1.2.3.4=critical,DER:0500

            """.utf8), to: "d.cnf")
    }

    /// Writes `name.crl`: a list that begins `from` seconds from now and is the newest for `seconds`.
    private func list(
        _ name: String, revoking labels: [String] = [], _ kind: String = "whole", from: Int = -60, seconds: Int = 3600, by issuer: String = "ca"
    ) throws {
        let database = "index.txt"
        try authority.openssl.write([], to: database)
        for label in labels { try authority.openssl.run("ca -config d.cnf -keyfile \(issuer).key -cert \(issuer).pem -revoke \(label).pem") }
        try authority.openssl.run(
            "ca -config d.cnf -keyfile \(issuer).key -cert \(issuer).pem -gencrl -crlexts \(kind) -crl_lastupdate \(Self.time(from)) -crl_nextupdate "
                + "\(Self.time(from + seconds)) -out \(name).crl")
    }

    private static func time(_ offset: Int) -> String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "UTC")
        format.dateFormat = "yyyyMMddHHmmss'Z'"
        return format.string(from: Date(timeIntervalSinceNow: Double(offset)))
    }

    private func lists(_ names: [String]) throws -> RevocationLists {
        try authority.openssl.write(names.flatMap { try authority.openssl.bytes($0 + ".crl") }, to: "lists.pem")
        return try RevocationLists(file: authority.openssl.path("lists.pem"))
    }

    private func verification(_ names: [String], authorities: String = "ca.pem") throws -> ClientVerification {
        let known = try ClientAuthorities(file: authority.openssl.path(authorities))
        let lists = try lists(names)
        try lists.check(by: known)
        return try ClientVerification(known, lists: lists, mode: .required)
    }

    private func verdict(_ label: String, _ verification: ClientVerification) throws -> Result<Int64, ClientCertificateFault> {
        try ClientCertificateFile.read(authority.openssl.path(label + ".pem"), by: verification).map(\.validUntil)
    }

    private func intermediate(_ label: String, name: String, _ more: String = "") throws {
        try authority.openssl.run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \(label).key -CA ca.pem -CAkey ca.key -subj /CN=\(name) -days 9 \(more) -out \(label).pem")
    }

    private func append(_ label: String, to other: String) throws {
        let all = try authority.openssl.bytes(other + ".pem") + authority.openssl.bytes(label + ".pem")
        try authority.openssl.write(all, to: other + ".pem")
    }

    // MARK: Several lists

    @Test("of several lists the newest decides alone, wherever it stands", arguments: [["old", "new"], ["new", "old"]])
    func newest(order: [String]) throws {
        try authority.issue("held", [])
        try authority.issue("gone", [])
        try list("old", revoking: ["held"], from: -600)
        try list("new", revoking: ["gone"], from: -300, seconds: 1000)
        let both = try verification(order)
        #expect(try abs(verdict("held", both).get() - now - 700) < 30)
        #expect(try verdict("gone", both) == .failure(.revoked))
    }

    @Test("a list that has not begun decides nothing yet; one that is over is not replaced by an older one")
    func times() throws {
        try authority.issue("a", [])
        try list("old", from: -7200, seconds: 10_000)
        try list("future", revoking: ["a"], from: 600)
        try list("short", from: -3600, seconds: 1800)
        // Until the other one begins.
        #expect(try abs(verdict("a", verification(["future", "old"])).get() - now - 599) < 30)
        #expect(try abs(verdict("a", verification(["old"])).get() - now - 2800) < 30)
        #expect(try verdict("a", verification(["future"])) == .failure(.listMissing))
        #expect(try verdict("a", verification(["old", "short"])) == .failure(.listMissing))
        let known = try ClientAuthorities(file: authority.file)
        #expect(try lists(["old", "short"]).warnings(now: now, of: known).map { $0.contains("list 2 has expired") } == [true])
        // What is over and has been replaced is no fault.
        try list("over", from: -9000, seconds: 60)
        #expect(try lists(["over", "old"]).warnings(now: now, of: known).isEmpty)
    }

    @Test("lists by distribution point: that of the certificate decides, and no other one ends its verdict")
    func partitions() throws {
        for (label, place) in [("first", "1"), ("second", "2")] {
            try authority.openssl.run(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \(label).key -CA ca.pem -CAkey ca.key -subj /CN=\(label) -days 9 "
                    + "-addext crlDistributionPoints=URI:http://lists.test/\(place) -out \(label).pem")
        }
        try authority.issue("nowhere", [])
        try list("one", "one", seconds: 1000)
        try list("two", revoking: ["first"], "two", seconds: 5000)
        let both = try verification(["one", "two"])
        #expect(try abs(verdict("first", both).get() - now - 940) < 30)
        #expect(try abs(verdict("second", both).get() - now - 4940) < 30)
        #expect(try verdict("nowhere", both) == .failure(.listMissing))
        #expect(try verdict("first", verification(["two"])) == .failure(.listMissing))
        // One that is over takes along only whom it covers.
        try list("over", "one", from: -600, seconds: 60)
        let late = try verification(["over", "two"])
        #expect(try verdict("first", late) == .failure(.listMissing))
        #expect((try? verdict("second", late).get()) != nil)
    }

    @Test("a stranger's certificate is refused before the places that it names are looked for")
    func strangersPlaces() throws {
        try authority.openssl.run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout fake.key -subj /CN=Authority -days 9 -out fake.pem")
        let places = (0..<1500).map { "URI:http://l.test/\($0)" }.joined(separator: ",")
        try authority.openssl.run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout x.key -CA fake.pem -CAkey fake.key -subj /CN=x -days 9 "
                + "-addext authorityKeyIdentifier=none -addext crlDistributionPoints=\(places) -out x.pem")
        try list("one", "one")
        let listed = try verification(Array(repeating: "one", count: 200))
        let unlisted = try ClientVerification(ClientAuthorities(file: authority.file), mode: .required)
        func time(_ verification: ClientVerification) throws -> Duration {
            var least = Duration.seconds(1000)
            for _ in 0..<5 {
                let begin = ContinuousClock.now
                for _ in 0..<5 { #expect(try verdict("x", verification) == .failure(.unknownIssuer)) }
                least = min(least, ContinuousClock.now - begin)
            }
            return least
        }
        let (with, without) = try (time(listed), time(unlisted))
        #expect(with < without * 3, "\(with) \(without)")
    }

    @Test("lists of users and of authorities cover these")
    func kinds() throws {
        try intermediate("middle", name: "Middle")
        try authority.issue("leaf", [], by: "middle")
        try append("middle", to: "leaf")
        try intermediate("direct", name: "direct", "-addext basicConstraints=critical,CA:FALSE")
        try list("users", "users")
        try list("authorities", "authorities")
        try list("middle", by: "middle")
        #expect((try? verdict("leaf", verification(["authorities", "middle"])).get()) != nil)
        #expect(try verdict("leaf", verification(["users", "middle"])) == .failure(.listMissing))
        #expect((try? verdict("direct", verification(["users"])).get()) != nil)
        #expect(try verdict("direct", verification(["authorities"])) == .failure(.listMissing))
    }

    // MARK: Whose list

    @Test("a list counts for the key that has signed it: another authority of the same name needs its own")
    func sameName() throws {
        try authority.openssl.run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca2.key -subj /CN=Authority -days 9 -out ca2.pem")
        try authority.issue("a", [])
        try authority.issue("b", [], by: "ca2")
        try list("first")
        try list("second", by: "ca2")
        try authority.openssl.write(authority.openssl.bytes("ca.pem") + authority.openssl.bytes("ca2.pem"), to: "both.pem")
        let one = try verification(["first"], authorities: "both.pem")
        #expect((try? verdict("a", one).get()) != nil)
        #expect(try verdict("b", one) == .failure(.listMissing))
        let both = try ClientAuthorities(file: authority.openssl.path("both.pem"))
        #expect(try lists(["first"]).warnings(now: now, of: both).map { $0.contains("no list of the authority in certificate 2") } == [true])
        #expect(try lists(["first", "second"]).warnings(now: now, of: both).isEmpty)
        #expect((try? verdict("b", verification(["first", "second"], authorities: "both.pem")).get()) != nil)
    }

    @Test("an authority that only the client sends: its list is checked by its key, and one by a stranger's key is none")
    func sentIntermediate() throws {
        try intermediate("middle", name: "Middle")
        try authority.issue("leaf", [], by: "middle")
        try authority.issue("gone", [], by: "middle")
        for label in ["leaf", "gone"] { try append("middle", to: label) }
        try list("root")
        try list("middle", revoking: ["gone"], by: "middle")
        let listed = try verification(["root", "middle"])
        for _ in 0..<3 {
            #expect((try? verdict("leaf", listed).get()) != nil)
            #expect(try verdict("gone", listed) == .failure(.revoked))
        }
        #expect(try verdict("leaf", verification(["root"])) == .failure(.listMissing))
        // Another authority calls itself so, with a list of its own.
        try authority.openssl.run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout fake.key -subj /CN=Middle -days 9 -out fake.pem")
        try authority.issue("faked", [], by: "fake")
        try append("fake", to: "faked")
        #expect(try verdict("faked", listed) == .failure(.unknownIssuer))
        try list("fake", by: "fake")
        #expect(try verdict("leaf", verification(["root", "fake"])) == .failure(.listMissing))
        #expect((try? verdict("leaf", verification(["root", "fake", "middle"])).get()) != nil)
        // The authority itself is revoked.
        try list("root", revoking: ["middle"])
        #expect(try verdict("leaf", verification(["root", "middle"])) == .failure(.revoked))
    }

    @Test("what is named as an authority is trusted as it is: a list of its own authority, at hand or over, locks nobody out")
    func anchor() throws {
        try intermediate("middle", name: "Middle")
        try authority.issue("leaf", [], by: "middle")
        try list("middle", by: "middle")
        try list("root", from: -600, seconds: 60)
        #expect((try? verdict("leaf", verification(["root", "middle"], authorities: "middle.pem")).get()) != nil)
        try list("root", revoking: ["middle"])
        #expect((try? verdict("leaf", verification(["root", "middle"], authorities: "middle.pem")).get()) != nil)
    }

    // MARK: What is refused when it is read

    @Test("a list that is not complete for what it covers is refused", arguments: [
        ("delta", "is a list of changes (delta CRL)"), ("indirect", "indirect CRL"), ("reasons", "has only some reasons"), ("attributes", "attribute certificates"),
        ("relative", "relative to its issuer"), ("unknown", "critical extension"),
    ])
    func unusable(kind: String, problem: String) throws {
        try list("whole")
        try list("odd", kind)
        let error = #expect(throws: CryptoError.self) { try lists(["whole", "odd"]) }
        #expect(error?.message.contains("lists.pem: list 2 ") == true && error?.message.contains(problem) == true, "\(error?.message ?? "")")
    }

    @Test("an authority that may not sign lists has none")
    func keyUsage() throws {
        try authority.openssl.run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -subj /CN=Authority -days 9 -addext keyUsage=keyCertSign -out ca.pem")
        try list("whole")
        let error = #expect(throws: CryptoError.self) { try verification(["whole"]) }
        #expect(error?.message.contains("cRLSign") == true)
    }

    // MARK: Cost

    @Test("a long list costs a verification next to nothing: its signature is checked once")
    func longList() throws {
        try authority.issue("a", [])
        try list("short")
        let entries = (0..<20_000).map { "R\t350101000000Z\t260101000000Z\t\(String(format: "7%031X", $0))\tunknown\t/CN=x\n" }.joined()
        try authority.openssl.write(Array(entries.utf8), to: "index.txt")
        try authority.openssl.run("ca -config d.cnf -keyfile ca.key -cert ca.pem -gencrl -crldays 1 -out long.crl")
        #expect(try authority.openssl.bytes("long.crl").count > 900_000)
        func time(_ names: [String]) throws -> Duration {
            let verification = try verification(names)
            return try (0..<5).map { _ in
                try ContinuousClock().measure { for _ in 0..<20 { _ = try verdict("a", verification).get() } }
            }.min() ?? .zero
        }
        let (short, long) = try (time(["short"]), time(["long"]))
        #expect(long < short * 3, "\(short) \(long)")
    }
}
