import Foundation
import SluiceHTTP2
import Testing

/// How streams and connections of HTTP/2 to services end, in order and otherwise, and what becomes of the exchanges that have them.
@Suite("HTTP/2 upstreams' endings", .loopback, .minutes(5))
struct HTTP2UpstreamEndingTests {
    private let oneWorker = ["SLUICE_WORKERS": "1"]

    private func gateway(_ service: HTTP2Service, domain: [String] = [], environment: [String: String] = [:]) throws -> Gateway {
        try Gateway(configuration(upstream: service.url, domain: domain), environment: oneWorker.merging(environment) { $1 }, admin: true)
    }

    private func metrics(_ gateway: Gateway) throws -> String { try gateway.get("/metrics", port: gateway.adminPort).text }

    // MARK: Requests that were not processed

    @Test("a refused stream is sent again whatever its method; one that is refused each time is 502 in the end", arguments: ["GET", "POST"])
    func refused(method: String) throws {
        let service = try HTTP2Service { call in
            let isFirst = call.stream == 1
            if isFirst || call.request.target == "/never" { return try call.reset(.refusedStream) }
            try call.reply(200, body: call.request.text)
        }
        let gateway = try gateway(service)
        let body = method == "POST" ? "body" : nil
        let response = try gateway.request(method, "/api/x", body: body)
        #expect(response.status == 200 && response.text == body ?? "")
        #expect(service.requests.map(\.text) == [body ?? "", body ?? ""])
        expect(try gateway.request(method, "/api/never", body: body), is: .badGateway)
        #expect(service.acceptedConnections == 1)
    }

    @Test("a body that is still with the client comes along when its request is sent again")
    func refusedBeforeBody() throws {
        let service = try HTTP2Service(startsAtHead: true) { call in
            if call.stream == 1 { return try call.reset(.refusedStream) }
            try call.readBody()
            try call.reply(200, body: call.request.text)
        }
        let gateway = try gateway(service)
        let client = try gateway.client()
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        pause(0.3)
        try client.send("body")
        #expect(try client.response().text == "body")
    }

    @Test("GOAWAY: what is above its last stream goes to another connection, a POST too; what is not is answered here")
    func goAway() throws {
        let service = try HTTP2Service { call in
            guard call.connection.number == 1 else { return try call.reply(200, body: "second") }
            call.connection.kept.append(call)
            guard call.connection.kept.count == 3 else { return }
            try call.connection.goAway(last: 3)
            for kept in call.connection.kept where kept.stream <= 3 { try kept.reply(200, body: "first") }
        }
        let gateway = try gateway(service)
        let clients = try (0..<3).map { _ in try gateway.client() }
        for client in clients {
            try client.send(Gateway.text("POST", "/api/x", body: "b"))
            pause(0.1)
        }
        #expect(try clients.map { try $0.response().text } == ["first", "first", "second"])
        #expect(try gateway.get("/api/x").text == "second")
        #expect(service.acceptedConnections == 2)
        #expect(try metrics(gateway).contains("sluice_upstream_failures_total 0\n"))
    }

    @Test("connections that come to their announced end one after the other cost no request; one that always does is 502 in the end", arguments: [4, 1000])
    func goAwayAgain(connections: Int) throws {
        let service = try HTTP2Service { call in
            guard call.connection.number <= connections else { return try call.reply(200, body: call.request.text) }
            try call.connection.goAway(last: 0)
            try call.close()
        }
        let gateway = try gateway(service)
        let response = try gateway.request("POST", "/api/x", body: "body")
        if connections == 4 {
            #expect(response.text == "body")
        } else {
            expect(response, is: .badGateway)
            #expect(service.acceptedConnections < 20)
        }
    }

    @Test("behind GOAWAY a connection that closes with its answers outstanding costs no request that may be repeated; others are 502", arguments: ["GET", "POST"])
    func brokenPromise(method: String) throws {
        let service = try HTTP2Service { call in
            guard call.connection.number == 1 else { return try call.reply(200, body: "second") }
            try call.connection.goAway(last: call.stream)
            try call.close()
        }
        let gateway = try gateway(service)
        let response = try gateway.request(method, "/api/x", body: method == "POST" ? "b" : nil)
        if method == "GET" { #expect(response.text == "second") } else { expect(response, is: .badGateway) }
    }

    @Test("a service that ends each connection in order after some requests: of 500, on 10 clients at once, none fails")
    func restarts() throws {
        let service = try HTTP2Service { call in
            try call.reply(200, body: call.request.text)
            if call.stream >= 31 {
                try call.connection.goAway(last: call.stream)
                try call.close()
            }
        }
        let gateway = try gateway(service)
        let clients = try (0..<10).map { _ in try gateway.client() }
        for round in 0..<50 {
            for client in clients { try client.send(Gateway.text("POST", "/api/x", body: "\(round)")) }
            for client in clients { #expect(try client.response().text == "\(round)") }
        }
        #expect(service.acceptedConnections > 10)
    }

    // MARK: Other resets

    @Test("a reset before the head is 502, and not sent again; behind the head it ends the client's response visibly")
    func reset() throws {
        let service = try HTTP2Service { call in
            if call.request.target == "/begun" {
                try call.head(200, ["Content-Length: 10"])
                try call.data([UInt8]("five!".utf8))
            }
            if call.request.target == "/x" { return try call.reply(200) }
            try call.reset(.internalError)
        }
        let gateway = try gateway(service)
        expect(try gateway.get("/api/none"), is: .badGateway)
        #expect(service.requests.count == 1)
        #expect(throws: HarnessError.self) { try gateway.get("/api/begun") }
        // Neither has cost the others their connection.
        #expect(try gateway.get("/api/x").status == 200)
        #expect(service.acceptedConnections == 1)
        #expect(try metrics(gateway).contains("sluice_upstream_streams_reset_total 2\n"))
    }

    @Test("a reset right behind the head is 502 as well: nothing of the response has gone yet")
    func resetBehindHead() throws {
        let service = try HTTP2Service { call in
            call.connection.gathers = true
            try call.head(200, ["Content-Length: 10"])
            try call.reset(.internalError)
            call.connection.gathers = false
            try call.connection.flush()
        }
        let gateway = try gateway(service)
        for _ in 0..<3 { expect(try gateway.get("/api/x"), is: .badGateway) }
        #expect(service.acceptedConnections == 1 && service.requests.count == 3)
    }

    @Test("a service that has answered and does not want the rest of a body says so by NO_ERROR: the answer counts")
    func noError() throws {
        let service = try HTTP2Service(startsAtHead: true) { call in
            try call.head(413, ["Content-Length: 3"])
            try call.data([UInt8]("big".utf8), ends: true)
            try call.reset(.noError)
        }
        let gateway = try gateway(service)
        let client = try gateway.client()
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin")
        let response = try client.response()
        #expect(response.status == 413 && response.text == "big")
    }

    @Test("content that is longer or shorter than announced, and content where there is none, never reaches a client as a whole response", arguments: [
        ("/longer", "GET"), ("/shorter", "GET"), ("/304", "GET"), ("/head", "HEAD"),
    ])
    func lengths(target: String, method: String) throws {
        let service = try HTTP2Service { call in
            let stream = call.stream
            let text = [UInt8]("12345".utf8)
            switch call.request.target {
            case "/longer": try call.head(200, ["Content-Length: 4"])
            case "/shorter": try call.head(200, ["Content-Length: 6"])
            case "/304": try call.head(304)
            case "/head": try call.head(200, ["Content-Length: 5"])
            default: return try call.reply(200, body: "good")
            }
            try call.connection.send(frame: 0, flags: 1, stream: stream, text)
        }
        let gateway = try gateway(service)
        let client = try gateway.client()
        try client.send(Gateway.text(method, "/api" + target))
        if target == "/304" || target == "/head" {
            #expect(try client.response(to: method).status == (method == "HEAD" ? 200 : 304))
        } else {
            let whole = try? client.response(to: method)
            #expect(whole == nil || whole?.status == 502, "\(whole?.text ?? "")")
        }
        for _ in 0..<3 { #expect(try gateway.get("/api/x").text == "good") }
        #expect(service.acceptedConnections == 1)
    }

    // MARK: Clients and times

    @Test("a client that goes has its stream cancelled, and only that")
    func clientGone() throws {
        let service = try HTTP2Service { call in
            if call.request.target == "/x" { return try call.reply(200) }
            if call.request.target == "/begun" {
                try call.head(200)
                try call.data([1, 2, 3])
            }
        }
        let gateway = try gateway(service, environment: ["SLUICE_CLIENT_CLOSE": "abort"])
        for target in ["/api/silent", "/api/begun"] {
            let client = try gateway.client()
            try client.send(Gateway.text("GET", target))
            pause(0.2)
            client.close()
        }
        #expect(eventually { service.resets.count == 2 })
        #expect(service.resets == [.cancel, .cancel])
        #expect(try gateway.get("/api/x").status == 200)
        #expect(service.acceptedConnections == 1)
    }

    @Test("the time to answer is each exchange's own: one that is silent is 504 and cancelled, the others go on")
    func timeout() throws {
        let service = try HTTP2Service { call in
            if call.request.target != "/silent" { try call.reply(200, body: "quick") }
        }
        let gateway = try gateway(service, domain: ["upstreamTimeoutMs: 400"])
        let silent = try gateway.client()
        try silent.send(Gateway.text("GET", "/api/silent"))
        let quick = try gateway.client()
        for _ in 0..<8 {
            #expect(try quick.exchange(Gateway.text("GET", "/api/x")).text == "quick")
            pause(0.1)
        }
        expect(try silent.response(), is: .upstreamTimeout)
        #expect(eventually { service.resets == [.cancel] })
        #expect(service.acceptedConnections == 1)
    }

    @Test("a service that does not answer a PING either is given up with all that it was to answer")
    func dead() throws {
        let isDeaf = Flag()
        let service = try HTTP2Service { call in
            if call.request.target == "/deaf" {
                isDeaf.set()
                pause(4)
            }
            try call.reply(200, body: "\(call.connection.number)")
        }
        let gateway = try gateway(service, domain: ["upstreamTimeoutMs: 300"], environment: ["SLUICE_UPSTREAM_CONNECT_TIMEOUT_MS": "500"])
        #expect(try gateway.get("/api/x").text == "1")
        expect(try gateway.get("/api/deaf"), is: .upstreamTimeout)
        #expect(isDeaf.isSet)
        #expect(try gateway.get("/api/x").text == "2")
    }

    @Test("with others on the connection it has the time of a PING's answer: then they are 502, and whoever comes meanwhile has another connection")
    func deadWithOthers() throws {
        let isDeaf = Flag()
        let service = try HTTP2Service { call in
            guard call.request.target == "/deaf" else { return try call.reply(200, body: "\(call.connection.number)") }
            isDeaf.set()
            pause(4)
        }
        let gateway = try gateway(service, domain: ["upstreamTimeoutMs: 1000"], environment: ["SLUICE_UPSTREAM_CONNECT_TIMEOUT_MS": "300"])
        let deaf = try gateway.client()
        try deaf.send(Gateway.text("GET", "/api/deaf"))
        pause(0.5)
        let other = try gateway.client()
        try other.send(Gateway.text("GET", "/api/x"))
        expect(try deaf.response(), is: .upstreamTimeout)
        #expect(try gateway.get("/api/x").text == "2")
        expect(try other.response(), is: .badGateway)
        #expect(isDeaf.count == 1)
    }

    // MARK: Connections that break

    @Test("a connection that breaks takes its exchanges along: 502 for each that had no head; the next request has a new one", arguments: [false, true])
    func broken(resets: Bool) throws {
        let service = try HTTP2Service { call in
            if call.request.target == "/x" { return try call.reply(200, body: "\(call.connection.number)") }
            call.connection.kept.append(call)
            guard call.connection.kept.count == 5 else { return }
            if resets { call.connection.socket.reset() }
            try call.close()
        }
        let gateway = try gateway(service)
        let clients = try (0..<5).map { _ in try gateway.client() }
        for client in clients { try client.send(Gateway.text("GET", "/api/y")) }
        for client in clients { expect(try client.response(), is: .badGateway) }
        #expect(try gateway.get("/api/x").text == "2")
        // One connection has failed, however many it took along.
        #expect(try metrics(gateway).contains("sluice_upstream_failures_total 1\n"))
    }

    @Test("an idle connection that the service has closed without a word costs no request that may be repeated")
    func stale() throws {
        let service = try HTTP2Service { call in
            try call.reply(200, body: "\(call.connection.number)")
            call.connection.socket.setTimeout(0.2)
        }
        let gateway = try gateway(service)
        for number in 0..<30 {
            #expect(try gateway.get("/api/x").status == 200, "\(number)")
            pause(0.19 + Double(number % 5) * 0.005)
        }
    }

    @Test("a response that has come whole reaches a slow client although its connection has ended since")
    func wholeBeforeEnd() throws {
        let service = try HTTP2Service { call in
            try call.head(200, ["Content-Length: 60000"])
            try call.data([UInt8](repeating: 5, count: 60_000), ends: true)
            try call.connection.goAway(last: call.stream)
            try call.close()
        }
        let gateway = try gateway(service)
        let client = try RawClient(port: gateway.port, receiveBuffer: 4096)
        try client.send(Gateway.text("GET", "/api/x") + Gateway.text("GET", "/api/x"))
        pause(0.5)
        for _ in 0..<2 { #expect(try client.response().body == [UInt8](repeating: 5, count: 60_000)) }
    }

    @Test("what is no HTTP/2 is 502, whatever it is", arguments: [
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "", "\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{8}\u{7}\u{0}\u{0}\u{0}\u{0}",
        "\u{0}\u{0}\u{4}\u{3}\u{0}\u{0}\u{0}\u{0}\u{1}\u{0}\u{0}\u{0}\u{0}",
    ])
    func noHTTP2(answer: String) throws {
        let listener = try RawSocket.listen()
        Thread.detachNewThread {
            while let socket = listener.accept() {
                _ = try? socket.receive()
                try? socket.send(answer)
                pause(0.05)
                socket.close()
            }
        }
        try LoopbackScope.onEnd { listener.interrupt() }
        let gateway = try Gateway(configuration(upstream: "h2c://127.0.0.1:\(listener.localPort)"), environment: oneWorker)
        for _ in 0..<5 { expect(try gateway.get("/api/x"), is: .badGateway) }
    }

    @Test("frames that break the protocol on a connection with exchanges: no answer is lost that was whole, and nothing else passes", arguments: [
        // SETTINGS on a stream, DATA on stream 0, HEADERS with rubbish for HPACK, WINDOW_UPDATE by nothing, CONTINUATION out of place, PUSH_PROMISE.
        [0, 0, 0, 4, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0, 0, 0, 0, 1], [0, 0, 2, 1, 4, 0, 0, 0, 3, 0xFF, 0xFF], [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 9, 0, 0, 0, 0, 3], [0, 0, 4, 5, 0, 0, 0, 0, 3, 0, 0, 0, 2], [255, 255, 255, 0, 0, 0, 0, 0, 3],
    ] as [[UInt8]])
    func hostile(frame: [UInt8]) throws {
        let service = try HTTP2Service { call in
            guard call.connection.number == 1 else { return try call.reply(200, body: "next") }
            call.connection.kept.append(call)
            guard call.connection.kept.count == 2 else { return }
            try call.connection.kept[0].reply(200, body: "whole")
            try call.connection.send(raw: frame)
        }
        let gateway = try gateway(service)
        let clients = try (0..<2).map { _ in try gateway.client() }
        for client in clients {
            try client.send(Gateway.text("GET", "/api/x"))
            pause(0.1)
        }
        #expect(try clients[0].response().text == "whole")
        expect(try clients[1].response(), is: .badGateway)
        #expect(try gateway.get("/api/x").text == "next")
        #expect(eventually { gateway.log.contains("an upstream's HTTP/2 connection was ended") && gateway.log.contains("upstream=127.0.0.1") })
    }

    // MARK: The gateway's own end, and reloads

    @Test("a reload that leaves the service out ends idle connections, and the others after their exchanges; so does the end of the process")
    func retired() throws {
        let isLet = Flag()
        let service = try HTTP2Service { call in
            if call.request.target == "/slow" { while !isLet.isSet { pause(0.01) } }
            try call.reply(200, body: "old")
        }
        let other = try HTTP2Service { try $0.reply(200, body: "new") }
        let gateway = try gateway(service)
        let slow = try gateway.client()
        try slow.send(Gateway.text("GET", "/api/slow"))
        pause(0.2)
        try gateway.reload(configuration(key: "new", upstream: other.url))
        #expect(try eventually { try gateway.get("/new/x").text == "new" })
        isLet.set()
        #expect(try slow.response().text == "old")
        // Its origin is let go with the next one, when nothing is on its snapshot any more.
        try gateway.reload(configuration(key: "new", upstream: other.url))
        #expect(try eventually { try metrics(gateway).contains("sluice_upstream_connections 1\n") })
        let last = try gateway.client()
        try last.send(Gateway.text("GET", "/new/x"))
        #expect(try last.response().text == "new")
        last.close()
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(10) == 0)
    }

    @Test("reloads, drained workers and requests at once, over a service that breaks its connections: every request is answered")
    func churn() throws {
        let service = try HTTP2Service { call in
            switch call.stream % 13 {
            case 3: try call.reset(.refusedStream)
            case 5:
                try call.head(200)
                try call.data([UInt8]("part".utf8), ends: true)
                call.done()
            default: try call.reply(200, body: "whole", trailers: ["x-sum: 1"])
            }
            if call.stream > 60 { try call.close() }
        }
        let gateway = try gateway(service)
        let text = configuration(upstream: service.url)
        for round in 0..<30 {
            let clients = try (0..<8).map { _ in try gateway.client() }
            for client in clients { try client.send(Gateway.text("GET", "/api/\(round)")) }
            if round % 5 == 0 { try gateway.reload(text + "\n# \(round)\n") }
            // Some go before their answer.
            for client in clients[..<2] { client.close() }
            for client in clients[2...] { #expect([200, 502].contains(try client.response().status)) }
        }
        #expect(try gateway.get("/api/x").status == 200)
    }
}
