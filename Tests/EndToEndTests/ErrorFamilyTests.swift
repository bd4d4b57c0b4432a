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

    @Test("at the top: of domains that do not say it, and of requests that are none of any domain's; a reload changes it for all")
    func top() throws {
        let domains = "domains: [{key: a, endpoints: []}, {key: b, errors: v1, endpoints: []}]\n"
        let gateway = try Gateway("errors: problem\n" + domains)
        for target in ["/a/x", "/none"] {
            let response = try gateway.get(target)
            #expect(response.status == 404 && response["Content-Type"] == "application/problem+json" && response.text.contains(#""code":4041007,"error":"not_found""#), "\(response.text)")
        }
        let client = try gateway.client()
        try client.send("GET / HTTP/1.1\r\nHost: a\r\nBad Field: x\r\n\r\n")
        #expect(try client.response()["Content-Type"] == "application/problem+json")
        expect(try gateway.get("/b/x"), is: .notFound)
        let explained = try run(["explain", gateway.folder.file("sluice.yaml"), "GET", "/none"])
        #expect(explained.output.contains("application/problem+json"), "\(explained.everything)")
        try gateway.reload("errors: v2\n" + domains)
        #expect(try eventually { try gateway.get("/none").text == #"{"header":{"isSuccessful":false,"resultCode":4041007,"resultMessage":"URL Not Found"}}"# })
        try gateway.reload(domains)
        #expect(try eventually { try gateway.get("/none").text == RefusalRow.notFound.body })
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
                EndpointText("/pattern2", helloMock + ", rewrite: {pattern: \"/(.*)\", to: \"/%9\"}"),
                EndpointText("/login", helloMock + ", rateLimit: [{limit: 1, perSeconds: 60}]"),
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
        expectSecond(try gateway.get("/api/needs"), 400, 4_000_007, "Bad Request (query parameter id missing)")
        expectSecond(try gateway.get("/api/pattern2"), 500, 20006, "20006 Rewrite URI's syntax is invalid")
        #expect(try gateway.get("/api/login").status == 200)
        expectSecond(try gateway.get("/api/login"), 429, 4_291_000, "Too Many Requests")
        let long = try gateway.request("POST", "/api/body", ["Content-Length: \((2 << 20) + 1)", "Expect: 100-continue"])
        expectSecond(long, 413, 4_131_000, "Request size is larger than permissible limit. the permissible limit is 2mb.")
        // Before it is known whose request it is, the errors are the catalogue's.
        expect(try gateway.get("/other/x"), is: .notFound)
        expect(try gateway.get("/api/%00"), is: .target)
    }

    @Test("v2: API keys and plans, and in a domain's own words")
    func keys() throws {
        func digest(_ key: String) throws -> String { String(try command(["/bin/sh", "-c", "printf %s '\(key)' | sha256sum"]).output.prefix(64)) }
        let top = [
            "plans: {one: {quota: 1, per: month}}",
            "callers: {alice: {key: \"sha256:\(try digest("alicealice"))\", plans: [one]}, off: {key: \"sha256:\(try digest("offoffoffoff"))\", enabled: false}}",
        ]
        let gateway = try Gateway(configuration(policies: "apiKey: {}", domain: v2, top: top, [EndpointText("/**", helloMock)]))
        expectSecond(try gateway.get("/api/x"), 403, 4_031_010, "Request api key is empty.")
        expectSecond(try gateway.get("/api/x", ["x-nhn-apikey: offoffoffoff"]), 403, 4_031_011, "Request api key is inactive.")
        expectSecond(try gateway.get("/api/x", ["x-nhn-apikey: somebodyelse"]), 403, 4_031_012, "Request api key is invalid.")
        #expect(try gateway.get("/api/x", ["x-nhn-apikey: alicealice"]).status == 200)
        expectSecond(try gateway.get("/api/x", ["x-nhn-apikey: alicealice"]), 429, 4_291_001, "Usage quota exceeded.")
        let responses = ["responses: {forbidden: {status: 401, headers: {WWW-Authenticate: Key}, bodies: {text/plain: '${error.resultCode}'}}, usageQuotaExceeded: {status: 402}}"]
        let own = try Gateway(configuration(policies: "apiKey: {}", domain: responses, top: top, [EndpointText("/**", helloMock)]))
        let refused = try own.get("/api/x")
        #expect(refused.status == 401 && refused.text == "4031010" && refused["WWW-Authenticate"] == "Key")
        #expect(try own.get("/api/x", ["x-nhn-apikey: alicealice"]).status == 200)
        let quota = try own.get("/api/x", ["x-nhn-apikey: alicealice"])
        #expect(quota.status == 402 && quota["Retry-After"] != nil && quota["RateLimit"] != nil)
    }

    @Test("v2: X-NHN-RateLimit-Remaining for limits by a header or a part of the path, where the fields of limits are told")
    func remaining() throws {
        func gateway(_ family: String, _ limits: String, fields: String = "all") throws -> Gateway {
            try Gateway(
                configuration(domain: ["errors: \(family)"], [EndpointText("/{id}", helloMock + ", rateLimit: [\(limits)]")]), environment: ["SLUICE_RATE_LIMIT_FIELDS": fields])
        }
        let name = "X-NHN-RateLimit-Remaining"
        let both = try gateway("v2", "{limit: 3, perSeconds: 60, by: 'header:X-User'}, {limit: 2, perSeconds: 60, by: 'path:id'}, {limit: 100, perSeconds: 60}")
        #expect(try both.get("/api/a", ["X-User: a"])[name] == "1")
        #expect(try both.get("/api/b", ["X-User: a"])[name] == "1")
        #expect(try both.get("/api/b", ["X-User: a"])[name] == "0")
        let refused = try both.get("/api/c", ["X-User: a"])
        expectSecond(refused, 429, 4_291_000, "Too Many Requests")
        #expect(refused[name] == "0")
        #expect(try both.get("/api/c")[name] == "1")
        let refusals = try gateway("v2", "{limit: 1, perSeconds: 60, by: 'path:id'}", fields: "refusals")
        #expect(try refusals.get("/api/a")[name] == nil)
        #expect(try refusals.get("/api/a")[name] == "0")
        #expect(try gateway("v2", "{limit: 1, perSeconds: 60}").get("/api/a")[name] == nil)
        #expect(try gateway("v1", "{limit: 1, perSeconds: 60, by: 'path:id'}").get("/api/a")[name] == nil)
        let off = try gateway("v2", "{limit: 1, perSeconds: 60, by: 'path:id'}", fields: "off")
        for _ in 0..<2 { #expect(try off.get("/api/a")[name] == nil) }
    }

    @Test("v2: a body over the limit as it is by default, by its length and by its chunks")
    func bodies() throws {
        let service = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: service.url, domain: v2))
        let message = "Request size is larger than permissible limit. the permissible limit is 10mb."
        expectSecond(try gateway.request("POST", "/api/x", ["Content-Length: \((10 << 20) + 1)", "Expect: 100-continue"]), 413, 4_131_000, message)
        let small = try Gateway(configuration(upstream: service.url, domain: v2), environment: ["SLUICE_MAX_BODY_BYTES": "1000"])
        let chunked = try small.request("POST", "/api/x", ["Transfer-Encoding: chunked"]) { "3e9\r\n" + String(repeating: "a", count: 1001) + "\r\n0\r\n\r\n" }
        expectSecond(chunked, 413, 4_131_000, "Request size is larger than permissible limit. the permissible limit is 1000 bytes.")
    }

    @Test("v2: a client whom a trusted proxy names in no way that can be read")
    func clientAddress() throws {
        let malformed = "Client IP is invalid. Check the X-Forwarded-For request header value."
        let trusting = try Gateway(configuration(domain: v2, top: ["trustedProxies: [127.0.0.0/8]"], [EndpointText("/x", helloMock)]))
        for value in ["unknown", "10.0.0.1, garbage", "10.0.0.256", "10.0.0.1:99999", "[::1", "10.0.0.1, 127.0.0.1, ?"] {
            expectSecond(try trusting.get("/api/x", ["X-Forwarded-For: \(value)"]), 400, 4_000_006, malformed)
        }
        // Only what the proxy has written counts, and its client may have written anything.
        for value in ["10.0.0.1", "garbage, 10.0.0.1", "10.0.0.1:80, 127.0.0.1", "", "[2001:db8::1]:80"] {
            #expect(try trusting.get("/api/x", ["X-Forwarded-For: \(value)"]).status == 200, "\(value)")
        }
        expectSecond(try trusting.get("/api/a%2Fb", ["X-Forwarded-For: unknown"]), 400, 4_000_003, "Invalid URI.")
        expect(try trusting.get("/none/x", ["X-Forwarded-For: unknown"]), is: .notFound)
        // Nobody's word is asked for, and the other families take the last address that can be read.
        let alone = try Gateway(configuration(domain: v2, [EndpointText("/x", helloMock)]))
        #expect(try alone.get("/api/x", ["X-Forwarded-For: unknown"]).status == 200)
        let first = try Gateway(configuration(top: ["trustedProxies: [127.0.0.0/8]"], [EndpointText("/x", helloMock)]))
        #expect(try first.get("/api/x", ["X-Forwarded-For: unknown"]).status == 200)
        let explained = try run(["explain", "--config", trusting.folder.file("sluice.yaml"), "-H", "X-Forwarded-For: unknown", "GET", "/api/x", "--client", "127.0.0.1"])
        #expect(explained.output.contains("400 4000006 \(malformed)"), "\(explained.everything)")
    }

    @Test("v2: an upstream that refuses, and one that is too slow, with its own timeout; one without an address")
    func upstreams() throws {
        let nowhere = try Gateway(configuration(upstream: "http://nowhere.invalid:9", domain: v2))
        expectSecond(try nowhere.get("/api/x"), 503, 5_030_001, "Upstream Service Unavailable (no healthy upstream address)")
        let refusing = try Gateway(configuration(upstream: "http://127.0.0.1:\(try Ports.free())", domain: v2))
        expectSecond(try refusing.get("/api/x"), 502, 5_020_001, "Upstream Bad Gateway (connection refused)")
        let silent = try ScriptedUpstream { call in
            pause(2)
            call.close()
        }
        let slow = try Gateway(configuration(upstream: silent.url, domain: v2 + ["upstreamTimeoutMs: 300"]))
        expectSecond(try slow.get("/api/x"), 504, 5_040_001, "Gateway Timeout (Upstream ReadTimeout. limit: 300ms)")
    }

    @Test("v2: a key set that cannot be had, or that is none; the other families refuse the token")
    func keySets() throws {
        let key = try OpenSSL.rsaKey()
        let set = try Signing.jwks([("one", key)])
        let isGood = Flag()
        let provider = try ScriptedUpstream { try $0.reply(200, body: isGood.isSet ? set : "{}") }
        let token = try Signing.rs256(#"{"exp":\#(Signing.epoch() + 600)}"#, privateKey: key, kid: "one")
        let fields = ["Authorization: Bearer \(token)"]
        let away = "jwt: {algorithm: RS256, jwks: \"http://127.0.0.1:\(try Ports.free())/\"}"
        let rubbish = "jwt: {algorithm: RS256, jwks: \"\(provider.url)/\"}"
        for (policy, code, message) in [(away, 5_012_001, "jwks url is unavailable."), (rubbish, 5_012_002, "jwks format is invalid.")] {
            let folder = try Folder()
            let gateway = try Gateway(
                configuration(policies: policy, domain: v2, [EndpointText("/**", helloMock)]), folder: folder, environment: ["SLUICE_ACCESS_LOG": folder.file("access.log")])
            expectSecond(try gateway.get("/api/x", fields), 500, code, message)
            // What no set is needed for is judged without one.
            expectSecond(try gateway.get("/api/x"), 401, 4_012_001, "Authorization is empty.", "Bearer")
            expectSecond(try gateway.get("/api/x", ["Authorization: Bearer a.b.c"]), 401, 4_012_003, "Token is invalid.", #"Bearer error="invalid_token""#)
            #expect(eventually {
                let log = (try? String(contentsOfFile: folder.file("access.log"), encoding: .utf8)) ?? ""
                return log.contains(#""status":500"#) && log.contains(#""reason":"unknownKey","detail":"\#(code == 5_012_001 ? "key set unavailable" : "malformed key set")""#)
            })
            let explained = try run(["explain", "--config", folder.file("sluice.yaml"), "-H", fields[0], "GET", "/api/x"])
            #expect(explained.output.contains("500 \(code) \(message)"), "\(explained.everything)")
            for family in ["v1", "problem"] {
                let other = try Gateway(configuration(policies: policy, domain: ["errors: \(family)"], [EndpointText("/**", helloMock)]))
                let refused = try other.get("/api/x", fields)
                #expect(refused.status == 401 && refused["WWW-Authenticate"] == #"Bearer error="invalid_token""# && refused.text.contains("Invalid authorization"))
            }
        }
        // Of alternatives the one without its set decides, unless another one has verified the signature.
        let text = configuration(
            policies: "anyOf: [{hmac: {secret: s}}, {jwt: {algorithm: HS256, secret: s3cret}}, {\(rubbish)}]",
            domain: v2 + ["responses: {jwksError: {status: 503, bodies: {text/plain: '${error.resultCode}'}}}"], [EndpointText("/**", helloMock)])
        let gateway = try Gateway(text)
        let own = try gateway.get("/api/x", fields)
        #expect(own.status == 503 && own.text == "5012002" && own["WWW-Authenticate"] == nil)
        let expired = try Signing.hs256(#"{"exp":\#(Signing.epoch() - 4000)}"#, secret: "s3cret")
        expectTwo(try gateway.get("/api/x", ["Authorization: Bearer \(expired)"]), "Token is invalid.")
        expectTwo(try gateway.get("/api/x"), "x-nhn-date header is empty.", "Authorization is empty.")
        // The set comes, and all is well.
        isGood.set()
        #expect(eventually(within: 30) { (try? gateway.get("/api/x", fields).status) == 200 })
        expectTwo(try gateway.get("/api/x", ["Authorization: Bearer \(try Signing.rs256(#"{"exp":9999999999}"#, privateKey: key, kid: "two"))"]), "Token is invalid.")
    }

    /// A 401 of several alternatives, with one of these messages.
    private func expectTwo(_ response: Response, _ messages: String...) {
        #expect(response.status == 401 && messages.contains { response.text.contains(#""resultMessage":"\#($0)""#) }, "\(response.text)")
        #expect(response.fields.filter { $0.name.lowercased() == "www-authenticate" }.count == 2)
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
