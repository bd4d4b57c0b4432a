import SluiceHTTP
import SluicePattern
import Testing

@testable import SluiceSchema

/// What a text comes to under a schema: `right`, the fault's words, or what is wrong with the JSON.
func outcome(_ schema: String, _ text: String, options: JSONSchema.Options = JSONSchema.Options()) throws -> String {
    try outcome(try JSONSchema(Array(schema.utf8), options: options), Array(text.utf8))
}

func outcome(_ schema: JSONSchema, _ bytes: [UInt8]) throws -> String {
    let scratch = try #require(MatchScratch())
    let memory = JSONMemory()
    return withFault { fault in
        bytes.withView { view in
            switch schema.handle.validate(view, memory.handle, scratch.handle, fault: fault) {
            case .right: "right"
            case .unreadable(let fault): "\(fault.text)"
            case .wrong(_, let text): text.text
            }
        }
    }
}

/// The place and the words of the error that a schema does not compile with; nil if it does.
func compileError(_ schema: String) -> String? {
    do {
        _ = try JSONSchema(Array(schema.utf8))
        return nil
    } catch {
        return "\(error.pointer): \(error.found)"
    }
}

func withFault<Result>(_ body: (UnsafeMutablePointer<UInt8>) -> Result) -> Result {
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: JSONSchema.faultBytesMax)
    defer { memory.deallocate() }
    return body(memory)
}

extension [UInt8] {
    /// In memory of exactly that size.
    func withView<Result>(_ body: (ByteView) throws -> Result) rethrows -> Result {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
        defer { memory.deallocate() }
        _ = UnsafeMutableBufferPointer(start: memory, count: count).initialize(from: self)
        return try body(ByteView(base: memory, count: count))
    }
}
