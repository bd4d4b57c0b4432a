import Foundation
import Testing

/// Fields that services confuse, or that somebody has relied upon: what a client cannot bring past the gateway by another spelling, by `Connection`
/// or in the trailers. The judge is a real service of the kind that makes one variable of `X-User`, `X_User` and `X.User`: WSGI.
@Suite("Field names", .loopback, .minutes(5))
struct FieldNameTests {
    private static let secret = "s3cret"

    /// Answers with the request's variables, one `NAME=value` a line.
    private static let service = """
        import sys
        from wsgiref.simple_server import make_server, WSGIRequestHandler
        WSGIRequestHandler.log_message = lambda *_: None
        def application(environment, start):
            lines = ["%s=%s" % pair for pair in sorted(environment.items()) if pair[0].startswith("HTTP_")]
            body = "\\n".join(lines).encode()
            start("200 OK", [("Content-Length", str(len(body)))])
            return [body]
        make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
        """

    /// What such a service reads of a request with these fields.
    private func variables(
        _ policies: String = "", domain: String = "", fields: [String], environment: [String: String] = [:]
    ) throws -> (status: Int, variables: [String: String]) {
        let folder = try Folder()
        let port = try Ports.free()
        let service = try ChildProcess(["/usr/bin/env", "python3", "-c", Self.service, "\(port)"], folder: folder)
        defer { service.signal(SIGKILL) }
        try #require(eventually(within: 15) {
            guard let probe = try? RawSocket.connect(port: port, timeout: 1) else { return false }
            probe.close()
            return true
        })
        let text = configuration(upstream: "http://127.0.0.1:\(port)", policies: domain, [EndpointText("/**", policies)])
        let gateway = try Gateway(text, environment: environment)
        let response = try gateway.get("/api/x", fields)
        let pairs = response.text.split(separator: "\n").compactMap { line -> (String, String)? in
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
        return (response.status, Dictionary(pairs) { $0 + "," + $1 })
    }

    private func token() throws -> String {
        try Signing.hs256(#"{"sub":"alice","exp":\#(Signing.epoch() + 600)}"#, secret: Self.secret)
    }

    @Test("WSGI: no spelling of a claim's, a set, a removed or a forwarding field reaches the service beside the gateway's own", arguments: ["drop", "pass"])
    func aliases(mode: String) throws {
        let read = try variables(
            "headers: {request: {set: {X-Gateway: sluice}, remove: [X-Debug]}}",
            domain: "jwt: {algorithm: HS256, secret: \(Self.secret), forward: {sub: X-User}}",
            fields: [
                "Authorization: Bearer \(try token())", "X_User: admin", "X.User: admin", "x-user: admin", "X_USER: admin", "X_Gateway: mine", "X_Debug: 1",
                "X-Debug: 1", "X_Forwarded_For: 10.0.0.1", "X_Forwarded-Proto: https", "X-Forwarded-Port: 1", "X_Forwarded_Prefix: /x", "X-Forwarded-Server: a",
                "X_Forwarded_Server: a", "X-Forwarded-User: root", "X-Original-URL: /admin", "X_Rewrite_URL: /admin", "Transfer_Encoding: chunked",
                "X_Request_Id: mine", "X_Other: 1", "X-Plain: 2",
            ],
            environment: ["SLUICE_UNUSUAL_FIELDS": mode])
        #expect(read.status == 200)
        let variables = read.variables
        #expect(variables["HTTP_X_USER"] == "alice")
        #expect(variables["HTTP_X_GATEWAY"] == "sluice")
        #expect(variables["HTTP_X_DEBUG"] == nil)
        #expect(variables["HTTP_X_FORWARDED_FOR"] == "127.0.0.1")
        #expect(variables["HTTP_X_FORWARDED_PROTO"] == "http")
        #expect(variables["HTTP_X_FORWARDED_PREFIX"] == "/api")
        #expect(variables["HTTP_X_FORWARDED_PORT"] != "1" && variables["HTTP_X_FORWARDED_PORT"] != nil)
        for name in ["X_FORWARDED_SERVER", "X_FORWARDED_USER", "X_ORIGINAL_URL", "X_REWRITE_URL", "TRANSFER_ENCODING"] {
            #expect(variables["HTTP_" + name] == nil, "\(name)")
        }
        #expect(variables["HTTP_X_REQUEST_ID"].map { !$0.contains("mine") } == true)
        #expect(variables["HTTP_X_OTHER"] == (mode == "pass" ? "1" : nil))
        #expect(variables["HTTP_X_PLAIN"] == "2")
    }

    @Test("a field that is set under an unusual name wins over the client's usual one")
    func unusualOwn() throws {
        let read = try variables("headers: {request: {set: {X_User: alice}}}", fields: ["X-User: admin", "X_User: admin"])
        #expect(read.variables["HTTP_X_USER"] == "alice")
    }

    @Test("refuse: a request with an unusual name is 400, in its head and in its trailers")
    func refused() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_UNUSUAL_FIELDS": "refuse"])
        let refused = try gateway.get("/api/x", ["X_User: a"])
        #expect(refused.status == 400 && refused.text.contains("unusual header name"))
        #expect(try gateway.get("/api/x", ["X-User: a"]).status == 200)
        let client = try gateway.client()
        try client.send(Gateway.text("POST", "/api/x", ["Transfer-Encoding: chunked"]) + "1\r\na\r\n0\r\nX_User: a\r\n\r\n")
        #expect(try client.response().status == 400)
        #expect(upstream.requests.count == 1)
    }

    @Test("trailers: neither another spelling, nor what the head has nominated, what the gateway asserts or what a policy has checked")
    func trailers() throws {
        let names = ["X-User", "X_User", "X.Gateway", "X-Debug", "X_Debug", "X-Hop", "X-Forwarded-For", "X_Forwarded_For", "X-Forwarded-Server", "Set_Cookie", "X-Key", "X_Key"]
        for (mode, passed) in [("drop", ["X-Plain"]), ("pass", ["X_Other", "X-Plain"])] {
            let upstream = try ScriptedUpstream()
            let endpoint = "headers: {request: {set: {X-Gateway: sluice, X-User: alice}, remove: [X-Debug]}}, preCall: {url: '\(upstream.url)/ask', cacheKey: [X-Key]}"
            let gateway = try Gateway(
                configuration(upstream: upstream.url, [EndpointText("/**", endpoint)]), environment: ["SLUICE_UNUSUAL_FIELDS": mode])
            let client = try gateway.client()
            let trailers = (names + ["X_Other", "X-Plain"]).map { "\($0): a\r\n" }.joined()
            try client.send(Gateway.text("POST", "/api/x", ["Transfer-Encoding: chunked", "Connection: x-hop"]) + "1\r\na\r\n0\r\n\(trailers)\r\n")
            #expect(try client.response().status == 200)
            let request = try #require(upstream.requests.last)
            #expect(request.text == "a" && request.trailers.map(\.name) == passed, "\(mode): \(request.trailers)")
        }
    }

    @Test("a remembered pre-call is opened by no other spelling of its key, and its key cannot be nominated away")
    func preCallKey() throws {
        let service = try ScriptedUpstream { try $0.reply($0.request["X-Key"] == "good" || $0.request["X_Key"] == "good" ? 200 : 403) }
        for mode in ["drop", "pass"] {
            let preCall = "preCall: {url: '\(service.url)/ask', cacheSeconds: 60, cacheKey: [X-Key]}"
            let gateway = try Gateway(
                configuration(upstream: try ScriptedUpstream().url, [EndpointText("/**", preCall)]), environment: ["SLUICE_UNUSUAL_FIELDS": mode])
            #expect(try gateway.get("/api/x", ["X_Key: good"]).status == 403)
            #expect(try gateway.get("/api/x").status == 403)
            #expect(try gateway.get("/api/x", ["X-Key: good", "Connection: x-key"]).status == 200)
            #expect(try gateway.get("/api/x", ["Connection: x-key"]).status == 403)
            #expect(try gateway.get("/api/x", ["X-Key: bad"]).status == 403)
        }
    }

    @Test("Connection takes off no field that a signature covers; one that it does not cover goes")
    func signed() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(upstream: upstream.url, policies: "hmac: {secret: \(Self.secret), requiredHeaders: [x-tenant]}"))
        let timestamp = Signing.timestamp()
        let authorization = try Signing.named(
            "GET", "/api/x", secret: Self.secret, at: timestamp, headers: "x-tenant,x-more", lines: ["x-tenant:a", "x-more:b"])
        let fields = [authorization, "x-nhn-date: \(timestamp)"] + ["X-Tenant: a", "X-More: b", "X-Other: c", "Connection: x-tenant, X-MORE, x-other, authorization, x-nhn-date"]
        #expect(try gateway.get("/api/x", fields).status == 200)
        let request = try upstream.onlyRequest()
        #expect(request["X-Tenant"] == "a" && request["X-More"] == "b" && request["X-Other"] == nil)
        #expect(request["Authorization"] != nil && request["x-nhn-date"] != nil)
    }

    @Test("a trusted proxy's forwarding fields are continued: port, prefix, and what the gateway knows nothing of")
    func trusted() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, top: ["trustedProxies: [127.0.0.0/8]"]))
        _ = try gateway.get("/api/x", ["X-Forwarded-Port: 8443", "X-Forwarded-Prefix: /outer/", "X-Forwarded-Server: edge", "X-Original-URL: /o"])
        _ = try gateway.get("/api/x", ["X-Forwarded-Proto: https", "X-Forwarded-Host: shop.test"])
        _ = try gateway.get("/api/x", ["X-Forwarded-Proto: https", "X-Forwarded-Host: shop.test:444"])
        let first = try upstream.request(0)
        #expect(first.values("X-Forwarded-Port") == ["8443"] && first.values("X-Forwarded-Prefix") == ["/outer/api"])
        #expect(first.values("X-Forwarded-Server") == ["edge"] && first.values("X-Original-URL") == ["/o"])
        #expect(try upstream.request(1).values("X-Forwarded-Port") == ["443"])
        #expect(try upstream.request(2).values("X-Forwarded-Port") == ["444"])
    }

    @Test("the port is that of Host, else the scheme's; a prefix is told only where the key was taken off")
    func asserted() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, domain: ["hosts: [shop.test]"]))
        _ = try gateway.get("/api/x", ["Host: other.test"])
        _ = try gateway.get("/api/x", ["Host: other.test:8080"])
        _ = try gateway.get("/x", ["Host: shop.test", "X-Forwarded-Prefix: /mine"])
        #expect(try upstream.request(0).values("X-Forwarded-Port") == ["80"])
        #expect(try upstream.request(0).values("X-Forwarded-Prefix") == ["/api"])
        #expect(try upstream.request(1).values("X-Forwarded-Port") == ["8080"])
        #expect(try upstream.request(2).values("X-Forwarded-Prefix") == [])
    }
}
