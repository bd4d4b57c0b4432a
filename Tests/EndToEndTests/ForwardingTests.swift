import Foundation
import Testing

/// What the upstream is sent and what of its answer the client gets: fields and targets.
@Suite("Forwarding", .loopback, .minutes(5))
struct ForwardingTests {
    @Test("a forwarded request carries the forwarding fields, its own Host, and no hop-by-hop field")
    func requestFields() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let response = try gateway.get(
            "/api/x",
            [
                "Host: shop.example.com:8080", "Connection: keep-alive, X-Private", "X-Private: secret", "Keep-Alive: timeout=5",
                "Proxy-Connection: keep-alive", "TE: trailers, gzip", "Upgrade-Insecure-Requests: 1", "Accept: a/b", "Accept: c/d",
                "X-Empty:", "Cookie: a=b; c=d",
            ])
        #expect(response.status == 200)
        let request = try upstream.onlyRequest()
        #expect(request.version == "HTTP/1.1")
        #expect(request.values("Host") == ["127.0.0.1:\(upstream.port)"])
        #expect(request.values("X-Forwarded-For") == ["127.0.0.1"])
        #expect(request.values("X-Forwarded-Proto") == ["http"])
        #expect(request.values("X-Forwarded-Host") == ["shop.example.com:8080"])
        #expect(request.values("X-Request-Id").count == 1 && !(request["X-Request-Id"] ?? "").isEmpty)
        for name in ["X-Private", "Keep-Alive", "Proxy-Connection", "Upgrade"] { #expect(request.values(name) == [], "\(name)") }
        let connection = (request["Connection"] ?? "").lowercased()
        #expect(!connection.contains("x-private"))
        #expect(!request.values("TE").contains { $0.lowercased().contains("gzip") })
        #expect(request.values("Upgrade-Insecure-Requests") == ["1"])
        #expect(request.values("Accept") == ["a/b", "c/d"] || request.values("Accept") == ["a/b, c/d"])
        #expect(request.values("Cookie") == ["a=b; c=d"])
        #expect(request.values("Via").count == 1 && request["Via"]!.hasPrefix("1.1 "), "\(request.headText)")
        #expect(request.values("Content-Length") == [] && request.values("Transfer-Encoding") == [])
    }

    @Test("a response without Date gets one, unless the endpoint sets or removes it; the upstream's own stays")
    func date() throws {
        let upstream = try ScriptedUpstream { call in
            let date = call.request.target == "/dated" ? "date: Tue, 15 Nov 1994 08:12:31 GMT\r\n" : ""
            try call.send("HTTP/1.1 200 OK\r\n\(date)Content-Length: 0\r\n\r\n")
        }
        let gateway = try Gateway(
            configuration(
                upstream: upstream.url,
                [
                    EndpointText("/set", "headers: {response: {set: {Date: mine}}}"), EndpointText("/removed", "headers: {response: {remove: [Date]}}"),
                    EndpointText("/**"),
                ]))
        let added = try gateway.get("/api/x").values("Date")
        #expect(added.count == 1 && added[0].hasSuffix(" GMT"), "\(added)")
        #expect(try gateway.get("/api/dated").values("Date") == ["Tue, 15 Nov 1994 08:12:31 GMT"])
        #expect(try gateway.get("/api/set").values("Date") == ["mine"])
        #expect(try gateway.get("/api/removed").values("Date") == [])
    }

    @Test("header changes replace or remove what the gateway itself would add")
    func changedForwarding() throws {
        let upstream = try ScriptedUpstream()
        let changes = "headers: {request: {set: {X-Forwarded-Proto: wss, X-Request-Id: fixed}, remove: [Via, traceparent]}}"
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/**", changes)]))
        #expect(try gateway.get("/api/x").status == 200)
        let request = try upstream.onlyRequest()
        #expect(request.values("X-Forwarded-Proto") == ["wss"])
        #expect(request.values("X-Request-Id") == ["fixed"])
        #expect(request.values("Via") == [] && request.values("traceparent") == [])
        #expect(request.values("X-Forwarded-For") == ["127.0.0.1"])
    }

    @Test("forwarding fields that an untrusted client sends are not believed")
    func untrustedForwarding() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url))
        _ = try gateway.get("/api/x", ["X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test"])
        let request = try upstream.onlyRequest()
        #expect(request.values("X-Forwarded-For") == ["127.0.0.1"])
        #expect(request.values("X-Forwarded-Proto") == ["http"])
        #expect(request.values("X-Forwarded-Host") == ["gateway.test"])
    }

    @Test("a trusted proxy's forwarding fields are continued")
    func trustedForwarding() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, top: ["trustedProxies: [127.0.0.0/8]"]))
        _ = try gateway.get("/api/x", ["X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.test"])
        let request = try upstream.onlyRequest()
        #expect(request["X-Forwarded-For"]?.replacingOccurrences(of: " ", with: "") == "1.2.3.4,127.0.0.1")
        #expect(request.values("X-Forwarded-For").count == 1)
        #expect(request.values("X-Forwarded-Proto") == ["https"])
        #expect(request.values("X-Forwarded-Host") == ["shop.test"])
    }

    @Test("SLUICE_VIA=off: the gateway writes no Via, and that of proxies before it passes as it is", arguments: ["on", "off"])
    func via(setting: String) throws {
        let upstream = try ScriptedUpstream()
        let endpoints = [
            EndpointText("/asked", "preCall: {url: \"\(upstream.url)/ask\"}"), EndpointText("/removed", "headers: {request: {remove: [Via]}}"),
            EndpointText("/**"),
        ]
        let gateway = try Gateway(configuration(upstream: upstream.url, endpoints), environment: ["SLUICE_VIA": setting])
        for target in ["/api/x", "/api/asked"] { #expect(try gateway.get(target).status == 200) }
        #expect(upstream.requests.map { $0.values("Via") } == Array(repeating: setting == "on" ? ["1.1 sluice"] : [], count: 3))
        for target in ["/api/x", "/api/asked"] { #expect(try gateway.get(target, ["Via: 1.0 edge", "Via: 1.1 cdn"]).status == 200) }
        let passed = setting == "on" ? ["1.0 edge, 1.1 cdn, 1.1 sluice"] : ["1.0 edge", "1.1 cdn"]
        #expect(upstream.requests[3...].map { $0.values("Via") } == Array(repeating: passed, count: 3))
        #expect(try gateway.get("/api/removed", ["Via: 1.0 edge"]).status == 200)
        #expect(upstream.requests.last?["Via"] == nil)
        let printed = try run(["explain", "--config", gateway.folder.file("sluice.yaml"), "GET", "/api/x"], environment: ["SLUICE_VIA": setting])
        #expect(printed.output.contains("Via: 1.1 sluice") == (setting == "on"), "\(printed.output)")
    }

    @Test("traceparent: a good one is continued with the same trace, a missing or bad one is started")
    func traceparent() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        _ = try gateway.get("/api/x", ["traceparent: 00-\(trace)-00f067aa0ba902b7-01", "tracestate: a=b"])
        _ = try gateway.get("/api/x")
        _ = try gateway.get("/api/x", ["traceparent: 00-\(String(repeating: "0", count: 32))-00f067aa0ba902b7-01"])
        _ = try gateway.get("/api/x", ["traceparent: rubbish"])
        let parents = upstream.requests.map { $0.values("traceparent") }
        #expect(parents.allSatisfy { $0.count == 1 })
        let parts = parents.map { ($0.first ?? "").split(separator: "-").map(String.init) }
        try #require(parts.count == 4 && parts.allSatisfy { $0.count == 4 }, "\(parents)")
        #expect(parts.allSatisfy { $0.count == 4 && $0[0] == "00" && $0[1].count == 32 && $0[2].count == 16 }, "\(parents)")
        #expect(parts[0][1] == trace && parts[0][3] == "01")
        #expect(try upstream.request(0)["tracestate"] == "a=b")
        #expect(Set(parts.map { $0[1] }).count == 4, "each started trace is its own")
    }

    @Test("every request has its own X-Request-Id; what the client gets of it, if anything, is the same")
    func requestId() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url))
        for number in 0..<20 {
            let told = try gateway.get("/api/x")["X-Request-Id"]
            let sent = try upstream.request(number)["X-Request-Id"]
            #expect(told == nil || told == sent)
        }
        #expect(Set(upstream.requests.map { $0["X-Request-Id"] }).count == 20)
    }

    @Test("the target joins the upstream URL's own path and keeps the query", arguments: [
        ("/base", "/api/a/b?x=1&y=%2F", "/base/a/b?x=1&y=%2F"), ("/base/", "/api/a", "/base/a"), ("", "/api", "/"), ("", "/api/", "/"),
        ("/base", "/api", "/base/"), ("", "/api/a//b/", "/a//b/"), ("", "/api/a?", "/a?"), ("", "/api/%7euser/%e4?%7e", "/~user/%E4?%7e"),
        ("", "/api/a/./b/../c", "/a/c"), ("", "/api/a%20b", "/a%20b"),
    ])
    func targets(base: String, sent: String, expected: String) throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url + base))
        #expect(try gateway.get(sent).status == 200)
        #expect(try upstream.onlyRequest().target == expected)
    }

    @Test("a response keeps its fields and loses the hop-by-hop ones")
    func responseFields() throws {
        let upstream = try ScriptedUpstream {
            try $0.reply(
                201,
                [
                    "Set-Cookie: a=1", "Set-Cookie: b=2", "Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=9",
                    "Proxy-Authenticate: Basic", "Server: origin", "X-Kept: yes", "Location: /elsewhere",
                ], body: "made")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let response = try gateway.request("POST", "/api/x", body: "b")
        #expect(response.status == 201 && response.text == "made" && response.version == "HTTP/1.1")
        #expect(response.values("Set-Cookie") == ["a=1", "b=2"])
        #expect(response["X-Kept"] == "yes" && response["Server"] == "origin" && response["Location"] == "/elsewhere")
        for name in ["X-Hop", "Keep-Alive"] { #expect(response[name] == nil, "\(name)") }
        #expect(response.values("Content-Length") == ["4"])
    }

    @Test("the upstream's statuses pass through unchanged", arguments: [200, 301, 400, 401, 403, 404, 418, 429, 500, 503, 599])
    func statuses(status: Int) throws {
        let upstream = try ScriptedUpstream { try $0.reply(status, body: "own body") }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let response = try gateway.get("/api/x")
        #expect(response.status == status && response.text == "own body")
    }

    @Test("several upstream addresses share the requests; one that is down is passed over")
    func severalAddresses() throws {
        let (one, two) = (try ScriptedUpstream(), try ScriptedUpstream())
        let dead = "http://127.0.0.1:\(try Ports.free())"
        let gateway = try Gateway(configuration(upstream: "[\"\(one.url)\", \"\(dead)\", \"\(two.url)\"]"))
        for _ in 0..<20 { #expect(try gateway.get("/api/x").status == 200) }
        #expect(one.requests.count > 0 && two.requests.count > 0)
        #expect(one.requests.count + two.requests.count == 20)
    }
}
