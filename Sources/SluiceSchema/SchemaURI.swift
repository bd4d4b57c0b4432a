/// References to schemas (RFC 3986), as far as they are needed to find one: bases, fragments, and what is relative to what.
struct SchemaURI: Hashable {
    /// Without a fragment.
    var base: String
    /// Without its `#`, with its escapes decoded; empty for none.
    var fragment: String

    init(base: String, fragment: String = "") {
        self.base = base
        self.fragment = fragment
    }

    /// A reference that stands where `base` is the base URI.
    init(_ reference: String, relativeTo base: String) {
        let mark = reference.firstIndex(of: "#") ?? reference.endIndex
        let target = String(reference[..<mark])
        fragment = mark == reference.endIndex ? "" : Self.decoded(reference[reference.index(after: mark)...])
        self.base = target.isEmpty ? base : Self.resolve(target, relativeTo: base)
    }

    /// The names and numbers of a fragment that is a JSON pointer; nil for one that is a name.
    var pointer: [String]? {
        if fragment.isEmpty { return [] }
        guard fragment.first == "/" else { return nil }
        return fragment.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            String($0).replacing("~1", with: "/").replacing("~0", with: "~")
        }
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Substring(text).utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let high = rest.first?.hexadecimalValue, let low = rest.dropFirst().first?.hexadecimalValue {
                bytes.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// RFC 3986, 5.2, without queries.
    private static func resolve(_ reference: String, relativeTo base: String) -> String {
        if scheme(of: reference) != nil { return reference }
        let scheme = scheme(of: base).map { "\($0):" } ?? ""
        let rest = base.dropFirst(scheme.count)
        if reference.hasPrefix("//") { return scheme + reference }
        var authority = Substring()
        var path = rest
        if rest.hasPrefix("//") {
            let end = rest.dropFirst(2).firstIndex(of: "/") ?? rest.endIndex
            authority = rest[..<end]
            path = rest[end...]
        }
        if reference.hasPrefix("/") { return scheme + authority + withoutDots(reference) }
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? (authority.isEmpty ? "" : "/")
        return scheme + authority + withoutDots(folder + reference)
    }

    private static func scheme(of text: String) -> Substring? {
        guard let colon = text.firstIndex(of: ":"), colon != text.startIndex else { return nil }
        let scheme = text[..<colon]
        return scheme.utf8.allSatisfy { $0 < 0x80 && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") } ? scheme : nil
    }

    private static func withoutDots(_ path: String) -> String {
        var segments: [Substring] = []
        for segment in path.split(separator: "/", omittingEmptySubsequences: false) {
            switch segment {
            case ".": continue
            case "..": if segments.count > 1 { segments.removeLast() }
            default: segments.append(segment)
            }
        }
        if path.hasSuffix("/.") || path.hasSuffix("/..") { segments.append("") }
        return segments.joined(separator: "/")
    }
}
