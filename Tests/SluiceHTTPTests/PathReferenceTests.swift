import SluiceHTTP
import Testing

/// Paths long enough for all that looks at many bytes together, compared with readers that split texts and know nothing of it.
@Suite struct PathReferenceTests {
    private static let pieces: [String] = [
        "/", "/", ".", "..", ";", "%2F", "%2f", "%3b", "%3B", "%2e", "a", "b;c", "%41", "%20", "%c3%a9", "//", "/../", "/./", "x.y",
        String(repeating: "%C3%A9", count: 20), String(repeating: "%c3%a9", count: 13), String(repeating: "%20", count: 17) + "%2f" + String(repeating: "%20", count: 16),
        String(repeating: "%20", count: 9) + "%7e", String(repeating: "a", count: 40), String(repeating: "/", count: 40), String(repeating: ";", count: 33),
        String(repeating: "/;", count: 20), String(repeating: "/a;b", count: 12), "xxxxxxxxxxxxxxxx/.", "/yyyyyyyyyyyyyyyyyyyyyy", "%3F", "%5B", "%25",
    ]
    private static let wrong = ["%0d", "%5C", "%7f", "%4", "%", "\\", " ", "#", "%G0", "\u{E9}", "/..;a", "/.%3b"]

    @Test("long random paths: the normal form and its marks")
    func normalForm() {
        var random = FixedRandom(state: 0xB10C)
        var seen = (changed: 0, unchanged: 0, malformed: 0)
        for _ in 0..<4000 {
            let path = Self.path(&random)
            let expected = Self.reference(path)
            let (outcome, text) = Self.normalise(path)
            switch outcome {
            case .malformed:
                seen.malformed += 1
                #expect(expected == nil, "\(path)")
            case .unchanged(let marks), .changed(_, let marks):
                #expect(text == expected?.text && marks == expected?.marks, "\(path)")
                if text == path { seen.unchanged += 1 } else { seen.changed += 1 }
                if case .unchanged = outcome { #expect(text == path) }
            }
        }
        #expect(seen.changed > 1000 && seen.unchanged > 100 && seen.malformed > 300, "\(seen)")
    }

    @Test("long random paths: every reading, and no other")
    func readings() {
        var random = FixedRandom(state: 0x2EAD)
        var seen = 0
        for _ in 0..<4000 {
            guard let (text, marks) = Self.reference(Self.path(&random)) else { continue }
            let expected = Self.readings(text)
            var found: Set<String> = []
            withBytes(text.utf8) { bytes in
                let out = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
                defer { out.deallocate() }
                _ = PathReading.contains(bytes, marks, into: out) { reading in
                    found.insert(reading.string)
                    return false
                }
            }
            seen += expected.count
            #expect(found == expected, "\(text)")
        }
        #expect(seen > 4000)
    }

    private static func path(_ random: inout FixedRandom) -> String {
        var path = "/"
        for _ in 0..<Int.random(in: 0...12, using: &random) { path += pieces.randomElement(using: &random)! }
        if Int.random(in: 0..<8, using: &random) == 0 { path += wrong.randomElement(using: &random)! + (Bool.random(using: &random) ? "/a" : "") }
        return path
    }

    private static func normalise(_ path: String) -> (NormalisedPath.Outcome, String) {
        withBytes(path.utf8) { bytes in
            let out = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
            defer { out.deallocate() }
            let outcome = NormalisedPath.normalise(bytes, into: out)
            if case .changed(let count, _) = outcome { return (outcome, ByteView(base: out, count: count).string) }
            return (outcome, path)
        }
    }

    // MARK: - The slow readers

    private static func reference(_ path: String) -> (text: String, marks: PathMarks)? {
        guard let text = withNormalEscapes(Array(path.utf8)) else { return nil }
        var marks = PathMarks.none
        if text.contains(";") || text.contains("%3B") { marks.insert(.parameters) }
        if text.contains("%2F") { marks.insert(.encodedSlash) }
        if text.contains("//") { marks.insert(.emptySegment) }
        var kept: [Substring] = []
        let segments = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (number, segment) in segments.enumerated() {
            let pieces = segment.split(separator: "%2F", omittingEmptySubsequences: false)
            if pieces.count > 1, pieces.contains(where: { $0 == "." || $0 == ".." || hasDotsAndParameters($0) }) { marks.insert(.hiddenDots) }
            if hasDotsAndParameters(segment) { return nil }
            let isDots = segment == "." || segment == ".."
            if segment == ".." {
                if kept.isEmpty { return nil }
                kept.removeLast()
            }
            if !isDots { kept.append(segment) } else if number == segments.count - 1 { kept.append("") }
        }
        return ("/" + kept.joined(separator: "/"), marks)
    }

    private static func withNormalEscapes(_ path: [UInt8]) -> String? {
        guard path.first == UInt8(ascii: "/") else { return nil }
        var text: [UInt8] = []
        var index = 0
        while index < path.count {
            let byte = path[index]
            guard byte == UInt8(ascii: "%") else {
                guard byte > 0x20, byte < 0x7F, !"#?\\".utf8.contains(byte) else { return nil }
                text.append(byte)
                index += 1
                continue
            }
            guard index + 2 < path.count, let value = UInt8(String(decoding: path[index + 1...index + 2], as: UTF8.self), radix: 16),
                path[index + 1] != UInt8(ascii: "+"), value >= 0x20, value != 0x7F, value != UInt8(ascii: "\\")
            else { return nil }
            let character = Character(UnicodeScalar(value))
            if value < 0x80, character.isLetter || character.isNumber || "-._~".contains(character) {
                text.append(value)
            } else {
                text += Array(("%" + String(value, radix: 16, uppercase: true)).utf8)
            }
            index += 3
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func hasDotsAndParameters(_ segment: Substring) -> Bool {
        ["..;", "..%3B", ".;", ".%3B"].contains { segment.hasPrefix($0) }
    }

    private static func readings(_ text: String) -> Set<String> {
        func withoutParameters(_ text: String) -> String {
            text.split(separator: "/", omittingEmptySubsequences: false).map { segment in
                segment.replacing("%3B", with: ";").split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)[0]
            }.joined(separator: "/")
        }
        func withSlashes(_ text: String) -> String { text.replacing("%2F", with: "/") }
        func merged(_ text: String) -> String {
            text.hasSuffix("/") && text != "/"
                ? "/" + text.split(separator: "/").map { $0 + "/" }.joined() : "/" + text.split(separator: "/").joined(separator: "/")
        }
        let orders = [
            text, withoutParameters(text), withSlashes(text), withoutParameters(withSlashes(text)), withSlashes(withoutParameters(text)),
        ]
        return Set(orders + orders.map(merged)).subtracting([text])
    }
}
