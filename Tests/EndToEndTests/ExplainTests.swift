import Foundation
import Testing

/// `sluice explain` and the running gateway must say the same of one request.
@Suite("Explain", .loopback, .minutes(5))
struct ExplainTests {
    @Test("explain and the gateway agree on status and refusal")
    func agreement() throws {
        let upstream = try ScriptedUpstream()
        var lines = ["projects:", "  main: {}", "domains:"]
        lines += domainLines(
            key: "open", upstream: upstream.url + "/base",
            [
                EndpointText("/mock", methods: "GET", helloMock), EndpointText("/made", methods: "GET", "mock: {status: 418, body: x}"),
                EndpointText("/v1/{id}", methods: "GET", "rewrite: {pattern: \"/v1/(.*)\", to: \"/items/%1\"}"),
                EndpointText("/bad", methods: "GET", "rewrite: {pattern: \"/(\", to: \"/x\"}"),
                EndpointText("/worse", methods: "GET", "rewrite: {pattern: \"/(.*)\", to: \"/%7\"}"),
            ])
        lines += domainLines(key: "signed", upstream: upstream.url, domain: ["hosts: [signed.test]"], [EndpointText("/**", helloMock)])
        lines += domainLines(key: "locked", upstream: upstream.url, policies: "hmac: {secret: s3cret, clockSkew: 300}", [EndpointText("/known", helloMock)])
        lines += domainLines(key: "token", upstream: upstream.url, policies: "jwt: {algorithm: HS256, secret: s3cret}", [EndpointText("/**", helloMock)])
        lines += domainLines(key: "closed", upstream: upstream.url, policies: "maintenance: {enabled: true, status: 503, body: later}")
        lines += domainLines(key: "walled", upstream: upstream.url, policies: "ipAcl: {permit: true, addresses: [10.0.0.1]}")
        let gateway = try Gateway(lines.joined(separator: "\n") + "\n")

        let token = try Signing.hs256(#"{"exp":\#(Signing.epoch() + 600)}"#, secret: "s3cret")
        let cases: [(method: String, target: String, fields: [String])] = [
            ("GET", "/open/mock", []), ("HEAD", "/open/mock", []), ("POST", "/open/mock", []), ("GET", "/open/made", []), ("GET", "/open/v1/7?q=1", []),
            ("GET", "/open/bad", []), ("GET", "/open/worse", []), ("GET", "/open/none", []), ("GET", "/nothing", []), ("GET", "/open/%2f", []),
            ("GET", "/open/../..", []), ("GET", "/x", ["Host: signed.test"]), ("GET", "/locked/known", []),
            ("GET", "/locked/known", ["X-TC-Timestamp: x"]), ("GET", "/locked/known", ["X-TC-Timestamp: \(Signing.timestamp())"]),
            ("GET", "/locked/known", try Signing.compact("GET", "/locked/known", secret: "s3cret")),
            ("GET", "/locked/unknown", try Signing.compact("GET", "/locked/unknown", secret: "s3cret")), ("GET", "/token/x", []),
            ("GET", "/token/x", ["Authorization: Bearer \(token)"]), ("GET", "/token/x", ["Authorization: Bearer \(token)x"]),
            ("GET", "/closed/x", []), ("GET", "/walled/x", []),
        ]
        for (method, target, fields) in cases {
            let response = try gateway.request(method, target, fields)
            let url = fields.contains { $0.hasPrefix("Host:") } ? "http://signed.test" + target : "http://gateway.test" + target
            let flags = fields.filter { !$0.hasPrefix("Host:") }.flatMap { ["-H", $0] }
            let result = try run(["explain", "--config", gateway.folder.file("sluice.yaml"), method, url] + flags)
            let said = result.output
            let name = "\(method) \(target)\n\(result.everything)"
            if response.body.starts(with: [UInt8](#"{"header":{"resultCode":"#.utf8)) {
                #expect(said.contains("\(response.status)"), "\(name)")
                let message = response.text.components(separatedBy: "\"resultMessage\":\"")[1].components(separatedBy: "\",\"isSuccessful")[0]
                #expect(said.contains(message), "\(message)\n\(name)")
            } else if response.status == 200 && method == "GET" && target.hasPrefix("/open/v1") {
                #expect(said.contains("/base/items/7?q=1"), "\(name)")
            } else {
                #expect(said.contains("\(response.status)"), "\(name)")
            }
        }
        #expect(upstream.requests.map(\.target) == ["/base/items/7?q=1"], "explain sends nothing")
    }

    @Test("explain names the domain, the endpoint and each policy's verdict; unusable arguments exit 2")
    func words() throws {
        let file = try Folder().write(
            "sluice.yaml",
            configuration(
                key: "orders", policies: "ipAcl: {permit: false, addresses: [10.0.0.1]}, hmac: {secret: s, clockSkew: 300}",
                [EndpointText("/members/{id}", helloMock)]))
        let result = try run(["explain", "--config", file, "GET", "/orders/members/7"])
        for word in ["orders", "/members/{id}", "ipAcl", "hmac", "20001"] { #expect(result.output.contains(word), "\(word): \(result.everything)") }
        #expect(try run(["explain", "--config", file, "GET"]).code == 2)
        #expect(try run(["explain", "--config", file]).code == 2)
    }
}
