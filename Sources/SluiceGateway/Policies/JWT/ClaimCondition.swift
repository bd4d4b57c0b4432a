import SluiceHTTP

/// One thing that a claim must be, compiled: `{name, equals}`, `{name, oneOf}` or `{name, present: true}`.
struct ClaimCondition: BitwiseCopyable {
    /// A value of the configuration that a claim may have.
    enum Expected: BitwiseCopyable {
        case text(ByteView)
        case number(JSONNumber)
        case boolean(Bool)
    }

    let name: ClaimPath
    /// One of these; empty: any value but `null`, which says that there is none.
    let values: ArenaSlice<Expected>
    /// Whether a text is a list of words, of which one suffices, as an element of an array does: for `oneOf`, and for `scope` always
    /// (RFC 8693, 4.2). Never for `equals` on any other claim: "not admin" is not "admin".
    let matchesWords: Bool

    /// Whether the claims meet the condition. An array meets it if an element does; elements of elements are not looked at.
    func isMet(by claims: JSONObject) -> Bool {
        guard let value = name.value(in: claims), value.kind != .null else { return false }
        if values.isEmpty { return true }
        guard value.kind == .array else { return accepts(value) }
        var elements = JSONElements(value)
        while let element = elements.next() {
            if accepts(element) { return true }
        }
        return false
    }

    private func accepts(_ value: JSONValue) -> Bool {
        for index in 0..<values.count {
            switch values[index] {
            case .text(let text):
                guard let string = value.string else { continue }
                if string.equals(text) || matchesWords && Self.word(text, standsIn: string) { return true }
            case .number(let number):
                if value.kind == .number, JSONNumber(value.raw) == number { return true }
            case .boolean(let boolean):
                if value.kind == (boolean ? .true : .false) { return true }
            }
        }
        return false
    }

    /// Words are separated by spaces (RFC 6749, 3.3). Some writers of JSON escape characters that need no escape, such as the slash of
    /// `orders/read`: the bytes are compared as they are meant.
    private static func word(_ word: ByteView, standsIn string: JSONString) -> Bool {
        guard !word.isEmpty else { return false }
        var bytes = JSONStringBytes(string)
        // How much of the word the present one has; -1: it is another one.
        var matched = 0
        while let byte = bytes.next() {
            if byte == 0x20 {
                if matched == word.count { return true }
                matched = 0
            } else if matched >= 0 {
                matched = matched < word.count && word[matched] == byte ? matched + 1 : -1
            }
        }
        return matched == word.count
    }

    /// Whether a claim is one of these texts or, being an array, has one of them among its elements: `aud`.
    static func isOneOrHasOne(_ value: JSONValue?, of texts: ArenaSlice<ByteView>) -> Bool {
        guard let value else { return false }
        if let string = value.string { return isOne(string, of: texts) }
        guard value.kind == .array else { return false }
        var elements = JSONElements(value)
        while let element = elements.next() {
            if let string = element.string, isOne(string, of: texts) { return true }
        }
        return false
    }

    private static func isOne(_ string: JSONString, of texts: ArenaSlice<ByteView>) -> Bool {
        for index in 0..<texts.count where string.equals(texts[index]) { return true }
        return false
    }
}
