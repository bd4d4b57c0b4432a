import SluiceConfiguration
import Testing

@Suite("Typed reading of a mapping")
struct MappingReaderTests {
    @Test("every kind of value is read with its place")
    func values() throws {
        let text = """
            name: orders
            on: true
            count: 5
            list: [a, b]
            lone: a
            mode: local
            set: {X-A: "1", X-B: "2"}
            inner: {x: 1}
            rows: [{x: 1}, {x: 2}]
            """
        var isRead = false
        let found = problems(reading: text) { reader in
            isRead = true
            #expect(reader.requiredString("name")
                == Located(value: "orders", position: SourcePosition(line: 1, column: 7), keyPath: "name"))
            #expect(reader.requiredBool("on")?.value == true)
            #expect(reader.requiredInteger("count", in: 0...5)?.value == 5)
            #expect(reader.requiredStrings("list")?.value.map(\.value) == ["a", "b"])
            #expect(reader.strings("list")?.value.last?.keyPath == "list[1]")
            #expect(reader.strings("lone", allowSingle: true)?.value.map(\.keyPath) == ["lone"])
            #expect(reader.enumeration("mode", ["local", "closed"])?.value == "local")
            #expect(reader.enumeration("mode", of: Mode.self)?.value == .local)
            #expect(reader.stringMap("set")?.map(\.name.value) == ["X-A", "X-B"])
            #expect(reader.stringMap("set")?.map(\.value.value) == ["1", "2"])
            #expect(reader.stringMap("set")?.last?.name.position == SourcePosition(line: 7, column: 17))
            #expect(reader.mapping("inner")?.integer("x", in: 1...1)?.keyPath == "inner.x")
            #expect(reader.mappings("rows").map(\.keyPath) == ["rows[0]", "rows[1]"])
            #expect(reader.mappings("inner", allowSingle: true).count == 1)
            #expect(reader.list("list")?.value.count == 2)
            #expect(reader.list("inner", allowSingle: true)?.value.count == 1)
            #expect(reader.has("on") && !reader.has("off"))
            #expect(reader.string("absent") == nil && reader.mappings("absent").isEmpty)
        }
        #expect(isRead)
        #expect(found == [])
    }

    private enum Mode: String, CaseIterable { case local, closed }

    @Test("in the place of a mapping, what may be a secret is named by its kind only")
    func secretForMapping() {
        let found = problems(reading: "{hmac: s3cret, jwt: 8675309, tls: [s3cret], endpoints: s3cret}") { reader in
            for key in ["hmac", "jwt", "endpoints"] { _ = reader.mapping(key) }
            _ = reader.mappings("tls")
        }
        #expect(found == [
            "1:8 hmac | text | a mapping", "1:21 jwt | an integer | a mapping", "1:36 tls[0] | the text \"s3cret\" | a mapping",
            "1:56 endpoints | the text \"s3cret\" | a mapping",
        ])
    }

    @Test("{env: NAME} stands for any scalar, and a variable of the wrong type is named without its value")
    func scalarsOfTheEnvironment() {
        let text = "s: {env: T}\nn: {env: N}\nb: {env: B}\ne: {env: T}\nl: [{env: T}, x]\no: {env: T}\nw: {env: T}\nx: {env: B}\nu: {env: U}\nd: {env: N}"
        let found = problems(reading: text, environment: ["T": "local", "N": "17", "B": "true"]) { reader in
            #expect(reader.string("s")?.value == "local" && reader.integer("n", in: 0...20)?.value == 17 && reader.bool("b")?.value == true)
            #expect(reader.enumeration("e", ["local"])?.value == "local" && reader.strings("l")?.value.map(\.value) == ["local", "x"])
            #expect(reader.strings("o", allowSingle: true)?.value.map(\.value) == ["local"])
            #expect(reader.string("d")?.value == "17", "digits are text where text is wanted")
            _ = reader.integer("w", in: 0...20)
            _ = reader.enumeration("x", ["local"])
            _ = reader.string("u")
        }
        #expect(found == [
            "7:4 w | the environment variable \"T\", which holds text | an integer from 0 to 20",
            "8:4 x | the environment variable \"B\", which holds text | local",
            "9:10 u.env | the environment variable \"U\", which is not set | a variable that is set",
        ])
    }

    @Test("wrong types: each is reported where it stands, in one run")
    func wrongTypes() {
        let text = """
            s: 10
            b: "true"
            i: "10"
            f: 1.5
            l: {a: 1}
            l2: [a, 5, null]
            m: text
            ms: [{a: 1}, 7]
            ms2: 3
            e: other
            e2: 4
            es: [GET, get]
            sm: {a: 1}
            n:
            """
        let found = problems(reading: text) { reader in
            _ = reader.string("s")
            _ = reader.bool("b")
            _ = reader.integer("i", in: 0...9, unit: "seconds")
            _ = reader.integer("f", in: 0...9)
            _ = reader.strings("l")
            #expect(reader.strings("l2", allowSingle: true)?.value.map(\.value) == ["a"])
            #expect(reader.mapping("m") == nil)
            _ = reader.mappings("ms")
            _ = reader.mappings("ms2", allowSingle: true)
            _ = reader.enumeration("e", ["local", "closed"])
            _ = reader.enumeration("e2", ["local"])
            #expect(reader.enumerations("es", ["GET", "PUT"])?.value.map(\.value) == ["GET"])
            _ = reader.stringMap("sm")
            _ = reader.list("n", allowSingle: true)
        }
        #expect(found == [
            "1:4 s | the integer 10 | text (in quotes)",
            "2:4 b | the text \"true\" | true or false",
            "3:4 i | the text \"10\" | an integer from 0 to 9 (seconds)",
            "4:4 f | the number 1.5 | an integer from 0 to 9",
            "5:4 l | a mapping | a list of texts",
            "6:9 l2[1] | the integer 5 | text (in quotes)",
            "6:12 l2[2] | nothing | text",
            "7:4 m | the text \"text\" | a mapping",
            "8:14 ms[1] | the integer 7 | a mapping",
            "9:6 ms2 | the integer 3 | a mapping or a list of mappings",
            "10:4 e | the text \"other\" | local or closed",
            "11:5 e2 | the integer 4 | local",
            "12:11 es[1] | the text \"get\" | GET or PUT",
            "13:9 sm.a | the integer 1 | text (in quotes)",
            "14:3 n | nothing | a list",
        ])
    }

    @Test("ranges: both ends are allowed, their neighbours are not", arguments: [
        (0, true), (86_400, true), (-1, false), (86_401, false),
    ])
    func ranges(value: Int, isAllowed: Bool) {
        let found = problems(reading: "a: \(value)") { _ = $0.integer("a", in: 0...86_400) }
        #expect(found == (isAllowed ? [] : ["1:4 a | the integer \(value) | an integer from 0 to 86400"]))
    }

    @Test("required keys that are absent are reported at their mapping, under their own key path")
    func requiredKeys() {
        let found = problems(reading: "x:\n  y: 1\n") { reader in
            guard let inner = reader.mapping("x") else { return }
            _ = inner.integer("y", in: 1...1)
            _ = inner.requiredString("s")
            _ = inner.requiredString("u", allowed: "a URL")
            _ = inner.requiredBool("b")
            _ = inner.requiredInteger("i", in: 1...2, unit: "bytes")
            _ = inner.requiredStrings("l")
            _ = inner.requiredSecret("k")
            inner.finish()
        }
        #expect(found == [
            "2:3 x.s | nothing | text (required)", "2:3 x.u | nothing | a URL (required)",
            "2:3 x.b | nothing | true or false (required)",
            "2:3 x.i | nothing | an integer from 1 to 2 (bytes) (required)", "2:3 x.l | nothing | a list of texts (required)",
            "2:3 x.k | nothing | text, {env: NAME} or {file: PATH} (required)",
        ])
    }

    @Test("a required key with a wrong type is reported once")
    func requiredWrongType() {
        #expect(problems(reading: "a: 1") { _ = $0.requiredString("a") } == ["1:4 a | the integer 1 | text (in quotes)"])
    }

    @Test("unknown keys: all reported at the key, with what is allowed and what may have been meant")
    func unknownKeys() {
        let found = problems(reading: "hots: 1\nhosts: [a]\nzebra: {}\nopaque: [1]\n") { reader in
            _ = reader.strings("hosts")
            _ = reader.string("key")
            reader.ignore("opaque")
        }
        #expect(found == [
            "1:1 hots | the unknown key \"hots\" (did you mean hosts?) | hosts, key or opaque",
            "3:1 zebra | the unknown key \"zebra\" | hosts, key or opaque",
        ])
        #expect(problems(reading: "a: 1") { _ in } == ["1:1 a | the unknown key \"a\" | no keys"])
        #expect(problems(reading: "a: 1\nb: 2") { _ = $0.allEntries() } == [])
    }

    @Test("a document that is no mapping", arguments: [("- a", "a list"), ("a", "text"), ("5", "an integer")])
    func notAMapping(text: String, kind: String) {
        #expect(problems(reading: text) { _ in } == ["1:1  | \(kind) | a mapping"])
    }
}
