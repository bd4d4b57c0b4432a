import SluiceHTTP
import Testing

@testable import SluiceSchema

@Suite("Reading JSON")
struct JSONReaderTests {
    private func fault(_ text: String) -> JSONFault? { fault(Array(text.utf8)) }

    private func fault(_ bytes: [UInt8]) -> JSONFault? {
        let memory = JSONMemory()
        return bytes.withView { view in
            switch JSONReader.read(view, into: memory.handle) {
            case .success: nil
            case .failure(let refused): refused.fault
            }
        }
    }

    @Test("documents of every kind are read", arguments: [
        "null", "true", "false", "0", "-0", "12", "-1.5e+10", "1E5", "\"\"", "\"a\"", "[]", "{}", " [ 1 , 2 ] ", "{\"a\":{\"b\":[{}]},\"c\":[]}",
        "\"\\u00e9\\ud83d\\ude00\\n\\/\"", "\"é😀\"", "\t\r\n1\n",
    ])
    func documents(text: String) { #expect(fault(text) == nil) }

    @Test("what RFC 8259 does not know is malformed", arguments: [
        "", " ", "nul", "nulll", "tru", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN", "'a'", "\"a", "\"\t\"", "\"\\x\"", "\"\\u12\"", "[1,]",
        "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "[1}", "{\"a\":1]", "1 2", "[1]]", "[", "{", "{\"a\":1", "\u{FEFF}1",
        "// 1", "[1]x",
    ])
    func malformed(text: String) { #expect(fault(text) == .malformed) }

    @Test("surrogates alone are malformed, in every order", arguments: ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\udc00\\ud800", "\\ud800x", "\\ud800\\n"])
    func surrogates(text: String) { #expect(fault("\"\(text)\"") == .malformed) }

    @Test("what is not UTF-8 is malformed", arguments: [
        [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
        [0x80], [0xC3], [0xE2, 0x82], [0xFF], [0xF0, 0x9F, 0x98],
    ] as [[UInt8]])
    func notUTF8(bytes: [UInt8]) {
        #expect(fault([0x22] + bytes + [0x22]) == .malformed)
        #expect(fault([0x22] + bytes) == .malformed)
    }

    @Test("every character of UTF-8 is taken, at each distance from the end of a look at sixteen bytes", arguments: ["é", "€", "😀", "\u{7FF}", "\u{FFFD}", "\u{10FFFF}"])
    func characters(character: String) {
        for length in 0...40 { #expect(fault("\"\(String(repeating: "a", count: length))\(character)\"") == nil) }
    }

    @Test("a prefix of a document is no document, but for numbers")
    func prefixes() {
        let document = Array("{\"a\\u00e9\":[1.5e3,true,null,\"x\"],\"b\":{\"c\":\"\\ud83d\\ude00é\"}}".utf8)
        for count in 0..<document.count { #expect(fault(Array(document[..<count])) == .malformed) }
        #expect(fault(document) == nil)
    }

    @Test("names stand once, however they are written, in small objects and in large ones", arguments: [0, 14, 15, 16, 17, 300])
    func duplicateNames(others: Int) {
        let members = (0..<others).map { "\"n\($0)\":\($0)" }
        let text = { (pair: [String]) in "{\((members + pair).joined(separator: ","))}" }
        #expect(fault(text(["\"a\":1", "\"b\":2"])) == nil)
        #expect(fault(text(["\"a\":1", "\"a\":1"])) == .duplicateName)
        #expect(fault(text(["\"a\":1", "\"\\u0061\":2"])) == .duplicateName)
        #expect(fault(text(["\"\\u0061b\":1", "\"\\u0061b\":2"])) == .duplicateName)
        #expect(fault(text(["\"é\":1", "\"\\u00e9\":2"])) == .duplicateName)
        // Letters that only Unicode takes for the same.
        #expect(fault(text(["\"\u{E9}\":1", "\"e\u{301}\":2"])) == nil)
        #expect(fault(text(["\"a\":{\"a\":1}", "\"A\":2"])) == nil)
    }

    @Test("nesting has a bound: 128 are read, 129 not")
    func depth() {
        let nested = { (count: Int) in String(repeating: "[", count: count) + String(repeating: "]", count: count) }
        #expect(fault(nested(JSONMemory.depthMax)) == nil)
        #expect(fault(nested(JSONMemory.depthMax + 1)) == .tooDeep)
        #expect(fault(String(repeating: "{\"a\":", count: JSONMemory.depthMax + 1)) == .tooDeep)
        #expect(fault(String(repeating: "[", count: 100_000)) == .tooDeep)
    }

    @Test("a number is one that a double can hold", arguments: [
        ("1e308", false), ("1.7976931348623157e308", false), ("1.7976931348623158e308", true), ("0.17976931348623157e309", false), ("1.8e308", true), ("1e309", true),
        ("-1e309", true), ("1e-322", false), ("1e-324", true), ("-1e-400", true), ("0.0001e-320", true), ("10000e-326", false), ("0e999999999999999999999", false),
        ("0.000e-99999999999", false), ("1e0000000000000000000005", false), ("1e99999999999999999999999", true), ("1e-99999999999999999999999", true),
        (String(repeating: "9", count: 308), false), (String(repeating: "9", count: 309), true), ("1" + String(repeating: "0", count: 400) + "e-400", false),
        ("0." + String(repeating: "0", count: 400) + "1", true), ("0." + String(repeating: "3", count: 400), false),
    ])
    func ranges(number: String, isOutOfRange: Bool) {
        #expect(fault(number) == (isOutOfRange ? .numberOutOfRange : nil))
    }

    @Test("memory is used again, grows, and goes back")
    func memory() {
        let memory = JSONMemory()
        let large = Array("[\((0..<100_000).map { "\($0)" }.joined(separator: ","))]".utf8)
        for bytes in [large, Array("[1]".utf8), large] {
            let isWhole = bytes.withView { view in
                guard case .success(let index) = JSONReader.read(view, into: memory.handle) else { return false }
                return index[0].next == UInt32(index.count)
            }
            #expect(isWhole)
        }
        memory.handle.trim()
        #expect(memory.handle.state.pointee.entries.capacity > 100_000)
        memory.handle.trim()
        #expect(memory.handle.state.pointee.entries.capacity == 0)
    }
}
