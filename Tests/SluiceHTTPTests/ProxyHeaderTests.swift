import SluiceHTTP
import Testing

@Suite struct ProxyHeaderTests {
    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    private func parse(_ bytes: [UInt8]) -> ProxyHeader.Outcome { withBytes(bytes) { ProxyHeader.parse($0) } }

    /// The source as text and the port, if the header is complete.
    private func source(_ outcome: ProxyHeader.Outcome) -> (length: Int, source: String?, port: UInt16)? {
        guard case .complete(let header) = outcome else { return nil }
        return (header.length, header.source?.description, header.sourcePort)
    }

    private func version2(_ command: UInt8, _ family: UInt8, _ payload: [UInt8]) -> [UInt8] {
        Self.signature + [command, family, UInt8(payload.count >> 8), UInt8(payload.count & 255)] + payload
    }

    @Test("version 1 gives the source; what follows is left", arguments: [
        ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1", 56324),
        ("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "2001:db8::1", 1),
        ("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
        ("PROXY UNKNOWN\r\n", nil, 0), ("PROXY UNKNOWN whatever it says\r\n", nil, 0),
    ] as [(String, String?, UInt16)])
    func version1(line: String, expected: String?, port: UInt16) throws {
        let bytes = Array(line.utf8)
        for count in 0..<bytes.count { #expect(parse(Array(bytes[..<count])) == .incomplete) }
        let result = try #require(source(parse(bytes + Array("GET /".utf8))))
        #expect(result == (bytes.count, expected, port))
    }

    @Test("a line outside version 1's grammar is malformed", arguments: [
        "GET / HTTP/1.1\r\n", "PROXI", "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 02\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 ::1 1 2\r\n", "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY TCP4\t1.1.1.1 2.2.2.2 1 2\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX", "PROXY UNKNOWN \u{0}\r\n",
        "PROXY \r\n", "PROXY TCP4 256.1.1.1 2.2.2.2 1 2\r\n",
    ])
    func malformedVersion1(line: String) {
        #expect(parse(Array(line.utf8)) == .malformed)
    }

    @Test("a line of 107 bytes is taken, a longer one is malformed before its end is seen")
    func version1Bound() {
        let longest = "PROXY UNKNOWN " + String(repeating: "x", count: 91)
        #expect(source(parse(Array((longest + "\r\n").utf8)))?.length == 107)
        #expect(parse(Array((longest + "x\r\n").utf8)) == .malformed)
        #expect(parse(Array(longest.utf8)) == .incomplete)
        #expect(parse(Array((longest + "x").utf8)) == .malformed)
    }

    @Test("version 2 gives the source, or none where the proxy speaks for itself")
    func version2Sources() throws {
        let v4: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 1, 0xDC, 0x04, 1, 0xBB]
        let v6: [UInt8] = [0x20, 1, 0xD, 0xB8] + [UInt8](repeating: 0, count: 11) + [1] + [UInt8](repeating: 0, count: 16) + [0, 80, 0, 81]
        for (bytes, expected, port) in [
            (version2(0x21, 0x11, v4), "192.0.2.1", 56324), (version2(0x21, 0x11, v4 + [4, 0, 1, 0]), "192.0.2.1", 56324),
            (version2(0x21, 0x21, v6), "2001:db8::1", 80), (version2(0x20, 0x11, v4), nil, 0), (version2(0x20, 0, []), nil, 0),
            (version2(0x20, 0xFF, [1]), nil, 0),
            (version2(0x21, 0, [1, 2, 3]), nil, 0), (version2(0x21, 0x31, [UInt8](repeating: 0, count: 216)), nil, 0),
            (version2(0x21, 0x11, v4 + [UInt8](repeating: 0, count: 524)), "192.0.2.1", 56324),
        ] as [([UInt8], String?, UInt16)] {
            for count in 0..<bytes.count { #expect(parse(Array(bytes[..<count])) == .incomplete) }
            #expect(try #require(source(parse(bytes + [0x47]))) == (bytes.count, expected, port))
        }
    }

    @Test("a version 2 header that is wrong or too long is malformed")
    func malformedVersion2() {
        let v4 = [UInt8](repeating: 1, count: 12)
        for bytes in [
            version2(0x11, 0x11, v4), version2(0x22, 0x11, v4), version2(0x31, 0x11, v4), version2(0x21, 0x12, v4), version2(0x21, 0x22, [UInt8](repeating: 1, count: 36)),
            version2(0x21, 0x11, Array(v4[..<11])), version2(0x21, 0x21, [UInt8](repeating: 1, count: 35)), version2(0x21, 0x11, [UInt8](repeating: 1, count: 537)),
            [0x0D, 0x0A, 0x0D, 0x0A, 1], [0x16, 3, 1],
        ] { #expect(parse(bytes) == .malformed) }
    }
}
