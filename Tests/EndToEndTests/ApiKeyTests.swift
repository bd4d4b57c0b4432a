import Foundation
import Testing

/// API keys from outside: what callers get, what services see, and what commands and the admin listener do to them.
@Suite("API keys", .loopback, .minutes(5))
struct ApiKeyTests {
    private static let key = "0123456789abcdefABCDEF0123456789abcdefgh"
    /// SHA-256 of `key`, by `sha256sum`.
    private static func digest(_ key: String) throws -> String {
        String(try command(["/bin/sh", "-c", "printf %s '\(key)' | sha256sum"]).output.prefix(64))
    }

    private static func header(_ key: String) -> [String] { ["x-nhn-apikey: \(key)"] }

    /// A gateway whose callers are made at run time.
    private static func gateway(_ policies: String = "apiKey: {}", upstream: String? = nil, folder: Folder? = nil, environment: [String: String] = [:]) throws -> Gateway {
        let endpoint = EndpointText("/**", upstream == nil ? helloMock : "")
        return try Gateway(configuration(upstream: upstream ?? "http://127.0.0.1:9", policies: policies, [endpoint]), folder: folder, environment: environment, admin: true)
    }

    private static func sluice(_ gateway: Gateway, _ arguments: [String]) throws -> CommandResult {
        try run(arguments, environment: Gateway.environment(folder: gateway.folder, port: gateway.port))
    }

    /// The key that a command has printed.
    private static func printed(_ result: CommandResult, _ label: String = "key") throws -> String {
        let line = try #require(result.output.split(separator: "\n").first { $0.hasPrefix(label + ": ") }, "\(result.everything)")
        return String(line.dropFirst(label.count + 2))
    }

    @Test("callers of the configuration: every refusal byte for byte, over HTTP/1.1 and HTTP/2, and `explain` says the same")
    func configured() throws {
        let top = [
            "callers:", "  alice: {key: \"sha256:\(try Self.digest(Self.key))\", secondaryKey: \"sha256:\(try Self.digest("secondsecond"))\"}",
            "  off: {key: \"sha256:\(try Self.digest("offoffoffoff"))\", enabled: false}",
            "  early: {key: \"sha256:\(try Self.digest("earlyearly"))\", notBefore: 2100-01-01}",
            "  late: {key: \"sha256:\(try Self.digest("latelatelate"))\", expires: 2020-01-01T00:00:00Z}",
            "  elsewhere: {key: \"sha256:\(try Self.digest("elsewhere1"))\", plans: [other=none]}",
        ]
        let cases: [([String], RefusalRow?)] = [
            ([], .keyEmpty), (["x-nhn-apikey:"], .keyEmpty), (Self.header("nobodys1234"), .keyInvalid), (Self.header(Self.key), nil),
            (["X-NHN-ApiKey: secondsecond"], nil), (Self.header("offoffoffoff"), .keyInactive), (Self.header("earlyearly"), .keyInactive),
            (Self.header("latelatelate"), .keyInactive), (Self.header("elsewhere1"), .keyInvalid), (Self.header(Self.key) + Self.header(Self.key), .keyInvalid),
            (Self.header(String(repeating: "k", count: 300)), .keyInvalid), (["Authorization: \(Self.key)"], .keyEmpty),
        ]
        let others = domainLines(key: "other", upstream: "http://127.0.0.1:9", policies: "apiKey: {}", [EndpointText("/**", helloMock)])
        let text = { (lines: [String]) in
            configuration(policies: "apiKey: {}", top: lines + top, [EndpointText("/**", helloMock)]) + others.joined(separator: "\n") + "\n"
        }
        let (gateway, port) = try Gateway.http2 { text($0) }
        let plain = try Gateway(text([]))
        let client = try FrameClient(port: port)
        for (fields, row) in cases {
            for response in [try plain.get("/api/x", fields), try client.exchange("GET", "/api/x", fields)] {
                if let row { expect(response, is: row) } else { #expect(response.status == 200, "\(fields)") }
            }
            let said = try run(["explain", "--config", plain.folder.file("sluice.yaml"), "GET", "http://gateway.test/api/x"] + fields.flatMap { ["-H", $0] })
            #expect(said.code == (row == nil ? 0 : 3), "\(fields): \(said.everything)")
            if row == nil { #expect(said.output.contains("proceed: alice"), "\(said.output)") }
        }
        #expect(try plain.get("/other/x", Self.header("elsewhere1")).status == 200)
        // A path that leads nowhere is asked for a key before it is told so.
        expect(try plain.request("OPTIONS", "/api/x"), is: .keyEmpty)
        expect(try plain.request("OPTIONS", "/api/x", Self.header(Self.key)), is: .notFound)
        #expect(gateway.process.exitCode() == nil)
    }

    @Test("the key stays with the gateway, in all of its domain, whatever a client calls it; the caller's name goes on, and no client's")
    func forwarding() throws {
        let upstream = try ScriptedUpstream()
        let top = ["callers:", "  alice: {key: \"sha256:\(try Self.digest(Self.key))\"}"]
        let endpoints = [EndpointText("/open", "authentication: none"), EndpointText("/shown", "apiKey: {hide: false}"), EndpointText("/**")]
        let gateway = try Gateway(
            configuration(upstream: upstream.url, policies: "apiKey: {forwardCaller: X-Caller}", top: top, endpoints), environment: ["SLUICE_UNUSUAL_FIELDS": "pass"])
        let fields = Self.header(Self.key) + ["X_NHN_APIKEY: \(Self.key)", "X-Caller: mallory", "x_caller: mallory", "Connection: x-nhn-apikey, X-Caller"]
        for (index, (path, seen)) in [("/a", ["X-Caller: alice"]), ("/open", []), ("/shown", ["x-nhn-apikey: \(Self.key)"])].enumerated() {
            #expect(try gateway.get("/api" + path, fields).status == 200)
            let lines = try upstream.request(index).headText.components(separatedBy: "\r\n").filter { $0.contains(/(?i)^(x.nhn.apikey|x.caller):/) }
            #expect(lines == seen, "\(path): \(lines)")
        }
    }

    @Test("keys at run time: made, rotated one by one, disabled, enabled, moved, deleted; each change holds at once, on every worker, and survives kill -9")
    func commands() throws {
        let folder = try Folder()
        var gateway = try Self.gateway(folder: folder)
        func status(_ key: String) throws -> [RefusalRow?] {
            // Connections are spread over the workers.
            try (0..<8).map { _ in
                let response = try gateway.get("/api/x", Self.header(key))
                if response.status == 200 { return nil }
                return [.keyEmpty, .keyInactive, .keyInvalid].first { $0.body == response.text }
            }
        }
        func isIn(_ key: String) throws -> Bool { try status(key).allSatisfy { $0 == nil } }
        func isOut(_ key: String, _ row: RefusalRow) throws -> Bool { try status(key).allSatisfy { $0?.code == row.code } }

        let made = try Self.sluice(gateway, ["key", "create", "alice", "--secondary", "--description", "first of all"])
        let (first, second) = (try Self.printed(made), try Self.printed(made, "secondary key"))
        #expect(first.wholeMatch(of: /[A-Za-z0-9]{40}/) != nil && made.errors == "note: a key is shown this once: only its digest is kept\n")
        #expect(try isIn(first) && isIn(second))
        let rotated = try Self.printed(try Self.sluice(gateway, ["key", "rotate", "alice"]))
        #expect(try isIn(rotated) && isIn(second) && isOut(first, .keyInvalid))
        let again = try Self.printed(try Self.sluice(gateway, ["key", "rotate", "alice", "--secondary"]), "secondary key")
        #expect(try isIn(rotated) && isIn(again) && isOut(second, .keyInvalid))
        #expect(try Self.sluice(gateway, ["key", "disable", "alice"]).output == "disabled\n")
        #expect(try isOut(rotated, .keyInactive) && isOut(again, .keyInactive))
        #expect(try Self.sluice(gateway, ["key", "enable", "alice"]).output == "enabled\n")
        #expect(try isIn(rotated))
        #expect(try Self.sluice(gateway, ["key", "set", "alice", "--expires", "2020-01-01"]).code == 0)
        #expect(try isOut(rotated, .keyInactive))
        #expect(try Self.sluice(gateway, ["key", "set", "alice", "--expires", "none", "--plan", "elsewhere=none"]).code == 0)
        #expect(try isOut(rotated, .keyInvalid))
        #expect(try Self.sluice(gateway, ["key", "set", "alice", "--plan", "none"]).code == 0)
        #expect(try isIn(rotated))

        gateway.process.signal(SIGKILL)
        _ = gateway.process.waitForExit(10)
        // No gateway runs: the state folder is changed.
        let bob = try Self.printed(try Self.sluice(gateway, ["key", "create", "bob"]))
        gateway = try Self.gateway(folder: folder)
        #expect(try isIn(rotated) && isIn(again) && isIn(bob) && isOut(first, .keyInvalid))
        let refused = try Self.sluice(gateway, ["key", "delete", "alice"])
        #expect(refused.code == 1 && refused.errors == "the caller `alice` is enabled, and its keys may be in use: disable it first\n")
        #expect(try Self.sluice(gateway, ["key", "disable", "alice"]).code == 0)
        #expect(try Self.sluice(gateway, ["key", "delete", "alice"]).output == "deleted\n")
        #expect(try isOut(rotated, .keyInvalid) && isIn(bob))
        let list = try Self.sluice(gateway, ["key", "list"]).output
        #expect(list.contains("bob   active  none") && !list.contains("alice"), "\(list)")
        // Nothing of a key is on the disk.
        let bytes = ["keys.sqlite", "keys.sqlite-wal"].compactMap { try? Data(contentsOf: URL(fileURLWithPath: folder.file("state/\($0)"))) }.reduce(Data(), +)
        #expect(!bytes.isEmpty && bytes.range(of: Data(bob.utf8)) == nil && bytes.range(of: Data(rotated.utf8)) == nil)
    }

    @Test("a key of one's own, from a file; errors are one line and exit 1")
    func chosen() throws {
        let gateway = try Self.gateway()
        try gateway.folder.write("key.txt", "MyVeryOwnKey0123456789\n")
        let made = try Self.sluice(gateway, ["key", "create", "alice", "--key-file", gateway.folder.file("key.txt"), "--json"])
        #expect(made.output.contains("\"key\" : \"MyVeryOwnKey0123456789\""), "\(made.everything)")
        #expect(try gateway.get("/api/x", Self.header("MyVeryOwnKey0123456789")).status == 200)
        for (arguments, error) in [
            (["key", "create", "bob", "--key-file", gateway.folder.file("key.txt")], "this key is in use already\n"),
            (["key", "create", "alice"], "there is a caller `alice` already\n"), (["key", "show", "bob"], "there is no caller `bob`\n"),
            (["key", "create", "bob", "--plan", "gold"], "there is no plan `gold`\n"),
            (["key", "create", "bob", "--expires", "soon"], "`expires` must be a time such as 2027-01-31T00:00:00Z, a date such as 2027-01-31, or none\n"),
        ] {
            let result = try Self.sluice(gateway, arguments)
            #expect(result.code == 1 && result.errors == error, "\(arguments): \(result.everything)")
        }
    }

    @Test("the admin listener shows and changes callers only for who has the token, as JSON")
    func adminListener() throws {
        let folder = try Folder()
        try folder.write("token", "0123456789abcdef\n")
        let closed = try Self.gateway()
        let json = ["Content-Type: application/json"]
        let refused = try closed.request("POST", "/keys/create", json + ["Authorization: Bearer 0123456789abcdef"], body: "{\"name\":\"alice\"}", port: closed.adminPort)
        #expect(refused.status == 403)
        let gateway = try Self.gateway(folder: folder, environment: ["SLUICE_ADMIN_TOKEN_FILE": folder.file("token")])
        func ask(_ method: String, _ path: String, _ body: String?, _ token: String? = "0123456789abcdef") throws -> Response {
            try gateway.request(method, path, json + (token.map { ["Authorization: Bearer \($0)"] } ?? []), body: body, port: gateway.adminPort)
        }
        for token in [nil, "", "0123456789abcdeF", "0123456789abcde", "0123456789abcdef0"] as [String?] {
            for (method, path) in [("GET", "/keys"), ("GET", "/plans"), ("POST", "/keys/create"), ("POST", "/keys/delete"), ("POST", "/plans/create")] {
                let response = try ask(method, path, "{\"name\":\"alice\"}", token)
                #expect(response.status == 401 && response.values("WWW-Authenticate") == ["Bearer"], "\(path) \(token ?? "-")")
            }
        }
        #expect(try ask("GET", "/keys", nil).text == "{\"callers\":[]}\n")
        let made = try ask("POST", "/keys/create", "{\"name\":\"alice\",\"plans\":[\"api=none\"]}")
        let key = try #require(try made.text.firstMatch(of: Regex("\"key\":\"([A-Za-z0-9]{40})\""))?[1].substring, "\(made.text)")
        #expect(try gateway.get("/api/x", Self.header(String(key))).status == 200)
        for (path, body, status) in [
            ("/keys/create", "{\"name\":\"alice\"}", 409), ("/keys/create", "{\"name\":\"bob\",\"expire\":\"2027-01-01\"}", 400), ("/keys/create", "[]", 400),
            ("/keys/create", "{\"name\":7}", 400), ("/keys/show", "{\"name\":\"bob\"}", 404), ("/keys/disable", "{\"name\":\"alice\"}", 200), ("/keys/nothing", "{}", 404),
        ] { #expect(try ask("POST", path, body).status == status, "\(path) \(body)") }
        expect(try gateway.get("/api/x", Self.header(String(key))), is: .keyInactive)
        #expect(try ask("GET", "/keys/create", nil).status == 405)
        #expect(try gateway.request("POST", "/keys/list", ["Authorization: Bearer 0123456789abcdef"], body: "{}", port: gateway.adminPort).status == 415)
    }

    @Test("the access log and the metrics say who called, and the first hundred names at most")
    func seen() throws {
        let folder = try Folder()
        let gateway = try Self.gateway(folder: folder, environment: ["SLUICE_ACCESS_LOG": folder.file("access.log")])
        let key = try Self.printed(try Self.sluice(gateway, ["key", "create", "alice"]))
        #expect(try gateway.get("/api/x", Self.header(key)).status == 200)
        expect(try gateway.get("/api/x", Self.header("nobodys1234")), is: .keyInvalid)
        _ = try Self.sluice(gateway, ["key", "disable", "alice"])
        expect(try gateway.get("/api/x", Self.header(key)), is: .keyInactive)
        let metrics = try gateway.get("/metrics", port: gateway.adminPort).text
        #expect(metrics.contains("sluice_caller_requests_total{caller=\"alice\",class=\"2xx\"} 1\n"), "\(metrics)")
        #expect(metrics.contains("sluice_caller_requests_total{caller=\"alice\",class=\"4xx\"} 1\n"))
        #expect(eventually { (try? String(contentsOfFile: folder.file("access.log"), encoding: .utf8))?.split(separator: "\n").count == 3 })
        let lines = try String(contentsOfFile: folder.file("access.log"), encoding: .utf8).split(separator: "\n")
        // Workers write one after the other, in no order.
        let callers = lines.map { line in
            (line.contains("\"caller\":\"alice\"") ? "alice" : line.contains("caller\":") ? "?" : "-") + (line.contains("\"status\":200") ? " 200" : "")
                + (line.contains("\"detail\":\"disabled\"") ? " disabled" : "")
        }
        #expect(callers.sorted() == ["-", "alice 200", "alice disabled"], "\(callers)")
        #expect(!lines.joined().contains(key))
    }

    @Test("what the configuration declares cannot be changed at run time, and comes first; a reload changes it; a bad one changes nothing")
    func reload() throws {
        let folder = try Folder()
        func text(_ digest: String, _ more: String = "") -> String {
            configuration(policies: "apiKey: {}", top: ["callers: {alice: {key: \"sha256:\(digest)\"\(more)}}"], [EndpointText("/**", helloMock)])
        }
        let gateway = try Gateway(text(try Self.digest(Self.key)), folder: folder)
        #expect(try gateway.get("/api/x", Self.header(Self.key)).status == 200)
        let refused = try Self.sluice(gateway, ["key", "rotate", "alice"])
        #expect(refused.code == 1 && refused.errors == "the caller `alice` is declared in the configuration: change it there, and reload\n")
        let bob = try Self.printed(try Self.sluice(gateway, ["key", "create", "bob"]))
        try gateway.reload(text(try Self.digest(Self.key), ", nonsense: 1"))
        #expect(eventually { gateway.log.contains("nonsense") })
        #expect(try gateway.get("/api/x", Self.header(Self.key)).status == 200)
        try gateway.reload(text(try Self.digest("anotherkey1")))
        #expect(try eventually { try gateway.get("/api/x", Self.header("anotherkey1")).status == 200 })
        expect(try gateway.get("/api/x", Self.header(Self.key)), is: .keyInvalid)
        #expect(try gateway.get("/api/x", Self.header(bob)).status == 200)
    }

    @Test("a key that the configuration has too stays the configuration's, whatever is done to the caller who had it before")
    func declaredAndKept() throws {
        let folder = try Folder()
        let endpoints = [EndpointText("/**", helloMock)]
        let digest = try Self.digest(Self.key)
        let gateway = try Gateway(configuration(policies: "apiKey: {}", endpoints), folder: folder)
        try folder.write("key", Self.key)
        #expect(try Self.sluice(gateway, ["key", "create", "bob", "--key-file", folder.file("key"), "--secondary"]).code == 0)
        #expect(try gateway.get("/api/x", Self.header(Self.key)).status == 200)
        try gateway.reload(configuration(
            policies: "apiKey: {}", top: ["callers: {mallory: {key: \"sha256:\(digest)\", enabled: false}}"], endpoints))
        #expect(try eventually { try gateway.get("/api/x", Self.header(Self.key)).status == 403 })
        for change in [["key", "set", "bob", "--description", "x"], ["key", "disable", "bob"], ["key", "enable", "bob"]] {
            #expect(try Self.sluice(gateway, change).code == 0)
            expect(try gateway.get("/api/x", Self.header(Self.key)), is: .keyInactive)
        }
        try gateway.reload(configuration(policies: "apiKey: {}", top: ["callers: {alice: {key: \"sha256:\(digest)\"}}"], endpoints))
        #expect(try eventually { try gateway.get("/api/x", Self.header(Self.key)).status == 200 })
        for change in [["key", "rotate", "bob"], ["key", "disable", "bob"], ["key", "delete", "bob"]] {
            #expect(try Self.sluice(gateway, change).code == 0)
            #expect(try gateway.get("/api/x", Self.header(Self.key)).status == 200)
        }
    }

    @Test("what a reload takes away is taken away also if the callers that are kept cannot be read; those stay known")
    func unreadable() throws {
        let folder = try Folder()
        func text(_ callers: String) -> String { configuration(policies: "apiKey: {}", top: ["callers: \(callers)"], [EndpointText("/**", helloMock)]) }
        let gateway = try Gateway(text("{alice: {key: \"sha256:\(try Self.digest(Self.key))\"}}"), folder: folder)
        let bob = try Self.printed(try Self.sluice(gateway, ["key", "create", "bob"]))
        try folder.write("state/keys.sqlite", "rubbish")
        // From its log SQLite would make the file whole again.
        for name in ["state/keys.sqlite-wal", "state/keys.sqlite-shm"] { unlink(folder.file(name)) }
        let refused = try Self.sluice(gateway, ["key", "disable", "bob"])
        #expect(refused.code != 0 && refused.errors.contains("keys.sqlite"), "\(refused.everything)")
        try gateway.reload(text("{carol: {key: \"sha256:\(try Self.digest("anotherkey1"))\"}}"))
        #expect(try eventually { try gateway.get("/api/x", Self.header("anotherkey1")).status == 200 })
        expect(try gateway.get("/api/x", Self.header(Self.key)), is: .keyInvalid)
        #expect(try gateway.get("/api/x", Self.header(bob)).status == 200)
    }

    @Test("rows that somebody has edited while the gateway runs: who is damaged is refused and named, the others call, and the damaged one can be made again")
    func edited() throws {
        let folder = try Folder()
        let gateway = try Gateway(configuration(policies: "apiKey: {}", [EndpointText("/**", helloMock)]), folder: folder)
        #expect(try Self.sluice(gateway, ["plan", "create", "gold", "--quota", "2", "--per", "day"]).code == 0)
        let keys = try ["alice", "bob", "carol"].map { name in
            try Self.printed(try Self.sluice(gateway, ["key", "create", name] + (name == "carol" ? ["--plan", "gold"] : [])))
        }
        for key in keys { #expect(try gateway.get("/api/x", Self.header(key)).status == 200) }
        let script = """
            import sqlite3, sys
            file = sqlite3.connect(sys.argv[1])
            file.execute("UPDATE caller SET enabled = -7 WHERE name = 'alice'")
            file.execute("UPDATE usage_plan SET quota = -1")
            file.commit()
            """
        #expect(try command(["python3", "-c", script, folder.file("state/keys.sqlite")]).code == 0)
        #expect(try eventually { try gateway.get("/api/x", Self.header(keys[0])).status == 403 })
        expect(try gateway.get("/api/x", Self.header(keys[0])), is: .keyInvalid)
        #expect(try gateway.get("/api/x", Self.header(keys[1])).status == 200)
        // A plan that cannot be read is not one without a limit.
        expect(try gateway.get("/api/x", Self.header(keys[2])), is: .keyInvalid)
        #expect(eventually { gateway.log.contains("the caller `alice` (id 1) in keys.sqlite is damaged: `enabled` must be 0 or 1") }, "\(gateway.log)")
        #expect(gateway.log.contains("the plan `gold` in keys.sqlite is damaged: `quota` must be 1 to 2147483647"))
        let shown = try Self.sluice(gateway, ["key", "enable", "alice"])
        #expect(shown.code == 1 && shown.errors.contains("delete it, and make it again"), "\(shown.everything)")
        #expect(try Self.sluice(gateway, ["key", "list"]).errors.contains("`enabled` must be 0 or 1"))
        #expect(try Self.sluice(gateway, ["key", "delete", "alice"]).code == 0 && Self.sluice(gateway, ["key", "create", "alice"]).code == 0)
        #expect(try Self.sluice(gateway, ["plan", "create", "gold", "--quota", "5", "--per", "day"]).code == 0)
        #expect(try gateway.get("/api/x", Self.header(keys[2])).status == 200)
    }

    @Test("callers are moved to another gateway by a file: with their keys, in force at once, twice without effect, and nothing of a file with an error")
    func moved() throws {
        let (first, second) = (try Folder(), try Folder())
        let text = configuration(policies: "apiKey: {}", [EndpointText("/**", helloMock)])
        let (one, two) = (try Gateway(text, folder: first), try Gateway(text, folder: second))
        func sluice(_ gateway: Gateway, _ line: String) throws -> CommandResult { try Self.sluice(gateway, line.split(separator: " ").map(String.init)) }
        #expect(try sluice(two, "key export").output == "")
        #expect(try sluice(one, "plan create gold --quota 1 --per day").code == 0)
        let alice = try Self.printed(try sluice(one, "key create alice --plan gold --description x"))
        let bob = try Self.printed(try sluice(one, "key create bob --disabled"))
        let file = first.file("callers.jsonl")
        #expect(try sluice(one, "key export -o \(file)").code == 0)
        let lines = try String(contentsOfFile: file, encoding: .utf8)
        #expect(lines.hasPrefix("{\"per\":\"day\",\"plan\":\"gold\",\"quota\":1}\n") && !lines.contains(alice) && !lines.contains(bob))
        // Nothing of a file with an error.
        try first.write("wrong.jsonl", lines + "\n{\"caller\": \"zoe\", \"secret\": 1}\n")
        let wrong = try sluice(two, "key import \(first.file("wrong.jsonl"))")
        #expect(wrong.code == 1 && wrong.errors.hasPrefix("line 5: `secret` is unknown here; allowed: caller, id"), "\(wrong.everything)")
        expect(try two.get("/api/x", Self.header(alice)), is: .keyInvalid)
        #expect(try sluice(two, "key import \(file)").output == "3 made, 0 changed, 0 as they were\n")
        #expect(try two.get("/api/x", Self.header(alice)).status == 200)
        expect(try two.get("/api/x", Self.header(alice)), is: .planQuota)
        expect(try two.get("/api/x", Self.header(bob)), is: .keyInactive)
        #expect(try sluice(two, "key import \(file) --json").output == "{\"changed\":0,\"made\":0,\"unchanged\":3}\n")
        #expect(try sluice(two, "key export").output == lines)
        // Where no gateway runs.
        two.process.signal(SIGTERM)
        #expect(two.process.waitForExit(10) == 0)
        #expect(try sluice(one, "key enable bob").code == 0 && sluice(one, "key export -o \(file)").code == 0)
        #expect(try sluice(two, "key import \(file)").output == "0 made, 1 changed, 2 as they were\n")
    }

    @Test("a key in clear is noted, and never shown")
    func notes() throws {
        let folder = try Folder()
        try folder.write("sluice.yaml", configuration(policies: "apiKey: {}", top: ["callers:", "  alice: {key: \(Self.key)}", "  bob: {key: \"sha256:12\"}"], [EndpointText("/**", helloMock)]))
        let checked = try run(["check", "--config", folder.file("sluice.yaml")])
        #expect(checked.code == 1 && checked.everything.contains("a key in clear") && checked.everything.contains("64 hexadecimal digits"), "\(checked.everything)")
        #expect(!checked.everything.contains(Self.key))
    }

    @Test("one of several kinds of credentials: the caller's name goes on under the same header as a token's claim, and its plan holds")
    func anyOf() throws {
        let upstream = try ScriptedUpstream()
        let top = [
            "plans:", "  three: {quota: 3, per: day}",
            "callers:", "  alice: {key: \"sha256:\(try Self.digest(Self.key))\", plans: [three]}", "  off: {key: \"sha256:\(try Self.digest("offoffoffoff"))\", enabled: false}",
        ]
        let policies = "anyOf: [{jwt: {secret: t, forward: {mail: X-Mail, sub: X-User}}}, {apiKey: {forwardCaller: x-user}}, {apiKey: {header: X-Other-Key, hide: false}}]"
        let gateway = try Gateway(configuration(upstream: upstream.url, policies: policies, top: top, [EndpointText("/**")]))
        let token = { (seconds: Int) in "Authorization: Bearer \(try Signing.hs256(#"{"exp":\#(Signing.epoch() + seconds),"sub":"bob","mail":"m"}"#, secret: "t"))" }
        let passing: [([String], [String])] = [
            (Self.header(Self.key), ["X-User: alice"]), ([try token(600)], ["X-Mail: m", "X-User: bob"]), (["X-Other-Key: \(Self.key)"], ["X-Other-Key: \(Self.key)"]),
            ([try token(600)] + Self.header("nobodys1234"), ["X-Mail: m", "X-User: bob"]), ([try token(-9)] + Self.header(Self.key), ["X-User: alice"]),
        ]
        for (index, (fields, seen)) in passing.enumerated() {
            #expect(try gateway.get("/api/x", fields + ["X-User: mallory"]).status == 200, "\(fields)")
            let lines = try upstream.request(index).headText.components(separatedBy: "\r\n").filter { $0.contains(/(?i)^(x-user|x-mail|x-nhn-apikey|x-other-key):/) }
            #expect(lines.sorted { $0.lowercased() < $1.lowercased() } == seen, "\(lines)")
        }
        // Three of them were alice's.
        expect(try gateway.get("/api/x", ["X-Other-Key: \(Self.key)"]), is: .planQuota)
        #expect(try gateway.get("/api/x", [try token(600)]).status == 200)
        let refused: [([String], RefusalRow)] = [
            ([], .jwtNoAuthorization), (Self.header("nobodys1234"), .keyInvalid), (Self.header("offoffoffoff"), .keyInactive), (["X-Other-Key: offoffoffoff"], .keyInactive),
            ([try token(-9)], .jwtExpired),
        ]
        for (fields, row) in refused { expect(try gateway.get("/api/x", fields), is: row) }
    }

    @Test("`rateLimit` by `apiKey`: each caller by itself, whichever of its keys it uses; who has none is not limited unless that is said")
    func rateLimit() throws {
        let top = [
            "callers:", "  alice: {key: \"sha256:\(try Self.digest(Self.key))\", secondaryKey: \"sha256:\(try Self.digest("secondsecond"))\"}",
            "  bob: {key: \"sha256:\(try Self.digest("bobbobbobbob"))\"}",
        ]
        let limit = "rateLimit: [{limit: 2, perSeconds: 60, by: apiKey}]"
        let gateway = try Gateway(configuration(policies: "apiKey: {}, \(limit)", top: top, [
            EndpointText("/open", "authentication: none, \(helloMock)"), EndpointText("/strict", "\(helloMock), authentication: none, rateLimit: [{limit: 2, perSeconds: 60, by: apiKey, missing: refuse}]"),
            EndpointText("/**", helloMock),
        ]))
        #expect(try gateway.get("/api/x", Self.header(Self.key)).status == 200 && gateway.get("/api/y", Self.header("secondsecond")).status == 200)
        let refused = try gateway.get("/api/x", Self.header(Self.key))
        expect(refused, is: .rateLimit)
        #expect(refused["RateLimit-Policy"] == "\"domain-apiKey-60\";q=2;w=60")
        #expect(try gateway.get("/api/x", Self.header("bobbobbobbob")).status == 200)
        for _ in 0..<3 { expect(try gateway.get("/api/x", Self.header("nobodys1234")), is: .keyInvalid) }
        for _ in 0..<3 { #expect(try gateway.get("/api/open", Self.header(Self.key)).status == 200) }
        expect(try gateway.get("/api/strict", Self.header(Self.key)), is: .rateLimit)
        let checked = try run(["check", "--config", try gateway.folder.write("none.yaml", configuration(policies: limit, [EndpointText("/**", helloMock)]))])
        #expect(checked.code == 0 && checked.everything.contains("finds no caller: no `apiKey` policy in this domain"), "\(checked.everything)")
        let hidden = try run(["check", "--config", try gateway.folder.write("hidden.yaml", configuration(
            policies: "apiKey: {}, rateLimit: [{limit: 2, perSeconds: 60, by: \"header:X-NHN-ApiKey\"}]", [EndpointText("/**", helloMock)]))])
        #expect(hidden.code == 1 && hidden.everything.contains("which bears the API key"), "\(hidden.everything)")
    }

    @Test("errors of keys and plans in every family of errors, byte for byte")
    func families() throws {
        let top = [
            "plans:", "  one: {quota: 1, per: month}", "  slow: {requestsPerSecond: 1}",
            "callers:", "  alice: {key: \"sha256:\(try Self.digest(Self.key))\", plans: [one]}", "  bob: {key: \"sha256:\(try Self.digest("bobbobbobbob"))\", plans: [slow]}",
            "  off: {key: \"sha256:\(try Self.digest("offoffoffoff"))\", enabled: false}",
        ]
        for family in ["v1", "v2", "problem"] {
            let gateway = try Gateway(configuration(policies: "apiKey: {}", domain: ["errors: \(family)"], top: top, [EndpointText("/**", helloMock)]))
            for key in [Self.key, "bobbobbobbob"] { #expect(try gateway.get("/api/x", Self.header(key)).status == 200) }
            for (fields, row) in [
                ([], RefusalRow.keyEmpty), (Self.header("offoffoffoff"), .keyInactive), (Self.header("nobodys1234"), .keyInvalid), (Self.header(Self.key), .planQuota),
                (Self.header("bobbobbobbob"), .rateLimit),
            ] {
                let response = try gateway.get("/api/x", fields)
                switch family {
                case "v1": expect(response, is: row)
                case "v2":
                    #expect(response.status == row.status)
                    #expect(response.text == #"{"header":{"isSuccessful":false,"resultCode":\#(row.code),"resultMessage":"\#(row.message)"}}"#)
                default:
                    #expect(response.status == row.status && response["Content-Type"] == "application/problem+json", "\(response.headText)")
                    #expect(response.text.contains("\"\(row.message)\"") && response.text.contains("\(row.code)"), "\(response.text)")
                }
            }
        }
    }
}
