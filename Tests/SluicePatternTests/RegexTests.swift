import SluiceHTTP
import SluicePattern
import Testing

/// Calls `body` with a view of the bytes of `text`.
func with<Result>(_ text: String, _ body: (ByteView) throws -> Result) rethrows -> Result {
    let bytes = Array(text.utf8)
    return try bytes.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return try body(.empty) }
        return try body(ByteView(base: base, count: buffer.count))
    }
}

/// The groups of one match as text, "-" for an unset one; nil if it does not match.
func groups(
    _ pattern: String, _ subject: String, matching extent: Regex.Extent = .whole
) throws -> [String]? {
    let regex = try Regex(pattern, matching: extent)
    let scratch = try #require(MatchScratch())
    return with(subject) { subject in
        let outcome = scratch.handle.match(regex.handle, subject)
        guard outcome == .matched else {
            #expect(outcome == .none)
            return nil
        }
        return (0...regex.handle.captureCount).map { index in
            scratch.handle.group(index).map { subject[$0].string } ?? "-"
        }
    }
}

@Suite("Regular expressions")
struct RegexTests {
    @Test("whole: the pattern covers the subject from the first byte to the last, or does not match")
    func whole() throws {
        #expect(try groups("/api/v2.0/(.*)", "/api/v2.0/a/b") == ["/api/v2.0/a/b", "a/b"])
        #expect(try groups("/api/v2.0/(.*)", "/api/v2.0/") == ["/api/v2.0/", ""])
        #expect(try groups("/api/v2.0/(.*)", "/x/api/v2.0/a") == nil)
        #expect(try groups("/api", "/api/") == nil)
        #expect(try groups("[0-9]+", "12") == ["12"])
        #expect(try groups("[0-9]+", "12a") == nil)
        #expect(try groups("[0-9]+", "a12") == nil)
        #expect(try groups("", "") == [""])
        #expect(try groups("", "a") == nil)
    }

    @Test("whole: every branch of an alternation is held to both ends")
    func wholeAlternation() throws {
        #expect(try groups("a|ab", "ab") == ["ab"])
        #expect(try groups("a|b", "ab") == nil)
        #expect(try groups("ab|b", "b") == ["b"])
    }

    @Test("anywhere: a part is enough, and group 0 says which")
    func anywhere() throws {
        #expect(try groups("[0-9]+", "a12b", matching: .anywhere) == ["12"])
        #expect(try groups("^[0-9]+$", "a12b", matching: .anywhere) == nil)
    }

    @Test("a dollar sign stands for the very end, not for a last line break")
    func dollar() throws {
        #expect(try groups("a$", "a") == ["a"])
        #expect(try groups("a$", "a\n") == nil)
        #expect(try groups("a$", "a\n", matching: .anywhere) == nil)
    }

    @Test("bytes: a character beyond ASCII is several, and no pattern can turn Unicode on")
    func bytes() throws {
        #expect(try groups("..", "é") == ["é"])
        #expect(try groups("(?i)É", "é") == nil)
        #expect(try groups("\\xC3(.)", "é") != nil)
        #expect(throws: PatternError.self) { try Regex("(*UTF).") }
        #expect(throws: PatternError.self) { try Regex("(*UCP)\\w") }
    }

    @Test("groups: unset ones and ones that the pattern does not have are nil; a failed match has none")
    func unsetGroups() throws {
        let regex = try Regex("(a)|(b)")
        let scratch = try #require(MatchScratch())
        #expect(regex.handle.captureCount == 2)
        #expect(scratch.handle.group(0) == nil)
        with("b") { #expect(scratch.handle.match(regex.handle, $0) == .matched) }
        #expect(scratch.handle.group(0) == 0..<1)
        #expect(scratch.handle.group(1) == nil)
        #expect(scratch.handle.group(2) == 0..<1)
        for index in [-1, 3, 9, 10, Int.max] { #expect(scratch.handle.group(index) == nil) }
        with("a") { #expect(scratch.handle.match(regex.handle, $0) == .matched) }
        #expect(scratch.handle.group(1) == 0..<1)
        #expect(scratch.handle.group(2) == nil)
        with("c") { #expect(scratch.handle.match(regex.handle, $0) == .none) }
        #expect(scratch.handle.group(0) == nil)
    }

    @Test("groups: nine can be read, the tenth and later are matched but not kept")
    func manyGroups() throws {
        let nine = String(repeating: "(.)", count: 9)
        #expect(try groups(nine, "123456789") == ["123456789", "1", "2", "3", "4", "5", "6", "7", "8", "9"])
        #expect(
            try groups(nine + "(.)(.)", "123456789ab") == [
                "123456789ab", "1", "2", "3", "4", "5", "6", "7", "8", "9", "-", "-",
            ])
    }

    @Test("a match start that the pattern moved behind its end is no range")
    func movedStart() throws {
        #expect(try groups("ab\\K", "ab") == [""])
        #expect(try groups("a\\Kb", "ab") == ["b"])
    }

    @Test(
        "a pattern that does not compile: the offset and PCRE2's words",
        arguments: [
            ("/a(b", 4, "missing closing parenthesis"), ("/a)b", 2, "unmatched closing parenthesis"),
            ("[a", 2, "missing terminating ] for character class"),
            ("*", 0, "quantifier does not follow a repeatable item"),
            ("a\\", 2, "\\ at end of pattern"),
            ("(?<n>a)(?<n>b)", 12, "two named subpatterns have the same name (PCRE2_DUPNAMES not set)"),
        ])
    func errors(pattern: String, offset: Int, message: String) {
        #expect(throws: PatternError(offset: offset, message: message)) { try Regex(pattern) }
    }

    @Test("a pattern of 4096 bytes compiles, one of 4097 does not")
    func patternLength() throws {
        #expect(throws: Never.self) { try Regex(String(repeating: "a", count: 4096)) }
        #expect(throws: PatternError(offset: 4096, message: "longer than 4096 bytes")) {
            try Regex(String(repeating: "a", count: 4097))
        }
        #expect(throws: PatternError.self) { try Regex("(?:a{65535}){65535}") }
    }

    @Test("a pattern may ask to stay with the interpreter, which the tests of limits rely on")
    func native() throws {
        #expect(try !Regex("(*NO_JIT)a+").isNative)
    }

    @Test("a pattern given as bytes may hold a NUL byte")
    func patternWithNul() throws {
        let regex = try with("a\0b") { try Regex($0) }
        let scratch = try #require(MatchScratch())
        with("a\0b") { #expect(scratch.handle.match(regex.handle, $0) == .matched) }
        with("a") { #expect(scratch.handle.match(regex.handle, $0) == .none) }
    }
}
