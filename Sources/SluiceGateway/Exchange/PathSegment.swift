import SluiceHTTP

/// One segment of a normalised path.
enum PathSegment {
    /// The segment with this number, from 0; nil where the path has fewer.
    static func number(_ number: Int, of path: ByteView) -> ByteView? {
        var start = 1
        for _ in 0..<number {
            start = path.index(of: UInt8(ascii: "/"), from: min(start, path.count)) + 1
            guard start <= path.count else { return nil }
        }
        guard start <= path.count else { return nil }
        return path[start..<path.index(of: UInt8(ascii: "/"), from: start)]
    }

    /// Where its parameters begin, at its first `;`, plain or escaped; its end if it has none. Services that know path parameters serve all that differ behind
    /// it as one.
    static func endOfName(_ segment: ByteView) -> Int {
        var index = 0
        while index < segment.count {
            if segment[index] == UInt8(ascii: ";") { break }
            if segment[index] == UInt8(ascii: "%"), index + 2 < segment.count, segment[(index + 1)..<(index + 3)].equalsIgnoringCase("3b") { break }
            index += 1
        }
        return index
    }
}
