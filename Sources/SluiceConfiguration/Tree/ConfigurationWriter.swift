/// Prints trees as YAML and as JSON. Reading the result gives an equal tree, with keys in the same order.
package enum ConfigurationWriter {
    /// Indented YAML, readable by readers of YAML 1.1 and 1.2 alike. Lists and small mappings of scalars stand on one
    /// line where they fit.
    package static func yaml(_ node: ConfigurationNode) -> String {
        var writer = YAMLWriter()
        writer.write(node)
        return writer.text
    }

    /// JSON (RFC 8259) with two spaces of indentation and a line break at the end.
    package static func json(_ node: ConfigurationNode) -> String {
        var text = ""
        writeJSON(node, indentation: "", to: &text)
        return text + "\n"
    }

    private static func writeJSON(_ node: ConfigurationNode, indentation: String, to text: inout String) {
        let inner = indentation + "  "
        switch node.content {
        case .sequence(let elements) where !elements.isEmpty:
            text += "["
            for (index, element) in elements.enumerated() {
                text += index == 0 ? "\n" : ",\n"
                text += inner
                writeJSON(element, indentation: inner, to: &text)
            }
            text += "\n\(indentation)]"
        case .mapping(let entries) where !entries.isEmpty:
            text += "{"
            for (index, entry) in entries.enumerated() {
                text += index == 0 ? "\n" : ",\n"
                text += "\(inner)\(quoted(entry.key)): "
                writeJSON(entry.value, indentation: inner, to: &text)
            }
            text += "\n\(indentation)}"
        case .sequence: text += "[]"
        case .mapping: text += "{}"
        case .string(let value): text += quoted(value)
        case .null, .bool, .integer, .number: text += plain(node) ?? "null"
        }
    }

    /// A scalar that is not text, as both formats write it; nil for everything else.
    static func plain(_ node: ConfigurationNode) -> String? {
        switch node.content {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .number(let value): value.isFinite ? "\(value)" : "null"
        case .string, .sequence, .mapping: nil
        }
    }

    /// Text in double quotes, with the escapes that JSON and YAML share. Characters that one of the two does not take
    /// as they are, or takes for line breaks, are escaped.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                if isPrintable(scalar) {
                    result.unicodeScalars.append(scalar)
                } else {
                    for unit in String(scalar).utf16 {
                        let digits = String(unit, radix: 16)
                        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                    }
                }
            }
        }
        return result + "\""
    }

    /// All that YAML's `c-printable` (1.2, section 5.1) and the line breaks of YAML 1.1 leave.
    static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x20...0x7E, 0xA0...0x2027, 0x202A...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD, 0x10000...0x10FFFF: true
        default: false
        }
    }
}
