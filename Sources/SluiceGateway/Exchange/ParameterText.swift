import SluiceHTTP

/// One parameter of a query or of a form, as it was sent: `name=value`.
enum ParameterText {
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
