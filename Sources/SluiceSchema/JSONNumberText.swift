import SluiceHTTP

/// Where a number of JSON ends (RFC 8259, 6), and of what kind it is.
struct JSONNumberText: BitwiseCopyable {
    let end: Int
    /// Whether it has neither fraction nor exponent.
    let isInteger: Bool
    /// Whether a double cannot hold it, not even roughly: most parsers make an infinity or zero of it, and so another number than the one that was written.
    let isOutOfRange: Bool

    /// Nil if no number begins at `start`.
    @inline(__always)
    init?(_ base: UnsafePointer<UInt8>, from start: Int, to limit: Int) {
        var at = start
        if at < limit, base[at] == UInt8(ascii: "-") { at &+= 1 }
        guard at < limit, base[at] &- UInt8(ascii: "0") <= 9 else { return nil }
        let isZero = base[at] == UInt8(ascii: "0")
        at &+= 1
        if !isZero { while at < limit, base[at] &- UInt8(ascii: "0") <= 9 { at &+= 1 } }
        var isInteger = true
        var hasExponent = false
        if at < limit, base[at] == UInt8(ascii: ".") {
            isInteger = false
            at &+= 1
            let first = at
            while at < limit, base[at] &- UInt8(ascii: "0") <= 9 { at &+= 1 }
            guard at > first else { return nil }
        }
        if at < limit, base[at] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            hasExponent = true
            at &+= 1
            if at < limit, base[at] == UInt8(ascii: "+") || base[at] == UInt8(ascii: "-") { at &+= 1 }
            let first = at
            while at < limit, base[at] &- UInt8(ascii: "0") <= 9 { at &+= 1 }
            guard at > first else { return nil }
        }
        end = at
        self.isInteger = isInteger
        isOutOfRange = (hasExponent || at &- start > 300) && Self.isOutOfRange(base, start, at)
    }

    /// Digits of the largest double, which is 1.7976931348623157e308.
    private static var largest: StaticString { "17976931348623157" }
    /// The largest and the smallest power of ten of which such a number may be a part, as in 0.17976931348623157e309.
    private static let powers = -322...309

    /// - Parameters:
    ///   - start: where a whole number begins.
    ///   - end: where it ends.
    @inline(never)
    private static func isOutOfRange(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
        var at = start
        if base[at] == UInt8(ascii: "-") { at &+= 1 }
        var power = 0
        var digits = 0
        var isBehindPoint = false
        /// How the digits so far compare with those of the largest: 0 for the same.
        var order = 0
        while at < end, base[at] | 0x20 != UInt8(ascii: "e") {
            let byte = base[at]
            at &+= 1
            if byte == UInt8(ascii: ".") {
                isBehindPoint = true
            } else if byte == UInt8(ascii: "0"), digits == 0 {
                if isBehindPoint { power &-= 1 }
            } else {
                if order == 0, digits < largest.utf8CodeUnitCount { order = Int(byte) &- Int(largest.utf8Start[digits]) }
                digits &+= 1
                if !isBehindPoint { power &+= 1 }
            }
        }
        guard digits > 0 else { return false }
        if at < end {
            at &+= 1
            let isNegative = base[at] == UInt8(ascii: "-")
            if isNegative || base[at] == UInt8(ascii: "+") { at &+= 1 }
            var exponent = 0
            while at < end {
                // More than any text has digits to make up for.
                guard exponent < 10_000_000_000 else { return true }
                exponent = exponent &* 10 &+ Int(base[at] &- UInt8(ascii: "0"))
                at &+= 1
            }
            power = isNegative ? power &- exponent : power &+ exponent
        }
        return !powers.contains(power) || power == powers.upperBound && order > 0
    }
}
