import Foundation
import Testing

/// The chain's order, pair by pair of neighbouring steps, and what each step charges.
@Suite("Chain order", .loopback, .minutes(5))
struct ChainOrderTests {
    private let denyAll = "ipAcl: {permit: false, addresses: [127.0.0.0/8]}"
    private let cors = "cors: {origins: [\"https://app.test\"], methods: [GET, POST], headers: [Authorization], credentials: true, maxAge: 600}"
    private let maintenance = "maintenance: {enabled: true, status: 503, headers: {Retry-After: \"120\"}, body: \"back soon\"}"
    private let hmac = "hmac: {secret: s3cret, clockSkew: 300}"
    private let once = "usageQuota: [{limit: 1, perSeconds: 86400}]"
    private let origin = "Origin: https://app.test"
    private let preflight = ["Origin: https://app.test", "Access-Control-Request-Method: GET"]

    @Test("the ceiling comes before the IP ACL, and requests that the ACL refuses count")
    func ceilingBeforeACL() throws {
        let gateway = try Gateway(configuration(ceiling: 5, policies: denyAll, [EndpointText("/**", helloMock)]))
        for _ in 0..<5 { expect(try gateway.get("/api/x"), is: .address) }
        expect(try gateway.get("/api/x"), is: .ceiling)
    }

    @Test("a request that no endpoint matches counts against the ceiling; one that no domain matches does not")
    func ceilingCountsUnmatched() throws {
        let gateway = try Gateway(configuration(ceiling: 3, [EndpointText("/known", helloMock)]))
        for _ in 0..<6 { expect(try gateway.get("/other/x"), is: .notFound) }
        for _ in 0..<3 { expect(try gateway.get("/api/x"), is: .notFound) }
        expect(try gateway.get("/api/known"), is: .ceiling)
    }

    @Test("a path that is unsafe in a domain that is known counts against the ceiling, and browsers can read its 400", arguments: [
        ("gateway.test", "/api/a%2Fb"), ("host.test", "/a%2fb"), ("host.test", "/%zz"), ("host.test", "/../.."), ("host.test", "/%00"),
    ])
    func unsafePathOfDomain(host: String, target: String) throws {
        let gateway = try Gateway(
            configuration(ceiling: 2, policies: "\(cors), \(hmac)", domain: ["hosts: [host.test]"], [EndpointText("/**", helloMock)]))
        for _ in 0..<2 {
            let response = try gateway.get(target, ["Host: \(host)", origin])
            expect(response, is: .target)
            #expect(response.values("Access-Control-Allow-Origin") == ["https://app.test"])
        }
        expect(try gateway.get(target, ["Host: \(host)"]), is: .ceiling)
    }

    @Test("the IP ACL comes before a CORS preflight's answer")
    func aclBeforePreflight() throws {
        let gateway = try Gateway(configuration(policies: "\(denyAll), \(cors)", [EndpointText("/**", helloMock)]))
        let response = try gateway.request("OPTIONS", "/api/x", preflight)
        expect(response, is: .address)
        #expect(response["Access-Control-Allow-Origin"] == "https://app.test")
    }

    @Test("a preflight is answered under maintenance; every other request gets the notice, with the CORS fields")
    func preflightBeforeMaintenance() throws {
        let gateway = try Gateway(configuration(policies: "\(cors), \(maintenance)", [EndpointText("/**", helloMock)]))
        let answer = try gateway.request("OPTIONS", "/api/x", preflight)
        #expect(answer.status == 204 && answer["Access-Control-Allow-Origin"] == "https://app.test")
        let notice = try gateway.get("/api/x", [origin])
        #expect(notice.status == 503 && notice.text == "back soon" && notice["Retry-After"] == "120")
        #expect(notice["Access-Control-Allow-Origin"] == "https://app.test")
        #expect(notice["Access-Control-Allow-Credentials"] == "true")
    }

    @Test("maintenance comes before the quota: a notice charges nothing")
    func maintenanceBeforeQuota() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, policies: "\(maintenance), \(once)"), admin: true)
        for _ in 0..<4 { #expect(try gateway.get("/api/x").status == 503) }
        try gateway.reload(configuration(upstream: upstream.url, policies: once))
        let served = try eventually { try gateway.get("/api/x").status != 503 }
        #expect(served && upstream.requests.count == 1, "the one allowed request was not charged before the reload")
    }

    @Test("maintenance comes before authentication and before 404")
    func maintenanceBeforeTheRest() throws {
        let gateway = try Gateway(configuration(policies: "\(maintenance), \(hmac)", [EndpointText("/known", helloMock)]))
        #expect(try gateway.get("/api/known").status == 503)
        #expect(try gateway.get("/api/unknown").status == 503)
    }

    @Test("the domain's quota comes before authentication: a request without credentials is charged")
    func quotaBeforeAuthentication() throws {
        let gateway = try Gateway(configuration(policies: "\(once), \(hmac)", [EndpointText("/**", helloMock)]))
        expect(try gateway.get("/api/x"), is: .hmacNoTimestamp)
        expect(try gateway.get("/api/x"), is: .quota)
    }

    @Test("the endpoint's quota comes before authentication too")
    func endpointQuotaBeforeAuthentication() throws {
        let gateway = try Gateway(configuration(policies: hmac, [EndpointText("/a", "\(helloMock), \(once)"), EndpointText("/b", helloMock)]))
        expect(try gateway.get("/api/a"), is: .hmacNoTimestamp)
        expect(try gateway.get("/api/a"), is: .quota)
        expect(try gateway.get("/api/b"), is: .hmacNoTimestamp)
    }

    @Test("a quota that is charged after authentication is not used up by strangers: the domain's, an endpoint's, and either with the other's before")
    func quotaAfterAuthentication() throws {
        let one = "{limits: [{limit: 1, perSeconds: 86400}], charge: after}"
        func statuses(_ gateway: Gateway) throws -> [Int] {
            for _ in 0..<3 { expect(try gateway.get("/api/a"), is: .hmacNoTimestamp) }
            return try (0..<2).map { _ in try gateway.get("/api/a", Signing.compact("GET", "/api/a", secret: "s3cret")).status }
        }
        let domain = try Gateway(configuration(policies: "usageQuota: \(one), \(hmac)", [EndpointText("/**", helloMock)]))
        #expect(try statuses(domain) == [200, 403])
        // What no endpoint matches is charged to the domain all the same.
        expect(try domain.get("/api/a"), is: .hmacNoTimestamp)
        let endpoint = try Gateway(configuration(policies: hmac, [EndpointText("/a", "\(helloMock), usageQuota: \(one)"), EndpointText("/b", helloMock)]))
        #expect(try statuses(endpoint) == [200, 403])
        let before = "usageQuota: [{limit: 4, perSeconds: 86400}]"
        let mixed = try Gateway(
            configuration(policies: "\(before), \(hmac)", [EndpointText("/**", "\(helloMock), usageQuota: \(one)")]),
            environment: ["SLUICE_RATE_LIMIT_FIELDS": "all"])
        #expect(try statuses(mixed) == [200, 403])
        let last = try mixed.get("/api/a", Signing.compact("GET", "/api/a", secret: "s3cret"))
        expect(last, is: .quota)
        #expect(last["RateLimit"]?.hasPrefix("\"domain-86400\";r=0;") == true, "\(last.headText)")
    }

    @Test("an unmatched path passes quota and authentication before it is 404")
    func authenticationBeforeNotFound() throws {
        let gateway = try Gateway(
            configuration(policies: "usageQuota: [{limit: 3, perSeconds: 86400}], \(hmac)", [EndpointText("/known", helloMock)]))
        expect(try gateway.get("/api/unknown"), is: .hmacNoTimestamp)
        expect(try gateway.get("/api/unknown", Signing.compact("GET", "/api/unknown", secret: "s3cret")), is: .notFound)
        expect(try gateway.get("/api/known"), is: .hmacNoTimestamp)
        expect(try gateway.get("/api/known"), is: .quota)
    }

    @Test("authentication comes before the pre-call, which is not sent for a refused request")
    func authenticationBeforePreCall() throws {
        let authoriser = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(policies: hmac, [EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\"}")]))
        expect(try gateway.get("/api/x"), is: .hmacNoTimestamp)
        #expect(authoriser.requests.isEmpty)
        #expect(try gateway.get("/api/x", Signing.compact("GET", "/api/x", secret: "s3cret")).text == "hello")
        #expect(authoriser.requests.count == 1)
    }

    @Test("the pre-call comes before the rewrite: its no is the answer, its yes leads to the rewrite's 500")
    func preCallBeforeRewrite() throws {
        let authoriser = try ScriptedUpstream { try $0.reply($0.request["X-Pass"] == "yes" ? 200 : 418, body: "teapot") }
        let gateway = try Gateway(
            configuration([
                EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\"}, rewrite: {pattern: \"/(\", to: \"/x\"}")
            ]))
        let refused = try gateway.get("/api/x")
        #expect(refused.status == 418 && refused.text == "teapot")
        expect(try gateway.get("/api/x", ["X-Pass: yes"]), is: .rewritePattern)
    }

    @Test("a bad rewrite answers before the mock and before the upstream is asked")
    func rewriteBeforeProxy() throws {
        let upstream = try ScriptedUpstream()
        let bad = "rewrite: {pattern: \"/(\", to: \"/x\"}"
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/mock", "\(helloMock), \(bad)"), EndpointText("/**", bad)]))
        expect(try gateway.get("/api/mock"), is: .rewritePattern)
        expect(try gateway.get("/api/x"), is: .rewritePattern)
        #expect(upstream.requests.isEmpty)
    }

    @Test("the pre-call sees the client's own fields, the upstream the changed ones")
    func preCallBeforeRequestFields() throws {
        let authoriser = try ScriptedUpstream()
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(
                upstream: upstream.url,
                [EndpointText("/**", "preCall: {method: GET, url: \"\(authoriser.url)/\"}, headers: {request: {set: {X-Kind: changed}}}")]))
        #expect(try gateway.get("/api/x", ["X-Kind: original"]).status == 200)
        #expect(try authoriser.onlyRequest()["X-Kind"] == "original")
        #expect(try upstream.onlyRequest().values("X-Kind") == ["changed"])
    }

    @Test("response fields change the mock and the upstream's response, never a refusal or a maintenance notice")
    func responseFieldsLast() throws {
        let upstream = try ScriptedUpstream()
        let fields = "headers: {response: {set: {X-Served-By: sluice}}}"
        let quota = "usageQuota: [{limit: 1, perSeconds: 86400}]"
        let gateway = try Gateway(
            configuration(upstream: upstream.url, [EndpointText("/mock", "\(helloMock), \(fields), \(quota)"), EndpointText("/**", fields)]))
        #expect(try gateway.get("/api/mock")["X-Served-By"] == "sluice")
        let refused = try gateway.get("/api/mock")
        expect(refused, is: .quota)
        #expect(refused["X-Served-By"] == nil)
        #expect(try gateway.get("/api/other")["X-Served-By"] == "sluice")
    }

    @Test("every refusal of the domain carries the CORS fields: 429, 403, 401, 404, 502")
    func corsOnRefusals() throws {
        let refusing = "http://127.0.0.1:\(try Ports.free())"
        let cases: [(row: RefusalRow, policies: String, ceiling: Int)] = [
            (.address, denyAll + ", ", 10_000), (.quota, once + ", ", 10_000), (.hmacNoTimestamp, hmac + ", ", 10_000),
            (.notFound, "", 10_000), (.badGateway, "", 10_000), (.ceiling, "", 1),
        ]
        for (row, policies, ceiling) in cases {
            let gateway = try Gateway(
                configuration(ceiling: ceiling, upstream: refusing, policies: policies + cors, [EndpointText("/mock", helloMock), EndpointText("/proxy")]))
            if row.code == RefusalRow.quota.code || ceiling == 1 { #expect(try gateway.get("/api/mock", [origin]).status == 200) }
            let target = row.code == RefusalRow.notFound.code ? "/api/none" : row.code == RefusalRow.badGateway.code ? "/api/proxy" : "/api/mock"
            let response = try gateway.get(target, [origin])
            expect(response, is: row)
            #expect(response.values("Access-Control-Allow-Origin") == ["https://app.test"], "\(row.testDescription)")
            #expect(response["Access-Control-Allow-Credentials"] == "true")
            #expect((response["Vary"] ?? "").lowercased().contains("origin"))
            #expect(try gateway.get(target, ["Origin: https://evil.test"])["Access-Control-Allow-Origin"] == nil)
        }
    }

    @Test("the CORS fields are on what comes after the chain too: 400, 408 and 413 of a body, 500, 502, 503, 504, a pre-call's answer; once each")
    func corsOnLateRefusals() throws {
        let silent = try ScriptedUpstream { call in
            pause(1)
            call.close()
        }
        let refusing = "http://127.0.0.1:\(try Ports.free())"
        let authoriser = try ScriptedUpstream { try $0.reply(403, ["Access-Control-Allow-Origin: *"], body: "no") }
        let preCall = { (url: String) in "\(helloMock), preCall: {method: GET, url: \"\(url)/\"}" }
        let endpoints = [
            EndpointText("/pattern", "\(helloMock), rewrite: {pattern: \"/(\", to: /x}"), EndpointText("/unreachable", preCall(refusing)),
            EndpointText("/answer", preCall(authoriser.url)), EndpointText("/**"),
        ]
        var lines = configuration(upstream: silent.url, policies: cors, domain: ["upstreamTimeoutMs: 200"], endpoints)
        lines += domainLines(key: "nowhere", upstream: "http://no-such-name.invalid", policies: cors).joined(separator: "\n") + "\n"
        let gateway = try Gateway(lines, environment: ["SLUICE_MAX_BODY_BYTES": "1000", "SLUICE_BODY_TIMEOUT_MS": "150"])
        let chunked = ["Transfer-Encoding: chunked"]
        let cases: [(target: String, fields: [String], body: String, status: Int)] = [
            ("/api/x", ["Content-Length: 1001"], "", 413), ("/api/x", chunked, "3e9\r\n" + String(repeating: "x", count: 1001), 413),
            ("/api/x", chunked, "zz\r\n", 400), ("/api/x", ["Content-Length: 10"], "half", 408), ("/api/x", [], "", 504),
            ("/api/pattern", [], "", 500), ("/api/unreachable", [], "", 502), ("/api/answer", [], "", 403), ("/nowhere/x", [], "", 503),
        ]
        for (target, fields, body, status) in cases {
            let response = try gateway.request("POST", target, fields + [origin], framedBody: { body })
            #expect(response.status == status, "\(target) \(fields): \(response.headText)")
            #expect(response.values("Access-Control-Allow-Origin") == ["https://app.test"], "\(target) \(fields)")
            #expect(response.values("Access-Control-Allow-Credentials") == ["true"])
            #expect((response["Vary"] ?? "").lowercased().contains("origin"))
        }
    }

    @Test("a request that the endpoint's quota rejects has been charged to the domain")
    func endpointRejectionChargesTheDomain() throws {
        let gateway = try Gateway(
            configuration(
                policies: "usageQuota: [{limit: 2, perSeconds: 86400}]",
                [EndpointText("/a", "\(helloMock), \(once)"), EndpointText("/b", helloMock)]))
        #expect(try gateway.get("/api/a").status == 200)
        expect(try gateway.get("/api/a"), is: .quota)
        expect(try gateway.get("/api/b"), is: .quota)
    }

    @Test("a request that the domain's quota rejects still increases the endpoint's usage")
    func domainRejectionChargesTheEndpoint() throws {
        let gateway = try Gateway(
            configuration(
                policies: "usageQuota: [{limit: 1, perSeconds: 2}]",
                [EndpointText("/a", "\(helloMock), usageQuota: [{limit: 2, perSeconds: 86400}]"), EndpointText("/b", helloMock)]))
        alignToWindow(seconds: 2, margin: 1)
        #expect(try gateway.get("/api/a").status == 200)
        expect(try gateway.get("/api/a"), is: .quota)
        alignToWindow(seconds: 2, margin: 2)
        expect(try gateway.get("/api/a"), is: .quota)
        alignToWindow(seconds: 2, margin: 2)
        #expect(try gateway.get("/api/b").status == 200, "the domain's own window has turned over")
    }

    @Test("within one list nothing is charged when one condition rejects")
    func rejectedConditionChargesNothing() throws {
        let gateway = try Gateway(
            configuration(
                policies: "usageQuota: [{limit: 1, perSeconds: 2}, {limit: 2, perSeconds: 86400}]", [EndpointText("/**", helloMock)]))
        alignToWindow(seconds: 2, margin: 1)
        #expect(try gateway.get("/api/a").status == 200)
        for _ in 0..<3 { expect(try gateway.get("/api/a"), is: .quota) }
        alignToWindow(seconds: 2, margin: 2)
        #expect(try gateway.get("/api/a").status == 200, "the refusals charged the day's condition")
        alignToWindow(seconds: 2, margin: 2)
        expect(try gateway.get("/api/a"), is: .quota)
    }
}
