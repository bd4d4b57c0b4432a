import Foundation
import Testing

/// Certificates that clients show: real ones of a private authority, and clients that are not this project's.
@Suite("Client certificates", .loopback, .minutes(5))
struct ClientCertificateTests {
    /// A gateway with a listener that asks for certificates, a domain that requires one (one.test) and one that does not (two.test).
    private struct Site {
        let folder: Folder
        let gateway: Gateway
        let port: UInt16
        let upstream: ScriptedUpstream
    }

    /// Answers with the head that it got.
    private static func echo() throws -> ScriptedUpstream {
        try ScriptedUpstream { call in
            let body = Array(call.request.headText.utf8)
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n")
            try call.send(body)
        }
    }

    private static func authorities() throws -> Folder {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("server", for: ["one.test", "two.test"], in: folder)
        try OpenSSL.clientCertificate("alice", subject: "/C=KR/O=Example, Inc./CN=alice", alternatives: "DNS:alice.clients.test,URI:spiffe://td/alice", in: folder)
        try OpenSSL.clientCertificate("bob", subject: "/CN=bob", alternatives: "DNS:bob.other.test", in: folder)
        return folder
    }

    private static func text(_ folder: Folder, port: UInt16, upstream: String, clients: String, policy: String, listener: String = "") -> String {
        let files = "certificate: \"\(folder.file("server.pem"))\", key: {file: \"\(folder.file("server.key"))\"}"
        let asks = clients.isEmpty ? "" : "    clientCertificates: {ca: \"\(folder.file("ca.pem"))\", \(clients.replacing("FOLDER", with: folder.path))}\n"
        return """
            listeners:
              - address: 127.0.0.1:\(port)
                tls: {\(files)}
            \(asks)\(listener)domains:
              - key: one
                hosts: [one.test]
                upstream: \(upstream)
                policies: {\(policy)}
                endpoints: [{path: "/**"}]
              - key: two
                hosts: [two.test]
                upstream: \(upstream)
                endpoints: [{path: "/**"}]

            """
    }

    private func site(
        clients: String = "mode: optional", policy: String = "clientCertificate: {}", listener: String = "", environment: [String: String] = [:],
        _ prepare: (Folder) throws -> Void = { _ in }
    ) throws -> Site {
        let folder = try Self.authorities()
        try prepare(folder)
        let port = try Ports.free()
        let upstream = try Self.echo()
        let gateway = try Gateway(
            Self.text(folder, port: port, upstream: upstream.url, clients: clients, policy: policy, listener: listener), folder: folder,
            environment: environment, admin: true, readyPort: port)
        return Site(folder: folder, gateway: gateway, port: port, upstream: upstream)
    }

    private func curl(_ site: Site, _ name: String?, host: String = "one.test", _ arguments: [String] = []) throws -> CommandResult {
        let shown = name.map { ["--cert", site.folder.file($0 + ".pem"), "--key", site.folder.file($0 + ".key")] } ?? []
        return try command(
            ["curl", "-sS", "-m", "10", "--noproxy", "*", "--cacert", site.folder.file("ca.pem"), "--resolve", "\(host):\(site.port):127.0.0.1"] + shown + arguments
                + ["-w", "\n%{http_code}", "https://\(host):\(site.port)/x"])
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
        let upstream = try Self.echo()
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
    }

    // MARK: Sessions, reloads, and the ways in

    /// One connection by `openssl s_client` with one request; what it printed.
    private func session(_ site: Site, _ arguments: [String], name: String = "one.test") throws -> String {
        try command([
            "sh", "-c",
            "(printf 'GET /x HTTP/1.1\\r\\nHost: one.test\\r\\nConnection: close\\r\\n\\r\\n'; sleep 1) | openssl s_client -connect 127.0.0.1:\(site.port) -servername \(name) "
                + arguments.joined(separator: " "),
        ]).everything
    }

    @Test("a resumed session keeps the certificate; after a reload with another authority, list or mode it begins anew", arguments: ["-tls1_2", "-tls1_3"])
    func resumption(version: String) throws {
        let site = try site(clients: "mode: optional, crl: \"FOLDER/crl.pem\"") { try OpenSSL.revocationList(of: [], in: $0) }
        let saved = site.folder.file("session\(version).pem")
        let shown = ["-cert", site.folder.file("alice.pem"), "-key", site.folder.file("alice.key")]
        let first = try session(site, [version, "-sess_out", saved] + shown)
        #expect(first.contains("New, ") && first.contains("HTTP/1.1 200"), "\(first)")
        let second = try session(site, [version, "-sess_in", saved])
        #expect(second.contains("Reused, ") && second.contains("HTTP/1.1 200"), "\(second)")
        #expect(try session(site, [version, "-sess_in", saved], name: "two.test").contains("New, "))
        // The same authorities and lists: the session goes on.
        let text = { (clients: String) in
            Self.text(site.folder, port: site.port, upstream: site.upstream.url, clients: clients, policy: "clientCertificate: {}")
        }
        func reload(_ clients: String) throws {
            let before = site.gateway.log.components(separatedBy: " reloaded").count
            try site.gateway.reload(text(clients))
            #expect(eventually { site.gateway.log.components(separatedBy: " reloaded").count == before + 1 })
        }
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

    @Test("an open connection after a reload: who is still let in does not notice, and what was revoked does not go on", arguments: [false, true])
    func openConnection(isRevoked: Bool) throws {
        let site = try site(clients: "mode: optional, crl: \"FOLDER/crl.pem\"") { try OpenSSL.revocationList(of: [], in: $0) }
        let shown = "-cert '\(site.folder.file("alice.pem"))' -key '\(site.folder.file("alice.key"))'"
        let request = { (last: String) in "printf 'GET /x HTTP/1.1\\r\\nHost: one.test\\r\\n\(last)\\r\\n'" }
        let (began, go) = (site.folder.file("began"), site.folder.file("go"))
        let client = try ChildProcess([
            "sh", "-c",
            "(\(request("")); sleep 1; touch '\(began)'; while [ ! -e '\(go)' ]; do sleep 0.05; done; \(request("Connection: close\\r\\n")); sleep 1) "
                + "| openssl s_client -connect 127.0.0.1:\(site.port) -servername one.test -quiet \(shown)",
        ], environment: [:], folder: try Folder())
        #expect(eventually { FileManager.default.fileExists(atPath: began) })
        try OpenSSL.revocationList(of: [isRevoked ? "alice" : "bob"], in: site.folder)
        site.gateway.process.signal(SIGHUP)
        #expect(eventually { site.gateway.log.contains(" reloaded") })
        try site.folder.write("go", "")
        #expect(client.waitForExit(20) != nil)
        let statuses = client.standardOutput.components(separatedBy: "HTTP/1.1 ").dropFirst().map { String($0.prefix(3)) }
        #expect(statuses == ["200", isRevoked ? "401" : "200"], "\(client.standardOutput) \(client.standardError)")
    }

    @Test("a reload that begins to ask: open connections are sent to others (421), new ones are asked")
    func beginsToAsk() throws {
        let site = try site(clients: "", policy: "")
        let request = "printf 'GET /x HTTP/1.1\\r\\nHost: one.test\\r\\n\\r\\n'"
        let (began, go) = (site.folder.file("began"), site.folder.file("go"))
        let client = try ChildProcess([
            "sh", "-c",
            "(\(request); sleep 1; touch '\(began)'; while [ ! -e '\(go)' ]; do sleep 0.05; done; \(request); sleep 1) "
                + "| openssl s_client -connect 127.0.0.1:\(site.port) -servername one.test -quiet",
        ], environment: [:], folder: try Folder())
        #expect(eventually { FileManager.default.fileExists(atPath: began) })
        try site.gateway.reload(Self.text(site.folder, port: site.port, upstream: site.upstream.url, clients: "mode: optional", policy: "clientCertificate: {}"))
        #expect(eventually { site.gateway.log.contains(" reloaded") })
        try site.folder.write("go", "")
        #expect(client.waitForExit(20) != nil)
        let answers = client.standardOutput.components(separatedBy: "HTTP/1.1 ").dropFirst()
        #expect(answers.map { String($0.prefix(3)) } == ["200", "421"] && answers.last?.contains("\r\nConnection: close\r\n") == true, "\(client.standardOutput)")
        #expect(try curl(site, "alice").output.hasSuffix("\n200"))
    }

    @Test("a listener that leaves the configuration lets in nobody any more whom nobody looks after: its open connections get 421")
    func listenerGone() throws {
        let site = try site(clients: "mode: optional")
        let shown = "-cert '\(site.folder.file("alice.pem"))' -key '\(site.folder.file("alice.key"))'"
        let request = "printf 'GET /x HTTP/1.1\\r\\nHost: one.test\\r\\n\\r\\n'"
        let (began, go) = (site.folder.file("began"), site.folder.file("go"))
        let client = try ChildProcess([
            "sh", "-c",
            "(\(request); sleep 1; touch '\(began)'; while [ ! -e '\(go)' ]; do sleep 0.05; done; \(request); sleep 1) "
                + "| openssl s_client -connect 127.0.0.1:\(site.port) -servername one.test -quiet \(shown)",
        ], environment: [:], folder: try Folder())
        #expect(eventually { FileManager.default.fileExists(atPath: began) })
        let text = Self.text(site.folder, port: try Ports.free(), upstream: site.upstream.url, clients: "mode: optional", policy: "clientCertificate: {}")
        try site.gateway.reload(text)
        #expect(eventually { site.gateway.log.contains(" reloaded") })
        try site.folder.write("go", "")
        #expect(client.waitForExit(20) != nil)
        let answers = client.standardOutput.components(separatedBy: "HTTP/1.1 ").dropFirst().map { String($0.prefix(3)) }
        #expect(answers == ["200", "421"], "\(client.standardOutput)")
    }

    @Test("behind a PROXY header the certificate is asked for as without")
    func proxyHeader() throws {
        let folder = try Self.authorities()
        let port = try Ports.free()
        let upstream = try Self.echo()
        let text = Self.text(folder, port: port, upstream: upstream.url, clients: "mode: required", policy: "clientCertificate: {}", listener: "    proxyProtocol: true\n    trustedProxies: [127.0.0.1]\n")
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
        let folder = try Self.authorities()
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
        let folder = try Self.authorities()
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
