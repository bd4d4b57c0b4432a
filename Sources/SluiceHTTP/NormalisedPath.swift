/// A request path brought into its one normal form, once (RFC 3986, 6.2.2): what is matched, rewritten and forwarded.
///
/// Escapes of unreserved characters are decoded, other escapes keep upper-case digits, dot segments (also those spelt `%2e`) are
/// removed. Empty segments and a trailing slash mean something and stay. `%2F` stays an escape. What others may read in another way
/// is reported: see `PathMarks`.
///
/// A dot segment with parameters, such as `..;` or `.;a=b`, is no dot segment (RFC 3986, 5.2.4), but a service that takes parameters off
/// before it resolves dots, as servlet containers do, would climb by it, out of what was matched here. No reading
/// serves both, so it is refused, with the semicolon escaped too.
package enum NormalisedPath {
    package enum Outcome: BitwiseCopyable, Sendable, Equatable {
        /// The path is in normal form as it stands; what `out` holds means nothing.
        case unchanged(PathMarks)
        /// The normal form is the first `count` bytes of `out`.
        case changed(count: Int, PathMarks)
        /// The path does not begin with a slash; it holds a control character, DEL or a backslash, as it is or escaped, or a
        /// space, `#`, question mark or byte beyond ASCII as it is; an escape lacks its two hexadecimal digits; it climbs
        /// above the root; or a dot segment has parameters.
        case malformed
    }

    /// Normalises `path`, which has no query. `out` has room for `path.count` bytes and does not overlap it. Linear in the
    /// length.
    package static func normalise(_ path: ByteView, into out: UnsafeMutablePointer<UInt8>) -> Outcome {
        let base = path.base
        let end = path.count
        guard end > 0, base[0] == Ascii.slash else { return .malformed }
        guard ByteScan.endOfPlainPath(base, from: 1, to: end) < end else { return .unchanged(.none) }
        return rewrite(path, into: out)
    }

    @inline(never)
    private static func rewrite(_ path: ByteView, into out: UnsafeMutablePointer<UInt8>) -> Outcome {
        let base = path.base
        let end = path.count
        var read = 1
        var written = 1
        /// Where the segment that is being written begins in `out`, just after its slash.
        var segment = 1
        /// The same for who takes `%2F` for a slash.
        var piece = 1
        var isChanged = false
        var marks = PathMarks.none
        out[0] = Ascii.slash
        while true {
            if read == end || base[read] == Ascii.slash {
                if piece > segment, isDots(out, piece: piece, end: written) { marks.insert(.hiddenDots) }
                if let cut = resolveDots(out, segment: segment, end: written) {
                    guard cut > 0 else { return .malformed }
                    isChanged = true
                    segment = cut
                    written = cut
                } else if hasDotsAndParameters(out, segment: segment, end: written) {
                    return .malformed
                } else if read < end {
                    if written == segment { marks.insert(.emptySegment) }
                    out[written] = Ascii.slash
                    written &+= 1
                    segment = written
                }
                piece = segment
                if read == end { break }
                read &+= 1
                continue
            }
            let byte = base[read]
            guard byte == Ascii.percent else {
                guard byte == Ascii.semicolon || ByteClass.isMember(byte, of: ByteClass.plainPath) else { return .malformed }
                if byte == Ascii.semicolon { marks.insert(.parameters) }
                out[written] = byte
                written &+= 1
                read &+= 1
                continue
            }
            // Escapes come in rows: texts beyond ASCII consist of nothing else.
            let row = plainEscapes(base + read, count: end &- read, into: out + written, isChanged: &isChanged)
            guard row.read == 0 else {
                read &+= row.read
                written &+= row.written
                continue
            }
            guard read &+ 2 < end else { return .malformed }
            let high = base[read &+ 1].hexValue
            let low = base[read &+ 2].hexValue
            guard high < 16, low < 16 else { return .malformed }
            let value = high &<< 4 | low
            guard value >= 0x20, value != 0x7F, value != Ascii.backslash else { return .malformed }
            read &+= 3
            let isEncodedSlash = value == Ascii.slash
            if isEncodedSlash {
                marks.insert(.encodedSlash)
                if isDots(out, piece: piece, end: written) { marks.insert(.hiddenDots) }
            } else if value == Ascii.semicolon {
                marks.insert(.parameters)
            }
            out[written] = Ascii.percent
            out[written &+ 1] = upperDigit(high)
            out[written &+ 2] = upperDigit(low)
            if out[written &+ 1] != base[read &- 2] || out[written &+ 2] != base[read &- 1] { isChanged = true }
            written &+= 3
            if isEncodedSlash { piece = written }
        }
        return isChanged ? .changed(count: written, marks) : .unchanged(marks)
    }

    /// Normalises the row of escapes at the start of `text` that mean nothing but their byte: of spaces and bytes beyond ASCII, which stay, and of
    /// unreserved characters, which are decoded. Ends at any other, which may be a slash, a semicolon or malformed.
    ///
    /// - Returns: how many bytes were read and how many written.
    @inline(__always)
    private static func plainEscapes(
        _ text: UnsafePointer<UInt8>, count: Int, into out: UnsafeMutablePointer<UInt8>, isChanged: inout Bool
    ) -> (read: Int, written: Int) {
        var read = 0
        var written = 0
        while read &+ 2 < count, text[read] == Ascii.percent {
            let first = text[read &+ 1]
            let second = text[read &+ 2]
            let high = first.hexValue
            let low = second.hexValue
            guard high | low < 16 else { break }
            let value = high &<< 4 | low
            if value >= 0x80 || value == Ascii.space {
                out[written] = Ascii.percent
                out[written &+ 1] = first > 0x60 ? first &- 0x20 : first
                out[written &+ 2] = second > 0x60 ? second &- 0x20 : second
                if first > 0x60 || second > 0x60 { isChanged = true }
                written &+= 3
            } else if ByteClass.isMember(value, of: ByteClass.unreserved) {
                out[written] = value
                written &+= 1
                isChanged = true
            } else {
                break
            }
            read &+= 3
        }
        return (read, written)
    }

    /// Whether the bytes from `piece` are a dot segment, with or without parameters.
    private static func isDots(_ out: UnsafeMutablePointer<UInt8>, piece: Int, end: Int) -> Bool {
        let length = end &- piece
        if length == 1 || length == 2, out[piece] == Ascii.dot, out[end &- 1] == Ascii.dot { return true }
        return hasDotsAndParameters(out, segment: piece, end: end)
    }

    /// Whether the segment is one or two dots and then a semicolon, as it is or escaped.
    @inline(__always)
    private static func hasDotsAndParameters(_ out: UnsafeMutablePointer<UInt8>, segment: Int, end: Int) -> Bool {
        guard segment < end, out[segment] == Ascii.dot else { return false }
        let next = segment &+ 1 < end && out[segment &+ 1] == Ascii.dot ? segment &+ 2 : segment &+ 1
        guard next < end else { return false }
        if out[next] == Ascii.semicolon { return true }
        // Escapes have upper-case digits by now.
        return next &+ 2 < end && out[next] == Ascii.percent && out[next &+ 1] == 0x33 && out[next &+ 2] == 0x42
    }

    /// If the segment is `.` or `..`: the length of what stays of `out`, which ends with a slash; 0 for a climb above the root.
    /// Otherwise nil.
    @inline(__always)
    private static func resolveDots(_ out: UnsafeMutablePointer<UInt8>, segment: Int, end: Int) -> Int? {
        let length = end &- segment
        guard length == 1 || length == 2, out[segment] == Ascii.dot else { return nil }
        if length == 1 { return segment }
        guard out[segment &+ 1] == Ascii.dot else { return nil }
        // From the slash before `..` back to just after the one before it.
        var cut = segment &- 1
        while cut > 0, out[cut &- 1] != Ascii.slash { cut &-= 1 }
        return cut
    }

    @inline(__always)
    private static func upperDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? Ascii.zero &+ value : 0x37 &+ value
    }
}
