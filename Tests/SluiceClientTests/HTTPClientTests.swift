import SluiceEvent
import SluiceHTTP
import Testing

@testable import SluiceClient

@Suite("HTTP client of the process")
struct HTTPClientTests {
    private static let answers: [(pieces: [String], status: Int, body: String)] = [
        (["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"], 200, "hello"),
        (["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "he", "llo"], 200, "hello"),
        (["HTTP/1.0 200 OK\r\n\r\nhel", "lo"], 200, "hello"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r", "\n3\r\nllo\r\n0\r\n\r\n"], 200, "hello"),
        (["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], 200, "ok"),
        (["HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\nContent-Length: 2\r\n\r\nno"], 302, "no"),
        (["HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"], 304, ""),
        (["HTTP/1.1 503 Away\r\nContent-Length: 4\r\n\r\nlate"], 503, "late"),
    ]

    @Test("reads every framing, passes interim responses over and follows no redirect", arguments: answers)
    func answer(pieces: [String], status: Int, body: String) throws {
        let response = try TestService.ask(pieces).get()
        #expect(response.status == status && String(decoding: response.body, as: UTF8.self) == body)
    }

    private static let faults: [(pieces: [String], failure: String)] = [
        (["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"], "an answer that ends too soon"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"], "an answer that ends too soon"),
        (["HTTP/1.1 200 OK\r\n"], "an answer that ends too soon"),
        ([], "an answer that ends too soon"),
        (["SSH-2.0-OpenSSH\r\n\r\n"], "an answer that is not HTTP"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], "an answer that is not HTTP"),
        (["HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"], "status 101"),
        (["HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"], "more than 100 bytes"),
        (["HTTP/1.0 200 OK\r\n\r\n", String(repeating: "x", count: 101)], "more than 100 bytes"),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n70\r\n", String(repeating: "x", count: 112)], "more than 100 bytes"),
        (["HTTP/1.1 200 OK\r\nX: ", String(repeating: "x", count: 70_000)], "a head of more than 65536 bytes"),
    ]

    @Test("what is cut, malformed or too large is a failure that says so", arguments: faults)
    func fault(pieces: [String], failure: String) throws {
        #expect(throws: StreamFailure(failure)) { try TestService.ask(pieces, .init("GET"), .init(milliseconds: 600_000, bodyBytes: 100)).get() }
    }

    @Test("a body of exactly the bound passes, and one that nobody wants may be of any length")
    func bounds() throws {
        let most = ["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + String(repeating: "x", count: 100)]
        #expect(try TestService.ask(most, .init("GET"), .init(milliseconds: 600_000, bodyBytes: 100)).get().body.count == 100)
        var request = HTTPRequest("GET")
        request.statusesWithBody = 200...200
        let refused = ["HTTP/1.1 500 Oh\r\nRetry-After: 7\r\nContent-Length: 99999999\r\n\r\nx"]
        let response = try TestService.ask(refused, request, .init(milliseconds: 600_000, bodyBytes: 100)).get()
        #expect(response.status == 500 && response.body.isEmpty && response.values("retry-AFTER") == ["7"])
    }

    @Test("the time is one for all of it, silence has its own, and whoever waits may be told to give up")
    func times() throws {
        let slow = ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"]
        for bounds in [HTTPClient.Bounds(milliseconds: 50), .init(milliseconds: 600_000, silenceMilliseconds: 50)] {
            #expect(throws: StreamFailure("no answer in time")) { try TestService.ask(slow, .init("GET"), bounds, staysSilent: true).get() }
        }
        #expect(throws: StreamFailure.self) { try TestService.ask(slow, staysSilent: true, isEnding: { true }).get() }
    }

    @Test("a field or target with the end of a line in it is not sent")
    func injection() throws {
        for request in [HTTPRequest("GET\r\n"), HTTPRequest("GET", fields: [("X", "a\r\nY: b")]), HTTPRequest("GET", fields: [("X\n", "a")])] {
            #expect(throws: StreamFailure("a request that cannot be sent")) {
                try HTTPClient(.init(milliseconds: 1)).send(request, to: #require(HTTPTarget("http://127.0.0.1:1/")))
            }
        }
    }

    @Test("nobody listens: the failure says so at once")
    func nobody() throws {
        let service = try TestService(["HTTP/1.1 204 No Content\r\n\r\n"])
        let target = try #require(HTTPTarget("http://127.0.0.1:\(service.port)/"))
        #expect(try HTTPClient(.init(milliseconds: 600_000)).send(.init("GET"), to: target).status == 204)
        service.close()
        #expect(throws: StreamFailure("no connection: Connection refused")) { try HTTPClient(.init(milliseconds: 600_000)).send(.init("GET"), to: target) }
    }

    @Test("a name's addresses are tried in turn, and a caller's own look-up is asked")
    func addresses() throws {
        let service = try TestService(["HTTP/1.1 204 No Content\r\n\r\n"])
        defer { service.close() }
        let target = try #require(HTTPTarget("http://idp.test:\(service.port)/"))
        // Nobody listens at the first.
        let name = NameLookUp("idp.test", port: service.port) { host, port in
            .success(host == "idp.test" ? [2, 1].map { SocketAddress(IPAddress(v4: 127, 0, 0, $0), port: port) } : [])
        }
        #expect(try HTTPClient(.init(milliseconds: 600_000)).send(.init("GET"), to: target, name: name).status == 204)
    }

    private static let targets: [(text: String, parts: String?)] = [
        ("http://a.test", "false a.test 80 a.test /"), ("HTTPS://A.test:444/x?y#", nil), ("https://a.test:444/x?y", "true a.test 444 a.test:444 /x?y"),
        ("http://[::1]:8080?q", "false ::1 8080 [::1]:8080 /?q"), ("http://a.test:0/", nil), ("ftp://a.test/", nil), ("a.test/x", nil),
        ("http://user@a.test/", nil), ("http://a.test/ x", nil), ("http:///x", nil),
    ]

    @Test("a target is taken apart", arguments: targets)
    func target(text: String, parts: String?) {
        #expect(HTTPTarget(text).map { "\($0.isSecure) \($0.host) \($0.port) \($0.authority) \($0.target)" } == parts)
    }
}
