import SluiceHTTP

/// The grammar of what an operator may write into a message, for configurations: a request's own fields are checked by its parser.
enum FieldSyntax {
    /// `token` (RFC 9110, 5.6.2): a field name or a method.
    static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(isTokenCharacter)
    }

    /// `field-value` (RFC 9110, 5.5): visible characters, also beyond ASCII, with blanks only between them. May be empty.
    static func isFieldValue(_ text: String) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last else { return true }
        return !isBlank(first) && !isBlank(last)
            && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == UInt8(ascii: "\t") }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

extension String {
    /// The text with ASCII capitals put in lower case, and nothing else changed: how field names, schemes and hosts compare.
    var asciiLowercased: String {
        String(decoding: utf8.map(\.asciiLowercased), as: UTF8.self)
    }

    /// What `read` does with the UTF-8 of this text; the view does not outlive the call.
    func withByteView<Result>(_ read: (ByteView) -> Result) -> Result {
        var text = self
        return text.withUTF8 { utf8 in
            guard let base = utf8.baseAddress else { return read(.empty) }
            return read(ByteView(base: base, count: utf8.count))
        }
    }
}
