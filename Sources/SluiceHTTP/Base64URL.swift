/// Base64url without padding (RFC 4648, 5; RFC 7515, 2), strict: one text for every run of bytes, and no other text is taken.
package enum Base64URL {
    /// Characters that `count` bytes are written with.
    @inlinable
    package static func encodedCount(_ count: Int) -> Int { (count * 4 + 2) / 3 }

    /// Bytes that `count` characters stand for.
    @inlinable
    package static func decodedCount(_ count: Int) -> Int { count / 4 * 3 + (count % 4 * 3) / 4 }

    /// Writes the text of `bytes` and returns its length. `out` has room for `encodedCount` characters.
    package static func encode(_ bytes: ByteView, into out: UnsafeMutablePointer<UInt8>) -> Int {
        Base64Group.encode(bytes, alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", into: out)
    }

    /// Writes the bytes that `text` stands for and returns how many. `out` has room for `decodedCount` bytes; it may be the
    /// memory of `text`. Nil for an impossible length, a character outside the alphabet (padding included), or bits that are not
    /// zero where no byte is left.
    package static func decode(_ text: ByteView, into out: UnsafeMutablePointer<UInt8>) -> Int? {
        Base64Group.decode(text, values: values, last: (UInt8(ascii: "-"), UInt8(ascii: "_")), into: out)
    }

    /// The value of every character plus the character 0; a tilde for what is outside the alphabet. Sixteen a row.
    private static var values: UnsafePointer<UInt8> {
        let rows: StaticString = #"""
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~~~~\#
            ~~~~~~~~~~~~~n~~\#
            defghijklm~~~~~~\#
            ~0123456789:;<=>\#
            ?@ABCDEFGHI~~~~o\#
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
