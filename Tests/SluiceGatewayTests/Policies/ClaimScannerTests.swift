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

    @Test("what is looked for has no escapes: a backslash in it is a backslash", arguments: [
        (#"a\nb"#, #"{"a\nb":1}"#), (#"\u0061"#, #"{"a":1}"#), (#"\u0061"#, #"{"\u0061":1}"#), (#"\\"#, #"{"\\":1}"#),
    ])
    func notFound(name: String, text: String) throws {
        #expect(try !has(name, in: text))
    }
}
