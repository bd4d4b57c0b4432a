import Testing

/// Caps on connections and requests, on both sides of each.
@Suite("Limits", .loopback, .minutes(5))
struct LimitTests {
    private func gateway(_ environment: [String: String]) throws -> Gateway {
        try Gateway(
            configuration([EndpointText("/**", helloMock)]),
            environment: environment.merging(["SLUICE_WORKERS": "1"]) { given, _ in given })
    }

    @Test("SLUICE_MAX_CONNECTIONS_PER_CLIENT: the last allowed connection is served, one more is closed, and a place that is freed is given again")
    func connectionsPerClient() throws {
        let gateway = try gateway(["SLUICE_MAX_CONNECTIONS_PER_CLIENT": "2"])
        // The connections by which the harness saw that it listens may take a moment to go.
        var clients: [RawClient] = []
        let bothServed = eventually {
            guard let client = try? gateway.client(), (try? client.exchange(Gateway.text("GET", "/api/x")).status) == 200 else { return false }
            clients.append(client)
            return clients.count == 2
        }
        #expect(bothServed)
        let first = try #require(clients.first)
        let third = try gateway.client()
        #expect((try? third.exchange(Gateway.text("GET", "/api/x"))) == nil)
        first.close()
        #expect(eventually { (try? gateway.client().exchange(Gateway.text("GET", "/api/x")).status) == 200 })
    }

    @Test("SLUICE_MAX_CONNECTIONS: one more waits in the kernel's queue until a place is free")
    func connections() throws {
        let gateway = try gateway(["SLUICE_MAX_CONNECTIONS": "1"])
        let first = try gateway.client()
        #expect(try first.exchange(Gateway.text("GET", "/api/x")).status == 200)
        let second = try gateway.client()
        try second.send(Gateway.text("GET", "/api/x"))
        pause(0.3)
        first.close()
        #expect(try second.response().status == 200)
    }

    @Test("both caps hold over all workers: of eight connections three are served, and more as places are freed", arguments: [
        "SLUICE_MAX_CONNECTIONS", "SLUICE_MAX_CONNECTIONS_PER_CLIENT",
    ])
    func overAllWorkers(cap: String) throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]), environment: ["SLUICE_WORKERS": "4", cap: "3"])
        // The connections by which the harness saw that it listens may take a moment to go.
        var served: [RawClient] = []
        #expect(eventually {
            guard let client = try? gateway.client(timeout: 1), (try? client.exchange(Gateway.text("GET", "/api/x")).status) == 200 else { return false }
            served.append(client)
            return served.count == 3
        })
        let others = try (0..<5).map { _ in
            let client = try gateway.client(timeout: 1)
            try? client.send(Gateway.text("GET", "/api/x"))
            return client
        }
        #expect(others.allSatisfy { (try? $0.response()) == nil })
        for client in others + served { client.close() }
        #expect(eventually { (try? gateway.client(timeout: 1).exchange(Gateway.text("GET", "/api/x")).status) == 200 })
    }

    @Test("maxConnections of a listener holds over all workers: one more waits in the kernel's queue until a place is free, other listeners serve")
    func listenerConnections() throws {
        let (capped, open) = (try Ports.free(), try Ports.free())
        func text(_ most: Int) -> String {
            configuration(
                top: ["listeners:", "  - {address: \"127.0.0.1:\(capped)\", maxConnections: \(most)}", "  - address: 127.0.0.1:\(open)"],
                [EndpointText("/**", helloMock)])
        }
        let gateway = try Gateway(text(3), environment: ["SLUICE_WORKERS": "2"], readyPort: open)
        var clients: [RawClient] = []
        for _ in 0..<8 {
            let client = try RawClient(port: capped, timeout: 1)
            try client.send(Gateway.text("GET", "/api/x"))
            clients.append(client)
        }
        let waiting = clients.filter { (try? $0.response().status) != 200 }
        #expect(waiting.count == 5)
        #expect(try gateway.get("/api/x", port: open).status == 200)
        let served = try #require(clients.first { client in !waiting.contains { $0 === client } })
        served.close()
        #expect(eventually { waiting.contains { (try? $0.response().status) == 200 } })
        // A reload may allow more.
        try gateway.reload(text(100))
        let last = try RawClient(port: capped)
        #expect(try last.exchange(Gateway.text("GET", "/api/x")).status == 200)
    }

    @Test("SLUICE_REQUESTS_PER_CONNECTION_MAX: the last request says close, those before it do not")
    func requestsPerConnection() throws {
        let gateway = try gateway(["SLUICE_REQUESTS_PER_CONNECTION_MAX": "3"])
        let client = try gateway.client()
        for number in 1...3 {
            let response = try client.exchange(Gateway.text("GET", "/api/x"))
            #expect(response.status == 200)
            #expect(response["Connection"] == (number == 3 ? "close" : nil), "request \(number)")
        }
        #expect(client.endsQuietly())
    }

    @Test("SLUICE_UPSTREAM_MAX_CONNECTIONS: a request beyond it is 503, and served again when one is free")
    func upstreamConnections() throws {
        let upstream = try ScriptedUpstream { call in
            if call.request.target.contains("slow") { pause(0.8) }
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup")
        }
        let gateway = try Gateway(
            configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "1", "SLUICE_UPSTREAM_MAX_CONNECTIONS": "1"])
        let slow = try gateway.client()
        try slow.send(Gateway.text("GET", "/api/slow"))
        #expect(eventually { upstream.requests.count == 1 })
        #expect(try gateway.get("/api/x").status == 503)
        #expect(try slow.response().status == 200)
        #expect(try gateway.get("/api/x").status == 200)
    }
}
