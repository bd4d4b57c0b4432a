/// Finds what somebody who mistyped a name may have meant.
package enum Spelling {
    /// The known word nearest to `word`, if it is near enough to be a slip: one edit in up to four characters, two in
    /// longer words. Upper and lower case count as equal.
    package static func nearest(to word: String, in known: some Sequence<String>) -> String? {
        let typed = Array(word.lowercased().unicodeScalars)
        guard typed.count <= 64 else { return nil }
        let editsMax = typed.count <= 4 ? 1 : 2
        return known.map { (word: $0, edits: edits(typed, Array($0.lowercased().unicodeScalars))) }
            .filter { $0.edits <= editsMax }
            .min { ($0.edits, $0.word) < ($1.edits, $1.word) }?.word
    }

    /// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
    static func edits(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in 1...left.count {
            var row = [i]
            for j in 1...right.count {
                let isSame = left[i - 1] == right[j - 1]
                var cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (isSame ? 0 : 1))
                if i > 1, j > 1, left[i - 1] == right[j - 2], left[i - 2] == right[j - 1] {
                    cost = min(cost, beforeLast[j - 2] + 1)
                }
                row.append(cost)
            }
            (beforeLast, last) = (last, row)
        }
        return last[right.count]
    }
}
