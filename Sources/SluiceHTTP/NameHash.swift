/// A hash of field names without regard to case, under a secret of the process: a peer cannot look for names that share one.
///
/// A word of eight bytes at a time. Bytes are put in lower case by setting bit 5, which makes some marks equal too: whoever finds two names of
/// one hash still compares them.
package enum NameHash {
    private static let secret = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max) | 1)

    package static func hash(_ name: ByteView) -> UInt64 {
        let secret = secret
        let count = name.count
        var hash = secret.0 ^ UInt64(truncatingIfNeeded: count)
        var index = 0
        while count &- index > 8 {
            hash = fold(hash ^ (WordScan.load(name.base, index) | WordScan.caseBits), secret.1)
            index &+= 8
        }
        return fold(hash ^ (lastWord(name) | WordScan.caseBits), secret.1)
    }

    @inline(__always)
    private static func fold(_ word: UInt64, _ factor: UInt64) -> UInt64 {
        let product = word.multipliedFullWidth(by: factor)
        return product.high ^ product.low
    }

    /// The last eight bytes, some of which a word before may hold too; of fewer, all of them, at places that depend on their number alone.
    @inline(__always)
    private static func lastWord(_ name: ByteView) -> UInt64 {
        let count = name.count
        if count >= 8 { return WordScan.load(name.base, count &- 8) }
        var word: UInt64 = 0
        var index = 0
        while index < count {
            word |= UInt64(name.base[index]) &<< UInt64(8 &* index)
            index &+= 1
        }
        return word
    }
}
