import SluiceHTTP
import SluicePattern

/// Where what a pattern captured stands in the path. On the stack: nothing of it outlives one evaluation.
struct RewriteCaptures: BitwiseCopyable {
    /// Variables of one template; an expression has ten groups at most, the whole match counted.
    static let countMax = 32

    private var ranges = InlineArray<32, HeadRange>(repeating: HeadRange(start: 0, count: 0))

    /// Empty for a group that took no part in the match.
    subscript(index: Int) -> Range<Int> {
        get { index < Self.countMax ? ranges[index].range : 0..<0 }
        set { ranges[index] = HeadRange(start: newValue.lowerBound, count: newValue.count) }
    }

    /// Takes the groups of the last match before the next one overwrites them.
    mutating func takeGroups(of scratch: MatchScratch.Handle) {
        var index = 0
        while index < scratch.groupCount {
            self[index] = scratch.group(index) ?? 0..<0
            index += 1
        }
    }
}
