public import CByteScan

/// Hexadecimal digits, and those of a 64-bit number.
public enum Hexadecimal {
    /// Digits of a number, leading zeros included.
    @inlinable
    public static var digitCount: Int { 16 }

    /// Writes `digitCount` digits in lower case, the most significant first.
    @inlinable
    @inline(__always)
    public static func write(_ number: UInt64, into memory: UnsafeMutablePointer<UInt8>) {
        sluice_hexadecimal16(number, memory)
    }

    /// The value of a digit plus 0x30; bit 6 is set for what is none. One look-up, where digits come in rows.
    @inlinable
    @inline(__always)
    public static func digit(_ byte: UInt8) -> UInt8 { digits[Int(byte)] }

    /// Sixteen a row.
    @inlinable
    @inline(__always)
    static var digits: UnsafePointer<UInt8> {
        let rows: StaticString = #"""
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            0123456789~~~~~~\#
            ~:;<=>?~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~:;<=>?~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~
            """#
        return rows.utf8Start
    }
}
