/// Hexadecimal digits of a 64-bit number, eight at a time.
enum Hexadecimal {
    /// Writes sixteen digits in lower case.
    @inline(__always)
    static func write(_ number: UInt64, into memory: UnsafeMutablePointer<UInt8>) {
        let raw = UnsafeMutableRawPointer(memory)
        raw.storeBytes(of: digits(UInt32(truncatingIfNeeded: number >> 32)), as: UInt64.self)
        raw.storeBytes(of: digits(UInt32(truncatingIfNeeded: number)), toByteOffset: 8, as: UInt64.self)
    }

    /// The eight digits in the order of memory: the most significant in the lowest byte.
    ///
    /// The nibbles are spread to one a byte by halving thrice; a byte's digit is then 0x30 more, and 0x27 more again above 9.
    @inline(__always)
    private static func digits(_ number: UInt32) -> UInt64 {
        var spread = UInt64(number.byteSwapped)
        spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF
        spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF
        // The upper nibble of each byte comes first.
        spread = (spread >> 4 | spread << 8) & 0x0F0F_0F0F_0F0F_0F0F
        let aboveNine = ((spread &+ 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return spread &+ 0x3030_3030_3030_3030 &+ aboveNine &* 0x27
    }
}
