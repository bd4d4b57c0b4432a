import Foundation
import Testing

/// JWT policies with several issuers, and with issuers whose key sets are discovered.
@Suite("Issuers", .loopback, .minutes(5))
struct IssuerTests {
    /// An OpenID Connect provider with a key set that tests change.
    private final class Provider: Sendable {
        let keys: [String]
        let isDown = Flag()
        let isBack = Flag()
        let isRotated = Flag()
        let isOther = Flag()
        let upstream: ScriptedUpstream
        var issuer: String { upstream.url + "/tenant" }

        init() throws {
            let keys = [try OpenSSL.rsaKey(), try OpenSSL.rsaKey()]
            let sets = [try Signing.jwks([("one", keys[0])]), try Signing.jwks([("two", keys[1])])]
            self.keys = keys
            let (isDown, isBack, isRotated, isOther) = (isDown, isBack, isRotated, isOther)
            upstream = try ScriptedUpstream { call in
                let own = "http://\(call.request.values("Host").first ?? "")/tenant"
                if isDown.isSet, !isBack.isSet { return try call.reply(500) }
                switch call.request.target {
                case "/tenant/.well-known/openid-configuration":
                    try call.reply(200, body: #"{"issuer":"\#(own)\#(isOther.isSet ? "/" : "")","jwks_uri":"\#(own)/keys\#(isRotated.isSet ? "2" : "")"}"#)
                case "/tenant/keys": try call.reply(200, body: sets[0])
                case "/tenant/keys2": try call.reply(200, body: sets[1])
                default: try call.reply(404)
                }
            }
        }

        func token(_ number: Int = 0, issuer: String? = nil, _ more: String = "") throws -> String {
            try Signing.rs256(
                #"{"exp":\#(Signing.epoch() + 3600),"iss":"\#(issuer ?? self.issuer)"\#(more)}"#, privateKey: keys[number], kid: ["one", "two"][number])
        }

        func count(_ target: String) -> Int { upstream.requests.count { $0.target == target } }
    }

    private func get(_ gateway: Gateway, _ token: String) throws -> Int { try gateway.get("/api/x", ["Authorization: Bearer \(token)"]).status }

    @Test("the issuer alone is enough: its document and its key set are fetched; rotation and outage are those of any key set; metrics and `explain` know it")
    func discovery() throws {
        let provider = try Provider()
        let gateway = try Gateway(
            configuration(policies: "jwt: {issuer: \"\(provider.issuer)\"}", [EndpointText("/**", helloMock)]),
            environment: ["SLUICE_KEY_SET_REFRESH_SECONDS": "10"], admin: true)
        let token = try provider.token()
        #expect(try eventually { try get(gateway, token) == 200 })
        #expect(try get(gateway, provider.token(issuer: "http://other.test")) == 401)
        let label = "{key_set=\"\(provider.issuer)/.well-known/openid-configuration\"}"
        func metrics() throws -> String { try gateway.get("/metrics", port: gateway.adminPort).text }
        let page = try metrics()
        #expect(page.contains("sluice_key_set_up\(label) 1\n") && page.contains("sluice_key_set_keys\(label) 1\n"), "\(page)")
        let said = try run(["explain", "--config", gateway.folder.file("sluice.yaml"), "GET", "/api/x", "-H", "Authorization: Bearer \(token)"])
        #expect(said.code == 0 && said.output.contains("/.well-known/openid-configuration: fetched"), "\(said.everything)")
        provider.isDown.set()
        #expect(eventually(within: 20) { gateway.log.contains("status 500") }, "\(gateway.log)")
        #expect(try get(gateway, token) == 200)
        #expect(try metrics().contains("sluice_key_set_up\(label) 0\n"))
        provider.isRotated.set()
        provider.isBack.set()
        #expect(try eventually(within: 30) {
            pause(0.2)
            return try get(gateway, provider.token(1)) == 200
        })
        #expect(try get(gateway, token) == 401)
        #expect(try metrics().contains("sluice_key_set_up\(label) 1\n"))
    }

    @Test("a document that names another issuer gives no keys; log, metric and `explain` say so")
    func otherIssuer() throws {
        let provider = try Provider()
        provider.isOther.set()
        let gateway = try Gateway(
            configuration(policies: "jwt: {issuer: \"\(provider.issuer)\"}", [EndpointText("/**", helloMock)]), environment: ["SLUICE_READY_WAIT_MS": "0"],
            admin: true)
        let token = try provider.token()
        #expect(try get(gateway, token) == 401)
        #expect(eventually { gateway.log.contains("a discovery document of another issuer") }, "\(gateway.log)")
        let page = try gateway.get("/metrics", port: gateway.adminPort).text
        #expect(page.contains("sluice_key_set_up{key_set=\"\(provider.issuer)/.well-known/openid-configuration\"} 0\n"), "\(page)")
        let said = try run(["explain", "--config", gateway.folder.file("sluice.yaml"), "GET", "/api/x", "-H", "Authorization: Bearer \(token)"])
        #expect(said.code == 3 && said.output.contains("not available: a discovery document of another issuer"), "\(said.everything)")
        #expect(provider.count("/tenant/keys") == 0)
    }

    @Test("tokens with unknown keys cost one fetch in 10 s, of the issuer that they name")
    func unknownKeys() throws {
        let (first, second) = (try Provider(), try Provider())
        let gateway = try Gateway(configuration(
            policies: "jwt: {issuers: [{issuer: \"\(first.issuer)\"}, {issuer: \"\(second.issuer)\"}]}", [EndpointText("/**", helloMock)]))
        #expect(try eventually { try get(gateway, first.token()) == 200 })
        #expect(try eventually { try get(gateway, second.token()) == 200 })
        // Its key, named by the other: a stranger's.
        for _ in 0..<20 {
            #expect(try get(gateway, first.token(1)) == 401)
            #expect(try get(gateway, first.token(issuer: second.issuer)) == 401)
            #expect(try get(gateway, first.token(issuer: "http://third.test")) == 401)
        }
        #expect(first.count("/tenant/keys") <= 2 && second.count("/tenant/keys") <= 2)
    }

    @Test("each issuer's claims go to the service in the same headers; `token` makes tokens of each; the reason for a stranger is `issuer`")
    func claims() throws {
        let upstream = try ScriptedUpstream()
        let folder = try Folder()
        let gateway = try Gateway(
            configuration(
                upstream: upstream.url,
                policies: "jwt: {issuers: [{issuer: a, secret: first, forward: {sub: X-User}}, {issuer: b, secret: second, audience: x, forward: {uid: X-User, mail: X-Mail}}]}"),
            environment: ["SLUICE_ACCESS_LOG": folder.file("access.log")])
        let file = gateway.folder.file("sluice.yaml")
        func token(_ arguments: String...) throws -> String {
            let result = try run(["token", "--config", file, "--domain", "api"] + arguments)
            #expect(result.code == 0, "\(result.everything)")
            return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let forged = ["X-User: mallory", "X-Mail: m@x"]
        let calls = [
            (try token("--claim", "sub=alice", "--claim", "mail=no"), ["X-User: alice"]),
            (try token("--issuer", "b", "--claim", "uid=bob", "--claim", "sub=no", "--claim", "mail=b@x"), ["X-User: bob", "X-Mail: b@x"]),
        ]
        for round in 0..<2 {
            for (index, call) in calls.enumerated() {
                #expect(try gateway.get("/api/x", ["Authorization: Bearer \(call.0)"] + forged).status == 200)
                let lines = try upstream.request(2 * round + index).headText.components(separatedBy: "\r\n")
                #expect(lines.filter { $0.contains(/(?i)^x-(user|mail):/) } == call.1)
            }
        }
        #expect(try get(gateway, Signing.hs256(#"{"exp":\#(Signing.epoch() + 60),"iss":"c"}"#, secret: "first")) == 401)
        #expect(eventually { folder.read("access.log").contains(#""reason":"issuer""#) })
        let none = try run(["token", "--config", file, "--domain", "api", "--issuer", "c"])
        #expect(none.code == 2 && none.everything.contains("allowed: \"a\" or \"b\""), "\(none.everything)")
    }
}
