import Foundation
import Testing

/// The admin listener and the access log.
@Suite("Admin", .loopback, .minutes(5))
struct AdminTests {
    /// One sample line of the Prometheus text format.
    private struct Sample {
        let name: String
        let labels: [String: String]
        let value: Double
    }

    /// Parses the text format strictly; every sample must belong to a metric with HELP and TYPE lines before it.
    private func parse(_ text: String) throws -> (samples: [Sample], types: [String: String]) {
        var samples: [Sample] = []
        var types: [String: String] = [:]
        var helps: Set<String> = []
        for line in text.split(separator: "\n").map(String.init) {
            if line.hasPrefix("# HELP ") { helps.insert(String(line.split(separator: " ")[2])); continue }
            if line.hasPrefix("# TYPE ") {
                let parts = line.split(separator: " ").map(String.init)
                guard parts.count == 4, types[parts[2]] == nil else { throw HarnessError("TYPE twice or malformed: \(line)") }
                types[parts[2]] = parts[3]
                continue
            }
            if line.hasPrefix("#") { continue }
            guard let match = line.wholeMatch(of: /([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/), let value = Double(match.3 == "+Inf" ? "inf" : match.3) else {
                throw HarnessError("not a sample: \(line)")
            }
            var labels: [String: String] = [:]
            for pair in (match.2 ?? "").matches(of: /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?/) { labels[String(pair.1)] = String(pair.2) }
            let name = String(match.1)
            let base = ["_bucket", "_sum", "_count"].first { name.hasSuffix($0) && types[String(name.dropLast($0.count))] == "histogram" }
            let metric = base.map { String(name.dropLast($0.count)) } ?? name
            guard types[metric] != nil, helps.contains(metric) else { throw HarnessError("no HELP or TYPE for \(name)") }
            samples.append(Sample(name: name, labels: labels, value: value))
        }
        return (samples, types)
    }

    @Test("/healthz and /readyz answer 200; anything else 404; neither is on the public listener")
    func health() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]), admin: true)
        #expect(try gateway.get("/healthz", port: gateway.adminPort).status == 200)
        #expect(try gateway.get("/readyz", port: gateway.adminPort).status == 200)
        #expect(try gateway.get("/nothing", port: gateway.adminPort).status == 404)
        #expect(try gateway.get("/api/x", port: gateway.adminPort).status == 404, "domains are not served there")
        for target in ["/healthz", "/readyz", "/metrics"] { expect(try gateway.get(target), is: .notFound) }
        let head = try gateway.request("HEAD", "/healthz", port: gateway.adminPort)
        #expect(head.status == 200 && head.values("Content-Length") == ["3"])
        // Nothing behind it: the next answer on the connection is the next request's.
        let client = try RawClient(port: gateway.adminPort)
        #expect(try client.exchange(Gateway.text("HEAD", "/healthz"), method: "HEAD").status == 200)
        #expect(try client.exchange(Gateway.text("GET", "/healthz")).text == "ok\n")
        let post = try gateway.request("POST", "/metrics", body: "x", port: gateway.adminPort)
        #expect([404, 405].contains(post.status))
    }

    private static let callers: [(fields: [String], status: Int)] = [
        (["Host: 127.0.0.1"], 200), (["Host: 127.0.0.1:9901"], 200), (["Host: [::1]:9901"], 200), (["Host: LocalHost:1"], 200), (["Host: localhost."], 200),
        (["Host: gateway.test"], 200), (["Host: GATEWAY.test:80"], 200), (["Host: other.test"], 403), (["Host: a.gateway.test"], 403),
        (["Host: 127.0.0.1.nip.io"], 403), (["Host: localhost.evil.test"], 403), (["Host: "], 403), (["Host: user@127.0.0.1"], 403),
        (["Host: 127.0.0.1", "Host: evil.test"], 403), (["Host: [::1"], 403),
        (["Host: 127.0.0.1:9901", "Origin: http://127.0.0.1:9901"], 200), (["Host: 127.0.0.1:9901", "Origin: http://127.0.0.1:3000"], 403),
        (["Host: 127.0.0.1:9901", "Origin: http://evil.test"], 403), (["Host: 127.0.0.1:9901", "Origin: null"], 403),
        (["Host: 127.0.0.1", "Sec-Fetch-Site: cross-site"], 403), (["Host: 127.0.0.1", "Sec-Fetch-Site: same-site"], 403),
        (["Host: 127.0.0.1", "Sec-Fetch-Site: same-origin"], 200), (["Host: 127.0.0.1", "Sec-Fetch-Site: none"], 200),
    ]

    @Test("no page in a browser reaches the admin listener: foreign names and origins are refused")
    func browsers() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]), admin: true)
        for (fields, status) in Self.callers {
            for target in ["/healthz", "/metrics", "/quotas"] {
                #expect(try gateway.get(target, fields, port: gateway.adminPort).status == status, "\(fields)")
            }
            let reset = try gateway.request(
                "POST", "/quotas/reset", fields + ["Content-Type: application/json"], body: "{\"all\": true}", port: gateway.adminPort)
            #expect(reset.status == status, "\(fields)")
        }
    }

    @Test("a request without Host, as some probes send it in HTTP/1.0, is answered")
    func noHost() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]), admin: true)
        let socket = try RawSocket.connect(port: gateway.adminPort)
        try socket.send("GET /readyz HTTP/1.0\r\n\r\n")
        #expect(String(decoding: try socket.receive() ?? [], as: UTF8.self).contains(" 200 "))
    }

    @Test("the admin listener survives rubbish, slow and pipelining clients")
    func adminRobustness() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]), admin: true)
        for text in ["\u{16}\u{3}\u{1}rubbish\r\n\r\n", "GET /metrics\r\n\r\n", String(repeating: "a", count: 100_000), "GET /healthz HTTP/1.1\r\n\r\n"] {
            let client = try RawClient(port: gateway.adminPort, timeout: 2)
            try? client.send(text)
            _ = try? client.some()
            client.close()
        }
        let client = try RawClient(port: gateway.adminPort)
        try client.send(Gateway.text("GET", "/healthz"), inPiecesOf: 1, every: 0.0005)
        #expect(try client.response().status == 200)
        #expect(try gateway.get("/api/x").text == "hello")
    }

    @Test("/metrics counts requests by domain, endpoint, status class and refusal; histograms are cumulative, in seconds; labels come from the configuration")
    func metrics() throws {
        let upstream = try ScriptedUpstream { call in
            pause(0.03)
            try call.reply(200, body: "x")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/mock", helloMock), EndpointText("/slow/{id}")]), admin: true)
        for _ in 0..<7 { #expect(try gateway.get("/api/mock").status == 200) }
        for _ in 0..<3 { #expect(try gateway.get("/api/slow/CLIENTPATH?CLIENTQUERY", ["X-Client: CLIENTFIELD"]).status == 200) }
        for _ in 0..<5 { expect(try gateway.get("/api/none"), is: .notFound) }
        _ = try gateway.get("/CLIENTKEY/x", ["Host: CLIENTHOST.test"])
        let response = try gateway.get("/metrics", port: gateway.adminPort)
        #expect(response.status == 200 && (response["Content-Type"] ?? "").hasPrefix("text/plain"))
        #expect(response.text.hasSuffix("\n"))
        for word in ["CLIENTPATH", "CLIENTQUERY", "CLIENTFIELD", "CLIENTHOST", "CLIENTKEY"] { #expect(!response.text.uppercased().contains(word)) }
        let (samples, types) = try parse(response.text)
        #expect(Set(samples.map { $0.name + "\($0.labels.sorted { $0.key < $1.key })" }).count == samples.count, "a series appears twice")
        #expect(samples.allSatisfy { $0.name.hasPrefix("sluice_") || $0.name.hasPrefix("process_") })

        // The request counter: a counter with the labels domain and endpoint whose sum over a status class is what was sent.
        let counters = samples.filter { types[$0.name] == "counter" && $0.name.contains("requests") && $0.labels["domain"] == "api" }
        func sum(endpoint: String?, class wanted: String) -> Double {
            counters.filter { sample in
                sample.labels.values.contains(wanted) && (endpoint == nil || sample.labels["endpoint"].map { $0.contains(endpoint!) } ?? false)
            }.map(\.value).reduce(0, +)
        }
        #expect(sum(endpoint: "/mock", class: "2xx") == 7, "\(counters)")
        #expect(sum(endpoint: "/slow/{id}", class: "2xx") == 3)
        #expect(sum(endpoint: nil, class: "4xx") == 5)
        let refusals = samples.filter { types[$0.name] == "counter" && $0.name.contains("refus") }
        #expect(refusals.map(\.value).reduce(0, +) >= 5, "\(refusals)")

        let histograms = types.filter { $0.value == "histogram" }.map(\.key)
        #expect(histograms.count >= 2 && histograms.allSatisfy { $0.hasSuffix("_seconds") }, "\(histograms)")
        for name in histograms {
            let series = Dictionary(grouping: samples.filter { $0.name == name + "_bucket" }) { sample in
                sample.labels.filter { $0.key != "le" }.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
            }
            #expect(!series.isEmpty)
            for (key, buckets) in series {
                let bounds = buckets.map { Double($0.labels["le"] == "+Inf" ? "inf" : $0.labels["le"] ?? "") ?? -1 }
                #expect(bounds == bounds.sorted() && bounds.last == .infinity && !bounds.contains(-1), "\(name) \(bounds)")
                #expect(buckets.map(\.value) == buckets.map(\.value).sorted(), "\(name) is not cumulative")
                let rest = { (suffix: String) in
                    samples.first { sample in
                        sample.name == name + suffix
                            && sample.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",") == key
                    }?.value
                }
                #expect(rest("_count") == buckets.last?.value && rest("_sum") != nil, "\(name) \(key)")
            }
        }
        let upstreamHistogram = histograms.first { $0.contains("upstream") }
        let sums = samples.filter { $0.name == (upstreamHistogram ?? "") + "_sum" }.map(\.value).reduce(0, +)
        #expect(sums > 0.08 && sums < 5, "three upstream requests of 30 ms each took \(sums) s")
    }

    @Test("counters only rise, across a reload too")
    func countersAcrossReload() throws {
        let text = configuration([EndpointText("/mock", helloMock)])
        let gateway = try Gateway(text, admin: true)
        func total() throws -> Double {
            try parse(gateway.get("/metrics", port: gateway.adminPort).text).samples
                .filter { $0.name.contains("requests") && $0.labels["domain"] == "api" && $0.labels.values.contains("2xx") }.map(\.value).reduce(0, +)
        }
        for _ in 0..<4 { _ = try gateway.get("/api/mock") }
        #expect(try total() == 4)
        try gateway.reload(text.replacingOccurrences(of: "hello", with: "other"))
        #expect(try eventually { try gateway.get("/api/mock").text == "other" })
        #expect(try total() >= 5)
        #expect(try gateway.get("/readyz", port: gateway.adminPort).status == 200)
    }

    @Test("an endpoint that is configured no more is shown no more, and what takes its place begins at zero")
    func countersOfOthers() throws {
        func text(_ paths: [String]) -> String { configuration(paths.map { EndpointText($0, helloMock) }) }
        let gateway = try Gateway(text(["/kept", "/a"]), admin: true)
        func counts() throws -> [String: Double] {
            let samples = try parse(gateway.get("/metrics", port: gateway.adminPort).text).samples
            return Dictionary(samples.filter { $0.name == "sluice_requests_total" && $0.labels["class"] == "2xx" }.map {
                ($0.labels["endpoint"]?.split(separator: "/").last.map(String.init) ?? "", $0.value)
            }) { $0 + $1 }
        }
        for _ in 0..<3 { for path in ["/api/kept", "/api/a"] { #expect(try gateway.get(path).status == 200) } }
        #expect(try counts() == ["kept": 3, "a": 3])
        for (number, path) in ["b", "c", "d"].enumerated() {
            try gateway.reload(text(["/kept", "/" + path]))
            #expect(try eventually { try gateway.get("/api/" + path).status == 200 })
            #expect(try gateway.get("/api/kept").status == 200)
            #expect(try eventually { try counts() == ["kept": Double(4 + number), path: 1] })
        }
    }

    @Test("the access log: one JSON line per request with its id, client, domain, endpoint, status, bytes, durations and refusal")
    func accessLog() throws {
        let folder = try Folder()
        let upstream = try ScriptedUpstream { call in
            pause(0.03)
            try call.reply(200, body: "0123456789")
        }
        let gateway = try Gateway(
            configuration(upstream: upstream.url, policies: "ipAcl: {permit: false, addresses: [127.0.0.2]}", [EndpointText("/slow/{id}"), EndpointText("/mock", helloMock)]),
            environment: ["SLUICE_ACCESS_LOG": folder.file("access.log")])
        let proxied = try gateway.get("/api/slow/7?a=\"quoted\"", ["User-Agent: test\"agent\\"])
        _ = try gateway.get("/api/mock")
        expect(try gateway.get("/api/none"), is: .notFound)
        expect(try gateway.get("/api/mock", source: "127.0.0.2"), is: .address)
        let lines = { folder.read("access.log").split(separator: "\n").map(String.init) }
        #expect(eventually { lines().count == 4 }, "\(lines())")
        let entries = try lines().map { line in
            try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
        }
        let first = try #require(entries.first { $0["endpoint"] as? String == "/slow/{id}" })
        let requestId = try upstream.request(0)["X-Request-Id"]
        #expect(proxied.status == 200 && first["requestId"] as? String == requestId)
        #expect(first["client"] as? String == "127.0.0.1" && first["domain"] as? String == "api" && first["method"] as? String == "GET")
        #expect(first["status"] as? Int == 200 && first["responseBytes"] as? Int == 10 && first["requestBytes"] as? Int == 0)
        let (whole, waited) = (first["durationMs"] as? Double ?? 0, first["upstreamMs"] as? Double ?? 0)
        #expect(waited >= 29 && waited <= whole && whole < 5000, "\(first)")
        #expect(first["policy"] == nil && first["refusal"] == nil)
        let refused = try #require(entries.first { $0["client"] as? String == "127.0.0.2" })
        #expect(refused["status"] as? Int == 403 && refused["policy"] as? String == "ipAcl" && refused["upstreamMs"] == nil, "\(refused)")
        #expect((refused["refusal"] as? String ?? "").isEmpty == false)
        let unmatched = try #require(entries.first { $0["status"] as? Int == 404 })
        #expect(unmatched["domain"] as? String == "api" && unmatched["endpoint"] as? String == "")
        #expect(!folder.read("access.log").contains("quoted"), "queries and fields that clients send hold what no log should keep")
    }

    @Test("a tunnel is logged and counted with its bytes, however it ends", arguments: ["service", "client", "idle", "stop"])
    func tunnel(end: String) throws {
        let folder = try Folder()
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello")
            if end == "service" { return call.close() }
            _ = try call.some()
            call.close()
        }
        let gateway = try Gateway(
            configuration(upstream: upstream.url),
            environment: [
                "SLUICE_ACCESS_LOG": folder.file("access.log"), "SLUICE_TUNNEL_IDLE_TIMEOUT_MS": end == "idle" ? "200" : "60000",
                "SLUICE_DRAIN_TIMEOUT_MS": "100",
            ])
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text("GET", "/api/ws", ["Connection: Upgrade", "Upgrade: echo"])).status == 101)
        #expect(try client.bytes(5) == [UInt8]("hello".utf8))
        if end == "client" || end == "service" { client.halfClose() }
        if end == "stop" { gateway.process.signal(SIGTERM) }
        #expect(eventually { folder.read("access.log").contains(#""status":101,"requestBytes":0,"responseBytes":5,"#) }, "\(folder.read("access.log"))")
    }

    @Test("before the gateway has started /metrics tells of no workers, and what cannot be done yet is not said to be done")
    func beforeTheStart() throws {
        let folder = try Folder()
        let fifo = folder.file("sluice.yaml")
        #expect(mkfifo(fifo, 0o600) == 0)
        let adminPort = try Ports.free()
        let process = try ChildProcess(
            [Gateway.binary(), "run", "--config", fifo],
            environment: Gateway.environment(folder: folder, port: try Ports.free(), adminPort: adminPort), folder: folder)
        func ask(_ request: String) -> Response? {
            guard let client = try? RawClient(port: adminPort, timeout: 2) else { return nil }
            defer { client.close() }
            return try? client.exchange(request)
        }
        #expect(eventually(within: 8) { ask(Gateway.text("GET", "/readyz"))?.status == 503 }, "\(process.standardError)")
        let metrics = try #require(ask(Gateway.text("GET", "/metrics")))
        #expect(try parse(metrics.text).samples.first { $0.name == "sluice_workers" }?.value == 0)
        let reset = try #require(ask(Gateway.text("POST", "/quotas/reset", ["Content-Type: application/json"], body: "{\"all\": true}")))
        #expect(reset.status == 503 && reset.text == "the gateway has not started yet\n")
    }
}
