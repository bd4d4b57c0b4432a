import SluiceHTTP

/// Writes a claim as the value of a header.
///
/// A string is written with its escapes resolved, a number, `true` and `false` as they stand, an array or object as its JSON
/// text without white space. An absent claim, `null` and an empty string are no value: the header is left out.
enum ForwardedClaim {
    enum Outcome: BitwiseCopyable {
        case value(ByteView)
        /// The value cannot be the value of a header as it is: a control character, or a blank at an end, which every reader
        /// would strip (RFC 9110, 5.5) and so take `"admin "` for `"admin"`.
        case unfit
        /// The exchange has no memory left.
        case noMemory
    }

    static func write(_ value: JSONValue?, into exchange: inout Exchange) -> Outcome {
        guard let value, value.kind != .null else { return .value(.empty) }
        // No form is longer than the text that it comes from.
        guard let memory = exchange.allocate(value.raw.count) else { return .noMemory }
        let count: Int
        switch value.kind {
        case .string:
            guard let written = copyString(JSONString(raw: value.raw, hasEscapes: value.hasEscapes), to: memory) else { return .unfit }
            count = written
        case .array, .object:
            guard let written = copyCompact(value.raw, to: memory) else { return .unfit }
            count = written
        case .number, .true, .false, .null:
            memory.update(from: value.raw.base, count: value.raw.count)
            count = value.raw.count
        }
        // What escapes saved goes back.
        exchange.storageUsed -= value.raw.count - count
        return .value(ByteView(base: memory, count: count))
    }

    private static func copyString(_ string: JSONString, to memory: UnsafeMutablePointer<UInt8>) -> Int? {
        var count = 0
        if !string.hasEscapes {
            // The scanner lets no control character below the space pass as it is.
            guard string.raw.index(of: 0x7F, from: 0) == string.raw.count else { return nil }
            memory.update(from: string.raw.base, count: string.raw.count)
            count = string.raw.count
        }
        var bytes = JSONStringBytes(string.hasEscapes ? string : JSONString(raw: .empty, hasEscapes: false))
        while let byte = bytes.next() {
            guard byte >= 0x20, byte != 0x7F else { return nil }
            memory[count] = byte
            count += 1
        }
        if count > 0, memory[0] == 0x20 || memory[count - 1] == 0x20 { return nil }
        return count
    }

    private static func copyCompact(_ text: ByteView, to memory: UnsafeMutablePointer<UInt8>) -> Int? {
        var count = 0
        var isInString = false
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            if !isInString, byte.isJSONBlank { continue }
            if byte == 0x7F { return nil }
            memory[count] = byte
            count += 1
            if byte == UInt8(ascii: "\"") {
                isInString.toggle()
            } else if byte == UInt8(ascii: "\\"), index < text.count {
                // The escaped character, which may be a quotation mark.
                memory[count] = text[index]
                count += 1
                index += 1
            }
        }
        return count
    }
}
