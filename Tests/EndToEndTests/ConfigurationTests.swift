import Foundation
import Glibc
import Testing

/// What the operator is told about a configuration: `check`, `run` on a broken file, reloads, secrets.
@Suite("Configuration", .loopback, .minutes(5))
struct ConfigurationTests {
    /// Runs `sluice check` on a text; the file's path is the first word of every problem.
    private func check(_ text: String, environment: [String: String] = [:]) throws -> (result: CommandResult, file: String) {
        let file = try Folder().write("sluice.yaml", text)
        return (try run(["check", "--config", file], environment: environment), file)
    }

    /// Starts `sluice run`, which must end by itself with a problem.
    private func runRefused(_ text: String, environment: [String: String] = [:], folder: Folder? = nil) throws -> CommandResult {
        let folder = try folder ?? Folder()
        let file = try folder.write("sluice.yaml", text)
        let variables = Gateway.environment(folder: folder, port: try Ports.free()).merging(environment) { $1 }
        return try run(["run", "--config", file], environment: variables, seconds: 10)
    }

    @Test("a clean file: exit 0")
    func clean() throws {
        let (result, _) = try check(configuration(ceiling: 5, [EndpointText("/**", helloMock)]))
        #expect(result.code == 0, "\(result.everything)")
    }

    @Test("every problem is reported in one run, with file, line, column, key path, what was found and what is allowed")
    func everyProblem() throws {
        let text = """
            projects:
              main: {ceiling: lots}
            domains:
              - key: api
                project: absent
                upstream: http://127.0.0.1:9
                colour: red
                policies:
                  ipAcl: {permit: true, addresses: [10.0.0.0/33]}
                  hmac: {secret: s3cret, clockSkew: 86401}
                  cors: {origins: ["*"], methods: [GET], headers: [], credentials: true}
                endpoints:
                  - path: /a/{x}
                    methods: [GET]
                  - path: /a/{y}
                    methods: [GET, POST]
                  - path: /b
                    methods: [GET]
                    policies: {headers: {request: {set: {Content-Length: "1"}}}}
            """
        let (result, file) = try check(text)
        #expect(result.code == 1)
        // Line and, where one place alone is right, column; and a word that the message must hold.
        let expected: [(place: String, words: [String])] = [
            ("2:19:", ["lots", "ceiling"]), ("5:14:", ["absent", "project"]), ("7:", ["colour"]), ("9:", ["10.0.0.0/33", "addresses"]),
            ("10:41:", ["86401", "86400", "clockSkew"]), ("11:", ["credentials"]), ("15:", ["/a/{y}"]), ("19:", ["Content-Length"]),
        ]
        let lines = result.everything.split(separator: "\n").map(String.init)
        for (place, words) in expected {
            let found = lines.contains { line in line.contains("\(file):\(place)") && words.allSatisfy { line.contains($0) } }
            #expect(found, "nothing at \(place) with \(words) in\n\(result.everything)")
        }
    }

    @Test("broken YAML, a duplicate key, a missing file and unusable arguments")
    func brokenFiles() throws {
        let (broken, file) = try check("domains: [\n  - key: {\n")
        #expect(broken.code == 1 && broken.everything.contains(file + ":"), "\(broken.everything)")
        let (duplicate, second) = try check("projects: {a: {ceiling: 1}, a: {ceiling: 2}}\ndomains: []\n")
        #expect(duplicate.code == 1 && duplicate.everything.contains(second + ":1:"), "\(duplicate.everything)")
        let missing = try run(["check", "--config", "/nonexistent/sluice.yaml"])
        #expect(missing.code != 0 && missing.everything.contains("/nonexistent/sluice.yaml"))
        for arguments in [["check"], ["check", "--config"], ["check", "--nonsense"], ["nonsense"]] {
            #expect(try run(arguments).code == 2, "\(arguments)")
        }
    }

    @Test("check reports a bad rewrite with its line; run starts all the same")
    func badRewrite() throws {
        let text = configuration([EndpointText("/bad", "\(helloMock), rewrite: {pattern: \"/(\", to: \"/x\"}"), EndpointText("/good", helloMock)])
        let (result, file) = try check(text)
        #expect(result.code == 1)
        let line = text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains("rewrite:") }! + 1
        #expect(result.everything.contains("\(file):\(line):"), "\(result.everything)")
        let gateway = try Gateway(text)
        expect(try gateway.get("/api/bad"), is: .rewritePattern)
        #expect(try gateway.get("/api/good").text == "hello")
    }

    @Test("run refuses a broken file with the same problem and a non-zero exit")
    func runRefusesBrokenFile() throws {
        let result = try runRefused(configuration(policies: "hmac: {secret: s3cret, clockSkew: -1}"))
        #expect(result.code != 0 && result.code < 128)
        #expect(result.everything.contains("clockSkew") && result.everything.contains("sluice.yaml:"), "\(result.everything)")
    }

    @Test("a mistyped SLUICE_ variable and a bad value are errors that name it", arguments: [
        ("SLUICE_WORKER", "2"), ("SLUICE_WORKERS", "many"), ("SLUICE_WORKERS", "-1"), ("SLUICE_LISTEN", "nowhere"), ("SLUICE_REDIS_AWAY", "maybe"),
    ])
    func badVariables(name: String, value: String) throws {
        let result = try runRefused(configuration([EndpointText("/**", helloMock)]), environment: [name: value])
        #expect(result.code != 0 && result.code < 128 && result.everything.contains(name), "\(result.everything)")
    }

    @Test("sluice env prints every variable with its meaning, default and current value")
    func environmentTable() throws {
        let result = try run(["env"], environment: ["SLUICE_WORKERS": "7", "SLUICE_BODY_TIMEOUT_MS": "12345"])
        #expect(result.code == 0)
        for name in [
            "SLUICE_LISTEN", "SLUICE_WORKERS", "SLUICE_PROJECT_CEILING", "SLUICE_STATE_DIR", "SLUICE_REDIS_URL", "SLUICE_REDIS_AWAY",
            "SLUICE_UPSTREAM_TIMEOUT_MS", "SLUICE_UPSTREAM_CONNECT_TIMEOUT_MS", "SLUICE_HEAD_TIMEOUT_MS", "SLUICE_BODY_TIMEOUT_MS",
            "SLUICE_IDLE_TIMEOUT_MS", "SLUICE_DRAIN_TIMEOUT_MS", "SLUICE_MAX_HEAD_BYTES", "SLUICE_MAX_BODY_BYTES", "SLUICE_LOG_LEVEL",
            "SLUICE_ACCESS_LOG", "SLUICE_ADMIN_LISTEN",
        ] { #expect(result.output.contains(name), "\(name)") }
        #expect(result.output.contains("12345"))
    }

    @Test("a broken reload keeps the old configuration serving and says why; a good one takes over")
    func reload() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]))
        #expect(try gateway.get("/api/x").text == "hello")
        try gateway.reload("domains: [{key: 7, nonsense: 1}]\n")
        #expect(eventually { gateway.log.contains("nonsense") }, "\(gateway.log)")
        #expect(try gateway.get("/api/x").text == "hello")
        try gateway.reload(configuration([EndpointText("/**", "mock: {status: 200, body: \"second\"}")]))
        #expect(try eventually { try gateway.get("/api/x").text == "second" })
        #expect(gateway.process.exitCode() == nil)
    }

    @Test("a connection that was open before a reload serves the new configuration next")
    func reloadOnOpenConnection() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]))
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "hello")
        try gateway.reload(configuration([EndpointText("/**", "mock: {status: 200, body: \"second\"}")]))
        #expect(try eventually { try client.exchange(Gateway.text("GET", "/api/x")).text == "second" })
    }

    @Test("secrets never appear: not in check, explain, env, run's log, access log or a refusal; literal, variable, file")
    func secrets() throws {
        let folder = try Folder()
        try folder.write("key", "FILESECRETf11e")
        let environment = ["ORDERS_SECRET": "ENVSECRETe44v"]
        var lines = ["projects:", "  main: {}", "domains:"]
        lines += domainLines(key: "a", upstream: "http://127.0.0.1:9", policies: "hmac: {secret: LITERALSECRET1337, clockSkew: 300}")
        lines += domainLines(key: "b", upstream: "http://127.0.0.1:9", policies: "hmac: {secret: {env: ORDERS_SECRET}, clockSkew: 300}")
        lines += domainLines(key: "c", upstream: "http://127.0.0.1:9", policies: "jwt: {algorithm: HS256, secret: {file: \"\(folder.file("key"))\"}}")
        let text = lines.joined(separator: "\n") + "\n"
        var everything = ""
        let gateway = try Gateway(text, environment: environment.merging(["SLUICE_ACCESS_LOG": folder.file("access.log"), "SLUICE_LOG_LEVEL": "debug"]) { $1 }, admin: true)
        for key in ["a", "b", "c"] { everything += String(decoding: try gateway.get("/\(key)/x", ["Authorization: x"]).raw, as: UTF8.self) }
        everything += try gateway.get("/metrics", port: gateway.adminPort).text
        let file = gateway.folder.file("sluice.yaml")
        everything += try run(["check", "--config", file], environment: environment).everything
        everything += try run(["env"], environment: environment).everything
        for key in ["a", "b", "c"] {
            everything += try run(["explain", "--config", file, "GET", "/\(key)/x", "-H", "Authorization: x"], environment: environment).everything
        }
        everything += try check(text.replacingOccurrences(of: "secret: LITERALSECRET1337", with: "secret: [LITERALSECRET1337]")).result.everything
        everything += try check(text.replacingOccurrences(of: "clockSkew: 300", with: "clockSkew: x"), environment: environment).result.everything
        gateway.process.end()
        everything += gateway.log + folder.read("access.log")
        for secret in ["LITERALSECRET1337", "ENVSECRETe44v", "FILESECRETf11e"] { #expect(!everything.contains(secret)) }
    }

    @Test("an unset variable and an unreadable file for a secret: one message that names it, and a non-zero exit")
    func unreadableSecrets() throws {
        let variable = try runRefused(configuration(policies: "hmac: {secret: {env: NOT_SET_ANYWHERE}, clockSkew: 300}"))
        #expect(variable.code != 0 && variable.code < 128 && variable.everything.contains("NOT_SET_ANYWHERE"), "\(variable.everything)")
        let file = try runRefused(configuration(policies: "hmac: {secret: {file: /nonexistent/secret}, clockSkew: 300}"))
        #expect(file.code != 0 && file.code < 128 && file.everything.contains("/nonexistent/secret"), "\(file.everything)")
    }

    @Test("a port in use: one message that names the address, and a non-zero exit")
    func portInUse() throws {
        let taken = try RawSocket.listen(port: try Ports.free())
        let result = try runRefused(configuration([EndpointText("/**", helloMock)]), environment: ["SLUICE_LISTEN": "127.0.0.1:\(taken.localPort)"])
        #expect(result.code != 0 && result.code < 128 && result.everything.contains("\(taken.localPort)"), "\(result.everything)")
        taken.close()
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]))
        let second = try runRefused(configuration([EndpointText("/**", helloMock)]), environment: ["SLUICE_LISTEN": "127.0.0.1:\(gateway.port)"])
        #expect(second.code != 0 && second.code < 128, "two gateways must not share a port silently: \(second.everything)")
    }

    @Test("port 0: the system chooses one for all workers, and the log says which")
    func chosenPort() throws {
        let folder = try Folder()
        let file = try folder.write("sluice.yaml", configuration([EndpointText("/**", helloMock)]))
        var environment = Gateway.environment(folder: folder, port: 0)
        environment["SLUICE_WORKERS"] = "3"
        let process = try ChildProcess([Gateway.binary(), "run", "--config", file], environment: environment, folder: folder)
        #expect(eventually { process.standardError.contains("serving") }, "\(process.standardError)")
        let chosen = try #require(process.standardError.firstMatch(of: #/listeners=127\.0\.0\.1:([0-9]+) /#).flatMap { UInt16($0.1) })
        #expect(chosen != 0)
        let client = try RawClient(port: chosen)
        #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "hello")
        client.close()
        #expect(try Self.listeningPorts(of: process) == [chosen, chosen, chosen])
    }

    @Test("--listen has no effect where the file names listeners, and the log says so; where it names none, or this one, there is nothing to say")
    func listenFlag() throws {
        let port = try Ports.free()
        let named = "listeners: [{address: \"127.0.0.1:\(port)\"}]"
        for (top, flag, isTold) in [([named], "127.0.0.1:0", true), ([named], "127.0.0.1:\(port)", false), ([], "127.0.0.1:0", false)] {
            let folder = try Folder()
            let file = try folder.write("sluice.yaml", configuration(top: top, [EndpointText("/**", helloMock)]))
            let process = try ChildProcess(
                [Gateway.binary(), "run", "--config", file, "--listen", flag], environment: Gateway.environment(folder: folder, port: 0), folder: folder)
            #expect(eventually { process.standardError.contains("serving") }, "\(process.standardError)")
            process.signal(SIGTERM)
            #expect(process.waitForExit(5) == 0)
            #expect(process.standardError.contains("--listen has no effect: the configuration names the listeners") == isTold)
        }
    }

    /// The ports that a process listens on, one for each socket.
    private static func listeningPorts(of process: ChildProcess) throws -> [UInt16] {
        let descriptors = "/proc/\(process.pid)/fd"
        let sockets = try FileManager.default.contentsOfDirectory(atPath: descriptors).compactMap {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(descriptors)/\($0)"))?.firstMatch(of: #/^socket:\[([0-9]+)\]$/#)?.1
        }
        return try command(["cat", "/proc/net/tcp"]).output.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            // Local address, state and inode (proc_net_tcp in the kernel's documentation); 0A is LISTEN.
            guard words.count > 9, words[3] == "0A", sockets.contains(words[9]) else { return nil }
            return words[1].split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
        }
    }

    @Test("an admin port in use: an error if it was asked for")
    func adminPortInUse() throws {
        let taken = try RawSocket.listen(port: try Ports.free())
        let result = try runRefused(
            configuration([EndpointText("/**", helloMock)]),
            environment: ["SLUICE_LISTEN": "127.0.0.1:\(try Ports.free())", "SLUICE_ADMIN_LISTEN": "127.0.0.1:\(taken.localPort)"])
        #expect(result.code == 1 && result.everything.contains("SLUICE_ADMIN_LISTEN"), "\(result.everything)")
        taken.close()
    }

    @Test("a certificate that does not match its key, and a missing one: one message that names the file, and a non-zero exit")
    func certificateMismatch() throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("one", for: ["one.test"], in: folder)
        try OpenSSL.certificate("two", for: ["two.test"], in: folder)
        for (certificate, key) in [("one.pem", "two.key"), ("absent.pem", "one.key"), ("one.pem", "absent.key"), ("one.key", "one.key")] {
            let listener =
                "listeners: [{address: \"127.0.0.1:\(try Ports.free())\", tls: {certificate: \"\(folder.file(certificate))\", key: {file: \"\(folder.file(key))\"}}}]"
            let result = try runRefused(configuration(top: [listener], [EndpointText("/**", helloMock)]))
            #expect(result.code != 0 && result.code < 128, "\(certificate) \(key)")
            #expect(result.everything.contains(certificate) || result.everything.contains(key), "\(result.everything)")
        }
    }

    @Test("a path where a key's text belongs: one problem, which says how a path is written")
    func keyPath() throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("one", for: ["one.test"], in: folder)
        let listener = "listeners: [{address: \"127.0.0.1:1\", tls: {certificate: \"\(folder.file("one.pem"))\", key: \"\(folder.file("one.key"))\"}}]"
        let (result, file) = try check(configuration(top: [listener], [EndpointText("/**", helloMock)]))
        let column = listener.count - folder.file("one.key").count - 4
        #expect(result.errors
            == "\(file):1:\(column): listeners[0].tls.key: found text that is not PEM, allowed {file: PATH}, {env: NAME}, or the PEM text of a private key\n")
        #expect(result.code == 1)
    }

    @Test("what would pass and never do what it says is an error", arguments: [
        ("methods: [\"*\"]", "no `methods` for all but OPTIONS"), ("methods: [CONNECT]", "CONNECT"),
        ("policies: {mock: {status: 304, body: b}}", "no body with 204"),
    ])
    func uselessEndpoints(line: String, hint: String) throws {
        let (result, _) = try check("domains:\n  - key: a\n    endpoints:\n      - path: /x\n        \(line)\n        \(line.hasPrefix("m") ? "policies: {\(helloMock)}" : "")\n")
        #expect(result.code == 1 && result.everything.contains(hint), "\(result.everything)")
        #expect(result.everything.split(separator: "\n").count { !$0.hasPrefix(" ") } == 1, "one mistake, one line: \(result.everything)")
    }

    @Test("a listener whose list of certificates is empty does not become one without TLS")
    func emptyCertificates() throws {
        let (result, file) = try check(configuration(top: ["listeners: [{address: \"127.0.0.1:1\", tls: []}]"]))
        #expect(result.code == 1 && result.everything.contains("\(file):1:43: listeners[0].tls"), "\(result.everything)")
    }

    @Test("one fault of a policy does not hide its others")
    func faultsSideBySide() throws {
        let (result, _) = try check(configuration(policies: "ipAcl: {permit: yes, addresses: [10.0.0.0/33, somewhere]}, cors: {origins: [], methods: [get]}"))
        for place in ["ipAcl.permit", "addresses[0]", "addresses[1]", "cors.origins", "cors.methods[0]"] {
            #expect(result.everything.contains(place), "\(place) in \(result.everything)")
        }
    }

    @Test("what lacks its key, its path or a readable file is looked at all the same: every line has its problem")
    func incomplete() throws {
        let text = """
            listeners:
              - address: "127.0.0.1:1"
                tls:
                  - certificate: absent-1.pem
                    key: {file: absent.key}
              - address: "127.0.0.1:2"
                tls:
                  - {certificate: absent-2.pem, key: k}
                  - {certificate: absent-3.pem, key: k}
            domains:
              - upstream: nowhere
                hosts: ["a b"]
                endpoints:
                  - methods: [get]
                    policies:
                      rewrite:
                        pattern: "/("
                        to: 5
              - key: jwt
                upstream: []
                policies:
                  jwt:
                    publicKey: rubbish
                    clockSkew: -1
            """
        let (result, file) = try check(text)
        let lines = Set(result.everything.split(separator: "\n").compactMap { line in
            line.hasPrefix(file + ":") ? Int(line.dropFirst(file.count + 1).prefix { $0 != ":" }) : nil
        })
        // 19 is a note: a domain without endpoints.
        #expect(lines == [4, 5, 8, 9, 11, 12, 14, 17, 18, 19, 20, 23, 24], "\(result.everything)")
        // The key that is missing has its problem where the mapping begins, and so has the path.
        for word in ["domains[0].key: found nothing", "endpoints[0].path: found nothing"] { #expect(result.everything.contains(word)) }
    }

    @Test("the user information of a URL is in no message")
    func userInformation() throws {
        let url = "http://user:hunter2@upstream.test"
        let (result, _) = try check(
            configuration(
                upstream: url, policies: "jwt: {algorithm: RS256, jwks: \"\(url)/keys\"}",
                [EndpointText("/x", "\(helloMock), preCall: {method: GET, url: \"\(url)/\"}")]))
        #expect(result.code == 1 && result.everything.contains("http://***@upstream.test"), "\(result.everything)")
        #expect(result.everything.split(separator: "\n").count == 3)
        #expect(!result.everything.contains("hunter2"), "\(result.everything)")
    }

    @Test("a document of OpenAPI of another version is told of")
    func openAPI4() throws {
        let (result, file) = try check(#"{"openapi": "4.0.0", "info": {}, "paths": {}}"#)
        #expect(result.code == 1 && result.everything.contains("\(file):1:13: openapi: found the text \"4.0.0\", allowed \"3.0.x\" or \"3.1.x\""), "\(result.everything)")
    }

    @Test("configuration errors of the policies: each alone is found", arguments: [
        "hmac: {secret: s, clockSkew: 0, replayProtection: true}", "hmac: {clockSkew: 300}", "hmac: {secret: s, clockSkew: 300, algorithms: [HmacMD5]}",
        "usageQuota: [{limit: 1}]", "usageQuota: [{limit: 1, perSeconds: 0}]", "ipAcl: {addresses: [10.0.0.1]}", "ipAcl: {permit: yes please, addresses: []}",
        "jwt: {algorithm: none, secret: s}", "jwt: {algorithm: HS256}", "jwt: {algorithm: RS256, secret: s}", "maintenance: {enabled: true, status: 99}",
        "hmac: {secret: s, clockSkew: 300}, jwt: {algorithm: HS256, secret: s}", "cors: {origins: [\"*\"], methods: [GET], headers: [], credentials: true}",
    ])
    func policyErrors(policies: String) throws {
        let (result, file) = try check(configuration(policies: policies))
        #expect(result.code == 1 && result.everything.contains(file + ":"), "\(result.everything)")
    }

    @Test("included files are read again at a reload: all of them, or none where one has a fault")
    func includedFiles() throws {
        func domain(_ key: String, _ body: String) -> String {
            "domains: [{key: \(key), endpoints: [{path: /x, policies: {mock: {status: 200, body: \(body)}}}]}]\n"
        }
        let folder = try Folder()
        try FileManager.default.createDirectory(atPath: folder.file("domains"), withIntermediateDirectories: true)
        try folder.write("domains/a.yaml", domain("a", "one"))
        try folder.write("domains/b.yaml", domain("b", "one"))
        let main = "include: [domains/*.yaml]\n" + domain("own", "own")
        let gateway = try Gateway(main, folder: folder)
        for key in ["a", "b"] { #expect(try gateway.get("/\(key)/x").text == "one") }
        #expect(try gateway.get("/own/x").text == "own")
        try folder.write("domains/a.yaml", domain("a", "two"))
        try folder.write("domains/b.yaml", "domains: [{key: b, endpoint: []}]\n")
        try gateway.reload(main)
        #expect(eventually { gateway.log.contains("domains/b.yaml:1:20: domains[0].endpoint: found the unknown key") })
        #expect(try gateway.get("/a/x").text == "one")
        try folder.write("domains/b.yaml", domain("b", "two"))
        try folder.write("domains/c.yaml", domain("c", "two"))
        try gateway.reload(main)
        #expect(try eventually { try gateway.get("/c/x").status == 200 })
        for key in ["a", "b"] { #expect(try gateway.get("/\(key)/x").text == "two") }
    }
}
