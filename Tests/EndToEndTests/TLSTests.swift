import Foundation
import Testing

/// TLS on both sides, with certificates of a private authority made at test time and clients that are not this project's.
@Suite("TLS", .loopback, .minutes(5))
struct TLSTests {
    private struct Site {
        let folder: Folder
        let gateway: Gateway
        let port: UInt16
    }

    /// A gateway with two certificates on one listener.
    private func site(upstream: String = "http://127.0.0.1:9", _ endpoints: [EndpointText] = [EndpointText("/**", helloMock)]) throws -> Site {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("one", for: ["one.test", "*.wild.test"], in: folder)
        try OpenSSL.certificate("two", for: ["two.test"], in: folder)
        let port = try Ports.free()
        let tls = ["one", "two"].map { "{certificate: \"\(folder.file($0 + ".pem"))\", key: {file: \"\(folder.file($0 + ".key"))\"}}" }
        let gateway = try Gateway(
            configuration(upstream: upstream, top: ["listeners:", "  - address: 127.0.0.1:\(port)", "    tls: [\(tls.joined(separator: ", "))]"], endpoints),
            readyPort: port)
        return Site(folder: folder, gateway: gateway, port: port)
    }

    private func curl(_ site: Site, host: String, _ arguments: [String], path: String = "/api/x") throws -> CommandResult {
        try command(
            ["curl", "-sS", "-m", "10", "--noproxy", "*", "--cacert", site.folder.file("ca.pem"), "--resolve", "\(host):\(site.port):127.0.0.1"] + arguments
                + ["https://\(host):\(site.port)\(path)"])
    }

    private func subject(_ site: Site, servername: String?) throws -> String {
        let name = servername.map { ["-servername", $0] } ?? ["-noservername"]
        return try command(["openssl", "s_client", "-connect", "127.0.0.1:\(site.port)"] + name).everything
    }

    @Test("the certificate is chosen by SNI; the first one without a name or for an unknown one")
    func sni() throws {
        let site = try site()
        for (name, common) in [("one.test", "one.test"), ("two.test", "two.test"), ("a.wild.test", "one.test"), ("unknown.test", "one.test")] {
            let text = try subject(site, servername: name)
            #expect(text.contains("CN = \(common)") || text.contains("CN=\(common)"), "\(name)")
        }
        #expect(try subject(site, servername: nil).contains("one.test"))
        for host in ["one.test", "two.test", "b.wild.test"] {
            let result = try curl(site, host: host, [])
            #expect(result.code == 0 && result.output == "hello", "\(host) \(result.errors)")
        }
    }

    @Test("an RSA and an ECDSA certificate for one name: each client is served the one that it takes, whatever their order", arguments: [
        ["rsa", "ec", "two"], ["two", "ec", "rsa"],
    ])
    func bothKinds(order: [String]) throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("rsa", for: ["one.test"], in: folder, key: ["-newkey", "rsa:2048"])
        try OpenSSL.certificate("ec", for: ["one.test"], in: folder)
        try OpenSSL.certificate("two", for: ["two.test"], in: folder)
        let port = try Ports.free()
        let tls = order.map { "{certificate: \"\(folder.file($0 + ".pem"))\", key: {file: \"\(folder.file($0 + ".key"))\"}}" }
        let gateway = try Gateway(
            configuration(top: ["listeners:", "  - address: 127.0.0.1:\(port)", "    tls: [\(tls.joined(separator: ", "))]"], [EndpointText("/**", helloMock)]),
            readyPort: port)
        for version in ["-tls1_2", "-tls1_3"] {
            for (algorithm, kind) in [("rsa_pss_rsae_sha256", "rsaEncryption"), ("ecdsa_secp256r1_sha256", "id-ecPublicKey")] {
                let shown = try command([
                    "sh", "-c",
                    "openssl s_client -connect 127.0.0.1:\(port) -servername one.test \(version) -sigalgs \(algorithm) </dev/null | openssl x509 -noout -text",
                ])
                #expect(shown.output.contains("Public Key Algorithm: \(kind)") && shown.output.contains("CN = one.test"), "\(version) \(algorithm) \(shown.errors)")
            }
        }
        #expect(gateway.process.exitCode() == nil)
    }

    @Test("check tells of a certificate that has expired; run says so, and serves it all the same")
    func expired() throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("old", for: ["old.test"], in: folder, days: -1)
        let port = try Ports.free()
        let text = configuration(
            top: ["listeners:", "  - address: 127.0.0.1:\(port)", "    tls: {certificate: \"\(folder.file("old.pem"))\", key: {file: \"\(folder.file("old.key"))\"}}"],
            [EndpointText("/**", helloMock)])
        let checked = try run(["check", "--config", folder.write("sluice.yaml", text)])
        #expect(checked.code == 1 && checked.errors.contains("sluice.yaml:3:24: listeners[0].tls.certificate: found"), "\(checked.everything)")
        #expect(checked.errors.contains("old.pem: the certificate has expired"))
        let gateway = try Gateway(text, readyPort: port)
        #expect(gateway.log.contains("old.pem: the certificate has expired"))
        let result = try command(["curl", "-sSk", "-m", "10", "--noproxy", "*", "https://127.0.0.1:\(port)/api/x"])
        #expect(result.output == "hello")
    }

    @Test("a handshake that does not end is ended after SLUICE_TLS_HANDSHAKE_TIMEOUT_MS, and counted", arguments: ["", "\u{16}\u{3}\u{1}"])
    func slowHandshake(beginning: String) throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("one", for: ["one.test"], in: folder)
        let port = try Ports.free()
        let gateway = try Gateway(
            configuration(
                top: ["listeners:", "  - address: 127.0.0.1:\(port)", "    tls: {certificate: \"\(folder.file("one.pem"))\", key: {file: \"\(folder.file("one.key"))\"}}"],
                [EndpointText("/**", helloMock)]),
            environment: ["SLUICE_TLS_HANDSHAKE_TIMEOUT_MS": "200"], admin: true, readyPort: port)
        let failures = {
            let text = try gateway.get("/metrics", port: gateway.adminPort).text
            return text.split(separator: "\n").first { $0.hasPrefix("sluice_tls_handshake_failures_total ") }.flatMap { Double($0.split(separator: " ")[1]) } ?? -1
        }
        // The harness's own look at the port ends without a handshake.
        #expect(try eventually { try failures() >= 1 })
        let before = try failures()
        let client = try RawClient(port: port)
        if !beginning.isEmpty { try client.send(beginning) }
        #expect(client.endsQuietly())
        #expect(try eventually { try failures() == before + 1 })
    }

    @Test("TLS 1.2 and 1.3 are spoken, 1.1 and 1.0 are refused")
    func versions() throws {
        let site = try site()
        for version in ["1.2", "1.3"] {
            let result = try curl(site, host: "one.test", ["--tlsv\(version)", "--tls-max", version, "-w", "%{http_code}"])
            #expect(result.output == "hello200", "\(version) \(result.errors)")
        }
        for flag in ["-tls1_1", "-tls1"] {
            let result = try command(["openssl", "s_client", "-connect", "127.0.0.1:\(site.port)", flag, "-cipher", "ALL:@SECLEVEL=0"])
            #expect(!result.everything.contains("Cipher is ECDHE") && (result.code != 0 || result.everything.contains("Cipher is (NONE)")), "\(flag)")
        }
    }

    @Test("a proxied request over TLS says https to the upstream; large bodies and many requests on one connection")
    func proxied() throws {
        let upstream = try ScriptedUpstream { call in
            let body = call.request.body
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n")
            try call.send(body)
        }
        let site = try site(upstream: upstream.url, [EndpointText("/**")])
        let body = String((0..<600_000).map { Character(UnicodeScalar(UInt8(97 + $0 % 26))) })
        try site.folder.write("body", body)
        let result = try curl(site, host: "two.test", ["--data-binary", "@" + site.folder.file("body")])
        let isWhole = result.output == body
        #expect(isWhole, "\(result.output.utf8.count) bytes, \(result.errors)")
        #expect(upstream.requests.last?.values("X-Forwarded-Proto") == ["https"])
        #expect(upstream.requests.last?.values("X-Forwarded-Host") == ["two.test:\(site.port)"])
        let url = "https://two.test:\(site.port)/api/again"
        let several = try curl(site, host: "two.test", ["-X", "POST", "-d", "ab", url, url, "-w", "%{num_connects};"])
        #expect(several.output.filter { $0 == ";" }.count == 3 && several.output.hasPrefix("ab1;ab0;ab0;"), "\(several.output)")
    }

    @Test("plain HTTP on a TLS listener gets no response of the domain; a broken handshake hurts nobody else")
    func notTLS() throws {
        let site = try site()
        let client = try RawClient(port: site.port, timeout: 5)
        try client.send(Gateway.text("GET", "/api/x"))
        let answer = (try? client.toEnd()) ?? []
        #expect(!String(decoding: answer, as: UTF8.self).contains("hello"))
        let half = try RawClient(port: site.port)
        try half.send([22, 3, 1, 2, 0, 1])
        half.close()
        #expect(try curl(site, host: "one.test", []).output == "hello")
    }

    @Test("every end in order is a close_notify, so that it can be told from a cut: to a client that has said its own, with a response due and without")
    func closeNotify() throws {
        let upstream = try ScriptedUpstream { call in
            if call.request.target == "/kept" { return try call.reply(200, body: "kept") }
            if call.request.target == "/tunnel" {
                try call.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
                while try !call.some().isEmpty {}
                try call.send("until the end")
                return call.close()
            }
            pause(0.1)
            try call.send("HTTP/1.1 200 OK\r\n\r\nuntil the end")
            call.close()
        }
        let site = try site(upstream: upstream.url, [EndpointText("/**")])
        let script = """
            import socket, ssl, sys
            context = ssl.create_default_context(cafile=sys.argv[2])
            class Client:
                def __init__(self):
                    self.socket = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
                    self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                    self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="one.test")
                    self.do(self.tls.do_handshake)
                def flush(self):
                    if self.outgoing.pending:
                        self.socket.sendall(self.outgoing.read())
                def do(self, action):
                    while True:
                        try:
                            return action()
                        except ssl.SSLWantReadError:
                            self.flush()
                            received = self.socket.recv(65536)
                            self.incoming.write(received) if received else self.incoming.write_eof()
                        finally:
                            self.flush()
                def ask(self, line):
                    self.do(lambda: self.tls.write(line.encode() + b"\\r\\nHost: one.test\\r\\n\\r\\n"))
                def read_until(self, end):
                    text = b""
                    while not text.endswith(end):
                        text += self.do(lambda: self.tls.read(65536))
                    return text
            kept = Client()
            kept.ask("GET /api/kept HTTP/1.1")
            kept.read_until(b"kept")
            kept.do(kept.tls.unwrap)
            def end(line, switched):
                client = Client()
                client.ask(line)
                if switched:
                    client.read_until(b"\\r\\n\\r\\n")
                try:
                    client.tls.unwrap()
                except ssl.SSLWantReadError:
                    client.flush()
                client.socket.shutdown(socket.SHUT_WR)
                client.read_until(b"until the end")
                try:
                    print("then", client.do(lambda: client.tls.read(1)))
                except ssl.SSLZeroReturnError:
                    print("in order")
            end("GET /api/ended HTTP/1.0", False)
            end("GET /api/tunnel HTTP/1.1\\r\\nConnection: Upgrade\\r\\nUpgrade: x", True)
            """
        let result = try command(["python3", "-c", script, "\(site.port)", site.folder.file("ca.pem")])
        #expect(result.code == 0 && result.output == "in order\nin order\n", "\(result.everything)")
    }

    @Test("upstream https: with the private authority 200; without it, and with the wrong name, 502; verify: false, 200")
    func upstreamTLS() throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("good", for: ["127.0.0.1", "localhost"], in: folder)
        try OpenSSL.certificate("wrong", for: ["elsewhere.test"], in: folder)
        func nginx(_ name: String) throws -> Nginx {
            try Nginx(
                listen: "ssl",
                "ssl_certificate \(folder.file(name + ".pem")); ssl_certificate_key \(folder.file(name + ".key")); location / { return 200 \"$ssl_server_name $http_host $uri\"; }")
        }
        let (good, wrong) = (try nginx("good"), try nginx("wrong"))
        let ca = "upstreamTls: {ca: \"\(folder.file("ca.pem"))\"}"
        let named = try Gateway(configuration(upstream: "https://localhost:\(good.port)/b", domain: [ca]))
        let response = try named.get("/api/x")
        #expect(response.status == 200 && response.text == "localhost localhost:\(good.port) /b/x", "\(response.text)")
        let numbered = try Gateway(configuration(upstream: "https://127.0.0.1:\(good.port)", domain: [ca]))
        #expect(try numbered.get("/api/x").status == 200)
        let unknownAuthority = try Gateway(configuration(upstream: "https://localhost:\(good.port)"))
        expect(try unknownAuthority.get("/api/x"), is: .badGateway)
        let wrongName = try Gateway(configuration(upstream: "https://localhost:\(wrong.port)", domain: [ca]))
        expect(try wrongName.get("/api/x"), is: .badGateway)
        let unverified = try Gateway(configuration(upstream: "https://localhost:\(wrong.port)", domain: ["upstreamTls: {verify: false}"]))
        #expect(try unverified.get("/api/x").status == 200)
        let plain = try ScriptedUpstream()
        let notTLS = try Gateway(configuration(upstream: "https://127.0.0.1:\(plain.port)", domain: [ca]))
        expect(try notTLS.get("/api/x"), is: .badGateway)
    }

    @Test("bodies of many TLS records pass in both directions, on both sides")
    func largeBodies() throws {
        let origin = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(call.request.body.count)\r\n\r\n")
            try call.send(call.request.body)
        }
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("good", for: ["localhost"], in: folder)
        let front = try Nginx(
            listen: "ssl",
            """
            ssl_certificate \(folder.file("good.pem")); ssl_certificate_key \(folder.file("good.key")); client_max_body_size 100m;
            location / { proxy_pass \(origin.url); proxy_http_version 1.1; }
            """)
        let gateway = try Gateway(configuration(upstream: "https://localhost:\(front.port)", domain: ["upstreamTls: {ca: \"\(folder.file("ca.pem"))\"}"]))
        for size in [16_384, 16_385, 100_000, 3_000_000] {
            let body = String(repeating: "0123456789abcdef", count: size / 16 + 1).prefix(size)
            let client = try gateway.client(timeout: 3)
            try client.send(Gateway.text("POST", "/api/x", body: String(body)))
            let response = try? client.response()
            let isWhole = response?.text ?? "" == body
            #expect(isWhole, "\(response?.status ?? 0), \(response?.body.count ?? 0) of \(size) bytes")
        }
    }

    @Test("an upgrade passes through TLS on both sides")
    func upgrade() throws {
        let origin = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
            while true {
                let bytes = try call.some()
                if bytes.isEmpty { break }
                try call.send(bytes)
            }
            call.close()
        }
        let site = try site(upstream: origin.url, [EndpointText("/**")])
        // openssl carries the raw bytes; what it is sent comes back after the 101, more than one record of it.
        let line = String(repeating: "abcdefgh", count: 60) + "\n"
        let text = Gateway.text("GET", "/api/ws", ["Connection: Upgrade", "Upgrade: echo"]) + String(repeating: line, count: 100)
        let script = "(cat; sleep 1) | openssl s_client -quiet -no_ign_eof -connect 127.0.0.1:\(site.port) -servername one.test"
        let result = try command(["sh", "-c", script], input: [UInt8](text.utf8))
        #expect(result.output.hasPrefix("HTTP/1.1 101"))
        #expect(result.output.components(separatedBy: line).count == 101, "\(result.output.utf8.count) bytes")
    }

    @Test("a reload takes up other authorities in the file of upstreamTls.ca: the service's certificate is checked by them, in both directions")
    func renewedAuthority() throws {
        let (ours, theirs) = (try Folder(), try Folder())
        for folder in [ours, theirs] { try OpenSSL.authority(in: folder) }
        try OpenSSL.certificate("good", for: ["localhost"], in: ours)
        let front = try Nginx(
            listen: "ssl", "ssl_certificate \(ours.file("good.pem")); ssl_certificate_key \(ours.file("good.key")); location / { return 200; }")
        let trusted = try Folder()
        try trusted.write("ca.pem", theirs.read("ca.pem"))
        let text = configuration(upstream: "https://localhost:\(front.port)", domain: ["upstreamTls: {ca: \"\(trusted.file("ca.pem"))\"}"])
        let gateway = try Gateway(text)
        expect(try gateway.get("/api/x"), is: .badGateway)
        try trusted.write("ca.pem", ours.read("ca.pem"))
        try gateway.reload(text)
        #expect(try eventually { try gateway.get("/api/x").status == 200 })
        // Connections that the former authorities vouched for are not used again.
        try trusted.write("ca.pem", theirs.read("ca.pem"))
        try gateway.reload(text)
        #expect(try eventually { try gateway.get("/api/x").status == 502 })
    }

    @Test("a reload takes up a renewed certificate")
    func renewal() throws {
        let site = try site()
        #expect(try subject(site, servername: "two.test").contains("two.test"))
        try OpenSSL.certificate("two", for: ["two.test", "renewed.test"], in: site.folder)
        let serial = { try command(["openssl", "x509", "-in", site.folder.file("two.pem"), "-noout", "-serial"]).output }
        let expected = try serial()
        try site.gateway.reload(site.gateway.folder.read("sluice.yaml"))
        #expect(try eventually {
            let shown = try subject(site, servername: "two.test")
            let folder = try Folder()
            try folder.write("shown.txt", shown)
            return try command(["openssl", "x509", "-in", folder.file("shown.txt"), "-noout", "-serial"]).output == expected
        })
    }
}
