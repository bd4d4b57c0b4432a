import Foundation
import Testing

/// Certificates that clients show: real ones of a private authority, and clients that are not this project's.
@Suite("Client certificates", .loopback, .minutes(5))
struct ClientCertificateTests {
    private typealias Site = CertificateSite

    private func site(
        clients: String = "mode: optional", policy: String = "clientCertificate: {}", listener: String = "", environment: [String: String] = [:],
        _ prepare: (Folder) throws -> Void = { _ in }
    ) throws -> Site {
        try Site(clients: clients, policy: policy, listener: listener, environment: environment, prepare)
    }

    private func curl(_ site: Site, _ name: String?, host: String = "one.test", _ arguments: [String] = []) throws -> CommandResult {
        try site.curl(name, host: host, arguments)
    }

    private func metric(_ site: Site, _ reason: String) throws -> Int {
        let text = try site.gateway.get("/metrics", port: site.gateway.adminPort).text
        let line = text.split(separator: "\n").first { $0.hasPrefix("sluice_client_certificate_failures_total{reason=\"\(reason)\"}") }
        return line.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
    }

    // MARK: Who is let in

    @Test("a domain that requires a certificate: with one, without, and over a handshake for another domain", arguments: ["--http1.1", "--http2"])
    func required(version: String) throws {
        let site = try site()
        let passed = try curl(site, "alice", [version])
        #expect(passed.output.hasSuffix("\n200"), "\(passed.everything)")
        let without = try curl(site, nil, [version, "-i"])
        #expect(without.output.contains(RefusalRow.certificateMissing.body) && without.output.hasSuffix("\n401"), "\(without.everything)")
        #expect(without.output.lowercased().contains("\r\nwww-authenticate: clientcertificate\r\n"))
        let elsewhere = try curl(site, nil, host: "two.test", [version, "-H", "Host: one.test"])
        #expect(elsewhere.output.contains(RefusalRow.misdirected.body) && elsewhere.output.hasSuffix("\n421"), "\(elsewhere.everything)")
        // A certificate is the connection's: it holds for every domain of it.
        #expect(try curl(site, "alice", host: "two.test", [version, "-H", "Host: one.test"]).output.hasSuffix("\n200"))
        #expect(try curl(site, nil, host: "two.test", [version]).output.hasSuffix("\n200"))
    }

    @Test("each request of a connection is judged by its own host", arguments: ["--http1.1", "--http2"])
    func severalDomains(version: String) throws {
        let site = try site()
        let base = ["curl", "-sS", "-m", "10", "--noproxy", "*", "--cacert", site.folder.file("ca.pem"), "--resolve", "two.test:\(site.port):127.0.0.1", version]
        let url = "https://two.test:\(site.port)/x"
        let result = try command(base + ["-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", url]
            + ["--next"] + base.dropFirst() + ["-H", "Host: one.test", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", url])
        #expect(result.output == "200 1\n421 0\n", "\(result.everything)")
    }

    @Test("subjects and alternative names: those that are listed", arguments: [
        ("{subjects: [\"CN=alice, O=Example\\\\, Inc., C=KR\"]}", true), ("{subjects: [\"cn=alice,o=Example\\\\2c Inc.,c=KR\"]}", true),
        ("{subjects: [\"CN=Alice,O=Example\\\\, Inc.,C=KR\"]}", false), ("{subjects: [\"CN=alice\"]}", false), ("{subjects: [\"C=KR,O=Example\\\\, Inc.,CN=alice\"]}", false),
        ("{sans: [\"dns:*.clients.test\"]}", true), ("{sans: [\"dns:ALICE.clients.test\"]}", true), ("{sans: [\"dns:*.test\"]}", false),
        ("{sans: [\"uri:spiffe://td/alice\"]}", true), ("{sans: [\"uri:spiffe://td/ALICE\"]}", false), ("{sans: [\"uri:spiffe://td/bob\", \"dns:alice.clients.test\"]}", true),
        ("{subjects: [\"CN=bob\"], sans: [\"uri:spiffe://td/alice\"]}", false), ("{required: false, subjects: [\"CN=bob\"]}", false),
        ("{required: false}", true),
    ] as [(String, Bool)])
    func lists(policy: String, passes: Bool) throws {
        let site = try site(policy: "clientCertificate: \(policy)")
        let result = try curl(site, "alice")
        #expect(result.output.hasSuffix(passes ? "\n200" : "\n401"), "\(result.everything)")
        if !passes { #expect(result.output.contains(RefusalRow.certificateRefused.body)) }
        if policy.contains("required: false") { #expect(try curl(site, nil).output.hasSuffix("\n200")) }
    }

    @Test("mode required: no handshake without a certificate, whatever the domain; over plain HTTP nobody has one")
    func listenerRequires() throws {
        let plain = try Ports.free()
        let site = try site(clients: "mode: required", listener: "  - address: 127.0.0.1:\(plain)\n")
        #expect(try curl(site, "alice").output.hasSuffix("\n200"))
        for version in ["1.2", "1.3"] {
            let refused = try curl(site, nil, host: "two.test", ["--tls-max", version])
            #expect(refused.code != 0 && refused.errors.contains(version == "1.3" ? "certificate required" : "handshake failure"), "\(refused.everything)")
        }
        #expect(try eventually { try metric(site, "missing") == 2 })
        expect(try site.gateway.get("/one/x", port: plain), is: .certificateMissing)
        #expect(try site.gateway.get("/two/x", port: plain).status == 200)
    }

    @Test("a certificate that is not accepted fails the handshake in both modes, and is counted by what is wrong with it", arguments: ["optional", "required"])
    func faults(mode: String) throws {
        let site = try site(clients: "mode: \(mode), crl: \"FOLDER/crl.pem\"") { folder in
            try OpenSSL.clientCertificate("old", subject: "/CN=old", in: folder, days: -1)
            try OpenSSL.clientCertificate("revoked", subject: "/CN=revoked", in: folder)
            try OpenSSL.revocationList(of: ["revoked"], in: folder)
            let stranger = try Folder()
            try OpenSSL.authority(in: stranger)
            try OpenSSL.clientCertificate("stranger", subject: "/CN=alice", in: stranger)
            for name in ["stranger.pem", "stranger.key"] { try folder.write(name, stranger.read(name)) }
        }
        #expect(try curl(site, "alice").output.hasSuffix("\n200"))
        for (name, reason, alert) in [
            ("old", "expired", "certificate expired"), ("revoked", "revoked", "certificate revoked"), ("stranger", "unknown_issuer", "unknown ca"),
        ] {
            for version in ["1.2", "1.3"] {
                let result = try curl(site, name, ["--tls-max", version])
                #expect(result.code != 0 && (result.errors.contains(alert) || result.code == 60), "\(name) \(version) \(result.everything)")
            }
            #expect(try eventually { try metric(site, reason) == 2 }, "\(reason)")
        }
    }

    @Test("a list of revoked certificates that is over: check says so, run serves, and no client of its authority is let in")
    func expiredList() throws {
        let site = try site(clients: "mode: optional, crl: \"FOLDER/crl.pem\"") { folder in
            try OpenSSL.revocationList(of: [], in: folder, seconds: 1)
            Thread.sleep(forTimeInterval: 2.1)
        }
        #expect(site.gateway.log.contains("crl.pem: list 1 has expired"))
        let checked = try run(["check", "--config", site.folder.file("sluice.yaml")])
        #expect(checked.code == 1 && checked.errors.contains("listeners[0].clientCertificates.crl: found") && checked.errors.contains("sluice.yaml:4:"), "\(checked.everything)")
        #expect(try curl(site, "alice").code != 0)
        #expect(try curl(site, nil, host: "two.test").output.hasSuffix("\n200"))
        #expect(try eventually { try metric(site, "revocation_list") == 1 })
    }

    @Test("chains: SLUICE_CLIENT_CHAIN_DEPTH certificates between the client's and the authority's, and SLUICE_CLIENT_CHAIN_BYTES", arguments: [
        (["SLUICE_CLIENT_CHAIN_DEPTH": "2"], ""), (["SLUICE_CLIENT_CHAIN_DEPTH": "1"], "chain_too_long"), (["SLUICE_CLIENT_CHAIN_BYTES": "2048"], ""),
    ] as [([String: String], String)])
    func chains(environment: [String: String], reason: String) throws {
        let site = try site(environment: environment) { folder in
            try OpenSSL.clientCertificate("i1", subject: "/CN=i1", in: folder, isAuthority: true)
            try OpenSSL.clientCertificate("i2", subject: "/CN=i2", in: folder, by: "i1", isAuthority: true)
            try OpenSSL.clientCertificate("leaf", subject: "/CN=leaf", in: folder, by: "i2")
            try folder.write("long.pem", folder.read("leaf.pem") + folder.read("i2.pem") + folder.read("i1.pem"))
            try folder.write("long.key", folder.read("leaf.key"))
            try folder.write("huge.pem", folder.read("leaf.pem") + String(repeating: folder.read("i2.pem"), count: 12) + folder.read("i1.pem"))
            try folder.write("huge.key", folder.read("leaf.key"))
        }
        let result = try curl(site, "long")
        #expect(result.output.hasSuffix("\n200") == reason.isEmpty, "\(result.everything)")
        if !reason.isEmpty { #expect(try eventually { try metric(site, reason) == 1 }) }
        let huge = try curl(site, "huge")
        #expect(huge.output.hasSuffix("\n200") == (environment.keys.contains("SLUICE_CLIENT_CHAIN_DEPTH") && reason.isEmpty), "\(huge.everything)")
    }

    // MARK: What services are told

    @Test("services are told of the certificate, where the domain says so, and no client can say it", arguments: ["--http1.1", "--http2"])
    func told(version: String) throws {
        let site = try site()
        let lies = ["Client-Cert", "client-cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert", "X_Forwarded_Client_Cert", "Client_Cert", "client.cert"]
        let arguments = lies.flatMap { ["-H", "\($0): evil"] } + ["-H", "Connection: Client-Cert, X-Forwarded-Client-Cert"]
        let told = try curl(site, "alice", [version] + (version == "--http2" ? arguments.dropLast(2) : arguments[...]))
        #expect(told.output.hasSuffix("\n200") && !told.output.contains("evil"), "\(told.everything)")
        let der = try command(["openssl", "x509", "-in", site.folder.file("alice.pem"), "-outform", "DER"])
        #expect(der.code == 0)
        let hash = try command(["sh", "-c", "openssl x509 -in '\(site.folder.file("alice.pem"))' -outform DER | sha256sum | cut -d' ' -f1"]).output.trimmingCharacters(in: .whitespacesAndNewlines)
        let base64 = try command(["sh", "-c", "openssl x509 -in '\(site.folder.file("alice.pem"))' -outform DER | base64 -w0"]).output
        let lines = told.output.split(separator: "\r\n").map(String.init)
        #expect(lines.contains("X-Forwarded-Client-Cert: Hash=\(hash);Subject=\"CN=alice,O=Example\\\\2C Inc.,C=KR\";URI=spiffe://td/alice;DNS=alice.clients.test"), "\(told.output)")
        #expect(lines.contains("Client-Cert: :\(base64):"))
        for (name, host) in [("alice", "two.test"), (nil, "two.test")] as [(String?, String)] {
            let untold = try curl(site, name, host: host, [version] + (version == "--http2" ? arguments.dropLast(2) : arguments[...]))
            #expect(untold.output.hasSuffix("\n200") && !untold.output.contains("evil") && !untold.output.lowercased().contains("client-cert"), "\(untold.everything)")
        }
    }

    @Test("not even a trusted proxy says who the client is, and unusual names that pass do not bear it")
    func trustedProxy() throws {
        let upstream = try Site.echo()
        let gateway = try Gateway(
            configuration(upstream: upstream.url, top: ["trustedProxies: [127.0.0.0/8]"]), environment: ["SLUICE_UNUSUAL_FIELDS": "pass"])
        let response = try gateway.get("/api/x", [
            "X-Forwarded-Client-Cert: evil", "Client-Cert: evil", "client_cert: evil", "CLIENT.CERT.CHAIN: evil", "X-Forwarded_Client-Cert: evil", "X-Other_One: kept",
        ])
        #expect(response.status == 200 && !response.text.contains("evil") && response.text.contains("X-Other_One: kept"), "\(response.text)")
    }

    @Test("the access log names the certificate; explain judges one in a file")
    func shown() throws {
        let log = try Folder().file("access.log")
        let site = try site(clients: "mode: optional, crl: \"FOLDER/crl.pem\"", policy: "clientCertificate: {subjects: [\"CN=bob\"]}", environment: ["SLUICE_ACCESS_LOG": log]) { folder in
            try OpenSSL.clientCertificate("revoked", subject: "/CN=revoked", in: folder)
            try OpenSSL.revocationList(of: ["revoked"], in: folder)
        }
        #expect(try curl(site, "bob").output.hasSuffix("\n200"))
        #expect(try curl(site, nil, host: "two.test").output.hasSuffix("\n200"))
        #expect(eventually { (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n").count == 2 })
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
        #expect(lines.count { $0.contains(#""certificate":"CN=bob","certificateHash":""#) } == 1 && lines.count { $0.contains("certificate") } == 1, "\(lines)")
        let file = site.folder.file("sluice.yaml")
        for (name, verdict, code) in [
            ("bob", "verdict: proxy GET ", Int32(0)), ("alice", "verdict: 401 4013002 ", 3), ("revoked", "verdict: handshake failed: client certificate revoked", 3),
            (nil, "verdict: 401 4013001 ", 3),
        ] as [(String?, String, Int32)] {
            let shown = name.map { ["--certificate", site.folder.file($0 + ".pem")] } ?? []
            let result = try run(["explain", file, "GET", "https://one.test/x"] + shown)
            #expect(result.code == code && result.output.contains(verdict), "\(name ?? "-") \(result.everything)")
        }
        #expect(try run(["explain", file, "GET", "http://one.test/x", "--certificate", site.folder.file("bob.pem")]).code == 2)
        let missing = try run(["explain", file, "GET", "https://one.test/x", "--certificate", site.folder.file("none.pem")])
        #expect(missing.code == 1 && missing.errors.contains("none.pem") && !missing.output.contains("verdict"), "\(missing.everything)")
    }

    // MARK: The ways in

    @Test("behind a PROXY header the certificate is asked for as without")
    func proxyHeader() throws {
        let folder = try Site.authorities()
        let port = try Ports.free()
        let upstream = try Site.echo()
        let text = Site.text(folder, port: port, upstream: upstream.url, clients: "mode: required", policy: "clientCertificate: {}", listener: "    proxyProtocol: true\n    trustedProxies: [127.0.0.1]\n")
        let gateway = try Gateway(text, folder: folder, readyPort: port)
        let site = Site(folder: folder, gateway: gateway, port: port, upstream: upstream)
        let passed = try curl(site, "alice", ["--haproxy-protocol"])
        #expect(passed.output.hasSuffix("\n200") && passed.output.contains("X-Forwarded-Client-Cert: Hash="), "\(passed.everything)")
        #expect(try curl(site, nil, ["--haproxy-protocol"]).code != 0)
    }

    // MARK: Check

    @Test("files that cannot be used are found with their place", arguments: [
        ("{ca: none.pem}", "clientCertificates.ca: found", "No such file"), ("{ca: empty.pem}", "clientCertificates.ca: found", "no certificate in PEM form"),
        ("{ca: ca.pem, crl: ca.pem}", "clientCertificates.crl: found", "no list of revoked certificates"), ("{}", "clientCertificates.ca: found", "found nothing"),
        ("{ca: ca.pem, mode: always}", "clientCertificates.mode: found", "always"), ("{ca: ca.pem, crl: other.pem}", "clientCertificates.crl: found", "not signed by"),
        ("{ca: many.pem}", "clientCertificates.ca: found", "257 certificates"),
    ])
    func unusable(clients: String, place: String, text: String) throws {
        let folder = try Site.authorities()
        try OpenSSL.revocationList(of: [], in: folder)
        let stranger = try Folder()
        try OpenSSL.authority(in: stranger)
        try OpenSSL.revocationList(of: [], in: stranger)
        try folder.write("other.pem", stranger.read("crl.pem"))
        try folder.write("empty.pem", "nothing\n")
        try folder.write("many.pem", String(repeating: folder.read("ca.pem"), count: 257))
        let file = try folder.write("sluice.yaml", """
            listeners:
              - address: 127.0.0.1:1
                tls: {certificate: server.pem, key: {file: server.key}}
                clientCertificates: \(clients)
            domains: [{key: one, endpoints: [{path: /, policies: {mock: {status: 200}}}]}]

            """)
        let result = try run(["check", file])
        #expect(result.code == 1 && result.errors.contains("sluice.yaml:4:") && result.errors.contains(place) && result.errors.contains(text), "\(result.everything)")
    }

    @Test("certificates are asked for in TLS only; a domain that requires one without a listener that asks is noted")
    func misplaced() throws {
        let folder = try Site.authorities()
        let plain = try folder.write("plain.yaml", """
            listeners: [{address: "127.0.0.1:1", clientCertificates: {ca: ca.pem}}]
            domains: [{key: one, endpoints: [{path: /, policies: {mock: {status: 200}}}]}]

            """)
        let result = try run(["check", plain])
        #expect(result.code == 1 && result.errors.contains("plain.yaml:1:") && result.errors.contains("without `tls`"), "\(result.everything)")
        let nobody = try folder.write("nobody.yaml", """
            domains: [{key: one, policies: {clientCertificate: {}}, endpoints: [{path: /, policies: {mock: {status: 200}}}]}]

            """)
        let noted = try run(["check", nobody])
        #expect(noted.code == 0 && noted.everything.contains("no listener has `clientCertificates`"), "\(noted.everything)")
    }
}
