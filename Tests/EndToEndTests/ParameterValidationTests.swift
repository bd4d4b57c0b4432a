import Foundation
import Testing

/// `validate` of parameters through the gateway: variables of the path, what a rewrite makes of a query, fields over HTTP/2.
@Suite("Validation of parameters", .loopback, .minutes(5))
struct ParameterValidationTests {
    private func expect(_ response: Response, says detail: String) {
        #expect(response.status == 400 && response.text.contains("\"Bad Request (\(detail))\""), "\(response.status) \(response.text)")
    }

    @Test("variables of the path: decoded once, a plus is a plus, and nothing behind a semicolon")
    func paths() throws {
        let upstream = try ScriptedUpstream()
        let rules = "validate: {path: {id: {type: integer, format: int64, minimum: 1}, name: {schema: {type: string, maxLength: 3, pattern: '^[^ ]*$'}}}}"
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/items/{id}/x/{name}", rules)]))
        for path in ["/api/items/7/x/abc", "/api/items/%37/x/a+b", "/api/items/9223372036854775807/x/%C3%A9", "/api/items/7/x/a%25"] {
            #expect(try gateway.get(path).status == 200, "\(path)")
        }
        for (path, detail) in [
            ("/api/items/0/x/a", "path parameter id: too small"), ("/api/items/x/x/a", "path parameter id: not an integer"), ("/api/items/07/x/a", "path parameter id: not an integer"),
            ("/api/items/7%20/x/a", "path parameter id: not an integer"), ("/api/items/9223372036854775808/x/a", "path parameter id: too large"),
            ("/api/items/7/x/abcd", "path parameter name: too long"), ("/api/items/7/x/a%20b", "path parameter name: does not match the pattern"),
            ("/api/items/7/x/a%2531", "path parameter name: too long"), ("/api/items/7/x/a?name=b&id=c", ""),
        ] {
            if detail.isEmpty { #expect(try gateway.get(path).status == 200) } else { expect(try gateway.get(path), says: detail) }
        }
        // With a semicolon, the path may be refused for that alone.
        #expect(try gateway.get("/api/items/7;id=x/x/a").status == 400 && gateway.get("/api/items/7/x/a%3Bb").status == 400)
        #expect(upstream.requests.count == 5)
    }

    @Test("a variable that the path does not have whole is a problem", arguments: [
        ("/a/{id}", "other", "`other` of the path \"/a/{id}\", which has no such variable"), ("/a/{id}.json", "id", "`id` of the path, which is part of a segment or stands behind `**`"),
        ("/**/{id}", "id", "`id` of the path, which is part of a segment or stands behind `**`"),
    ])
    func unknownVariables(path: String, name: String, found: String) throws {
        let file = try Folder().write("sluice.yaml", configuration([EndpointText(path, "mock: {status: 200}, validate: {path: {\(name): {type: integer}}}")]))
        let result = try run(["check", file])
        #expect(result.code == 1 && result.errors.contains(found), "\(result.everything)")
    }

    @Test("a query is judged as the client sent it; the upstream gets what the rewrite makes of it")
    func rewrittenQueries() throws {
        let upstream = try ScriptedUpstream()
        let rules = "validate: {query: {page: {type: integer, required: true}}}, rewrite: {pattern: '/x/(.*)', to: '/y?from=%1', query: add}"
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/x/{a}", rules)]))
        #expect(try gateway.get("/api/x/page=z?page=1").status == 200)
        expect(try gateway.get("/api/x/page=1"), says: "query parameter page missing")
        #expect(upstream.requests.map(\.target) == ["/y?page=1&from=page%3Dz"])
    }

    @Test("cookies: over HTTP/2 their crumbs are one field, over HTTP/1.1 two lines are refused")
    func cookies() throws {
        let upstream = try ScriptedUpstream()
        let rules = "validate: {headers: {Cookie: {type: string, pattern: '^a=1; b=2$', required: true}, X-Tags: {type: array, items: {type: integer}}}}"
        let (gateway, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0, [EndpointText("/**", rules)]) }
        _ = gateway
        let client = try FrameClient(port: port)
        let joined = try client.request("GET", "/api/x", ["cookie: a=1", "cookie: b=2", "x-tags: 1, 2", "x-tags: 3"])
        #expect(try client.response(joined).status == 200)
        let wrong = try client.request("GET", "/api/x", ["cookie: b=2", "cookie: a=1"])
        #expect(try client.response(wrong).status == 400)
        let plain = try Gateway(configuration(upstream: upstream.url, [EndpointText("/**", rules)]))
        #expect(try plain.get("/api/x", ["Cookie: a=1; b=2"]).status == 200)
        expect(try plain.get("/api/x", ["Cookie: a=1; b=2", "Cookie: a=1"]), says: "header Cookie: given twice")
    }
}
