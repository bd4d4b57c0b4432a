import Foundation
import Synchronization
import Testing

/// `validate` of bodies through the gateway: what is held, what goes on, and what is refused.
@Suite("Validation of bodies", .loopback, .minutes(5))
struct BodyValidationTests {
    private static let schema = "{type: object, required: [id], additionalProperties: false, properties: {id: {type: integer}, tags: {type: array, items: {type: string}}}}"

    private func validating(_ upstream: ScriptedUpstream, _ body: String = "{schema: \(schema)}", _ more: String = "", top: [String] = []) -> String {
        configuration(upstream: upstream.url, top: top, [EndpointText("/**", "validate: {body: \(body)}\(more)")])
    }

    private static let json = ["Content-Type: application/json; charset=UTF-8"]

    /// A body of so many bytes that fits the schema.
    private static func body(_ count: Int) -> String {
        let start = "{\"id\":1,\"tags\":[\"", end = "\"]}"
        return start + String(repeating: "x", count: count - start.utf8.count - end.utf8.count) + end
    }

    @Test("a body that fits goes on as it came, one that does not is told where and why, and the connection is kept")
    func rightAndWrong() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream))
        let client = try gateway.client()
        let right = "{ \"tags\" : [ ],\n\"id\": 7 }"
        #expect(try client.exchange(Gateway.text("POST", "/api/x", Self.json, body: right)).status == 200)
        for (body, detail) in [
            ("{\"id\":\"secret\"}", "/id: not an integer"), ("{\"id\":1,\"tags\":[\"a\",2]}", "/tags/1: not a string"), ("{}", "/: missing member id"),
            ("{\"id\":1,\"more\":1}", "/: a member that is not allowed"), ("{\"id\":1,\"id\":2}", "a member stands twice"), ("{\"id\":1", "malformed JSON"),
            ("", "body missing"),
        ] {
            let response = try client.exchange(Gateway.text("POST", "/api/x", Self.json, body: body))
            expect(response, is: .validation)
            #expect(response.text.contains("Bad Request (\(detail))"), "\(response.text)")
        }
        #expect(try client.exchange(Gateway.text("POST", "/api/x", Self.json, body: right)).status == 200)
        #expect(upstream.requests.count == 2)
        #expect(try upstream.request(1).text == right)
    }

    @Test("what says that the body is something else is refused", arguments: [
        ([], "content type missing"), (["Content-Type: text/plain"], "content type not allowed"), (["Content-Type: application/json, text/plain"], "content type not allowed"),
        (["Content-Type: application/json", "Content-Type: application/json"], "content type given twice"),
        (["Content-Type: application/json; charset=utf-16"], "charset not allowed"),
        (["Content-Type: application/json;charset=utf-8;charset=utf-7"], "charset not allowed"),
        (["Content-Type: application/json", "Content-Encoding: gzip"], "content coding not allowed"),
        (["Content-Type: application/json", "Connection: Content-Encoding", "Content-Encoding: br"], "content coding not allowed"),
    ] as [([String], String)])
    func otherContent(fields: [String], detail: String) throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream))
        let response = try gateway.request("POST", "/api/x", fields, body: "{\"id\":1}")
        expect(response, is: .validation)
        #expect(response.text.contains("Bad Request (\(detail))"), "\(response.text)")
        #expect(upstream.requests.isEmpty)
    }

    @Test("bodies of every length arrive whole, with a length and in chunks, at once and in pieces", arguments: [30, 5000, 16_300, 16_500, 70_000, 300_000, 1_048_576])
    func lengths(count: Int) throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream))
        let body = Self.body(count)
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text("POST", "/api/x", Self.json, body: body)).status == 200)
        var chunks = ""
        var rest = Substring(body)
        while !rest.isEmpty {
            let piece = rest.prefix(9000)
            chunks += String(piece.utf8.count, radix: 16) + "\r\n" + piece + "\r\n"
            rest = rest.dropFirst(piece.count)
        }
        // With a trailer, and a request behind it.
        let head = Gateway.text("POST", "/api/x", Self.json + ["Transfer-Encoding: chunked", "Trailer: X-Sum"])
        try client.send(head + chunks + "0\r\nX-Sum: 1\r\n\r\n" + Gateway.text("POST", "/api/next", Self.json, body: "{\"id\":2}"))
        #expect(try client.response().status == 200)
        #expect(try client.response().status == 200)
        try client.send(Gateway.text("POST", "/api/x", Self.json + ["Content-Length: \(body.utf8.count)"]))
        for start in stride(from: 0, to: body.utf8.count, by: 100_000) {
            pause(0.01)
            try client.send(Array(Array(body.utf8)[start..<min(start + 100_000, body.utf8.count)]))
        }
        #expect(try client.response().status == 200)
        for number in [0, 1, 3] {
            let request = try upstream.request(number)
            #expect(request.text == body, "\(number): \(request.body.count) of \(count)")
            #expect(request["Content-Length"] == "\(count)" && request["Transfer-Encoding"] == nil)
        }
        #expect(try upstream.request(2).text == "{\"id\":2}")
    }

    @Test("a body may be as long as SLUICE_MAX_VALIDATED_BYTES, and not a byte longer, however it comes")
    func longest() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream), environment: ["SLUICE_MAX_VALIDATED_BYTES": "20000"])
        let chunked = { (count: Int) in
            try gateway.request("POST", "/api/x", Self.json + ["Transfer-Encoding: chunked"]) { "\(String(count, radix: 16))\r\n\(Self.body(count))\r\n0\r\n\r\n" }
        }
        #expect(try gateway.request("POST", "/api/x", Self.json, body: Self.body(20_000)).status == 200)
        #expect(try chunked(20_000).status == 200)
        expect(try gateway.request("POST", "/api/x", Self.json, body: Self.body(20_001)), is: .bodyTooLarge)
        expect(try chunked(20_001), is: .bodyTooLarge)
        #expect(upstream.requests.count == 2)
    }

    @Test("bodies for which there is no memory are refused, and memory comes back")
    func memory() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream), environment: ["SLUICE_MAX_HELD_BYTES": "1048576", "SLUICE_WORKERS": "1"], admin: true)
        var held: [RawClient] = []
        for _ in 0..<3 {
            let client = try gateway.client()
            try client.send(Gateway.text("POST", "/api/x", Self.json + ["Content-Length: 900000"]) + String(Self.body(900_000).dropLast()))
            held.append(client)
        }
        pause(0.3)
        let refused = try held[1...].map { try $0.response().status }
        #expect(refused.contains(503))
        func metrics() throws -> String { try gateway.get("/metrics", port: gateway.adminPort).text }
        #expect(try !metrics().contains("\nsluice_held_body_bytes 0\n") && !metrics().contains("\nsluice_held_bodies_refused_total 0\n"))
        held.forEach { $0.close() }
        #expect(try eventually { try metrics().contains("\nsluice_held_body_bytes 0\n") })
        #expect(try eventually { try gateway.request("POST", "/api/x", Self.json, body: Self.body(900_000)).status == 200 })
        // Small ones need none of it.
        #expect(try gateway.request("POST", "/api/x", Self.json, body: "{\"id\":1}").status == 200)
    }

    @Test("a client that waits for 100 is told to send, the service is not asked for it; what is refused by its head alone is refused at once")
    func expectContinue() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream))
        let client = try gateway.client()
        try client.send(Gateway.text("POST", "/api/x", Self.json + ["Expect: 100-continue", "Content-Length: 8"]))
        #expect(try client.response().status == 100)
        try client.send("{\"id\":1}")
        #expect(try client.response().status == 200)
        #expect(try upstream.onlyRequest()["Expect"] == nil)
        let other = try gateway.client()
        try other.send(Gateway.text("POST", "/api/x", ["Content-Type: text/plain", "Expect: 100-continue", "Content-Length: 8"]))
        #expect(try other.response().status == 400)
    }

    @Test("a body that stops coming is 408, and a client that leaves takes its exchange along")
    func slowBodies() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream), environment: ["SLUICE_BODY_TIMEOUT_MS": "300"])
        let client = try gateway.client()
        try client.send(Gateway.text("POST", "/api/x", Self.json + ["Content-Length: 8"]) + "{\"id\"")
        expect(try client.response(), is: .timeout)
        let gone = try gateway.client()
        try gone.send(Gateway.text("POST", "/api/x", Self.json + ["Content-Length: 50000"]) + String(repeating: " ", count: 30_000))
        gone.close()
        let half = try gateway.client()
        try half.send(Gateway.text("POST", "/api/x", Self.json + ["Content-Length: 8"]) + "{\"id\"")
        half.halfClose()
        #expect(try half.response().status == 400)
        #expect(try gateway.request("POST", "/api/x", Self.json, body: "{\"id\":1}").status == 200)
        #expect(upstream.requests.count == 1)
    }

    @Test("over HTTP/2: with and without a length, beyond the windows, wrong ones with their place", arguments: [20, 60_000, 200_000, 1_000_000])
    func http2(count: Int) throws {
        let upstream = try ScriptedUpstream()
        let (gateway, port) = try Gateway.http2 { validating(upstream, top: $0) }
        _ = gateway
        let client = try FrameClient(port: port)
        for fields in [Self.json, Self.json + ["Content-Length: \(count)"]] {
            let stream = try client.request("POST", "/api/x", fields, ends: false)
            try client.upload(stream, [UInt8](Self.body(count).utf8))
            #expect(try client.response(stream).status == 200)
        }
        for number in [0, 1] {
            let request = try upstream.request(number)
            #expect(request.text == Self.body(count) && request["Content-Length"] == "\(count)")
        }
        let wrong = try client.request("POST", "/api/x", Self.json, ends: false)
        try client.upload(wrong, [UInt8]("[1]".utf8))
        #expect(try client.response(wrong).text.contains("/: not an object"))
        let empty = try client.request("POST", "/api/x", Self.json, ends: false)
        try client.data(empty, ends: true)
        #expect(try client.response(empty).text.contains("body missing"))
    }

    @Test("over HTTP/2: padding is none of the body, a reset in the middle frees what was held, a wrong length and a slow client are refused")
    func http2Peers() throws {
        let upstream = try ScriptedUpstream()
        let (gateway, port) = try Gateway.http2(environment: [
            "SLUICE_MAX_HELD_BYTES": "1048576", "SLUICE_WORKERS": "1", "SLUICE_BODY_TIMEOUT_MS": "500",
        ]) { validating(upstream, top: $0) }
        _ = gateway
        let client = try FrameClient(port: port)
        let padded = try client.request("POST", "/api/x", Self.json, ends: false)
        for (index, byte) in "{\"id\":1}".utf8.enumerated() {
            try client.send(Frame(kind: .data, flags: 8, stream: padded, payload: [UInt8(index * 20), byte] + [UInt8](repeating: 0, count: index * 20)))
        }
        try client.send(Frame(kind: .data, flags: 8 | Frame.endStream, stream: padded, payload: [9] + [UInt8](repeating: 0, count: 9)))
        #expect(try client.response(padded).status == 200)
        #expect(try upstream.onlyRequest().text == "{\"id\":1}")
        // Each holds more than half of what may be held.
        for _ in 0..<4 {
            let broken = try client.request("POST", "/api/x", Self.json, ends: false)
            try client.upload(broken, [UInt8](Self.body(700_000).utf8), ends: false)
            try client.reset(broken)
        }
        let whole = try client.request("POST", "/api/x", Self.json, ends: false)
        try client.upload(whole, [UInt8](Self.body(700_000).utf8))
        #expect(try client.response(whole).status == 200)
        #expect(try upstream.request(1).text == Self.body(700_000))
        let slow = try client.request("POST", "/api/x", Self.json, ends: false)
        try client.data(slow, "{")
        #expect(try client.response(slow).status == 408)
        let short = try client.request("POST", "/api/x", Self.json + ["Content-Length: 9"], ends: false)
        try client.data(short, "{\"id\":1}", ends: true)
        try client.wait { client[short].isOver }
        #expect(upstream.requests.count == 2)
    }

    @Test("to a service of HTTP/2: what was judged arrives whole, from both kinds of clients", arguments: [20, 60_000, 200_000, 1_000_000])
    func http2Service(count: Int) throws {
        let service = try HTTP2Service()
        let gateway = try Gateway(configuration(upstream: service.url, [EndpointText("/**", "validate: {body: {schema: \(Self.schema)}}")]))
        let body = Self.body(count)
        #expect(try gateway.request("POST", "/api/x", Self.json, body: body).status == 200)
        let chunked = try gateway.request("POST", "/api/x", Self.json + ["Transfer-Encoding: chunked"]) { "\(String(count, radix: 16))\r\n\(body)\r\n0\r\n\r\n" }
        #expect(chunked.status == 200)
        let (other, port) = try Gateway.http2 { configuration(upstream: service.url, top: $0, [EndpointText("/**", "validate: {body: {schema: \(Self.schema)}}")]) }
        _ = other
        let client = try FrameClient(port: port)
        let stream = try client.request("POST", "/api/x", Self.json, ends: false)
        try client.upload(stream, [UInt8](body.utf8))
        #expect(try client.response(stream).status == 200)
        #expect(service.requests.map(\.text) == [body, body, body])
    }

    @Test("a slow service gets all of a held body, while the client has ended its side, and others are served")
    func slowService() throws {
        let lengths = Mutex<[Int]>([])
        let upstream = try ScriptedUpstream(readsBody: false) { call in
            if call.request.target.hasSuffix("slow") { pause(0.5) }
            try call.readBody()
            let whole = call.request.text == Self.body(call.request.body.count)
            lengths.withLock { $0.append(whole ? call.request.body.count : -1) }
            try call.reply(200)
        }
        let gateway = try Gateway(validating(upstream), environment: ["SLUICE_WORKERS": "1", "SLUICE_BODY_TIMEOUT_MS": "200"])
        let client = try gateway.client()
        try client.send(Gateway.text("PUT", "/api/slow", Self.json, body: Self.body(1_048_576)))
        #expect(try gateway.request("POST", "/api/x", Self.json, body: Self.body(100_000)).status == 200)
        #expect(try client.response().status == 200)
        #expect(lengths.withLock { $0.sorted() } == [100_000, 1_048_576])
    }

    @Test("held bodies go elsewhere if a connection is refused, and again if a kept connection had ended", arguments: [100, 50_000, 900_000])
    func retries(count: Int) throws {
        let upstream = try ScriptedUpstream { call in
            try call.reply(200)
            if call.request.target.hasSuffix("last") { call.close() }
        }
        // One that nobody else gets.
        let port = try Ports.free()
        let text = configuration(upstream: upstream.url, [EndpointText("/**", "validate: {body: {schema: \(Self.schema)}}")])
            .replacingOccurrences(of: upstream.url, with: "[\"http://127.0.0.1:\(port)\", \"\(upstream.url)\"]")
        let gateway = try Gateway(text, environment: ["SLUICE_WORKERS": "1"])
        for target in ["/api/x", "/api/last", "/api/x", "/api/x"] {
            #expect(try gateway.request("PUT", target, Self.json, body: Self.body(count)).status == 200)
        }
        #expect(upstream.requests.map(\.text) == [String](repeating: Self.body(count), count: 4))
    }

    @Test("a body that is being collected is judged by the configuration under which it began, and a drain lets it end")
    func reloadAndDrain() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream))
        let old = try gateway.client()
        try old.send(Gateway.text("POST", "/api/x", Self.json + ["Content-Length: 100000"]) + String(Self.body(100_000).prefix(50_000)))
        try gateway.reload(validating(upstream, "{schema: {type: array}}"))
        #expect(try eventually { try gateway.request("POST", "/api/x", Self.json, body: "[]").status == 200 })
        #expect(try gateway.request("POST", "/api/x", Self.json, body: "{\"id\":1}").status == 400)
        let late = try gateway.client()
        try late.send(Gateway.text("POST", "/api/x", Self.json + ["Content-Length: 100000"]) + "[")
        gateway.process.signal(SIGTERM)
        pause(0.2)
        try old.send(String(Self.body(100_000).dropFirst(50_000)))
        #expect(try old.response().status == 200)
        try late.send(String(repeating: " ", count: 99_998) + "]")
        #expect(try late.response().status == 200)
        #expect(upstream.requests.map(\.body.count) == [2, 100_000, 100_000])
    }

    @Test("chunks: a malformed one, and one behind too long trailers, end the connection with 400 or 431, nothing of it is read as a request")
    func malformedChunks() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream))
        let head = Gateway.text("POST", "/api/x", Self.json + ["Transfer-Encoding: chunked"])
        for (rest, status) in [
            ("8\r\n{\"id\":1}\r\nx\r\n", 400), ("8\r\n{\"id\":1}0\r\n\r\n", 400), ("8\r\n{\"id\":1}\r\n0\r\nA b: c\r\n\r\n", 400),
            ("8\r\n{\"id\":1}\r\n0\r\nA: \(String(repeating: "a", count: 20_000))\r\n\r\n", 431),
        ] {
            let client = try gateway.client()
            try client.send(head + rest + Gateway.text("POST", "/api/next", Self.json, body: "{\"id\":2}"))
            #expect(try client.response().status == status, "\(rest.prefix(30))")
            #expect((try? client.response()) == nil)
        }
        // Byte by byte.
        let client = try gateway.client()
        for byte in (head + "4;x=y\r\n{\"id\r\n4\r\n\":1}\r\n0\r\nA: b\r\n\r\n").utf8 { try client.send([byte]) }
        #expect(try client.response().status == 200)
        #expect(try upstream.onlyRequest().text == "{\"id\":1}")
    }

    @Test("what two readers could read differently is refused: a byte order mark, other encodings, lone surrogates, names that stand twice by an escape", arguments: [
        "\u{FEFF}{\"id\":1}", "{\"id\":1,\"i\\u0064\":2}", "{\"id\":1,\"tags\":[\"\\ud800\"]}", "{\"id\":1}{\"id\":2}", "{\"id\":01}", "{'id':1}", "{\"id\":1,}",
        "{\"id\":1}//", "{\"id\":NaN}", " ",
    ])
    func strictness(body: String) throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream))
        expect(try gateway.request("POST", "/api/x", Self.json, body: body), is: .validation)
        #expect(upstream.requests.isEmpty)
    }

    @Test("a pre-call API is asked about bodies that fit, and the body goes to the service")
    func preCall() throws {
        let api = try ScriptedUpstream()
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream, "{schema: \(Self.schema)}", ", preCall: {url: \"\(api.url)/ask\"}"))
        let body = Self.body(100_000)
        #expect(try gateway.request("POST", "/api/x", Self.json, body: body).status == 200)
        #expect(try gateway.request("POST", "/api/x", Self.json, body: "[]").status == 400)
        #expect(api.requests.count == 1)
        #expect(try upstream.onlyRequest().text == body)
    }

    @Test("a form has its parameters, and is a form")
    func form() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/**", "validate: {form: {required: [name, to]}}")]))
        let type = ["Content-Type: application/x-www-form-urlencoded"]
        #expect(try gateway.request("POST", "/api/x", type, body: "a=1&n%61me=x&to").status == 200)
        #expect(try gateway.request("POST", "/api/x", type, body: "name=1").text.contains("form parameter to missing"))
        #expect(try gateway.request("POST", "/api/x", Self.json, body: "name=1&to=2").text.contains("content type not allowed"))
    }

    @Test("types alone are a matter of the head: the body is not held")
    func typesAlone() throws {
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(validating(upstream, "{contentTypes: [image/*, text/csv], required: false}"))
        #expect(try gateway.request("POST", "/api/x", ["Content-Type: image/png", "Content-Encoding: gzip"], body: "x").status == 200)
        #expect(try gateway.request("POST", "/api/x", ["Content-Type: TEXT/csv;charset=latin1"], body: "x").status == 200)
        #expect(try gateway.request("POST", "/api/x", ["Content-Type: text/html"], body: "x").status == 400)
        #expect(try gateway.get("/api/x").status == 200)
    }

    @Test("explain says that the body would be waited for")
    func explain() throws {
        let folder = try Folder()
        let upstream = try ScriptedUpstream()
        let file = try folder.write("sluice.yaml", validating(upstream))
        let result = try run(["explain", "--config", file, "POST", "http://gateway.test/api/x", "-H", "Content-Type: application/json", "-H", "Content-Length: 8"])
        #expect(result.everything.contains("would wait for the body"), "\(result.everything)")
        for (body, verdict, code) in [("{\"id\":1}", "verdict: proxy POST", 0), ("{\"id\":0.5}", "Bad Request (/id: not an integer)", 3), ("", "Bad Request (body missing)", 3)] {
            let given = try run(["explain", file, "POST", "/api/x", "-H", "Content-Type: application/json", "--body", folder.write("body.json", body)])
            #expect(given.code == code && given.output.contains(verdict), "\(given.everything)")
        }
        let long = try run(
            ["explain", file, "POST", "/api/x", "-H", "Content-Type: application/json", "--body", folder.write("body.json", Self.body(2000))],
            environment: ["SLUICE_MAX_VALIDATED_BYTES": "1024"])
        #expect(long.code == 3 && long.output.contains("verdict: 413 4131000"), "\(long.everything)")
        #expect(try run(["explain", file, "POST", "/api/x", "--body", folder.file("none")]).code == 2)
        #expect(upstream.requests.isEmpty)
    }
}
