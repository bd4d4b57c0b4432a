import SluiceHTTP

/// A segment of letters, `?` (one character) and `*` (any run of characters, also none).
///
/// The text is its own program: a literal `?` or `*` cannot stand in it. Matching works on characters, so that `?`
/// takes `%C3%A9` as the one character that it encodes, and a run never ends inside an escape.
struct SegmentGlob: BitwiseCopyable {
    /// Normalised as paths are.
    let text: ByteView

    /// Whether the whole segment matches. Of the runs only the last is ever taken up again, because a later one makes up for whatever an
    /// earlier one leaves over; that can still be `text.count * segment.count` comparisons, so they are counted.
    ///
    /// - Parameter stepsLeft: what this and other matches may still take: a step is a comparison, and a character that is passed over is four. Below
    ///   0 the match was given up, and the answer means nothing.
    func matches(_ segment: ByteView, stepsLeft: inout Int) -> Bool {
        var at = 0
        var position = 0
        var afterRun = -1
        var runEnd = 0
        while position < segment.count {
            stepsLeft &-= 1
            guard stepsLeft >= 0 else { return false }
            if at < text.count {
                let byte = text[at]
                if byte == UInt8(ascii: "*") {
                    at += 1
                    // Nothing behind it: the rest is the run's.
                    if at == text.count { return true }
                    afterRun = at
                    runEnd = position
                    continue
                }
                if byte == UInt8(ascii: "?") {
                    at += 1
                    position = Self.characterEnd(in: segment, from: position)
                    continue
                }
                if byte == segment[position] {
                    at += 1
                    position += 1
                    continue
                }
            }
            if afterRun < 0 { return false }
            // A byte that is not an escape is a character.
            if segment[runEnd] == UInt8(ascii: "%") {
                stepsLeft &-= 4
                runEnd = Self.characterEnd(in: segment, from: runEnd)
            } else {
                runEnd += 1
            }
            position = runEnd
            at = afterRun
        }
        while at < text.count, text[at] == UInt8(ascii: "*") { at += 1 }
        return at == text.count
    }

    /// Where the character ends that begins at `start`: a byte, an escape, or the bytes and escapes of one UTF-8
    /// sequence. An octet that begins no whole sequence is a character of its own.
    static func characterEnd(in segment: ByteView, from start: Int) -> Int {
        let lead = octet(in: segment, at: start)
        var missing =
            switch lead.value {
            case 0xC2...0xDF: 1
            case 0xE0...0xEF: 2
            case 0xF0...0xF4: 3
            default: 0
            }
        var end = lead.end
        while missing > 0 {
            guard end < segment.count else { return lead.end }
            let next = octet(in: segment, at: end)
            guard next.value & 0xC0 == 0x80 else { return lead.end }
            end = next.end
            missing -= 1
        }
        return end
    }

    private static func octet(in segment: ByteView, at start: Int) -> (value: UInt8, end: Int) {
        let byte = segment[start]
        guard byte == UInt8(ascii: "%"), segment.count - start > 2 else { return (byte, start + 1) }
        let (high, low) = (segment[start + 1].hexValue, segment[start + 2].hexValue)
        guard high < 16, low < 16 else { return (byte, start + 1) }
        return (high << 4 | low, start + 3)
    }
}
