/// What a YAML scalar without quotes is.
///
/// The core schema of YAML 1.2 (section 10.3.2), narrowed to what JSON can say too: what other readers understand in
/// different ways stays text, and is then a wrong type where a number or a boolean is wanted. So `yes`, `on`, `010`,
/// `0x1F`, `1:30`, `2024-01-01`, `1_000`, `.inf` and `.nan` are text.
enum YAMLScalar {
    static func content(ofPlain text: String) -> ConfigurationNode.Content {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: return number(text) ?? .string(text)
        }
    }

    /// Nil if the value does not fit the tag, or the tag is none of the core schema.
    static func content(of text: String, tagged tag: String) -> ConfigurationNode.Content? {
        if tag == "!" || tag == self.tag("str") { return .string(text) }
        let content = content(ofPlain: text)
        switch content {
        case .null where tag == self.tag("null"): return content
        case .bool where tag == self.tag("bool"): return content
        case .integer where tag == self.tag("int"): return content
        case .integer(let value) where tag == self.tag("float"): return .number(Double(value))
        case .number where tag == self.tag("float"): return content
        default: return nil
        }
    }

    static func tag(_ name: String) -> String { "tag:yaml.org,2002:" + name }

    /// JSON's numbers, and those with a plus sign or without a digit on one side of the point.
    private static func number(_ text: String) -> ConfigurationNode.Content? {
        var scanner = Scanner(rest: Substring(text).utf8)
        scanner.take { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
        let leading = scanner.rest.first
        let whole = scanner.digits()
        if whole > 1 && leading == UInt8(ascii: "0") { return nil }
        if scanner.rest.isEmpty {
            guard whole > 0 else { return nil }
            if let value = Int64(text) { return .integer(value) }
        }
        if scanner.take({ $0 == UInt8(ascii: ".") }) {
            guard scanner.digits() + whole > 0 else { return nil }
        } else if whole == 0 {
            return nil
        }
        if scanner.take({ $0 | 0x20 == UInt8(ascii: "e") }) {
            scanner.take { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
            guard scanner.digits() > 0 else { return nil }
        }
        guard scanner.rest.isEmpty, let value = Double(padded(text)), value.isFinite else { return nil }
        return .number(value)
    }

    /// `5.` and `.5` as Swift reads them.
    private static func padded(_ text: String) -> String {
        guard let point = text.firstIndex(of: ".") else { return text }
        let after = text.index(after: point)
        let before = text[..<point]
        let noWhole = before.isEmpty || before == "-" || before == "+"
        let noFraction = after == text.endIndex || !text[after].isNumber
        return before + (noWhole ? "0." : ".") + (noFraction ? "0" : "") + text[after...]
    }

    private struct Scanner {
        var rest: Substring.UTF8View

        @discardableResult
        mutating func take(_ isWanted: (UInt8) -> Bool) -> Bool {
            guard let byte = rest.first, isWanted(byte) else { return false }
            rest = rest.dropFirst()
            return true
        }

        mutating func digits() -> Int {
            var count = 0
            while take({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) { count += 1 }
            return count
        }
    }
}
