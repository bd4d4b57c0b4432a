import SluiceHTTP
import Testing

@Suite struct ResponseHeadTests {
    @Test("a plain response is read into its parts")
    func plainResponse() {
        response("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nConnection: x-a\r\n\r\nabc") { outcome, head, bytes in
            #expect(outcome == .complete)
            #expect(head.status == 404)
            #expect(head.minorVersion == 1)
            #expect(bytes[head.reason.range] == "Not Found")
            #expect(head.framing == .length(3))
            #expect(head.length == bytes.count - 3)
            #expect(head.keepAlive && !head.upgrade && head.hasConnectionOptions)
            #expect(head.fields.count == 2)
        }
    }

    @Test("a reason may be empty or missing, or hold tabs and bytes beyond ASCII", arguments: [
        ("HTTP/1.1 200 ", ""), ("HTTP/1.1 200", ""), ("HTTP/1.0 200 a\tb \u{E9}", "a\tb \u{E9}"), ("HTTP/1.1 200  OK", " OK"),
    ])
    func reasons(line: String, expected: String) {
        response("\(line)\r\n\r\n") { outcome, head, bytes in
            #expect(outcome == .complete)
            #expect(head.status == 200)
            #expect(bytes[head.reason.range].string == expected)
        }
    }

    @Test("a malformed status line is refused", arguments: [
        ("\r\nHTTP/1.1 200 OK\r\n", HeadFault.statusLine), ("http/1.1 200 OK\r\n", .statusLine), ("ICY 200 OK\r\n", .statusLine),
        ("HTTP/1.1  200 OK\r\n", .status), ("HTTP/1.1\t200 OK\r\n", .statusLine), ("HTTP/1.2 200 OK\r\n", .unsupportedVersion),
        ("HTTP/2.0 200 OK\r\n", .unsupportedVersion), ("HTTP/1.1 099 OK\r\n", .status), ("HTTP/1.1 600 OK\r\n", .status),
        ("HTTP/1.1 2000 OK\r\n", .status), ("HTTP/1.1 20 OK\r\n", .status), ("HTTP/1.1 2x0 OK\r\n", .status),
        ("HTTP/1.1 200\tOK\r\n", .status),
        ("HTTP/1.1 200 O\u{0}K\r\n", .statusLine), ("HTTP/1.1 200 O\u{7F}K\r\n", .statusLine),
        ("HTTP/1.1 200 OK\n", .bareLineFeed),
        ("HTTP/1.1 200\n\r\n", .bareLineFeed), ("HTTP/1.1 200 OK\rX", .bareCarriageReturn),
    ])
    func malformedLine(line: String, expected: HeadFault) {
        response(line + "\r\n") { outcome, _, _ in #expect(outcome == .malformed(expected)) }
    }

    @Test("the first and the last status are taken", arguments: [("100", 100), ("599", 599)] as [(String, UInt16)])
    func statusBounds(text: String, expected: UInt16) {
        response("HTTP/1.1 \(text) X\r\n\r\n") { outcome, head, _ in
            #expect(outcome == .complete)
            #expect(head.status == expected)
        }
    }

    @Test("framing follows status, request and fields", arguments: [
        (200, false, "", BodyFraming.untilClose), (200, false, "Content-Length: 0\r\n", .length(0)),
        (200, false, "Transfer-Encoding: chunked\r\n", .chunked), (200, true, "", .none),
        (200, true, "Content-Length: 9\r\n", .none),
        (200, true, "Transfer-Encoding: chunked\r\n", .none), (304, false, "Content-Length: 9\r\n", .none),
        (304, false, "", .none),
        (304, false, "Transfer-Encoding: chunked\r\n", .none), (204, false, "", .none),
        (204, false, "Content-Length: 0\r\n", .none),
        (100, false, "", .none), (103, false, "Link: a\r\n", .none), (101, false, "", .none),
        (205, false, "Content-Length: 0\r\n", .length(0)),
        (404, false, "", .untilClose),
    ])
    func framing(status: Int, requestWasHead: Bool, lines: String, expected: BodyFraming) {
        response("HTTP/1.1 \(status) X\r\n\(lines)\r\n", requestWasHead: requestWasHead) { outcome, head, _ in
            #expect(outcome == .complete)
            #expect(head.framing == expected)
        }
    }

    @Test("faulty framing is refused, also where no body follows", arguments: [
        ("1.1", 200, "Content-Length: 1\r\nContent-Length: 1\r\n", HeadFault.repeatedContentLength),
        ("1.1", 200, "Content-Length: 1, 1\r\n", .contentLength),
        ("1.1", 200, "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", .contentLengthAndTransferEncoding),
        ("1.1", 200, "Transfer-Encoding: gzip, chunked\r\n", .transferEncoding),
        ("1.1", 200, "Transfer-Encoding: identity\r\n", .transferEncoding),
        ("1.0", 200, "Transfer-Encoding: chunked\r\n", .transferEncodingInHTTP10),
        ("1.1", 100, "Content-Length: 0\r\n", .bodyForbidden),
        ("1.1", 101, "Transfer-Encoding: chunked\r\n", .bodyForbidden), ("1.1", 103, "Content-Length: x\r\n", .contentLength),
        ("1.1", 200, "Connection: a b\r\n", .connection),
    ])
    func faultyFraming(version: String, status: Int, lines: String, expected: HeadFault) {
        for requestWasHead in [false, true] {
            response("HTTP/\(version) \(status) X\r\n\(lines)\r\n", requestWasHead: requestWasHead) { outcome, _, _ in
                #expect(outcome == .malformed(expected))
            }
        }
    }

    @Test("204 and 304 end with their head, whatever their fields say; if those say what cannot be, the connection is not used again", arguments: [
        (204, "", false), (204, "Content-Length: 0\r\n", false), (204, "Content-Length: 1\r\n", true), (204, "Content-Length: x\r\n", true),
        (204, "Content-Length: 0\r\nContent-Length: 0\r\n", true), (204, "Transfer-Encoding: chunked\r\n", true),
        (204, "Transfer-Encoding: gzip\r\n", true), (304, "", false), (304, "Content-Length: 9\r\n", false),
        (304, "Transfer-Encoding: chunked\r\n", false), (304, "Content-Length: x\r\n", true),
        (304, "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", true), (304, "Content-Length: 1\r\nContent-Length: 2\r\n", true),
    ] as [(Int, String, Bool)])
    func endsWithHead(status: Int, lines: String, isVain: Bool) {
        for requestWasHead in [false, true] {
            response("HTTP/1.1 \(status) X\r\n\(lines)\r\n", requestWasHead: requestWasHead) { outcome, head, _ in
                #expect(outcome == .complete)
                #expect(head.framing == .none)
                #expect(head.hasVainFraming == isVain)
                #expect(head.keepAlive == !isVain)
            }
        }
    }

    @Test("a connection can be reused if the body's end is known and nobody closes", arguments: [
        ("1.1", "Content-Length: 1\r\n", true), ("1.1", "", false), ("1.1", "Content-Length: 1\r\nConnection: close\r\n", false),
        ("1.0", "Content-Length: 1\r\n", false), ("1.0", "Content-Length: 1\r\nConnection: keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive\r\n", false),
    ])
    func keepAlive(version: String, lines: String, expected: Bool) {
        response("HTTP/\(version) 200 OK\r\n\(lines)\r\n") { _, head, _ in #expect(head.keepAlive == expected) }
    }

    @Test("101 leaves HTTP, 100 does not")
    func upgrade() {
        response("HTTP/1.1 101 X\r\nUpgrade: a\r\n\r\n") { _, head, _ in
            #expect(head.upgrade)
            #expect(!head.keepAlive)
        }
        response("HTTP/1.1 100 X\r\n\r\n") { _, head, _ in
            #expect(!head.upgrade)
            #expect(head.keepAlive)
        }
    }
}
