import Foundation
import Testing

/// Which domain and endpoint a request reaches, and how its path is read.
@Suite("Routing", .loopback, .minutes(5))
struct RoutingTests {
    private func mock(_ body: String) -> String { "mock: {status: 200, headers: {Content-Type: text/plain}, body: \"\(body)\"}" }

    @Test("a host over a key, a key over \"*\", an exact host over a wildcard; no falling through")
    func domains() throws {
        var lines = ["projects:", "  main: {}", "domains:"]
        lines += domainLines(key: "keyed", upstream: "http://127.0.0.1:9", [EndpointText("/**", mock("keyed"))])
        lines += domainLines(
            key: "exact", upstream: "http://127.0.0.1:9", domain: ["hosts: [shop.example.com]"],
            [EndpointText("/only", mock("exact")), EndpointText("/keyed/x", mock("exact whole path"))])
        lines += domainLines(key: "wild", upstream: "http://127.0.0.1:9", domain: ["hosts: [\"*.example.com\"]"], [EndpointText("/**", mock("wild"))])
        lines += domainLines(key: "rest", upstream: "http://127.0.0.1:9", domain: ["hosts: [\"*\"]"], [EndpointText("/**", mock("rest"))])
        let gateway = try Gateway(lines.joined(separator: "\n") + "\n")
        let cases: [(host: String, target: String, body: String?)] = [
            ("shop.example.com", "/only", "exact"), ("SHOP.example.com", "/only", "exact"), ("shop.example.com:8080", "/only", "exact"),
            ("shop.example.com", "/keyed/x", "exact whole path"), ("shop.example.com", "/elsewhere", nil),
            ("other.example.com", "/only", "wild"), ("a.b.example.com", "/only", "rest"), ("example.com", "/only", "rest"),
            ("a.b.example.com", "/keyed/x", "keyed"), ("unknown.test", "/keyed", "keyed"), ("unknown.test", "/keyed/", "keyed"),
            ("unknown.test", "/exact/only", "exact"), ("unknown.test", "/keyedx", "rest"), ("unknown.test", "/", "rest"),
        ]
        for (host, target, body) in cases {
            let response = try gateway.get(target, ["Host: \(host)"])
            if let body { #expect(response.text == body, "\(host) \(target)") } else { expect(response, is: .notFound) }
        }
    }

    @Test("the most specific pattern wins, whatever the order in the file", arguments: [false, true])
    func precedence(reversed: Bool) throws {
        let patterns = [
            "/a/literal", "/a/{n:[0-9]+}", "/a/x*", "/a/{name}", "/a/*/deep", "/a/**", "/b/?", "/b/*", "/c/**/end", "/c/**", "/d/{x}", "/d/{x}/e",
        ]
        let endpoints = patterns.map { EndpointText($0, mock($0)) }
        let gateway = try Gateway(configuration(reversed ? endpoints.reversed() : endpoints))
        let cases: [(String, String?)] = [
            ("/a/literal", "/a/literal"), ("/a/42", "/a/{n:[0-9]+}"), ("/a/xyz", "/a/x*"), ("/a/other", "/a/{name}"), ("/a/4x", "/a/{name}"),
            ("/a/q/deep", "/a/*/deep"), ("/a/q/r/s", "/a/**"), ("/a", "/a/**"), ("/b/x", "/b/?"), ("/b/xy", "/b/*"), ("/b", nil),
            ("/c/1/2/end", "/c/**/end"), ("/c/1/2", "/c/**"), ("/c/end", "/c/**/end"), ("/d/1", "/d/{x}"), ("/d/1/e", "/d/{x}/e"), ("/d/1/f", nil),
        ]
        for (target, pattern) in cases {
            let response = try gateway.get("/api" + target)
            if let pattern { #expect(response.text == pattern, "\(target)") } else { expect(response, is: .notFound) }
        }
    }

    @Test("HEAD is served where GET is listed; OPTIONS only where it is listed; methods are told apart")
    func methods() throws {
        let gateway = try Gateway(
            configuration([
                EndpointText("/x", methods: "GET", mock("get")), EndpointText("/x", methods: "POST, DELETE", mock("post")),
                EndpointText("/o", methods: "OPTIONS", mock("options")),
            ]))
        #expect(try gateway.get("/api/x").text == "get")
        #expect(try gateway.request("POST", "/api/x", body: "").text == "post")
        #expect(try gateway.request("DELETE", "/api/x").text == "post")
        let head = try gateway.request("HEAD", "/api/x")
        #expect(head.status == 200 && head["Content-Length"] == "3")
        #expect(try gateway.request("HEAD", "/api/o").status == 404)
        #expect(try gateway.request("OPTIONS", "/api/o").text == "options")
        expect(try gateway.request("OPTIONS", "/api/x"), is: .notFound)
        expect(try gateway.request("PUT", "/api/x", body: ""), is: .notFound)
    }

    @Test("the path that is matched is the path that is forwarded: one normal form", arguments: [
        ("/api/%61dmin", "/admin"), ("/api/x/../admin", "/admin"), ("/api/./admin", "/admin"), ("/api/x/%2e%2e/admin", "/admin"),
        ("/api/%2E/admin", "/admin"), ("/%61pi/admin", "/admin"), ("/other/../api/admin", "/admin"), ("/api/%c3%a9", "/%C3%A9"),
        ("/api/a%3fb", "/a%3Fb"), ("/api/a%25b", "/a%25b"), ("/api/a;b=1", "/a;b=1"), ("/api/admin/.", "/admin/"), ("/api/admin/x/..", "/admin/"),
    ])
    func normalForm(sent: String, forwarded: String) throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(upstream: upstream.url, [EndpointText("/admin", "headers: {request: {set: {X-Endpoint: admin}}}"), EndpointText("/**")]))
        #expect(try gateway.get(sent).status == 200)
        let request = try upstream.onlyRequest()
        #expect(request.target == forwarded)
        #expect(request["X-Endpoint"] == (forwarded == "/admin" ? "admin" : nil))
    }

    @Test("empty segments and a trailing slash are significant")
    func slashes() throws {
        let gateway = try Gateway(configuration([EndpointText("/a/b", mock("plain")), EndpointText("/a/b/", mock("slash")), EndpointText("/", mock("root"))]))
        #expect(try gateway.get("/api/a/b").text == "plain")
        #expect(try gateway.get("/api/a/b/").text == "slash")
        expect(try gateway.get("/api/a//b"), is: .notFound)
        expect(try gateway.get("/api//a/b"), is: .notFound)
        expect(try gateway.get("//api/a/b"), is: .notFound)
        #expect(try gateway.get("/api").text == "root")
        #expect(try gateway.get("/api/").text == "root")
    }

    @Test("encodedSlashes: keep makes %2F data inside a segment; an encoded backslash stays 400")
    func encodedSlashes() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, domain: ["encodedSlashes: keep"], [EndpointText("/files/{name}")]))
        #expect(try gateway.get("/api/files/a%2fb").status == 200)
        #expect(try upstream.onlyRequest().target == "/files/a%2Fb")
        expect(try gateway.get("/api/files/a%5cb"), is: .target)
        expect(try gateway.get("/api/files/a/b"), is: .notFound)
    }

    @Test("targets that are not origin-form for an ordinary method", arguments: ["*", "api/x", "http:/x", "//"])
    func otherForms(target: String) throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]))
        let response = try gateway.get(target)
        #expect([400, 404].contains(response.status), "\(response.status)")
        #expect(response.status == 404 || response.text == RefusalRow.target.body, "\(response.text)")
    }

    @Test("two domains, each with its own upstream, share one gateway")
    func twoUpstreams() throws {
        let (one, two) = (try ScriptedUpstream { try $0.reply(200, body: "one") }, try ScriptedUpstream { try $0.reply(200, body: "two") })
        let lines = ["projects:", "  main: {}", "domains:"] + domainLines(key: "one", upstream: one.url) + domainLines(key: "two", upstream: two.url)
        let gateway = try Gateway(lines.joined(separator: "\n"))
        let client = try gateway.client()
        for _ in 0..<3 {
            #expect(try client.exchange(Gateway.text("GET", "/one/x")).text == "one")
            #expect(try client.exchange(Gateway.text("GET", "/two/x")).text == "two")
        }
    }
}
