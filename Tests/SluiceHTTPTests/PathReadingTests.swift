import Testing

@testable import SluiceHTTP

extension PathMarks: ExpressibleByArrayLiteral {
    init(arrayLiteral elements: PathMarks...) {
        self = .none
        for element in elements { insert(element) }
    }
}

@Suite struct PathReadingTests {
    private func marks(_ path: String) -> PathMarks? {
        withBytes(path.utf8) { bytes in
            let out = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
            defer { out.deallocate() }
            return switch NormalisedPath.normalise(bytes, into: out) {
            case .unchanged(let marks), .changed(_, let marks): marks
            case .malformed: nil
            }
        }
    }

    /// All readings of a path in normal form that differ from it.
    private func readings(_ path: String) -> Set<String> {
        var found: Set<String> = []
        withBytes(path.utf8) { bytes in
            // What stands before the reading's own bytes is none of its.
            let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count + 1)
            defer { memory.deallocate() }
            memory[0] = Ascii.slash
            let isFound = PathReading.contains(bytes, marks(path) ?? .none, into: memory + 1) { reading in
                #expect(reading.count < bytes.count)
                found.insert(reading.string)
                return false
            }
            #expect(!isFound)
        }
        return found
    }

    @Test("marks: only what a service may read otherwise", arguments: [
        ("/", []), ("/a/b.c/", []), ("/v1.0/-/x", []), ("/a-/b", []), ("/a%20b", []), ("/a/../b", []), ("/a./b", []),
        ("/a;b", .parameters), ("/a%3bb", .parameters), ("//", .emptySegment), ("/a//b", .emptySegment), ("/a/b//", .emptySegment),
        ("/a/%2e//b", .emptySegment), ("/a%2fb", .encodedSlash), ("/a;//b", [.parameters, .emptySegment]), ("/aaaaaaaaaaaaaaaaaaaaaaaaa//b", .emptySegment),
        ("/..%2fa", [.encodedSlash, .hiddenDots]), ("/.%2e%2Fa", [.encodedSlash, .hiddenDots]), ("/a%2F..", [.encodedSlash, .hiddenDots]),
        ("/a%2F./b", [.encodedSlash, .hiddenDots]), ("/a%2F..;x/b", [.encodedSlash, .hiddenDots, .parameters]),
        ("/a%2F..%3bx", [.encodedSlash, .hiddenDots, .parameters]), ("/a%2F..%2Fb", [.encodedSlash, .hiddenDots]),
        ("/a%2F...", .encodedSlash), ("/a%2F..b", .encodedSlash), ("/a..%2Fb", .encodedSlash), ("/a%2F.b/c", .encodedSlash), ("/%2F", .encodedSlash),
        ("/a/..%2F/b", [.encodedSlash, .hiddenDots]), ("/x%2F/..", .encodedSlash),
    ] as [(String, PathMarks)])
    func marks(path: String, expected: PathMarks) {
        #expect(marks(path) == expected)
    }

    @Test("every reading of a path", arguments: [
        ("/a/b", []), ("/", []), ("/a;b/c", ["/a/c"]), ("/a%3Bb/c;d", ["/a/c"]), ("/;/a", ["//a", "/a"]), ("//a", ["/a"]), ("/a///b//", ["/a/b/"]),
        ("/a;x//b", ["/a//b", "/a;x/b", "/a/b"]), ("/a%2Fb", ["/a/b"]), ("/a/%2Fb", ["/a//b", "/a/b"]),
        ("/a;x%2Fy/b", ["/a/b", "/a;x/y/b", "/a/y/b"]), ("/;a%2Fb", ["/", "/;a/b", "//b", "/b"]), ("/a;", ["/a"]), ("/;", ["/"]), ("/a%2", []),
        ("/a%20%C3%AF%2Fb", ["/a%20%C3%AF/b"]), ("/a%3A%C2%B2;b", ["/a%3A%C2%B2"]),
    ] as [(String, Set<String>)])
    func everyReading(path: String, expected: Set<String>) {
        #expect(readings(path) == expected)
    }

    @Test("random paths: no reading has a dot segment, unless the path is marked for it")
    func noDots() {
        var random = FixedRandom(state: 0x0DD5)
        let pieces = ["/", "/", ".", "..", "a", "%2e", "%2F", "%2f", ";", "%3b", "b"]
        var seen = 0
        for _ in 0..<20_000 {
            let sent = "/" + (0..<Int.random(in: 0...9, using: &random)).map { _ in pieces.randomElement(using: &random)! }.joined()
            let normal = withBytes(sent.utf8) { bytes -> String? in
                let out = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
                defer { out.deallocate() }
                return switch NormalisedPath.normalise(bytes, into: out) {
                case .unchanged: sent
                case .changed(let count, _): ByteView(base: out, count: count).string
                case .malformed: nil
                }
            }
            guard let normal, let marks = marks(normal), !marks.intersects(.hiddenDots) else { continue }
            for reading in readings(normal) {
                seen += 1
                #expect(!reading.split(separator: "/").contains { $0 == "." || $0 == ".." }, "\(sent) is read as \(reading)")
            }
        }
        #expect(seen > 3000)
    }
}
