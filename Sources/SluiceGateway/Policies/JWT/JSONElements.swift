import SluiceHTTP

/// The elements of a scanned array, in their order. The text is known to be sound.
struct JSONElements: BitwiseCopyable {
    private var cursor: JSONCursor

    /// - Parameter array: a value of kind `.array`; anything else has no elements.
    init(_ array: JSONValue) { cursor = JSONCursor(array.kind == .array ? array.raw : .empty) }

    mutating func next() -> JSONValue? { cursor.isAtNext(before: UInt8(ascii: "]")) ? cursor.value() : nil }
}

/// The members of a scanned object, in their order. The text is known to be sound, and no two have the same name.
struct JSONMembers: BitwiseCopyable {
    private var cursor: JSONCursor

    /// - Parameter object: a value of kind `.object`; anything else has no members.
    init(_ object: JSONValue) { cursor = JSONCursor(object.kind == .object ? object.raw : .empty) }

    mutating func next() -> (name: JSONString, value: JSONValue)? {
        guard cursor.isAtNext(before: UInt8(ascii: "}")) else { return nil }
        let name = cursor.value()
        guard cursor.isAtNext(before: UInt8(ascii: "}")) else { return nil }
        return (JSONString(raw: name.raw, hasEscapes: name.hasEscapes), cursor.value())
    }
}

/// A place in a scanned array or object. Walks over a value in one pass, without recursion.
private struct JSONCursor: BitwiseCopyable {
    private let text: ByteView
    /// Behind the opening bracket at first.
    private var position = 1

    init(_ text: ByteView) { self.text = text }

    /// Goes to the next value, over blanks, commas and colons; false if there is none.
    mutating func isAtNext(before closing: UInt8) -> Bool {
        while position < text.count {
            let byte = text[position]
            guard byte.isJSONBlank || byte == UInt8(ascii: ",") || byte == UInt8(ascii: ":") else { return byte != closing }
            position += 1
        }
        return false
    }

    /// The value that stands here.
    mutating func value() -> JSONValue {
        let start = position
        switch text[position] {
        case UInt8(ascii: "\""):
            let hasEscapes = skipString()
            return JSONValue(kind: .string, raw: text[start + 1..<position - 1], hasEscapes: hasEscapes)
        case UInt8(ascii: "{"): return skipNested(.object, from: start)
        case UInt8(ascii: "["): return skipNested(.array, from: start)
        case UInt8(ascii: "t"): return skipPlain(.true, from: start)
        case UInt8(ascii: "f"): return skipPlain(.false, from: start)
        case UInt8(ascii: "n"): return skipPlain(.null, from: start)
        default: return skipPlain(.number, from: start)
        }
    }

    /// From the opening to behind the closing quotation mark; whether there are escapes between them.
    private mutating func skipString() -> Bool {
        var hasEscapes = false
        position += 1
        while position < text.count, text[position] != UInt8(ascii: "\"") {
            if text[position] == UInt8(ascii: "\\") {
                hasEscapes = true
                position += 1
            }
            position += 1
        }
        position += 1
        return hasEscapes
    }

    private mutating func skipPlain(_ kind: JSONValue.Kind, from start: Int) -> JSONValue {
        while position < text.count {
            let byte = text[position]
            if byte.isJSONBlank || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") { break }
            position += 1
        }
        return JSONValue(kind: kind, raw: text[start..<position], hasEscapes: false)
    }

    private mutating func skipNested(_ kind: JSONValue.Kind, from start: Int) -> JSONValue {
        var depth = 0
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: "\""):
                _ = skipString()
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
            position += 1
            if depth == 0 { break }
        }
        return JSONValue(kind: kind, raw: text[start..<position], hasEscapes: false)
    }
}
