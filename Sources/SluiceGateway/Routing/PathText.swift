import SluiceHTTP

/// Literal text of a configuration in the form that it has in a normalised path (RFC 3986, 6.2.2): unreserved
/// characters decoded, other escapes with upper-case digits, other characters than ASCII escaped. For compile time.
enum PathText {
    /// Why a text can stand in no normalised path.
    struct Unmatchable: Error, Equatable {
        /// What is wrong, to follow "found".
        var found: String
        var allowed: String
    }

    /// A segment, or a part of one, without a slash. Dot segments are left as they are.
    static func normalised(_ text: some Sequence<UInt8>) throws(Unmatchable) -> [UInt8] {
        // Behind a letter no text is a dot segment.
        var path = Array("/x".utf8)
        for byte in text {
            if byte == UInt8(ascii: " ") || byte >= 0x80 { appendEscape(of: byte, to: &path) } else { path.append(byte) }
        }
        let result = path.withUnsafeBufferPointer { path in
            [UInt8](unsafeUninitializedCapacity: path.count) { out, count in
                guard let source = path.baseAddress, let target = out.baseAddress else { return }
                switch NormalisedPath.normalise(ByteView(base: source, count: path.count), into: target) {
                case .unchanged:
                    target.update(from: source, count: path.count)
                    count = path.count
                case .changed(let length, _): count = length
                case .malformed: count = 0
                }
            }
        }
        guard result.count >= 2 else {
            throw Unmatchable(
                found: "text that no path can contain",
                allowed: "escapes of two hexadecimal digits, and no control character, backslash or #, escaped or not")
        }
        return Array(result.dropFirst(2))
    }

    /// The text with each byte of a character outside ASCII as an escape, which is how paths and queries hold it.
    static func escapingNonASCII(_ text: some Sequence<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        for byte in text {
            if byte >= 0x80 { appendEscape(of: byte, to: &result) } else { result.append(byte) }
        }
        return result
    }

    /// RFC 3986, 2.3.
    static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    private static func appendEscape(of octet: UInt8, to result: inout [UInt8]) { result += escape(of: octet) }

    static func escape(of octet: UInt8) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return [UInt8(ascii: "%"), digits[Int(octet >> 4)], digits[Int(octet & 15)]]
    }

    /// Whether two hexadecimal digits stand after each percent sign.
    static func hasWholeEscapes(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.indices.allSatisfy { index in
            bytes[index] != UInt8(ascii: "%")
                || index + 2 < bytes.count && bytes[index + 1].hexValue < 16 && bytes[index + 2].hexValue < 16
        }
    }

    enum Normality { case unchanged, changed, malformed }

    /// How a path stands to its normal form.
    static func normality(of path: String) -> Normality {
        var out = [UInt8](repeating: 0, count: path.utf8.count)
        return path.withByteView { view in
            out.withUnsafeMutableBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return .malformed }
                return switch NormalisedPath.normalise(view, into: base) {
                case .unchanged: .unchanged
                case .changed: .changed
                case .malformed: .malformed
                }
            }
        }
    }
}
