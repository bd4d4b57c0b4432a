import CByteScan

/// What the bytes of a field may be, for messages whose fields do not come as lines of text (RFC 9110, 5.1 and 5.5).
///
/// `readable` is how many bytes there are from `base` on, `count` or more: with sixteen of them a short text is looked at as it stands.
package enum FieldBytes {
    /// Whether a value may consist of these bytes: no control character but HTAB, and no blank at either end. Empty values may.
    package static func isValue(_ base: UnsafePointer<UInt8>, count: Int, readable: Int) -> Bool {
        guard count > 0 else { return true }
        guard !base[0].isBlank, !base[count &- 1].isBlank else { return false }
        if count <= 16, readable >= 16 { return sluice_non_text16(base) & firstBits(count) == 0 }
        return ByteScan.endOfText(base, from: 0, to: count) == count
    }

    /// Whether these bytes are a token without upper-case letters (RFC 9113, 8.2.1).
    package static func isLowercaseName(_ base: UnsafePointer<UInt8>, count: Int, readable: Int) -> Bool {
        guard isToken(base, count: count, readable: readable) else { return false }
        for index in 0..<count where base[index] &- 0x41 < 26 { return false }
        return true
    }

    /// Whether these bytes are a token (RFC 9110, 5.6.2).
    package static func isToken(_ base: UnsafePointer<UInt8>, count: Int, readable: Int) -> Bool {
        guard count > 0 else { return false }
        if count <= 16, readable >= 16 { return sluice_non_token16(base) & firstBits(count) == 0 }
        return ByteScan.endOfToken(base, from: 0, to: count) == count
    }

    /// Whether none of these bytes is a control character, a blank or DEL: nothing that could end a request target or a line.
    package static func isVisible(_ base: UnsafePointer<UInt8>, count: Int, readable: Int) -> Bool {
        var index = 0
        if count <= 16, readable >= 16 {
            if sluice_non_query16(base) & firstBits(count) == 0 { return true }
        } else {
            index = ByteScan.endOfTarget(base, from: 0, to: count)
        }
        // There is a number sign, a byte beyond ASCII, or one of those.
        while index < count {
            if base[index] <= 0x20 || base[index] == 0x7F { return false }
            index &+= 1
        }
        return true
    }

    /// As many bits, from the lowest on.
    @inline(__always)
    private static func firstBits(_ count: Int) -> UInt32 { 1 &<< UInt32(truncatingIfNeeded: count) &- 1 }
}
