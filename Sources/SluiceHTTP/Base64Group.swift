import CByteScan

/// The part that both base64 alphabets share: groups of three bytes and four characters, without padding.
enum Base64Group {
    @inline(__always)
    static func encode(_ bytes: ByteView, alphabet: StaticString, into out: UnsafeMutablePointer<UInt8>) -> Int {
        let letters = alphabet.utf8Start
        let base = bytes.base
        var read = 0
        var written = 0
        while read &+ 3 <= bytes.count {
            let group = Int(base[read]) &<< 16 | Int(base[read &+ 1]) &<< 8 | Int(base[read &+ 2])
            out[written] = letters[group &>> 18]
            out[written &+ 1] = letters[group &>> 12 & 63]
            out[written &+ 2] = letters[group &>> 6 & 63]
            out[written &+ 3] = letters[group & 63]
            read &+= 3
            written &+= 4
        }
        let rest = bytes.count &- read
        guard rest > 0 else { return written }
        let group = Int(base[read]) &<< 16 | (rest == 2 ? Int(base[read &+ 1]) &<< 8 : 0)
        out[written] = letters[group &>> 18]
        out[written &+ 1] = letters[group &>> 12 & 63]
        if rest == 2 { out[written &+ 2] = letters[group &>> 6 & 63] }
        return written &+ rest &+ 1
    }

    /// `values` holds 0 to 63 for the alphabet and a number in which bit 64 is set for everything else, each plus the character
    /// 0. `last` are the characters of 62 and 63.
    @inline(__always)
    static func decode(
        _ text: ByteView, values: UnsafePointer<UInt8>, last: (UInt8, UInt8), into out: UnsafeMutablePointer<UInt8>
    ) -> Int? {
        let base = text.base
        let rest = text.count & 3
        guard rest != 1 else { return nil }
        let whole = text.count &- rest
        var read = 0
        var written = 0
        var seen: UInt32 = 0
        // Two bytes more are written, which those of further groups take the place of.
        while whole &- read >= 20, sluice_base64_decode16(base + read, last.0, last.1, out + written) {
            read &+= 16
            written &+= 12
        }
        while read < whole {
            let a = value(base[read], values)
            let b = value(base[read &+ 1], values)
            let c = value(base[read &+ 2], values)
            let d = value(base[read &+ 3], values)
            seen |= a | b | c | d
            let group = a &<< 18 | b &<< 12 | c &<< 6 | d
            out[written] = UInt8(truncatingIfNeeded: group &>> 16)
            out[written &+ 1] = UInt8(truncatingIfNeeded: group &>> 8)
            out[written &+ 2] = UInt8(truncatingIfNeeded: group)
            read &+= 4
            written &+= 3
        }
        if rest > 0 {
            let a = value(base[read], values)
            let b = value(base[read &+ 1], values)
            let c = rest == 3 ? value(base[read &+ 2], values) : 0
            seen |= a | b | c
            // What is left of the last character must be zero.
            guard (rest == 3 ? c & 3 : b & 15) == 0 else { return nil }
            out[written] = UInt8(truncatingIfNeeded: a &<< 2 | b &>> 4)
            if rest == 3 { out[written &+ 1] = UInt8(truncatingIfNeeded: b &<< 4 | c &>> 2) }
            written &+= rest &- 1
        }
        return seen & 64 == 0 ? written : nil
    }

    @inline(__always)
    private static func value(_ character: UInt8, _ values: UnsafePointer<UInt8>) -> UInt32 {
        UInt32(values[Int(character)] &- Ascii.zero)
    }
}
