import CByteScan

/// The escapes of a path brought into normal form, which is the first pass of `NormalisedPath`: escapes of unreserved characters are decoded,
/// others get upper-case digits. All other bytes stay.
enum PathEscapes {
    struct Outcome: BitwiseCopyable {
        /// Bytes that were written.
        var count: Int
        var isChanged: Bool
        /// What escapes alone make: `.encodedSlash` and `.parameters`.
        var marks: PathMarks
    }

    /// Writes `path` into `out`, which has room for as many bytes and does not overlap it. Nil if it is malformed.
    ///
    /// - Parameter firstEscape: where the first percent sign stands; what is in front of it was looked at.
    static func normalise(_ path: ByteView, from firstEscape: Int, into out: UnsafeMutablePointer<UInt8>) -> Outcome? {
        let base = path.base
        let end = path.count
        out.update(from: base, count: firstEscape)
        var read = firstEscape
        var written = firstEscape
        var marks = PathMarks.none
        /// Other than 0: something was changed.
        var differs: UInt8 = 0
        /// Escapes in a row that have stayed, and other bytes in a row: after a few many at a time are tried.
        var stayed = 0
        var plain = 0
        while read < end {
            let byte = base[read]
            guard byte == Ascii.percent else {
                guard ByteClass.isMember(byte, of: ByteClass.plainPath) || byte == Ascii.semicolon else { return nil }
                out[written] = byte
                read &+= 1
                written &+= 1
                plain &+= 1
                guard plain == 8 else { continue }
                plain = 0
                stayed = 0
                let next = ByteScan.endOfLiteralPath(base, from: read, to: end)
                (out + written).update(from: base + read, count: next &- read)
                written &+= next &- read
                read = next
                continue
            }
            guard read &+ 2 < end else { return nil }
            let first = base[read &+ 1]
            let second = base[read &+ 2]
            guard let value = value(first, second) else { return nil }
            read &+= 3
            plain = 0
            if ByteClass.isMember(value, of: ByteClass.unreserved) {
                out[written] = value
                written &+= 1
                differs = 1
                stayed = 0
                continue
            }
            guard value >= 0x20, value != 0x7F, value != Ascii.backslash else { return nil }
            if value == Ascii.slash { marks.insert(.encodedSlash) }
            if value == Ascii.semicolon { marks.insert(.parameters) }
            // Of a hexadecimal digit bit 6 says that it is a letter.
            let upperFirst = first & ~((first & 0x40) &>> 1)
            let upperSecond = second & ~((second & 0x40) &>> 1)
            differs |= (first ^ upperFirst) | (second ^ upperSecond)
            out[written] = Ascii.percent
            out[written &+ 1] = upperFirst
            out[written &+ 2] = upperSecond
            written &+= 3
            stayed &+= 1
            // Texts beyond ASCII consist of nothing but escapes.
            guard stayed == 4 else { continue }
            // One byte more is read than is written.
            while end &- read > 48 {
                let row = sluice_escapes48(base + read, out + written)
                if row == 0 { break }
                if row == 2 { differs = 1 }
                read &+= 48
                written &+= 48
            }
            // As many one by one before the next try.
            stayed = -12
        }
        return Outcome(count: written, isChanged: differs != 0, marks: marks)
    }

    /// The byte that two hexadecimal digits write; nil if they are none.
    @inline(__always)
    private static func value(_ first: UInt8, _ second: UInt8) -> UInt8? {
        let high = Hexadecimal.digit(first)
        let low = Hexadecimal.digit(second)
        return (high | low) & 0x40 == 0 ? high &<< 4 | low & 15 : nil
    }

    // MARK: - Escapes in normal form

    /// Whether `%2F` stands at `index`.
    @inline(__always)
    static func isSlash(_ text: ByteView, at index: Int) -> Bool {
        text.count &- index > 2 && text.base[index] == Ascii.percent && text.base[index &+ 1] == 0x32 && text.base[index &+ 2] == 0x46
    }

    /// Whether a semicolon stands at `index`, as it is or as `%3B`.
    @inline(__always)
    static func isSemicolon(_ text: ByteView, at index: Int) -> Bool {
        if index < text.count, text.base[index] == Ascii.semicolon { return true }
        return text.count &- index > 2 && text.base[index] == Ascii.percent && text.base[index &+ 1] == 0x33 && text.base[index &+ 2] == 0x42
    }

    /// Whether a `%2F` has a dot segment, with or without parameters, directly behind it.
    static func hidesDots(_ text: ByteView) -> Bool {
        let base = text.base
        let end = text.count
        var index = 2
        while index < end {
            index = ByteScan.endOfEncodedSlash(base, from: index, to: end) &+ 1
            guard index < end, base[index] == Ascii.dot else { continue }
            let next = NormalisedPath.endOfDots(text, at: index)
            if next == end || base[next] == Ascii.slash || isSemicolon(text, at: next) || isSlash(text, at: next) { return true }
        }
        return false
    }
}
