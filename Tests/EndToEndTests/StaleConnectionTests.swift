import Foundation
import Testing

/// Requests that must not be sent twice, and connections that the service closes at a time of its own.
@Suite("Stale connections", .loopback, .minutes(5))
struct StaleConnectionTests {
    private let oneWorker = ["SLUICE_WORKERS": "1"]

    /// A service that closes a connection on which nothing came for so long.
    private func service(idle seconds: Double, _ fields: [String] = []) throws -> ScriptedUpstream {
        try ScriptedUpstream { call in
            try call.reply(200, fields, body: "ok")
            call.socket.setTimeout(seconds)
        }
    }

    @Test("200 POSTs spaced like the service's idle timeout: none fails")
    func race() throws {
        let upstream = try service(idle: 0.12)
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: oneWorker)
        let client = try gateway.client()
        for number in 0..<200 {
            let response = try client.exchange(Gateway.text("POST", "/api/x", body: "\(number)"))
            #expect(response.status == 200, "POST \(number)")
            // Around the time at which the service closes: a little before, at, and behind it.
            pause(0.119 + Double(number % 9) * 0.0003)
        }
        #expect(upstream.requests.map(\.text) == (0..<200).map(String.init), "each once, in order")
    }

    @Test("a POST takes a connection that the service says it keeps, and a new one where half of that has passed", arguments: [60, 1])
    func announced(seconds: Int) throws {
        let upstream = try service(idle: 60, ["Keep-Alive: timeout=\(seconds)"])
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: oneWorker)
        for _ in 0..<2 {
            #expect(try gateway.request("POST", "/api/x", body: "x").status == 200)
            pause(0.7)
        }
        #expect(upstream.acceptedConnections == (seconds == 60 ? 1 : 2))
        // What may be repeated takes it at any age.
        #expect(try gateway.get("/api/x").status == 200)
        #expect(upstream.acceptedConnections == (seconds == 60 ? 1 : 2))
    }

    @Test("where no further connection is allowed, an idle one makes room for a POST that cannot have it")
    func full() throws {
        let upstream = try service(idle: 60)
        let gateway = try Gateway(
            configuration(upstream: upstream.url), environment: oneWorker.merging(["SLUICE_UPSTREAM_MAX_CONNECTIONS": "1"]) { $1 })
        for number in 1...3 {
            #expect(try gateway.request("POST", "/api/x", body: "x").status == 200)
            #expect(upstream.acceptedConnections == number)
            pause(0.3)
        }
    }

    /// Sends a request whose body is malformed from its first byte on: it is refused when the connection to the service is there already.
    private func sendMalformed(_ gateway: Gateway) throws {
        let client = try gateway.client()
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n")
        #expect(try client.response().status == 400)
    }

    @Test("a request that fails before any of it was sent takes no kept connection with it")
    func unused() throws {
        let upstream = try service(idle: 60, ["Keep-Alive: timeout=60"])
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: oneWorker)
        #expect(try gateway.get("/api/x").status == 200)
        for _ in 0..<10 { try sendMalformed(gateway) }
        #expect(try gateway.get("/api/x").status == 200)
        #expect(upstream.acceptedConnections == 1)
    }

    @Test("a connection on which a request failed before any of it was sent is to a POST as old as it is to the service")
    func unusedIsNoYounger() throws {
        let upstream = try service(idle: 60, ["Keep-Alive: timeout=2"])
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: oneWorker)
        #expect(try gateway.get("/api/x").status == 200)
        pause(0.7)
        try sendMalformed(gateway)
        pause(0.6)
        #expect(try gateway.request("POST", "/api/x", body: "x").status == 200)
        #expect(upstream.acceptedConnections > 1)
    }
}
