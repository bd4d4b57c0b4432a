import SluiceHTTP

/// Names that hold a byte other than a letter, digit or hyphen (`KnownField.unusual`).
///
/// CGI, WSGI, PHP and others make one variable of `X-User`, `X_User` and `X.User`: to them all three are one field, of which anybody may win.
/// So the gateway leaves such fields of clients out, refuses them, or, where it passes them, holds back those that are read like a
/// field that it sets, removes, checks or remembers.
enum UnusualNames {
    /// The name that such a service reads: in lower case, with a hyphen for every byte that is not a letter or digit.
    static func usual(_ name: String) -> String { String(decoding: name.utf8.map(usual), as: UTF8.self) }

    /// The same, written into `memory`, which has room for as many bytes.
    static func usual(_ name: ByteView, into memory: UnsafeMutablePointer<UInt8>) -> ByteView {
        var index = 0
        while index < name.count {
            memory[index] = usual(name[index])
            index += 1
        }
        return ByteView(base: memory, count: name.count)
    }

    /// Whether two names are read alike.
    static func areAlike(_ one: ByteView, _ other: ByteView) -> Bool {
        guard one.count == other.count else { return false }
        var index = 0
        while index < one.count {
            if usual(one[index]) != usual(other[index]) { return false }
            index += 1
        }
        return true
    }

    static func isUnusual(_ name: String) -> Bool { name.utf8.contains { usual($0) == hyphen && $0 != hyphen } }

    @inline(__always)
    private static func usual(_ byte: UInt8) -> UInt8 {
        let letter = byte | 0x20
        return letter &- UInt8(ascii: "a") < 26 ? letter : byte &- UInt8(ascii: "0") < 10 ? byte : hyphen
    }

    private static var hyphen: UInt8 { UInt8(ascii: "-") }
}
