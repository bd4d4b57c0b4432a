import SluiceHTTP

/// Hashes under a secret of the process: a peer cannot look for texts that share one. Whoever finds two equal hashes still compares.
struct JSONHash: BitwiseCopyable {
    private let first: UInt64
    private let factor: UInt64

    private static let secret = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max) | 1)

    init() { (first, factor) = Self.secret }

    @inline(__always)
    private func fold(_ word: UInt64) -> UInt64 {
        let product = word.multipliedFullWidth(by: factor)
        return product.high ^ product.low
    }

    /// Of bytes.
    @inline(__always)
    func hash(_ base: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        let raw = UnsafeRawPointer(base)
        var hash = first ^ UInt64(truncatingIfNeeded: count)
        var index = 0
        while count &- index > 8 {
            hash = fold(hash ^ raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            index &+= 8
        }
        return fold(hash ^ Self.lastWord(raw, count))
    }

    /// The last eight bytes, some of which a word before may hold too; of fewer, all of them, at places that depend on their number alone.
    @inline(__always)
    private static func lastWord(_ raw: UnsafeRawPointer, _ count: Int) -> UInt64 {
        if count >= 8 { return raw.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self) }
        if count >= 4 {
            return UInt64(raw.loadUnaligned(as: UInt32.self)) | UInt64(raw.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)) &<< 32
        }
        guard count > 0 else { return 0 }
        let bytes = raw.assumingMemoryBound(to: UInt8.self)
        return UInt64(bytes[0]) | UInt64(bytes[count &>> 1]) &<< 8 | UInt64(bytes[count &- 1]) &<< 16
    }

    /// Of two hashes, in this order.
    @inline(__always)
    func mix(_ left: UInt64, _ right: UInt64) -> UInt64 { fold(fold(left ^ first) ^ right) }
}
