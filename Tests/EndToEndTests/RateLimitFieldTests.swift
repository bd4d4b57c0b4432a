import Foundation
import Testing

/// What the caller learns of limits.
@Suite("Rate limit fields", .loopback, .minutes(5))
struct RateLimitFieldTests {
    @Test("429 names the ceiling, and after Retry-After seconds a request passes")
    func ceiling() throws {
        let gateway = try Gateway(configuration(ceiling: 2, [EndpointText("/**", helloMock)]))
        for _ in 0..<2 {
            let response = try gateway.get("/api/x")
            #expect(response.status == 200 && response["RateLimit"] == nil && response["RateLimit-Policy"] == nil)
        }
        let refused = try gateway.get("/api/x")
        expect(refused, is: .ceiling)
        #expect(refused["RateLimit-Policy"] == "\"main\";q=2;w=1")
        let seconds = try #require(refused["Retry-After"].flatMap(Int.init))
        #expect((1...2).contains(seconds))
        #expect(refused["RateLimit"] == "\"main\";r=0;t=\(seconds)")
        pause(Double(seconds))
        #expect(try gateway.get("/api/x").status == 200)
    }

    @Test("403 names every condition, and Retry-After waits for all that are used up, until the window turns")
    func quota() throws {
        let gateway = try Gateway(configuration(
            policies: "usageQuota: [{limit: 3, perSeconds: 2}, {limit: 1000, perSeconds: 86400}]",
            [EndpointText("/**", "mock: {status: 200, body: hi}, usageQuota: [{limit: 2, perSeconds: 3}]")]))
        // At the beginning of a window of both lengths, so that none of it turns meanwhile.
        while Date.now.timeIntervalSince1970.truncatingRemainder(dividingBy: 6) > 0.3 { pause(0.02) }
        for _ in 0..<2 { #expect(try gateway.get("/api/x").status == 200) }
        let refused = try gateway.get("/api/x")
        expect(refused, is: .quota)
        #expect(refused["RateLimit-Policy"] == "\"domain-2\";q=3;w=2, \"domain-86400\";q=1000;w=86400, \"endpoint-3\";q=2;w=3")
        let fields = try #require(refused["RateLimit"])
        // The domain's were charged: what the endpoint's list rejects counts there.
        let match = try #require(
            fields.wholeMatch(of: /"domain-2";r=0;t=([12]), "domain-86400";r=997;t=[0-9]+, "endpoint-3";r=0;t=([123])/), "\(fields)")
        let seconds = try #require(Int(match.2))
        // The endpoint's window ends last.
        #expect(refused["Retry-After"] == "\(seconds)")
        pause(Double(seconds))
        #expect(try gateway.get("/api/x").status == 200)
    }

    @Test("a limit of 0 says nothing of a time: there is none")
    func never() throws {
        let gateway = try Gateway(configuration(policies: "usageQuota: [{limit: 0, perSeconds: 60}]", [EndpointText("/**", helloMock)]))
        let refused = try gateway.get("/api/x")
        expect(refused, is: .quota)
        #expect(refused["Retry-After"] == nil)
    }

    @Test("fields that an endpoint sets or removes are not told a second time; errors are not the endpoint's")
    func changed() throws {
        let policies = "headers: {response: {set: {RateLimit: mine}, remove: [ratelimit-policy]}}"
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(upstream: upstream.url, [EndpointText("/**", policies), EndpointText("/mock", policies + ", " + helloMock)]),
            environment: ["SLUICE_RATE_LIMIT_FIELDS": "all"])
        for path in ["/api/x", "/api/mock"] {
            let text = try gateway.get(path).headText.lowercased()
            #expect(text.components(separatedBy: "\r\nratelimit: ").count == 2 && text.contains("ratelimit: mine"), "\(text)")
            #expect(!text.contains("ratelimit-policy"), "\(text)")
        }
        upstream.stop()
        #expect(try gateway.get("/api/x")["RateLimit-Policy"]?.hasPrefix("\"main\"") == true)
    }

    @Test("a configured response's own fields are not told a second time", arguments: ["mock", "maintenance"])
    func configured(policy: String) throws {
        let response = "{status: 503, headers: {ratelimit: mine, RateLimit-Policy: \"ours\"}, body: hi}"
        let text = policy == "mock"
            ? configuration([EndpointText("/**", "mock: \(response)")]) : configuration(policies: "maintenance: {enabled: true, \(response.dropFirst())", [EndpointText("/**", helloMock)])
        let gateway = try Gateway(text, environment: ["SLUICE_RATE_LIMIT_FIELDS": "all"])
        let head = try gateway.get("/api/x").headText.lowercased()
        for (name, value) in [("ratelimit", "mine"), ("ratelimit-policy", "ours")] {
            #expect(head.contains("\r\n\(name): \(value)\r\n") && head.components(separatedBy: "\r\n\(name): ").count == 2, "\(head)")
        }
    }

    @Test("SLUICE_RATE_LIMIT_FIELDS=all tells it with every response of the domain, off with none")
    func everyResponse() throws {
        let text = configuration(ceiling: 5, policies: "usageQuota: [{limit: 2, perSeconds: 86400}]", [EndpointText("/**", helloMock)])
        let all = try Gateway(text, environment: ["SLUICE_RATE_LIMIT_FIELDS": "all"])
        let first = try all.get("/api/x")
        #expect(first["RateLimit-Policy"] == "\"main\";q=5;w=1, \"domain-86400\";q=2;w=86400")
        #expect(first["RateLimit"]?.hasPrefix("\"main\";r=4;t=1, \"domain-86400\";r=1;t=") == true, "\(first.headText)")
        #expect(try all.get("/elsewhere")["RateLimit"] == nil)
        let off = try Gateway(text, environment: ["SLUICE_RATE_LIMIT_FIELDS": "off"])
        for _ in 0..<2 { #expect(try off.get("/api/x")["RateLimit"] == nil) }
        let refused = try off.get("/api/x")
        expect(refused, is: .quota)
        #expect(refused["RateLimit"] == nil && refused["Retry-After"] == nil)
    }

    @Test("with more limits than a response's head has room for, the service's response is given up, and the gateway goes on")
    func tooMany() throws {
        let upstream = try ScriptedUpstream()
        let quota = (1...2600).map { "{limit: 1000000, perSeconds: \(100_000 + $0)}" }.joined(separator: ", ")
        let gateway = try Gateway(
            configuration(upstream: upstream.url, [EndpointText("/few"), EndpointText("/many", "usageQuota: [\(quota)]")]),
            environment: ["SLUICE_RATE_LIMIT_FIELDS": "all"])
        for _ in 0..<2 {
            expect(try gateway.get("/api/many"), is: .badGateway)
            #expect(try gateway.get("/api/few").text == "upstream")
        }
    }
}
