import SluiceConfiguration
import Testing

@Suite("Problems")
struct ProblemsTests {
    @Test("a description is file, line, column, key path, found, allowed")
    func description() {
        let problems = Problems(file: "etc/sluice.yaml")
        problems.add(at: SourcePosition(line: 7, column: 3), keyPath: "domains[0].key", found: "nothing", allowed: "text")
        problems.add(at: .start, keyPath: "", found: "an empty file", allowed: "a mapping")
        #expect(problems.all.map(\.description) == [
            "etc/sluice.yaml:1:1: found an empty file, allowed a mapping",
            "etc/sluice.yaml:7:3: domains[0].key: found nothing, allowed text",
        ])
    }

    @Test("problems are sorted by place; at one place they keep the order in which they were found")
    func order() {
        let problems = Problems(file: "f")
        for (line, column, found) in [(2, 1, "d"), (1, 9, "b"), (1, 10, "c"), (1, 2, "a"), (2, 1, "e")] {
            problems.add(at: SourcePosition(line: line, column: column), keyPath: "", found: found, allowed: "")
        }
        #expect(problems.all.map(\.found) == ["a", "b", "c", "d", "e"])
        #expect(problems.count == 5)
    }

    @Test("an endpoint's problem does not refuse the configuration")
    func scope() {
        let problems = Problems(file: "f")
        #expect(problems.isEmpty)
        problems.add(at: Located(value: 1), found: "a", allowed: "b", scope: .endpoint)
        #expect(!problems.isEmpty)
        #expect(!problems.refuseConfiguration)
        problems.add(at: Located(value: 1), found: "a", allowed: "b")
        #expect(problems.refuseConfiguration)
    }

    @Test("a note is told in its place, and is no problem")
    func note() {
        let problems = Problems(file: "f")
        problems.note(at: Located(value: 1, position: SourcePosition(line: 2, column: 3), keyPath: "a.b"), "nobody comes here")
        #expect(problems.isEmpty && problems.count == 0 && !problems.refuseConfiguration)
        #expect(problems.all.map(\.description) == ["f:2:3: a.b: note: nobody comes here"])
        problems.add(at: .start, keyPath: "", found: "a", allowed: "b")
        #expect(!problems.isEmpty && problems.count == 1 && problems.all.count == 2)
    }

    @Test("shown text: control characters escaped, long text cut")
    func quoting() {
        #expect(Quoting.quotedURL("http://user:p@ss@host/") == "\"http://***@host/\"")
        #expect(Quoting.quotedURL("user:pass@host") == "\"***@host\"")
        #expect(Quoting.quotedURL("http://host/?a") == "\"http://host/?a\"")
        #expect(Quoting.quoted("a\"b\\c\n\u{1b}[31m\u{202e}é") == "\"a\\\"b\\\\c\\n\\u{1b}[31m\\u{202e}é\"")
        #expect(Quoting.quoted(String(repeating: "x", count: 100)).count == 102)
        #expect(Quoting.quoted(String(repeating: "x", count: 101)) == "\"" + String(repeating: "x", count: 100) + "...\"")
        #expect(Quoting.alternatives(["a"]) == "a")
        #expect(Quoting.alternatives(["a", "b", "c"]) == "a, b or c")
    }

    @Test("spelling: one edit in short words, two in longer ones", arguments: [
        ("hots", "hosts"), ("Hosts", "hosts"), ("hostss", "hosts"), ("upstraem", "upstream"), ("upstrm", "upstream"),
    ])
    func spelling(typed: String, meant: String) {
        #expect(Spelling.nearest(to: typed, in: ["key", "hosts", "upstream"]) == meant)
    }

    @Test("spelling: words that are too far away are not offered", arguments: ["kxyz", "upstr", "zzz", ""])
    func spellingFar(typed: String) {
        #expect(Spelling.nearest(to: typed, in: ["key", "hosts", "upstream"]) == nil)
    }
}
