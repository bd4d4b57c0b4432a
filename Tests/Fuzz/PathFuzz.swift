@testable import SluiceHTTP

/// `NormalisedPath`: what comes out is in normal form, has no dot segment in any spelling, and is no longer than what went in.
enum PathFuzz: FuzzTarget {
    static let name = "path"

    static func run(_ input: ByteView) {
        guard let normal = normalised(input) else { return }
        require(normal.count <= input.count && normal.first == UInt8(ascii: "/"), "no path, or a longer one")
        withCopy(normal) { _, view in
            require(normalised(view) == normal, "the normal form of a normal form is another")
        }
        let text = String(decoding: normal, as: UTF8.self)
        for segment in text.split(separator: "/", omittingEmptySubsequences: false) {
            let bare = segment.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)[0]
            let plain = bare.lowercased().replacing("%2e", with: ".")
            require(plain != "..", "a segment that some would climb by: \(text)")
            require(segment != ".", "a dot segment is left: \(text)")
        }
        require(!normal.contains { $0 <= 0x20 || $0 >= 0x7F || $0 == 0x5C || $0 == 0x3F || $0 == 0x23 }, "a byte that no path has")
        require(!text.lowercased().contains("%00") && !text.lowercased().contains("%5c"), "an unsafe escape is left")
    }

    static func normalised(_ path: ByteView) -> [UInt8]? {
        let out = UnsafeMutablePointer<UInt8>.allocate(capacity: path.count)
        defer { out.deallocate() }
        return switch NormalisedPath.normalise(path, into: out) {
        case .unchanged: path.array
        case .changed(let count, _): Array(UnsafeBufferPointer(start: out, count: count))
        case .malformed: nil
        }
    }
}
