import SluiceHTTP

/// The Huffman code of HPACK (RFC 7541, 5.2 and appendix B).
///
/// The code is canonical: sorted by length and then by symbol, each code is the one before it plus one. So the lengths are all
/// that has to be written down, and the tables follow from them, once in a process.
///
/// Decoding looks at eight bits: nearly every byte that a head holds has a code of at most eight, so one look gives a symbol. A longer code is
/// found by comparing with the last code of each length.
///
/// Sendable, because nothing writes to its tables once it is made.
struct HuffmanCode: BitwiseCopyable, @unchecked Sendable {
    /// Bits of the longest code.
    static let bitsMax = 30
    /// The symbol that ends a string, which no string may hold (RFC 7541, 5.2).
    private static let endOfString: UInt16 = 256
    /// Bits of each symbol's code: `A` is 5.
    private static let lengths: StaticString = """
        ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIX\
        PRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ
        """

    /// For each value of eight bits: the symbol whose code they begin with, and in the upper byte the code's bits; 0 if that is longer.
    private let short: UnsafePointer<UInt16>
    /// Symbols sorted by their codes.
    private let sorted: UnsafePointer<UInt16>
    /// For each length: one more than its last code, at the upper end of 32 bits. A shorter code is smaller, a longer one is not.
    private let limits: UnsafePointer<UInt64>
    /// For each length: what to add to a code to get its place in `sorted`.
    private let offsets: UnsafePointer<Int32>
    /// For each symbol: its code, and in the upper byte the bits of it.
    private let codes: UnsafePointer<UInt64>

    /// Makes the tables, which live as long as the program.
    init() {
        let short = UnsafeMutablePointer<UInt16>.allocate(capacity: 256)
        let sorted = UnsafeMutablePointer<UInt16>.allocate(capacity: 257)
        let limits = UnsafeMutablePointer<UInt64>.allocate(capacity: Self.bitsMax + 1)
        let offsets = UnsafeMutablePointer<Int32>.allocate(capacity: Self.bitsMax + 1)
        let codes = UnsafeMutablePointer<UInt64>.allocate(capacity: 257)
        short.initialize(repeating: 0, count: 256)
        limits.initialize(repeating: 0, count: Self.bitsMax + 1)
        offsets.initialize(repeating: 0, count: Self.bitsMax + 1)
        let lengths = Self.lengths.utf8Start
        var code: UInt64 = 0
        var place = 0
        for bits in 5...Self.bitsMax {
            code <<= 1
            offsets[bits] = Int32(place) - Int32(code)
            for symbol in 0...256 where Int(lengths[symbol]) - 0x41 + 5 == bits {
                sorted[place] = UInt16(symbol)
                codes[symbol] = code | UInt64(bits) << 56
                if bits <= 8 {
                    let first = Int(code) << (8 - bits)
                    for index in first..<first + (1 << (8 - bits)) { short[index] = UInt16(symbol) | UInt16(bits) << 8 }
                }
                place += 1
                code += 1
            }
            limits[bits] = code << UInt64(32 - bits)
        }
        self.short = UnsafePointer(short)
        self.sorted = UnsafePointer(sorted)
        self.limits = UnsafePointer(limits)
        self.offsets = UnsafePointer(offsets)
        self.codes = UnsafePointer(codes)
    }

    /// Bits that have been read and not yet decoded: a string may be cut anywhere.
    struct Rest: BitwiseCopyable {
        /// The first is the uppermost.
        var bits: UInt64 = 0
        var count: UInt8 = 0

        /// Whether a string may end with these (RFC 7541, 5.2): fewer than eight, all of them ones.
        var isPadding: Bool { count < 8 && (count == 0 || bits >> UInt64(64 - count) == (1 << UInt64(count)) - 1) }
    }

    struct Outcome: BitwiseCopyable {
        /// Bytes of the input that are used up.
        var used: Int
        /// Bytes of output.
        var written: Int
        /// The input holds what no string may.
        var isMalformed = false
    }

    /// Decodes until the input is used up or `room` bytes have been written.
    func decode(_ input: UnsafePointer<UInt8>, count: Int, rest: inout Rest, into output: UnsafeMutablePointer<UInt8>, room: Int) -> Outcome {
        var bits = rest.bits
        var have = Int(rest.count)
        var read = 0
        var written = 0
        let short = short
        refilling: while true {
            if read &+ 8 <= count {
                let word = UInt64(bigEndian: UnsafeRawPointer(input + read).loadUnaligned(as: UInt64.self))
                bits |= word &>> UInt64(truncatingIfNeeded: have)
                let took = (63 &- have) &>> 3
                read &+= took
                have &+= took &* 8
            } else {
                while have <= 56, read < count {
                    bits |= UInt64(input[read]) &<< UInt64(truncatingIfNeeded: 56 &- have)
                    read &+= 1
                    have &+= 8
                }
            }
            // Four short codes have at most 32 bits: nothing has to be asked between them.
            while have >= 32, written &+ 4 <= room {
                var length = 0
                var index = 0
                while index < 4 {
                    let entry = short[Int(truncatingIfNeeded: bits &>> 56)]
                    output[written &+ index] = UInt8(truncatingIfNeeded: entry)
                    let bitsOfOne = Int(entry &>> 8)
                    if bitsOfOne == 0 { break }
                    bits &<<= UInt64(truncatingIfNeeded: bitsOfOne)
                    length &+= bitsOfOne
                    index &+= 1
                }
                have &-= length
                written &+= index
                if index < 4 { break }
            }
            while true {
                let entry = short[Int(truncatingIfNeeded: bits &>> 56)]
                let length = Int(entry &>> 8)
                if length == 0 {
                    let bitsOfLong = longLength(bits)
                    guard bitsOfLong <= have else { break }
                    let code = Int32(truncatingIfNeeded: bits &>> UInt64(truncatingIfNeeded: 64 &- bitsOfLong))
                    let symbol = sorted[Int(offsets[bitsOfLong] &+ code)]
                    guard symbol != Self.endOfString else { return Outcome(used: read, written: written, isMalformed: true) }
                    guard written < room else { break refilling }
                    output[written] = UInt8(truncatingIfNeeded: symbol)
                    written &+= 1
                    bits &<<= UInt64(truncatingIfNeeded: bitsOfLong)
                    have &-= bitsOfLong
                } else {
                    guard length <= have else { break }
                    guard written < room else { break refilling }
                    output[written] = UInt8(truncatingIfNeeded: entry)
                    written &+= 1
                    bits &<<= UInt64(truncatingIfNeeded: length)
                    have &-= length
                }
            }
            if read == count { break }
        }
        // Bits of a byte that is read again next time are taken off.
        rest = Rest(bits: have == 0 ? 0 : bits & (~0 &<< UInt64(truncatingIfNeeded: 64 &- have)), count: UInt8(truncatingIfNeeded: have))
        return Outcome(used: read, written: written)
    }

    /// Bits of the code that these bits begin with; it has more than eight. Bits that are not there yet are zeros: then the answer is at most too large.
    @inline(never)
    private func longLength(_ bits: UInt64) -> Int {
        let code = bits &>> 32
        var length = 10
        while length < Self.bitsMax, code >= limits[length] { length &+= 1 }
        return length
    }

    /// Bytes that this text takes when it is encoded.
    func encodedCount(_ text: ByteView) -> Int {
        var bits = 0
        for index in 0..<text.count { bits += Int(codes[Int(text[index])] >> 56) }
        return (bits + 7) / 8
    }

    /// Writes `encodedCount` bytes.
    func encode(_ text: ByteView, into output: UnsafeMutablePointer<UInt8>) {
        var pending: UInt64 = 0
        var have: UInt64 = 0
        var at = 0
        for index in 0..<text.count {
            let code = codes[Int(text[index])]
            let length = code >> 56
            pending = pending << length | code & 0xFFFF_FFFF
            have += length
            while have >= 8 {
                output[at] = UInt8(truncatingIfNeeded: pending >> (have - 8))
                at += 1
                have -= 8
            }
        }
        if have > 0 { output[at] = UInt8(truncatingIfNeeded: pending << (8 - have) | (0xFF >> have)) }
    }
}
