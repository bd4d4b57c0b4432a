/// The characters that the grammars name.
enum Ascii {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let quote: UInt8 = 0x22
    static let percent: UInt8 = 0x25
    static let asterisk: UInt8 = 0x2A
    static let plus: UInt8 = 0x2B
    static let comma: UInt8 = 0x2C
    static let hyphen: UInt8 = 0x2D
    static let dot: UInt8 = 0x2E
    static let slash: UInt8 = 0x2F
    static let zero: UInt8 = 0x30
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let equals: UInt8 = 0x3D
    static let questionMark: UInt8 = 0x3F
    static let at: UInt8 = 0x40
    static let openBracket: UInt8 = 0x5B
    static let backslash: UInt8 = 0x5C
    static let closeBracket: UInt8 = 0x5D
}

extension UInt8 {
    @inline(__always)
    var isBlank: Bool { self == Ascii.space || self == Ascii.tab }

    @inline(__always)
    var isDigit: Bool { self &- Ascii.zero < 10 }

    /// 0 to 15, or 16 and above if this is not a hexadecimal digit.
    @inlinable
    @inline(__always)
    public var hexValue: UInt8 {
        let digit = self &- 0x30
        if digit < 10 { return digit }
        let letter = (self | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : 255
    }
}

extension ByteView {
    /// The view without the spaces and tabs around it (OWS, RFC 9110, 5.6.3).
    @inlinable
    package var trimmed: ByteView {
        var start = 0
        var end = count
        while start < end, base[start] == 0x20 || base[start] == 0x09 { start += 1 }
        while end > start, base[end - 1] == 0x20 || base[end - 1] == 0x09 { end -= 1 }
        return self[start..<end]
    }

    /// The number that these digits write: at least one, no sign, no blank, at most `limit`. Otherwise nil.
    package func decimal(atMost limit: UInt64) -> UInt64? {
        guard count > 0 else { return nil }
        var value: UInt64 = 0
        var index = 0
        while index < count, base[index] == Ascii.zero { index &+= 1 }
        // As many digits cannot exceed 64 bits, and one more is the most that can stay within them.
        guard count &- index <= 20 else { return nil }
        let safe = min(count, index &+ 19)
        while index < safe {
            let digit = base[index] &- Ascii.zero
            guard digit < 10 else { return nil }
            value = value &* 10 &+ UInt64(digit)
            index &+= 1
        }
        while index < count {
            let digit = base[index] &- Ascii.zero
            guard digit < 10 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            guard !overflow, !carry else { return nil }
            value = sum
            index += 1
        }
        return value <= limit ? value : nil
    }
}
