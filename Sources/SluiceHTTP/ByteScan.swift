import CByteScan

/// Scans that look at sixteen bytes at a time.
///
/// Nothing is read before `base` or at `end` and beyond: the last bytes are read together with those before them, and
/// a text of fewer than sixteen bytes is copied first.
enum ByteScan {
    /// Bytes that one look takes in.
    private static let step = 16

    /// Index of the first byte in `start..<end` that a field value or reason phrase cannot hold (RFC 9110, 5.5):
    /// a control character other than HTAB, or DEL. `end` if there is none.
    @inline(__always)
    static func endOfText(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end) { sluice_non_text16($0) }
    }

    /// Index of the first byte in `start..<end` that is not a token character (RFC 9110, 5.6.2). `end` if there is none.
    ///
    @inline(__always)
    static func endOfToken(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end) { sluice_non_token16($0) }
    }

    /// Index of the first byte in `start..<end` that is not a letter, digit or hyphen, of which nearly all names consist. `end` if there is none.
    @inline(__always)
    static func endOfUsualName(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end) { sluice_non_name16($0) }
    }

    /// Index of the first of these bytes in `start..<end`; `end` if there is none.
    @inline(__always)
    static func index(of byte: UInt8, _ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end) { sluice_equal16($0, byte) }
    }

    /// Index of the first byte in `start..<end` that is a question mark or cannot stand in a request target:
    /// a control character, a space, `#`, DEL or a byte beyond ASCII. `end` if there is none.
    @inline(__always)
    static func endOfTargetPart(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end) { sluice_non_target16($0) }
    }

    /// Index of the first byte in `start..<end` that cannot stand in a registered name as it is (`ByteClass.hostName`). `end`
    /// if there is none.
    @inline(__always)
    static func endOfHostName(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        let usual = first(base, from: start, to: end) { sluice_non_host16($0) }
        guard usual < end, base[usual] != Ascii.colon else { return usual }
        return first(base, from: usual, to: end) { sluice_non_reg_name16($0) }
    }

    /// The same, but for question marks, which may stand in a query.
    @inline(__always)
    static func endOfTarget(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end) { sluice_non_query16($0) }
    }

    /// Index of the first byte in `start..<end` that gives the normaliser of paths work: is not `ByteClass.plainPath`, or a slash or dot
    /// behind a slash. `end` if there is none. `start` is at least 1.
    ///
    /// A few pairs of other punctuation, such as `/-`, stop it too: `(left | right) == 0x2F` takes half the instructions that the
    /// question for two slashes would.
    @inline(__always)
    static func endOfPlainPath(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end, before: 1) { sluice_non_plain16($0) }
    }

    /// Index of the first byte in `start..<end` that is a percent sign or cannot stand in a path as it is. `end` if there is none.
    @inline(__always)
    static func endOfLiteralPath(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end) { sluice_non_literal16($0) }
    }

    /// Index of the first byte in `start..<end` that is a semicolon, or a slash or dot behind a slash. `end` if there is none. `start` is at
    /// least 1.
    @inline(__always)
    static func endOfUnmarkedPath(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end, before: 1) { sluice_path_mark16($0) }
    }

    /// Index of the first slash behind a slash in `start..<end`; `end` if there is none. `start` is at least 1.
    @inline(__always)
    static func indexOfDoubleSlash(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end, before: 1) { sluice_double_slash16($0) }
    }

    /// Index of the first dot behind a slash in `start..<end`; `end` if there is none. `start` is at least 1.
    @inline(__always)
    static func indexOfDotSegment(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end, before: 1) { sluice_dot_segment16($0) }
    }

    /// Where the first `%2F` in `start..<end` ends: the index of its last byte. `end` if there is none. `start` is at least 2.
    @inline(__always)
    static func endOfEncodedSlash(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end, before: 2) { sluice_encoded_slash16($0) }
    }

    /// Index of the first byte in `start..<end` that does not stand for itself in a string of JSON. `end` if there is none.
    @inline(__always)
    static func endOfPlainJSON(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        first(base, from: start, to: end) { sluice_non_plain_json16($0) }
    }

    /// Index of the first byte in `start..<end` for which `flags`, asked for sixteen bytes, raises a bit. `end` if there is none.
    ///
    /// - Parameter before: how many bytes before the sixteen `flags` reads too; `start` is at least that.
    @inline(__always)
    private static func first(
        _ base: UnsafePointer<UInt8>, from start: Int, to end: Int, before: Int = 0, _ flags: (UnsafePointer<UInt8>) -> UInt32
    ) -> Int {
        var index = start
        while index &+ step <= end {
            let found = flags(base + index)
            if found != 0 { return index &+ found.trailingZeroBitCount }
            index &+= step
        }
        guard index < end else { return end }
        let found = end >= step &+ before
            // The last sixteen bytes overlap what was looked at, whose flags are shifted out.
            ? flags(base + (end &- step)) &>> UInt32(truncatingIfNeeded: index &- (end &- step))
            : withPadding(base + index, count: end &- index, before: before, flags)
        return found == 0 ? end : index &+ found.trailingZeroBitCount
    }

    /// The flags of fewer than sixteen bytes; those of the padding are cleared.
    @inline(never)
    private static func withPadding(
        _ bytes: UnsafePointer<UInt8>, count: Int, before: Int, _ flags: (UnsafePointer<UInt8>) -> UInt32
    ) -> UInt32 {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: step &+ before) { padded in
            padded.initialize(repeating: 0)
            for index in 0..<count &+ before { padded[index] = bytes[index &- before] }
            guard let start = padded.baseAddress else { return 0 }
            return flags(start + before) & (1 &<< UInt32(truncatingIfNeeded: count) &- 1)
        }
    }
}
