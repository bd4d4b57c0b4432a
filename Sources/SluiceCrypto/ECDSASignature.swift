import SluiceHTTP

/// The two forms of an ECDSA signature: tokens have the two numbers side by side (RFC 7518, 3.4), OpenSSL has them in DER (RFC 3279, 2.2.3).
enum ECDSASignature {
    /// Bytes of the longest DER form: a sequence of two numbers of 66 bytes, each with a byte of zeros in front.
    static let bytesMax = 3 + 2 * (2 + 67)

    /// Writes the DER form of two numbers of the same length. Whether they are in range is OpenSSL's to check.
    ///
    /// - Parameter signature: an even number of bytes, at most 132.
    /// - Returns: how many bytes were written, at most `bytesMax`.
    static func encode(_ signature: ByteView, into output: UnsafeMutablePointer<UInt8>) -> Int {
        let half = signature.count / 2
        let r = significant(signature[..<half])
        let s = significant(signature[half...])
        let count = length(r) + length(s)
        var end = 0
        func write(_ byte: Int) {
            output[end] = UInt8(truncatingIfNeeded: byte)
            end += 1
        }
        write(0x30)
        if count >= 0x80 { write(0x81) }
        write(count)
        for number in [r, s] {
            write(0x02)
            write(length(number) - 2)
            if number.isEmpty || number[0] >= 0x80 { write(0) }
            (output + end).update(from: number.base, count: number.count)
            end += number.count
        }
        return end
    }

    /// The number without zeros in front; empty for 0.
    private static func significant(_ number: ByteView) -> ByteView {
        var start = 0
        while start < number.count, number[start] == 0 { start += 1 }
        return number[start...]
    }

    /// Bytes of the number as a DER INTEGER.
    private static func length(_ number: ByteView) -> Int {
        2 + number.count + (number.isEmpty || number[0] >= 0x80 ? 1 : 0)
    }

    /// The two numbers of a DER form, each in so many bytes; nil if it is none.
    static func decode(_ der: [UInt8], scalarBytes: Int) -> [UInt8]? {
        var rest = der[...]
        func take(_ tag: UInt8) -> ArraySlice<UInt8>? {
            guard rest.count >= 2, rest.removeFirst() == tag else { return nil }
            var count = Int(rest.removeFirst())
            if count == 0x81 {
                guard let long = rest.popFirst() else { return nil }
                count = Int(long)
            }
            guard count < 0x100, rest.count >= count else { return nil }
            let content = rest.prefix(count)
            rest = rest.dropFirst(count)
            return content
        }
        guard let content = take(0x30) else { return nil }
        rest = content
        var signature: [UInt8] = []
        for _ in 0..<2 {
            guard let number = take(0x02)?.drop(while: { $0 == 0 }), number.count <= scalarBytes else { return nil }
            signature += [UInt8](repeating: 0, count: scalarBytes - number.count) + number
        }
        return signature
    }
}
