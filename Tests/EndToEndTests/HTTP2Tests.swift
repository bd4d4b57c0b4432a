import Foundation
import Testing

/// Requests and responses over HTTP/2, by a client that speaks single frames: what passes, and how it is framed for the service.
@Suite("HTTP/2", .loopback, .minutes(5))
struct HTTP2Tests {
    /// A gateway in front of that service, and a client of it.
    private func site(
        _ upstream: ScriptedUpstream, environment: [String: String] = [:], _ endpoints: [EndpointText] = [EndpointText("/**")]
    ) throws -> (gateway: Gateway, client: FrameClient) {
        let (gateway, port) = try Gateway.http2(environment: environment) { configuration(upstream: upstream.url, top: $0, endpoints) }
        return (gateway, try FrameClient(port: port))
    }

    // MARK: Whole messages

    @Test("GET, HEAD, 204, 304 and POST with and without a length: one connection, and each body in the framing that its service was told")
    func messages() throws {
        let upstream = try ScriptedUpstream { call in
            switch call.request.target {
            case "/204": try call.reply(204)
            case "/304": try call.send("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 7\r\n\r\n")
            default: try call.reply(200, ["X-Method: \(call.request.method)"], body: call.request.method == "POST" ? call.request.text : "1234567")
            }
        }
        let (_, client) = try site(upstream)
        let get = try client.exchange("GET", "/api/x?q=1")
        #expect(get.status == 200 && get.text == "1234567" && get["content-length"] == "7" && get["x-method"] == "GET")
        #expect(try upstream.request(0).target == "/x?q=1")
        let head = try client.exchange("HEAD", "/api/x")
        #expect(head.status == 200 && head.body.isEmpty && head["content-length"] == "7")
        let noContent = try client.exchange("GET", "/api/204")
        #expect(noContent.status == 204 && noContent["content-length"] == nil && noContent.body.isEmpty)
        let notModified = try client.exchange("GET", "/api/304")
        #expect(notModified.status == 304 && notModified["etag"] == "\"a\"" && notModified.body.isEmpty)

        let withLength = try client.request("POST", "/api/x", ["Content-Length: 11"], ends: false)
        try client.data(withLength, "hello")
        try client.data(withLength, " world", ends: true)
        #expect(try client.response(withLength).text == "hello world")
        #expect(try upstream.request(4)["Content-Length"] == "11" && upstream.request(4)["Transfer-Encoding"] == nil)

        let without = try client.request("POST", "/api/x", ends: false)
        try client.data(without, "hello ")
        try client.data(without, "again")
        try client.data(without, ends: true)
        #expect(try client.response(without).text == "hello again")
        #expect(try upstream.request(5)["Content-Length"] == nil && upstream.request(5)["Transfer-Encoding"] == "chunked")

        let empty = try client.request("POST", "/api/x", ["Content-Length: 0"])
        #expect(try client.response(empty).status == 200)
        #expect(try upstream.request(6)["Content-Length"] == "0" && upstream.request(6)["Transfer-Encoding"] == nil)
        #expect(upstream.requests.allSatisfy { $0.connection == 1 }, "the service's connection is kept")
    }

    @Test("a body that ends with an empty frame, before its service has answered and while the head is on its way")
    func emptyEnd() throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "\($0.request.body.count)") }
        let (_, client) = try site(upstream)
        for length in [nil, "Content-Length: 0"] {
            let stream = try client.request("POST", "/api/x", length.map { [$0] } ?? [], ends: false)
            try client.data(stream, ends: true)
            #expect(try client.response(stream).text == "0")
        }
    }

    @Test("a configured response: a short one, and one of 128 KiB through small windows; without the fields of a connection")
    func mocks() throws {
        let body = String(repeating: "0123456789abcdef", count: 8192)
        let (_, port) = try Gateway.http2 { top in
            configuration(top: top, [EndpointText("/long", "mock: {status: 200, body: \"\(body)\"}"), EndpointText("/**", helloMock)])
        }
        let client = try FrameClient(port: port, window: 1000, connectionWindow: 65_535)
        let short = try client.exchange("GET", "/api/x")
        #expect(short.text == "hello" && short["content-type"] == "text/plain" && short["content-length"] == "5")
        #expect(short["connection"] == nil && short["keep-alive"] == nil && short["transfer-encoding"] == nil)
        #expect(try client.exchange("HEAD", "/api/long").body.isEmpty)
        let stream = try client.get("/api/long")
        while !client[stream].isOver {
            let before = client[stream].body.count
            try client.wait { client[stream].isOver || client[stream].body.count > before }
            // As much again as has come.
            let taken = UInt32(client[stream].body.count - before)
            guard taken > 0 else { continue }
            try client.open(window: taken)
            try client.open(stream, window: taken)
        }
        #expect(try client.response(stream).text == body)
        #expect(try client.exchange("GET", "/api/x").text == "hello", "the connection goes on")
    }

    @Test("refusals are JSON, with their status, as over HTTP/1.1; the connection and what else is on it live on")
    func refusals() throws {
        let upstream = try ScriptedUpstream()
        let (_, client) = try site(
            upstream, environment: ["SLUICE_MAX_BODY_BYTES": "1000", "SLUICE_MAX_HEAD_BYTES": "4096", "SLUICE_UNUSUAL_FIELDS": "refuse"])
        expect(try client.exchange("GET", "/none"), is: .notFound)
        expect(try client.exchange("GET", "/api/%zz"), is: .target)
        expect(try client.exchange("GET", "/api/x", ["x_under: 1"]), is: .badRequest)
        #expect(try client.exchange("HEAD", "/none").body.isEmpty)
        // Too large a head.
        expect(try client.exchange("GET", "/api/x", ["X-Long: \(String(repeating: "a", count: 5000))"]), is: .headTooLarge)
        // Too large a body, announced or not.
        let announced = try client.request("POST", "/api/x", ["Content-Length: 1001"], ends: false)
        expect(try client.response(announced), is: .bodyTooLarge)
        #expect(try client.exchange("GET", "/api/x").status == 200)
        let unannounced = try client.request("POST", "/api/x", ends: false)
        try client.data(unannounced, [UInt8](repeating: 120, count: 600))
        try client.data(unannounced, [UInt8](repeating: 120, count: 600))
        expect(try client.response(unannounced), is: .bodyTooLarge)
        // The client is told that it need not go on.
        for stream in [announced, unannounced] {
            #expect(client.eventually(within: 2) { client[stream].resetCode == FrameCode.none })
        }
        #expect(try client.exchange("GET", "/api/x").status == 200)
        #expect(client.goAways.isEmpty)
        #expect(upstream.requests.filter { $0.method == "GET" }.count == 2)
    }

    @Test("a service that is down: 502; one that never answers: 504; the other streams go on")
    func servicesThatFail() throws {
        let upstream = try ScriptedUpstream { call in
            switch call.request.target {
            case "/silent": pause(2)
            case "/ends": call.close()
            case "/garbage": try call.send("no response at all\r\n\r\n")
            default: try call.reply(200, body: "up")
            }
        }
        let (_, port) = try Gateway.http2(environment: ["SLUICE_RETRY_MAX": "0"]) { top in
            configuration(upstream: upstream.url, domain: ["upstreamTimeoutMs: 400"], top: top + ["# "]) + domainLines(key: "down", upstream: "http://127.0.0.1:9").joined(separator: "\n") + "\n"
        }
        let client = try FrameClient(port: port)
        let silent = try client.get("/api/silent")
        let down = try client.get("/down/x")
        let ends = try client.get("/api/ends")
        let garbage = try client.get("/api/garbage")
        let good = try client.get("/api/x")
        #expect(try client.response(good).text == "up")
        expect(try client.response(down), is: .badGateway)
        expect(try client.response(ends), is: .badGateway)
        expect(try client.response(garbage), is: .badGateway)
        expect(try client.response(silent), is: .upstreamTimeout)
    }

    // MARK: Interim responses and trailers

    @Test("Expect: 100-continue: the service's 100 reaches the client, then its body the service; a refusal needs neither")
    func expectContinue() throws {
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            try call.send("HTTP/1.1 100 Continue\r\n\r\n")
            try call.readBody()
            try call.reply(200, body: call.request.text)
        }
        let (_, client) = try site(upstream)
        for length in [["Content-Length: 5"], []] {
            let stream = try client.request("POST", "/api/x", ["Expect: 100-continue"] + length, ends: false)
            try client.wait { !client[stream].interim.isEmpty }
            #expect(client[stream].interim.first?[":status"] == "100")
            try client.data(stream, "hello", ends: true)
            #expect(try client.response(stream).text == "hello")
        }
        expect(try client.response(client.request("POST", "/none", ["Expect: 100-continue", "Content-Length: 5"], ends: false)), is: .notFound)
    }

    @Test("interim responses are passed on before the final one, each a head of its own")
    func interim() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
            try call.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
        let (_, client) = try site(upstream)
        let stream = try client.get("/api/x")
        #expect(try client.response(stream).text == "ok")
        #expect(client[stream].interim.map { $0[":status"] } == ["103", "102"] && client[stream].interim.first?["link"] == "</a.css>")
    }

    @Test("trailers of a chunked response arrive as trailers, those of a request reach the service; with a length there are none")
    func trailers() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 5\r\nX-Other: b\r\n\r\n")
        }
        let (_, client) = try site(upstream)
        let stream = try client.request("POST", "/api/x", ["Trailer: X-Check"], ends: false)
        try client.data(stream, "some ")
        try client.data(stream, "thing")
        try client.trailers(stream, [("x-check", "10"), ("x-more", "c")])
        let response = try client.response(stream)
        #expect(response.text == "hello" && response.trailers["x-sum"] == "5" && response.trailers["x-other"] == "b")
        #expect(response["transfer-encoding"] == nil)
        let request = try upstream.onlyRequest()
        #expect(request.text == "some thing" && request.trailers["X-Check"] == "10" && request.trailers["X-More"] == "c")
        // Right behind the head, and behind a body whose length was told.
        let only = try client.request("POST", "/api/x", ends: false)
        try client.trailers(only, [("x-check", "0")])
        #expect(try client.response(only).status == 200)
        #expect(try upstream.request(1).trailers["X-Check"] == "0" && upstream.request(1).body.isEmpty)
        let length = try client.request("POST", "/api/x", ["Content-Length: 4"], ends: false)
        try client.data(length, "body")
        try client.trailers(length, [("x-check", "4")])
        #expect(try client.response(length).status == 200)
        #expect(try upstream.request(2).text == "body" && upstream.request(2).trailers.isEmpty)
    }

    @Test("trailers behind content that the client's window does not let through come after it")
    func trailersWait() throws {
        let body = String(repeating: "x", count: 300)
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12c\r\n\(body)\r\n0\r\nX-Sum: 300\r\n\r\n")
        }
        let (_, port) = try Gateway.http2 { configuration(upstream: upstream.url, top: $0) }
        let client = try FrameClient(port: port, window: 100)
        let stream = try client.get("/api/x")
        try client.wait { client[stream].body.count == 100 }
        client.listen(0.1)
        #expect(client[stream].body.count == 100 && client[stream].trailers.isEmpty && !client[stream].isOver)
        try client.open(stream, window: 200)
        let response = try client.response(stream)
        #expect(response.text == body && response.trailers["x-sum"] == "300")
    }

    // MARK: Ends

    @Test("a response that ends with its service's connection is whole; one that is cut is reset, never ended")
    func cutResponses() throws {
        let upstream = try ScriptedUpstream { call in
            switch call.request.target {
            case "/until-close": try call.send("HTTP/1.1 200 OK\r\n\r\nall of it")
            case "/length": try call.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            default: try call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            }
            pause(0.05)
            call.close()
        }
        let (_, client) = try site(upstream)
        #expect(try client.exchange("GET", "/api/until-close").text == "all of it")
        for target in ["/api/length", "/api/chunked"] {
            let stream = try client.get(target)
            try client.wait { client[stream].isOver }
            #expect(!client[stream].hasEnded && client[stream].resetCode == FrameCode.internalError && client[stream].body == [UInt8]("half".utf8))
        }
        #expect(try client.exchange("GET", "/api/until-close").text == "all of it", "the connection goes on")
    }

    @Test("an answer before the body's end: the response is whole, and the client is told that it need not go on")
    func earlyResponse() throws {
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            try call.reply(403, ["Connection: close"], body: "no")
            pause(0.2)
            call.close()
        }
        let (_, client) = try site(upstream)
        let stream = try client.request("POST", "/api/x", ["Content-Length: 1000000"], ends: false)
        try client.data(stream, "some")
        let response = try client.response(stream)
        #expect(response.status == 403 && response.text == "no" && response["connection"] == nil)
        #expect(client.eventually(within: 2) { client[stream].resetCode == FrameCode.none })
        // What is under way still is passed over.
        try client.data(stream, "more")
        #expect(try client.exchange("GET", "/none").status == 404)
    }

    @Test("100 requests at once on one connection, answered in the opposite order; a slow one holds up no other")
    func manyStreams() throws {
        let all = Flag()
        let upstream = try ScriptedUpstream { call in
            guard let number = Int(call.request.target.dropFirst(2)) else { return try call.reply(200, body: "other") }
            all.set()
            try all.wait()
            guard eventually(within: 10, { all.count >= 99 }) else { throw HarnessError("only \(all.count) came") }
            pause(0.002 * Double(100 - number))
            try call.reply(200, body: "answer \(number)")
        }
        let slow = Flag()
        let late = try ScriptedUpstream { call in
            try slow.wait()
            try call.reply(200, body: "late")
        }
        let (_, port) = try Gateway.http2 { top in
            configuration(upstream: upstream.url, top: top) + domainLines(key: "late", upstream: late.url).joined(separator: "\n") + "\n"
        }
        let client = try FrameClient(port: port)
        let waiting = try client.get("/late/x")
        let streams = try (1...99).map { (number: $0, stream: try client.get("/api/n\($0)")) }
        for (number, stream) in streams { #expect(try client.response(stream).text == "answer \(number)") }
        #expect(!client[waiting].isOver)
        #expect(try client.exchange("GET", "/none").status == 404)
        slow.set()
        #expect(try client.response(waiting).text == "late")
    }

    @Test("bodies of 4 MiB both ways arrive byte for byte, four at once")
    func largeEcho() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(call.request.body.count)\r\n\r\n")
            try call.send(call.request.body)
        }
        let (_, client) = try site(upstream)
        let bodies = (0..<4).map { number in (0..<(4 << 20)).map { UInt8(truncatingIfNeeded: ($0 &+ number) &* 2_654_435_761 >> 13) } }
        let streams = try bodies.map { _ in try client.request("POST", "/api/x", ends: false) }
        var sent = [0, 0, 0, 0]
        while sent != bodies.map(\.count) {
            for index in sent.indices where sent[index] < bodies[index].count {
                sent[index] += try client.uploadSome(streams[index], bodies[index][sent[index]...].prefix(40_000), ends: sent[index] + 40_000 >= bodies[index].count)
            }
            try client.wait { sent.indices.contains { sent[$0] < bodies[$0].count && client.uploadRoom(streams[$0]) > 0 } || sent == bodies.map(\.count) }
        }
        for (stream, body) in zip(streams, bodies) { #expect(try client.response(stream).body == body) }
    }
}
