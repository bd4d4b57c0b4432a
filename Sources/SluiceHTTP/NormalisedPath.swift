/// A request path brought into its one normal form, once (RFC 3986, 6.2.2): what is matched, rewritten and forwarded.
///
/// Escapes of unreserved characters are decoded, other escapes keep upper-case digits, dot segments (also those spelt `%2e`) are
/// removed. Empty segments and a trailing slash mean something and stay. `%2F` stays an escape. What others may read in another way
/// is reported: see `PathMarks`.
///
/// A dot segment with parameters, such as `..;` or `.;a=b`, is not a dot segment (RFC 3986, 5.2.4), but a service that takes parameters off
/// before it resolves dots, as servlet containers do, would climb by it, out of what was matched here. No reading
/// serves both, so it is refused, with the semicolon escaped too.
///
/// In up to three passes, each linear and each only as far as the path needs it: escapes, then what the text holds, then dot segments.
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
        let firstEscape = ByteScan.endOfLiteralPath(base, from: 0, to: end)
        guard firstEscape == end || base[firstEscape] == Ascii.percent else { return .malformed }
        guard firstEscape < end else {
            // Without escapes the text is the path.
            var marks = PathMarks.none
            let dots = readMarks(path, into: &marks)
            guard dots < end else { return .unchanged(marks) }
            return resolve(path, firstDots: dots, isChanged: false, marks, into: out)
        }
        guard let escapes = PathEscapes.normalise(path, from: firstEscape, into: out) else { return .malformed }
        let text = ByteView(base: out, count: escapes.count)
        var marks = escapes.marks
        let dots = readMarks(text, into: &marks)
        if marks.intersects(.encodedSlash), PathEscapes.hidesDots(text) { marks.insert(.hiddenDots) }
        if dots < text.count { return resolve(text, firstDots: dots, isChanged: escapes.isChanged, marks, into: out) }
        return escapes.isChanged ? .changed(count: text.count, marks) : .unchanged(marks)
    }

    /// Marks what `text`, whose escapes are in normal form, holds as it is: semicolons and empty segments. Returns where the first dot behind a
    /// slash stands; the length of the text if there is none.
    private static func readMarks(_ text: ByteView, into marks: inout PathMarks) -> Int {
        let base = text.base
        let end = text.count
        var hasSemicolon = false
        var hasEmpty = false
        var dots = end
        var index = 1
        while index < end {
            index = ByteScan.endOfUnmarkedPath(base, from: index, to: end)
            guard index < end else { break }
            switch base[index] {
            case Ascii.semicolon: hasSemicolon = true
            case Ascii.slash: hasEmpty = true
            default: dots = index
            }
            index &+= 1
            // Each of the three is looked for once: nobody gains by more of one.
            if hasSemicolon || hasEmpty || dots < end { break }
        }
        guard index < end else {
            insert(hasSemicolon, hasEmpty, into: &marks)
            return dots
        }
        if !hasSemicolon { hasSemicolon = ByteScan.index(of: Ascii.semicolon, base, from: index, to: end) < end }
        if !hasEmpty { hasEmpty = ByteScan.indexOfDoubleSlash(base, from: index, to: end) < end }
        if dots == end { dots = ByteScan.indexOfDotSegment(base, from: index, to: end) }
        insert(hasSemicolon, hasEmpty, into: &marks)
        return dots
    }

    private static func insert(_ hasSemicolon: Bool, _ hasEmpty: Bool, into marks: inout PathMarks) {
        if hasSemicolon { marks.insert(.parameters) }
        if hasEmpty { marks.insert(.emptySegment) }
    }

    /// Removes the dot segments of `text`, whose escapes are in normal form, and which may be what `out` holds.
    ///
    /// - Parameter firstDots: where the first dot behind a slash stands.
    private static func resolve(
        _ text: ByteView, firstDots: Int, isChanged: Bool, _ marks: PathMarks, into out: UnsafeMutablePointer<UInt8>
    ) -> Outcome {
        let base = text.base
        let end = text.count
        var isChanged = isChanged
        var marks = marks
        var read = firstDots
        var written = firstDots
        if base != UnsafePointer(out) { out.update(from: base, count: firstDots) }
        // At the beginning of a segment, where both stand behind a slash.
        while read < end {
            while read &+ 1 < end, base[read] == Ascii.dot, base[read &+ 1] == Ascii.slash {
                read &+= 2
                isChanged = true
            }
            guard read < end else { break }
            if base[read] == Ascii.dot {
                let next = endOfDots(text, at: read)
                if next == end || base[next] == Ascii.slash {
                    isChanged = true
                    if next &- read == 2 {
                        // From the slash before `..` back to just after the one before it.
                        var cut = written &- 1
                        while cut > 0, out[cut &- 1] != Ascii.slash { cut &-= 1 }
                        guard cut > 0 else { return .malformed }
                        written = cut
                    }
                    read = next &+ 1
                    continue
                }
                if PathEscapes.isSemicolon(text, at: next) { return .malformed }
                if PathEscapes.isSlash(text, at: next) { marks.insert(.hiddenDots) }
            }
            // The segment stays, and most likely many that follow.
            let near = min(read &+ 16, end)
            var byte: UInt8 = 0
            while read < near, byte != Ascii.slash {
                byte = base[read]
                out[written] = byte
                read &+= 1
                written &+= 1
            }
            guard byte != Ascii.slash, read < end else { continue }
            let next = ByteScan.indexOfDotSegment(base, from: read, to: end)
            (out + written).update(from: base + read, count: next &- read)
            written &+= next &- read
            read = next
        }
        return isChanged ? .changed(count: written, marks) : .unchanged(marks)
    }

    /// Where the one or two dots end that begin at `start`.
    @inline(__always)
    static func endOfDots(_ text: ByteView, at start: Int) -> Int {
        let next = start &+ 1
        return next < text.count && text.base[next] == Ascii.dot ? next &+ 1 : next
    }
}
