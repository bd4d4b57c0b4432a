import Foundation
import Testing

/// What the gateway does about services that fail again and again: the circuit, the retry budget, the time in all.
@Suite("Upstream health", .loopback, .minutes(5))
struct UpstreamHealthTests {
    private func metric(_ name: String, of gateway: Gateway) throws -> Double {
        let text = try gateway.get("/metrics", port: gateway.adminPort).text
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + " ") }), let value = Double(line.dropFirst(name.count + 1)) else {
            throw HarnessError("no metric \(name)")
        }
        return value
    }

    private let oneWorker = ["SLUICE_WORKERS": "1", "SLUICE_RETRY_MAX": "0"]

    @Test("the circuit: failures up to the last one are tried, then requests are refused at once, one probe finds the service back")
    func circuit() throws {
        let port = try Ports.free()
        let gateway = try Gateway(
            configuration(upstream: "http://127.0.0.1:\(port)"),
            environment: oneWorker.merging(["SLUICE_CIRCUIT_AFTER_FAILURES": "4", "SLUICE_CIRCUIT_MS": "700"]) { $1 }, admin: true)
        for _ in 0..<4 { expect(try gateway.get("/api/x"), is: .badGateway) }
        for _ in 0..<3 { expect(try gateway.get("/api/x"), is: .unavailable) }
        #expect(try metric("sluice_upstream_circuit_refusals_total", of: gateway) == 3)
        #expect(try metric("sluice_upstream_circuits_open", of: gateway) == 1)
        // Half open and still nobody there: one more is tried, and the circuit opens again.
        pause(0.8)
        expect(try gateway.get("/api/x"), is: .badGateway)
        expect(try gateway.get("/api/x"), is: .unavailable)
        let upstream = try ScriptedUpstream(port: port)
        expect(try gateway.get("/api/x"), is: .unavailable)
        #expect(upstream.requests.isEmpty)
        pause(0.8)
        for _ in 0..<5 { #expect(try gateway.get("/api/x").status == 200) }
        #expect(try metric("sluice_upstream_circuits_open", of: gateway) == 0)
    }

    @Test("a service that accepts and never answers opens its circuit too, and one that answers in between does not")
    func silence() throws {
        let upstream = try ScriptedUpstream { call in
            if call.request.target == "/ok" { return try call.reply(200, body: "ok") }
            pause(3)
            call.close()
        }
        let gateway = try Gateway(
            configuration(upstream: upstream.url, domain: ["upstreamTimeoutMs: 100"]),
            environment: oneWorker.merging(["SLUICE_CIRCUIT_AFTER_FAILURES": "3", "SLUICE_CIRCUIT_MS": "60000"]) { $1 })
        for _ in 0..<2 { expect(try gateway.get("/api/x"), is: .upstreamTimeout) }
        #expect(try gateway.get("/api/ok").status == 200)
        for _ in 0..<3 { expect(try gateway.get("/api/x"), is: .upstreamTimeout) }
        let start = monotonicSeconds()
        expect(try gateway.get("/api/ok"), is: .unavailable)
        #expect(monotonicSeconds() - start < 0.09)
    }

    @Test("several addresses: while one is healthy none of them has a circuit; when all are ejected requests are refused at once")
    func several() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(upstream: "[\"http://127.0.0.1:\(try Ports.free())\", \"\(upstream.url)\"]"),
            environment: ["SLUICE_WORKERS": "1", "SLUICE_CIRCUIT_AFTER_FAILURES": "1", "SLUICE_EJECT_AFTER_FAILURES": "2", "SLUICE_EJECT_MS": "60000"])
        for _ in 0..<10 { #expect(try gateway.get("/api/x").status == 200) }
        upstream.stop()
        #expect(try eventually { try gateway.get("/api/x").status == 503 })
        expect(try gateway.get("/api/x"), is: .unavailable)
    }

    @Test("several addresses: one that has recovered gets its turn as soon as its time is up, whoever's turn it was before", arguments: [1, 2])
    func recovered(requests: Int) throws {
        let port = try Ports.free()
        let steady = try ScriptedUpstream { try $0.reply(200, body: "steady") }
        let gateway = try Gateway(
            configuration(upstream: "[\"http://127.0.0.1:\(port)\", \"\(steady.url)\"]"),
            environment: ["SLUICE_WORKERS": "1", "SLUICE_EJECT_AFTER_FAILURES": "1", "SLUICE_EJECT_MS": "2000"])
        for _ in 0..<requests { #expect(try gateway.get("/api/x").text == "steady") }
        let recovered = try ScriptedUpstream(port: port) { try $0.reply(200, body: "recovered") }
        pause(2.1)
        let texts = try (0..<2).map { _ in try gateway.get("/api/x").text }
        #expect(texts.contains("recovered"))
        #expect(recovered.requests.count == 1)
    }

    @Test("two URLs of which one leads nowhere: the address that is left is an only one, and has a circuit")
    func onlyOne() throws {
        let gateway = try Gateway(
            configuration(upstream: "[\"http://no-such-name.invalid:9\", \"http://127.0.0.1:\(try Ports.free())\"]"),
            environment: oneWorker.merging([
                "SLUICE_CIRCUIT_AFTER_FAILURES": "5", "SLUICE_CIRCUIT_MS": "60000", "SLUICE_EJECT_AFTER_FAILURES": "2", "SLUICE_EJECT_MS": "60000",
            ]) { $1 })
        for _ in 0..<5 { expect(try gateway.get("/api/x"), is: .badGateway) }
        for _ in 0..<3 { expect(try gateway.get("/api/x"), is: .unavailable) }
    }

    @Test("the retry budget: as many further attempts as the minimum and no more, each refusal counted")
    func budget() throws {
        // Two addresses, both closed and never spared: every request fails, and would be tried again.
        let gateway = try Gateway(
            configuration(upstream: "[\"http://127.0.0.1:\(try Ports.free())\", \"http://127.0.0.1:\(try Ports.free())\"]"),
            environment: [
                "SLUICE_WORKERS": "1", "SLUICE_EJECT_AFTER_FAILURES": "0", "SLUICE_CIRCUIT_AFTER_FAILURES": "0", "SLUICE_RETRY_MAX": "1",
                "SLUICE_RETRY_BUDGET_PERCENT": "20", "SLUICE_RETRY_BUDGET_MIN": "0",
            ], admin: true)
        for _ in 0..<100 { expect(try gateway.get("/api/x"), is: .badGateway) }
        let retries = try metric("sluice_upstream_retries_total", of: gateway)
        // One in five of the requests to each of the two.
        #expect((16...20).contains(retries), "\(retries)")
        #expect(try metric("sluice_upstream_retries_refused_total", of: gateway) == 100 - retries)
    }

    @Test("SLUICE_TOTAL_TIMEOUT_MS: a response that ends within it is whole; later, 504 before its head and a broken connection after")
    func total() throws {
        let upstream = try ScriptedUpstream { call in
            if call.request.target == "/late" { pause(1.2) }
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
            // Each pause is short: no other timeout would end this.
            for piece in ["abc", "def", "ghi"] {
                pause(call.request.target == "/slow" ? 0.4 : 0.05)
                try call.send(piece)
            }
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_TOTAL_TIMEOUT_MS": "700"], admin: true)
        let client = try gateway.client()
        for _ in 0..<6 { #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "abcdefghi") }
        expect(try gateway.get("/api/late"), is: .upstreamTimeout)
        #expect(throws: HarnessError.self) { try gateway.get("/api/slow") }
        #expect(try metric("sluice_total_timeouts_total", of: gateway) == 2)

        // From the first byte of the request, head and body included.
        let trickling = try gateway.client()
        let start = monotonicSeconds()
        let text = Gateway.text("POST", "/api/x", ["Content-Length: 1000"])
        try trickling.send(text)
        while monotonicSeconds() - start < 0.6 {
            try trickling.send("x")
            pause(0.05)
        }
        expect(try trickling.response(), is: .timeout)
        #expect(monotonicSeconds() - start < 1.2)
    }

    @Test("SLUICE_TOTAL_TIMEOUT_MS: the time of a client that left in the middle of its request is not that of the next one")
    func totalOfAnother() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "1", "SLUICE_TOTAL_TIMEOUT_MS": "700"], admin: true)
        let first = try gateway.client()
        try first.send("GET /api/x HTTP/1.1\r\n")
        pause(0.1)
        first.socket.reset()
        pause(0.1)
        let second = try gateway.client()
        pause(0.8)
        #expect(try second.exchange(Gateway.text("GET", "/api/x")).status == 200)
        #expect(try metric("sluice_total_timeouts_total", of: gateway) == 0)
    }
}
