import SluiceHTTP

/// How near the name of a parameter that was sent is to one that is described.
///
/// Services do not agree on names. Some take `page[]`, `page[0]`, `[page]` and `page` for one, some capitals for small letters, some a blank, a full stop or
/// a bracket that is not closed for `_`, and some a semicolon for the end of a parameter. A parameter that one of them may take for a described one is none that may pass unseen.
enum ParameterNames {
    enum Likeness {
        case none
        /// The same, once it is percent-decoded.
        case same
        /// Another name that services may read as this one.
        case alike
    }

    /// - Parameters:
    ///   - pair: `name=value`, not empty.
    ///   - name: a name as `validate` has them: letters, digits and any of `-._~[]$:`.
    static func likeness(of pair: ByteView, to name: ByteView) -> Likeness {
        if ParameterText.value(of: pair, named: name) != nil { return .same }
        return isAlike(pair, name) ? .alike : .none
    }

    /// Whether a text behind a semicolon in this pair begins with a name that is, or may be read as, this one.
    static func isBehindSemicolon(_ pair: ByteView, _ name: ByteView) -> Bool {
        var place = pair.index(of: UInt8(ascii: ";"), from: 0) + 1
        while place < pair.count {
            let end = pair.index(of: UInt8(ascii: ";"), from: place)
            if end > place, likeness(of: pair[place..<end], to: name) != .none { return true }
            place = end + 1
        }
        return false
    }

    private static func isAlike(_ pair: ByteView, _ name: ByteView) -> Bool {
        var sent = Letters(pair)
        // So many mean nothing to anybody, and are not looked through for each name that is described.
        guard sent.skipBlanks(andBrackets: !name.isEmpty && name[0] != UInt8(ascii: "[")) else { return true }
        var described = 0
        var isOpen = false
        // The part in front of brackets.
        while described < name.count, name[described] != UInt8(ascii: "[") {
            guard let byte = sent.next() else { return false }
            let isBracket = byte == UInt8(ascii: "[")
            guard folded(isBracket ? UInt8(ascii: "_") : byte) == folded(name[described]) else { return false }
            isOpen = isOpen || isBracket
            described += 1
        }
        // `user[id]` is none of `user_id`; `user[id` may be.
        if isOpen, sent.isAtClosing { return false }
        guard let bracket = sent.endOfRoot() else { return false }
        // `page` may be any `page[...]`, and the other way round. `filter[a]` and `filter[b]` are two.
        let isList = name.count - described == 2 && name[described + 1] == UInt8(ascii: "]")
        guard described < name.count, !isList, bracket else { return true }
        while described < name.count {
            guard let byte = sent.next(), folded(byte) == folded(name[described]) else { return false }
            described += 1
        }
        return true
    }

    private static func folded(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
        case UInt8(ascii: "."), UInt8(ascii: " "), UInt8(ascii: "+"): UInt8(ascii: "_")
        default: byte
        }
    }

    /// The name of a pair, byte by byte, percent-decoded. It ends with a semicolon too.
    private struct Letters {
        private let pair: ByteView
        private var place = 0

        init(_ pair: ByteView) { self.pair = pair }

        /// Nil at the name's end.
        mutating func next() -> UInt8? {
            guard let (byte, end) = peek() else { return nil }
            place = end
            return byte
        }

        private func peek() -> (byte: UInt8, end: Int)? {
            guard place < pair.count, pair[place] != UInt8(ascii: "="), pair[place] != UInt8(ascii: ";") else { return nil }
            if pair[place] == UInt8(ascii: "%"), place + 2 < pair.count, pair[place + 1].hexValue < 16, pair[place + 2].hexValue < 16 {
                return (pair[place + 1].hexValue << 4 | pair[place + 2].hexValue, place + 3)
            }
            return (pair[place] == UInt8(ascii: "+") ? UInt8(ascii: " ") : pair[place], place + 1)
        }

        /// Blanks and control characters, which services may leave out, and brackets in front of a name. False if there are more than any name needs.
        mutating func skipBlanks(andBrackets: Bool = false) -> Bool {
            var count = 0
            while let (byte, end) = peek(), byte <= 0x20 || byte == 0x7F || andBrackets && Self.isBracket(byte) {
                place = end
                count += 1
                guard count <= Self.blanksMax else { return false }
            }
            return true
        }

        private static let blanksMax = 16

        private static func isBracket(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "[") || byte == UInt8(ascii: "]") }

        var isAtClosing: Bool { peek()?.byte == UInt8(ascii: "]") }

        /// Whether brackets follow where the name may end; nil where it goes on. The brackets themselves are not taken.
        mutating func endOfRoot() -> Bool? {
            if case (0, _)? = peek() { return false }
            guard skipBlanks() else { return false }
            let isClosed = isAtClosing
            while isAtClosing { _ = next() }
            guard let (byte, _) = peek() else { return false }
            // Nothing counts behind a bracket that is closed.
            return byte == UInt8(ascii: "[") || isClosed ? true : nil
        }
    }
}
