/// A way in which a service may read a normalised path that differs from the gateway's: without the parameters of its segments, with
/// empty segments taken out, with `%2F` taken for a slash, or several of these.
///
/// None makes a dot segment: `NormalisedPath` refuses those with parameters, and marks those behind `%2F`. A reading begins with a slash, as
/// the path does, and is never longer.
package struct PathReading: BitwiseCopyable, Equatable, Sendable {
    /// What is taken off each segment, in which order: `a;x%2Fy/b` is `a/y/b` for who decodes first and `a/b` for who decodes last.
    private enum Order: UInt8, CaseIterable {
        case neither, parameters, slashes, slashesThenParameters, parametersThenSlashes

        func isMeant(by marks: PathMarks) -> Bool {
            switch self {
            case .neither: true
            case .parameters: marks.intersects(.parameters)
            case .slashes: marks.intersects(.encodedSlash)
            case .slashesThenParameters, .parametersThenSlashes: marks.intersects(.parameters) && marks.intersects(.encodedSlash)
            }
        }

        var stripsParameters: Bool { self != .neither && self != .slashes }

        /// Whether `%2F` ends a segment here.
        func endsSegment(insideParameters: Bool) -> Bool {
            switch self {
            case .neither, .parameters: false
            case .slashes, .slashesThenParameters: true
            case .parametersThenSlashes: !insideParameters
            }
        }
    }

    private let order: Order
    private let mergesSlashes: Bool

    /// Calls `body` with each reading of a path with these marks that may differ from the path itself, until it answers true.
    ///
    /// - Returns: the reading for which it did.
    package static func first(of marks: PathMarks, where body: (PathReading) -> Bool) -> PathReading? {
        for order in Order.allCases where order.isMeant(by: marks) {
            for merges in [false, true] where merges || order != .neither {
                let reading = PathReading(order: order, mergesSlashes: merges)
                if body(reading) { return reading }
            }
        }
        return nil
    }

    /// Writes the reading of `path` into `out`, which has room for as many bytes, and returns its length: that of `path` only if both
    /// are the same. Linear in the length.
    package func write(_ path: ByteView, into out: UnsafeMutablePointer<UInt8>) -> Int {
        let base = path.base
        let end = path.count
        let strips = order.stripsParameters
        var read = 0
        var written = 0
        var isParameter = false
        while read < end {
            let byte = base[read]
            var isSlash = byte == Ascii.slash
            var isSemicolon = byte == Ascii.semicolon
            var length = 1
            if byte == Ascii.percent, end &- read > 2 {
                // In normal form escapes have upper-case digits.
                let isEncodedSlash = base[read &+ 1] == 0x32 && base[read &+ 2] == 0x46
                isSlash = isEncodedSlash && order.endsSegment(insideParameters: isParameter)
                isSemicolon = base[read &+ 1] == 0x33 && base[read &+ 2] == 0x42
                if isEncodedSlash || isSemicolon { length = 3 }
            }
            if isSlash {
                isParameter = false
                read &+= length
                if mergesSlashes, written > 0, out[written &- 1] == Ascii.slash { continue }
                out[written] = Ascii.slash
                written &+= 1
                continue
            }
            if strips, isSemicolon { isParameter = true }
            if !isParameter {
                out[written] = byte
                if length == 3 {
                    out[written &+ 1] = base[read &+ 1]
                    out[written &+ 2] = base[read &+ 2]
                }
                written &+= length
            }
            read &+= length
        }
        return written
    }
}
