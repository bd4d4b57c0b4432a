import Foundation
import Testing

/// Credentials of an endpoint stand in place of its domain's.
@Suite("Credentials per endpoint", .loopback, .minutes(5))
struct EndpointCredentialsTests {
    private static let endpoints = [
        EndpointText("/login", methods: "GET", "authentication: none"), EndpointText("/hooks/**", "hmac: {secret: hooks}"),
        EndpointText("/admin/**", "jwt: {secret: admin, forward: {role: X-Role}}"), EndpointText("/v1/**"),
    ]

    private static func text(_ upstream: String, top: [String] = []) -> String {
        configuration(upstream: upstream, policies: "jwt: {secret: s3cret, forward: {sub: X-User}}", top: top, endpoints)
    }

    private static func token(_ secret: String) throws -> String {
        "Authorization: Bearer \(try Signing.hs256(#"{"exp":\#(Signing.epoch() + 600),"sub":"alice","role":"chief"}"#, secret: secret))"
    }

    private struct Case {
        let method: String
        let target: String
        let fields: [String]
        /// Nil for one that the service gets.
        let row: RefusalRow?

        init(_ method: String, _ target: String, _ fields: [String], _ row: RefusalRow?) {
            self.method = method
            self.target = target
            self.fields = fields
            self.row = row
        }
    }

    private static func cases() throws -> [Case] {
        let (user, admin) = (try token("s3cret"), try token("admin"))
        let other = try Signing.compact("POST", "/api/hooks/1", secret: "s3cret")
        return [
            Case("GET", "/api/login", [], nil), Case("GET", "/api/login", ["Authorization: Bearer rubbish"], nil),
            // The same endpoint, however its path is written; another method and another path are others' business.
            Case("GET", "/api/%6Cogin", [], nil), Case("GET", "/api/v1/../login", [], nil), Case("POST", "/api/login", [], .jwtNoAuthorization),
            Case("GET", "/api/login/", [], .jwtNoAuthorization), Case("GET", "/api/login/x", [], .jwtNoAuthorization),
            Case("GET", "/api/login/../v1/x", [], .jwtNoAuthorization), Case("GET", "/api/login/%2e%2e/v1/x", [], .jwtNoAuthorization),
            Case("GET", "/api/LOGIN", [], .jwtNoAuthorization),
            Case("POST", "/api/hooks/1", try Signing.compact("POST", "/api/hooks/1", secret: "hooks"), nil), Case("POST", "/api/hooks/1", other, .hmacInvalid),
            Case("POST", "/api/hooks/1", [user], .hmacNoTimestamp), Case("POST", "/api/hooks/1", [], .hmacNoTimestamp),
            Case("GET", "/api/admin/x", [admin], nil), Case("GET", "/api/admin/x", [user], .jwtInvalid), Case("GET", "/api/admin/x", [], .jwtNoAuthorization),
            Case("GET", "/api/v1/x", [user], nil), Case("GET", "/api/v1/x", [admin], .jwtInvalid), Case("GET", "/api/v1/x", [], .jwtNoAuthorization),
            // What no endpoint matches is asked for the domain's credentials before it is told anything.
            Case("GET", "/api/nothing", [], .jwtNoAuthorization), Case("GET", "/api/nothing", [admin], .jwtInvalid), Case("GET", "/api/nothing", [user], .notFound),
        ]
    }

    @Test("an endpoint's hmac or jwt replaces the domain's, `authentication: none` opens it, and `explain` says the same")
    func endpoints() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(Self.text(upstream.url))
        for one in try Self.cases() {
            // Twice: a token that is remembered is remembered by the policy that accepted it.
            for _ in 0..<2 {
                let response = try gateway.request(one.method, one.target, one.fields)
                if let row = one.row { expect(response, is: row) } else { #expect(response.status == 200, "\(one.method) \(one.target)") }
            }
            let said = try run(["explain", "--config", gateway.folder.file("sluice.yaml"), one.method, "http://gateway.test" + one.target] + one.fields.flatMap { ["-H", $0] })
            #expect(said.code == (one.row == nil ? 0 : 3), "\(one.method) \(one.target): \(said.everything)")
            if let row = one.row { #expect(said.output.contains("verdict: \(row.status) "), "\(said.everything)") }
        }
    }

    @Test("the same over HTTP/2")
    func http2() throws {
        let upstream = try ScriptedUpstream()
        let (_, port) = try Gateway.http2 { Self.text(upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        for one in try Self.cases() {
            let response = try client.exchange(one.method, one.target, one.fields)
            if let row = one.row { expect(response, is: row) } else { #expect(response.status == 200, "\(one.method) \(one.target)") }
        }
    }

    @Test("no client says who it is: a header that bears a claim anywhere in a domain is taken off in all of it")
    func claims() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(Self.text(upstream.url))
        let forged = ["X-User: mallory", "x_user: mallory", "X-Role: chief", "X.Role: chief", "Connection: X-User"]
        let calls: [(String, String, [String], [String])] = [
            ("GET", "/api/login", [], []), ("POST", "/api/hooks/1", try Signing.compact("POST", "/api/hooks/1", secret: "hooks"), []),
            ("GET", "/api/admin/x", [try Self.token("admin")], ["X-Role: chief"]), ("GET", "/api/v1/x", [try Self.token("s3cret")], ["X-User: alice"]),
        ]
        for (index, call) in calls.enumerated() {
            #expect(try gateway.request(call.0, call.1, call.2 + forged).status == 200)
            let lines = try upstream.request(index).headText.components(separatedBy: "\r\n")
            let said = lines.filter { $0.contains(/(?i)^x.(user|role):/) }
            #expect(said == call.3, "\(call.1): \(said)")
        }
    }

    @Test("a preflight needs no credentials; a quota with `charge: after` charges whom the endpoint's own credentials let in")
    func order() throws {
        let gateway = try Gateway(configuration(
            policies: "jwt: {secret: s3cret}, cors: {origins: [\"https://app.test\"], methods: [GET]}, usageQuota: {limits: [{limit: 2, perSeconds: 2592000}], charge: after}",
            [EndpointText("/open", "authentication: none, \(helloMock)"), EndpointText("/signed", "hmac: {secret: s}, \(helloMock)"), EndpointText("/**", helloMock)]))
        let preflight = ["Origin: https://app.test", "Access-Control-Request-Method: GET"]
        for path in ["/open", "/signed", "/x"] { #expect(try gateway.request("OPTIONS", "/api" + path, preflight).status == 204, "\(path)") }
        for _ in 0..<3 { expect(try gateway.get("/api/signed"), is: .hmacNoTimestamp) }
        #expect(try gateway.get("/api/signed", Signing.compact("GET", "/api/signed", secret: "s")).status == 200)
        #expect(try gateway.get("/api/open").status == 200)
        #expect(try gateway.get("/api/x", [Self.token("s3cret")]).status == 403)
        #expect(try gateway.get("/api/open").status == 403)
    }

    @Test("an exchange that waits for an endpoint's key set while a reload opens the endpoint is judged by what it began with")
    func reload() throws {
        let (asked, gate) = (Flag(), Flag())
        let key = try OpenSSL.rsaKey()
        let document = try Signing.jwks([("one", key)])
        let provider = try ScriptedUpstream { call in
            asked.set()
            try gate.wait(30)
            try call.reply(200, body: document)
        }
        let text = configuration(policies: "hmac: {secret: s}", [EndpointText("/a", "jwt: {jwks: \"\(provider.url)/\"}, \(helloMock)")])
        let gateway = try Gateway(text, environment: ["SLUICE_WORKERS": "1", "SLUICE_READY_WAIT_MS": "0"])
        let stranger = try Signing.rs256("{\"exp\":\(Signing.epoch() + 600)}", privateKey: OpenSSL.rsaKey(), kid: "one")
        let known = try Signing.rs256("{\"exp\":\(Signing.epoch() + 600)}", privateKey: key, kid: "one")
        let clients = try [stranger, known].map { token in
            let client = try gateway.client(timeout: 40)
            try client.send(Gateway.text("GET", "/api/a", ["Authorization: Bearer \(token)"]))
            return client
        }
        try asked.wait()
        usleep(200_000)
        let before = gateway.log.components(separatedBy: "reloaded").count
        try gateway.reload(configuration(policies: "hmac: {secret: s}", [EndpointText("/a", "authentication: none, \(helloMock)")]))
        #expect(eventually { gateway.log.components(separatedBy: "reloaded").count > before }, "\(gateway.log)")
        #expect(try gateway.get("/api/a").text == "hello")
        gate.set()
        expect(try clients[0].response(), is: .jwtInvalid)
        #expect(try clients[1].response().text == "hello")
        #expect(provider.requests.count == 1)
    }

    @Test("`sign` and `token` make the credentials of an endpoint, and say which endpoints have some")
    func commands() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(Self.text(upstream.url))
        let file = gateway.folder.file("sluice.yaml")
        let signed = try run(["sign", "--config", file, "--domain", "api", "--endpoint", "/hooks/**", "POST", "/api/hooks/7"])
        let lines = signed.output.split(separator: "\n").map(String.init)
        #expect(try gateway.request("POST", "/api/hooks/7", lines).status == 200, "\(signed.everything)")
        let token = try run(["token", "--config", file, "--domain", "api", "--endpoint", "GET,POST,PUT,PATCH,DELETE /admin/**"])
        #expect(try gateway.get("/api/admin/x", ["Authorization: \(token.output.trimmingCharacters(in: .whitespacesAndNewlines))"]).status == 200, "\(token.everything)")
        let inherited = try run(["token", "--config", file, "--domain", "api", "--endpoint", "/v1/**"])
        #expect(try gateway.get("/api/v1/x", ["Authorization: \(inherited.output.trimmingCharacters(in: .whitespacesAndNewlines))"]).status == 200, "\(inherited.everything)")
        let none = try run(["sign", "--config", file, "--domain", "api", "GET", "/api/hooks/7"])
        #expect(none.code == 1 && none.everything.contains("has no HMAC policy; --endpoint names one that has: "), "\(none.everything)")
        #expect(try run(["token", "--config", file, "--domain", "api", "--endpoint", "/login"]).code == 1)
        #expect(try run(["token", "--config", file, "--domain", "api", "--endpoint", "/logi"]).code == 2)
    }
}
