import Foundation
import SluiceHTTP2
import Testing

/// Requests and responses between clients of HTTP/1.1 and services of HTTP/2.
@Suite("HTTP/2 upstreams", .loopback, .minutes(5))
struct HTTP2UpstreamTests {
    private let oneWorker = ["SLUICE_WORKERS": "1"]

    private func gateway(_ service: HTTP2Service, domain: [String] = [], environment: [String: String] = [:], policies: String = "") throws -> Gateway {
        try Gateway(
            configuration(upstream: service.url + "/base", domain: domain, [EndpointText("/**", policies)]),
            environment: oneWorker.merging(environment) { $1 }, admin: true)
    }

    @Test("a GET and its response: fields pass, those of a connection do not, and a second one has the same connection")
    func plain() throws {
        let service = try HTTP2Service { try $0.reply(200, ["X-Answer: yes", "Content-Type: text/plain"], body: "hello") }
        let gateway = try gateway(service)
        let client = try gateway.client()
        for _ in 0..<2 {
            let response = try client.exchange(Gateway.text("GET", "/api/a%20b?q=1", ["X-Own: 1", "TE: gzip", "Keep-Alive: 5", "Connection: X-Hop", "X-Hop: 1"]))
            #expect(response.status == 200 && response.text == "hello")
            #expect(response.raw.starts(with: "HTTP/1.1 200 OK\r\n".utf8))
            #expect(response["X-Answer"] == "yes" && response["Content-Type"] == "text/plain")
        }
        let request = try #require(service.requests.last)
        #expect(request.target == "/base/a%20b?q=1")
        #expect(request.has("host: 127.0.0.1:\(service.port)") && request.has("x-own: 1") && request.has("x-forwarded-proto: http"))
        for name in ["te:", "connection", "keep-alive", "x-hop", "transfer-encoding", "upgrade"] { #expect(!request.head.lowercased().contains("\r\n\(name)"), "\(name)") }
        #expect(service.acceptedConnections == 1)
        #expect(service.resets.isEmpty)
    }

    @Test("responses without a length, with one, without content, to HEAD, 204 and 304: each ends where it ends, and the connection goes on")
    func framings() throws {
        let service = try HTTP2Service { call in
            switch call.request.target {
            case "/base/length": try call.reply(200, ["Content-Length: 4"], body: "four")
            case "/base/empty": try call.reply(200)
            case "/base/204": try call.reply(204)
            case "/base/304": try call.reply(304, ["ETag: \"a\""])
            // Its end comes in a frame of its own, which holds nothing.
            case "/base/late":
                try call.head(200)
                try call.data([UInt8]("late".utf8))
                try call.data([], ends: true)
                call.done()
            default: try call.reply(200, ["Content-Length: 6"], body: "length")
            }
        }
        let gateway = try gateway(service)
        let client = try gateway.client()
        let length = try client.exchange(Gateway.text("GET", "/api/length"))
        #expect(length["Content-Length"] == "4" && length.text == "four")
        let late = try client.exchange(Gateway.text("GET", "/api/late"))
        #expect(late["Transfer-Encoding"] == "chunked" && late.text == "late")
        let empty = try client.exchange(Gateway.text("GET", "/api/empty"))
        #expect(empty["Content-Length"] == "0" && empty.text == "")
        #expect(try client.exchange(Gateway.text("GET", "/api/204")).status == 204)
        #expect(try client.exchange(Gateway.text("GET", "/api/304")).status == 304)
        let head = try client.exchange(Gateway.text("HEAD", "/api/x"), method: "HEAD")
        #expect(head.status == 200 && head["Content-Length"] == "6")
        #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "length")
        #expect(service.acceptedConnections == 1 && service.resets.isEmpty)
    }

    @Test("many at once share a connection, and each gets its own answer, in whatever order they come")
    func multiplexed() throws {
        let service = try HTTP2Service { call in
            call.connection.kept.append(call)
            guard call.connection.kept.count == 20 else { return }
            for kept in call.connection.kept.reversed() { try kept.reply(200, body: kept.request.target) }
            call.connection.kept = []
        }
        let gateway = try gateway(service)
        for _ in 0..<3 {
            let clients = try (0..<20).map { _ in try gateway.client() }
            for (number, client) in clients.enumerated() { try client.send(Gateway.text("GET", "/api/\(number)")) }
            for (number, client) in clients.enumerated() { #expect(try client.response().text == "/base/\(number)") }
        }
        #expect(service.acceptedConnections == 1)
        #expect(Set(service.requests.map(\.stream)).count == 60)
        let metrics = try gateway.get("/metrics", port: gateway.adminPort).text
        #expect(metrics.contains("sluice_upstream_streams_total 60\n"), "\(metrics)")
    }

    @Test("a service that takes few streams at once gets more connections; one more than the setting allows is refused")
    func fewStreams() throws {
        var limits = HTTP2Limits()
        limits.concurrentStreams = 2
        let service = try HTTP2Service(limits: limits) { call in
            if call.request.target == "/base/now" { return try call.reply(200) }
            call.connection.kept.append(call)
        }
        let gateway = try gateway(service, environment: ["SLUICE_UPSTREAM_MAX_CONNECTIONS": "2"])
        #expect(try gateway.get("/api/now").status == 200)
        let clients = try (0..<4).map { _ in try gateway.client() }
        for client in clients {
            try client.send(Gateway.text("GET", "/api/wait"))
            pause(0.05)
        }
        #expect(eventually { service.requests.count == 5 })
        #expect(service.acceptedConnections == 2)
        expect(try gateway.get("/api/now"), is: .unavailable)
    }

    @Test("a burst at a service that takes one stream at a time: nothing is refused, because nothing is sent before it has said so")
    func settingsFirst() throws {
        var limits = HTTP2Limits()
        limits.concurrentStreams = 1
        let service = try HTTP2Service(limits: limits) { call in
            pause(0.02)
            try call.reply(200, body: call.request.target)
        }
        let gateway = try gateway(service)
        let clients = try (0..<30).map { _ in try gateway.client() }
        for (number, client) in clients.enumerated() { try client.send(Gateway.text("POST", "/api/\(number)", body: "b")) }
        for (number, client) in clients.enumerated() { #expect(try client.response().text == "/base/\(number)") }
        #expect(service.requests.count == 30)
        let metrics = try gateway.get("/metrics", port: gateway.adminPort).text
        #expect(metrics.contains("sluice_upstream_streams_reset_total 0\n") && metrics.contains("sluice_upstream_retries_total 0\n"))
    }

    @Test("bodies of every framing and size reach the service whole, and it may answer in any of its own", arguments: [0, 1, 16_384, 65_535, 65_536, 1_000_000])
    func bodies(size: Int) throws {
        let service = try HTTP2Service { try $0.reply(200, ["X-Length: \($0.request.body.count)"], body: $0.request.text) }
        let gateway = try gateway(service)
        let body = String(repeating: "0123456789abcdef", count: size / 16 + 1).prefix(size)
        let known = try gateway.request("POST", "/api/x", body: String(body))
        #expect(known.status == 200 && known["X-Length"] == "\(size)" && known.text == body)
        #expect(try #require(service.requests.last).has("content-length: \(size)"))
        let chunked = try gateway.request("POST", "/api/x", ["Transfer-Encoding: chunked"]) {
            size == 0 ? "0\r\n\r\n" : "\(String(size, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
        }
        #expect(chunked.status == 200 && chunked["X-Length"] == "\(size)" && chunked.text == body)
        #expect(service.resets.isEmpty)
    }

    @Test("trailers pass in both directions, without those that may not; TE: trailers is sent for who says so, and for gRPC")
    func trailers() throws {
        let service = try HTTP2Service { call in
            try call.reply(200, ["Content-Type: application/grpc"], body: "message", trailers: ["grpc-status: 0", "grpc-message: fine", "content-length: 7"])
        }
        let gateway = try gateway(service)
        let response = try gateway.request("POST", "/api/x", ["Transfer-Encoding: chunked", "TE: trailers", "Connection: TE"]) {
            "3\r\nabc\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n"
        }
        #expect(response.text == "message")
        #expect(response.trailers["grpc-status"] == "0" && response.trailers["grpc-message"] == "fine" && response.trailers["content-length"] == nil)
        let request = try #require(service.requests.last)
        #expect(request.trailers == "x-sum: 1\r\n\r\n" && request.text == "abc")
        #expect(request.has("te: trailers"))
        _ = try gateway.request("POST", "/api/x", ["Content-Type: application/grpc+proto"], body: "x")
        #expect(try #require(service.requests.last).has("te: trailers"))
        _ = try gateway.request("POST", "/api/x", ["Content-Type: text/plain"], body: "x")
        #expect(!(try #require(service.requests.last).has("te: trailers")))
    }

    @Test("interim responses pass; too many of them are the service's fault")
    func interim() throws {
        let service = try HTTP2Service { call in
            for _ in 0..<(call.request.target == "/base/many" ? 17 : 2) { try call.head(103, ["Link: </a>"]) }
            try call.reply(200, body: "final")
        }
        let gateway = try gateway(service)
        let client = try gateway.client()
        try client.send(Gateway.text("GET", "/api/x"))
        for _ in 0..<2 { #expect(try client.response().status == 103) }
        #expect(try client.response().text == "final")
        let other = try gateway.client()
        try other.send(Gateway.text("GET", "/api/many"))
        expect(try other.finalResponse(), is: .badGateway)
    }

    @Test("an upload is held back by the service's window and goes on with it; the response may begin before it has ended")
    func slowReader() throws {
        let service = try HTTP2Service(startsAtHead: true) { call in
            call.consumes = false
            try call.head(200)
            try call.data([UInt8]("begun".utf8))
            try call.connection.readSome()
            pause(0.3)
            try call.readBodyConsuming()
            try call.data([UInt8](" \(call.request.body.count)".utf8), ends: true)
            call.done()
        }
        let gateway = try gateway(service)
        let body = String(repeating: "x", count: 700_000)
        let response = try gateway.request("POST", "/api/x", body: body)
        #expect(response.text == "begun 700000")
    }

    @Test("a client that does not read holds up its own stream, a window of it, and nobody else's")
    func slowClient() throws {
        let service = try HTTP2Service { call in
            if call.request.target != "/base/big" { return try call.reply(200, body: "small") }
            try call.head(200)
            var left = 8 << 20
            call.connection.goOn = {
                while left > 0 {
                    let sent = try call.dataAllowed([UInt8](repeating: 7, count: min(left, 16_384)), ends: left <= 16_384)
                    guard sent > 0 else { return }
                    left -= sent
                }
            }
        }
        let gateway = try gateway(service)
        let slow = try RawClient(port: gateway.port, receiveBuffer: 4096)
        try slow.send(Gateway.text("GET", "/api/big"))
        pause(0.3)
        for _ in 0..<20 { #expect(try gateway.get("/api/x").text == "small") }
        #expect(service.acceptedConnections == 1)
        let response = try slow.response()
        #expect(response.body.count == 8 << 20 && response.body.allSatisfy { $0 == 7 })
    }

    @Test("an upgrade goes over HTTP/1.1 or not at all")
    func upgrade() throws {
        let service = try HTTP2Service()
        let gateway = try gateway(service)
        expect(try gateway.get("/api/x", ["Connection: Upgrade", "Upgrade: websocket"]), is: .badGateway)
        #expect(service.requests.isEmpty)
        #expect(try gateway.get("/api/x").status == 200)
    }

    @Test("a pre-call over HTTP/2: what it answers besides its status is read for the connection's sake, or is the client's answer")
    func preCall() throws {
        let question = try HTTP2Service { call in
            let isAllowed = call.request.has("x-let: 1")
            try call.reply(isAllowed ? 200 : 403, ["X-From: question"], body: String(repeating: "n", count: 50_000))
        }
        let service = try HTTP2Service { try $0.reply(200, body: "service") }
        let gateway = try gateway(service, policies: "preCall: {url: \"\(question.url)/ask\"}")
        for _ in 0..<3 {
            #expect(try gateway.get("/api/x", ["X-Let: 1"]).text == "service")
            let refused = try gateway.get("/api/x")
            #expect(refused.status == 403 && refused["X-From"] == "question" && refused.body.count == 50_000)
        }
        #expect(question.acceptedConnections == 1 && question.resets.isEmpty)
        #expect(service.requests.count == 3)
        let head = try gateway.client().exchange(Gateway.text("HEAD", "/api/x"), method: "HEAD")
        #expect(head.status == 403)
        #expect(try gateway.get("/api/x", ["X-Let: 1"]).text == "service")
    }

    @Test("over TLS by ALPN, with nginx as a service of HTTP/1.1 that chooses it: nothing is lost")
    func chosen() throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("good", for: ["localhost"], in: folder)
        let tls = "ssl_certificate \(folder.file("good.pem")); ssl_certificate_key \(folder.file("good.key"));"
        let old = try Nginx(listen: "ssl", "\(tls) location / { return 200 \"$server_protocol $ssl_alpn_protocol $uri\"; }")
        let new = try Nginx(listen: "ssl http2", "\(tls) location / { return 200 \"$server_protocol $ssl_alpn_protocol $uri\"; }")
        let ca = "upstreamTls: {ca: \"\(folder.file("ca.pem"))\"}"
        for (nginx, offers, text) in [(old, true, "HTTP/1.1 http/1.1 /x"), (new, true, "HTTP/2.0 h2 /x"), (new, false, "HTTP/1.1 http/1.1 /x")] {
            let gateway = try Gateway(
                configuration(upstream: "https://localhost:\(nginx.port)", domain: [ca, "http2: \(offers)"]), environment: oneWorker)
            let clients = try (0..<10).map { _ in try gateway.client() }
            for _ in 0..<2 {
                for client in clients { try client.send(Gateway.text("GET", "/api/x")) }
                for client in clients { #expect(try client.response().text == text) }
            }
            let body = String(repeating: "b", count: 300_000)
            #expect(try gateway.request("POST", "/api/x", body: body).status == 200)
        }
    }
}
