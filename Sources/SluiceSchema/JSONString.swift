import SluiceHTTP

/// Strings of JSON (RFC 8259, 7) behind their reader: well-formed, between their quotation marks.
enum JSONString {
    /// What the string says, in UTF-8. The reader has made sure that every escape is whole and that surrogates come in pairs.
    @inline(never)
    static func decode(_ raw: ByteView, into room: inout JSONMemory.Room<UInt8>) -> ByteView {
        let memory = room.reserve(raw.count)
        var read = 0
        var written = 0
        while read < raw.count {
            let byte = raw[read]
            guard byte == UInt8(ascii: "\\") else {
                memory[written] = byte
                read += 1
                written += 1
                continue
            }
            let escape = raw[read + 1]
            read += 2
            guard escape == UInt8(ascii: "u") else {
                memory[written] = plain(escape)
                written += 1
                continue
            }
            var scalar = unit(raw, at: read)
            read += 4
            if scalar & 0xFC00 == 0xD800 {
                scalar = 0x10000 + (scalar & 0x3FF) << 10 + unit(raw, at: read + 2) & 0x3FF
                read += 6
            }
            // No escape is shorter than what it stands for.
            written += write(scalar, to: memory + written)
        }
        return ByteView(base: UnsafePointer(memory), count: written)
    }

    /// What a backslash and this letter stand for.
    private static func plain(_ escape: UInt8) -> UInt8 {
        switch escape {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: escape
        }
    }

    /// The number of four hexadecimal digits.
    private static func unit(_ raw: ByteView, at place: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in 0..<4 { value = value << 4 | UInt32(raw[place + index].hexadecimalValue ?? 0) }
        return value
    }

    private static func write(_ scalar: UInt32, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        switch scalar {
        case ..<0x80:
            memory[0] = UInt8(scalar)
            return 1
        case ..<0x800:
            memory[0] = UInt8(0xC0 | scalar >> 6)
            memory[1] = UInt8(0x80 | scalar & 0x3F)
            return 2
        case ..<0x10000:
            memory[0] = UInt8(0xE0 | scalar >> 12)
            memory[1] = UInt8(0x80 | scalar >> 6 & 0x3F)
            memory[2] = UInt8(0x80 | scalar & 0x3F)
            return 3
        default:
            memory[0] = UInt8(0xF0 | scalar >> 18)
            memory[1] = UInt8(0x80 | scalar >> 12 & 0x3F)
            memory[2] = UInt8(0x80 | scalar >> 6 & 0x3F)
            memory[3] = UInt8(0x80 | scalar & 0x3F)
            return 4
        }
    }

    /// How many characters (code points) a string has that was decoded.
    static func length(_ text: ByteView) -> Int {
        var count = 0
        var index = 0
        while index < text.count {
            if text.base[index] & 0xC0 != 0x80 { count &+= 1 }
            index &+= 1
        }
        return count
    }

    /// Bytes of the character of UTF-8 (RFC 3629, 4) that begins at `at`, whose first byte is beyond ASCII; 0 if none does.
    @inline(__always)
    static func characterBytes(_ base: UnsafePointer<UInt8>, at: Int, end: Int) -> Int {
        let lead = base[at]
        guard lead >= 0xC2, lead <= 0xF4 else { return 0 }
        let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        guard length <= end &- at else { return 0 }
        let second = base[at &+ 1]
        // Overlong forms, surrogates and what lies beyond U+10FFFF.
        switch lead {
        case 0xE0: guard second >= 0xA0, second <= 0xBF else { return 0 }
        case 0xED: guard second >= 0x80, second <= 0x9F else { return 0 }
        case 0xF0: guard second >= 0x90, second <= 0xBF else { return 0 }
        case 0xF4: guard second >= 0x80, second <= 0x8F else { return 0 }
        default: guard second & 0xC0 == 0x80 else { return 0 }
        }
        if length >= 3, base[at &+ 2] & 0xC0 != 0x80 { return 0 }
        if length == 4, base[at &+ 3] & 0xC0 != 0x80 { return 0 }
        return length
    }

    /// Bytes of the escape at `at`, where a backslash stands: 2, 6, or 12 for a pair of surrogates; 0 if it is none. A surrogate alone is no character, and
    /// what readers make of it differs (RFC 8259, 8.2).
    static func escapeBytes(_ base: UnsafePointer<UInt8>, at: Int, end: Int) -> Int {
        guard at &+ 1 < end else { return 0 }
        switch base[at &+ 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"),
            UInt8(ascii: "t"):
            return 2
        case UInt8(ascii: "u"): break
        default: return 0
        }
        guard let unit = checkedUnit(base, at: at &+ 2, end: end), unit & 0xFC00 != 0xDC00 else { return 0 }
        guard unit & 0xFC00 == 0xD800 else { return 6 }
        guard at &+ 7 < end, base[at &+ 6] == UInt8(ascii: "\\"), base[at &+ 7] == UInt8(ascii: "u"),
            let low = checkedUnit(base, at: at &+ 8, end: end), low & 0xFC00 == 0xDC00
        else { return 0 }
        return 12
    }

    private static func checkedUnit(_ base: UnsafePointer<UInt8>, at: Int, end: Int) -> UInt32? {
        guard at &+ 4 <= end else { return nil }
        var value: UInt32 = 0
        for index in 0..<4 {
            guard let digit = base[at &+ index].hexadecimalValue else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}

extension UInt8 {
    /// Of a hexadecimal digit in either case; nil for anything else.
    var hexadecimalValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
