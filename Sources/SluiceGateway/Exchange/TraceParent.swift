import SluiceHTTP

/// The `traceparent` field (W3C Trace Context, 3.2.2).
enum TraceParent {
    /// Whether the value can be continued: `version-traceid-parentid-flags` in lower-case hexadecimal, version not `ff`, neither id
    /// all zero. Version 00 has exactly 55 bytes; a later one may have more after another dash.
    static func isValid(_ value: ByteView) -> Bool {
        guard value.count >= 55, value[2] == dash, value[35] == dash, value[52] == dash else { return false }
        guard isHexadecimal(value[0..<2]), isHexadecimal(value[3..<35]), isHexadecimal(value[36..<52]),
            isHexadecimal(value[53..<55])
        else { return false }
        if value[0] == 0x66, value[1] == 0x66 { return false }
        let isFirstVersion = value[0] == 0x30 && value[1] == 0x30
        if value.count > 55, isFirstVersion || value[55] != dash { return false }
        return hasNonZero(value[3..<35]) && hasNonZero(value[36..<52])
    }

    private static let dash = UInt8(ascii: "-")

    private static func isHexadecimal(_ digits: ByteView) -> Bool {
        for index in 0..<digits.count {
            let byte = digits[index]
            guard byte &- 0x30 < 10 || byte &- 0x61 < 6 else { return false }
        }
        return true
    }

    private static func hasNonZero(_ digits: ByteView) -> Bool {
        for index in 0..<digits.count where digits[index] != 0x30 { return true }
        return false
    }
}
