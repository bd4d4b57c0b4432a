/// JSON writes characters beyond U+FFFF as two escapes of UTF-16 (RFC 8259, section 7), which YAML's double-quoted
/// scalars do not have. Here each pair becomes the character itself, and the columns of the original stay known.
struct SurrogatePairs {
    private(set) var text: String
    /// By line, the columns (in `text`) of the characters that were twelve characters long, ascending.
    private var joined: [Int: [Int]] = [:]

    init(joiningIn original: String) {
        var output: [UInt8] = []
        output.reserveCapacity(original.utf8.count)
        let bytes = Array(original.utf8)
        var (line, column, index, isEscaped) = (1, 1, 0, false)
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\\"), !isEscaped, let scalar = Self.pair(bytes, at: index) {
                output.append(contentsOf: String(scalar).utf8)
                joined[line, default: []].append(column)
                column += 1
                index += 12
                continue
            }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
            output.append(byte)
            index += 1
            if byte == UInt8(ascii: "\n") {
                (line, column) = (line + 1, 1)
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        text = String(decoding: output, as: UTF8.self)
    }

    /// The place in the original text of a place in `text`.
    func original(_ position: SourcePosition) -> SourcePosition {
        guard let columns = joined[position.line] else { return position }
        // A document without line breaks can hold very many, so they are searched by halves.
        var (before, end) = (0, columns.count)
        while before < end {
            let middle = (before + end) / 2
            if columns[middle] < position.column { before = middle + 1 } else { end = middle }
        }
        return SourcePosition(line: position.line, column: position.column + 11 * before)
    }

    private static func pair(_ bytes: [UInt8], at index: Int) -> Unicode.Scalar? {
        guard let high = unit(bytes, at: index), (0xD800..<0xDC00).contains(high),
            let low = unit(bytes, at: index + 6), (0xDC00..<0xE000).contains(low)
        else { return nil }
        return Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
    }

    private static func unit(_ bytes: [UInt8], at index: Int) -> UInt32? {
        guard index + 6 <= bytes.count, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u")
        else { return nil }
        return UInt32(String(decoding: bytes[index + 2..<index + 6], as: UTF8.self), radix: 16)
    }
}
