import SluiceHTTP
import Testing

@Suite struct FieldLineTests {
    @Test("a malformed field line is refused with its own fault", arguments: [
        ("A: b\n", HeadFault.bareLineFeed), ("A\n", .bareLineFeed), ("\n", .bareLineFeed), ("A: b\rc\r\n", .bareCarriageReturn),
        ("\rX", .bareCarriageReturn), (" folded\r\n", .obsoleteFolding), ("A: b\r\n folded\r\n", .obsoleteFolding),
        ("A: b\r\n\tfolded\r\n", .obsoleteFolding), ("A : b\r\n", .spaceBeforeColon), ("A\t: b\r\n", .spaceBeforeColon),
        ("A b: c\r\n", .spaceBeforeColon), (": b\r\n", .emptyFieldName), ("A@: b\r\n", .fieldName), ("A\r\n", .fieldName),
        ("\u{0}: b\r\n", .fieldName), ("(A): b\r\n", .fieldName), ("\u{E9}: b\r\n", .fieldName),
        ("A: \u{0}\r\n", .fieldValueControl), ("A: 12345678\u{1F}\r\n", .fieldValueControl),
        ("A: \u{7F}\r\n", .fieldValueControl),
        ("A: \u{B}\r\n", .fieldValueControl),
    ])
    func malformed(lines: String, expected: HeadFault) {
        #expect(outcome(ofRequest: "GET / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n") == .malformed(expected))
        response("HTTP/1.1 200 OK\r\n" + lines + "\r\n") { outcome, _, _ in #expect(outcome == .malformed(expected)) }
    }

    @Test("blanks around a value are no part of it, tabs and bytes beyond ASCII within it are", arguments: [
        ("A:b", "b"), ("A: \t b \t", "b"), ("A:", ""), ("A: \t", ""), ("A: b\tc d", "b\tc d"),
        ("A: \u{E9}\u{80}", "\u{E9}\u{80}"),
        ("A: ~ !", "~ !"), ("A: b:c", "b:c"),
    ])
    func values(line: String, expected: String) {
        request("GET / HTTP/1.1\r\nHost: a\r\n\(line)\r\n\r\n") { outcome, head, bytes in
            #expect(outcome == .complete)
            #expect(bytes[head.fields[1].value].string == expected)
        }
    }

    @Test("every byte is judged alike at every position of a name and of a value")
    func everyByteEverywhere() {
        let tokens = Set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        for byte in UInt8.min...UInt8.max {
            for position in 0..<18 {
                var text = [UInt8](repeating: 0x61, count: 18)
                text[position] = byte
                let start = Array("GET / HTTP/1.1\r\nHost: a\r\n".utf8)
                let name = request(start + text + Array(": v\r\n\r\n".utf8)) { outcome, head, _ in
                    outcome == .complete && head.fields[1].name.count == 18
                }
                #expect(name == tokens.contains(byte), "byte \(byte) at \(position) of a name")
                let value = request(start + Array("N:".utf8) + text + Array("\r\n\r\n".utf8)) { outcome, _, _ in outcome == .complete }
                #expect(value == (byte == 9 || byte >= 0x20 && byte != 0x7F), "byte \(byte) at \(position) of a value")
                let target = request(Array("GET /".utf8) + text + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8)) { outcome, _, _ in
                    outcome == .complete
                }
                #expect(target == (byte > 0x20 && byte < 0x7F && byte != 0x23), "byte \(byte) at \(position) of a target")
            }
        }
    }

    @Test("as many lines as there are slots are taken, one more is not")
    func capacity() {
        let text = "GET / HTTP/1.1\r\nHost: a\r\nB: 1\r\nC: 2\r\n\r\n"
        request(text, capacity: 3) { outcome, head, _ in
            #expect(outcome == .complete)
            #expect(head.fields.count == 3)
        }
        request(text, capacity: 2) { outcome, _, _ in #expect(outcome == .malformed(.tooManyFields)) }
    }

    @Test("a name of 65,535 bytes is taken, a longer one is not")
    func nameLength() {
        let name = String(repeating: "a", count: 65535)
        request("GET / HTTP/1.1\r\nHost: a\r\n\(name): v\r\n\r\n") { outcome, head, _ in
            #expect(outcome == .complete)
            #expect(head.fields[1].name.count == 65535)
        }
        #expect(outcome(ofRequest: "GET / HTTP/1.1\r\nHost: a\r\n\(name)a: v\r\n\r\n") == .malformed(.fieldNameTooLong))
    }

    static let names: [(String, KnownField)] = [
        ("Host", .host), ("Content-Length", .contentLength), ("Transfer-Encoding", .transferEncoding),
        ("Connection", .connection),
        ("Keep-Alive", .keepAlive), ("Proxy-Connection", .proxyConnection), ("TE", .te), ("Trailer", .trailer),
        ("Upgrade", .upgrade),
        ("Expect", .expect), ("Authorization", .authorization), ("Origin", .origin),
        ("Access-Control-Request-Method", .accessControlRequestMethod),
        ("Access-Control-Request-Headers", .accessControlRequestHeaders), ("X-Forwarded-For", .xForwardedFor),
        ("X-Forwarded-Proto", .xForwardedProto), ("X-Forwarded-Host", .xForwardedHost), ("X-Request-Id", .xRequestID),
        ("traceparent", .traceparent), ("tracestate", .tracestate), ("Via", .via), ("X-TC-Timestamp", .xTCTimestamp),
        ("X-NHN-Date", .xNHNDate), ("Content-Type", .contentType), ("Date", .date), ("Server", .server),
        ("Retry-After", .retryAfter),
        ("Proxy-Authenticate", .proxyAuthenticate), ("Proxy-Authorization", .proxyAuthorization), ("Forwarded", .forwarded),
        ("X-Real-IP", .xRealIP), ("X-Forwarded-Port", .xForwardedPort), ("X-Forwarded-Prefix", .xForwardedPrefix),
        ("X-Original-URL", .saidByProxies), ("X-Rewrite-URL", .saidByProxies),
        ("X-Forwarded-Client-Cert", .xForwardedClientCert), ("Client-Cert", .clientCert), ("Client-Cert-Chain", .clientCertChain),
    ]

    @Test("every known field is recognised in any case, and nothing that differs in one byte")
    func knownFields() {
        #expect(Set(FieldLineTests.names.map(\.1)) == Set(KnownField.allCases).subtracting([.other, .unusual, .nominated]))
        for (name, field) in FieldLineTests.names {
            for spelling in [name, name.lowercased(), name.uppercased()] {
                withBytes(spelling) { #expect(KnownField(name: $0) == field, "\(spelling)") }
            }
            for index in name.utf8.indices {
                var other = Array(name.utf8)
                let position = name.utf8.distance(from: name.utf8.startIndex, to: index)
                for change: UInt8 in [0x01, 0x20, 0x40] {
                    other[position] ^= change
                    // Another case of the same letter is not a difference.
                    let isSame = String(decoding: other, as: UTF8.self).lowercased() == name.lowercased()
                    withBytes(other) { #expect((KnownField(name: $0) == field) == isSame, "\(other)") }
                    other[position] ^= change
                }
            }
        }
        withBytes("X-Other") { #expect(KnownField(name: $0) == .other) }
        withBytes("") { #expect(KnownField(name: $0) == .other) }
    }

    @Test("fields are found by their first line; absent ones are not")
    func presence() {
        request("GET / HTTP/1.1\r\nVia: x\r\nHost: a\r\nVia: y\r\n\r\n") { _, head, _ in
            #expect(head.fields.first(.via) == 0)
            #expect(head.fields.first(.host) == 1)
            #expect(head.fields.first(.date) == nil)
        }
    }

    @Test("every fault has a phrase of its own")
    func details() {
        let phrases = HeadFault.allCases.map { ByteView($0.detail).string }
        #expect(Set(phrases).count == phrases.count)
        #expect(!phrases.contains(""))
    }

    @Test("faults are told apart by how they are answered")
    func kinds() {
        #expect(HeadFault.tooManyFields.kind == .tooManyFields)
        #expect(HeadFault.spaceInTarget.kind == .target)
        #expect(HeadFault.authorityMismatch.kind == .target)
        #expect(HeadFault.repeatedContentLength.kind == .syntax)
        #expect(HeadFault.missingHost.kind == .syntax)
    }
}
