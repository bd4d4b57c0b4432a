import Foundation
import Testing

/// Where HTTP/2 is spoken: by ALPN, by the preface, behind a PROXY header; and where it is not.
@Suite("HTTP/2 listeners", .loopback, .minutes(5))
struct HTTP2ListenerTests {
    private let hello = [EndpointText("/**", helloMock)]

    // MARK: Cleartext

    @Test("a cleartext listener serves HTTP/1.1 as before: requests in pieces, kept connections, methods that begin as the preface does")
    func http1() throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "\($0.request.method) \($0.request.text)") }
        let (_, port) = try Gateway.http2 {
            configuration(upstream: upstream.url, top: $0, [EndpointText("/**", methods: "GET, POST, PUT, PATCH, DELETE, PRI")])
        }
        let client = try RawClient(port: port)
        try client.send(Gateway.text("PUT", "/api/x", body: "a"), inPiecesOf: 1)
        #expect(try client.response().text == "PUT a")
        #expect(try client.exchange(Gateway.text("GET", "/api/x") + Gateway.text("POST", "/api/x", body: "b")).text == "GET ")
        #expect(try client.response().text == "POST b")
        let pri = try RawClient(port: port)
        #expect(try pri.exchange(Gateway.text("PRI", "/api/x")).text == "PRI ")
        // All of the preface but its last bytes is a request of HTTP/1 that cannot be.
        let almost = try RawClient(port: port)
        #expect(try almost.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\rmore").status == 400)
    }

    @Test("the preface in pieces, each of a segment of its own, and with the first request right behind it", arguments: [1, 3, 23, 24, 1000])
    func prefaceInPieces(size: Int) throws {
        let (_, port) = try Gateway.http2 { configuration(top: $0, hello) }
        let client = try FrameClient(port: port, connectionWindow: 65_535, before: [])
        #expect(try client.exchange("GET", "/api/x").text == "hello")
        let socket = try RawSocket.connect(port: port)
        let head = FrameClient.frames(FrameClient.head("GET", "/api/x"), stream: 1, ends: true).flatMap(\.bytes)
        let bytes = FrameClient.preface + FrameClient.settings([(FrameSetting.headerTableSize, 0)]).bytes + head
        for start in stride(from: 0, to: bytes.count, by: size) {
            try socket.send(Array(bytes[start..<min(start + size, bytes.count)]))
            pause(0.002)
        }
        var all: [UInt8] = []
        while !String(decoding: all, as: UTF8.self).contains("hello") { all += try #require(try socket.receive()) }
    }

    @Test("a listener without http2: cleartext does not take the preface")
    func notOffered() throws {
        let gateway = try Gateway(configuration(hello))
        let client = try RawClient(port: gateway.port)
        try client.send(FrameClient.preface + FrameClient.settings([]).bytes)
        let answer = String(decoding: try client.toEnd(), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
    }

    @Test("a PROXY header before the preface names the client, for every stream", arguments: [1000, 7])
    func proxyHeader(size: Int) throws {
        let (_, port) = try Gateway.http2(listener: ", proxyProtocol: true") {
            configuration(policies: "ipAcl: {permit: true, addresses: [10.0.0.1]}", top: $0 + ["trustedProxies: [127.0.0.0/8]"], hello)
        }
        for (address, status) in [("10.0.0.1", 200), ("10.0.0.2", 403)] {
            let client = try FrameClient(port: port, before: [UInt8]("PROXY TCP4 \(address) 10.9.9.9 1000 80\r\n".utf8))
            for _ in 0..<2 { #expect(try client.exchange("GET", "/api/x").status == status) }
        }
        let bytes = [UInt8]("PROXY TCP4 10.0.0.1 10.9.9.9 1000 80\r\n".utf8) + FrameClient.preface + FrameClient.settings([]).bytes
            + FrameClient.frames(FrameClient.head("GET", "/api/x"), stream: 1, ends: true).flatMap(\.bytes)
        let socket = try RawSocket.connect(port: port)
        for start in stride(from: 0, to: bytes.count, by: size) {
            try socket.send(Array(bytes[start..<min(start + size, bytes.count)]))
            pause(0.002)
        }
        var all: [UInt8] = []
        while !String(decoding: all, as: UTF8.self).contains("hello") { all += try #require(try socket.receive()) }
    }

    @Test("SLUICE_MAX_CONNECTIONS_PER_CLIENT and a listener's maxConnections hold for connections of HTTP/2, however many streams they have")
    func connectionLimits() throws {
        let (_, port) = try Gateway.http2(environment: ["SLUICE_MAX_CONNECTIONS_PER_CLIENT": "2"]) { configuration(top: $0, hello) }
        var clients: [FrameClient] = []
        #expect(eventually {
            guard let client = try? FrameClient(port: port), (try? client.exchange("GET", "/api/x").status) == 200 else { return false }
            clients.append(client)
            return clients.count == 2
        })
        #expect((try? FrameClient(port: port).exchange("GET", "/api/x")) == nil)
        let streams = try (0..<50).map { _ in try clients[0].get("/api/x") }
        for stream in streams { #expect(try clients[0].response(stream).text == "hello") }
        clients[1].close()
        #expect(eventually { (try? FrameClient(port: port).exchange("GET", "/api/x").status) == 200 })
    }

    // MARK: TLS

    private func site(_ endpoints: [EndpointText], upstream: String = "http://127.0.0.1:9", _ more: String = "") throws -> (folder: Folder, port: UInt16) {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("one", for: ["one.test"], in: folder)
        let port = try Ports.free()
        let tls = "[{certificate: \"\(folder.file("one.pem"))\", key: {file: \"\(folder.file("one.key"))\"}}]"
        _ = try Gateway(
            configuration(upstream: upstream, top: ["listeners:", "  - {address: \"127.0.0.1:\(port)\", tls: \(tls)\(more)}"], endpoints),
            environment: ["SLUICE_MAX_BODY_BYTES": "100000000"], readyPort: port)
        return (folder, port)
    }

    private func curl(_ site: (folder: Folder, port: UInt16), _ arguments: [String], path: String = "/api/x") throws -> CommandResult {
        try command(
            ["curl", "-sS", "-m", "20", "--noproxy", "*", "--cacert", site.folder.file("ca.pem"), "--resolve", "one.test:\(site.port):127.0.0.1"]
                + arguments + ["https://one.test:\(site.port)\(path)"])
    }

    @Test("ALPN: h2 for who offers it, whatever the order; HTTP/1.1 for who offers only that or nothing", arguments: [
        ("h2", "h2"), ("h2,http/1.1", "h2"), ("http/1.1,h2", "h2"), ("http/1.1", "http/1.1"), ("http/1.0,h2", "h2"), (nil, nil),
    ])
    func alpn(offer: String?, chosen: String?) throws {
        let site = try site(hello)
        let text = try command(
            ["openssl", "s_client", "-connect", "127.0.0.1:\(site.port)", "-servername", "one.test"] + (offer.map { ["-alpn", $0] } ?? [])).everything
        #expect(text.contains(chosen.map { "ALPN protocol: \($0)" } ?? "No ALPN negotiated"))
    }

    @Test("a listener with TLS: curl by HTTP/2 and by HTTP/1.1, bodies of megabytes both ways; with http2: false by HTTP/1.1 only")
    func curl() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(call.request.body.count)\r\n\r\n")
            try call.send(call.request.body)
        }
        let on = try site([EndpointText("/**")], upstream: upstream.url)
        let off = try site([EndpointText("/**")], upstream: upstream.url, ", http2: false")
        let body = (0..<3_000_000).map { UInt8(ascii: "a") + UInt8($0 % 7) }
        try on.folder.write("body", body)
        for (site, flag, version) in [(on, "--http2", "2"), (on, "--http1.1", "1.1"), (off, "--http2", "1.1"), (off, "--http1.1", "1.1")] {
            let shown = try curl(site, [flag, "-o", "/dev/null", "-w", "%{http_version} %{http_code}"])
            #expect(shown.output == "\(version) 200", "\(flag) \(shown.everything)")
            for framing in [[], ["-H", "Transfer-Encoding: chunked"]] {
                let echo = try curl(site, [flag, "--data-binary", "@\(on.folder.file("body"))", "-o", site.folder.file("echo")] + framing)
                let received = [UInt8](try Data(contentsOf: URL(fileURLWithPath: site.folder.file("echo"))))
                #expect(echo.code == 0 && received == body, "\(flag) \(echo.errors)")
            }
        }
        let text = try command(["openssl", "s_client", "-connect", "127.0.0.1:\(off.port)", "-servername", "one.test", "-alpn", "h2"]).everything
        #expect(!text.contains("ALPN protocol: h2"))
    }

    // MARK: Configuration

    @Test("http2: what has no sense is refused with its place, by check and by run", arguments: [
        ("http2: true", false, "found `true` on a listener without `tls`, allowed `cleartext` or `false`; with `tls`, `true`"),
        ("http2: cleartext", true, "found `cleartext` on a listener with `tls`, allowed `true` or `false`"),
        ("http2: h2c", false, "allowed true, false or cleartext"), ("http2: 2", false, "allowed true, false or cleartext"),
        ("http2: [true]", true, "listeners[0].http2"), ("http2: null", false, "listeners[0].http2"),
    ])
    func configurationErrors(key: String, hasTLS: Bool, message: String) throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        let tls = hasTLS ? ", tls: [{certificate: \"\(folder.file("ca.pem"))\", key: {file: \"\(folder.file("ca.key"))\"}}]" : ""
        let port = try Ports.free()
        let text = configuration(top: ["listeners:", "  - {address: \"127.0.0.1:\(port)\", \(key)\(tls)}"], hello)
        let file = try folder.write("sluice.yaml", text)
        let column = "  - {address: \"127.0.0.1:\(port)\", http2: ".count + 1
        let check = try run(["check", "--config", file])
        #expect(check.code == 1 && check.everything.contains("\(file):2:\(column): listeners[0].http2: ") && check.everything.contains(message), "\(check.everything)")
        let started = try run(["run", "--config", file], environment: Gateway.environment(folder: folder, port: port), seconds: 10)
        #expect(started.code == 1 && started.everything.contains(message))
    }

    @Test("check takes every sense of http2", arguments: ["http2: false", "http2: cleartext"])
    func configurationTaken(key: String) throws {
        let file = try Folder().write("sluice.yaml", configuration(top: ["listeners: [{address: \"127.0.0.1:1\", \(key)}]"], hello))
        let check = try run(["check", "--config", file])
        #expect(check.code == 0, "\(check.everything)")
    }

    // MARK: The access log

    @Test("the access log names the protocol of each request, and counts bytes as over HTTP/1.1")
    func accessLog() throws {
        let folder = try Folder()
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "0123456789") }
        let (_, port) = try Gateway.http2(environment: ["SLUICE_ACCESS_LOG": folder.file("access.log")]) {
            configuration(upstream: upstream.url, top: $0, [EndpointText("/two"), EndpointText("/one")])
        }
        let client = try FrameClient(port: port)
        let stream = try client.request("POST", "/api/two", ["User-Agent: frames"], ends: false)
        try client.data(stream, "abc", ends: true)
        #expect(try client.response(stream).status == 200)
        #expect(try client.exchange("GET", "/api/two/none").status == 404)
        let cancelled = try client.request("POST", "/api/two", ends: false)
        try client.reset(cancelled)
        #expect(try RawClient(port: port).exchange(Gateway.text("GET", "/api/one")).status == 200)
        #expect(try RawClient(port: port).exchange("GET /api/one HTTP/1.0\r\n\r\n").status == 200)
        let lines = { folder.read("access.log").split(separator: "\n").map(String.init) }
        #expect(eventually { lines().count == 5 }, "\(lines())")
        let entries = try lines().map { try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any], "\($0)") }
        #expect(entries.map { $0["protocol"] as? String ?? "" }.sorted() == ["HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/2", "HTTP/2"])
        let first = try #require(entries.first { $0["protocol"] as? String == "HTTP/2" && $0["status"] as? Int == 200 })
        #expect(first["requestBytes"] as? Int == 3 && first["responseBytes"] as? Int == 10 && first["endpoint"] as? String == "/two", "\(first)")
        #expect(entries.contains { $0["aborted"] as? Bool == true }, "\(entries)")
    }
}
