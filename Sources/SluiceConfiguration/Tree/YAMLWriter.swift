/// Writes block YAML.
struct YAMLWriter {
    private(set) var text = ""
    private static let columnsMax = 110

    mutating func write(_ node: ConfigurationNode) {
        switch node.content {
        case .mapping(let entries) where !entries.isEmpty: write(entries, indentation: 0, isAfterDash: false)
        case .sequence(let elements) where !elements.isEmpty: write(elements, indentation: 0)
        default: text += scalarOrEmpty(node, indentation: 0) + "\n"
        }
    }

    // MARK: - Blocks

    private mutating func write(_ entries: [ConfigurationNode.Entry], indentation: Int, isAfterDash: Bool) {
        for (index, entry) in entries.enumerated() {
            if index > 0 || !isAfterDash { indent(indentation) }
            let key = Self.inline(entry.key, isFlow: false)
            // A key before its colon is at most 1024 characters long (YAML 1.2, section 7.4.2); longer ones stand alone.
            if key.unicodeScalars.count > 1000 {
                text += "? \(key)\n"
                indent(indentation)
            } else {
                text += key
            }
            text += ":"
            writeValue(entry.value, indentation: indentation)
        }
    }

    private mutating func write(_ elements: [ConfigurationNode], indentation: Int) {
        for element in elements {
            indent(indentation)
            text += "-"
            if case .mapping(let entries) = element.content, !entries.isEmpty, !fits(element, indentation) {
                text += " "
                write(entries, indentation: indentation + 2, isAfterDash: true)
            } else {
                writeValue(element, indentation: indentation)
            }
        }
    }

    /// What follows a colon or a dash, with the line break at its end.
    private mutating func writeValue(_ node: ConfigurationNode, indentation: Int) {
        switch node.content {
        case .mapping(let entries) where !entries.isEmpty && !fits(node, indentation):
            text += "\n"
            write(entries, indentation: indentation + 2, isAfterDash: false)
        case .sequence(let elements) where !elements.isEmpty && !fits(node, indentation):
            text += "\n"
            write(elements, indentation: indentation + 2)
        case .mapping, .sequence:
            text += " " + flow(node) + "\n"
        default:
            text += " " + scalarOrEmpty(node, indentation: indentation) + "\n"
        }
    }

    private mutating func indent(_ count: Int) {
        text += String(repeating: " ", count: count)
    }

    // MARK: - One line

    /// Whether a list or mapping holds only scalars (or small references such as `{env: NAME}`) and is short.
    private func fits(_ node: ConfigurationNode, _ indentation: Int) -> Bool {
        let children = node.elements ?? node.entries?.map(\.value) ?? []
        guard children.count <= (node.elements == nil ? 4 : 20), children.allSatisfy({ isSmall($0) }) else { return false }
        return flow(node).count + indentation + 20 <= Self.columnsMax
    }

    private func isSmall(_ node: ConfigurationNode) -> Bool {
        switch node.content {
        case .null, .bool, .integer, .number: true
        case .string(let text): text.utf8.count <= 60 && !text.contains("\n")
        case .sequence(let elements): elements.isEmpty
        case .mapping(let entries): entries.isEmpty
        }
    }

    private func flow(_ node: ConfigurationNode) -> String {
        switch node.content {
        case .sequence(let elements):
            "[" + elements.map(flow).joined(separator: ", ") + "]"
        case .mapping(let entries):
            "{" + entries.map { Self.inline($0.key, isFlow: true) + ": " + flow($0.value) }.joined(separator: ", ") + "}"
        case .string(let text): Self.inline(text, isFlow: true)
        case .null, .bool, .integer, .number: ConfigurationWriter.plain(node) ?? "null"
        }
    }

    // MARK: - Scalars

    private func scalarOrEmpty(_ node: ConfigurationNode, indentation: Int) -> String {
        guard case .string(let text) = node.content else { return flow(node) }
        return Self.literal(text, indentation: indentation + 2) ?? Self.inline(text, isFlow: false)
    }

    /// Text of several lines as a literal block; nil where that would not keep it.
    private static func literal(_ text: String, indentation: Int) -> String? {
        guard text.contains("\n"), let first = text.unicodeScalars.first, first != " ", first != "\n",
            text.unicodeScalars.allSatisfy({ $0 == "\n" || ConfigurationWriter.isPrintable($0) })
        else { return nil }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let endsWithBreak = lines.last?.isEmpty == true
        if endsWithBreak { lines.removeLast() }
        guard lines.last?.isEmpty == false, lines.allSatisfy({ $0.last != " " }) else { return nil }
        let margin = String(repeating: " ", count: indentation)
        return (endsWithBreak ? "|" : "|-") + lines.map { $0.isEmpty ? "\n" : "\n\(margin)\($0)" }.joined()
    }

    /// Plain where every reader takes it for text, else in double quotes.
    private static func inline(_ text: String, isFlow: Bool) -> String {
        isPlain(text, isFlow: isFlow) ? text : ConfigurationWriter.quoted(text)
    }

    private static func isPlain(_ text: String, isFlow: Bool) -> Bool {
        let scalars = Array(text.unicodeScalars)
        guard let first = scalars.first, scalars.last != " ", scalars.last != ":" else { return false }
        // Numbers, dates and times of any schema begin like this; addresses with a slash in them are none of these.
        let looksLikeNumber = "0123456789+-.".unicodeScalars.contains(first) && !text.contains("/")
        guard !looksLikeNumber, isLetter(first) || "/_0123456789.".unicodeScalars.contains(first),
            !reserved.contains(text.lowercased())
        else { return false }
        for (scalar, next) in zip(scalars, scalars.dropFirst() + [" "]) {
            switch scalar {
            case " ": if next == "#" || next == " " { return false }
            case ":": if next == " " || isFlow { return false }
            case "{", "}", "[", "]", ",": if isFlow { return false }
            case "/", "_", ".", "-", "(", ")", "*", "%", "+", "=", "@", "$", "^", "?", "!", "~", "&", ";", "|", "<", ">": break
            default: if !isLetter(scalar) && !("0"..."9").contains(scalar) { return false }
            }
        }
        return true
    }

    /// Words that are null or a boolean in YAML 1.1 or 1.2.
    private static let reserved: Set<String> = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"]

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isAlphabetic && ConfigurationWriter.isPrintable(scalar)
    }
}
