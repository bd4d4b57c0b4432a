import SluiceHTTP
import SluicePattern
import SluiceSchema

/// Reads pairs of lines, a schema and a document, and answers each with a line: `right`, `wrong RULE`, `unreadable WHY` or `error WHERE`. For
/// Tests/Conformance/schemas.py.
@main
struct SchemaDriver {
    static func main() {
        guard let scratch = MatchScratch() else { return }
        let memory = JSONMemory()
        let fault = UnsafeMutablePointer<UInt8>.allocate(capacity: JSONSchema.faultBytesMax)
        defer { fault.deallocate() }
        while let schema = readLine(), let text = readLine() {
            do {
                let compiled = try JSONSchema(Array(schema.utf8))
                print(answer(compiled, Array(text.utf8), memory.handle, scratch.handle, fault))
            } catch {
                print("error \(error.pointer) \(error.found)")
            }
        }
    }

    private static func answer(
        _ schema: JSONSchema, _ text: [UInt8], _ memory: JSONMemory.Handle, _ matches: MatchScratch.Handle, _ fault: UnsafeMutablePointer<UInt8>
    ) -> String {
        text.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return "unreadable" }
            switch schema.handle.validate(ByteView(base: base, count: buffer.count), memory, matches, fault: fault) {
            case .right: return "right"
            case .unreadable(let fault): return "unreadable \(fault.text)"
            case .wrong(let rule, _): return "wrong \(rule)"
            }
        }
    }
}
