import SluiceHTTP

/// The bytes of a scanned string with its escapes resolved, one by one, in UTF-8.
struct JSONStringBytes: BitwiseCopyable {
    private let raw: ByteView
    private let hasEscapes: Bool
    private var position = 0
    /// Bytes of one scalar still to be handed out, the next one lowest.
    private var pending: UInt32 = 0
    private var pendingCount = 0

    init(_ string: JSONString) {
        raw = string.raw
        hasEscapes = string.hasEscapes
    }

    mutating func next() -> UInt8? {
        if pendingCount > 0 { return takePending() }
        guard position < raw.count else { return nil }
        let byte = raw[position]
        position += 1
        guard hasEscapes, byte == UInt8(ascii: "\\"), position < raw.count else { return byte }
        let kind = raw[position]
        position += 1
        switch kind {
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"): return scalar()
        default: return kind
        }
    }

    /// The first byte of the scalar that `\u` and four digits, or two of them, write. The scanner has seen that they are whole.
    private mutating func scalar() -> UInt8? {
        var value = unit()
        if value & 0xFC00 == 0xD800 {
            position += 2
            value = 0x10000 + (value & 0x3FF) << 10 + unit() & 0x3FF
        }
        switch value {
        case 0..<0x80: return UInt8(truncatingIfNeeded: value)
        case 0x80..<0x800: setPending(0xC0 | value >> 6, 0x80 | value & 0x3F, count: 2)
        case 0x800..<0x10000: setPending(0xE0 | value >> 12, 0x80 | value >> 6 & 0x3F, 0x80 | value & 0x3F, count: 3)
        default:
            setPending(0xF0 | value >> 18, 0x80 | value >> 12 & 0x3F, 0x80 | value >> 6 & 0x3F, 0x80 | value & 0x3F, count: 4)
        }
        return takePending()
    }

    private mutating func unit() -> UInt32 {
        var value: UInt32 = 0
        var index = 0
        while index < 4, position < raw.count {
            value = value << 4 | UInt32(raw[position].hexValue & 15)
            position += 1
            index += 1
        }
        return value
    }

    private mutating func setPending(_ first: UInt32, _ second: UInt32, _ third: UInt32 = 0, _ fourth: UInt32 = 0, count: Int) {
        pending = first | second << 8 | third << 16 | fourth << 24
        pendingCount = count
    }

    private mutating func takePending() -> UInt8 {
        defer {
            pending >>= 8
            pendingCount -= 1
        }
        return UInt8(truncatingIfNeeded: pending)
    }
}
