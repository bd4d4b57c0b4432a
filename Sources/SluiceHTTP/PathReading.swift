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
        var read = 0
        var written = 0
        var isParameter = false
        while read < path.count {
            let byte = path[read]
            let isEscape = byte == Ascii.percent && path.count - read > 2
            // In normal form escapes have upper-case digits.
            let isEncodedSlash = isEscape && path[read + 1] == UInt8(ascii: "2") && path[read + 2] == UInt8(ascii: "F")
            let isEncodedSemicolon = isEscape && path[read + 1] == UInt8(ascii: "3") && path[read + 2] == UInt8(ascii: "B")
            let length = isEncodedSlash || isEncodedSemicolon ? 3 : 1
            defer { read += length }
            if byte == Ascii.slash || isEncodedSlash && order.endsSegment(insideParameters: isParameter) {
                isParameter = false
                if mergesSlashes, written > 0, out[written - 1] == Ascii.slash { continue }
                out[written] = Ascii.slash
                written += 1
                continue
            }
            if order.stripsParameters, byte == Ascii.semicolon || isEncodedSemicolon { isParameter = true }
            if isParameter { continue }
            for index in read..<read + length {
                out[written] = path[index]
                written += 1
            }
        }
        return written
    }
}
