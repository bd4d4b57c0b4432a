import Foundation
import Testing

/// Limits per caller over real sockets.
@Suite("Rate limit", .loopback, .serialized, .minutes(5))
struct RateLimitTests {
    @Test("429, byte for byte, by the domain's list and by an endpoint's own; a client that waits as told is admitted")
    func refusal() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(
            upstream: upstream.url, policies: "rateLimit: [{limit: 2, perSeconds: 3}]",
            [EndpointText("/**"), EndpointText("/own", "rateLimit: [{limit: 1, perSeconds: 2, by: \"header:X-Tenant\"}]"), EndpointText("/free", "rateLimit: []")]))
        for _ in 0..<2 {
            let response = try gateway.get("/api/x")
            #expect(response.status == 200 && response["RateLimit"] == nil)
        }
        let refused = try gateway.get("/api/y")
        expect(refused, is: .rateLimit)
        #expect(refused["RateLimit-Policy"] == "\"domain-address-3\";q=2;w=3")
        let seconds = try #require(refused["Retry-After"].flatMap(Int.init))
        #expect((1...4).contains(seconds) && refused["RateLimit"] == "\"domain-address-3\";r=0;t=\(seconds)")
        // What no endpoint matches counts too, and its own lists are others.
        #expect(try gateway.get("/api/own", ["X-Tenant: a"]).status == 200)
        let own = try gateway.get("/api/own", ["X-Tenant: a"])
        expect(own, is: .rateLimit)
        #expect(own["RateLimit-Policy"] == "\"endpoint-header:x-tenant-2\";q=1;w=2")
        #expect(try gateway.get("/api/own", ["X-Tenant: b"]).status == 200)
        for _ in 0..<3 { #expect(try gateway.get("/api/own").status == 200 && gateway.get("/api/free").status == 200) }
        pause(Double(seconds))
        #expect(try gateway.get("/api/x").status == 200)
        #expect(upstream.requests.count == 2 + 2 + 6 + 1)
    }

    @Test("guesses at credentials are limited too, and a claim's limit is charged only to tokens that are right")
    func order() throws {
        let gateway = try Gateway(configuration(
            policies: "hmac: {secret: s, clockSkew: 60}, rateLimit: [{limit: 3, perSeconds: 60}]", [EndpointText("/**", helloMock)]))
        for _ in 0..<3 { #expect(try gateway.get("/api/x").status == 401) }
        expect(try gateway.get("/api/x"), is: .rateLimit)
    }

    @Test("an outside log shows no interval above the limit, on two workers, over reloads; nearly all of it is used")
    func bound() throws {
        let limit = 50
        let text = configuration(policies: "rateLimit: [{limit: \(limit), perSeconds: 1}]", [EndpointText("/**", helloMock)])
        let gateway = try Gateway(text)
        let demand = Demand([gateway], clients: 6)
        for turn in 0..<6 {
            pause(0.5)
            try gateway.reload(text + "# \(turn)\n")
        }
        let admitted = demand.stop()
        #expect(demand.unanswered == 0 && demand.refused > 0)
        // Clients see responses a little later than the gateway admits, unevenly.
        #expect(Demand.mostInASecond(admitted) <= limit + limit / 10)
        #expect(admitted.count >= limit && admitted.count <= limit * 4 + limit / 10, "\(admitted.count)")
    }

    @Test("metrics count the callers, and those for whom there was no room; SLUICE_RATE_LIMIT_FULL decides about them", arguments: ["closed", "open"])
    func room(full: String) throws {
        let gateway = try Gateway(
            configuration(policies: "rateLimit: [{limit: 1, perSeconds: 60, by: \"header:X-A\"}]", [EndpointText("/**", helloMock)]),
            environment: ["SLUICE_RATE_LIMIT_KEYS": "100", "SLUICE_RATE_LIMIT_FULL": full], admin: true)
        var refused = 0
        for number in 0..<400 { refused += try gateway.get("/api/x", ["X-A: \(number)"]).status == 429 ? 1 : 0 }
        // Somewhat more fit than there is room promised.
        #expect(full == "open" ? refused == 0 : (400 - refused) >= 100 && (400 - refused) < 200, "\(refused)")
        let page = try gateway.get("/metrics", port: gateway.adminPort).text
        func value(_ name: String) -> Int? {
            page.split(separator: "\n").first { $0.hasPrefix(name + " ") }.flatMap { Int($0.split(separator: " ")[1]) }
        }
        #expect(value("sluice_rate_limit_keys_max") == 100)
        let used = try #require(value("sluice_rate_limit_keys"))
        let without = try #require(value("sluice_rate_limit_full_total"))
        #expect(used + without == 400 && used >= 100)
        #expect(full == "open" || page.contains("policy=\"rateLimit\",refusal=\"rate_limited\"} \(refused)\n"))
    }

    @Test("SLUICE_RATE_LIMIT_FIELDS=all tells every caller what it has left, and nothing to one who is not counted")
    func fields() throws {
        let gateway = try Gateway(
            configuration(policies: "rateLimit: [{limit: 5, perSeconds: 60, by: \"header:X-A\"}]", [EndpointText("/**", helloMock)]),
            environment: ["SLUICE_RATE_LIMIT_FIELDS": "all"])
        #expect(try gateway.get("/api/x", ["X-A: a"])["RateLimit"]?.hasSuffix(", \"domain-header:x-a-60\";r=4") == true)
        #expect(try gateway.get("/api/x", ["X-A: a"])["RateLimit"]?.hasSuffix(", \"domain-header:x-a-60\";r=3") == true)
        let other = try gateway.get("/api/x")
        #expect(other["RateLimit"].map { $0.hasPrefix("\"main\";r=") && !$0.contains(",") } == true, "\(other.headText)")
        #expect(other["RateLimit-Policy"]?.hasSuffix("\"domain-header:x-a-60\";q=5;w=60") == true)
    }

    // MARK: Beyond the process

    /// The name of a file on a tmpfs, for the duration of a test.
    private func fileInMemory() throws -> String {
        let path = "/dev/shm/sluice-e2e-\(UUID().uuidString)"
        try LoopbackScope.onEnd { for path in [path, path + ".lock"] { try? FileManager.default.removeItem(atPath: path) } }
        return path
    }

    private func text(limit: Int) -> String { configuration(policies: "rateLimit: [{limit: \(limit), perSeconds: 600}]", [EndpointText("/**", helloMock)]) }

    @Test("with SLUICE_RATE_LIMIT_FILE, five times kill -9 under load admit no more than the limit, and a restart nothing")
    func killed() throws {
        let limit = 2000
        let environment = ["SLUICE_RATE_LIMIT_FILE": try fileInMemory(), "SLUICE_RATE_LIMIT_KEYS": "1000"]
        var admitted = 0
        for turn in 1...5 {
            let gateway = try Gateway(text(limit: limit), environment: environment)
            let demand = Demand([gateway], clients: 4)
            #expect(eventually(within: 20) { demand.admitted >= limit / 8 || turn == 5 && demand.admitted > 0 })
            gateway.process.signal(turn == 3 ? SIGTERM : SIGKILL)
            #expect(demand.hasEnded())
            admitted += demand.admitted
        }
        let gateway = try Gateway(text(limit: limit), environment: environment)
        while try gateway.get("/api/x").status == 200 { admitted += 1 }
        // A request without an answer may have been admitted; the last fourteenth of a limit need not be.
        #expect(admitted <= limit && admitted >= limit - limit / 14 - 6 * 10, "\(admitted) of \(limit)")
        gateway.process.signal(SIGKILL)
        _ = gateway.process.waitForExit(10)
        let next = try Gateway(text(limit: limit), environment: environment)
        expect(try next.get("/api/x"), is: .rateLimit)
    }

    @Test("without it a process begins with nothing; with another number of keys too, once nobody serves with the file")
    func forgotten() throws {
        for _ in 0..<2 { #expect(try Gateway(text(limit: 1)).get("/api/x").status == 200) }
        let path = try fileInMemory()
        func start(keys: Int) throws -> Gateway {
            try Gateway(text(limit: 1), environment: ["SLUICE_RATE_LIMIT_FILE": path, "SLUICE_RATE_LIMIT_KEYS": "\(keys)"])
        }
        let first = try start(keys: 1000)
        #expect(try first.get("/api/x").status == 200)
        let error = #expect(throws: HarnessError.self) { try start(keys: 2000) }
        #expect(error?.description.contains("a process serves with it that has another SLUICE_RATE_LIMIT_KEYS") == true)
        first.process.signal(SIGKILL)
        _ = first.process.waitForExit(10)
        #expect(try start(keys: 2000).get("/api/x").status == 200)
    }

    @Test("processes that serve at the same time with one file admit the limit together")
    func together() throws {
        let path = try fileInMemory()
        let gateways = try (0..<2).map { _ in
            try Gateway(text(limit: 100), environment: ["SLUICE_RATE_LIMIT_FILE": path, "SLUICE_RATE_LIMIT_KEYS": "1000"])
        }
        let demand = Demand(gateways, clients: 2)
        #expect(eventually(within: 20) { demand.refused > 100 })
        let admitted = demand.stop()
        #expect(admitted.count <= 100 && admitted.count > 92, "\(admitted.count)")
    }

    @Test("a file that is not on a tmpfs, or that others may read, is refused at the start")
    func refusedFiles() throws {
        let path = try fileInMemory()
        #expect(FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o644]))
        let onDisk = try URL(fileURLWithPath: Gateway.binary()).deletingLastPathComponent().path + "/sluice-e2e-limits"
        for (path, part) in [(path, "nobody else may have any right to it"), (onDisk, "not on a tmpfs"), ("/dev/shm/none/x", "No such file")] {
            let error = #expect(throws: HarnessError.self) { try Gateway(text(limit: 1), environment: ["SLUICE_RATE_LIMIT_FILE": path]) }
            #expect(error?.description.contains("SLUICE_RATE_LIMIT_FILE: \(path)") == true && error?.description.contains(part) == true, "\(error?.description ?? "")")
        }
    }
}
