public import CByteScan

/// Hexadecimal digits of a 64-bit number.
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
}
