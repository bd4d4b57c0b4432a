import Foundation
import Testing

/// What `sluice explain` prints is what a running gateway does, to the header line: the response's, or the upstream request's.
@Suite("Explain agrees with the gateway", .loopback, .minutes(5))
struct ExplainAgreementTests {
    private static func configuration(_ upstream: String) -> String {
        """
        trustedProxies: [127.0.0.2]
        projects: {main: {}}
        domains:
          - key: a
            hosts: [a.test, "*.wild.test"]
            project: main
            upstream: \(upstream)/base
            policies:
              cors: {origins: ["https://app.test"], methods: [GET, POST], headers: [X-One], expose: [X-Two], credentials: true, maxAge: 60}
            endpoints:
              - {path: "/v1/items/{id}", methods: [GET, POST], policies: {rewrite: {pattern: "/v1/items/(.*)", to: "/items/%1?from=rewrite"}}}
              - {path: "/v1/items/{id:[0-9]+}", methods: [GET], policies: {rewrite: {pattern: "/v1/items/{id}", to: "/v1/{id}/items"}}}
              - {path: "/v1/items/me", methods: [GET], policies: {headers: {request: {set: {X-Gateway: sluice}, remove: [X-One]}, response: {set: {X-Served-By: sluice}}}}}
              - {path: "/v1/**", methods: [GET, PURGE]}
              - {path: "/mock", methods: [GET, POST], policies: {mock: {status: 202, headers: {Content-Type: text/plain, X-Two: "2"}, body: made}, headers: {response: {set: {X-Served-By: sluice}, remove: [X-Two]}}}}
              - {path: "/empty", methods: [GET], policies: {mock: {status: 204}}}
              - {path: "/asked", methods: [GET, POST], policies: {preCall: {method: GET, url: "\(upstream)/authorise"}}}
              - {path: "/bad", methods: [GET], policies: {rewrite: {pattern: "/(", to: "/x"}}}
              - {path: "/none-left", methods: [GET], policies: {usageQuota: [{limit: 0, perSeconds: 60}], mock: {status: 200, body: x}}}
          - key: locked
            project: main
            upstream: \(upstream)
            encodedSlashes: keep
            policies: {ipAcl: {permit: true, addresses: [127.0.0.1]}, hmac: {secret: s3cret, clockSkew: 300}}
            endpoints: [{path: "/open/*"}]
          - key: token
            project: main
            upstream: \(upstream)
            policies: {jwt: {algorithm: HS256, secret: s3cret, forward: {sub: X-User}}}
            responses: {unauthorized: {status: 403, headers: {WWW-Authenticate: ""}}, notFound: {status: 204}}
            endpoints: [{path: "/**"}]
          - key: closed
            project: main
            policies: {maintenance: {enabled: true, status: 503, headers: {Retry-After: "9"}, body: later}, cors: {origins: ["*"], methods: [GET]}}
            endpoints: [{path: /x, policies: {mock: {status: 200, body: x}}}]
          - key: walled
            project: main
            upstream: \(upstream)
            policies: {ipAcl: {permit: true, addresses: [127.0.0.9]}}
            responses:
              forbidden:
                headers: {X-Error: "${error.resultCode} $!{header.X-User}", Vary: X-User}
                bodies: {application/json: '{"by": "${header.X-User}", "to": "${uri}"}', text/html: "<p>${httpMethod} ${host}"}
            endpoints: [{path: "/**"}]

        """
    }

    private static let methods = ["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "DELETE", "PURGE"]
    private static let targets = [
        "/a/v1/items/7?q=1", "/a/v1/items/me", "/a/v1/items/x%2e%41?", "/a/v1/./items/../items/you", "/a/v1", "/a/v1/", "/a", "/a/", "/a/mock", "/a/empty",
        "/a/asked?x", "/a/bad", "/a/none-left", "/a/%2F", "/a/..", "/a/%zz", "/a/v1/a|b", "/locked/open/x", "/locked/open/a%2fb", "/locked/shut",
        "/token/x", "/token", "/closed/x", "/walled/x", "/nobody", "/v1/items/7", "/mock", "//a/mock",
    ]

    private static func headers() throws -> [[String]] {
        let token = try Signing.hs256(#"{"sub":"alice","exp":\#(Signing.epoch() + 600)}"#, secret: "s3cret")
        return [
            [], [], ["Origin: https://app.test", "X-One: 1"], ["Origin: https://other.test", "Access-Control-Request-Method: GET"],
            ["Origin: https://app.test", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-one"], ["Host: a.test"],
            ["Host: b.wild.test:80", "X-User: mallory"], ["Host: c.b.wild.test"], ["Authorization: Bearer \(token)", "X-User: mallory"],
            ["Authorization: \(token)x"], ["Accept: text/*", "X-User: <b>"], ["Connection: close, X-One", "X-One: 1", "X-Three: 3"], ["X-Forwarded-For: 127.0.0.9", "Via: 1.0 b", "Forwarded: for=x"],
            ["X_User: mallory", "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /a/", "X-Forwarded-Server: b", "X-Original-URL: /c"],
            ["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b", "X-Request-Id: given-1"],
            ["X-TC-Timestamp: \(Signing.timestamp(-900))", "Authorization: x"],
        ]
    }

    /// A generator of the same numbers every time (a linear congruence; Knuth, MMIX).
    private struct Choice {
        var state: UInt64 = 42
        mutating func index(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % count
        }
    }

    @Test("120 requests of a fixed sequence: the same response, or the same upstream request, line by line")
    func sameLines() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(Self.configuration(upstream.url))
        let config = gateway.folder.file("sluice.yaml")
        var choice = Choice()
        var proxied = 0
        let headers = try Self.headers()
        for _ in 0..<120 {
            let method = Self.methods[choice.index(Self.methods.count)]
            let target = Self.targets[choice.index(Self.targets.count)]
            var fields = headers[choice.index(headers.count)]
            if target.hasPrefix("/locked"), choice.index(2) == 0 { fields += try Signing.compact(method, target, secret: "s3cret") }
            let response = try gateway.request(method, target, fields)
            let named = fields.contains { $0.hasPrefix("Host:") } ? fields : ["Host: gateway.test"] + fields
            let result = try run(["explain", "--config", config, method, target] + named.flatMap { ["-H", $0] })
            let place = "\(method) \(target) \(fields)\n\(result.everything)\n\(response.headText)"
            let said = Said(result.output)
            if said.isRequest {
                proxied += 1
                let request = try #require(upstream.requests.last, "\(place)")
                #expect(Self.stable(said.lines) == Self.stable(Self.lines(request.headText)), "\(place)\n\(request.headText)")
                #expect(result.code == 0 && response.status == 200, "\(place)")
            } else {
                #expect(Self.stable(said.lines) == Self.stable(Self.lines(response.headText)), "\(place)")
                #expect(said.body == response.text, "\(place)")
                #expect(result.output.contains("\nverdict: \(response.status) "), "\(place)")
            }
        }
        #expect(proxied >= 20, "\(proxied) of the requests were proxied")
    }

    /// The message at the end of what `explain` prints.
    private struct Said {
        let isRequest: Bool
        let lines: [String]
        let body: String

        init(_ output: String) {
            let all = output.components(separatedBy: "\n")
            let start = all.firstIndex { $0 == "response" || $0.hasPrefix("upstream request") } ?? 0
            let end = all.lastIndex { $0.hasPrefix("verdict: ") } ?? all.count
            let message = all[(start + 1)..<max(end, start + 1)]
            let head = message.prefix { !$0.isEmpty }
            isRequest = all[start] != "response"
            lines = head.map { String($0.dropFirst(2)) }
            body = message.dropFirst(head.count + 1).map { String($0.dropFirst(2)) }.joined(separator: "\n")
        }
    }

    private static func lines(_ head: String) -> [String] { head.components(separatedBy: "\r\n").filter { !$0.isEmpty } }

    /// Without what is made anew for every message, and without what belongs to the client's connection.
    private static func stable(_ lines: [String]) -> [String] {
        lines.map { $0.replacing(/;t=\d+/, with: "") }.filter { line in
            let name = line.prefix { $0 != ":" }.lowercased()
            if name == "x-request-id" { return line.hasSuffix("given-1") }
            if name == "traceparent" { return line.contains("0af7651916cd43dd8448eb211c80319c") }
            return !["date", "connection"].contains(name)
        }
    }
}
