/// How text from a file is shown to a person.
package enum Quoting {
    /// In quotation marks, control characters escaped (a file must not be able to drive the terminal), and cut after
    /// `charactersMax` characters.
    package static func quoted(_ text: String, charactersMax: Int = 100) -> String {
        var result = "\""
        var count = 0
        for scalar in text.unicodeScalars {
            if count == charactersMax {
                return result + "...\""
            }
            count += 1
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            default:
                if isHarmless(scalar) {
                    result.unicodeScalars.append(scalar)
                } else {
                    result += "\\u{\(String(scalar.value, radix: 16))}"
                }
            }
        }
        return result + "\""
    }

    /// As `quoted`, without the user information of a URL, which is a secret in the wrong place.
    package static func quotedURL(_ text: String, charactersMax: Int = 100) -> String {
        let start = text.firstRange(of: "://")?.upperBound ?? text.startIndex
        guard let end = text[start...].lastIndex(of: "@") else { return quoted(text, charactersMax: charactersMax) }
        return quoted(text[..<start] + "***" + text[end...], charactersMax: charactersMax)
    }

    /// Whether `text` can be shown as it is: not empty, and only letters, digits, `_`, `-` and `$`.
    package static func isPlain(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "$"):
                    true
                default: false
                }
            }
    }

    /// `a, b or c`.
    package static func alternatives(_ words: [String]) -> String {
        guard words.count > 1, let last = words.last else { return words.first ?? "nothing" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }

    private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse, .surrogate: false
        default: true
        }
    }
}
