/// Standard base64 with padding (RFC 4648, 4), strict: one text for every run of bytes, and no other text is taken.
package enum Base64 {
    /// Characters that `count` bytes are written with.
    @inlinable
    package static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Bytes that `count` characters can stand for at most.
    @inlinable
    package static func decodedCountMax(_ count: Int) -> Int { count / 4 * 3 }

    /// Writes the text of `bytes` and returns its length. `out` has room for `encodedCount` characters.
    package static func encode(_ bytes: ByteView, into out: UnsafeMutablePointer<UInt8>) -> Int {
        var written = Base64Group.encode(
            bytes, alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", into: out)
        while written % 4 != 0 {
            out[written] = Ascii.equals
            written += 1
        }
        return written
    }

    /// Writes the bytes that `text` stands for and returns how many. `out` has room for `decodedCountMax` bytes; it may be the
    /// memory of `text`. Nil for a length that is not a multiple of four, a character outside the alphabet, padding elsewhere than
    /// at the end, or bits that are not zero where no byte is left.
    package static func decode(_ text: ByteView, into out: UnsafeMutablePointer<UInt8>) -> Int? {
        guard text.count % 4 == 0 else { return nil }
        var end = text.count
        if end > 0, text[end - 1] == Ascii.equals { end -= 1 }
        if end > 0, end < text.count, text[end - 1] == Ascii.equals { end -= 1 }
        return Base64Group.decode(text[..<end], values: values, last: (UInt8(ascii: "+"), UInt8(ascii: "/")), into: out)
    }

    /// The value of every character plus the character 0; a tilde for what is outside the alphabet. Sixteen a row.
    private static var values: UnsafePointer<UInt8> {
        let rows: StaticString = #"""
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~n~~~o\#
            defghijklm~~~~~~\#
            ~0123456789:;<=>\#
            ?@ABCDEFGHI~~~~~\#
            ~JKLMNOPQRSTUVWX\#
            YZ[\]^_`abc~~~~~\#
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
