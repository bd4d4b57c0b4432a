/// Paths and addresses as the contract reads them: slowly, and every reading in full.
enum PathModel {
    /// The normal form of a path (RFC 3986, 6.2.2); nil where it must be refused.
    static func normal(_ path: String, keepsSlashes: Bool) -> String? {
        guard let decoded = decode(path, keepsSlashes: keepsSlashes) else { return nil }
        return withoutDots(decoded)
    }

    /// Unreserved characters decoded, other escapes in capitals.
    private static func decode(_ path: String, keepsSlashes: Bool) -> String? {
        var result = ""
        var rest = Array(path.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == 0x25 else {
                guard byte > 0x20, byte != 0x7F, byte != 0x5C else { return nil }
                result.unicodeScalars.append(Unicode.Scalar(byte))
                continue
            }
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit), let code = UInt8(digits, radix: 16) else { return nil }
            rest = rest.dropFirst(2)
            guard code > 0x1F, code != 0x7F, code != 0x5C else { return nil }
            if code == 0x2F, !keepsSlashes { return nil }
            let scalar = Unicode.Scalar(code)
            let isUnreserved = code < 0x80 && (Character(scalar).isLetter || Character(scalar).isNumber || "-._~".unicodeScalars.contains(scalar))
            if isUnreserved { result.unicodeScalars.append(scalar) } else { result += "%" + digits.uppercased() }
        }
        return result
    }

    /// Dot segments resolved; nil for a climb above the root, and for one with parameters, which some take for a climb.
    static func withoutDots(_ path: String) -> String? {
        var segments: [Substring] = []
        let all = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        for (index, segment) in all.enumerated() {
            let isLast = index == all.count - 1
            let name = segment.prefix { $0 != ";" }
            if name == "." || name == "..", segment.contains(";") { return nil }
            switch segment {
            case ".": if isLast { segments.append("") }
            case "..":
                guard segments.popLast() != nil else { return nil }
                if isLast { segments.append("") }
            default: segments.append(segment)
            }
        }
        return "/" + segments.joined(separator: "/")
    }

    /// Every other way in which a service may read a normal path: without parameters, with slashes merged, with `%2F` decoded, in all
    /// combinations; nil for one that climbs above the root.
    static func readings(_ path: String) -> [String?] {
        (1..<8).map { which in
            var path = path
            if which & 4 != 0 { path = path.split(separator: "%2F", omittingEmptySubsequences: false).joined(separator: "/") }
            if which & 1 != 0 { path = path.split(separator: "/", omittingEmptySubsequences: false).map { $0.prefix { $0 != ";" } }.joined(separator: "/") }
            if which & 2 != 0 {
                var merged = ""
                for character in path where !(character == "/" && merged.last == "/") { merged.append(character) }
                path = merged
            }
            return withoutDots(path)
        }
    }

    static func segments(_ path: String) -> [Substring] { path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { $0 } }

    // MARK: Patterns

    private static func rank(_ segment: Substring) -> Int {
        if segment == "**" { return 5 }
        if segment == "*" { return 4 }
        if segment.hasPrefix("{") { return segment.contains(":") ? 1 : 3 }
        return segment.contains("*") || segment.contains("?") ? 2 : 0
    }

    /// Of two patterns, whether the first is the more specific.
    static func isMoreSpecific(_ one: String, _ other: String) -> Bool {
        let (a, b) = (segments(one).map(rank), segments(other).map(rank))
        for (x, y) in zip(a, b) where x != y { return x < y }
        return a.count > b.count
    }

    static func matches(_ pattern: String, _ path: String) -> Bool { matches(segments(pattern)[...], segments(path)[...]) }

    private static func matches(_ pattern: ArraySlice<Substring>, _ path: ArraySlice<Substring>) -> Bool {
        guard let first = pattern.first else { return path.isEmpty }
        if first == "**" { return (0...path.count).contains { matches(pattern.dropFirst(), path.dropFirst($0)) } }
        guard let segment = path.first, matches(first, segment) else { return false }
        return matches(pattern.dropFirst(), path.dropFirst())
    }

    private static func matches(_ pattern: Substring, _ segment: Substring) -> Bool {
        if pattern == "*" { return true }
        if pattern.hasPrefix("{") {
            if pattern.hasSuffix(":[0-9]+}") { return !segment.isEmpty && segment.allSatisfy { ("0"..."9").contains($0) } }
            return !segment.isEmpty
        }
        if pattern.hasSuffix("*") { return segment.hasPrefix(pattern.dropLast()) }
        return pattern == segment
    }

    // MARK: Rewriting

    /// The target after a rewrite: path, and query where the replacement has one; nil where the pattern does not match.
    /// Of the patterns that the simulation makes up: a prefix with `(.*)` behind it, or a template.
    static func rewrite(_ path: String, _ rewrite: Plan.Rewrite) -> (path: String, query: String?)? {
        var values: [String: String] = ["%0": path]
        if rewrite.pattern.hasSuffix("(.*)") {
            let prefix = rewrite.pattern.dropLast(4)
            guard path.hasPrefix(prefix) else { return nil }
            values["%1"] = String(path.dropFirst(prefix.count))
        } else {
            let (names, given) = (segments(rewrite.pattern), segments(path))
            guard matches(rewrite.pattern, path) else { return nil }
            for (name, value) in zip(names, given) where name.hasPrefix("{") { values[String(name)] = String(value) }
        }
        var result = ""
        var isInQuery = false
        var rest = rewrite.to[...]
        while let character = rest.first {
            if rest.hasPrefix("%%") {
                result += "%"
                rest = rest.dropFirst(2)
            } else if let (name, value) = values.first(where: { rest.hasPrefix($0.key) }) {
                result += isInQuery ? escaped(value) : value
                rest = rest.dropFirst(name.count)
            } else {
                if character == "?" { isInQuery = true }
                result.append(character)
                rest = rest.dropFirst()
            }
        }
        let parts = result.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0]), parts.count > 1 ? String(parts[1]) : nil)
    }

    /// What adds no parameter to a query.
    private static func escaped(_ value: String) -> String {
        value.utf8.map { byte in
            "&=+;#".utf8.contains(byte) ? "%" + String(byte, radix: 16, uppercase: true) : String(decoding: [byte], as: UTF8.self)
        }.joined()
    }
}
