import SluiceHTTP

/// One parameter of a query or of a form, as it was sent: `name=value`.
enum ParameterText {
    /// Parameters of a query or a form that are looked at. Many services read no more than 1,000, and do not see those behind.
    static let pairsMax = 1000

    /// Whether a query or a form has no more than `pairsMax` parameters; empty ones count, and what stands behind a semicolon.
    static func isOrdinary(_ text: ByteView) -> Bool {
        var left = pairsMax - 1
        return take(UInt8(ascii: "&"), in: text, of: &left) && take(UInt8(ascii: ";"), in: text, of: &left)
    }

    /// False if a byte occurs more often than `left`, of which every occurrence takes one.
    private static func take(_ byte: UInt8, in text: ByteView, of left: inout Int) -> Bool {
        var place = text.index(of: byte, from: 0)
        while place < text.count {
            guard left > 0 else { return false }
            left -= 1
            place = text.index(of: byte, from: place + 1)
        }
        return true
    }

    /// What stands behind the first equals sign, if the name before it is this one once it is percent-decoded; nil for another parameter. Empty without an equals
    /// sign. Capitals differ from small letters.
    static func value(of pair: ByteView, named name: ByteView) -> ByteView? {
        var place = 0
        for index in 0..<name.count {
            guard place < pair.count else { return nil }
            var byte = pair[place]
            place += 1
            if byte == UInt8(ascii: "%"), place + 1 < pair.count, pair[place].hexValue < 16, pair[place + 1].hexValue < 16 {
                byte = pair[place].hexValue << 4 | pair[place + 1].hexValue
                place += 2
            }
            if byte != name[index] { return nil }
        }
        if place == pair.count { return .empty }
        return pair[place] == UInt8(ascii: "=") ? pair[(place + 1)...] : nil
    }
}
