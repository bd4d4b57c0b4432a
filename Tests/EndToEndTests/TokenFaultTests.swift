import Foundation
import Testing

/// Why a token was refused: the operator is told, the caller is not.
@Suite("Reasons of refused tokens", .loopback, .minutes(5))
struct TokenFaultTests {
    /// A token, what is wrong with it and what else is said, and the error that its bearer gets.
    private static func cases(_ key: String) throws -> [(token: String?, reason: String, detail: String, row: RefusalRow)] {
        let now = Signing.epoch()
        func signed(_ payload: String, kid: String = "one", by other: String? = nil) throws -> String {
            try Signing.rs256(payload, privateKey: other ?? key, kid: kid)
        }
        let good = #""exp":\#(now + 600),"iss":"idp","aud":"orders","scope":"read""#
        return [
            (nil, "missing", "", .jwtNoAuthorization), ("a.b", "malformed", "", .jwtInvalid),
            (try Signing.hs256("{\(good)}", secret: "s3cret"), "algorithm", "", .jwtInvalid), (try signed("{\(good)}", kid: "two"), "unknownKey", "", .jwtInvalid),
            (try signed("{\(good)}", by: OpenSSL.rsaKey()), "signature", "", .jwtInvalid), (try signed("[]"), "malformed", "", .jwtInvalid),
            (try signed(#"{"exp":\#(now - 60),"iss":"idp","aud":"orders","scope":"read"}"#), "expired", "", .jwtExpired),
            (try signed(#"{\#(good),"nbf":\#(now + 300)}"#), "notYetValid", "", .jwtInvalid), (try signed(#"{\#(good),"iat":"x"}"#), "malformed", "", .jwtInvalid),
            (try signed(#"{"exp":\#(now + 600),"iss":"other","aud":"orders","scope":"read"}"#), "issuer", "", .jwtInvalid),
            (try signed(#"{"exp":\#(now + 600),"iss":"idp","aud":"other","scope":"read"}"#), "audience", "", .jwtInvalid),
            (try signed(#"{"exp":\#(now + 600),"iss":"idp","aud":"orders","scope":"write"}"#), "claim", "scope", .jwtInvalid),
            (try signed(#"{"iss":"idp","aud":"orders","scope":"read"}"#), "claim", "exp", .jwtInvalid),
        ]
    }

    private struct Site {
        let folder: Folder
        let key: String
        let policy: String

        init() throws {
            folder = try Folder()
            key = try OpenSSL.rsaKey()
            try folder.write("keys.json", Signing.jwks([("one", key)]))
            policy = "jwt: {jwks: \"\(folder.file("keys.json"))\", issuer: idp, audience: orders, claims: [{name: scope, equals: read}]}"
        }

        /// Reason and detail of each line of the access log, in order.
        func reasons() throws -> [String] {
            try folder.read("access.log").split(separator: "\n").map { line in
                let entry = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
                return "\(entry["reason"] as? String ?? "-") \(entry["detail"] as? String ?? "")"
            }
        }
    }

    @Test("the access log, `explain` and the metrics name the reason; the response has the same three texts as ever")
    func reasons() throws {
        let site = try Site()
        let text = configuration(policies: site.policy, [EndpointText("/**", helloMock)])
        let gateway = try Gateway(text, environment: ["SLUICE_ACCESS_LOG": site.folder.file("access.log"), "SLUICE_WORKERS": "1"], admin: true)
        let cases = try Self.cases(site.key)
        for one in cases {
            let fields = one.token.map { ["Authorization: Bearer \($0)"] } ?? []
            expect(try gateway.get("/api/x", fields), is: one.row)
            let said = try run(["explain", "--config", gateway.folder.file("sluice.yaml"), "GET", "/api/x"] + fields.flatMap { ["-H", $0] })
            let why = one.detail.isEmpty ? one.reason : "\(one.reason): \(one.detail)"
            #expect(said.output.contains(" (\(why))\n"), "\(one.reason): \(said.everything)")
        }
        _ = try gateway.get("/other")
        #expect(try eventually { try site.reasons().count == cases.count + 1 })
        #expect(try site.reasons() == cases.map { "\($0.reason) \($0.detail)" } + ["- "])
        let counts = Dictionary(cases.map { ($0.reason, 1) }, uniquingKeysWith: +)
        let page = try gateway.get("/metrics", port: gateway.adminPort).text
        for (reason, count) in counts { #expect(page.contains("sluice_token_refusals_total{domain=\"api\",reason=\"\(reason)\"} \(count)\n"), "\(page)") }
    }

    @Test("the same over HTTP/2; a token that is remembered and ends is `expired`")
    func http2() throws {
        let site = try Site()
        let (_, port) = try Gateway.http2(environment: ["SLUICE_ACCESS_LOG": site.folder.file("access.log")]) {
            configuration(policies: site.policy, top: $0, [EndpointText("/**", helloMock)])
        }
        let client = try FrameClient(port: port)
        let cases = try Self.cases(site.key)
        for one in cases { expect(try client.exchange("GET", "/api/x", one.token.map { ["Authorization: Bearer \($0)"] } ?? []), is: one.row) }
        let brief = try Signing.rs256(
            #"{"exp":\#(Signing.epoch() + 3),"iss":"idp","aud":"orders","scope":"read"}"#, privateKey: site.key, kid: "one")
        #expect(try client.exchange("GET", "/api/x", ["Authorization: Bearer \(brief)"]).text == "hello")
        pause(4)
        expect(try client.exchange("GET", "/api/x", ["Authorization: Bearer \(brief)"]), is: .jwtExpired)
        #expect(try eventually { try site.reasons() == cases.map { "\($0.reason) \($0.detail)" } + ["- ", "expired "] })
    }
}
