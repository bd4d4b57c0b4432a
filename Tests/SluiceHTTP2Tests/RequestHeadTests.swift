import SluiceHTTP
import Testing
@testable import SluiceHTTP2

/// What becomes of the fields of a request: the text of an HTTP/1.1 head, or a reason (RFC 9113, 8.2 and 8.3).
@Suite struct RequestHeadTests {
    typealias Outcome = BlockReader.Outcome

    /// Reads a request, whole and in pieces, in every form that HPACK has, which must all be the same.
    private func read(_ fields: [(String, String)], limits: HTTP2Limits = HTTP2Limits(), area: Int = 65_536, _ purpose: HeadAssembly.Purpose = .request) -> Outcome {
        let whole = BlockReader(area: area, limits: limits).read(BlockWriter.block(fields), purpose)
        for form in BlockWriter.Form.allCases {
            for huffman in [false, true] {
                let block = BlockWriter.block(fields, form, huffman: huffman)
                for piece in [1, 2, 3, 11, Int.max] {
                    let other = BlockReader(area: area, limits: limits).read(block, purpose, piece: piece)
                    #expect(other == whole, "\(form), Huffman \(huffman), pieces of \(piece)")
                }
            }
        }
        return whole
    }

    private func fault(_ changes: [(String, String)], without: String? = nil) -> HTTP2Reason? {
        read(plainRequest.filter { $0.0 != without } + changes).fault
    }

    @Test("a head is the text of HTTP/1.1, whatever the order of the pseudo-header fields")
    func text() {
        let fields = [("accept", "*/*"), ("x-a", ""), ("te", "trailers"), ("content-length", "12")]
        let text = "POST /a?b HTTP/1.1\r\nHost: a.test:8443\r\naccept: */*\r\nx-a: \r\nte: trailers\r\ncontent-length: 12\r\n\r\n"
        let pseudo = [(":method", "POST"), (":scheme", "https"), (":path", "/a?b"), (":authority", "a.test:8443")]
        for first in 0..<4 {
            for second in 0..<3 {
                for third in 0..<2 {
                    var left = pseudo
                    let order = [left.remove(at: first), left.remove(at: second), left.remove(at: third), left[0]]
                    #expect(read(order + fields) == Outcome(text: text))
                }
            }
        }
        #expect(read(pseudo) == Outcome(text: "POST /a?b HTTP/1.1\r\nHost: a.test:8443\r\n\r\n"))
    }

    @Test("the parser of HTTP/1.1 takes what comes of it, with the same parts")
    func parsed() {
        let reader = BlockReader()
        let outcome = reader.read(BlockWriter.block(plainRequest + [("content-length", "3"), ("cookie", "a=b"), ("cookie", "c=d")]), .request)
        #expect(outcome.fault == nil && reader.assembly.contentLength == 3 && reader.assembly.isHTTPS)
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: 16)
        defer { slots.deallocate() }
        var head = RequestHead(slots: slots, capacity: 16)
        let bytes = ByteView(base: reader.area.base, count: reader.assembly.count)
        #expect(RequestHead.parse(bytes, slots: slots, capacity: 16, into: &head) == .complete)
        #expect(head.method == .get && head.framing == .length(3) && head.length == bytes.count && bytes[head.hostName.range] == "a.test")
        #expect(head.fields.count == 3)
    }

    @Test("long pseudo-header fields come in any order, too, and need no more room than the head")
    func longValues() {
        for size in [1, 900, 1024, 1025, 5000] {
            let path = "/" + String(repeating: "p", count: size)
            let text = "GET \(path) HTTP/1.1\r\nHost: a.test\r\nb: c\r\n\r\n"
            let fields = [(":scheme", "http"), (":authority", "a.test"), (":path", path), (":method", "GET"), ("b", "c")]
            let room = max(HTTP2HeadArea.capacityMin, text.utf8.count)
            #expect(read(fields, area: room) == Outcome(text: text))
            if text.utf8.count > 256 { #expect(read(fields, area: room - 1) == Outcome(fault: .headTooLong)) }
        }
    }

    @Test("pseudo-header fields: each once, first, known, and of a request")
    func pseudoFields() {
        for (name, value) in plainRequest {
            #expect(fault([(name, value)]) == .pseudoField, "\(name) twice")
            #expect(read([("a", "b")] + plainRequest).fault == .missingPseudoField)
            #expect(fault([("a", "b"), (name, value)], without: name) == (name == ":authority" ? .pseudoField : .missingPseudoField))
        }
        for name in [":status", ":", ":x", ":Method", ":PATH", ":methods", ":patH", ":connect"] { #expect(fault([(name, "200")]) == .pseudoField, "\(name)") }
        for name in [":method", ":scheme", ":path"] { #expect(fault([], without: name) == .missingPseudoField) }
        #expect(fault([], without: ":authority") == nil)
        #expect(fault([(":protocol", "websocket")]) == .protocolField)
        #expect(read([(":method", "CONNECT"), (":authority", "a.test:443")]).fault == .connect)
        #expect(read([(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/"), (":authority", "a.test")]).fault == .protocolField)
    }

    @Test("values of pseudo-header fields that could be read as more than one thing", arguments: [
        (":method", "", HTTP2Reason.method), (":method", "GET ", .method), (":method", "GE T", .method), (":method", "GET / HTTP/1.1\r\nA: b", .method), (":method", "G:T", .method),
        (":scheme", "", .scheme), (":scheme", "HTTPS", .scheme), (":scheme", "ftp", .scheme), (":scheme", "https://a.test/", .scheme), (":scheme", "http ", .scheme),
        (":path", "", .path), (":path", "a", .path), (":path", "*", .path), (":path", "/a b", .path), (":path", "/ HTTP/1.1\r\nA: b\r\n\r\n", .path), (":path", "/\0", .path),
        (":path", "http://a.test/", .path), (":path", "/\u{7F}", .path), (":path", "/\t", .path), (":path", " /", .path),
        (":authority", "", .authority), (":authority", "a.test, b.test", .authority), (":authority", "a,b", .authority), (":authority", "u@a.test", .authority), (":authority", "a.test/", .authority),
        (":authority", "a.test\r\nA: b", .authority), (":authority", "a b", .authority), (":authority", "a?b", .authority), (":authority", "a#b", .authority), (":authority", "a\\b", .authority),
    ])
    func pseudoValues(name: String, value: String, reason: HTTP2Reason) {
        #expect(read(plainRequest.map { $0.0 == name ? (name, value) : $0 }) == Outcome(fault: reason))
        #expect(read(plainRequest.map { $0.0 == name ? (name, value) : $0 } + [("a", "b")]) == Outcome(fault: reason))
    }

    @Test("the asterisk is for OPTIONS")
    func asterisk() {
        #expect(read([(":method", "OPTIONS"), (":scheme", "https"), (":path", "*"), (":authority", "a.test")]) == Outcome(text: "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n"))
    }

    @Test("names are tokens in lower case", arguments: ["", "A", "x-A", "a b", "a:b", "a\r\nb", "a\0", "a\u{E9}", "a ", " a", "a,b", "a\"", "\u{7F}", "transfer-encoding: chunked\r\nx"])
    func names(name: String) {
        #expect(fault([(name, "b")]) == .fieldName)
        #expect(read([(name, "b")], .trailers).fault == .fieldName)
    }

    @Test("values hold no control characters, and no blank at an end", arguments: ["\0", "\r", "\n", "a\r\nb: c", "a\0b", " a", "a ", "\ta", "a\t", "\u{1}", "a\u{7F}", " ", "\t"])
    func values(value: String) {
        for name in ["a", "cookie", "host", "content-length", "te", "user-agent"] { #expect(fault([(name, value)]) == .fieldValue, "\(name)") }
        #expect(read([("a", value)], .trailers).fault == .fieldValue)
    }

    @Test("blanks and bytes beyond ASCII within a value may be")
    func freeValues() {
        #expect(read(plainRequest + [("a", "b c\td"), ("e", "\u{E9}")]) == Outcome(text: "GET / HTTP/1.1\r\nHost: a.test\r\na: b c\td\r\ne: \u{E9}\r\n\r\n"))
    }

    @Test("a field from the table is looked at as often as it is sent")
    func fromTable() {
        let reader = BlockReader()
        for (name, value, reason) in [("a", "b\0", HTTP2Reason.fieldValue), ("B", "c", .fieldName), ("connection", "close", .connectionField), ("te", "gzip", .connectionField), ("host", "b.test", .hostMismatch), ("content-length", "x", .contentLength)] {
            #expect(reader.read(BlockWriter.block(plainRequest) + BlockWriter.field(name, value, .indexing), .request).fault == reason)
            #expect(reader.read(BlockWriter.block(plainRequest) + [0xBE], .request).fault == reason)
            // Its name with another value.
            let other = reader.read(BlockWriter.block(plainRequest) + [0x0F, 0x2F, 0x01, 0x31], .request)
            #expect(name == "a" ? other.text.hasSuffix("\r\na: 1\r\n\r\n") : name == "content-length" ? other.fault == nil : other.fault == reason)
        }
    }

    @Test("fields of a connection of HTTP/1 are malformed; TE may say trailers", arguments: ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"])
    func connectionFields(name: String) {
        for value in ["", "chunked", "close", "h2c", "trailers"] { #expect(fault([(name, value)]) == .connectionField) }
        for value in ["gzip", "trailers, gzip", "gzip, trailers", "trailers;q=1", ""] { #expect(fault([("te", value)]) == .connectionField) }
        #expect(fault([("te", "trailers")]) == nil)
        #expect(fault([("te", "Trailers")]) == nil)
    }

    @Test("Host must agree with :authority, and is not said twice")
    func host() {
        let text = "GET / HTTP/1.1\r\nHost: a.test\r\nb: c\r\n\r\n"
        #expect(read(plainRequest + [("host", "a.test"), ("b", "c")]) == Outcome(text: text))
        #expect(read(plainRequest + [("b", "c"), ("host", "A.TEST"), ("host", "a.test")]) == Outcome(text: text))
        for value in ["b.test", "a.test:443", "a.test.", "", "a.test, b.test"] { #expect(fault([("host", value)]) == .hostMismatch, "\(value)") }
        #expect(read([(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a.test")]) == Outcome(text: "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"))
    }

    @Test("Content-Length is a number, and the same one if it comes twice", arguments: ["", "a", "-1", "+1", "1,1", "1 1", "0x1", "9223372036854775808", "99999999999999999999999"])
    func contentLength(value: String) {
        #expect(fault([("content-length", value)]) == .contentLength)
        #expect(fault([("content-length", "1"), ("content-length", "2")]) == .contentLength)
        #expect(fault([("content-length", "1"), ("content-length", "01")]) == nil)
        #expect(fault([("content-length", "9223372036854775807")]) == nil)
    }

    @Test("cookie crumbs become one line, wherever they stand")
    func crumbs() {
        let pseudo = Array(plainRequest)
        #expect(read(pseudo + [("cookie", "a=b"), ("cookie", "c"), ("cookie", ""), ("cookie", "d"), ("cookie", ""), ("x", "y")]).text.hasSuffix("\r\ncookie: a=b; c; d\r\nx: y\r\n\r\n"), "an empty one is nothing")
        #expect(read(pseudo + [("cookie", ""), ("x", "y"), ("cookie", ""), ("cookie", "a")]).text.hasSuffix("a.test\r\nx: y\r\ncookie: a\r\n\r\n"))
        #expect(read(pseudo + [("cookie", "a"), ("x", "y"), ("cookie", "b"), ("cookie", "c"), ("z", "w"), ("cookie", "d")]).text.hasSuffix("a.test\r\nx: y\r\nz: w\r\ncookie: a; b; c; d\r\n\r\n"))
        #expect(read(pseudo + [("x", "y"), ("cookie", "a"), ("cookies", "b"), ("cookie", "c")]).text.hasSuffix("a.test\r\nx: y\r\ncookies: b\r\ncookie: a; c\r\n\r\n"))
        #expect(read([("cookie", "a"), ("cookie", "b")], .trailers) == Outcome(text: "cookie: a\r\ncookie: b\r\n\r\n"))
    }

    @Test("crumbs have a limit of their own and are one field together; bytes count fully")
    func crumbLimits() {
        var limits = HTTP2Limits()
        limits.crumbs = 5
        limits.fields = 2
        let five = (0..<5).map { ("cookie", "\($0)") }
        #expect(read(plainRequest + five + [("a", "b")], limits: limits).fault == nil)
        #expect(read(plainRequest + five + [("a", "b"), ("c", "d")], limits: limits).fault == .tooManyFields)
        #expect(read(plainRequest + five + [("cookie", "5")], limits: limits).fault == .tooManyCrumbs)
        let text = read(plainRequest + five, limits: limits).text
        limits.headBytes = 256
        // A crumb is a line of its own, with its name, until it is joined.
        let long = String(repeating: "v", count: 256 - text.utf8.count - "cookie: ".utf8.count + 1)
        #expect(read(plainRequest + five.dropLast() + [("cookie", "4; " + long)], limits: limits).fault == .headTooLong)
        #expect(read(plainRequest + five.dropLast() + [("cookie", "4; " + long.dropLast())], limits: limits).fault == nil)
    }

    @Test("fields have a limit, empty names and values included")
    func fieldLimit() {
        var limits = HTTP2Limits()
        limits.fields = 3
        let fields = [("a", ""), ("b", ""), ("content-length", "0"), ("d", "")]
        #expect(read(plainRequest + fields.dropLast(), limits: limits).fault == nil)
        #expect(read(plainRequest + fields, limits: limits).fault == .tooManyFields)
        #expect(read(Array(fields[..<3]), limits: limits, .trailers).fault == nil)
        #expect(read(fields, limits: limits, .trailers).fault == .tooManyFields)
    }

    @Test("trailers have no pseudo-header fields")
    func trailers() {
        #expect(read([("a", "b"), ("grpc-status", "0")], .trailers) == Outcome(text: "a: b\r\ngrpc-status: 0\r\n\r\n"))
        #expect(read([], .trailers) == Outcome(text: "\r\n"))
        for (name, value) in plainRequest + [(":status", "200"), (":x", "")] { #expect(read([(name, value)], .trailers).fault == .pseudoField) }
        #expect(read([("connection", "close")], .trailers).fault == .connectionField)
    }

    @Test("a response has a status and no other pseudo-header field")
    func response() {
        #expect(read([(":status", "204"), ("a", "b")], .response) == Outcome(text: "HTTP/1.1 204 \r\na: b\r\n\r\n"))
        #expect(read([(":status", "103")], .response) == Outcome(text: "HTTP/1.1 103 \r\n\r\n"))
        for value in ["", "99", "600", "2000", "20", "20x", "101", " 200", "200 OK", "+20"] { #expect(read([(":status", value)], .response).fault == .status, "\(value)") }
        #expect(read([], .response).fault == .missingPseudoField)
        #expect(read([("a", "b")], .response).fault == .missingPseudoField)
        #expect(read([(":status", "200"), (":status", "200")], .response).fault == .pseudoField)
        #expect(read([(":path", "/"), (":status", "200")], .response).fault == .pseudoField)
        #expect(read([(":status", "200"), ("connection", "close")], .response).fault == .connectionField)
    }
}
