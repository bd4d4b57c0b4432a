import SluiceHTTP

/// How the values of variables are written, so that none ends what it stands in: by the content type of the body, or as the value of a header.
enum TemplateEscaping: UInt8, BitwiseCopyable, Sendable {
    /// Without control bytes.
    case header
    /// As text of which nothing is known: without control bytes.
    case plain
    /// As a part of a string of JSON (RFC 8259, 7).
    case json
    /// As text or a quoted attribute of HTML or XML.
    case markup
    /// As a part of a string of JavaScript.
    case script

    init(_ type: MediaType) {
        // By what the name says, for the many of a kind: application/x-ndjson, text/xml-external-parsed-entity.
        if type.subtype.contains("json") {
            self = .json
        } else if type.subtype.contains("html") || type.subtype.contains("xml") {
            self = .markup
        } else if type.subtype.hasSuffix("javascript") || type.subtype.hasSuffix("ecmascript") {
            self = .script
        } else {
            self = .plain
        }
    }
}

/// Writes a template's text and the values of its variables. Text is never cut. Values are: what is beyond the bytes that they may take together is left out.
struct TemplateWriter {
    var out: HeadWriter
    let escaping: TemplateEscaping
    /// Bytes that values may still take.
    private(set) var left: Int

    init(_ out: HeadWriter, _ escaping: TemplateEscaping, valueBytesMax: Int) {
        self.out = out
        self.escaping = escaping
        left = valueBytesMax
    }

    mutating func write(text: ByteView) { out.write(text) }

    /// A value, which a client may have chosen. Bytes that are no UTF-8 become U+FFFD, but for headers, which have no encoding.
    mutating func write(value: ByteView) {
        var index = 0
        while index < value.count, left > 0 {
            let byte = value[index]
            if escaping == .header {
                if byte >= 0x20 && byte != 0x7F || byte == 0x09 { put(byte) }
                index += 1
            } else if byte < 0x80 {
                write(ascii: byte)
                index += 1
            } else {
                let count = UTF8Character.byteCount(value, at: index)
                if count == 0 { put("\u{FFFD}") } else { put(value[index..<index + count]) }
                index += max(1, count)
            }
        }
    }

    mutating func write(value: StaticString) { write(value: ByteView(value)) }

    /// What the gateway makes itself: digits, an address, a time. Nothing in it is special anywhere.
    mutating func writeOwn(_ write: (inout HeadWriter) -> Void) { write(&out) }

    private mutating func write(ascii byte: UInt8) {
        switch escaping {
        case .header: put(byte)
        case .plain: if byte >= 0x20 && byte != 0x7F || byte == 0x09 { put(byte) } else { put("\u{FFFD}") }
        case .json:
            switch byte {
            case UInt8(ascii: "\""): put("\\\"")
            case UInt8(ascii: "\\"): put("\\\\")
            case 0..<0x20, 0x7F: putUnicode(byte)
            default: put(byte)
            }
        case .markup:
            switch byte {
            case UInt8(ascii: "&"): put("&amp;")
            case UInt8(ascii: "<"): put("&lt;")
            case UInt8(ascii: ">"): put("&gt;")
            case UInt8(ascii: "\""): put("&quot;")
            case UInt8(ascii: "'"): put("&#39;")
            case 0..<0x09, 0x0A..<0x20, 0x7F: put("\u{FFFD}")
            default: put(byte)
            }
        case .script:
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: ":"): put(byte)
            default: putUnicode(byte)
            }
        }
    }

    private mutating func put(_ byte: UInt8) {
        left -= 1
        out.write(byte: byte)
    }

    private mutating func put(_ text: StaticString) { put(ByteView(text)) }

    /// Whole, or not at all: half an escape would be another text.
    private mutating func put(_ text: ByteView) {
        guard text.count <= left else {
            left = 0
            return
        }
        left -= text.count
        out.write(text)
    }

    private mutating func putUnicode(_ byte: UInt8) {
        guard left >= 6 else {
            left = 0
            return
        }
        left -= 6
        out.write("\\u00")
        out.write(byte: Self.digit(byte >> 4))
        out.write(byte: Self.digit(byte & 15))
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}

/// UTF-8 (RFC 3629, 4).
enum UTF8Character {
    /// Bytes of the character beyond ASCII that begins there; 0 if none does.
    static func byteCount(_ text: ByteView, at index: Int) -> Int {
        let first = text[index]
        let count: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        switch first {
        case 0xC2...0xDF: count = 2
        case 0xE0...0xEF:
            count = 3
            if first == 0xE0 { low = 0xA0 }
            if first == 0xED { high = 0x9F }
        case 0xF0...0xF4:
            count = 4
            if first == 0xF0 { low = 0x90 }
            if first == 0xF4 { high = 0x8F }
        default: return 0
        }
        guard count <= text.count - index, text[index + 1] >= low, text[index + 1] <= high else { return 0 }
        for offset in 2..<max(2, count) where text[index + offset] & 0xC0 != 0x80 { return 0 }
        return count
    }
}
