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
            if ParameterText.value(of: pair, named: all[index].name) != nil {
                found |= 1 << UInt32(index)
                return
            }
        }
    }
}
