/// A media type as an operator writes it: `type/subtype`, with parameters (RFC 9110, 8.3.1). Names are in lower case.
struct MediaType: Equatable, Sendable {
    struct Parameter: Equatable, Sendable {
        let name: String
        /// In lower case, without quotation marks.
        let value: String
    }

    let type: String
    let subtype: String
    let parameters: [Parameter]

    static let parametersMax = 4

    /// Nil for a text that is none: a wildcard is none either.
    init?(_ text: String) {
        guard FieldSyntax.isFieldValue(text) else { return nil }
        let parts = text.split(separator: ";", omittingEmptySubsequences: false).map { Self.trimmed($0) }
        let names = parts[0].split(separator: "/", omittingEmptySubsequences: false).map { String($0).asciiLowercased }
        guard names.count == 2, names.allSatisfy({ FieldSyntax.isToken($0) && !$0.contains("*") }), parts.count <= Self.parametersMax + 1 else { return nil }
        var parameters: [Parameter] = []
        for part in parts.dropFirst() {
            guard let equals = part.firstIndex(of: "=") else { return nil }
            let name = String(part[..<equals]).asciiLowercased
            var value = part[part.index(after: equals)...]
            if value.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") { value = value.dropFirst().dropLast() }
            guard FieldSyntax.isToken(name), name != "q", FieldSyntax.isToken(String(value)) else { return nil }
            parameters.append(.init(name: name, value: String(value).asciiLowercased))
        }
        type = names[0]
        subtype = names[1]
        self.parameters = parameters
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first == " " || text.first == "\t" { text = text.dropFirst() }
        while text.last == " " || text.last == "\t" { text = text.dropLast() }
        return text
    }

    /// Whether a body of it is one text of JSON (RFC 8259), and not a sequence of them.
    var isJSON: Bool { subtype == "json" || subtype.hasSuffix("+json") && subtype != "json-seq" }

    static let allowed = "a content type such as application/json or text/html; charset=utf-8"
}
