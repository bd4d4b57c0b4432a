import SluiceConfiguration
import Testing

@Suite("YAML and JSON to a tree")
struct YAMLTreeTests {
    @Test("plain scalars: the core schema's null, booleans and decimal numbers", arguments: [
        ("null", Tree.null), ("~", nil), ("", nil), ("true", true), ("False", false), ("0", 0), ("-12", -12), ("+7", 7),
        ("9223372036854775807", 9_223_372_036_854_775_807), ("-9223372036854775808", .integer(.min)),
        ("9223372036854775808", 9_223_372_036_854_775_808.0), ("1.5", 1.5), ("5.", 5.0), (".5", 0.5), ("-.5e1", -5.0),
        ("1e3", 1000.0), ("5.e1", 50.0),
    ])
    func typedScalars(text: String, expected: Tree) {
        let (tree, problems) = load("a: \(text)")
        #expect(tree == ["a": expected])
        #expect(problems == [])
    }

    @Test("plain scalars that other readers understand differently stay text", arguments: [
        "yes", "no", "on", "off", "y", "n", "010", "-01", "0x1F", "0o17", "1:30", "190:20:30", "2024-01-01", "1_000",
        ".inf", "-.INF", ".nan", "1e", "e1", ".", "-", "1.2.3", "1e999", "::1", "/v1.0/(.*)",
    ])
    func textScalars(text: String) {
        // A lone minus sign in a block would begin a list; inside quotes of the flow form it does not matter.
        let (tree, problems) = load(text == "-" ? "a: \"-\"" : "a: \(text)")
        #expect(tree == ["a": .string(text)])
        #expect(problems == [])
    }

    @Test("quoted and block scalars are always text", arguments: [
        ("\"10\"", "10"), ("'true'", "true"), ("\"\"", ""), ("|-\n  5", "5"), (">-\n  null", "null"), ("!!str 5", "5"),
        ("! 5", "5"),
    ])
    func quotedScalars(text: String, expected: String) {
        #expect(load("a: \(text)").tree == ["a": .string(expected)])
    }

    @Test("tags: one of the core schema must fit the value, others are reported")
    func tags() {
        #expect(load("{a: !!int 5, b: !!float 5, c: !!bool true, d: !!null ~, e: !!map {}, f: !!seq []}").tree
            == ["a": 5, "b": 5.0, "c": true, "d": nil, "e": [:], "f": []])
        #expect(load("a: !!int x\nb: !secret {}\nc: !hunter2\n").problems == [
            "1:4 a | a tag that does not fit the value | no tag (or quotes, if the value begins with !)",
            "2:4 b | an unknown tag | no tag",
            "3:4 c | a tag that does not fit the value | no tag (or quotes, if the value begins with !)",
        ])
    }

    @Test("places: line, column and key path of each node and key")
    func places() throws {
        let problems = Problems(file: "f")
        let root = try #require(ConfigurationNode.load(text: "é: x\ndomains:\n  - {key: ö, 'a b': [1, 2]}\n", problems: problems))
        let domain = try #require(root["domains"]?.elements?.first)
        #expect(domain.keyPath == "domains[0]")
        #expect(domain.position == SourcePosition(line: 3, column: 5))
        let entry = try #require(domain.entries?.last)
        #expect(entry.keyPosition == SourcePosition(line: 3, column: 14))
        let second = try #require(entry.value.elements?.last)
        #expect(second.position == SourcePosition(line: 3, column: 25))
        #expect(second.keyPath == "domains[0][\"a b\"][1]")
        #expect(root.keyPath == "")
        #expect(root.entries?.first?.value.keyPath == "[\"é\"]")
    }

    @Test("places: a carriage return before a line break is no line of its own")
    func placesWithCarriageReturns() throws {
        let root = try #require(ConfigurationNode.load(text: "a: 1\r\nb:\r\n  c: 2\r\n", problems: Problems(file: "f")))
        #expect(root["b"]?["c"]?.position == SourcePosition(line: 3, column: 6))
    }

    @Test("keys: any scalar is the text that was written")
    func keys() {
        #expect(load("200: a\ntrue: b\n\"\": c\n1.0: d").tree == ["200": "a", "true": "b", "": "c", "1.0": "d"])
    }

    @Test("duplicate keys at every depth are all reported where the second stands; the first wins")
    func duplicateKeys() {
        let text = "a: 1\nb:\n  c: 1\n  'c': 2\na: 2\nl: [{x: 1, y: 2, x: 3}]\na: 3\n"
        let (tree, problems) = load(text)
        #expect(problems == [
            "4:3 b.c | the key \"c\" a second time | each key once (first on line 3)",
            "5:1 a | the key \"a\" a second time | each key once (first on line 1)",
            "6:18 l[0].x | the key \"x\" a second time | each key once (first on line 6)",
            "7:1 a | the key \"a\" a second time | each key once (first on line 1)",
        ])
        #expect(tree == ["a": 1, "b": ["c": 1], "l": [["x": 1, "y": 2]]])
    }

    @Test("duplicate keys in a mapping of many keys", arguments: [11, 12, 13, 500])
    func duplicateAmongMany(count: Int) {
        let lines = (1...count).map { "k\($0): 0" } + ["k\(count): 1", "k1: 1", "new: 1"]
        #expect(load(lines.joined(separator: "\n")).problems == [
            "\(count + 1):1 k\(count) | the key \"k\(count)\" a second time | each key once (first on line \(count))",
            "\(count + 2):1 k1 | the key \"k1\" a second time | each key once (first on line 1)",
        ])
    }

    @Test("empty files are problems", arguments: ["", "\n\n", "# only a comment\n", "---\n", "null\n", "~", "\u{FEFF}"])
    func emptyFiles(text: String) {
        let (tree, problems) = load(text)
        #expect(tree == nil)
        #expect(problems == ["1:1  | an empty file | a mapping"])
    }

    @Test("a byte order mark before the first key is passed over")
    func byteOrderMark() {
        #expect(load("\u{FEFF}a: 1").tree == ["a": 1])
    }

    @Test("syntax errors give line and column, and no tree")
    func syntaxErrors() {
        #expect(load("a: [1, 2\nb: 3\n").problems.first?.hasPrefix("2:2  | something else than the expected ',' or ']' (while parsing a flow sequence that begins at 1:4)") == true)
        #expect(load("a: 1\n\tb: 2\n").problems.first?.hasPrefix("2:1  | a tab character that violates indentation") == true)
        #expect(load("a:\n\t- b\n").problems.first?.hasPrefix("2:1  | a character that cannot begin anything here, such as a tab") == true)
        #expect(load("a: b: c\n").problems == ["1:5  | a colon and a blank in a value, which needs quotes | YAML or JSON"])
        #expect(load("a: \"x").tree == nil)
        #expect(load("a: 1\nb: \u{1}\n").problems == ["2:4  | control characters are not allowed | YAML or JSON"])
        #expect(load("a: 1\na: 2\nb: ]\n").problems.count == 2)
    }

    @Test("a second document is refused where it begins; an end mark is no document")
    func severalDocuments() {
        #expect(load("a: 1\n---\nb: 2\n").problems == ["2:1  | a second document | one document in a file"])
        #expect(load("---\na: 1\n...\n").tree == ["a": 1])
    }

    @Test("merge keys and keys that are no scalars are reported; a quoted << is a key")
    func unusableKeys() {
        let (tree, problems) = load("base: &b {x: 1}\nuse:\n  <<: *b\n  y: 2\n? [1]\n: 3\n'<<': 4\n")
        #expect(problems == [
            "3:3 use | the merge key << | keys written out", "5:3  | a list as a key | text as a key",
        ])
        #expect(tree == ["base": ["x": 1], "use": ["y": 2], "<<": 4])
    }

    @Test("aliases stand for the anchored value; problems inside point to where it is written")
    func aliases() throws {
        let problems = Problems(file: "f")
        let text = "a: &x {deep: [1]}\nb: *x\nc: &t text\n*t : 5\n"
        let root = try #require(ConfigurationNode.load(text: text, problems: problems))
        #expect(Tree(root) == ["a": ["deep": [1]], "b": ["deep": [1]], "c": "text", "text": 5])
        #expect(root["b"]?.position == SourcePosition(line: 2, column: 4))
        #expect(root["b"]?.keyPath == "b")
        #expect(root["b"]?["deep"]?.position == SourcePosition(line: 1, column: 14))
        #expect(root["b"]?["deep"]?.keyPath == "a.deep")
    }

    @Test("an alias without an anchor, or inside its own anchor, is refused without showing its name")
    func unknownAliases() {
        let expected = "an alias without an anchor above it | an alias of an anchor (or quotes, if the value begins with *)"
        #expect(load("a: *hunter2").problems == ["1:4  | \(expected)"])
        #expect(load("a: &x [*x]").problems == ["1:8  | \(expected)"])
    }

    @Test("aliases that multiply are refused before they are expanded")
    func billionLaughs() {
        var lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        for level in 1...12 {
            lines.append("a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ") + "]")
        }
        let (tree, problems) = load(lines.joined(separator: "\n"))
        #expect(tree == nil)
        #expect(problems == ["6:45  | aliases that stand for more than 1000000 values | at most 1000000"])
    }

    @Test("aliases may stand for 1,000,000 values, and for no more", arguments: [(999, true), (1000, false)])
    func aliasedNodes(elements: Int, isAllowed: Bool) {
        let list = Array(repeating: "x", count: elements).joined(separator: ", ")
        let uses = Array(repeating: "*a", count: 1000).joined(separator: ", ")
        #expect((load("a: &a [\(list)]\nb: [\(uses)]").tree != nil) == isAllowed)
    }

    @Test("depth: 64 levels are read, 65 are refused, written out or by alias")
    func depth() {
        func nested(_ levels: Int) -> String { String(repeating: "[", count: levels) + String(repeating: "]", count: levels) }
        #expect(load(nested(64)).problems == [])
        #expect(load(nested(65)).problems == ["1:65  | mappings and lists nested 65 deep | at most 64 levels"])
        #expect(load(nested(100_000)).problems.count == 1)
        #expect(load("a: &x \(nested(60))\nb: \(String(repeating: "[", count: 3))*x]]]").problems == [])
        #expect(load("a: &x \(nested(60))\nb: \(String(repeating: "[", count: 4))*x]]]]").problems
            == ["2:8  | mappings and lists nested 65 deep | at most 64 levels"])
    }

    @Test("JSON: tabs, escapes and surrogate pairs, columns as in the file")
    func json() throws {
        #expect(load("{\n\t\"a\": \"\\/\\u00e9\\n\",\n\t\"b\": [1, 2.5e3, true, null]\n}").tree
            == ["a": "/é\n", "b": [1, 2500.0, true, nil]])
        let problems = Problems(file: "f")
        let text = "{\"a\": \"\\ud83d\\ude00\\\\ud83d\", \"b\": 1,\n \"c\": \"\\uD83D\\uDE00\", \"d\": 2}"
        let root = try #require(ConfigurationNode.load(text: text, problems: problems))
        #expect(Tree(root) == ["a": "😀\\ud83d", "b": 1, "c": "😀", "d": 2])
        #expect(root["b"]?.position == SourcePosition(line: 1, column: 35))
        #expect(root["d"]?.position == SourcePosition(line: 2, column: 28))
        #expect(load("{\"a\": \"\\ud83d\"}").problems.count == 1)
    }

    @Test("files: read, missing, a folder, not UTF-8")
    func files() throws {
        try withFolder { folder in
            try Array("a: 1".utf8).write(to: folder + "/good.yaml")
            try (Array("a: é\nb: ".utf8) + [0xFF, 0x0A]).write(to: folder + "/bad.yaml")
            func loaded(_ path: String) -> (Tree?, [String]) {
                let problems = Problems(file: path)
                return (ConfigurationNode.load(problems: problems).map(Tree.init), summaries(problems))
            }
            #expect(loaded(folder + "/good.yaml").0 == ["a": 1])
            #expect(loaded(folder + "/none.yaml").1
                == ["1:1  | a file that cannot be read (no such file or directory) | a readable file of at most 67108864 bytes"])
            #expect(loaded(folder).1 == ["1:1  | a file that cannot be read (a folder, not a regular file) | a readable file of at most 67108864 bytes"])
            #expect(loaded(folder + "/bad.yaml").1 == ["2:4  | bytes that are not UTF-8 | text in UTF-8"])
        }
    }

    @Test("comparison: places and the order of keys do not matter, everything else does")
    func comparison() throws {
        func same(_ left: String, _ right: String) throws -> Bool {
            let problems = Problems(file: "f")
            return try #require(ConfigurationNode.load(text: left, problems: problems))
                .hasSameContent(as: try #require(ConfigurationNode.load(text: right, problems: problems)))
        }
        #expect(try same("{a: 1, b: [x, 1.5, true, null]}", "b:\n- x\n- 1.5\n- true\n- ~\na: 1"))
        for other in ["{a: 2}", "{a: '1'}", "{a: 1.0}", "{b: 1}", "{a: 1, b: 1}", "{a: [1]}", "[1]"] {
            #expect(try !same("{a: 1}", other))
        }
        #expect(try !same("[1, 2]", "[2, 1]"))
    }
}
