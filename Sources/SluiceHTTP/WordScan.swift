/// Scans that look at eight bytes at a time.
///
/// A byte that is wanted leaves its top bit set in a word of flags; the lowest flag is exact, and only the lowest is
/// used (a borrow can raise false flags only above a true one). The last bytes of the memory are looked at singly,
/// so that nothing is read past `end`.
enum WordScan {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let tops: UInt64 = 0x8080_8080_8080_8080

    @inline(__always)
    static func load(_ base: UnsafePointer<UInt8>, _ index: Int) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
    }

    /// Raises the top bit of every byte below `limit`, for bytes whose top bit is clear.
    @inline(__always)
    private static func below(_ word: UInt64, _ limit: UInt64) -> UInt64 { word &- ones &* limit }

    /// Raises the top bit of every byte that is `byte`, for bytes whose top bit is clear.
    @inline(__always)
    private static func equal(_ word: UInt64, _ byte: UInt64) -> UInt64 { (word ^ ones &* byte) &- ones }

    /// A flag for every control character and DEL.
    @inline(__always)
    private static func controls(_ word: UInt64) -> UInt64 { (below(word, 0x20) | equal(word, 0x7F)) & ~word & tops }

    /// Index of the first byte in `start..<end` that a field value or reason phrase cannot hold (RFC 9110, 5.5):
    /// a control character other than HTAB, or DEL. `end` if there is none.
    @inline(__always)
    static func endOfText(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        while index &+ 8 <= end {
            let word = load(base, index)
            let flags = controls(word)
            if flags == 0 {
                index &+= 8
                continue
            }
            index &+= flags.trailingZeroBitCount &>> 3
            if base[index] != Ascii.tab { return index }
            index &+= 1
        }
        while index < end {
            let byte = base[index]
            if byte < 0x20 ? byte != Ascii.tab : byte == 0x7F { return index }
            index &+= 1
        }
        return end
    }

    /// Index of the first byte in `start..<end` that is no token character (RFC 9110, 5.6.2). `end` if there is none.
    ///
    /// Letters and hyphens, which names consist of, are taken eight at a time; the rest goes through the table. No sum
    /// here carries into the next byte, so that every flag is exact.
    @inline(__always)
    static func endOfToken(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        while index &+ 8 <= end {
            let word = load(base, index)
            let folded = (word | ones &* 0x20) & ~tops
            let letters = (folded &+ ones &* 0x1F) & ~(folded &+ ones &* 0x05)
            let hyphens = ~((word & ~tops ^ ones &* 0x2D) &+ ones &* 0x7F)
            let flags = (~(letters | hyphens) | word) & tops
            if flags == 0 {
                index &+= 8
                continue
            }
            index &+= flags.trailingZeroBitCount &>> 3
            if base[index] == Ascii.colon || !ByteClass.isMember(base[index], of: ByteClass.token) { return index }
            index &+= 1
        }
        while index < end, ByteClass.isMember(base[index], of: ByteClass.token) { index &+= 1 }
        return index
    }

    /// Index of the first byte in `start..<end` that is a question mark or cannot stand in a request target:
    /// a control character, a space, `#`, DEL or a byte beyond ASCII. `end` if there is none.
    @inline(__always)
    static func endOfTargetPart(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        while index &+ 8 <= end {
            let word = load(base, index)
            let flags = (below(word, 0x21) | equal(word, 0x7F) | equal(word, 0x23) | equal(word, 0x3F) | word) & tops
            if flags != 0 { return index &+ flags.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        while index < end {
            let byte = base[index]
            if byte == Ascii.questionMark || !ByteClass.isMember(byte, of: ByteClass.target) { return index }
            index &+= 1
        }
        return end
    }

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
        let caseBits = ones &* 0x20
        while index &+ 8 <= count {
            if load(text, index) | caseBits != load(expected, index) { return false }
            index &+= 8
        }
        // The last word overlaps the one before.
        return load(text, count &- 8) | caseBits == load(expected, count &- 8)
    }
}
