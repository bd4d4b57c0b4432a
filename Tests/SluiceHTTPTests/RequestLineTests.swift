import SluiceHTTP
import Testing

@Suite struct RequestLineTests {
    private static let long = String(repeating: "M", count: 32)

    @Test("a plain request is read into its parts")
    func plainRequest() {
        request("GET /orders/a%20b?x=1?2 HTTP/1.1\r\nHost: api.example.com:8080\r\nX-A: 1\r\n\r\nbody") { outcome, head, bytes in
            #expect(outcome == .complete)
            #expect(head.method == .get)
            #expect(bytes[head.methodRange.range] == "GET")
            #expect(bytes[head.target.range] == "/orders/a%20b?x=1?2")
            #expect(head.form == .origin)
            #expect(head.path(in: bytes) == "/orders/a%20b")
            #expect(head.query(in: bytes)?.string == "x=1?2")
            #expect(head.minorVersion == 1)
            #expect(head.length == bytes.count - 4)
            #expect(head.host == 0)
            #expect(bytes[head.authority.range] == "api.example.com:8080")
            #expect(bytes[head.hostName.range] == "api.example.com")
            #expect(head.port == 8080)
            #expect(head.framing == .none)
            #expect(head.keepAlive)
            #expect(!head.upgrade && !head.expectsContinue && !head.teTrailers && !head.hasConnectionOptions)
            #expect(head.fields.count == 2)
            #expect(bytes[head.fields[1].name] == "X-A")
            #expect(bytes[head.fields[1].value] == "1")
        }
    }

    @Test("every numbered method is recognised, by its exact case only", arguments: [
        ("GET", Method.get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete), ("OPTIONS", .options),
        ("PATCH", .patch), ("TRACE", .trace), ("get", .other), ("PURGE", .other), ("M-SEARCH", .other), (long, .other),
    ])
    func methods(token: String, expected: Method) {
        request("\(token) / HTTP/1.1\r\nHost: a\r\n\r\n") { outcome, head, bytes in
            #expect(outcome == .complete)
            #expect(head.method == expected)
            #expect(bytes[head.methodRange.range].string == token)
        }
    }

    @Test("a malformed request line is refused with its own fault", arguments: [
        (" / HTTP/1.1", HeadFault.method), ("G@T / HTTP/1.1", .method), ("GET\t/ HTTP/1.1", .method), ("GET\r\n", .method),
        ("\u{16}\u{3}\u{1}", .method), ("GET\n", .bareLineFeed), ("\n", .bareLineFeed), ("\rG", .bareCarriageReturn),
        (long + "M / HTTP/1.1", .methodTooLong), ("CONNECT a:443 HTTP/1.1", .connect), ("CONNECT / HTTP/1.1", .connect),
        ("GET  / HTTP/1.1", .emptyTarget), ("GET /a b HTTP/1.1", .spaceInTarget), ("GET /\t HTTP/1.1", .targetCharacter),
        ("GET /\u{0} HTTP/1.1", .targetCharacter), ("GET /\u{1F} HTTP/1.1", .targetCharacter),
        ("GET /\u{7F} HTTP/1.1", .targetCharacter),
        ("GET /#a HTTP/1.1", .targetCharacter), ("GET /?#a HTTP/1.1", .targetCharacter),
        ("GET /\u{E9} HTTP/1.1", .targetCharacter),
        ("GET /\r\n", .missingVersion), ("GET / \r\n", .missingVersion), ("GET /\n", .bareLineFeed),
        ("GET / HTTP/1.2\r\n", .unsupportedVersion), ("GET / HTTP/1.9\r\n", .unsupportedVersion),
        ("GET / HTTP/2.0\r\n", .unsupportedVersion), ("GET / HTTP/0.9\r\n", .unsupportedVersion),
        ("GET / http/1.1\r\n", .unsupportedVersion), ("GET / HTTP/1.10\r\n", .unsupportedVersion),
        ("GET / HTTP/1.1 \r\n", .unsupportedVersion), ("GET / HTTP/1.1\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\r", .bareCarriageReturn),
        ("\r\n\r\nGET / HTTP/1.1", .method),
        ("GET * HTTP/1.1", .targetForm), ("GET a.example HTTP/1.1", .targetForm), ("GET a/b HTTP/1.1", .targetForm),
        ("OPTIONS ** HTTP/1.1", .targetForm), ("GET ftp://a/ HTTP/1.1", .targetForm), ("GET ?a HTTP/1.1", .targetForm),
        ("GET http:/a HTTP/1.1", .targetForm), ("GET http:///p HTTP/1.1", .targetAuthority),
        ("GET http://?a HTTP/1.1", .targetAuthority),
        ("GET http://a:x/ HTTP/1.1", .targetAuthority), ("GET http://u@a/ HTTP/1.1", .userInformation),
        ("GET http://u:p@a/ HTTP/1.1", .userInformation),
    ])
    func malformedLine(line: String, expected: HeadFault) {
        #expect(outcome(ofRequest: line + "\r\nHost: a\r\n\r\n") == .malformed(expected))
    }

    @Test("one empty line before the request is passed over and counted")
    func leadingEmptyLine() {
        request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") { outcome, head, bytes in
            #expect(outcome == .complete)
            #expect(head.length == bytes.count)
            #expect(bytes[head.methodRange.range] == "GET")
        }
    }

    @Test("the asterisk form is taken for OPTIONS")
    func asterisk() {
        request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n") { outcome, head, bytes in
            #expect(outcome == .complete)
            #expect(head.form == .asterisk)
            #expect(head.path(in: bytes) == "*")
        }
    }

    @Test("the absolute form is cut into authority, path and query", arguments: [
        ("http://a.example/p?q", "a.example", "/p", "q", TargetForm.absoluteHTTP),
        ("HTTP://a.example", "a.example", "/", nil, .absoluteHTTP),
        ("https://a.example:443?q", "a.example:443", "/", "q", .absoluteHTTPS),
        ("http://[::1]:80/p?", "[::1]:80", "/p", "", .absoluteHTTP),
    ] as [(String, String, String, String?, TargetForm)])
    func absoluteForm(target: String, authority: String, path: String, query: String?, form: TargetForm) {
        request("GET \(target) HTTP/1.1\r\nHost: \(authority)\r\n\r\n") { outcome, head, bytes in
            #expect(outcome == .complete)
            #expect(head.form == form)
            #expect(bytes[head.authority.range].string == authority)
            #expect(head.path(in: bytes).string == path)
            #expect(head.query(in: bytes)?.string == query)
        }
    }

    @Test("the absolute form's authority must agree with Host, but for case and the scheme's own port", arguments: [
        ("http://a.example/", "A.EXAMPLE", HeadOutcome.complete), ("http://a.example:80/", "a.example", .complete),
        ("http://a.example/", "a.example:80", .complete), ("http://a.example:/", "a.example", .complete),
        ("https://a.example/", "a.example:443", .complete), ("http://a.example:8080/", "a.example:8080", .complete),
        ("http://a.example/", "a.example:443", .malformed(.authorityMismatch)),
        ("https://a.example/", "a.example:80", .malformed(.authorityMismatch)),
        ("http://a.example/", "b.example", .malformed(.authorityMismatch)),
        ("http://a.example/", "a.exampl", .malformed(.authorityMismatch)),
        ("http://a.example:81/", "a.example", .malformed(.authorityMismatch)),
    ])
    func authorityAgainstHost(target: String, host: String, expected: HeadOutcome) {
        #expect(outcome(ofRequest: "GET \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n") == expected)
    }

    @Test("an empty query is told from none")
    func emptyQuery() {
        request("GET /a? HTTP/1.1\r\nHost: a\r\n\r\n") { _, head, bytes in #expect(head.query(in: bytes)?.count == 0) }
        request("GET /a HTTP/1.1\r\nHost: a\r\n\r\n") { _, head, bytes in #expect(head.query(in: bytes) == nil) }
    }
}
