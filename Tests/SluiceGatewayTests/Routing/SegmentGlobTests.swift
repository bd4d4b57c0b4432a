import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Mixes of letters and wildcards")
struct SegmentGlobTests {
    private func matches(_ glob: String, _ segment: String) -> Bool {
        var steps = 1_000
        return withView(glob) { glob in withView(segment) { SegmentGlob(text: glob).matches($0, stepsLeft: &steps) } }
    }

    @Test(
        "? takes one character, * any run",
        arguments: [
            ("a?", "ab", true), ("a?", "a", false), ("a?", "abc", false), ("a*", "a", true), ("a*", "abc", true),
            ("a*", "ba", false), ("*a", "ba", true), ("*a", "bab", false), ("a*b*c", "axbxbc", true),
            ("a*b*c", "axcxb", false), ("?*.json", "a.json", true), ("?*.json", ".json", false), ("*", "", true),
            ("?", "", false),
        ])
    func wildcards(glob: String, segment: String, expected: Bool) {
        #expect(matches(glob, segment) == expected)
    }

    @Test(
        "an escape is one character, and so is a UTF-8 sequence of escapes",
        arguments: [
            ("?", "%2F", true), ("??", "%2F", false), ("?", "%C3%A9", true), ("??", "%C3%A9", false),
            ("?", "%E2%82%AC", true), ("?", "%F0%9F%98%80", true), ("*2F", "%2F", false), ("*%2F", "a%2F", true),
            ("*A9", "%C3%A9", false), ("??", "%C3a", true), ("??", "%A9%A9", true), ("??", "%E2%82", true),
            ("a?b", "a%20b", true), ("???", "%41", false), ("???", "%zz", true), ("??", "%4", true),
        ])
    func escapes(glob: String, segment: String, expected: Bool) {
        #expect(matches(glob, segment) == expected)
    }

    @Test("a match takes a step for each comparison and ends where none is left")
    func steps() {
        func left(_ glob: String, _ segment: String, _ steps: Int) -> Int {
            var left = steps
            _ = withView(glob) { glob in withView(segment) { SegmentGlob(text: glob).matches($0, stepsLeft: &left) } }
            return left
        }
        #expect(left("abc", "abc", 3) == 0)
        #expect(left("abc", "abc", 2) == -1)
        #expect(left("*ab", String(repeating: "a", count: 1_000), 100) == -1)
        #expect(left("a*", String(repeating: "a", count: 1_000), 100) == 98)
    }

    @Test("50,000 random pairs: as the definition says")
    func definition() {
        func naive(_ glob: ArraySlice<UInt8>, _ segment: ArraySlice<UInt8>) -> Bool {
            guard let first = glob.first else { return segment.isEmpty }
            switch first {
            case UInt8(ascii: "*"):
                return naive(glob.dropFirst(), segment) || (!segment.isEmpty && naive(glob, segment.dropFirst()))
            case UInt8(ascii: "?"): return !segment.isEmpty && naive(glob.dropFirst(), segment.dropFirst())
            default: return segment.first == first && naive(glob.dropFirst(), segment.dropFirst())
            }
        }
        var random = SplitMix64(state: 7)
        var hits = 0
        for _ in 0..<50_000 {
            let glob = (0..<Int.random(in: 0...6, using: &random)).map { _ in "ab?*".utf8.randomElement(using: &random)! }
            let segment = (0..<Int.random(in: 0...7, using: &random)).map { _ in "ab".utf8.randomElement(using: &random)! }
            let expected = naive(glob[...], segment[...])
            hits += expected ? 1 : 0
            #expect(matches(String(decoding: glob, as: UTF8.self), String(decoding: segment, as: UTF8.self)) == expected)
        }
        #expect(hits > 1000)
    }
}
