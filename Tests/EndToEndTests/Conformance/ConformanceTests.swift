import Foundation
import Testing

/// The corpus of `Tests/Conformance` on real sockets, and faults injected at every byte. `README.md` there describes the files.
@Suite("Conformance", .loopback, .serialized, .minutes(5))
struct ConformanceTests {
    @Test("requests: each has its outcome, whole and in pieces, and no more reaches the upstream than may", arguments: [0, 5])
    func requests(cuts: Int) throws {
        let cases = try ConformanceCase.all("requests")
        #expect(cases.count >= 400)
        try Lane.run(cases) { try $0.request($1, cuts: cuts) }
    }

    @Test("responses: each has its outcome, and every next request gets its own answer")
    func responses() throws {
        let cases = try ConformanceCase.all("responses")
        #expect(cases.count >= 100)
        try Lane.run(cases) { try $0.response($1) }
    }

    @Test("a response split at any byte has one outcome", arguments: [
        "HTTP/1.1 200 OK\\r\\nX-A: b\\r\\nContent-Length: 8\\r\\n\\r\\n{n}",
        "HTTP/1.1 103 E\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n3;a=\"b\"\\r\\nabc\\r\\n8\\r\\n{n}\\r\\n0\\r\\nX-T: y\\r\\n\\r\\n",
    ])
    func splitResponses(text: String) throws {
        let isChunked = text.contains("chunked")
        let cases = (1..<Bytes.unescape(text.replacingOccurrences(of: "{n}", with: "01234567")).count).map { split in
            ConformanceCase(
                name: "split at \(split)", lines: [text],
                keys: ["expect": [isChunked ? "103 200 body=abc{n}" : "200 body={n}"], "reuse": ["yes"], "split": ["\(split)"]])
        }
        try Lane.run(cases) { try $0.response($1) }
    }

    @Test("an upstream that resets or closes at any byte of a response: an error or a broken connection, never a whole response")
    func upstreamFaults() throws {
        let text = "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n8\\r\\n{n}\\r\\n0\\r\\n\\r\\n"
        let bytes = Bytes.unescape(text.replacingOccurrences(of: "{n}", with: "01234567"))
        let head = "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
        var cases: [ConformanceCase] = []
        for end in 0..<bytes.count {
            for then in ["reset", "close"] {
                var keys = ["expect": [end < Bytes.unescape(head).count ? "502" : "cut 200"], "reuse": ["no"], "then": [then], "length": ["\(end)"]]
                if end == 0 { keys["resend"] = ["yes"] }
                cases.append(ConformanceCase(name: "\(then) after \(end) bytes", lines: [text], keys: keys))
            }
        }
        try Lane.run(cases, isQuietAfter: true) { try $0.response($1) }
    }

    @Test("a client that resets or closes at any byte of a request: no half request is whole for the upstream, nothing leaks")
    func clientFaults() throws {
        var cases: [ConformanceCase] = []
        for body in ["Content-Length: 8\\r\\n\\r\\n01234567", "Transfer-Encoding: chunked\\r\\n\\r\\n8;a\\r\\n01234567\\r\\n0\\r\\nX-T: y\\r\\n\\r\\n"] {
            let text = "POST /api/a HTTP/1.1\\r\\nHost: h\\r\\n" + body
            for end in 0..<Bytes.unescape(text).count {
                for then in ["reset", "close"] {
                    cases.append(ConformanceCase(name: "\(then) after \(end) bytes", lines: [text], keys: ["then": [then], "length": ["\(end)"]]))
                }
            }
        }
        try Lane.run(cases, isQuietAfter: true) { try $0.clientFault($1) }
    }

    @Test("a tunnel whose client resets behind its bytes ends, and leaves nothing")
    func tunnelFaults() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            while try !call.some().isEmpty {}
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), admin: true)
        for _ in 0..<20 {
            let client = try gateway.client()
            try client.send(Gateway.text("GET", "/api/a", ["Connection: upgrade", "Upgrade: websocket"]))
            #expect(try client.head().start.contains(" 101 "))
            try client.send("bytes")
            client.socket.reset()
        }
        let gauges = ["sluice_connections 0", "sluice_exchange_blocks 0", "sluice_output_blocks 0", "sluice_upstream_connections 0"]
        let isQuiet = try eventually(within: 5) {
            let metrics = try gateway.get("/metrics", port: gateway.adminPort).text
            return gauges.allSatisfy { metrics.contains($0 + "\n") }
        }
        #expect(isQuiet)
    }
}
