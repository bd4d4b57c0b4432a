import SluiceHTTP

/// Where a number of JSON ends (RFC 8259, 6), and of what kind it is.
struct JSONNumberText: BitwiseCopyable {
    let end: Int
    /// Whether it has neither fraction nor exponent.
    let isInteger: Bool
    /// Whether its exponent has more than nine digits, zeros in front not counted.
    let isTooLarge: Bool

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
        var isTooLarge = false
        if at < limit, base[at] == UInt8(ascii: ".") {
            isInteger = false
            at &+= 1
            let first = at
            while at < limit, base[at] &- UInt8(ascii: "0") <= 9 { at &+= 1 }
            guard at > first else { return nil }
        }
        if at < limit, base[at] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            at &+= 1
            if at < limit, base[at] == UInt8(ascii: "+") || base[at] == UInt8(ascii: "-") { at &+= 1 }
            let first = at
            while at < limit, base[at] == UInt8(ascii: "0") { at &+= 1 }
            let significant = at
            while at < limit, base[at] &- UInt8(ascii: "0") <= 9 { at &+= 1 }
            guard at > first else { return nil }
            isTooLarge = at &- significant > 9
        }
        end = at
        self.isInteger = isInteger
        self.isTooLarge = isTooLarge
    }
}
