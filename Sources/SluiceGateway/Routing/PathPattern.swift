import SluiceConfiguration
import SluicePattern

/// An endpoint's path pattern, read: `/v1.0/members/{memberId}`. For compile time.
///
/// Readings that the Ant style leaves open:
/// - `{name}` takes one segment that is not empty; `*` takes an empty one too.
/// - `{name}` between letters (`{name}.json`) is any run of at least one character, and the segment is a mix.
/// - `**` stands only as a whole segment and takes no segment, one or more: `/a/**` also matches `/a`.
/// - A `{name:regex}` is a whole segment. The regex sees the normalised segment, escapes and all; a slash in it
///   is a character of the regex, not the end of the segment.
/// - Letters are normalised as paths are, so that `/caf%c3%a9`, `/caf%C3%A9` and `/café` are one pattern.
struct PathPattern {
    /// In the order of specificity, the most specific first.
    enum Kind: UInt8, Sendable {
        case literal, regex, mix, name, star, doubleStar
    }

    /// One segment. Segments of the same kind and text match the same, whatever their variables are called.
    struct Segment {
        var kind: Kind
        /// Normalised letters, a mix with its wildcards, or the source of a regex; empty for the other kinds.
        var text: [UInt8]
        /// Characters that a path must repeat: of two mixes, the one with more is the more specific.
        var literalCount = 0
        /// Of a regex segment.
        var regex: Regex?
    }

    /// More would let one configured pattern take much of the stack, since matching recurses once a segment.
    static let segmentsMax = 64

    /// As it was written.
    let source: Located<String>
    /// At least one; `/` is one empty literal.
    let segments: [Segment]
    /// In the order of the pattern, all different.
    let variables: [String]
    /// The number of the segment, from 0, that each of them stands in.
    let variableSegments: [Int]

    /// Reads a pattern; what is wrong with it is added to `problems`, and the result is nil then.
    init?(_ source: Located<String>, problems: Problems) {
        var reader = PathPatternReader(source.value)
        do throws(PathPatternReader.Fault) {
            segments = try reader.segments()
        } catch {
            problems.add(
                at: source, found: "\(error.found) in the path pattern \(Quoting.quoted(source.value))",
                allowed: error.allowed)
            return nil
        }
        variables = reader.variables
        variableSegments = reader.variableSegments
        self.source = source
    }

    /// Whether this pattern is the more specific one, where both match: segment by segment by kind, then the one with
    /// more segments. Between patterns that the rule leaves equal (`/a*`, `/*b`), the one with more letters to match,
    /// then the longer text, then the order of bytes decide, so that the order in the file never does.
    func isMoreSpecific(than other: PathPattern) -> Bool {
        let both = min(segments.count, other.segments.count)
        for index in 0..<both where segments[index].kind != other.segments[index].kind {
            return segments[index].kind.rawValue < other.segments[index].kind.rawValue
        }
        if segments.count != other.segments.count { return segments.count > other.segments.count }
        for (mine, others) in zip(segments, other.segments) where mine.text != others.text {
            if mine.literalCount != others.literalCount { return mine.literalCount > others.literalCount }
            if mine.text.count != others.text.count { return mine.text.count > others.text.count }
            return mine.text.lexicographicallyPrecedes(others.text)
        }
        return false
    }
}
