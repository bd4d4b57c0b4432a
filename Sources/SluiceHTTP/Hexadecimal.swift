import CByteScan

/// Hexadecimal digits of a 64-bit number.
package enum Hexadecimal {
    /// Digits of a number, leading zeros included.
    package static let digitCount = 16

    /// Writes `digitCount` digits in lower case, the most significant first.
    package static func write(_ number: UInt64, into memory: UnsafeMutablePointer<UInt8>) {
        sluice_hexadecimal16(number, memory)
    }
}
