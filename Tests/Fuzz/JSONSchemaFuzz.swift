import Foundation
import SluiceHTTP
import SluicePattern

@testable import SluiceSchema

/// `JSONSchema`: reads nothing that Foundation's reader of JSON refuses, says the same of a body each time, and what it says can stand in an error. If the first
/// byte is no digit, the rest is a schema, which compiles or not.
enum JSONSchemaFuzz: FuzzTarget {
    static let name = "json-schema"
    nonisolated(unsafe) private static let memory = JSONMemory()
    nonisolated(unsafe) private static let matches = MatchScratch()!
    nonisolated(unsafe) private static let fault = UnsafeMutablePointer<UInt8>.allocate(capacity: JSONSchema.faultBytesMax)

    private static let schemas: [JSONSchema] = [
        "{}",
        "{\"uniqueItems\":true,\"items\":{\"$ref\":\"#\"},\"maxItems\":9,\"additionalProperties\":{\"$ref\":\"#\"}}",
        "{\"enum\":[1,\"a\",null,true,[1,{\"a\":2.5}],{\"a\":[],\"b\":1e3}]}",
        "{\"minimum\":-1.5,\"maximum\":1e10,\"multipleOf\":0.25,\"minLength\":1,\"maxLength\":3,\"pattern\":\"^(a|[^b]+)*$\"}",
        """
        {"properties":{"a":{"$ref":"#"},"b":{"type":"integer"}},"required":["a"],"patternProperties":{"^c":{"$ref":"#"}},"additionalProperties":false,
        "dependencies":{"b":["c"],"c":{"maxProperties":3}},"minProperties":1}
        """,
        "{\"anyOf\":[{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}},{\"type\":\"integer\"},{\"not\":{\"type\":[\"object\",\"string\"]}}]}",
        "{\"oneOf\":[{\"items\":[{\"$ref\":\"#\"}],\"additionalItems\":{\"type\":\"null\"}},{\"allOf\":[{\"required\":[\"x\"]},{\"type\":\"object\"}]}]}",
    ].map { try! JSONSchema(Array($0.utf8)) }

    static func run(_ input: ByteView) {
        guard input.count > 1 else { return }
        let rest = Array(input.buffer.dropFirst())
        let choice = Int(input[0]) - Int(UInt8(ascii: "0"))
        guard (0..<10).contains(choice) else {
            guard let schema = try? JSONSchema(rest) else { return }
            return withCopy(Array("{\"a\":[1,\"b\",{\"c\":null}]}".utf8)) { _, text in judge(schema, text) }
        }
        withCopy(rest) { _, text in judge(schemas[choice % schemas.count], text) }
    }

    private static func judge(_ schema: JSONSchema, _ text: ByteView) {
        let first = outcome(schema, text)
        require(first == outcome(schema, text) || first.hasSuffix("too much work to validate"), "said twice, differently: \(first)")
        guard first.hasPrefix("unreadable") == false else { return }
        // Foundation has a bound on numbers.
        guard text.count < 200, !text.buffer.contains(where: { $0 | 0x20 == UInt8(ascii: "e") }) else { return }
        let other = try? JSONSerialization.jsonObject(with: Data(text.buffer), options: .fragmentsAllowed)
        require(other != nil, "Foundation refuses it")
    }

    private static func outcome(_ schema: JSONSchema, _ text: ByteView) -> String {
        switch schema.handle.validate(text, memory.handle, matches.handle, fault: fault) {
        case .right: return "right"
        case .unreadable(let fault): return "unreadable \(fault)"
        case .wrong(_, let shown):
            for byte in shown.buffer {
                require((0x20...0x7E).contains(byte) && ![0x22, 0x5C, 0x25].contains(byte), "a fault with the byte \(byte)")
            }
            return shown.text
        }
    }
}
