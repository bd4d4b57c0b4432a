import SluiceHTTP
import Testing

@Suite struct RequestFieldsTests {
    /// The outcome of a POST with these lines after Host.
    private func outcome(_ lines: String, version: String = "1.1") -> HeadOutcome {
        outcomeOf("POST / HTTP/\(version)\r\nHost: a\r\n\(lines)\r\n")
    }

    private func outcomeOf(_ text: String) -> HeadOutcome { request(text) { outcome, _, _ in outcome } }

    @Test("framing follows Content-Length and Transfer-Encoding", arguments: [
        ("", BodyFraming.none), ("Content-Length: 0\r\n", .length(0)), ("content-length:\t42 \r\n", .length(42)),
        ("Content-Length: 9223372036854775807\r\n", .length(9_223_372_036_854_775_807)), ("Content-Length: 007\r\n", .length(7)),
        ("Content-Length: 000000000000000000000000000000000007\r\n", .length(7)),
        ("Transfer-Encoding: chunked\r\n", .chunked), ("TRANSFER-ENCODING: \tCHUNKED\t\r\n", .chunked),
    ])
    func framing(lines: String, expected: BodyFraming) {
        request("POST / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n") { outcome, head, _ in
            #expect(outcome == .complete)
            #expect(head.framing == expected)
        }
    }

    @Test("anything ambiguous in framing is refused", arguments: [
        ("Content-Length:\r\n", HeadFault.contentLength), ("Content-Length: -1\r\n", .contentLength),
        ("Content-Length: +1\r\n", .contentLength),
        ("Content-Length: 0x1\r\n", .contentLength), ("Content-Length: 1 2\r\n", .contentLength),
        ("Content-Length: 1,1\r\n", .contentLength),
        ("Content-Length: 1, 1\r\n", .contentLength), ("Content-Length: 1a\r\n", .contentLength),
        ("Content-Length: 1.0\r\n", .contentLength),
        ("Content-Length: 9223372036854775808\r\n", .contentLength), ("Content-Length: 18446744073709551616\r\n", .contentLength),
        ("Content-Length: 99999999999999999999999\r\n", .contentLength), ("Content-Length: \u{B2}\r\n", .contentLength),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", .repeatedContentLength),
        ("Content-Length: 1\r\nA: b\r\ncontent-length: 2\r\n", .repeatedContentLength),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", .contentLengthAndTransferEncoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", .contentLengthAndTransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", .repeatedTransferEncoding),
        ("Transfer-Encoding: identity\r\n", .transferEncoding), ("Transfer-Encoding: gzip, chunked\r\n", .transferEncoding),
        ("Transfer-Encoding: chunked, chunked\r\n", .transferEncoding), ("Transfer-Encoding: chunked,\r\n", .transferEncoding),
        ("Transfer-Encoding: chunked;a=b\r\n", .transferEncoding), ("Transfer-Encoding: xchunked\r\n", .transferEncoding),
        ("Transfer-Encoding: \"chunked\"\r\n", .transferEncoding), ("Transfer-Encoding:\r\n", .transferEncoding),
    ])
    func ambiguousFraming(lines: String, expected: HeadFault) {
        #expect(outcome(lines) == .malformed(expected))
    }

    @Test("Transfer-Encoding in HTTP/1.0 is refused, Content-Length is not")
    func framingInHTTP10() {
        #expect(outcome("Transfer-Encoding: chunked\r\n", version: "1.0") == .malformed(.transferEncodingInHTTP10))
        #expect(outcome("Content-Length: 1\r\n", version: "1.0") == .complete)
    }

    @Test("HTTP/1.1 needs exactly one Host, HTTP/1.0 at most one")
    func hostLines() {
        #expect(outcomeOf("GET / HTTP/1.1\r\n\r\n") == .malformed(.missingHost))
        #expect(outcomeOf("GET / HTTP/1.0\r\n\r\n") == .complete)
        #expect(outcomeOf("GET http://a/ HTTP/1.1\r\n\r\n") == .malformed(.missingHost))
        #expect(outcomeOf("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n") == .malformed(.repeatedHost))
        #expect(outcomeOf("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n") == .malformed(.repeatedHost))
        request("GET / HTTP/1.0\r\n\r\n") { _, head, _ in
            #expect(head.host == nil)
            #expect(head.authority.count == 0)
        }
    }

    @Test("a valid Host is taken", arguments: [
        ("a", "a", nil), ("A.example.com", "A.example.com", nil), ("a:", "a", nil), ("a:0", "a", 0), ("a:65535", "a", 65535),
        ("10.0.0.1:80", "10.0.0.1", 80), ("[::1]", "[::1]", nil), ("[2001:db8::1]:443", "[2001:db8::1]", 443),
        ("a_b-c.~", "a_b-c.~", nil),
        ("a%41", "a%41", nil), ("a:00080", "a", 80), ("!$&'()*+;=", "!$&'()*+;=", nil),
    ] as [(String, String, UInt16?)])
    func validHost(value: String, name: String, port: UInt16?) {
        request("GET / HTTP/1.1\r\nHost: \(value)\r\n\r\n") { outcome, head, bytes in
            #expect(outcome == .complete)
            #expect(bytes[head.hostName.range].string == name)
            #expect(head.port == port)
        }
    }

    @Test("a malformed Host is refused", arguments: [
        "", ":80", "a:65536", "a:x", "a:1:2", "a:-1", "a b", "a/b", "a@b", "u:p@a", "a?b", "a#b", "a,b", "a\\b", "[::1", "::1",
        "[]", "[::g]",
        "[::1]x", "[::1]80", "[1.2.3.4]", "[v1.a]", "[fe80::1%25eth0]", "a%", "a%4", "a%4g", "a\"b", "\u{E9}", "a<b>", "a|b",
        "a^b", "a`b", "{a}",
    ])
    func malformedHost(value: String) {
        #expect(outcomeOf("GET / HTTP/1.1\r\nHost: \(value)\r\n\r\n") == .malformed(.host))
    }

    @Test("every byte of a host name is judged by RFC 3986, but for the comma")
    func everyHostByte() {
        let fit = Set("!$&'()*+;=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        for byte in UInt8.min...UInt8.max where byte != 0x3A {
            let isTaken = request(Array("GET / HTTP/1.1\r\nHost: a".utf8) + [byte] + Array("b\r\n\r\n".utf8)) { outcome, _, _ in
                outcome == .complete
            }
            #expect(isTaken == fit.contains(byte), "\(byte)")
        }
    }

    @Test("an authority is read to its own end only")
    func authorityAtTheEndOfItsBytes() {
        withBytes("a%41") {
            #expect(Authority.parse($0)?.hostCount == 4)
            #expect(Authority.parse($0[..<3]) == nil)
            #expect(Authority.parse($0[..<2]) == nil)
            #expect(Authority.parse($0[..<1])?.hostCount == 1)
            #expect(Authority.parse($0[..<0]) == nil)
        }
    }

    @Test("a connection is kept unless it is closed; HTTP/1.0 has to ask", arguments: [
        ("1.1", "", true), ("1.1", "Connection: keep-alive\r\n", true), ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Keep-Alive, CLOSE\r\n", false), ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("1.1", "Connection: a, ,\tclose ,\r\n", false), ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection:\r\n", true),
        ("1.0", "", false), ("1.0", "Connection: Keep-Alive\r\n", true), ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Connection: x\r\nConnection: keep-alive\r\n", true),
    ])
    func keepAlive(version: String, lines: String, expected: Bool) {
        request("GET / HTTP/\(version)\r\nHost: a\r\n\(lines)\r\n") { outcome, head, _ in
            #expect(outcome == .complete)
            #expect(head.keepAlive == expected)
        }
    }

    @Test("a Connection that is no list of tokens is refused", arguments: ["close;", "a b", "\"close\"", "close, @"])
    func malformedConnection(value: String) {
        #expect(outcome("Connection: \(value)\r\n") == .malformed(.connection))
    }

    @Test("an upgrade needs HTTP/1.1, the option and the field", arguments: [
        ("1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
        ("1.1", "Connection: keep-alive, upgrade\r\nUpgrade: a\r\n", true),
        ("1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n", false), ("1.1", "Upgrade: websocket\r\n", false),
        ("1.1", "Connection: Upgrade\r\n", false), ("1.1", "Connection: upgrade\r\nUpgrade:\r\n", false),
        // Requests inside a tunnel of HTTP or TLS would pass no policy.
        ("1.1", "Connection: upgrade\r\nUpgrade: h2c\r\n", false), ("1.1", "Connection: upgrade\r\nUpgrade: websocket, H2\r\n", false),
        ("1.1", "Connection: upgrade\r\nUpgrade: h3, websocket\r\n", false), ("1.1", "Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n", false),
        ("1.1", "Connection: upgrade\r\nUpgrade: TLS/1.3\r\n", false), ("1.1", "Connection: upgrade\r\nUpgrade: a\r\nUpgrade: tls\r\n", false),
        ("1.1", "Connection: upgrade\r\nUpgrade: a b\r\n", false), ("1.1", "Connection: upgrade\r\nUpgrade: h2c2/1\r\n", true),
    ])
    func upgrade(version: String, lines: String, expected: Bool) {
        request("GET / HTTP/\(version)\r\nHost: a\r\n\(lines)\r\n") { outcome, head, _ in
            #expect(outcome == .complete)
            #expect(head.upgrade == expected)
        }
    }

    @Test("100-continue counts in HTTP/1.1 with a body; other expectations are refused there", arguments: [
        ("1.1", "Expect: 100-continue\r\nContent-Length: 1\r\n", HeadOutcome.complete, true),
        ("1.1", "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", .complete, true),
        ("1.1", "Expect: 100-continue\r\n", .complete, false),
        ("1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", .complete, false),
        ("1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", .complete, false), ("1.0", "Expect: x\r\n", .complete, false),
        ("1.1", "Expect: 200-ok\r\n", .malformed(.expectation), false), ("1.1", "Expect:\r\n", .malformed(.expectation), false),
        ("1.1", "Expect: 100-continue\r\nExpect: 100-continue\r\n", .malformed(.expectation), false),
    ])
    func expectation(version: String, lines: String, expected: HeadOutcome, waits: Bool) {
        request("POST / HTTP/\(version)\r\nHost: a\r\n\(lines)\r\n") { outcome, head, _ in
            #expect(outcome == expected)
            if outcome == .complete { #expect(head.expectsContinue == waits) }
        }
    }

    @Test("trailers are taken if a TE line says so", arguments: [
        ("TE: trailers\r\n", true), ("TE: gzip;q=0.5, Trailers\r\n", true), ("TE: gzip\r\nTE: trailers\r\n", true),
        ("TE: gzip\r\n", false),
        ("TE: trailersx\r\n", false), ("", false),
    ])
    func trailers(lines: String, expected: Bool) {
        request("GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n") { _, head, _ in #expect(head.teTrailers == expected) }
    }

    @Test("only options that name unknown fields make nomination worth asking", arguments: [
        ("close", false), ("keep-alive", false), ("Upgrade, TE", false),
        ("Host, content-length, Authorization, X-Forwarded-For", false),
        ("X-Debug", true), ("close, x-debug", true), ("", false),
    ])
    func connectionOptions(value: String, expected: Bool) {
        request("GET / HTTP/1.1\r\nHost: a\r\nConnection: \(value)\r\n\r\n") { _, head, _ in
            #expect(head.hasConnectionOptions == expected)
        }
    }

    @Test("unknown fields can be nominated on any Connection line, known ones never")
    func nominations() {
        let text = "GET / HTTP/1.1\r\nHost: a\r\nConnection: host, x-a\r\nConnection: X-B, authorization\r\nX-A: 1\r\nx-b: 2\r\nX-C: 3\r\n"
            + "Authorization: s\r\n\r\n"
        request(text) { _, head, bytes in
            let nominated = (0..<head.fields.count).filter { head.fields[$0].known == .nominated }
            #expect(nominated.map { bytes[head.fields[$0].name].string } == ["X-A", "x-b"])
            let names = ConnectionOptions.nominated(by: head.fields, in: bytes)
            for (name, isNominated) in [("x-A", true), ("X-b", true), ("x-c", false), ("host", false), ("authorization", false)] {
                withBytes(name.utf8) { #expect(names.contains($0) == isNominated, "\(name)") }
            }
        }
    }

    @Test("exactly the fields of one connection are hop-by-hop")
    func hopByHop() {
        let expected: Set<KnownField> = [
            .connection, .keepAlive, .proxyConnection, .te, .trailer, .transferEncoding, .upgrade, .proxyAuthenticate, .proxyAuthorization,
            .nominated,
        ]
        #expect(Set(KnownField.allCases.filter(HopByHop.isHopByHop)) == expected)
    }

    @Test("no field that the gateway knows may be sent on in trailers")
    func trailerFields() {
        #expect(KnownField.allCases.filter { !HopByHop.isForbiddenInTrailers($0) } == [.other, .unusual])
    }

    @Test("Connection lines have 64 options at most, empty ones not counted, of which 32 may name fields that nobody knows", arguments: [
        (String(repeating: ", \t", count: 5_000), HeadOutcome.complete),
        (String(repeating: "close,", count: 64), .complete), (String(repeating: "close,", count: 65), .malformed(.connection)),
        ((0..<32).map { "x\($0)," }.joined(), .complete), ((0..<33).map { "x\($0)," }.joined(), .malformed(.connection)),
        (String(repeating: "close,,", count: 60) + "\r\nConnection: a,b,c,d,", .complete),
        (String(repeating: "close,,", count: 60) + "\r\nConnection: a,b,c,d,e", .malformed(.connection)),
        ("close\r\nConnection: a b", .malformed(.connection)), ("keep-alive\r\nConnection: " + String(repeating: "close,", count: 64), .malformed(.connection)),
    ])
    func longLists(value: String, expected: HeadOutcome) {
        #expect(outcome("Connection: \(value)\r\n") == expected)
    }

    @Test("a long Upgrade offers nothing, and trailers behind 64 codings are not seen")
    func longOffers() {
        let many = String(repeating: "a,", count: 64)
        for (list, isOffered) in [(String(many.dropLast()), true), (many + "a", false)] {
            request("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: \(list)\r\n\r\n") { _, head, _ in #expect(head.upgrade == isOffered) }
        }
        for (list, isTaken) in [(String(many.dropLast(2)) + "trailers", true), (many + "trailers", false)] {
            request("GET / HTTP/1.1\r\nHost: a\r\nTE: \(list)\r\n\r\n") { _, head, _ in #expect(head.teTrailers == isTaken) }
        }
    }

    @Test("a name with any byte but letters, digits and hyphens is unusual, also if it looks like a known one; X-Forwarded-* is known", arguments: [
        ("X-User", KnownField.other), ("X_User", .unusual), ("X.User", .unusual), ("_", .unusual), ("X-User~", .unusual), ("Transfer_Encoding", .unusual),
        ("X_Forwarded_For", .unusual), ("x-forwarded-abcdefghijklmnop_", .unusual), ("X-Forwarded-Server", .saidByProxies), ("x-forwarded-a", .saidByProxies),
        ("X-FORWARDED-CLIENT-CERT", .xForwardedClientCert), ("client-CERT", .clientCert), ("Client-Cert-Chain", .clientCertChain), ("x-forwarded-client-cerx", .saidByProxies), ("X-Original-URL", .saidByProxies), ("x-rewrite-url", .saidByProxies), ("X-Forwarded-", .other),
        ("X-Forwarded-Port", .xForwardedPort), ("x-forwarded-prefix", .xForwardedPrefix), ("X-Forwarded-For", .xForwardedFor), ("X-Forwarder-Name", .other),
    ])
    func kinds(name: String, expected: KnownField) {
        request("GET / HTTP/1.1\r\nHost: a\r\n\(name): 1\r\n\r\n") { outcome, head, _ in
            #expect(outcome == .complete)
            #expect(head.fields[1].known == expected)
        }
    }
}
