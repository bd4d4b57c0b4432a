import Foundation
import Testing

/// `errors: v2` and `errors: problem`, on the bytes that a client receives. Written from the tables, not from the source.
@Suite("Error families", .loopback, .minutes(5))
struct ErrorFamilyTests {
    private let v2 = ["errors: v2"]

    private func expectSecond(_ response: Response, _ status: Int, _ code: Int, _ message: String, _ challenge: String? = nil) {
        #expect(response.status == status)
        #expect(response.text == #"{"header":{"isSuccessful":false,"resultCode":\#(code),"resultMessage":"\#(message)"}}"#)
        #expect(response["Content-Type"] == "application/json; charset=utf-8")
        #expect(response["Content-Length"] == "\(response.body.count)")
        #expect(response["WWW-Authenticate"] == challenge)
    }

    @Test("v2, HMAC: each of its nine errors")
    func hmac() throws {
        let gateway = try Gateway(
            configuration(policies: "hmac: {secret: s3cret, clockSkew: 300, requiredHeaders: [X-Tenant]}", domain: v2, [EndpointText("/**", helloMock)]))
        let now = Signing.timestamp()
        let good = #"hmac algorithm="HmacSHA256", headers="x-tenant", signature="c2ln""#
        let rows: [([String], Int, String)] = [
            ([], 4_011_001, "Authorization is empty."),
            (["x-nhn-date: \(now)", "Authorization: "], 4_011_001, "Authorization is empty."),
            (["x-nhn-date: \(now)", #"Authorization: hmac signature="c2ln""#], 4_011_002, "HmacAlgorithm is empty or not supported algorithm"),
            (["x-nhn-date: \(now)", #"Authorization: hmac algorithm="MD5", signature="c2ln""#], 4_011_002, "HmacAlgorithm is empty or not supported algorithm"),
            (["x-nhn-date: \(now)", #"Authorization: hmac algorithm="HmacSHA256", signature="""#], 4_011_003, "Signature is empty."),
            (["x-nhn-date: \(now)", #"Authorization: hmac algorithm="HmacSHA1""#], 4_011_003, "Signature is empty."),
            (["x-nhn-date: \(now)", "Authorization: \(good)"], 4_011_004, "Not include some headers credential."),
            (["X-Tenant: a", "Authorization: \(good)"], 4_011_005, "x-nhn-date header is empty."),
            (["X-Tenant: a", "x-nhn-date: yesterday", "Authorization: \(good)"], 4_011_006, "Invalid x-nhn-date format. ISO Datetime format (yyyy-MM-dd'T'hh:mm:ssZ)"),
            (["X-Tenant: a", "x-nhn-date: \(Signing.timestamp(-400))", "Authorization: \(good)"], 4_011_007, "expired"),
            (["X-Tenant: a", "x-nhn-date: \(Signing.timestamp(400))", "Authorization: \(good)"], 4_011_007, "expired"),
            (["X-Tenant: a", "x-nhn-date: \(now)", "Authorization: \(good)"], 4_011_008, "Authorization is invalid."),
            (["X-TC-Timestamp: \(now)", "Authorization: bm90IGEgc2lnbmF0dXJl"], 4_011_008, "Authorization is invalid."),
            (["X-Tenant: a", "x-nhn-date: \(now)", "Authorization: Bearer abc"], 4_011_009, "Authorization header must start with the string hmac."),
        ]
        for (fields, code, message) in rows { expectSecond(try gateway.get("/api/x", fields), 401, code, message, "HMAC") }
    }

    @Test("v2, JWT: each of its three errors")
    func jwt() throws {
        let gateway = try Gateway(configuration(policies: "jwt: {algorithm: HS256, secret: s3cret}", domain: v2, [EndpointText("/**", helloMock)]))
        let invalid = #"Bearer error="invalid_token""#
        expectSecond(try gateway.get("/api/x"), 401, 4_012_001, "Authorization is empty.", "Bearer")
        expectSecond(try gateway.get("/api/x", ["Authorization: Basic dTpw"]), 401, 4_012_002, "Token type is invalid.", invalid)
        expectSecond(try gateway.get("/api/x", ["Authorization: Bearer a.b.c"]), 401, 4_012_003, "Token is invalid.", invalid)
        let expired = try Signing.hs256(#"{"exp":\#(Signing.epoch() - 4000)}"#, secret: "s3cret")
        expectSecond(try gateway.get("/api/x", ["Authorization: Bearer \(expired)"]), 401, 4_012_003, "Token is invalid.", invalid)
    }

    @Test("v2: limits, routing, addresses, requests")
    func others() throws {
        let ceiling = try Gateway(configuration(ceiling: 1, domain: v2, [EndpointText("/**", helloMock)]))
        #expect(try ceiling.get("/api/x").status == 200)
        expectSecond(try ceiling.get("/api/x"), 429, 4_291_000, "Too Many Requests")

        let gateway = try Gateway(
            configuration(domain: v2, [
                EndpointText("/quota", helloMock + ", usageQuota: [{limit: 1, perSeconds: 86400}]"),
                EndpointText("/needs", helloMock + ", validate: {query: {required: [id]}}"),
                EndpointText("/pre", helloMock + ", preCall: {method: GET, url: \"http://127.0.0.1:\(try Ports.free())/\"}"),
                EndpointText("/pattern", helloMock + ", rewrite: {pattern: \"/a(b\", to: \"/x\"}"), EndpointText("/body"),
            ]), environment: ["SLUICE_MAX_BODY_BYTES": "\(2 << 20)"])
        #expect(try gateway.get("/api/quota").status == 200)
        let quota = try gateway.get("/api/quota")
        expectSecond(quota, 429, 4_291_001, "Usage quota exceeded.")
        #expect(quota["Retry-After"] != nil)
        let closed = try Gateway(configuration(policies: "ipAcl: {permit: false, addresses: [127.0.0.1]}", domain: v2, [EndpointText("/**", helloMock)]))
        expectSecond(try closed.get("/api/x"), 403, 4_031_007, "Request IP not allowed")
        expectSecond(try gateway.get("/api/none"), 404, 4_041_007, "URL Not Found")
        expectSecond(try gateway.get("/api/a%2Fb"), 400, 4_000_003, "Invalid URI.")
        expectSecond(try gateway.get("/api/pre"), 502, 5_021_001, "Pre API Connection Failed")
        // What it has no row for is as in the catalogue.
        expectSecond(try gateway.get("/api/pattern"), 500, 20005, "20005 URI Pattern's syntax is invalid")
        let needs = try gateway.get("/api/needs")
        #expect(needs.status == 400 && needs.text.hasPrefix(#"{"header":{"isSuccessful":false,"resultCode":4000007,"resultMessage":"Bad Request ("#))
        let long = try gateway.request("POST", "/api/body", ["Content-Length: \((2 << 20) + 1)", "Expect: 100-continue"])
        expectSecond(long, 413, 4_131_000, "Request size is larger than permissible limit. the permissible limit is 2mb.")
        // Before it is known whose request it is, the errors are the catalogue's.
        expect(try gateway.get("/other/x"), is: .notFound)
        expect(try gateway.get("/api/%00"), is: .target)
    }

    @Test("v2: an upstream that refuses, and one that is too slow, with its own timeout")
    func upstreams() throws {
        let refusing = try Gateway(configuration(upstream: "http://127.0.0.1:\(try Ports.free())", domain: v2))
        expectSecond(try refusing.get("/api/x"), 502, 5_020_001, "Upstream Bad Gateway (connection refused)")
        let silent = try ScriptedUpstream { call in
            pause(2)
            call.close()
        }
        let slow = try Gateway(configuration(upstream: silent.url, domain: v2 + ["upstreamTimeoutMs: 300"]))
        expectSecond(try slow.get("/api/x"), 504, 5_040_001, "Gateway Timeout (Upstream ReadTimeout. limit: 300ms)")
    }

    @Test("problem: RFC 9457's members, the code and the error's name; each domain has its own family")
    func problem() throws {
        let gateway = try Gateway(
            configuration(policies: "hmac: {secret: s3cret, clockSkew: 300}", domain: ["errors: problem"], [EndpointText("/**", helloMock)])
                + domainLines(key: "first", upstream: "http://127.0.0.1:9", [EndpointText("/a", helloMock)]).joined(separator: "\n") + "\n")
        let refused = try gateway.get("/api/x")
        #expect(refused.status == 401)
        #expect(refused["Content-Type"] == "application/problem+json")
        #expect(refused["WWW-Authenticate"] == "HMAC")
        #expect(refused.text == #"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"HMAC authentication failed (The timestamp field is empty)","code":20001,"error":"hmac_timestamp_empty"}"#)
        expect(try gateway.get("/first/b"), is: .notFound)
        let head = try gateway.client()
        try head.send(Gateway.text("HEAD", "/api/x", ["Connection: close"]))
        #expect(try head.response(to: "HEAD")["Content-Length"] == "\(refused.body.count)")
        #expect(try head.toEnd().isEmpty)
    }

    @Test("log and metrics name the error as with v1, with the status that was sent; explain shows the same bytes")
    func records() throws {
        let folder = try Folder()
        let text = configuration(domain: v2, [EndpointText("/quota", helloMock + ", usageQuota: [{limit: 1, perSeconds: 86400}]")])
        let gateway = try Gateway(text, folder: folder, admin: true)
        #expect(try gateway.get("/api/quota").status == 200)
        expectSecond(try gateway.get("/api/quota"), 429, 4_291_001, "Usage quota exceeded.")
        let metrics = try gateway.get("/metrics", port: gateway.adminPort).text
        #expect(metrics.contains(#"refusal="quota_exceeded"} 1"#), "\(metrics)")
        let explained = try run(["explain", "--config", folder.file("sluice.yaml"), "GET", "/api/none"])
        let sent = try gateway.get("/api/none")
        expectSecond(sent, 404, 4_041_007, "URL Not Found")
        #expect(explained.output.contains(sent.text) && explained.output.contains("404 4041007 URL Not Found"), "\(explained.everything)")
    }

    @Test("another word is an error of the configuration, with the three that are allowed")
    func unknown() throws {
        let file = try Folder().write("sluice.yaml", configuration(domain: ["errors: v3"], [EndpointText("/**", helloMock)]))
        let checked = try run(["check", file])
        #expect(checked.code == 1 && checked.errors.contains("\"v3\"") && checked.errors.contains("problem"), "\(checked.everything)")
    }
}
