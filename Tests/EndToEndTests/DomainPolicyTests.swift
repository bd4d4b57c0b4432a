import Foundation
import Testing

/// CORS, maintenance, IP ACL and the client's address, on loopback.
@Suite("Domain policies", .loopback, .minutes(5))
struct DomainPolicyTests {
    private func cors(_ policy: String) throws -> Gateway {
        try Gateway(configuration(policies: "cors: {\(policy)}", [EndpointText("/**", methods: "GET, POST", helloMock)]))
    }

    private func preflight(_ gateway: Gateway, origin: String, method: String, headers: String? = nil) throws -> Response {
        try gateway.request(
            "OPTIONS", "/api/x",
            ["Origin: \(origin)", "Access-Control-Request-Method: \(method)"] + (headers.map { ["Access-Control-Request-Headers: \($0)"] } ?? []))
    }

    @Test("a permitted preflight: 204 with what is permitted")
    func permittedPreflight() throws {
        let gateway = try cors("origins: [\"https://app.test\"], methods: [GET, POST], headers: [Authorization, X-A], credentials: true, maxAge: 600")
        let response = try preflight(gateway, origin: "https://app.test", method: "POST", headers: "authorization,x-a")
        #expect(response.status == 204 && response.body.isEmpty)
        #expect(response.values("Access-Control-Allow-Origin") == ["https://app.test"])
        #expect(response["Access-Control-Allow-Credentials"] == "true" && response["Access-Control-Max-Age"] == "600")
        #expect((response["Access-Control-Allow-Methods"] ?? "").contains("POST"))
        let headers = (response["Access-Control-Allow-Headers"] ?? "").lowercased()
        #expect(headers.contains("authorization") && headers.contains("x-a"))
        #expect((response["Vary"] ?? "").lowercased().contains("origin"))
    }

    @Test("a preflight without permission: 204 without Access-Control fields", arguments: [
        ("https://evil.test", "GET", nil), ("https://app.test", "PUT", nil), ("https://app.test", "GET", "x-other"),
        ("https://app.test.evil.test", "GET", nil), ("http://app.test", "GET", nil), ("null", "GET", nil),
    ])
    func refusedPreflight(origin: String, method: String, headers: String?) throws {
        let gateway = try cors("origins: [\"https://app.test\"], methods: [GET, POST], headers: [Authorization], credentials: true, maxAge: 600")
        let response = try preflight(gateway, origin: origin, method: method, headers: headers)
        #expect(response.status == 204)
        #expect(!response.fields.contains { $0.name.lowercased().hasPrefix("access-control-") }, "\(response.headText)")
    }

    @Test("* is answered as *, and simple responses carry the exposed fields")
    func wildcard() throws {
        let gateway = try cors("origins: [\"*\"], methods: [GET], headers: [], expose: [X-One, X-Two]")
        let response = try gateway.get("/api/x", ["Origin: https://any.test"])
        #expect(response.text == "hello" && response.values("Access-Control-Allow-Origin") == ["*"])
        #expect((response["Access-Control-Expose-Headers"] ?? "").replacingOccurrences(of: " ", with: "") == "X-One,X-Two")
        #expect(response["Access-Control-Allow-Credentials"] == nil)
    }

    @Test("an OPTIONS request that is no preflight is for the endpoints")
    func plainOptions() throws {
        let gateway = try cors("origins: [\"*\"], methods: [GET], headers: []")
        expect(try gateway.request("OPTIONS", "/api/x", ["Origin: https://a.test"]), is: .notFound)
    }

    @Test("the upstream's own CORS fields give way to the policy's")
    func upstreamFields() throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, ["Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true"], body: "x") }
        let gateway = try Gateway(
            configuration(upstream: upstream.url, policies: "cors: {origins: [\"https://app.test\"], methods: [GET], headers: []}"))
        #expect(try gateway.get("/api/x", ["Origin: https://app.test"]).values("Access-Control-Allow-Origin") == ["https://app.test"])
        #expect(try gateway.get("/api/x", ["Origin: https://evil.test"]).values("Access-Control-Allow-Origin") == [])
    }

    @Test("an endpoint's own Access-Control fields and a mock's Date give way too: each is there once")
    func configuredFieldsGiveWay() throws {
        let upstream = try ScriptedUpstream()
        let set = "headers: {response: {set: {Access-Control-Allow-Origin: \"*\", Access-Control-Max-Age: \"5\", Date: mine, X-Set: a}}}"
        let endpoints = [EndpointText("/mock", "\(helloMock), \(set)"), EndpointText("/**", set)]
        let with = try Gateway(configuration(upstream: upstream.url, policies: "cors: {origins: [\"https://app.test\"]}", endpoints))
        for target in ["/api/mock", "/api/x"] {
            let response = try with.get(target, ["Origin: https://app.test"])
            #expect(response.values("Access-Control-Allow-Origin") == ["https://app.test"] && response["Access-Control-Max-Age"] == nil)
            #expect(response["X-Set"] == "a" && response.values("Date").count == 1, "\(response.headText)")
        }
        let without = try Gateway(configuration(upstream: upstream.url, endpoints))
        #expect(try without.get("/api/x").values("Access-Control-Allow-Origin") == ["*"])
    }

    @Test("maintenance: status, fields and body for every request, an unmatched path and HEAD too; not enabled: nothing")
    func maintenance() throws {
        let policy = { (enabled: Bool) in "maintenance: {enabled: \(enabled), status: 599, headers: {Retry-After: \"120\", Content-Type: text/html}, body: \"<b>soon</b>\"}" }
        let gateway = try Gateway(configuration(policies: policy(true), [EndpointText("/known", helloMock)]))
        let client = try gateway.client()
        for (method, target) in [("GET", "/api/known"), ("POST", "/api/known"), ("GET", "/api/unknown"), ("HEAD", "/api/known")] {
            let response = try client.exchange(Gateway.text(method, target, body: method == "POST" ? "b" : nil), method: method)
            #expect(response.status == 599 && response["Retry-After"] == "120" && response["Content-Length"] == "11")
            #expect(response.text == (method == "HEAD" ? "" : "<b>soon</b>") && response.values("Content-Type") == ["text/html"])
        }
        let off = try Gateway(configuration(policies: policy(false), [EndpointText("/known", helloMock)]))
        #expect(try off.get("/api/known").text == "hello")
    }

    @Test("a permit list passes only its addresses, a deny list all others; both ends of a block")
    func acl() throws {
        let permit = try Gateway(configuration(policies: "ipAcl: {permit: true, addresses: [127.0.0.2, 127.1.0.0/16, \"::1\"]}", [EndpointText("/**", helloMock)]))
        for (source, passes) in [("127.0.0.1", false), ("127.0.0.2", true), ("127.0.0.3", false), ("127.1.0.0", true), ("127.1.255.255", true), ("127.2.0.0", false)] {
            let response = try permit.get("/api/x", source: source)
            #expect(response.status == (passes ? 200 : 403), "\(source)")
        }
        let deny = try Gateway(configuration(policies: "ipAcl: {permit: false, addresses: [127.1.0.0/16]}", [EndpointText("/**", helloMock)]))
        for (source, passes) in [("127.0.255.255", true), ("127.1.0.0", false), ("127.1.255.255", false), ("127.2.0.0", true)] {
            #expect(try deny.get("/api/x", source: source).status == (passes ? 200 : 403), "\(source)")
        }
    }

    @Test("X-Forwarded-For names the client only when the peer is a trusted proxy, read from the right up to the first untrusted")
    func forwardedClient() throws {
        let gateway = try Gateway(
            configuration(
                policies: "ipAcl: {permit: true, addresses: [10.0.0.1, \"2001:db8::1\"]}", top: ["trustedProxies: [127.0.0.1, 192.0.2.0/24]"],
                [EndpointText("/**", helloMock)]))
        let cases: [(source: String, value: String?, status: Int)] = [
            ("127.0.0.1", "10.0.0.1", 200), ("127.0.0.1", "10.0.0.2", 403), ("127.0.0.2", "10.0.0.1", 403), ("127.0.0.1", nil, 403),
            ("127.0.0.1", "10.0.0.1, 10.0.0.2", 403), ("127.0.0.1", "10.0.0.2, 10.0.0.1", 200), ("127.0.0.1", "10.0.0.1, 192.0.2.7", 200),
            ("127.0.0.1", "10.0.0.1, rubbish", 403), ("127.0.0.1", "2001:db8::1", 200), ("127.0.0.1", "10.0.0.1,192.0.2.7 ,192.0.2.8", 200),
        ]
        for (source, value, status) in cases {
            let response = try gateway.get("/api/x", value.map { ["X-Forwarded-For: \($0)"] } ?? [], source: source)
            #expect(response.status == status, "\(source) \(value ?? "-")")
        }
        let twoLines = try gateway.get("/api/x", ["X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2"])
        #expect(twoLines.status == 403, "the lines of one field are one list")
    }

    @Test("a PROXY header that names nobody leaves the balancer as the client, and nothing that requests say of theirs is believed")
    func proxyUnknown() throws {
        let port = try Ports.free()
        let upstream = try ScriptedUpstream()
        _ = try Gateway(
            configuration(
                upstream: upstream.url, policies: "ipAcl: {permit: false, addresses: [10.0.0.1]}",
                top: ["listeners: [{address: \"127.0.0.1:\(port)\", proxyProtocol: true}]", "trustedProxies: [127.0.0.0/8]"]), readyPort: port)
        let claims = ["X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: bank.test", "X-Real-IP: 10.0.0.1", "Forwarded: for=10.0.0.1"]
        let local: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x20, 0, 0, 0]
        for prefix in [[UInt8]("PROXY UNKNOWN\r\n".utf8), [UInt8]("PROXY UNKNOWN 10.0.0.1 10.9.9.9 1 2\r\n".utf8), local] {
            let client = try RawClient(port: port, timeout: 5)
            try client.send(prefix + [UInt8](Gateway.text("GET", "/api/x", claims).utf8))
            #expect(try client.response().status == 200, "the list of addresses does not believe it either")
            let request = try #require(upstream.requests.last)
            #expect(request.values("X-Forwarded-For") == ["127.0.0.1"] && request.values("X-Forwarded-Proto") == ["http"])
            #expect(request["X-Real-IP"] == nil && request["Forwarded"] == nil && request["X-Forwarded-Host"] != "bank.test")
        }
        for (client, status) in [("10.0.0.1", 403), ("10.0.0.2", 200)] {
            let named = try RawClient(port: port, timeout: 5)
            try named.send("PROXY TCP4 127.0.0.1 10.9.9.9 1000 80\r\n" + Gateway.text("GET", "/api/x", ["X-Forwarded-For: \(client)"]))
            #expect(try named.response().status == status)
        }
        #expect(upstream.requests.last?.values("X-Forwarded-For") == ["10.0.0.2, 127.0.0.1"], "a named proxy is trusted as before")
    }

    @Test("PROXY protocol, versions 1 and 2, names the client; on that listener a connection without it is ended")
    func proxyProtocol() throws {
        let port = try Ports.free()
        _ = try Gateway(
            configuration(
                policies: "ipAcl: {permit: true, addresses: [10.0.0.1, \"2001:db8::1\"]}",
                top: ["listeners: [{address: \"127.0.0.1:\(port)\", proxyProtocol: true}]", "trustedProxies: [127.0.0.0/8]"],
                [EndpointText("/**", helloMock)]), readyPort: port)
        let request = [UInt8](Gateway.text("GET", "/api/x").utf8)
        let version2 = { (command: UInt8, family: UInt8, addresses: [UInt8]) -> [UInt8] in
            [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x20 | command, family, 0, UInt8(addresses.count)] + addresses
        }
        let ipv6 = [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1]
        let cases: [(prefix: [UInt8], status: Int)] = [
            ([UInt8]("PROXY TCP4 10.0.0.1 10.9.9.9 1000 80\r\n".utf8), 200), ([UInt8]("PROXY TCP4 10.0.0.2 10.9.9.9 1000 80\r\n".utf8), 403),
            ([UInt8]("PROXY TCP6 2001:db8::1 ::2 1000 80\r\n".utf8), 200), ([UInt8]("PROXY UNKNOWN\r\n".utf8), 403),
            (version2(1, 0x11, [10, 0, 0, 1, 10, 9, 9, 9, 3, 232, 0, 80]), 200), (version2(1, 0x11, [10, 0, 0, 2, 10, 9, 9, 9, 3, 232, 0, 80]), 403),
            (version2(1, 0x21, ipv6 + ipv6 + [3, 232, 0, 80]), 200), (version2(0, 0, []), 403),
        ]
        for (prefix, status) in cases {
            let client = try RawClient(port: port, timeout: 5)
            try client.send(prefix + request)
            #expect(try client.response().status == status, "\(prefix)")
            try client.send(request)
            #expect(try client.response().status == status, "it holds for the whole connection")
        }
        let pieces = try RawClient(port: port, timeout: 5)
        try pieces.send("PROXY TCP4 10.0.0.1 10.9.9.9 1000 80\r\n", inPiecesOf: 1, every: 0.001)
        try pieces.send(request)
        #expect(try pieces.response().status == 200)
        for bad in ["GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 10.0.0.1\r\n\r\n", "PROXY TCP4 10.0.0.1 10.9.9.9 99999 80\r\n"] {
            let client = try RawClient(port: port, timeout: 5)
            try client.send(bad)
            let answer = try? client.toEnd()
            #expect(!String(decoding: answer ?? [], as: UTF8.self).contains("200 OK"), "\(bad)")
        }
    }
}
