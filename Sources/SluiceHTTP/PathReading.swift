import CByteScan

/// The ways in which a service may read a normalised path that differ from the gateway's: without the parameters of its segments, with
/// empty segments taken out, with `%2F` taken for a slash, or several of these.
///
/// None makes a dot segment: `NormalisedPath` refuses those with parameters, and marks those behind `%2F`. A reading begins with a slash, as
/// the path does, and is never longer.
package enum PathReading {
    /// Calls `body` with each reading of a path with these marks that differs from the path itself, until it answers true. Linear in the length.
    ///
    /// What is taken off first decides: `a;x%2Fy/b` is `a/y/b` for who decodes before he takes parameters off, and `a/b` for who does so behind.
    ///
    /// - Parameter out: memory for the readings, one after the other: as many bytes as the path has, which do not overlap it.
    /// - Returns: whether it did.
    package static func contains(
        _ path: ByteView, _ marks: PathMarks, into out: UnsafeMutablePointer<UInt8>, where body: (ByteView) -> Bool
    ) -> Bool {
        let hasParameters = marks.intersects(.parameters)
        let hasSlashes = marks.intersects(.encodedSlash)
        if marks.intersects(.emptySegment), isOther(path, merged: path, into: out, body) { return true }
        if hasParameters, isOther(path, withoutParameters(path, into: out), body) { return true }
        guard hasSlashes else { return false }
        if isOther(path, withSlashes(path, into: out), body) { return true }
        guard hasParameters else { return false }
        return isOther(path, withoutParameters(withSlashes(path, into: out), into: out), body)
            || isOther(path, withSlashes(withoutParameters(path, into: out), into: out), body)
    }

    /// The reading, whose memory can be written to, and then the same without empty segments.
    private static func isOther(_ path: ByteView, _ reading: ByteView, _ body: (ByteView) -> Bool) -> Bool {
        if reading.count < path.count, body(reading) { return true }
        return isOther(path, merged: reading, into: UnsafeMutablePointer(mutating: reading.base), body)
    }

    /// The reading without empty segments, if it has any.
    private static func isOther(
        _ path: ByteView, merged reading: ByteView, into out: UnsafeMutablePointer<UInt8>, _ body: (ByteView) -> Bool
    ) -> Bool {
        let double = ByteScan.indexOfDoubleSlash(reading.base, from: 1, to: reading.count)
        return double < reading.count && body(merged(reading, from: double, into: out))
    }

    // MARK: - Writing, into memory that may be the text's own

    /// Bytes that are looked at together.
    private static let step = 16

    /// The text with one slash for each run of them.
    ///
    /// - Parameter first: where the first slash behind a slash stands.
    private static func merged(_ text: ByteView, from first: Int, into out: UnsafeMutablePointer<UInt8>) -> ByteView {
        let base = text.base
        let end = text.count
        if base != UnsafePointer(out) { out.update(from: base, count: first) }
        var read = first
        var written = first
        while end &- read >= 2 &* step {
            let dropped = sluice_double_slash16(base + read)
            if dropped != 0xFFFF { written &+= copy(base + read, without: dropped, to: out + written) }
            read &+= step
        }
        var last = base[read &- 1]
        while read < end {
            let byte = base[read]
            if byte != Ascii.slash || last != Ascii.slash {
                out[written] = byte
                written &+= 1
            }
            last = byte
            read &+= 1
        }
        return ByteView(base: out, count: written)
    }

    /// The text without its segments' parameters.
    private static func withoutParameters(_ text: ByteView, into out: UnsafeMutablePointer<UInt8>) -> ByteView {
        let base = text.base
        let end = text.count
        var read = 0
        var written = 0
        /// 1 behind a semicolon, up to the next slash.
        var inside: UInt32 = 0
        while end &- read >= 2 &* step {
            let starts = sluice_parameter16(base + read) | inside
            let slashes = sluice_equal16(base + read, Ascii.slash)
            let dropped = starts == 0 ? 0 : fill(from: starts & ~slashes, upTo: slashes)
            if dropped != 0xFFFF { written &+= copy(base + read, without: dropped, to: out + written) }
            inside = dropped &>> 15
            read &+= step
        }
        while read < end {
            if base[read] == Ascii.slash {
                inside = 0
            } else if PathEscapes.isSemicolon(text, at: read) {
                inside = 1
            }
            if inside == 0 {
                out[written] = base[read]
                written &+= 1
            }
            read &+= 1
        }
        return ByteView(base: out, count: written)
    }

    /// The text with a slash for each `%2F`.
    private static func withSlashes(_ text: ByteView, into out: UnsafeMutablePointer<UInt8>) -> ByteView {
        let base = text.base
        let end = text.count
        var read = 0
        var written = 0
        while read < end {
            if PathEscapes.isSlash(text, at: read) {
                out[written] = Ascii.slash
                written &+= 1
                read &+= 3
                continue
            }
            // A few bytes one by one, then as many as there are.
            let near = min(read &+ step, end)
            repeat {
                out[written] = base[read]
                written &+= 1
                read &+= 1
            } while read < near && base[read] != Ascii.percent
            guard read == near, end &- read > 2 else { continue }
            let next = ByteScan.endOfEncodedSlash(base, from: read &+ 2, to: end)
            let count = (next < end ? next &- 2 : end) &- read
            (out + written).update(from: base + read, count: count)
            written &+= count
            read &+= count
        }
        return ByteView(base: out, count: written)
    }

    /// Sixteen bits: those of `starts`, each with the bits above it up to the next one of `stops`.
    @inline(__always)
    private static func fill(from starts: UInt32, upTo stops: UInt32) -> UInt32 {
        var filled = starts
        var open = ~stops
        filled |= open & filled &<< 1
        open &= open &<< 1
        filled |= open & filled &<< 2
        open &= open &<< 2
        filled |= open & filled &<< 4
        open &= open &<< 4
        filled |= open & filled &<< 8
        return filled & 0xFFFF
    }

    /// Copies those of sixteen bytes whose bit is not set, and returns how many. Sixteen can be written at `out`, which may lie in front of `bytes`.
    @inline(__always)
    private static func copy(_ bytes: UnsafePointer<UInt8>, without dropped: UInt32, to out: UnsafeMutablePointer<UInt8>) -> Int {
        if dropped == 0 {
            sluice_copy16(out, bytes)
            return step
        }
        var kept = Int(~dropped)
        var next = out
        for index in 0..<step {
            next.pointee = bytes[index]
            next += kept & 1
            kept &>>= 1
        }
        return next - out
    }
}
