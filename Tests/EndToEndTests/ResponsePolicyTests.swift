import Foundation
import Testing

/// What an endpoint removes or sets in responses, and what the domain's CORS policy answers itself, holds for every head that a
/// client gets and for the trailers behind the body.
@Suite("Policies of responses", .loopback, .minutes(5))
struct ResponsePolicyTests {
    private static let changes = "headers: {response: {remove: [Server, X-Internal], set: {X-Frame-Options: DENY}}}"
    private static let cors = "cors: {origins: [\"https://app.test\"], expose: [X-Two]}"
    /// What no response may bring, and one field that it may.
    private static let foreign = """
        Server: origin/1.0\r\nX-Internal: 10.0.0.7\r\nX-Frame-Options: ALLOWALL\r\naccess-control-allow-origin: *\r\n\
        Access-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-Internal\r\nX-Kept: k\r\n
        """

    private func gateway(_ upstream: ScriptedUpstream, _ policies: String = Self.changes) throws -> Gateway {
        try Gateway(configuration(upstream: upstream.url, policies: Self.cors, [EndpointText("/**", policies)]))
    }

    private func expectPolicies(_ fields: MessageReader.Fields, _ sourceLocation: SourceLocation = #_sourceLocation) {
        let place: SourceLocation = sourceLocation
        #expect(fields["Server"] == nil && fields["X-Internal"] == nil, "removed fields", sourceLocation: place)
        #expect(!fields.values("X-Frame-Options").contains("ALLOWALL"), "a field that is set", sourceLocation: place)
        #expect(!fields.values("Access-Control-Allow-Origin").contains("*"), "foreign CORS", sourceLocation: place)
        #expect(fields["Access-Control-Allow-Credentials"] == nil, "foreign CORS", sourceLocation: place)
        #expect(!fields.values("Access-Control-Expose-Headers").contains("X-Internal"), "foreign CORS", sourceLocation: place)
        #expect(fields.values("X-Kept") == ["k"], sourceLocation: place)
    }

    @Test("interim responses: what is removed or set does not pass, nor do foreign CORS fields; nothing is added")
    func interim() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 103 Early Hints\r\n\(Self.foreign)Link: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\(Self.foreign)\r\n")
            try call.send("HTTP/1.1 200 OK\r\n\(Self.foreign)Content-Length: 2\r\n\r\nok")
        }
        let client = try gateway(upstream).client()
        try client.send(Gateway.text("GET", "/api/x", ["Origin: https://app.test"]))
        for status in [103, 100] {
            let response = try client.response()
            #expect(response.status == status)
            expectPolicies(response.fields)
            #expect(response["X-Frame-Options"] == nil && response["Access-Control-Allow-Origin"] == nil && response["Vary"] == nil)
            #expect((response["Link"] == "</a.css>") == (status == 103))
        }
        let final = try client.response()
        expectPolicies(final.fields)
        #expect(final["X-Frame-Options"] == "DENY" && final["Access-Control-Allow-Origin"] == "https://app.test")
    }

    @Test("101: what is removed or set, and the domain's own CORS fields, as in any final head")
    func upgrade() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\(Self.foreign)\r\nfirst")
            _ = try call.some()
            call.close()
        }
        let client = try gateway(upstream).client()
        let response = try client.exchange(
            Gateway.text("GET", "/api/ws", ["Connection: Upgrade", "Upgrade: echo", "Origin: https://app.test"]))
        #expect(response.status == 101 && response["Upgrade"] == "echo" && response.values("Connection") == ["upgrade"])
        expectPolicies(response.fields)
        #expect(response["X-Frame-Options"] == "DENY" && response["Access-Control-Allow-Origin"] == "https://app.test")
        #expect(try client.bytes(5) == [UInt8]("first".utf8))
    }

    @Test("trailers: what is removed or set does not pass, nor do foreign CORS fields; nothing is added")
    func trailers() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\(Self.foreign)\r\n")
        }
        let client = try gateway(upstream).client()
        let response = try client.exchange(Gateway.text("GET", "/api/x", ["Origin: https://app.test"]))
        #expect(response.text == "ok")
        expectPolicies(response.trailers)
        #expect(response.trailers["X-Frame-Options"] == nil && response.trailers["Access-Control-Allow-Origin"] == nil)
    }

    @Test("a pre-call API's answer: the domain's CORS rules hold, trailers included; the endpoint's changes are for its service")
    func preCall() throws {
        let api = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\(Self.foreign)\r\n2\r\nno\r\n0\r\n\(Self.foreign)\r\n")
        }
        let service = try ScriptedUpstream()
        let client = try gateway(service, "\(Self.changes), preCall: {url: \"\(api.url)/ask\"}").client()
        let response = try client.exchange(Gateway.text("GET", "/api/x", ["Origin: https://app.test"]))
        #expect(response.status == 403 && response.text == "no" && response["X-Internal"] == "10.0.0.7")
        #expect(response.values("Access-Control-Allow-Origin") == ["https://app.test"])
        #expect(response["Access-Control-Allow-Credentials"] == nil)
        #expect(response.trailers["Access-Control-Allow-Origin"] == nil && response.trailers["X-Kept"] == "k")
        #expect(service.requests.isEmpty)
    }

    @Test("426 says to what: Upgrade, which belongs to the connection, is in it, and Connection names it", arguments: [false, true])
    func upgradeRequired(closes: Bool) throws {
        let upstream = try ScriptedUpstream { try $0.reply(426, ["Upgrade: TLS/1.0", "Upgrade: HTTP/1.1", "Connection: Upgrade, X-Hop", "X-Hop: 1"], body: "no") }
        let client = try gateway(upstream).client()
        let response = try client.exchange(Gateway.text("GET", "/api/x", closes ? ["Connection: close"] : []))
        #expect(response.status == 426 && response.text == "no")
        #expect(response.values("Upgrade") == ["TLS/1.0", "HTTP/1.1"] && response["X-Hop"] == nil)
        #expect(response.values("Connection") == [closes ? "upgrade, close" : "upgrade"])
        if !closes { #expect(try client.exchange(Gateway.text("GET", "/api/x")).status == 426) }
    }

    @Test("an offer of another protocol in other responses is the connection's, and not passed on")
    func upgradeOffered() throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, ["Upgrade: h2,h2c", "Connection: Upgrade"], body: "ok") }
        let response = try gateway(upstream).get("/api/x")
        #expect(response.text == "ok" && response["Upgrade"] == nil && response["Connection"] == nil)
    }
}
