import SluiceConfiguration
import Testing

@testable import SluiceGateway

@Suite("Path patterns: reading")
struct PathPatternTests {
    private typealias Kind = PathPattern.Kind

    private func read(_ text: String) -> (pattern: PathPattern?, problems: [Problem]) {
        let problems = Problems(file: "test.yaml")
        return (PathPattern(located(text, line: 7), problems: problems), problems.all)
    }

    private func texts(_ text: String) -> [String]? {
        read(text).pattern?.segments.map { String(decoding: $0.text, as: UTF8.self) }
    }

    @Test(
        "each kind of segment is told from its neighbours",
        arguments: [
            ("/", [PathPattern.Kind.literal]), ("/a", [.literal]), ("/a/", [.literal, .literal]),
            ("//", [.literal, .literal]), ("/{x}", [.name]), ("/{x:a}", [.regex]), ("/{x}a", [.mix]), ("/?", [.mix]),
            ("/a*", [.mix]), ("/*?", [.mix]), ("/*", [.star]), ("/**", [.doubleStar]), ("/{x}{y}", [.mix]),
            ("/v1.0/members/{memberId}/**", [.literal, .literal, .name, .doubleStar]),
        ])
    func kinds(text: String, expected: [PathPattern.Kind]) {
        #expect(read(text).pattern?.segments.map(\.kind) == expected)
    }

    @Test(
        "letters are normalised as paths are",
        arguments: [
            ("/caf%c3%a9", ["caf%C3%A9"]), ("/café", ["caf%C3%A9"]), ("/a%2Db", ["a-b"]), ("/a%2fb", ["a%2Fb"]),
            ("/a b", ["a%20b"]), ("/%61*", ["a*"]), ("/%2a", ["%2A"]), ("/%3f", ["%3F"]), ("/...", ["..."]),
        ])
    func normalisation(text: String, expected: [String]) {
        #expect(texts(text) == expected)
    }

    @Test(
        "wildcards in a row have one spelling",
        arguments: [
            ("/a*?", ["a?*"]), ("/a?*", ["a?*"]), ("/a{x}", ["a?*"]), ("/{x}{y}", ["??*"]), ("/{x}.json", ["?*.json"]),
            ("/*{x}?a*", ["??*a*"]),
        ])
    func wildcards(text: String, expected: [String]) {
        #expect(texts(text) == expected)
    }

    @Test(
        "the regex ends at the brace that pairs with its first, not at those of its own",
        arguments: [
            (#"/{x:\d{4}}"#, [#"\d{4}"#]), (#"/{x:[^/]+}/b"#, ["[^/]+", "b"]), (#"/{x:[}]}/b"#, ["[}]", "b"]),
            (#"/{x:\}}/b"#, [#"\}"#, "b"]), (#"/{x:[]}]}/b"#, ["[]}]", "b"]), (#"/{x:[^]}]}/b"#, ["[^]}]", "b"]),
            (#"/{x:[[:alpha:]}]}/b"#, ["[[:alpha:]}]", "b"]), (#"/{x:[\]}]}/b"#, [#"[\]}]"#, "b"]),
            (#"/{x:a:b}"#, ["a:b"]), (#"/{x:(a{1,2}){3}}"#, ["(a{1,2}){3}"]),
        ])
    func braces(text: String, expected: [String]) {
        #expect(texts(text) == expected)
    }

    @Test("variables keep the pattern's order")
    func variables() {
        #expect(read(#"/{b}/{a:\d+}/{c}.json"#).pattern?.variables == ["b", "a", "c"])
    }

    @Test(
        "what cannot be read is one problem, where the pattern stands",
        arguments: [
            ("", "nothing"), ("a/b", "no slash at the beginning"),
            ("/a**b", "** beside other characters of a segment"), ("/***", "3 stars in a row at character 2"),
            ("/a/{x", "a { without its } at character 4"), ("/a/{x/b}", "a { without its } at character 4"),
            ("/a/{x:[a}", "a { without its } at character 4"), ("/é/x}", "a } without its { at character 5"),
            ("/{}", "a variable without a proper name at character 2"),
            ("/{a b}", "a variable without a proper name at character 2"),
            ("/{x*}", "a { without its } at character 2"), ("/{x}/{x}", "the variable {x} twice"),
            ("/{x:}", "an empty regex at character 5"),
            ("/{x:a}.json", "a {name:regex} beside other characters of a segment"),
            ("/a/./b", "a dot segment"), ("/..", "a dot segment"), ("/%2e%2E", "a dot segment"),
            ("/a%2", "text that no path can contain"), ("/a%5cb", "text that no path can contain"), (#"/a\b"#, "text that no path can contain"),
            ("/a#b", "text that no path can contain"), ("/a%00", "text that no path can contain"), ("/a\u{7F}", "text that no path can contain"),
        ])
    func faults(text: String, found: String) throws {
        let (pattern, problems) = read(text)
        #expect(pattern == nil)
        let problem = try #require(problems.first)
        #expect(problems.count == 1)
        #expect(problem.found.hasPrefix("\(found) in the path pattern "))
        #expect(problem.position.line == 7)
    }

    @Test("a regex that does not compile is a problem that says where")
    func badRegex() {
        let (pattern, problems) = read("/{x:(a}")
        #expect(pattern == nil)
        #expect(problems.count == 1)
        #expect(problems.first?.found.contains("at offset 2") == true)
    }

    @Test("64 segments are read, 65 are a problem")
    func segmentsMax() {
        #expect(read(String(repeating: "/a", count: 64)).pattern?.segments.count == 64)
        #expect(read(String(repeating: "/a", count: 65)).problems.map(\.allowed) == ["at most 64"])
    }
}
