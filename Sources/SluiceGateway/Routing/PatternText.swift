import SluiceHTTP

/// The source of a regular expression as it is matched with a normalised path. For compile time.
///
/// A path holds letters outside ASCII as escapes. An expression that names some is compiled for characters (`isUnicode`), and sees a path
/// whose escaped characters outside ASCII are decoded: so a letter is one thing in classes, ranges and repetitions too. Escapes that stand outside
/// of classes get the form that a path has: unreserved characters decoded, digits in upper case.
enum PatternText {
    static func normalised(_ source: String) -> (source: String, isUnicode: Bool) {
        let bytes = Array(source.utf8)
        var result: [UInt8] = []
        let isUnicode = bytes.contains { $0 >= 0x80 }
        var at = 0
        var isInClass = false
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\\"), at + 1 < bytes.count {
                result += bytes[at...at + 1]
                at += 2
                continue
            }
            if byte == UInt8(ascii: "["), !isInClass {
                isInClass = true
                // A bracket that comes first, behind a caret too, is a member.
                let end = at + 1 < bytes.count && bytes[at + 1] == UInt8(ascii: "^") ? at + 2 : at + 1
                let first = end < bytes.count && bytes[end] == UInt8(ascii: "]") ? end + 1 : end
                result += bytes[at..<min(first, bytes.count)]
                at = first
                continue
            }
            if byte == UInt8(ascii: "]") { isInClass = false }
            guard !isInClass, let value = octet(in: bytes, at: at) else {
                result.append(byte)
                at += 1
                continue
            }
            at += 3
            if PathText.isUnreserved(value) {
                if value == UInt8(ascii: ".") || value == UInt8(ascii: "-") { result.append(UInt8(ascii: "\\")) }
                result.append(value)
            } else if isUnicode, value >= 0x80, let character = character(in: bytes, from: at - 3) {
                result += character.bytes
                at = character.end
            } else {
                result += PathText.escape(of: value)
            }
        }
        return (String(decoding: result, as: UTF8.self), isUnicode)
    }

    private static func octet(in bytes: [UInt8], at place: Int) -> UInt8? {
        guard bytes[place] == UInt8(ascii: "%"), place + 2 < bytes.count else { return nil }
        let (high, low) = (bytes[place + 1].hexValue, bytes[place + 2].hexValue)
        return high < 16 && low < 16 ? high << 4 | low : nil
    }

    /// The one character that the escapes from `start` spell.
    private static func character(in bytes: [UInt8], from start: Int) -> (bytes: [UInt8], end: Int)? {
        var octets: [UInt8] = []
        var at = start
        while octets.count < 4, at < bytes.count, let value = octet(in: bytes, at: at) {
            octets.append(value)
            at += 3
            if let text = String(validating: octets, as: UTF8.self), text.unicodeScalars.count == 1 { return (octets, at) }
        }
        return nil
    }
}
