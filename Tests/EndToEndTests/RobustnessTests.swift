import Foundation
import Synchronization
import Testing

/// Mutated input from both sides: the process goes on, serves others, and never forwards two readings of one request.
@Suite("Robustness", .loopback, .minutes(5))
struct RobustnessTests {
    /// A generator with a fixed beginning: a failure comes again.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    private static func mutated(_ text: String, _ random: inout Seeded) -> [UInt8] {
        var bytes = [UInt8](text.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard !bytes.isEmpty else { break }
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: at)
            case 2: bytes.insert([13, 10, 0, 32, 58, 37, 255, 44][Int.random(in: 0..<8, using: &random)], at: at)
            case 3: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...40, using: &random)))
            case 4: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 30)], at: at)
            default: bytes.insert(contentsOf: [UInt8]("99999999999999999999".utf8), at: at)
            }
        }
        return bytes
    }

    private let policies =
        "cors: {origins: [\"https://a.test\"], methods: [GET], headers: [X-A]}, usageQuota: [{limit: 1000000, perSeconds: 1}], hmac: {secret: s, clockSkew: 300}"

    @Test("3,000 mutated requests: the gateway lives and serves", arguments: [1, 2] as [UInt64])
    func mutatedRequests(seed: UInt64) throws {
        let upstream = try ScriptedUpstream()
        var lines = ["projects:", "  main: {ceiling: 10000000}", "trustedProxies: [127.0.0.0/8]", "domains:"]
        lines += domainLines(
            key: "open", upstream: upstream.url,
            [EndpointText("/v/{id:[0-9]+}", "rewrite: {pattern: \"/v/(.*)\", to: \"/items/%1\"}"), EndpointText("/mock", helloMock), EndpointText("/**")])
        lines += domainLines(key: "signed", upstream: upstream.url, policies: policies, [EndpointText("/**", helloMock)])
        lines += domainLines(key: "token", upstream: upstream.url, policies: "jwt: {algorithm: HS256, secret: s}", [EndpointText("/**", helloMock)])
        let gateway = try Gateway(lines.joined(separator: "\n") + "\n")
        let token = try Signing.hs256(#"{"exp":\#(Signing.epoch() + 600),"a":{"b":[1,2.5e3,"é\u00e9"]}}"#, secret: "s")
        let now = Signing.timestamp()
        let originals = [
            Gateway.text("GET", "/open/v/42?x=%2f&y", ["X-Forwarded-For: 10.0.0.1, ::1", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]),
            Gateway.text("POST", "/open/a%20b/../c", ["Expect: 100-continue", "Connection: X-A, close"], body: "hello"),
            "POST /open/c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: 1\r\n\r\n",
            Gateway.text("GET", "/signed/x", ["Origin: https://a.test", "x-nhn-date: \(now)", "Authorization: hmac algorithm=\"HmacSHA256\", headers=\"host,x\", signature=\"AAAA\""]),
            Gateway.text("GET", "/signed/x", try Signing.compact("GET", "/signed/x", secret: "s", at: now)),
            Gateway.text("GET", "/token/x", ["Authorization: Bearer \(token)"]),
            Gateway.text("OPTIONS", "/signed/x", ["Origin: https://a.test", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-a,X-B"]),
            Gateway.text("GET", "http://h.test:80/open/mock", ["Host: h.test:80", "Upgrade: websocket", "Connection: upgrade"]),
        ]
        let (died, done) = (Flag(), Flag())
        for thread in 0..<3 {
            Thread.detachNewThread {
                defer { done.set() }
                var random = Seeded(state: seed &* 7919 &+ UInt64(thread) &+ 1)
                for _ in 0..<1000 {
                    guard let client = try? gateway.client(timeout: 2) else { died.set(); return }
                    try? client.send(Self.mutated(originals.randomElement(using: &random)!, &random))
                    client.halfClose()
                    _ = try? client.toEnd()
                    client.close()
                }
            }
        }
        #expect(eventually(within: 45) { done.count == 3 })
        #expect(!died.isSet && gateway.process.exitCode() == nil, "\(gateway.log.suffix(2000))")
        #expect(try gateway.get("/open/mock").text == "hello")
        #expect(upstream.requests.count > 100, "too few got through to prove anything: \(upstream.requests.count)")
        for request in upstream.requests {
            #expect(request.values("Content-Length").count + request.values("Transfer-Encoding").count <= 1, "\(request.headText)")
            #expect(!request.target.contains("/../") && request.values("Host") == ["127.0.0.1:\(upstream.port)"], "\(request.headText)")
        }
    }

    @Test("1,500 mutated responses: the gateway lives and serves")
    func mutatedResponses() throws {
        let originals = [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nuntil the end",
            "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nConnection: X, close\r\nX: 1\r\n\r\n",
        ]
        let random = Mutex(Seeded(state: 4711))
        let upstream = try ScriptedUpstream { call in
            if call.request.target == "/clean" { return try call.reply(200, body: "clean") }
            try call.send(random.withLock { Self.mutated(originals.randomElement(using: &$0)!, &$0) })
            call.close()
        }
        let gateway = try Gateway(configuration(ceiling: 1_000_000, upstream: upstream.url), environment: ["SLUICE_CIRCUIT_AFTER_FAILURES": "0"])
        for _ in 0..<1500 {
            let client = try gateway.client(timeout: 2)
            try client.send(Gateway.text("GET", "/api/x", ["Connection: close"]))
            _ = try? client.toEnd()
            client.close()
        }
        #expect(gateway.process.exitCode() == nil, "\(gateway.log.suffix(2000))")
        #expect(try gateway.get("/api/clean").text == "clean")
    }

    @Test("mutated PROXY headers and TLS hellos: the gateway lives and serves")
    func mutatedPreludes() throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("one", for: ["one.test"], in: folder)
        let (plain, secure) = (try Ports.free(), try Ports.free())
        let gateway = try Gateway(
            configuration(
                top: [
                    "trustedProxies: [127.0.0.0/8]", "listeners:", "  - {address: \"127.0.0.1:\(plain)\", proxyProtocol: true}",
                    "  - {address: \"127.0.0.1:\(secure)\", tls: {certificate: \"\(folder.file("one.pem"))\", key: {file: \"\(folder.file("one.key"))\"}}}",
                ], [EndpointText("/**", helloMock)]), readyPort: plain)
        var random = Seeded(state: 99)
        let version2 = "\r\n\r\n\0\r\nQUIT\n!\u{11}\0\u{0c}\u{0a}\0\0\u{1}\u{0a}\0\0\u{2}\0P\0P"
        for turn in 0..<600 {
            let isPlain = turn % 2 == 0
            let client = try RawClient(port: isPlain ? plain : secure, timeout: 2)
            let original = turn % 4 == 0 ? version2 : isPlain ? "PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n" : "\u{16}\u{3}\u{1}\0\u{40}\u{1}\0\0\u{3c}\u{3}\u{3}"
            try? client.send(Self.mutated(original + Gateway.text("GET", "/api/x", ["Connection: close"]), &random))
            client.halfClose()
            _ = try? client.toEnd()
            client.close()
        }
        #expect(gateway.process.exitCode() == nil, "\(gateway.log.suffix(2000))")
        let client = try RawClient(port: plain)
        #expect(try client.exchange("PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n" + Gateway.text("GET", "/api/x")).text == "hello")
        let curl = try command([
            "curl", "-sS", "-m", "5", "--noproxy", "*", "--cacert", folder.file("ca.pem"), "--resolve", "one.test:\(secure):127.0.0.1",
            "https://one.test:\(secure)/api/x",
        ])
        #expect(curl.output == "hello", "\(curl.errors)")
    }
}
