/// Comparisons of two and of eight bytes at a time.
enum WordScan {
    /// Set in a word of text, it has every letter in lower case.
    @inline(__always)
    static var caseBits: UInt64 { 0x2020_2020_2020_2020 }

    @inline(__always)
    static func load(_ base: UnsafePointer<UInt8>, _ index: Int) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
    }

    @inline(__always)
    static func pair(_ base: UnsafePointer<UInt8>, _ index: Int) -> UInt16 {
        UInt16(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt16.self))
    }

    /// What `pair` reads where these two bytes stand.
    @inline(__always)
    static func pair(_ first: UInt8, _ second: UInt8) -> UInt16 { UInt16(second) &<< 8 | UInt16(first) }

    /// CRLF.
    @inline(__always)
    static var lineEnd: UInt16 { pair(Ascii.carriageReturn, Ascii.lineFeed) }

    /// Whether the bytes at `text`, as many as the literal has, are those of the literal, which consists of lower-case letters and
    /// hyphens, whatever their case. None of the bytes is a control character other than HTAB: among the others, setting bit
    /// 0x20 makes nothing but the upper case of a letter equal to that letter, and nothing else equal to the hyphen.
    @inline(__always)
    static func matches(_ text: UnsafePointer<UInt8>, _ literal: StaticString) -> Bool {
        let expected = literal.utf8Start
        let count = literal.utf8CodeUnitCount
        var index = 0
        guard count >= 8 else {
            while index < count {
                if text[index] | 0x20 != expected[index] { return false }
                index &+= 1
            }
            return true
        }
        while index &+ 8 <= count {
            if load(text, index) | caseBits != load(expected, index) { return false }
            index &+= 8
        }
        // The last word overlaps the one before.
        return load(text, count &- 8) | caseBits == load(expected, count &- 8)
    }
}
