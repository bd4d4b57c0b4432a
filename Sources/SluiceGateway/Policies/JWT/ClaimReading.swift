import SluiceHTTP

/// The one pass over a JSON text that `ClaimScanner` makes: the grammar of RFC 8259, and where values stand.
///
/// All of its state is in local variables and every byte is looked at as often as it must be: whoever sends a token decides what is read here.
/// Nothing is read at `end` and beyond.
struct ClaimReading {
    private let base: UnsafePointer<UInt8>
    private let end: Int
    /// The next byte.
    private(set) var at = 0

    init(_ text: ByteView) {
        base = text.base
        end = text.count
    }

    private init(_ base: UnsafePointer<UInt8>, at: Int, end: Int) {
        self.base = base
        self.end = end
        self.at = at
    }

    var isAtEnd: Bool { at == end }

    // MARK: - Single characters

    @inline(__always)
    mutating func take(_ byte: UInt8) -> Bool {
        guard at < end, base[at] == byte else { return false }
        at &+= 1
        return true
    }

    /// The next byte; nil at the end.
    @inline(__always)
    var next: UInt8? { at < end ? base[at] : nil }

    @inline(__always)
    mutating func skip() { at &+= 1 }

    @inline(__always)
    mutating func skipBlanks() {
        // Most tokens have none.
        guard at < end, base[at] <= 0x20 else { return }
        at = Self.endOfBlanks(base, from: at, to: end)
    }

    // What is not inlined takes and gives back places: a reading that is handed on by reference would live in memory.

    @inline(never)
    private static func endOfBlanks(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var at = start
        let spaces: UInt64 = 0x2020_2020_2020_2020
        while at < end, base[at].isJSONBlank {
            at &+= 1
            while at &+ 8 <= end, UnsafeRawPointer(base + at).loadUnaligned(as: UInt64.self) == spaces { at &+= 8 }
        }
        return at
    }

    // MARK: - Values but strings, arrays and objects

    @inline(__always)
    mutating func literal(_ literal: StaticString) -> Bool {
        let count = literal.utf8CodeUnitCount
        guard end &- at >= count else { return false }
        var index = 0
        while index < count {
            if base[at &+ index] != literal.utf8Start[index] { return false }
            index &+= 1
        }
        at &+= count
        return true
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?` (RFC 8259, 6).
    @inline(__always)
    mutating func number() -> Bool {
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")), !digits() { return false }
        guard at < end, base[at] == UInt8(ascii: ".") || base[at] | 0x20 == UInt8(ascii: "e") else { return true }
        if take(UInt8(ascii: ".")), !digits() { return false }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            return digits()
        }
        return true
    }

    @inline(__always)
    private mutating func digits() -> Bool {
        let start = at
        while at < end, base[at] &- UInt8(ascii: "0") < 10 { at &+= 1 }
        return at > start
    }

    // MARK: - Strings

    /// Behind the opening quotation mark; takes the closing one.
    ///
    /// - Returns: whether there are escapes between them; nil if it is not a string.
    @inline(__always)
    mutating func string() -> Bool? {
        var hasEscapes = false
        while true {
            skipPlain()
            guard at < end else { return nil }
            let byte = base[at]
            if byte == UInt8(ascii: "\"") {
                at &+= 1
                return hasEscapes
            }
            let special = Self.endOfSpecial(base, from: at, to: end)
            guard special.end >= 0 else { return nil }
            at = special.end
            if special.hasEscapes { hasEscapes = true }
        }
    }

    /// Where that ends which does not stand for itself, or may not, with all of its kind that follows: -1 if it cannot stand in a string.
    @inline(never)
    private static func endOfSpecial(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> (end: Int, hasEscapes: Bool) {
        var reading = ClaimReading(base, at: start, end: end)
        var hasEscapes = false
        while reading.at < end {
            let byte = base[reading.at]
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                guard reading.escape() else { return (-1, true) }
            } else if byte >= 0x80 {
                guard reading.multibyte(byte) else { return (-1, hasEscapes) }
            } else if byte == UInt8(ascii: "\"") {
                break
            } else {
                guard byte >= 0x20 else { return (-1, hasEscapes) }
                // In the last bytes of the text, or behind one of the others.
                reading.at &+= 1
                break
            }
        }
        return (reading.at, hasEscapes)
    }

    /// Skips characters of a string that stand for themselves, eight at a time: to the first of a word that may be none, which may also be
    /// the word in front of the text's last seven bytes.
    @inline(__always)
    private mutating func skipPlain() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        while at &+ 8 <= end {
            let word = UInt64(littleEndian: UnsafeRawPointer(base + at).loadUnaligned(as: UInt64.self))
            let quote = word ^ (ones &* 0x22)
            let slash = word ^ (ones &* 0x5C)
            // Bit 7 of each byte: beyond ASCII, a control character, or one of the two. A borrow marks further bytes only behind such a one.
            let marks = word | (word &- (ones &* 0x20)) | ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash)
            let special = marks & (ones &* 0x80)
            if special != 0 {
                at &+= special.trailingZeroBitCount &>> 3
                return
            }
            at &+= 8
        }
    }

    @inline(__always)
    private mutating func escape() -> Bool {
        guard at &+ 1 < end else { return false }
        switch base[at &+ 1] {
        case UInt8(ascii: "u"):
            guard let unit = unit(at: at &+ 2) else { return false }
            at &+= 6
            if unit & 0xF800 != 0xD800 { return true }
            guard unit < 0xDC00, at &+ 1 < end, base[at] == UInt8(ascii: "\\"), base[at &+ 1] == UInt8(ascii: "u"),
                let low = self.unit(at: at &+ 2), low & 0xFC00 == 0xDC00
            else { return false }
            at &+= 6
            return true
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            at &+= 2
            return true
        default:
            return false
        }
    }

    /// The number that four hexadecimal digits write; nil if they are not there.
    @inline(__always)
    private func unit(at start: Int) -> UInt32? {
        guard end &- start >= 4 else { return nil }
        let first = Hexadecimal.digit(base[start])
        let second = Hexadecimal.digit(base[start &+ 1])
        let third = Hexadecimal.digit(base[start &+ 2])
        let fourth = Hexadecimal.digit(base[start &+ 3])
        guard (first | second | third | fourth) & 0x40 == 0 else { return nil }
        return UInt32(first & 15) &<< 12 | UInt32(second & 15) &<< 8 | UInt32(third & 15) &<< 4 | UInt32(fourth & 15)
    }

    /// One scalar beyond ASCII, well formed (Unicode, table 3-7).
    @inline(__always)
    private mutating func multibyte(_ first: UInt8) -> Bool {
        let count: Int
        var least: UInt8 = 0x80
        var most: UInt8 = 0xBF
        switch first {
        case 0xC2...0xDF: count = 2
        case 0xE0: (count, least) = (3, 0xA0)
        case 0xED: (count, most) = (3, 0x9F)
        case 0xE1...0xEF: count = 3
        case 0xF0: (count, least) = (4, 0x90)
        case 0xF4: (count, most) = (4, 0x8F)
        case 0xF1...0xF3: count = 4
        default: return false
        }
        guard end &- at >= count, base[at &+ 1] >= least, base[at &+ 1] <= most else { return false }
        if count > 2, base[at &+ 2] & 0xC0 != 0x80 { return false }
        if count > 3, base[at &+ 3] & 0xC0 != 0x80 { return false }
        at &+= count
        return true
    }
}

extension UInt8 {
    /// White space of RFC 8259, 2.
    @inline(__always)
    var isJSONBlank: Bool { self == 0x20 || self == 0x0A || self == 0x0D || self == 0x09 }
}
