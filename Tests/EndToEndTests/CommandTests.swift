import Foundation
import Testing

/// The command line itself: exit codes, output, files.
@Suite("Commands", .loopback, .minutes(5))
struct CommandTests {
    private func file(_ text: String) throws -> String { try Folder().write("sluice.yaml", text) }

    // MARK: Arguments

    @Test("unusable arguments exit 2, whatever the command", arguments: [
        "run", "run --config", "run --config x --workers", "run --config x --workers 0", "check --config x --nonsense",
        "explain --config x GET", "explain --config x GET /a -H nocolon", "explain --config x GET ftp://a/", "explain --config x GET / --client here",
        "sign --config x GET /a", "sign --config x --domain d", "token --config x", "token --config x --domain d --claim nothing",
        "token --config x --domain d --lifetime 0", "token --config x --domain d --private-key /nonexistent", "import", "export --config x",
        "env nonsense", "env --workers many", "reference nonsense", "demo --port 0", "demo --port 65536", "demo nonsense", "nonsense",
    ])
    func unusableArguments(line: String) throws {
        let result = try run(line.split(separator: " ").map(String.init))
        #expect(result.code == 2, "\(result.everything)")
        #expect(!result.errors.isEmpty)
    }

    @Test("every command has a help text and exits 0 with it")
    func help() throws {
        for name in ["run", "check", "explain", "sign", "token", "import", "export", "quota", "env", "reference", "demo"] {
            let result = try run([name, "--help"])
            #expect(result.code == 0 && result.output.contains("OVERVIEW"), "\(name): \(result.everything)")
            #expect(try run(["--help"]).output.contains("  \(name) "), "\(name)")
        }
    }

    @Test("a configuration file that is not there: one message that names it, exit 1", arguments: [
        "run --config /nonexistent/s.yaml", "check --config /nonexistent/s.yaml", "explain --config /nonexistent/s.yaml GET /",
        "sign --config /nonexistent/s.yaml --domain d GET /", "token --config /nonexistent/s.yaml --domain d", "import /nonexistent/s.yaml",
        "export --config /nonexistent/s.yaml --domain d",
    ])
    func missingFile(line: String) throws {
        let result = try run(line.split(separator: " ").map(String.init))
        #expect(result.code == 1 && result.output == "", "\(result.everything)")
        let lines = result.errors.split(separator: "\n")
        #expect(lines.count == 1 && lines[0].hasPrefix("/nonexistent/s.yaml"), "\(result.errors)")
    }

    // MARK: check

    @Test("the file is an argument too, in front of the others, and --config is another way to say it")
    func fileArgument() throws {
        let file = try file(configuration(policies: "hmac: {secret: s3cret}", [EndpointText("/**", helloMock)]))
        for line in [["check", file], ["check", "--config", file], ["export", file, "--domain", "api"], ["export", "--domain", "api", file], ["sign", file, "--domain", "api", "GET", "/api/x"]] {
            let result = try run(line)
            #expect(result.code == 0, "\(line): \(result.everything)")
        }
        #expect(try run(["explain", file, "GET", "/api/x", "-H", "A: b"]).code == 3)
        #expect(try run(["explain", "--config", file, "GET", "/api/x"]).code == 3)
        #expect(try run(["explain", "GET", "/api/x"]).code == 2)
        #expect(try run(["check"]).code == 2)
    }

    @Test("an option with a value may stand in front of the file, whichever it is", arguments: ["export", "explain", "sign", "token"])
    func optionsBeforeTheFile(command: String) throws {
        let help = try run([command, "--help"]).output
        let options = help.split(separator: "\n").compactMap { line -> String? in
            guard let match = line.firstMatch(of: /^  (?:-\w, )?(--[a-z-]+) <[A-Z]/) else { return nil }
            return String(match.1)
        }
        #expect(options.contains("--config"), "\(help)")
        for option in options where option != "--config" {
            let result = try run([command, option, "1", "/nonexistent/s.yaml"])
            #expect(!result.errors.contains("Missing value"), "\(option): \(result.everything)")
        }
    }

    @Test("check shows the line with a caret under the place, unless a secret may stand there")
    func excerpts() throws {
        let file = try file("domains:\n  - key: a b\n    policies:\n      hmac:\n        secret: 8675309\n        clockSkew: -1\n    ipAcl: {}\n    endpoints: []\n")
        let result = try run(["check", file])
        #expect(result.code == 1 && !result.errors.contains("8675309"), "\(result.everything)")
        #expect(result.errors.contains("\n  2 |   - key: a b\n    |          ^\n"), "\(result.errors)")
        #expect(result.errors.contains(#"the unknown key "ipAcl", which belongs under the `policies` of a domain"#), "\(result.errors)")
    }

    @Test("check --json: problems and notes as data, with the exit code of the text")
    func checkAsJSON() throws {
        struct Result: Decodable {
            struct Entry: Decodable {
                let file: String, line: Int, column: Int, keyPath: String
                let found: String?, allowed: String?, scope: String?, note: String?
            }
            let file: String, isGood: Bool, problems: [Entry], notes: [Entry]
        }
        let bad = try file("domains:\n  - {key: 5}\n  - {key: b}\n")
        let result = try run(["check", "--json", bad])
        let decoded = try JSONDecoder().decode(Result.self, from: Data(result.output.utf8))
        #expect(result.code == 1 && !decoded.isGood && decoded.file == bad)
        #expect(decoded.problems.map(\.keyPath) == ["domains[0].key"] && decoded.problems.first?.line == 2 && decoded.problems.first?.column == 11)
        #expect(decoded.problems.first?.found == "the integer 5" && decoded.problems.first?.scope == "configuration")
        #expect(decoded.notes.contains { $0.keyPath == "domains[1].key" && $0.note?.contains("without endpoints") == true })
        let good = try run(["check", "--json", try file("domains: [{key: b}]")])
        #expect(good.code == 0)
        #expect(try JSONDecoder().decode(Result.self, from: Data(good.output.utf8)).isGood)
    }

    @Test("run --help lists the settings' flags")
    func settingsInHelp() throws {
        let output = try run(["run", "--help"]).output
        for flag in ["--workers", "--head-timeout-ms", "--redis-url"] { #expect(output.contains("  \(flag) "), "\(flag)") }
    }

    // MARK: env

    @Test("env: flags count, columns are aligned, a password is not shown")
    func env() throws {
        let result = try run(["env", "--workers", "3"], environment: ["SLUICE_REDIS_URL": "redis://:PASSWORD77@127.0.0.1:6379/0"])
        #expect(result.code == 0 && !result.everything.contains("PASSWORD77"), "\(result.everything)")
        let rows = result.output.split(separator: "\n")
        let workers = try #require(rows.first { $0.hasPrefix("SLUICE_WORKERS ") })
        #expect(workers.split(separator: " ")[1] == "3")
        let column = try #require(rows[0].range(of: "MEANING")?.lowerBound).utf16Offset(in: rows[0])
        for row in rows where row.hasPrefix("SLUICE_") {
            let before = row[..<row.index(row.startIndex, offsetBy: column)]
            #expect(before.hasSuffix("  "), "\(row)")
        }
    }

    @Test("env: a mistyped variable is named, and the exit code is 2")
    func mistypedVariable() throws {
        let result = try run(["env"], environment: ["SLUICE_WORKER": "2"])
        #expect(result.code == 2 && result.errors.contains("SLUICE_WORKER") && result.errors.contains("SLUICE_WORKERS"), "\(result.everything)")
        #expect(result.output.contains("SLUICE_WORKERS"), "the table that tells the right names is printed all the same")
    }

    // MARK: sign and token

    @Test("sign: a domain without HMAC and an unknown domain exit 1 and say so; token likewise")
    func wrongDomain() throws {
        let file = try file(configuration(key: "api", [EndpointText("/**", helloMock)]))
        for arguments in [["sign", "--config", file, "--domain", "api", "GET", "/api/x"], ["token", "--config", file, "--domain", "api"]] {
            let result = try run(arguments)
            #expect(result.code == 1 && result.errors.contains("\"api\" has no"), "\(result.everything)")
        }
        let unknown = try run(["token", "--config", file, "--domain", "ap"])
        #expect(unknown.code == 1 && unknown.errors.contains("api"), "\(unknown.everything)")
    }

    @Test("sign --timestamp gives the signature that openssl makes of the same three lines")
    func signature() throws {
        let file = try file(configuration(policies: "hmac: {secret: s3cret, clockSkew: 0}", [EndpointText("/**", helloMock)]))
        let result = try run(["sign", "--config", file, "--domain", "api", "--timestamp", "2026-01-31T09:00:00Z", "POST", "/api/x?y=%41"])
        let expected = try Signing.compact("POST", "/api/x?y=%41", secret: "s3cret", at: "2026-01-31T09:00:00Z")
        #expect(result.output == expected.joined(separator: "\n") + "\n", "\(result.everything)")
    }

    @Test("sign --named signs and prints the lines given with -H, and curl takes them; the gateway accepts")
    func namedForm() throws {
        let gateway = try Gateway(configuration(policies: "hmac: {secret: s3cret, requiredHeaders: [x-client]}", [EndpointText("/**", helloMock)]))
        let config = gateway.folder.file("sluice.yaml")
        let line = "\(try Gateway.binary()) sign --config \(config) --domain api --named -H 'X-Client: shop' -H 'X-Extra: 1' GET /api/x "
            + "| curl -s -H @- http://127.0.0.1:\(gateway.port)/api/x"
        #expect(try command(["bash", "-c", line]).output == "hello")
        let without = try run(["sign", "--config", config, "--domain", "api", "GET", "/api/x"])
        #expect(without.code == 2 && without.errors.contains("x-client"), "\(without.everything)")
    }

    @Test("token fills issuer, audience and conditions; --claim replaces them; --lifetime bounds it")
    func tokens() throws {
        let gateway = try Gateway(configuration(
            policies: "jwt: {algorithm: HS256, secret: s3cret, issuer: idp, audience: [a, b], claims: [{name: scope, oneOf: [read, write]}, {name: level, equals: 3}]}",
            [EndpointText("/**", helloMock)]))
        let token = ["token", "--config", gateway.folder.file("sluice.yaml"), "--domain", "api"]
        func status(_ more: [String]) throws -> Int {
            let made = try run(token + more)
            #expect(made.code == 0, "\(made.everything)")
            return try gateway.get("/api/x", ["Authorization: Bearer \(made.output.trimmingCharacters(in: .whitespacesAndNewlines))"]).status
        }
        #expect(try status([]) == 200)
        #expect(try status(["--claim", "scope=write", "--claim", "level=3", "--lifetime", "5"]) == 200)
        #expect(try status(["--claim", "scope=other"]) == 401)
        #expect(try status(["--claim", "level=\"3\""]) == 401, "JSON text is no number")
        #expect(try status(["--claim", "exp=1"]) == 401)
    }

    @Test("token: RS256 needs a private key, HS256 takes none")
    func tokenKeys() throws {
        let folder = try Folder()
        let key = try OpenSSL.rsaKey()
        let pem = try folder.write("private.pem", key)
        try folder.write("public.pem", OpenSSL.publicKey(of: key))
        let rs = try folder.write("rs.yaml", configuration(policies: "jwt: {algorithm: RS256, publicKey: {file: public.pem}}", [EndpointText("/**", helloMock)]))
        let hs = try folder.write("hs.yaml", configuration(policies: "jwt: {algorithm: HS256, secret: s}", [EndpointText("/**", helloMock)]))
        #expect(try run(["token", "--config", rs, "--domain", "api"]).code == 2)
        #expect(try run(["token", "--config", hs, "--domain", "api", "--private-key", pem]).code == 2)
        let made = try run(["token", "--config", rs, "--domain", "api", "--private-key", pem])
        #expect(made.code == 0 && made.output.split(separator: ".").count == 3, "\(made.everything)")
        let stranger = try folder.write("other.pem", OpenSSL.rsaKey())
        let refused = try run(["token", "--config", rs, "--domain", "api", "--private-key", stranger])
        #expect(refused.code == 2 && refused.output == "" && refused.errors.contains("does not belong to a public key"), "\(refused.everything)")
        #expect(try run(["token", "--config", rs, "--domain", "api", "--private-key", folder.file("public.pem")]).code == 2)
    }

    @Test("token: of a key set in a file the matching key is named, beyond the ten that are tried without a name")
    func tokenKeyID() throws {
        let folder = try Folder()
        let keys = try (0..<11).map { (kid: "k\($0)", privateKey: try OpenSSL.rsaKey()) }
        try folder.write("jwks.json", Signing.jwks(keys))
        let last = try folder.write("private.pem", keys[10].privateKey)
        let config = try folder.write("sluice.yaml", configuration(policies: "jwt: {algorithm: RS256, jwks: jwks.json}", [EndpointText("/**", helloMock)]))
        let made = try run(["token", "--config", config, "--domain", "api", "--private-key", last])
        #expect(made.code == 0, "\(made.everything)")
        let token = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
        let explained = try run(["explain", "--config", config, "GET", "/api/x", "-H", "Authorization: Bearer \(token)"])
        #expect(explained.output.hasSuffix("verdict: 200 mock\n"), "\(explained.everything)")
    }

    // MARK: explain

    private let explained = """
        trustedProxies: [10.9.0.0/16]
        projects: {main: {}}
        domains:
          - key: api
            hosts: [api.test, "*.shop.test"]
            project: main
            upstream: http://127.0.0.1:9/base
            policies: {ipAcl: {permit: false, addresses: [192.0.2.7]}}
            endpoints:
              - {path: "/items/{id}", methods: [GET], policies: {rewrite: {pattern: "/items/(.*)", to: "/things/%1"}, headers: {request: {set: {X-Gateway: sluice}, remove: [X-Debug]}}}}
              - {path: "/items/**", methods: [GET, POST]}
              - {path: /mock, methods: [GET], policies: {mock: {status: 418, body: teapot}}}
              - {path: /asked, methods: [GET], policies: {preCall: {method: GET, url: "http://127.0.0.1:9/authorise?a=b"}, mock: {status: 200, body: x}}}
          - key: closed
            project: main
            upstream: http://127.0.0.1:9
            policies: {maintenance: {enabled: true, status: 503, body: later}}
            endpoints: [{path: "/**"}]

        """

    @Test("explain: the last line and the exit code", arguments: [
        ("GET /api/items/7?q=1", "proxy GET http://127.0.0.1:9/base/things/7?q=1", 0), ("POST /api/items/7", "proxy POST http://127.0.0.1:9/base/items/7", 0),
        ("GET http://api.test/mock", "418 mock", 0), ("GET http://x.shop.test:8080/mock", "418 mock", 0), ("GET /api/asked", "200 mock", 0),
        ("GET /closed/x", "503 maintenance", 3), ("GET /api/none", "404 4041007 URL Not Found", 3), ("GET /none", "404 4041007 URL Not Found", 3),
        ("GET /api/%00", "400 4000003 Invalid URI.", 3), ("GET /api/mock --client 192.0.2.7", "403 4031007 Request IP not allowed", 3),
        ("GET /api/mock --client 10.9.0.1 -H X-Forwarded-For:192.0.2.7", "403 4031007 Request IP not allowed", 3),
        ("GET /api/mock -H X-Forwarded-For:192.0.2.7", "418 mock", 0),
        ("GET /api/items/7 -H Content-Length:99999999", "413 4131000 Request size is larger than permissible limit.", 3),
        ("GET /api/items/7 -H Content-Length:x", "400 4000007 Bad Request (malformed Content-Length)", 3),
        ("GET /api/mock --max-head-bytes 1024 -H X-A:1", "418 mock", 0),
    ])
    func verdicts(line: String, verdict: String, code: Int32) throws {
        let file = try file(explained)
        let result = try run(["explain", "--config", file] + line.split(separator: " ").map(String.init))
        #expect(result.output.hasSuffix("\nverdict: \(verdict)\n"), "\(result.everything)")
        #expect(result.code == code)
    }

    @Test("explain: how the domain was found, what the endpoint was preferred to and why, what the upstream gets")
    func reasons() throws {
        let file = try file(explained)
        let items = try run(["explain", "--config", file, "GET", "/api/items/7", "-H", "X-Debug: 1", "-H", "X-Kept: 2", "--client", "198.51.100.1"]).output
        for text in [
            "api, by its key", "/items/7", "GET /items/{id}", "preferred to GET,POST /items/**: segment 2 is {name}, not **",
            "GET /base/things/7 HTTP/1.1", "Host: 127.0.0.1:9", "X-Kept: 2", "X-Gateway: sluice", "X-Forwarded-For: 198.51.100.1",
        ] { #expect(items.contains(text), "\(text)\n\(items)") }
        #expect(!items.contains("X-Debug"))
        #expect(try run(["explain", "--config", file, "GET", "http://api.test/mock"]).output.contains("by its host api.test"))
        #expect(try run(["explain", "--config", file, "GET", "http://x.shop.test/mock"]).output.contains("by a wildcard"))
        #expect(try run(["explain", "--config", file, "DELETE", "/api/mock"]).output.contains("GET /mock matches the path, not the method"))
        let asked = try run(["explain", "--config", file, "GET", "/api/asked"]).output
        #expect(asked.contains("suspend: would call GET http://127.0.0.1:9/authorise?a=b"), "\(asked)")
        let walled = try run(["explain", "--config", file, "GET", "/api/items/7", "--client", "192.0.2.7"]).output
        #expect(walled.contains("rewrite    not reached"), "\(walled)")
    }

    @Test("explain --json prints one object that says the same")
    func explainedJSON() throws {
        let result = try run(["explain", "--json", "--config", file(explained), "GET", "/api/items/7", "--client", "192.0.2.7"])
        let object = try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any], "\(result.everything)")
        #expect(object["verdict"] as? String == "403 4031007 Request IP not allowed" && object["passes"] as? Bool == false)
        let chain = try #require(object["chain"] as? [[String: String]])
        #expect(chain.map { $0["policy"] } == ["ceiling", "ipAcl", "bodyLimit", "rewrite"])
        #expect(chain[1]["verdict"] == "refuse 403 address_not_allowed")
        #expect(result.code == 3)
    }

    @Test("explain fetches a key set once, and takes the policy's word for it")
    func explainedKeySet() throws {
        let key = try OpenSSL.rsaKey()
        let folder = try Folder()
        let pem = try folder.write("private.pem", key)
        try folder.write("jwks.json", Signing.jwks([("a", key)]))
        let nginx = try Nginx(folder: folder, "location = /jwks.json { root \(folder.path); }")
        let file = try folder.write("sluice.yaml", configuration(
            policies: "jwt: {algorithm: RS256, jwks: \"http://127.0.0.1:\(nginx.port)/jwks.json\"}", [EndpointText("/**", helloMock)]))
        let token = try run(["token", "--config", file, "--domain", "api", "--private-key", pem]).output.trimmingCharacters(in: .whitespacesAndNewlines)
        let good = try run(["explain", "--config", file, "GET", "/api/x", "-H", "Authorization: Bearer \(token)"])
        #expect(good.code == 0 && good.output.hasSuffix("verdict: 200 mock\n"), "\(good.everything)")
        let bad = try run(["explain", "--config", file, "GET", "/api/x", "-H", "Authorization: Bearer \(token)x"])
        #expect(bad.code == 3 && bad.output.contains("20002"), "\(bad.everything)")
    }

    @Test("explain: a configuration that cannot be served exits 1 with its problems; one endpoint's bad rewrite does not")
    func explainedProblems() throws {
        let broken = try run(["explain", "--config", file(configuration(policies: "hmac: {secret: s, clockSkew: -1}")), "GET", "/api/x"])
        #expect(broken.code == 1 && broken.errors.contains("clockSkew") && broken.output == "", "\(broken.everything)")
        let bad = try file(configuration([EndpointText("/bad", "rewrite: {pattern: \"/(\", to: \"/x\"}"), EndpointText("/good", helloMock)]))
        #expect(try run(["explain", "--config", bad, "GET", "/api/bad"]).output.hasSuffix("verdict: 500 20005 URI Pattern's syntax is invalid\n"))
        #expect(try run(["explain", "--config", bad, "GET", "/api/good"]).code == 0)
    }

    @Test("output that cannot be written is an error, not half a result")
    func fullDevice() throws {
        let result = try command(["bash", "-c", "'\(try Gateway.binary())' demo --print-config > /dev/full"])
        #expect(result.code == 1 && result.errors.contains("standard output"), "\(result.everything)")
    }

    // MARK: import and export

    @Test("import and export: a fault leaves the file that is there as it is")
    func outputIsWholeOrNothing() throws {
        let folder = try Folder()
        let out = try folder.write("out.yaml", "before")
        let source = try folder.write("bad.json", "{\"swagger\": \"1.2\", \"paths\": {}}")
        let result = try run(["import", source, "-o", out])
        #expect(result.code == 1 && folder.read("out.yaml") == "before", "\(result.everything)")
        let config = try folder.write("sluice.yaml", configuration([EndpointText("/**", helloMock)]))
        #expect(try run(["export", "--config", config, "--domain", "none", "-o", out]).code == 1)
        #expect(folder.read("out.yaml") == "before")
        #expect(try run(["export", "--config", config, "--domain", "api", "-o", out]).code == 0)
        #expect(folder.read("out.yaml").contains("swagger:"))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(Set(names) == ["out.yaml", "bad.json", "sluice.yaml"], "no temporary file is left: \(names)")
        let nowhere = try run(["export", "--config", config, "--domain", "api", "-o", folder.file("none/out.json")])
        #expect(nowhere.code == 1 && nowhere.errors == "\(folder.file("none/out.json")): cannot be written: no such file or directory\n")
    }
}
