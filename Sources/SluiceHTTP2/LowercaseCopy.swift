import SluiceHTTP

/// Copies text with its ASCII letters in lower case, eight at a time.
enum LowercaseCopy {
    @inline(__always)
    static func copy(_ source: UnsafePointer<UInt8>, count: Int, to target: UnsafeMutablePointer<UInt8>) {
        var index = 0
        while index &+ 8 <= count {
            let word = UnsafeRawPointer(source + index).loadUnaligned(as: UInt64.self)
            UnsafeMutableRawPointer(target + index).storeBytes(of: lowercased(word), as: UInt64.self)
            index &+= 8
        }
        while index < count {
            target[index] = source[index].asciiLowercased
            index &+= 1
        }
    }

    /// The eight bytes, each A to Z with its sixth bit set.
    @inline(__always)
    private static func lowercased(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let low = word & (ones &* 0x7F)
        // The uppermost bit of each byte tells: at least A; beyond Z; no ASCII.
        let fromA = low &+ ones &* (0x80 &- 0x41)
        let beyondZ = low &+ ones &* (0x7F &- 0x5A)
        let isUpper = (fromA ^ beyondZ) & ~word & (ones &* 0x80)
        return word | isUpper &>> 2
    }
}
