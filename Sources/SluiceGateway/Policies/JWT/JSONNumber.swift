import Glibc
import SluiceHTTP

/// A number of a scanned text. Integers of up to 18 digits are exact; all else is a double.
enum JSONNumber: BitwiseCopyable, Sendable, Equatable {
    case integer(Int64)
    case real(Double)

    /// Characters of a number that is read; a longer one counts as unreadable. No date and no identifier needs them.
    private static let charactersMax = 64

    /// - Parameter raw: a number by the grammar of RFC 8259, 6, as the scanner has found it.
    /// - Returns: nil for one that is too long or beyond the range of a double.
    init?(_ raw: ByteView) {
        if let integer = Self.integer(raw) {
            self = .integer(integer)
            return
        }
        guard raw.count <= Self.charactersMax else { return nil }
        // strtod needs a NUL behind the number. The process never sets a locale, so the decimal point is the point.
        let value = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Self.charactersMax + 1) { text in
            for index in 0..<raw.count { text[index] = CChar(bitPattern: raw[index]) }
            text[raw.count] = 0
            return strtod(text.baseAddress.unsafelyUnwrapped, nil)
        }
        guard value.isFinite else { return nil }
        self = .real(value)
    }

    private static func integer(_ raw: ByteView) -> Int64? {
        let isNegative = !raw.isEmpty && raw[0] == UInt8(ascii: "-")
        var index = isNegative ? 1 : 0
        guard raw.count - index <= 18, raw.count > index else { return nil }
        var value: Int64 = 0
        while index < raw.count {
            let digit = raw[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
            index += 1
        }
        return isNegative ? -value : value
    }

    static func == (left: JSONNumber, right: JSONNumber) -> Bool {
        switch (left, right) {
        case (.integer(let left), .integer(let right)): left == right
        case (.real(let left), .real(let right)): left == right
        case (.integer(let integer), .real(let real)), (.real(let real), .integer(let integer)): Int64(exactly: real) == integer
        }
    }
}

/// A NumericDate (RFC 7519, 2): seconds since the Unix epoch, of which there may be fractions.
enum NumericDate {
    /// Dates beyond this many seconds from the epoch (285 million years) are taken as this one, so that adding a skew cannot overflow.
    static let secondsMax: Int64 = 1 << 53

    /// The first whole second that is not before the date. Both `exp` and `nbf` are compared with whole seconds of the
    /// clock, for which this second decides as the date itself would.
    /// - Returns: nil where the value is not a number or has no finite value.
    static func read(_ value: JSONValue) -> Int64? {
        guard value.kind == .number, let number = JSONNumber(value.raw) else { return nil }
        switch number {
        case .integer(let seconds): return min(max(seconds, -secondsMax), secondsMax)
        case .real(let seconds):
            let limit = Double(secondsMax)
            return Int64(min(max(seconds.rounded(.up), -limit), limit))
        }
    }
}
