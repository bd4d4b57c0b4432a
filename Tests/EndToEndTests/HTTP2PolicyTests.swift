import Foundation
import Testing

/// Policies look at requests of HTTP/2 as at any other, and services cannot tell them apart.
@Suite("HTTP/2 policies", .loopback, .minutes(5))
struct HTTP2PolicyTests {
    private func site(
        policies: String = "", top: [String] = [], environment: [String: String] = [:], upstream: String = "http://127.0.0.1:9",
        _ endpoints: [EndpointText] = [EndpointText("/**", helloMock)]
    ) throws -> (gateway: Gateway, port: UInt16) {
        try Gateway.http2(environment: environment) { configuration(upstream: upstream, policies: policies, top: $0 + top, endpoints) }
    }

    @Test("the service receives the same bytes for the same request, whichever protocol its client speaks", arguments: [
        ("GET", "/api/a/b?q=1&r=%20", ["User-Agent: t", "Accept: */*", "X-One: 1", "Cookie: a=1; b=2"], nil),
        ("GET", "/api/x", ["X-Forwarded-For: 10.0.0.1, 10.0.0.2", "X-Forwarded-Proto: https", "Forwarded: for=10.0.0.1", "Via: 1.0 old"], nil),
        ("GET", "/api/x", ["X-Request-Id: mine", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "TE: trailers"], nil),
        ("POST", "/api/x", ["Content-Type: text/plain", "X-Remove: gone", "X-Set: theirs", "under_score: dropped"], "body"),
        ("HEAD", "/api/x", [], nil), ("DELETE", "/api/rewrite/7?a=b", ["Accept-Encoding: gzip"], nil),
        ("PUT", "/api/x", ["X-Dup: 1", "X-Dup: 2", "Authorization: Basic YTpi", "Range: bytes=0-1", "Expect: 100-continue"], "0123456789"),
    ] as [(String, String, [String], String?)])
    func sameBytes(method: String, target: String, fields: [String], body: String?) throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "up") }
        let changes = "headers: {request: {set: {X-Set: ours, X-New: n}, remove: [X-Remove]}, response: {set: {X-Answer: a}}}"
        let (_, port) = try site(top: ["trustedProxies: [127.0.0.0/8]"], upstream: upstream.url, [
            EndpointText("/rewrite/{id}", "\(changes), rewrite: {pattern: \"/rewrite/(.*)\", to: \"/new/%1\"}"), EndpointText("/**", changes),
        ])
        let first = try RawClient(port: port)
        try first.send(Gateway.text(method, target, fields, body: body))
        let old = try first.finalResponse(to: method)
        let client = try FrameClient(port: port)
        let stream = try client.request(method, target, fields + (body.map { ["Content-Length: \($0.utf8.count)"] } ?? []), ends: body == nil)
        if let body { try client.data(stream, body, ends: true) }
        let new = try client.response(stream)
        // What has to differ: who asked, for each request anew; and by which protocol it came (RFC 9110, 7.6.3).
        func lines(_ number: Int) throws -> [String] {
            try upstream.request(number).headText.components(separatedBy: "\r\n").map { line in
                let name = line.prefix { $0 != ":" }.lowercased()
                if name == "x-request-id", !fields.contains("X-Request-Id: mine") { return "x-request-id" }
                // Of a trace that goes on, the span is new; else all of it.
                if name == "traceparent" { return String(line.prefix(fields.contains { $0.hasPrefix(name) } ? 48 : 11)) }
                return (name == "via" ? line.replacingOccurrences(of: "2.0 ", with: "1.1 ").replacingOccurrences(of: ": 2 ", with: ": 1.1 ") : line)
            }
        }
        let (one, two) = (try lines(0), try lines(1))
        // Names of HTTP/2 are in lower case (RFC 9113, 8.2.1).
        #expect(one.map { $0.lowercased() } == two.map { $0.lowercased() }, "\(one)\n\(two)")
        #expect(try upstream.request(0).rawBody == upstream.request(1).rawBody)
        // Nor are responses different, but for their framing.
        let known = { (response: Response) in
            response.fields.filter { ![":status", "connection", "keep-alive", "date"].contains($0.name.lowercased()) }
                .map { "\($0.name.lowercased()): \($0.value)" }.sorted()
        }
        #expect(known(old) == known(new) && old.status == new.status && old.body == new.body, "\(known(old))\n\(known(new))")
    }

    @Test("JWT and HMAC: the same token, and a signature over the same request, pass; others are refused with their challenge")
    func authentication() throws {
        let (_, jwt) = try site(policies: "jwt: {algorithm: HS256, secret: s3cret}")
        let client = try FrameClient(port: jwt)
        let token = try Signing.hs256("{\"exp\":\(Signing.epoch() + 600)}", secret: "s3cret")
        #expect(try client.exchange("GET", "/api/x", ["Authorization: Bearer \(token)"]).text == "hello")
        expect(try client.exchange("GET", "/api/x", ["Authorization: Bearer \(token)x"]), is: .jwtInvalid)
        expect(try client.exchange("GET", "/api/x"), is: .jwtNoAuthorization)

        let (_, hmac) = try site(policies: "hmac: {secret: s3cret, clockSkew: 300, replayProtection: true}")
        let signer = try FrameClient(port: hmac)
        let signed = try Signing.compact("GET", "/api/x?a=1", secret: "s3cret")
        #expect(try signer.exchange("GET", "/api/x?a=1", signed).text == "hello")
        expect(try signer.exchange("GET", "/api/x?a=1", signed), is: .hmacInvalid)
        expect(try signer.exchange("GET", "/api/x?a=2", Signing.compact("GET", "/api/x?a=1", secret: "s3cret")), is: .hmacInvalid)
        let time = Signing.timestamp()
        let named = try Signing.named(
            "POST", "/api/x", secret: "s3cret", at: time, headers: "host,x-one", lines: ["host:gateway.test", "x-one:1"])
        #expect(try signer.exchange("POST", "/api/x", ["X-NHN-Date: \(time)", named, "X-One: 1"]).text == "hello")
        expect(try signer.exchange("POST", "/api/x", ["X-NHN-Date: \(time)", named, "X-One: 1"], authority: "other.test"), is: .hmacInvalid)
    }

    @Test("streams of one connection that need the same key set wait for one fetch; the others do not wait")
    func keySet() throws {
        let gate = Flag()
        let key = try OpenSSL.rsaKey()
        let document = try Signing.jwks([("one", key)])
        let provider = try ScriptedUpstream { call in
            try gate.wait()
            try call.reply(200, body: document)
        }
        let (_, port) = try Gateway.http2 { top in
            configuration(policies: "jwt: {algorithm: RS256, jwks: \"\(provider.url)/\"}", top: top, [EndpointText("/**", helloMock)])
                + domainLines(key: "open", upstream: "http://127.0.0.1:9", [EndpointText("/**", helloMock)]).joined(separator: "\n") + "\n"
        }
        let client = try FrameClient(port: port)
        let token = try Signing.rs256("{\"exp\":\(Signing.epoch() + 600)}", privateKey: key, kid: "one")
        let streams = try (0..<20).map { number in
            let stream = try client.request("POST", "/api/x", ["Authorization: Bearer \(token)"], ends: number % 2 == 0)
            if number % 2 == 1 { try client.data(stream, "body", ends: true) }
            return stream
        }
        #expect(try client.exchange("GET", "/open/x").text == "hello")
        #expect(streams.allSatisfy { !client[$0].isOver })
        gate.set()
        for stream in streams { #expect(try client.response(stream).text == "hello") }
        #expect(provider.requests.count == 1)
    }

    @Test("streams that ask the same pre-call question share it; one that is reset meanwhile takes nobody's answer away")
    func sharedPreCall() throws {
        let gate = Flag()
        let authoriser = try ScriptedUpstream { call in
            try gate.wait()
            try call.reply(call.request["X-Token"] == "bad" ? 403 : 200, body: "asked")
        }
        let upstream = try ScriptedUpstream { try $0.reply(200, body: $0.request.text) }
        let (_, port) = try site(upstream: upstream.url, [
            EndpointText("/**", "preCall: {method: GET, url: \"\(authoriser.url)/\", timeoutMs: 20000, cacheSeconds: 60, cacheKey: [X-Token]}"),
        ])
        let client = try FrameClient(port: port)
        let streams = try (0..<30).map { number in
            let stream = try client.request("POST", "/api/x", ["X-Token: \(number % 3 == 0 ? "bad" : "good")"], ends: false)
            try client.data(stream, "body \(number)", ends: true)
            return stream
        }
        #expect(eventually { authoriser.requests.count >= 2 })
        // The first of each asks for the others.
        try client.reset(streams[0])
        try client.reset(streams[1])
        gate.set()
        for number in 2..<30 {
            let response = try client.response(streams[number])
            #expect(response.status == (number % 3 == 0 ? 403 : 200) && response.text == (number % 3 == 0 ? "asked" : "body \(number)"), "\(number)")
        }
        #expect(upstream.requests.count == 19)
    }

    @Test("quota, ceiling, CORS, address lists: by requests and by the client's address, over all streams")
    func others() throws {
        let (_, quota) = try site(policies: "usageQuota: [{limit: 5, perSeconds: 2592000}]")
        let client = try FrameClient(port: quota)
        let streams = try (0..<12).map { _ in try client.get("/api/x") }
        let statuses = try streams.map { try client.response($0).status }
        #expect(statuses.filter { $0 == 200 }.count == 5 && statuses.filter { $0 == 403 }.count == 7)

        let (_, list) = try site(policies: "ipAcl: {permit: false, addresses: [10.0.0.1]}", top: ["trustedProxies: [127.0.0.0/8]"])
        let behind = try FrameClient(port: list)
        expect(try behind.exchange("GET", "/api/x", ["X-Forwarded-For: 10.0.0.1"]), is: .address)
        #expect(try behind.exchange("GET", "/api/x", ["X-Forwarded-For: 10.0.0.2"]).status == 200)
        expect(try behind.exchange("GET", "/api/x", ["X-Forwarded-For: 10.0.0.9", "X-Forwarded-For: 10.0.0.1"]), is: .address)

        let (_, cors) = try site(
            policies: "cors: {origins: [\"https://a.test\"], methods: [GET, PUT], headers: [X-One]}", [EndpointText("/**", methods: "GET, PUT", helloMock)])
        let browser = try FrameClient(port: cors)
        let preflight = try browser.exchange("OPTIONS", "/api/x", [
            "Origin: https://a.test", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-one",
        ])
        #expect(preflight.status == 204 && preflight["access-control-allow-origin"] == "https://a.test" && preflight["access-control-allow-methods"]?.contains("PUT") == true)
        #expect(try browser.exchange("GET", "/api/x", ["Origin: https://a.test"])["access-control-allow-origin"] == "https://a.test")
        #expect(try browser.exchange("GET", "/api/x", ["Origin: https://b.test"])["access-control-allow-origin"] == nil)
    }

    @Test("the domain is chosen by :authority, and by Host where there is none; two that differ are refused")
    func authority() throws {
        let (_, port) = try Gateway.http2 { top in
            configuration(domain: ["hosts: [one.test]"], top: top, [EndpointText("/**", "mock: {status: 200, body: one}")])
        }
        let client = try FrameClient(port: port)
        #expect(try client.exchange("GET", "/x", authority: "one.test").text == "one" || client.exchange("GET", "/api/x", authority: "one.test").text == "one")
        let path = try client.exchange("GET", "/x", authority: "one.test").status == 200 ? "/x" : "/api/x"
        #expect(try client.exchange("GET", path, ["Host: one.test"], authority: nil).text == "one")
        #expect(try client.exchange("GET", path, ["Host: one.test"], authority: "one.test").text == "one")
        #expect(try client.exchange("GET", path, authority: "two.test").status == 404)
        let differs = try client.request("GET", path, ["Host: two.test"], authority: "one.test")
        try client.wait { client[differs].isOver }
        #expect(client[differs].resetCode == FrameCode.protocolError)
    }

    @Test("X-Forwarded-Proto says how the client has come, not what :scheme says")
    func scheme() throws {
        let upstream = try ScriptedUpstream()
        let (_, port) = try site(upstream: upstream.url, [EndpointText("/**")])
        let client = try FrameClient(port: port)
        #expect(try client.response(client.request("GET", "/api/x", scheme: "https")).status == 200)
        #expect(try upstream.onlyRequest().values("X-Forwarded-Proto") == ["http"])
    }
}
