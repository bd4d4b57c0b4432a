import SluiceHTTP

/// Times as operators write them.
package enum CallerTimes {
    /// Those that can be kept, in seconds since the Unix epoch: from the year 0 on.
    package static let range: ClosedRange<Int64> = -62_167_219_200...(1 << 40)

    /// Seconds since the Unix epoch of `2027-01-31T00:00:00Z`, with any offset, or of the beginning of `2027-01-31` in UTC.
    package static func read(_ text: String) -> Int64? {
        let whole = Array((text.utf8.count == 10 ? text + "T00:00:00Z" : text).utf8)
        return whole.withUnsafeBufferPointer { bytes in
            bytes.baseAddress.flatMap { GatewayTimestamp.parse(ByteView(base: $0, count: bytes.count)) }.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// In UTC.
    package static func text(_ time: Int64) -> String {
        let seconds = min(max(time, range.lowerBound), range.upperBound)
        let days = (seconds >= 0 ? seconds : seconds - 86_399) / 86_400
        let date = CivilDate.date(days: Int(days))
        let rest = Int(seconds - days * 86_400)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let year = String(repeating: "0", count: max(0, 4 - "\(date.year)".count)) + "\(date.year)"
        return "\(year)-\(two(date.month))-\(two(date.day))T\(two(rest / 3600)):\(two(rest % 3600 / 60)):\(two(rest % 60))Z"
    }
}
