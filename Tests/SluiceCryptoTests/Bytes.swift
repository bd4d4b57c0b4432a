import SluiceHTTP

/// Calls `body` with a view of the bytes.
func with<Result>(_ bytes: [UInt8], _ body: (ByteView) throws -> Result) rethrows -> Result {
    try bytes.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return try body(.empty) }
        return try body(ByteView(base: base, count: buffer.count))
    }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func unhex(_ text: some StringProtocol) -> [UInt8] {
    var digits = text.compactMap(\.hexDigitValue)
    if digits.count % 2 == 1 { digits.insert(0, at: 0) }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
}
