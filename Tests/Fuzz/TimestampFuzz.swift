import Glibc

@testable import SluiceHTTP

/// `GatewayTimestamp`: what it takes is what the C library makes of the same digits.
enum TimestampFuzz: FuzzTarget {
    static let name = "timestamp"

    static func run(_ input: ByteView) {
        guard let seconds = GatewayTimestamp.parse(input) else { return }
        require((20...25).contains(input.count), "\(input.count) bytes are no timestamp")
        let digits = input.array
        func number(_ start: Int, _ count: Int) -> Int {
            digits[start..<start + count].reduce(0) { $0 * 10 + Int($1) - 48 }
        }
        var parts = tm()
        parts.tm_year = CInt(number(0, 4) - 1900)
        parts.tm_mon = CInt(number(5, 2) - 1)
        parts.tm_mday = CInt(number(8, 2))
        parts.tm_hour = CInt(number(11, 2))
        parts.tm_min = CInt(number(14, 2))
        parts.tm_sec = CInt(number(17, 2))
        var offset = 0
        if digits[19] != UInt8(ascii: "Z") {
            offset = number(20, 2) * 3600 + number(digits.count - 2, 2) * 60
            if digits[19] == UInt8(ascii: "-") { offset = -offset }
        }
        require(abs(offset) <= 18 * 3600, "an offset of \(offset) s")
        let day = parts.tm_mday
        require(Int64(timegm(&parts)) - Int64(offset) == seconds, "the C library says another second")
        require(parts.tm_mday == day, "a day that its month does not have")
    }
}
