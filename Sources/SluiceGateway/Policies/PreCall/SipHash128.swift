import SluiceHTTP

/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, 2012): a keyed hash of which nobody without the key can
/// find two messages with the same value, at a few cycles per byte.
///
/// A message is a sequence of 64-bit words. Texts are preceded by their lengths and filled with zeros to whole words, so that
/// no two sequences of texts are the same message.
struct SipHash128: BitwiseCopyable {
    struct Key: BitwiseCopyable, Sendable {
        let low: UInt64
        let high: UInt64

        /// A key that no other process has.
        static func random() -> Key {
            var generator = SystemRandomNumberGenerator()
            return Key(low: generator.next(), high: generator.next())
        }
    }

    struct Value: BitwiseCopyable, Equatable, Sendable {
        let low: UInt64
        let high: UInt64
    }

    private var v0, v1, v2, v3: UInt64
    private var byteCount: UInt64 = 0

    init(key: Key) {
        v0 = key.low ^ 0x736F_6D65_7073_6575
        v1 = key.high ^ 0x646F_7261_6E64_6F6D ^ 0xEE
        v2 = key.low ^ 0x6C79_6765_6E65_7261
        v3 = key.high ^ 0x7465_6462_7974_6573
    }

    @inline(__always)
    mutating func add(word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
        byteCount &+= 8
    }

    mutating func add(_ text: ByteView) {
        add(word: UInt64(text.count))
        addWords(of: text, lowercasing: false)
    }

    /// A field name: ASCII capitals count as lower case.
    mutating func add(name: ByteView) {
        add(word: UInt64(name.count))
        addWords(of: name, lowercasing: true)
    }

    @inline(__always)
    private mutating func addWords(of text: ByteView, lowercasing: Bool) {
        let raw = UnsafeRawPointer(text.base)
        var index = 0
        while index &+ 8 <= text.count {
            let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            add(word: lowercasing ? Self.lowercased(word) : word)
            index &+= 8
        }
        guard index < text.count else { return }
        var last: UInt64 = 0
        var shift: UInt64 = 0
        while index < text.count {
            last |= UInt64(text[index]) &<< shift
            shift &+= 8
            index &+= 1
        }
        add(word: lowercasing ? Self.lowercased(last) : last)
    }

    /// Eight ASCII bytes at once; bytes beyond ASCII stay as they are.
    static func lowercased(_ word: UInt64) -> UInt64 {
        let sevenBits = word & 0x7F7F_7F7F_7F7F_7F7F
        // The top bit of a byte: set in the first if it is A or above, in the second if it is above Z.
        let fromA = sevenBits &+ 0x3F3F_3F3F_3F3F_3F3F
        let aboveZ = sevenBits &+ 0x2525_2525_2525_2525
        let capitals = (fromA ^ aboveZ) & ~word & 0x8080_8080_8080_8080
        return word | capitals &>> 2
    }

    /// The value of what was added so far.
    func finish() -> Value {
        var state = self
        // The last word of the message: no bytes are left, and the length modulo 256 stands at the top.
        state.add(word: byteCount &<< 56)
        state.v2 ^= 0xEE
        for _ in 0..<4 { state.round() }
        let low = state.v0 ^ state.v1 ^ state.v2 ^ state.v3
        state.v1 ^= 0xDD
        for _ in 0..<4 { state.round() }
        return Value(low: low, high: state.v0 ^ state.v1 ^ state.v2 ^ state.v3)
    }

    @inline(__always)
    private mutating func round() {
        v0 &+= v1
        v1 = (v1 &<< 13 | v1 &>> 51) ^ v0
        v0 = v0 &<< 32 | v0 &>> 32
        v2 &+= v3
        v3 = (v3 &<< 16 | v3 &>> 48) ^ v2
        v0 &+= v3
        v3 = (v3 &<< 21 | v3 &>> 43) ^ v0
        v2 &+= v1
        v1 = (v1 &<< 17 | v1 &>> 47) ^ v2
        v2 = v2 &<< 32 | v2 &>> 32
    }
}
