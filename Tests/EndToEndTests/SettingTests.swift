import Foundation
import Glibc
import Testing

/// What the process settings do, on both sides of each, where no other suite shows it.
@Suite("Settings at work", .loopback, .minutes(5))
struct SettingTests {
    private func gateway(_ text: String, _ environment: [String: String]) throws -> Gateway {
        try Gateway(text, environment: environment.merging(["SLUICE_WORKERS": "1"]) { given, _ in given })
    }

    private let mock = configuration([EndpointText("/**", helloMock)])

    @Test("SLUICE_WORKERS: as many threads that serve")
    func workers() throws {
        let gateway = try gateway(mock, ["SLUICE_WORKERS": "3"])
        let names = try tasks(of: gateway).compactMap { $0.split(separator: ")").first }
        #expect(names.filter { $0.wholeMatch(of: #/sluice-[0-9]+/#) != nil }.sorted() == ["sluice-0", "sluice-1", "sluice-2"])
    }

    /// Name and state of each thread, such as `sluice-0) S`.
    private func tasks(of gateway: Gateway) throws -> [String] {
        let folder = "/proc/\(gateway.process.pid)/task"
        return try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { task in
            let line = try? String(contentsOfFile: "\(folder)/\(task)/stat", encoding: .utf8)
            return line?.firstMatch(of: #/\((.*\) [A-Z])/#).map { String($0.1) }
        }
    }

    @Test("SLUICE_LISTEN_BACKLOG: while nobody accepts, one more than the backlog gets a connection and the next does not")
    func backlog() throws {
        for (backlog, fits) in [(3, true), (2, false)] {
            let gateway = try gateway(mock, ["SLUICE_LISTEN_BACKLOG": "\(backlog)"])
            // The connections by which the harness saw that it listens are out of the queue then.
            #expect(try gateway.get("/api/x").status == 200)
            gateway.process.signal(SIGSTOP)
            #expect(try eventually { try tasks(of: gateway).allSatisfy { $0.hasSuffix("T") } })
            defer { gateway.process.signal(SIGCONT) }
            var waiting: [RawSocket] = []
            for _ in 0..<3 { waiting.append(try RawSocket.connect(port: gateway.port, timeout: 1)) }
            let last = try? RawSocket.connect(port: gateway.port, timeout: 1)
            #expect((last != nil) == fits, "backlog \(backlog)")
        }
    }

    @Test("SLUICE_MAX_FIELDS: as many fields are taken, one more is 431")
    func fields() throws {
        let gateway = try gateway(mock, ["SLUICE_MAX_FIELDS": "16"])
        // And Host.
        #expect(try gateway.get("/api/x", (0..<15).map { "X-\($0): a" }).status == 200)
        expect(try gateway.get("/api/x", (0..<16).map { "X-\($0): a" }), is: .headTooLarge)
    }

    @Test("SLUICE_WRITE_TIMEOUT_MS: a client that takes nothing for longer is cut off, one that pauses within it is not", arguments: [(300, true), (20_000, false)])
    func silentReader(timeout: Int, isCut: Bool) throws {
        let size = 20_000_000
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            try call.send([UInt8](repeating: UInt8(ascii: "x"), count: size))
        }
        let gateway = try gateway(
            configuration(upstream: upstream.url), ["SLUICE_WRITE_TIMEOUT_MS": "\(timeout)", "SLUICE_CLIENT_RATE_MIN": "0"])
        let client = try RawClient(port: gateway.port, receiveBuffer: 16_384)
        try client.send(Gateway.text("GET", "/api/x"))
        pause(1.5)
        #expect(((try? client.response().body.count) == size) != isCut)
    }

    @Test("SLUICE_TUNNEL_IDLE_TIMEOUT_MS: a tunnel with a byte within it, in either direction, stays for longer; silence ends it")
    func tunnel() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
            while true {
                let bytes = try call.some()
                if bytes.isEmpty { break }
                // One letter is answered by silence, the other by three bytes that take their time.
                for _ in 0..<(bytes.last == UInt8(ascii: "s") ? 3 : 0) {
                    pause(0.4)
                    try call.send("u")
                }
            }
            call.close()
        }
        let gateway = try gateway(configuration(upstream: upstream.url), ["SLUICE_TUNNEL_IDLE_TIMEOUT_MS": "1000"])
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text("GET", "/api/x", ["Connection: Upgrade", "Upgrade: echo"])).status == 101)
        for _ in 0..<4 {
            pause(0.4)
            try client.send("c")
        }
        try client.send("s")
        #expect(try client.bytes(3) == Array("uuu".utf8))
        let start = monotonicSeconds()
        #expect(client.endsQuietly())
        #expect(monotonicSeconds() - start > 0.7 && monotonicSeconds() - start < 5)
    }

    @Test("SLUICE_UPSTREAM_TIMEOUT_MS: a service slower than it is 504; a domain's own time wins")
    func upstreamTimeout() throws {
        let upstream = try ScriptedUpstream { call in
            pause(0.8)
            try call.reply(200, body: "late")
        }
        let settings = ["SLUICE_UPSTREAM_TIMEOUT_MS": "300"]
        expect(try gateway(configuration(upstream: upstream.url), settings).get("/api/x"), is: .upstreamTimeout)
        #expect(try gateway(configuration(upstream: upstream.url, domain: ["upstreamTimeoutMs: 5000"]), settings).get("/api/x").text == "late")
        #expect(try gateway(configuration(upstream: upstream.url), ["SLUICE_UPSTREAM_TIMEOUT_MS": "5000"]).get("/api/x").text == "late")
    }

    @Test("SLUICE_UPSTREAM_IDLE_TIMEOUT_MS: an unused connection is taken again within it, and closed after it")
    func upstreamIdle() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try gateway(configuration(upstream: upstream.url), ["SLUICE_UPSTREAM_IDLE_TIMEOUT_MS": "800"])
        #expect(try gateway.get("/api/x").status == 200)
        pause(0.3)
        #expect(try gateway.get("/api/x").status == 200)
        #expect(upstream.acceptedConnections == 1)
        pause(1.3)
        #expect(try gateway.get("/api/x").status == 200)
        #expect(upstream.acceptedConnections == 2)
    }

    @Test("SLUICE_UPSTREAM_POOL_SIZE: so many unused connections are kept, no further one", arguments: [(0, 4), (1, 3), (2, 2)])
    func pool(size: Int, connections: Int) throws {
        let upstream = try ScriptedUpstream { call in
            pause(0.4)
            try call.reply(200)
        }
        let gateway = try gateway(configuration(upstream: upstream.url), ["SLUICE_UPSTREAM_POOL_SIZE": "\(size)"])
        // Twice two at a time, each of which needs a connection of its own.
        for _ in 0..<2 {
            let clients = [try gateway.client(), try gateway.client()]
            for client in clients { try client.send(Gateway.text("GET", "/api/x")) }
            for client in clients { #expect(try client.response().status == 200) }
        }
        #expect(upstream.acceptedConnections == connections)
    }

    @Test("SLUICE_RETRY_MAX: further attempts where an address refuses, none with 0", arguments: [(1, 0, 502), (1, 1, 200), (2, 1, 502), (2, 2, 200)])
    func retries(refusing: Int, most: Int, status: Int) throws {
        let upstream = try ScriptedUpstream()
        let urls = try (0..<refusing).map { _ in try Ports.free() }.map { "\"http://127.0.0.1:\($0)\"" } + ["\"\(upstream.url)\""]
        let gateway = try gateway(configuration(upstream: "[\(urls.joined(separator: ", "))]"), ["SLUICE_RETRY_MAX": "\(most)"])
        #expect(try gateway.get("/api/x").status == status)
    }

    @Test("SLUICE_REGEX_MATCH_LIMIT: a match that takes fewer steps rewrites, one that takes more is 500", arguments: [(100_000, true), (1000, false)])
    func matchLimit(steps: Int, isRewritten: Bool) throws {
        let upstream = try ScriptedUpstream()
        let gateway = try gateway(
            configuration(upstream: upstream.url, [EndpointText("/**", "rewrite: {pattern: \"/(a+)+b\", to: /matched}")]),
            ["SLUICE_REGEX_MATCH_LIMIT": "\(steps)"])
        // Some thousands of ways to cut the letters, after none of which the path ends with a b.
        let response = try gateway.get("/api/" + String(repeating: "a", count: 12) + "b!")
        if isRewritten {
            #expect(response.status == 200)
        } else {
            expect(response, is: .rewritePattern)
        }
        #expect(try gateway.get("/api/aab").status == 200)
        #expect(upstream.requests.last?.target == "/matched")
    }

    @Test("SLUICE_PRE_CALL_CACHE_BYTES: 0 remembers no answer", arguments: [(8_388_608, 1), (0, 3)])
    func preCallCache(bytes: Int, calls: Int) throws {
        let authoriser = try ScriptedUpstream()
        let gateway = try gateway(
            configuration([EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\", cacheSeconds: 60}")]),
            ["SLUICE_PRE_CALL_CACHE_BYTES": "\(bytes)"])
        for _ in 0..<3 { #expect(try gateway.get("/api/x").text == "hello") }
        #expect(authoriser.requests.count == calls)
    }

    @Test("SLUICE_JWT_CACHE_ENTRIES: memory is set aside for so many tokens, none with 0")
    func tokenCache() throws {
        /// The process's address space in MiB: memory that is set aside counts there before it is touched. The C library sets further
        /// memory aside for threads that meet in it, unless it is told not to.
        func size(_ entries: Int) throws -> Int {
            let gateway = try gateway(
                configuration(policies: "jwt: {algorithm: HS256, secret: s}", [EndpointText("/**", helloMock)]), ["SLUICE_JWT_CACHE_ENTRIES": "\(entries)", "MALLOC_ARENA_MAX": "1"])
            let token = try Signing.hs256("{\"exp\":4000000000}", secret: "s")
            for _ in 0..<2 { #expect(try gateway.get("/api/x", ["Authorization: Bearer \(token)"]).status == 200) }
            let status = try String(contentsOfFile: "/proc/\(gateway.process.pid)/status", encoding: .utf8)
            return (status.firstMatch(of: #/VmSize:\s+([0-9]+) kB/#).flatMap { Int($0.1) } ?? 0) / 1024
        }
        // 1 KiB and a little for each.
        let none = try size(0)
        #expect((1024..<1200).contains(try size(1_048_576) - none))
    }

    // MARK: Key sets

    private func keySetGateway(_ provider: ScriptedUpstream, _ environment: [String: String]) throws -> Gateway {
        try gateway(
            configuration(policies: "jwt: {algorithm: RS256, jwks: \"\(provider.url)/jwks.json\"}", [EndpointText("/**", helloMock)]), environment)
    }

    @Test("SLUICE_KEY_SET_FETCH_TIMEOUT_MS: a set that comes within it is used, one that takes longer is not", arguments: [(20_000, 200), (300, 401)])
    func keySetFetch(timeout: Int, status: Int) throws {
        let key = try OpenSSL.rsaKey()
        let document = try Signing.jwks([("one", key)])
        let provider = try ScriptedUpstream { call in
            pause(1)
            try call.reply(200, body: document)
        }
        let gateway = try keySetGateway(provider, ["SLUICE_KEY_SET_FETCH_TIMEOUT_MS": "\(timeout)"])
        let token = try Signing.rs256("{\"exp\":4000000000}", privateKey: key, kid: "one")
        // It waits for the fetch under way.
        #expect(try gateway.get("/api/x", ["Authorization: Bearer \(token)"]).status == status)
    }

    @Test("SLUICE_KEY_SET_REFRESH_SECONDS: the set is fetched again when it is over, and not before")
    func keySetRefresh() throws {
        let document = try Signing.jwks([("one", OpenSSL.rsaKey())])
        let provider = try ScriptedUpstream { try $0.reply(200, body: document) }
        _ = try keySetGateway(provider, ["SLUICE_KEY_SET_REFRESH_SECONDS": "10"])
        #expect(eventually { provider.requests.count == 1 })
        pause(8)
        #expect(provider.requests.count == 1)
        #expect(eventually(within: 6) { provider.requests.count == 2 })
    }
}
