import Foundation
import Testing

/// Several kinds of credentials for one domain or endpoint.
@Suite("Several kinds of credentials", .loopback, .minutes(5))
struct AnyOfTests {
    private static let alternatives = "anyOf: [{hmac: {secret: s3cret}}, {jwt: {secret: first, forward: {sub: X-User}}}, {jwt: {secret: second, forward: {mail: X-Mail}}}]"

    private static func token(_ secret: String, _ claims: String = "", seconds: Int = 600) throws -> String {
        "Authorization: Bearer \(try Signing.hs256(#"{"exp":\#(Signing.epoch() + seconds),"sub":"alice","mail":"b@x"\#(claims)}"#, secret: secret))"
    }

    private struct Case {
        let target: String
        let fields: [String]
        /// Nil for one that the service gets.
        let row: RefusalRow?
        let challenges: [String]

        init(_ target: String, _ fields: [String], _ row: RefusalRow?, _ challenges: [String] = []) {
            (self.target, self.fields, self.row, self.challenges) = (target, fields, row, challenges)
        }
    }

    private static func cases() throws -> [Case] {
        let refused = "Bearer error=\"invalid_token\""
        return [
            Case("/api/x", try Signing.compact("GET", "/api/x", secret: "s3cret"), nil), Case("/api/x", [try token("first")], nil),
            Case("/api/x", [try token("second")], nil), Case("/api/x", [], .hmacNoTimestamp, ["HMAC", "Bearer"]),
            Case("/api/x", try Signing.compact("GET", "/api/x", secret: "other"), .hmacInvalid, ["HMAC", "Bearer"]),
            Case("/api/x", [try token("third")], .jwtInvalid, [refused, "HMAC"]), Case("/api/x", [try token("second", seconds: -9)], .jwtExpired, [refused, "HMAC"]),
            Case("/api/x", ["Authorization: Bearer"], .jwtNoAuthorization, ["Bearer", "HMAC"]),
            Case("/api/open", [], nil), Case("/api/own", [try token("own")], nil), Case("/api/own", [try token("first")], .jwtInvalid, [refused]),
            Case("/api/two", [try token("two")], nil), Case("/api/two", [try token("first")], .jwtInvalid, [refused, "HMAC"]),
            Case("/api/none/x/y", [], .hmacNoTimestamp, ["HMAC", "Bearer"]), Case("/api/none/x/y", [try token("first")], .notFound),
        ]
    }

    private static func text(_ upstream: String, top: [String] = []) -> String {
        configuration(upstream: upstream, policies: alternatives, top: top, [
            EndpointText("/x"), EndpointText("/open", "authentication: none"), EndpointText("/own", "jwt: {secret: own}"),
            EndpointText("/two", "anyOf: [{jwt: {secret: two}}, {hmac: {secret: two}}]"),
        ])
    }

    @Test("one of them is enough, at both levels; a 401 names all schemes; `explain` says the same")
    func decisions() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(Self.text(upstream.url))
        for one in try Self.cases() {
            for _ in 0..<2 {
                let response = try gateway.get(one.target, one.fields)
                #expect(response.status == one.row?.status ?? 200, "\(one.target) \(one.fields)")
                #expect(response.values("WWW-Authenticate") == one.challenges, "\(one.target) \(one.fields)")
                if let row = one.row { #expect(response.text.contains("\"resultMessage\":\"\(row.message)\""), "\(one.target): \(response.text)") }
            }
            let said = try run(["explain", "--config", gateway.folder.file("sluice.yaml"), "GET", "http://gateway.test" + one.target] + one.fields.flatMap { ["-H", $0] })
            #expect(said.code == (one.row == nil ? 0 : 3), "\(one.target): \(said.everything)")
            for challenge in one.challenges { #expect(said.output.contains("WWW-Authenticate: \(challenge)\n"), "\(said.everything)") }
        }
    }

    @Test("the same over HTTP/2")
    func http2() throws {
        let upstream = try ScriptedUpstream()
        let (_, port) = try Gateway.http2 { Self.text(upstream.url, top: $0) }
        let client = try FrameClient(port: port)
        for one in try Self.cases() {
            let response = try client.exchange("GET", one.target, one.fields)
            #expect(response.status == one.row?.status ?? 200, "\(one.target) \(one.fields)")
            #expect(response.values("WWW-Authenticate") == one.challenges, "\(one.target) \(one.fields)")
        }
    }

    @Test("claims go to the service by the rules of the alternative that passed, and no client's own do")
    func claims() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(Self.text(upstream.url))
        let forged = ["X-User: mallory", "x_mail: m", "X-Mail: m"]
        let calls = [
            (try Signing.compact("GET", "/api/x", secret: "s3cret"), []), ([try Self.token("first")], ["X-User: alice"]), ([try Self.token("second")], ["X-Mail: b@x"]),
        ]
        for (index, call) in calls.enumerated() {
            #expect(try gateway.get("/api/x", call.0 + forged).status == 200)
            let lines = try upstream.request(index).headText.components(separatedBy: "\r\n")
            #expect(lines.filter { $0.contains(/(?i)^x.(user|mail):/) } == call.1)
        }
    }

    @Test("what a signature covers passes only where the signature is what let the request pass")
    func signedTrailers() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(Self.text(upstream.url))
        let time = Signing.timestamp()
        func lines(_ authorization: String) throws -> [String] {
            _ = try gateway.get("/api/x", [authorization, "x-nhn-date: \(time)", "X-Signed: 1", "Connection: X-Signed"])
            return upstream.requests.last?.values("X-Signed") ?? []
        }
        let signed = try Signing.named("GET", "/api/x", secret: "s3cret", at: time, headers: "x-signed", lines: ["x-signed:1"])
        #expect(try lines(signed) == ["1"])
        #expect(try lines(Self.token("first")) == [])
    }

    @Test("refusals are counted by the policy and, of a token, by the reason of the alternative that is told; `sign` and `token` make credentials of each")
    func operating() throws {
        let gateway = try Gateway(
            configuration(policies: Self.alternatives + ", usageQuota: [{limit: 1000, perSeconds: 86400}]", [EndpointText("/**", helloMock)]), admin: true)
        let file = gateway.folder.file("sluice.yaml")
        _ = try gateway.get("/api/x", [Self.token("second", seconds: -9)])
        _ = try gateway.get("/api/x", Signing.compact("GET", "/api/x", secret: "other"))
        let page = try gateway.get("/metrics", port: gateway.adminPort).text
        #expect(page.contains(#"sluice_token_refusals_total{domain="api",reason="expired"} 1"# + "\n"), "\(page)")
        #expect(!page.contains(#"reason="signature""#) && page.contains(#"policy="hmac",refusal="hmac_invalid"} 1"#), "\(page)")
        let signed = try run(["sign", "--config", file, "--domain", "api", "GET", "/api/x"])
        #expect(try gateway.get("/api/x", signed.output.split(separator: "\n").map(String.init)).status == 200, "\(signed.everything)")
        let token = try run(["token", "--config", file, "--domain", "api"])
        #expect(try gateway.get("/api/x", ["Authorization: \(token.output.trimmingCharacters(in: .whitespacesAndNewlines))"]).status == 200, "\(token.everything)")
        let checked = try run(["check", "--config", file])
        #expect(checked.everything.contains("strangers can use it up"), "\(checked.everything)")
    }

    @Test("a token that waits for the key set of one alternative passes by it; a signature does not wait; a reload meanwhile changes nothing for it")
    func waiting() throws {
        let (asked, gate) = (Flag(), Flag())
        let key = try OpenSSL.rsaKey()
        let document = try Signing.jwks([("one", key)])
        let provider = try ScriptedUpstream { call in
            asked.set()
            try gate.wait(30)
            try call.reply(200, body: document)
        }
        let text = configuration(policies: "anyOf: [{jwt: {jwks: \"\(provider.url)/\"}}, {hmac: {secret: s}}]", [EndpointText("/a", helloMock)])
        let gateway = try Gateway(text, environment: ["SLUICE_WORKERS": "1", "SLUICE_READY_WAIT_MS": "0"])
        let tokens = [try OpenSSL.rsaKey(), key].map { key in Result { try Signing.rs256("{\"exp\":\(Signing.epoch() + 600)}", privateKey: key, kid: "one") } }
        let clients = try tokens.map { token in
            let client = try gateway.client(timeout: 40)
            try client.send(Gateway.text("GET", "/api/a", ["Authorization: Bearer \(token.get())"]))
            return client
        }
        try asked.wait()
        #expect(try gateway.get("/api/a", Signing.compact("GET", "/api/a", secret: "s")).status == 200)
        let before = gateway.log.components(separatedBy: "reloaded").count
        try gateway.reload(configuration(policies: "hmac: {secret: s}", [EndpointText("/a", helloMock)]))
        #expect(eventually { gateway.log.components(separatedBy: "reloaded").count > before }, "\(gateway.log)")
        gate.set()
        #expect(try clients[0].response().status == 401)
        #expect(try clients[1].response().text == "hello")
    }
}
