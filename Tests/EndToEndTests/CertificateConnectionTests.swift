import Foundation
import Testing

/// How long a client's certificate counts: over sessions, reloads, takeovers and the end of its time.
@Suite("Client certificates over time", .loopback, .minutes(5))
struct CertificateConnectionTests {
    private typealias Site = CertificateSite

    // MARK: Sessions

    /// One connection by `openssl s_client` with one request; what it printed.
    private func session(_ site: Site, _ arguments: [String], name: String = "one.test", port: UInt16? = nil) throws -> String {
        try command([
            "sh", "-c",
            "(printf 'GET /x HTTP/1.1\\r\\nHost: one.test\\r\\nConnection: close\\r\\n\\r\\n'; sleep 1) | openssl s_client -connect 127.0.0.1:\(port ?? site.port) -servername \(name) "
                + arguments.joined(separator: " "),
        ]).everything
    }

    @Test("a resumed session keeps the certificate; after a reload with another authority, list or mode it begins anew", arguments: ["-tls1_2", "-tls1_3"])
    func resumption(version: String) throws {
        let site = try Site(clients: "mode: optional, crl: \"FOLDER/crl.pem\"") { try OpenSSL.revocationList(of: [], in: $0) }
        let saved = site.folder.file("session\(version).pem")
        let shown = ["-cert", site.folder.file("alice.pem"), "-key", site.folder.file("alice.key")]
        let first = try session(site, [version, "-sess_out", saved] + shown)
        #expect(first.contains("New, ") && first.contains("HTTP/1.1 200"), "\(first)")
        let second = try session(site, [version, "-sess_in", saved])
        #expect(second.contains("Reused, ") && second.contains("HTTP/1.1 200"), "\(second)")
        #expect(try session(site, [version, "-sess_in", saved], name: "two.test").contains("New, "))
        // The same authorities and lists: the session goes on.
        let text = { (clients: String) in
            Site.text(site.folder, port: site.port, upstream: site.upstream.url, clients: clients, policy: "clientCertificate: {}")
        }
        func reload(_ clients: String) throws { try site.reload(text(clients)) }
        try reload("mode: optional, crl: \"FOLDER/crl.pem\"")
        #expect(try session(site, [version, "-sess_in", saved]).contains("Reused, "))
        try OpenSSL.revocationList(of: ["bob"], in: site.folder)
        try reload("mode: optional, crl: \"FOLDER/crl.pem\"")
        let anew = try session(site, [version, "-sess_in", saved])
        #expect(anew.contains("New, ") && anew.contains("HTTP/1.1 401"), "\(anew)")
        // With the client's certificate another handshake lets it in.
        #expect(try session(site, [version, "-sess_in", saved] + shown).contains("HTTP/1.1 200"))
        try reload("mode: optional")
        #expect(try session(site, [version, "-sess_in", saved]).contains("New, "))
    }

    @Test("a session that began at one listener is not resumed at another one, which knows other authorities", arguments: ["-tls1_2", "-tls1_3"])
    func otherListener(version: String) throws {
        let other = try Ports.free()
        let stranger = try Folder()
        try OpenSSL.authority(in: stranger)
        let site = try Site { folder in try folder.write("other.pem", stranger.read("ca.pem")) }
        let own = Site.text(site.folder, port: site.port, upstream: site.upstream.url, clients: "mode: optional", policy: "clientCertificate: {}")
        let files = "certificate: \"\(site.folder.file("server.pem"))\", key: {file: \"\(site.folder.file("server.key"))\"}"
        let second = "  - address: 127.0.0.1:\(other)\n    tls: {\(files)}\n    clientCertificates: {ca: \"\(site.folder.file("other.pem"))\", mode: optional}\n"
        try site.reload(own.replacing("domains:\n", with: second + "domains:\n"))
        let saved = site.folder.file("session.pem")
        #expect(try session(site, [version, "-sess_out", saved, site.shown("alice")]).contains("HTTP/1.1 200"))
        let elsewhere = try session(site, [version, "-sess_in", saved], port: other)
        #expect(elsewhere.contains("New, ") && elsewhere.contains("HTTP/1.1 401"), "\(elsewhere)")
        #expect(try session(site, [version, "-sess_in", saved]).contains("Reused, "))
    }

    @Test("sessions do not allow early data, which anybody could send again (RFC 8446, 8)")
    func earlyData() throws {
        let site = try Site()
        let saved = site.folder.file("session.pem")
        let early = try site.folder.write("early", "GET /x HTTP/1.1\r\nHost: one.test\r\n\r\n")
        #expect(try session(site, ["-tls1_3", "-sess_out", saved, site.shown("alice")]).contains("HTTP/1.1 200"))
        let again = try session(site, ["-tls1_3", "-sess_in", saved, "-early_data", early])
        #expect(again.contains("Reused, ") && again.contains("Early data was not sent"), "\(again)")
    }

    // MARK: Open connections

    /// What happens between two requests of a connection, and what the second one gets.
    enum Change: String, CaseIterable, CustomTestStringConvertible {
        case none, othersRevoked, revoked, listOver, listenerGone

        var testDescription: String { rawValue }
        var status: String { self == .listenerGone ? "421" : self == .none || self == .othersRevoked ? "200" : "401" }
        var code: String { self == .listenerGone ? "4210000" : "4013002" }
        var listSeconds: Int { self == .listOver ? 4 : 86_400 }

        func make(_ site: CertificateSite) throws {
            switch self {
            case .none: break
            case .othersRevoked, .revoked:
                try OpenSSL.revocationList(of: [self == .revoked ? "alice" : "bob"], in: site.folder)
                try site.reload()
            case .listOver: Thread.sleep(forTimeInterval: 5)
            case .listenerGone:
                try site.reload(CertificateSite.text(
                    site.folder, port: try Ports.free(), upstream: site.upstream.url, clients: "mode: optional, crl: \"FOLDER/crl.pem\"", policy: "clientCertificate: {}"))
            }
        }
    }

    private func site(_ change: Change, mode: String = "optional", policy: String = "clientCertificate: {}") throws -> Site {
        try Site(clients: "mode: \(mode), crl: \"FOLDER/crl.pem\"", policy: policy) { try OpenSSL.revocationList(of: [], in: $0, seconds: change.listSeconds) }
    }

    @Test("HTTP/1.1: who is still let in does not notice; who is not is refused and the connection closes, so that the client comes anew", arguments: Change.allCases)
    func overHTTP1(change: Change) throws {
        let site = try site(change)
        let answers = try site.keepingHTTP1(site.shown("alice")) { try change.make(site) }
        #expect(answers.map { String($0.prefix(3)) } == ["200", change.status], "\(answers)")
        #expect(answers.last?.contains("\r\nConnection: close\r\n") == (change.status != "200"), "\(answers)")
    }

    @Test("HTTP/2: the same; the refusal is sent, and GOAWAY has the client come anew", arguments: Change.allCases)
    func overHTTP2(change: Change) throws {
        let site = try site(change)
        let frames = try site.keepingHTTP2(site.shown("alice")) { try change.make(site) }
        #expect(frames.text(1).contains("GET /x"), "\(frames)")
        if change.status == "200" {
            #expect(frames.text(3).contains("GET /x") && frames.goAways.isEmpty, "\(frames)")
        } else {
            #expect(frames.text(3).contains("\"resultCode\":\(change.code)") && frames.goAways.first == 0x7FFF_FFFF, "\(frames)")
        }
    }

    @Test("a listener that requires certificates: the same holds for domains that do not ask for one", arguments: Change.allCases, [false, true])
    func requiringListener(change: Change, http2: Bool) throws {
        let site = try site(change, mode: "required", policy: "")
        if http2 {
            let frames = try site.keepingHTTP2(site.shown("alice")) { try change.make(site) }
            #expect(frames.text(1).contains("GET /x") && frames.text(3).contains(change.status == "200" ? "GET /x" : "\"resultCode\":\(change.code)"), "\(frames)")
            #expect(frames.goAways.isEmpty == (change.status == "200"), "\(frames)")
        } else {
            let answers = try site.keepingHTTP1(site.shown("alice")) { try change.make(site) }
            #expect(answers.map { String($0.prefix(3)) } == ["200", change.status], "\(answers)")
            #expect(answers.last?.contains("\r\nConnection: close\r\n") == (change.status != "200"), "\(answers)")
        }
    }

    @Test("a reload that requires certificates of everybody: who came without gets 421 from every domain", arguments: ["", "mode: optional"])
    func beginsToRequire(before: String) throws {
        let site = try Site(clients: before, policy: "")
        let text = Site.text(site.folder, port: site.port, upstream: site.upstream.url, clients: "mode: required", policy: "")
        let answers = try site.keepingHTTP1("") { try site.reload(text) }
        #expect(answers.map { String($0.prefix(3)) } == ["200", "421"], "\(answers)")
        let back = try Site(clients: "mode: required", policy: "")
        let optional = Site.text(back.folder, port: back.port, upstream: back.upstream.url, clients: "", policy: "")
        #expect(try back.keepingHTTP1(back.shown("alice")) { try back.reload(optional) }.map { String($0.prefix(3)) } == ["200", "200"])
    }

    @Test("HTTP/2: a request for another domain than that of the handshake gets 421 and its connection goes on for the others")
    func otherName() throws {
        let site = try Site()
        let frames = try site.keepingHTTP2(serverName: "two.test", "") {}
        #expect(frames.text(1).contains("\"resultCode\":4210000") && frames.text(3).contains("\"resultCode\":4210000") && frames.goAways.isEmpty, "\(frames)")
        // And one whose certificate is not of the lists keeps it: its other requests may be for other domains.
        let listed = try Site(policy: "clientCertificate: {subjects: [\"CN=bob\"]}")
        let refused = try listed.keepingHTTP2(listed.shown("alice")) {}
        #expect(refused.text(3).contains("\"resultCode\":4013002") && refused.goAways.isEmpty, "\(refused)")
    }

    @Test("a reload that begins to ask: open connections are sent to others (421), new ones are asked", arguments: [false, true])
    func beginsToAsk(http2: Bool) throws {
        let site = try Site(clients: "", policy: "")
        let text = Site.text(site.folder, port: site.port, upstream: site.upstream.url, clients: "mode: optional", policy: "clientCertificate: {}")
        if http2 {
            let frames = try site.keepingHTTP2("") { try site.reload(text) }
            #expect(frames.text(3).contains("\"resultCode\":4210000") && frames.goAways.first == 0x7FFF_FFFF, "\(frames)")
        } else {
            let answers = try site.keepingHTTP1("") { try site.reload(text) }
            #expect(answers.map { String($0.prefix(3)) } == ["200", "421"] && answers.last?.contains("\r\nConnection: close\r\n") == true, "\(answers)")
        }
        #expect(try site.curl("alice").output.hasSuffix("\n200"))
    }
}
