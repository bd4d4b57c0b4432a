import SluiceHTTP
import Testing

@Suite struct NormalisedPathTests {
    /// The normal form, `nil` if the path is malformed; and whether a slash was encoded.
    private func normalise(_ path: some Collection<UInt8>) -> (text: String?, hasEncodedSlash: Bool, isUnchanged: Bool) {
        withBytes(path) { bytes in
            let out = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
            defer { out.deallocate() }
            switch NormalisedPath.normalise(bytes, into: out) {
            case .unchanged(let marks): return (bytes.string, marks.intersects(.encodedSlash), true)
            case .changed(let count, let marks): return (ByteView(base: out, count: count).string, marks.intersects(.encodedSlash), false)
            case .malformed: return (nil, false, false)
            }
        }
    }

    @Test("a path in normal form stays as it is", arguments: [
        "/", "/a", "/a/", "//", "/a//b", "/v1.0/x", "/.a", "/..a", "/a.", "/a..", "/...", "/.well-known/x", "/a%20b",
        "/%E2%82%AC", "/a;b=c,d:e@f!$&'()*+",
        "/%25", "/%252F", "/%3F%23", "/a/.../b",
    ])
    func unchanged(path: String) {
        let result = normalise(path.utf8)
        #expect(result == (path, false, true))
    }

    @Test("escapes of unreserved characters are decoded, others get upper-case digits, dot segments go", arguments: [
        ("/%61%7E%2D%5F", "/a~-_"), ("/%41%5a", "/AZ"), ("/%30%39", "/09"), ("/%e2%82%ac", "/%E2%82%AC"), ("/%3f", "/%3F"),
        ("/a%2eb", "/a.b"),
        ("/.", "/"), ("/./", "/"), ("/a/.", "/a/"), ("/a/./b", "/a/b"), ("/a/..", "/"), ("/a/../", "/"), ("/a/b/..", "/a/"),
        ("/a/b/../", "/a/"), ("/a/b/../c", "/a/c"), ("/a/b/../../c", "/c"), ("/a/%2e", "/a/"), ("/a/%2E%2e/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a/%2e./b", "/b"), ("/a//../b", "/a/b"), ("//..", "/"), ("//../", "/"), ("/a/.//b", "/a//b"), ("/a/../b/../c", "/c"),
        ("/a/...%2e/..", "/a/"),
        ("/%2561", nil), ("/.%61/..", "/"),
    ] as [(String, String?)])
    func changed(path: String, expected: String?) {
        // An escaped percent sign is never decoded: twice would be two readings.
        let result = normalise(path.utf8)
        #expect(result.text == expected ?? path)
        #expect(result.isUnchanged == (expected == nil))
        if let text = result.text { #expect(normalise(text.utf8) == (text, false, true), "normal forms are stable") }
    }

    @Test("a dot segment with parameters is refused: services that take parameters off first would climb by it", arguments: [
        "/..;/", "/a/..;/b", "/a/..;x=y/b", "/a/..;", "/.;/a", "/a/.;x", "/a/%2e%2E;/b", "/a/..%3B/b", "/a/.%3bx/b", "/..;a/../..;b/c",
        "/a/..;b/../c",
    ])
    func dotsWithParameters(path: String) {
        #expect(normalise(path.utf8).text == nil)
    }

    @Test("parameters of any other segment stay, also behind three dots or with dots of their own", arguments: [
        "/a;/b", "/;/b", "/;..", "/...;x/b", "/a..;x/b", "/..a;x", "/a;x=../b", "/..%3A/b", "/a/..=;b",
    ])
    func otherParameters(path: String) {
        #expect(normalise(path.utf8).text == path)
    }

    @Test("an encoded slash is kept, reported and no end of a segment", arguments: [
        ("/a%2Fb", "/a%2Fb"), ("/a%2fb", "/a%2Fb"), ("/..%2F", "/..%2F"), ("/a/..%2f../b", "/a/..%2F../b"), ("/%2f..", "/%2F.."),
        ("/x%2F/..", "/"),
    ])
    func encodedSlash(path: String, expected: String) {
        let result = normalise(path.utf8)
        #expect(result.text == expected)
        #expect(result.hasEncodedSlash)
    }

    @Test("an unsafe or invalid path is malformed", arguments: [
        "", "a", "a/b", "*", "/%", "/%4", "/%4/", "/%zz", "/%a", "/%0g", "/%%41", "/%00", "/%1f", "/%1F", "/%7f", "/%0d%0a",
        "/%5C", "/%5c", "/a\\b", "/\u{0}",
        "/a\u{1F}", "/a\u{7F}", "/a b", "/a#b", "/a?b", "/\u{E9}", "/..", "/../", "/a/../..", "/a/../../b", "/%2e%2e", "/.%2e/a",
        "/./..", "/a/b/../../../c",
    ])
    func malformed(path: String) {
        #expect(normalise(path.utf8).text == nil)
    }

    @Test("every escape is decoded, kept or refused by its byte")
    func everyEscape() {
        let digits = Array("0123456789abcdef".utf8)
        let unreserved = Set("-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        for byte in UInt8.min...UInt8.max {
            let escape = [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            let result = normalise([0x2F, 0x78] + escape)
            if byte < 0x20 || byte == 0x7F || byte == 0x5C {
                #expect(result.text == nil)
            } else if unreserved.contains(byte) {
                #expect(result.text == "/x" + String(UnicodeScalar(byte)))
            } else {
                #expect(result.text == "/x" + String(decoding: escape, as: UTF8.self).uppercased())
            }
        }
    }

    @Test("every byte as it is passes or is refused alike on both ways through")
    func everyByte() {
        let refused = Set("%#?\\".utf8)
        for byte in UInt8.min...UInt8.max {
            let isFit = byte > 0x20 && byte < 0x7F && !refused.contains(byte)
            #expect((normalise([0x2F, 0x78, byte]).text != nil) == isFit, "\(byte)")
            #expect((normalise([0x2F, 0x25, 0x32, 0x35, byte]).text != nil) == isFit, "\(byte)")
        }
    }

    @Test("random paths: the normal form has no dot segment, is never longer and is stable")
    func randomPaths() {
        var random = FixedRandom(state: 0x5EED_0003)
        let pieces = ["/", "/", ".", ".", "a", "%2e", "%2F", "%61", "%e9", "%25", "b;c"]
        var wellFormed = 0
        for _ in 0..<5000 {
            let path = "/" + (0..<Int.random(in: 0...9, using: &random)).map { _ in pieces.randomElement(using: &random)! }.joined()
            guard let text = normalise(path.utf8).text else { continue }
            wellFormed += 1
            #expect(text.utf8.count <= path.utf8.count && text.hasPrefix("/"))
            #expect(!text.split(separator: "/").contains { $0 == "." || $0 == ".." }, "\(path) gives \(text)")
            #expect(normalise(text.utf8).isUnchanged, "\(path) gives \(text)")
        }
        #expect(wellFormed > 2000)
    }
}
