import SluiceHTTP

/// The media types that a body may have, as an operator lists them: `application/json`, `text/*`, `*/*`.
struct MediaTypes: BitwiseCopyable {
    /// In small letters; those that end with `/*` stand for all of their kind.
    let types: ArenaSlice<ByteView>

    func contains(_ type: ByteView) -> Bool {
        for index in 0..<types.count {
            let allowed = types[index]
            if type.equalsIgnoringCase(allowed) || allowed.equals(ByteView("*/*")) { return true }
            if allowed.count > 2, allowed[allowed.count - 1] == UInt8(ascii: "*"), type.count >= allowed.count - 1,
                type[..<(allowed.count - 1)].equalsIgnoringCase(allowed[..<(allowed.count - 1)])
            {
                return true
            }
        }
        return false
    }

    /// What a Content-Type says (RFC 9110, 8.3): the type without its parameters, and whether its charset is UTF-8, or is not said.
    static func read(_ value: ByteView) -> (type: ByteView, isUTF8: Bool) {
        var end = 0
        while end < value.count, value[end] != UInt8(ascii: ";") { end += 1 }
        var type = value[..<end]
        while !type.isEmpty, type[type.count - 1] == UInt8(ascii: " ") || type[type.count - 1] == UInt8(ascii: "\t") { type = type[..<(type.count - 1)] }
        // Services may take other bytes for blanks, and so find a charset where there is none.
        var isUTF8 = isVisible(value)
        var place = end
        while place < value.count {
            // At a semicolon.
            place += 1
            var name = value[place...]
            while !name.isEmpty, name[0] == UInt8(ascii: " ") || name[0] == UInt8(ascii: "\t") { name = name[1...] }
            let charset = ByteView("charset")
            if name.count > charset.count, name[..<charset.count].equalsIgnoringCase(charset) {
                switch name[charset.count] {
                case UInt8(ascii: "="): if !isUTF8Name(name[(charset.count + 1)...]) { isUTF8 = false }
                // Not as it must be written; some services read it all the same.
                case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "*"): isUTF8 = false
                default: break
                }
            }
            while place < value.count, value[place] != UInt8(ascii: ";") { place += 1 }
        }
        return (type, isUTF8)
    }

    private static func isVisible(_ value: ByteView) -> Bool {
        for index in 0..<value.count where !(0x20..<0x7F).contains(value[index]) && value[index] != UInt8(ascii: "\t") { return false }
        return true
    }

    private static func isUTF8Name(_ value: ByteView) -> Bool {
        for name in [ByteView("utf-8"), ByteView("\"utf-8\""), ByteView("utf8")] {
            guard value.count >= name.count, value[..<name.count].equalsIgnoringCase(name) else { continue }
            if value.count == name.count { return true }
            let behind = value[name.count]
            if behind == UInt8(ascii: ";") || behind == UInt8(ascii: " ") || behind == UInt8(ascii: "\t") { return true }
        }
        return false
    }

    /// Whether it is a type and a subtype, without parameters (RFC 6838, 4.2).
    static func isType(_ name: ByteView) -> Bool {
        var slash: Int?
        for index in 0..<name.count {
            switch name[index] {
            case UInt8(ascii: "/"):
                guard slash == nil else { return false }
                slash = index
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): break
            case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "-"), UInt8(ascii: "^"), UInt8(ascii: "_"),
                UInt8(ascii: "."), UInt8(ascii: "+"):
                break
            default: return false
            }
        }
        return slash.map { $0 > 0 && $0 < name.count - 1 } ?? false
    }

    /// Whether a body of this type is JSON (RFC 6839, 3.1), or some services take it for such.
    static func isJSON(_ type: ByteView) -> Bool {
        if type.equalsIgnoringCase(ByteView("application/json")) || type.equalsIgnoringCase(ByteView("text/json")) { return true }
        let suffix = ByteView("+json")
        return type.count > suffix.count && type[(type.count - suffix.count)...].equalsIgnoringCase(suffix)
    }
}
