/// What the bytes of a field may be, for messages whose fields do not come as lines of text (RFC 9110, 5.1 and 5.5).
package enum FieldBytes {
    /// Whether a value may consist of these bytes: no control character but HTAB, and no blank at either end. Empty values may.
    package static func isValue(_ base: UnsafePointer<UInt8>, count: Int) -> Bool {
        guard count > 0 else { return true }
        return !base[0].isBlank && !base[count &- 1].isBlank && ByteScan.endOfText(base, from: 0, to: count) == count
    }

    /// Whether these bytes are a token without upper-case letters (RFC 9113, 8.2.1).
    package static func isLowercaseName(_ base: UnsafePointer<UInt8>, count: Int) -> Bool {
        guard count > 0, ByteScan.endOfToken(base, from: 0, to: count) == count else { return false }
        for index in 0..<count where base[index] &- 0x41 < 26 { return false }
        return true
    }

    /// Whether these bytes are a token (RFC 9110, 5.6.2).
    package static func isToken(_ base: UnsafePointer<UInt8>, count: Int) -> Bool {
        count > 0 && ByteScan.endOfToken(base, from: 0, to: count) == count
    }
}
