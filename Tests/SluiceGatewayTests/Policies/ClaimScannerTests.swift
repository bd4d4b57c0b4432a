import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Scanner of claims")
struct ClaimScannerTests {
    /// Whether the object in `text` has a member of this name.
    private func has(_ name: String, in text: String) throws -> Bool {
        let memory = ClaimScanner.Memory.allocate(capacity: 8)
        defer { memory.deallocate() }
        return try Array(text.utf8).withByteView { view in
            let object = try #require(ClaimScanner.scan(view, memory: memory, membersMax: 8))
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

    @Test("a token's header of 32 members is read, of 33 it is not; nested ones count", arguments: [(31, 0, true), (32, 0, false), (29, 2, true), (29, 3, false)])
    func headerMembers(flat: Int, nested: Int, isRead: Bool) {
        let memory = ClaimScanner.Memory.allocate(capacity: 512)
        defer { memory.deallocate() }
        var members = (0..<flat).map { "\"m\($0)\":1" }
        if nested > 0 { members.append("\"o\":{" + (0..<(nested - 1)).map { "\"n\($0)\":1" }.joined(separator: ",") + "}") }
        let text = "{\"alg\":\"RS256\"," + members.joined(separator: ",") + "}"
        #expect(Array(text.utf8).withByteView { TokenHeader($0, algorithm: "RS256", memory: memory) != nil } == isRead)
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
