import SluiceHTTP

/// Parameters that a query or a form must have: `a=1&b=2`.
struct RequiredParameters: BitwiseCopyable {
    struct Requirement: BitwiseCopyable {
        let name: ByteView
        /// What is said where it is missing.
        let missing: ByteView
    }

    /// At most `Validate.namesMax`.
    let all: ArenaSlice<Requirement>

    init(_ all: ArenaSlice<Requirement>) { self.all = all }

    /// What is said of the first that is missing; nil if none is.
    func missing(in text: ByteView) -> ByteView? {
        guard !all.isEmpty else { return nil }
        var found: UInt32 = 0
        var start = 0
        while start < text.count {
            var end = start
            while end < text.count, text[end] != UInt8(ascii: "&") { end += 1 }
            note(text[start..<end], &found)
            start = end + 1
        }
        for index in 0..<all.count where found & 1 << UInt32(index) == 0 { return all[index].missing }
        return nil
    }

    /// Notes which of the parameters this one is: its name goes to the first equals sign.
    private func note(_ pair: ByteView, _ found: inout UInt32) {
        for index in 0..<all.count where found & 1 << UInt32(index) == 0 {
            if isNamed(pair, all[index].name) {
                found |= 1 << UInt32(index)
                return
            }
        }
    }

    /// Whether the name before the first equals sign is this one, once it is decoded.
    private func isNamed(_ pair: ByteView, _ name: ByteView) -> Bool {
        var place = 0
        for index in 0..<name.count {
            guard place < pair.count else { return false }
            var byte = pair[place]
            place += 1
            if byte == UInt8(ascii: "%"), place + 1 < pair.count, pair[place].hexValue < 16, pair[place + 1].hexValue < 16 {
                byte = pair[place].hexValue << 4 | pair[place + 1].hexValue
                place += 2
            }
            if byte != name[index] { return false }
        }
        return place == pair.count || pair[place] == UInt8(ascii: "=")
    }
}
