import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Mock")
struct MockTests {
    private func answer(_ yaml: String) throws -> Answer {
        let mock = try PolicyFixture(Mock.self, yaml)
        let test = try TestExchange("GET /hello")
        return Answer(try mock.faultless().evaluate(&test.exchange))
    }

    @Test("answers with the configured status, headers and body, and an exact length in bytes")
    func rendersResponse() throws {
        #expect(
            try answer(#"{status: 200, headers: {Content-Type: text/plain, X-A: ""}, body: "grüß"}"#)
                == .respond(
                    status: 200,
                    head: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: \r\nContent-Length: 6\r\n", body: "grüß"))
    }

    @Test("nothing is added to a response without headers and body but its length")
    func rendersEmptyResponse() throws {
        #expect(
            try answer("{status: 599}") == .respond(status: 599, head: "HTTP/1.1 599 \r\nContent-Length: 0\r\n", body: ""))
    }

    @Test("a length is written only where the status has one", arguments: [
        (204, "HTTP/1.1 204 No Content\r\n"), (205, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n"),
        (304, "HTTP/1.1 304 Not Modified\r\n"),
    ] as [(UInt16, String)])
    func statusesWithoutBody(status: UInt16, head: String) throws {
        #expect(try answer("{status: \(status), body: \"\"}") == .respond(status: status, head: head, body: ""))
    }

    @Test("response changes and CORS replace fields of the mock and never its framing")
    func amendedOnce() throws {
        let mock = try PolicyFixture(
            Mock.self, "{status: 200, headers: {Server: x, access-control-allow-origin: '*', X-B: b}, body: hi}")
        let changes = try PolicyFixture(HeaderChanges.self, "{response: {set: {x-b: c}, remove: [server]}}")
        let cors = try PolicyFixture(CORS.self, "{origins: ['https://app.test']}")
        let amended = try mock.faultless().amended(
            by: changes.faultless(), cors: cors.faultless(), into: mock.snapshot.arena)
        #expect(
            Answer(amended.response.pointee)
                == .respond(status: 200, head: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-b: c\r\n", body: "hi"))
        #expect(amended.response.pointee.isAmended)
    }

    @Test("configuration: status 100 to 199 and 600 are out of range", arguments: [99, 100, 199, 600])
    func informationalStatus(status: Int) throws {
        let mock = try PolicyFixture(Mock.self, "{status: \(status)}")
        #expect(mock.configuration == nil)
        #expect(mock.complaints == ["1:10: status: found the integer \(status), allowed an integer from 200 to 599"])
    }

    @Test("configuration: a body where the status has none is reported", arguments: [204, 205, 304])
    func bodyWithoutPlace(status: Int) throws {
        let mock = try PolicyFixture(Mock.self, "{status: \(status), body: x}")
        #expect(mock.complaints == ["1:21: body: found a body for the status \(status), allowed no body with 204, 205 and 304"])
    }

    @Test("configuration: a body of 1 MiB and fields of 16 KiB are taken, one byte more of either is not")
    func sizes() throws {
        func complaints(body: Int, value: Int) throws -> [String] {
            let text = "{status: 200, headers: {A: '\(String(repeating: "v", count: value))'}, body: '\(String(repeating: "b", count: body))'}"
            return try PolicyFixture(Mock.self, text).problems.all.map { "\($0.keyPath): found \($0.found), allowed \($0.allowed)" }
        }
        // A name, a colon, a space and the line's end.
        #expect(try complaints(body: 1_048_576, value: 16_379) == [])
        #expect(try complaints(body: 1_048_577, value: 16_380) == [
            "headers: found field lines of 16385 bytes, allowed at most 16384 bytes",
            "body: found a body of 1048577 bytes, allowed at most 1048576 bytes",
        ])
    }

    @Test("configuration: framing, hop-by-hop and Date are the gateway's", arguments: [
        "Content-Length", "transfer-encoding", "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "date",
    ])
    func reservedFields(name: String) throws {
        let mock = try PolicyFixture(Mock.self, "{status: 200, headers: {\(name): '1'}}")
        #expect(mock.complaints == [
            "1:25: headers.\(name): found the field \"\(name)\", allowed an end-to-end field that the gateway does not write itself (it writes Date and Content-Length)",
        ])
    }

    @Test("configuration: bad names and values are all reported where they stand")
    func badFields() throws {
        let mock = try PolicyFixture(
            Mock.self, "status: 200\nheaders:\n  'X A': a\n  X-B: \"a\\r\\nb\"\n  X-C: ' c'\n  x-b: d\n  X-D: 5\n")
        #expect(mock.configuration == nil)
        #expect(mock.complaints == [
            ##"3:3: headers["X A"]: found "X A", allowed a field name (letters, digits and !#$%&'*+-.^_`|~)"##,
            ##"4:8: headers.X-B: found "a\r\nb", allowed a field value (no control characters, no blanks at its ends)"##,
            ##"5:8: headers.X-C: found " c", allowed a field value (no control characters, no blanks at its ends)"##,
            ##"6:3: headers.x-b: found the field "x-b" a second time, allowed each field once, whatever the case of its letters"##,
            ##"7:8: headers.X-D: found the integer 5, allowed text (in quotes)"##,
        ])
    }

    @Test("configuration: the status is required and unknown keys are reported")
    func shape() throws {
        let mock = try PolicyFixture(Mock.self, "{headers: {}, stattus: 200}")
        #expect(mock.complaints == [
            "1:1: status: found nothing, allowed an integer from 200 to 599 (required)",
            #"1:15: stattus: found the unknown key "stattus" (did you mean status?), allowed status, headers or body"#,
        ])
    }
}
