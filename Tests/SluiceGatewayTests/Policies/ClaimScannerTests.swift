import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Scanner of claims")
struct ClaimScannerTests {
    /// Whether the object in `text` has a member of this name.
    private func has(_ name: String, in text: String) throws -> Bool {
        let memory = ClaimScanner.Memory.allocate(textBytesMax: 64)
        defer { memory.deallocate() }
        return try Array(text.utf8).withByteView { view in
            let object = try #require(ClaimScanner.scan(view, memory: memory))
            return Array(name.utf8).withByteView { object.value(of: $0) != nil }
        }
    }

    @Test("a name is found by its characters, however it is written", arguments: [
        (#"a"#, #"{"a":1}"#), (#"a"#, #"{"\u0061":1}"#), (#"\"#, #"{"\\":1}"#), (#"a\nb"#, #"{"a\\nb":1}"#), ("a\nb", #"{"a\nb":1}"#),
        (#"\u0061"#, #"{"\\u0061":1}"#), ("é", #"{"\u00e9":1}"#), ("😀", #"{"\ud83d\ude00":1}"#),
    ])
    func found(name: String, text: String) throws {
        #expect(try has(name, in: text))
    }

    /// How many members the object in `text` has; nil if it is refused.
    private func count(_ text: String, textBytesMax: Int? = nil) -> Int? {
        let memory = ClaimScanner.Memory.allocate(textBytesMax: textBytesMax ?? text.utf8.count)
        defer { memory.deallocate() }
        return Array(text.utf8).withByteView { ClaimScanner.scan($0, memory: memory)?.count }
    }

    @Test("any number of members is read, at any depth", arguments: [1, 33, 513, 8193, 100_000])
    func manyMembers(members: Int) {
        #expect(count("{" + (0..<members).map { "\"m\($0)\":1" }.joined(separator: ",") + "}") == members)
        #expect(count("{\"o\":[" + (0..<members).map { _ in "{\"\":0}" }.joined(separator: ",") + "]}") == 1)
        let text = (0..<members).map { "\"m\($0)\":1" }.joined(separator: ",")
        #expect(count("{" + text + ",\"m\(members - 1)\":1}") == nil)
        #expect(count("{\"o\":{" + text + ",\"\\u006d\(members / 2)\":1}}") == nil)
    }

    @Test("after four billion scans the numbers of scans begin again, and no name of an old one counts")
    func numbersBeginAgain() {
        let text = Array(("{" + (0..<100).map { "\"m\($0)\":1" }.joined(separator: ",") + "}").utf8)
        let memory = ClaimScanner.Memory.allocate(textBytesMax: text.count)
        defer { memory.deallocate() }
        for latest in [0, .max] as [UInt32] {
            memory.latestScan.pointee = latest
            #expect(text.withByteView { ClaimScanner.scan($0, memory: memory)?.count } == 100)
            #expect(memory.latestScan.pointee == 1)
        }
    }

    @Test("any depth is read", arguments: [1, 31, 32, 33, 100_000])
    func depth(levels: Int) {
        func nested(_ open: String, _ core: String, _ close: String) -> String {
            "{\"a\":" + String(repeating: open, count: levels) + core + String(repeating: close, count: levels) + "}"
        }
        #expect(count(nested("[", "", "]")) == 1)
        #expect(count(nested("{\"a\":", "1", "}")) == 1)
        #expect(count(nested("[{\"a\":", "[]", "}]")) == 1)
        #expect(count(nested("[", "", "]") + "]") == nil)
        #expect(count(nested("[", "", "}")) == nil)
        #expect(count(String(nested("[", "", "]").dropLast(2))) == nil)
    }

    @Test("a string ends, escapes and is refused at any place of a word of eight", arguments: 0..<18)
    func words(offset: Int) throws {
        let memory = ClaimScanner.Memory.allocate(textBytesMax: 200)
        defer { memory.deallocate() }
        for more in 0..<10 {
            let (before, after) = (String(repeating: "~", count: offset), String(repeating: " ", count: more))
            for (middle, isRead) in [("", true), (#"\""#, true), (#"\\"#, true), ("é", true), ("\u{7f}", true), ("\u{1f}", false), ("\t", false), (#"\x"#, false)] {
                let value = before + middle + after
                let object = Array("{\"a\":\"\(value)\",\"b\":\"\(after)\"}".utf8).withByteView { ClaimScanner.scan($0, memory: memory).map { object in
                    [object.value(of: ByteView("a"))?.raw.string, object.value(of: ByteView("b"))?.raw.string]
                } }
                #expect(object == (isRead ? [value, after] : nil))
            }
            for broken: [UInt8] in [[0x80], [0xC3], [0xFF], [0xE2, 0x82]] {
                let text = Array("{\"a\":\"\(before)".utf8) + broken + Array("\(after)\"}".utf8)
                #expect(text.withByteView { ClaimScanner.scan($0, memory: memory) == nil })
            }
        }
    }

    @Test("a bound on values counts members and elements at all depths", arguments: [
        (#"{"a":1}"#, 1), (#"{"a":1,"b":2}"#, 2), (#"{"a":[1,2,3]}"#, 4), (#"{"a":{"b":{"c":[]}}}"#, 3),
    ])
    func valuesMax(text: String, values: Int) {
        let memory = ClaimScanner.Memory.allocate(textBytesMax: 100)
        defer { memory.deallocate() }
        func isTooMuch(_ most: Int) -> Bool {
            Array(text.utf8).withByteView { view in
                if case .tooManyValues = ClaimScanner.scan(view, memory: memory, valuesMax: most) { true } else { false }
            }
        }
        #expect(!isTooMuch(values) && isTooMuch(values - 1))
    }

    @Test("what is no object, and what is longer than the memory is for", arguments: [
        "", "{", "}", "[]", "1", "{}{}", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{"a":1 "b":2}"#, #"{"a":[1,]}"#, #"{"a":[,1]}"#, #"{"a":[1 2]}"#,
        #"{a:1}"#, #"{"a":1]"#, #"{"a":[1}}"#, #"{"a":{"b":1,"b":2}}"#, #"{"a":[{"b":1},{"b":1,"\u0062":1}]}"#, #"{"a":01}"#, #"{"a":tru}"#,
    ])
    func refused(text: String) {
        #expect(count(text) == nil)
    }

    @Test("values are those of their members, whatever stands between them")
    func values() throws {
        let text = #"{ "a" : { "b" : [ 1 , { "a" : 2 } ] } , "b" : [ ] , "c" : "x\n" , "d" : -1.5e3 , "e" : true , "f":null,"long name of a claim":"é" }"#
        let memory = ClaimScanner.Memory.allocate(textBytesMax: 1000)
        defer { memory.deallocate() }
        try Array(text.utf8).withByteView { view in
            // Slots of earlier scans are free.
            for _ in 0..<3 {
                let object = try #require(ClaimScanner.scan(view, memory: memory))
                #expect(object.count == 7)
                let found = ["a", "b", "c", "d", "e", "f", "long name of a claim"].map { name in
                    Array(name.utf8).withByteView { object.value(of: $0)?.raw.string }
                }
                #expect(found == [#"{ "b" : [ 1 , { "a" : 2 } ] }"#, "[ ]", #"x\n"#, "-1.5e3", "true", "null", "é"])
                #expect(object.value(of: ByteView("x")) == nil)
            }
        }
        #expect(count("{}", textBytesMax: 2) == 0 && count("{} ", textBytesMax: 2) == nil)
    }

    @Test("a number of 64 characters is read, of 65 it is not")
    func numberCharacters() {
        func number(_ count: Int) -> JSONNumber? { ("1." + String(repeating: "5", count: count - 2)).withByteView { JSONNumber($0) } }
        #expect(number(64) != nil)
        #expect(number(65) == nil)
    }

    @Test("what is looked for has no escapes: a backslash in it is a backslash", arguments: [
        (#"a\nb"#, #"{"a\nb":1}"#), (#"\u0061"#, #"{"a":1}"#), (#"\u0061"#, #"{"\u0061":1}"#), (#"\\"#, #"{"\\":1}"#),
    ])
    func notFound(name: String, text: String) throws {
        #expect(try !has(name, in: text))
    }
}
