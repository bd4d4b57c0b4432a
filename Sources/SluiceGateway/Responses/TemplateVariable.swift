/// What a template can say of the request, of the response and of the error.
enum TemplateVariable: UInt8, BitwiseCopyable, Sendable {
    /// The address of the client.
    case clientIp
    /// The value of a variable of the endpoint's path, and the same with all that stands behind it in the path.
    case path, pathRest
    /// The host that the request names, without a port.
    case host
    /// The request target as it was sent, and the same without its query.
    case uri, uriPath
    /// The path of the endpoint as it is configured.
    case uriPattern
    /// `http` or `https`.
    case scheme
    case httpMethod
    /// The time in UTC, such as `2026-01-31T08:30:00Z`.
    case timestamp
    /// The values of a parameter of the query as they were sent, and of a header.
    case queryString, header
    case httpStatus
    case resultCode
    case resultMessage
    /// The error's name in logs and metrics. For responses that the gateway composes itself.
    case refusal

    /// Whether it is always a number.
    var isNumber: Bool { self == .httpStatus || self == .resultCode }

    /// The variable with this name, and what stands behind the dot of those that have a name of their own; nil for another name. Those of the request may
    /// begin with `request.`.
    static func named(_ text: Substring) -> (variable: TemplateVariable, name: String)? {
        switch text {
        case "response.httpStatus": return (.httpStatus, "")
        case "error.resultCode": return (.resultCode, "")
        case "error.resultMessage": return (.resultMessage, "")
        default: return ofRequest(text.hasPrefix("request.") ? text.dropFirst("request.".count) : text)
        }
    }

    private static func ofRequest(_ text: Substring) -> (variable: TemplateVariable, name: String)? {
        let words: [Substring: TemplateVariable] = [
            "clientIp": .clientIp, "host": .host, "uri": .uri, "uriPath": .uriPath, "uriPattern": .uriPattern, "scheme": .scheme,
            "httpMethod": .httpMethod, "timestamp": .timestamp,
        ]
        if let word = words[text] { return (word, "") }
        guard let dot = text.firstIndex(of: ".") else { return nil }
        let name = String(text[text.index(after: dot)...])
        switch text[..<dot] {
        case "header": return FieldSyntax.isToken(name) && isPlain(name) ? (.header, name.asciiLowercased) : nil
        case "queryString": return isParameter(name) ? (.queryString, name) : nil
        case "path":
            let isRest = name.hasSuffix("+")
            let variable = isRest ? String(name.dropLast()) : name
            return isPlain(variable) ? (isRest ? .pathRest : .path, variable) : nil
        default: return nil
        }
    }

    private static func isParameter(_ name: String) -> Bool { isPlain(name) && name.utf8.allSatisfy { $0 < 0x7F } }

    /// Whether the name may stand for itself, where it has no value: in a string of JSON, in a page.
    private static func isPlain(_ name: String) -> Bool { !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && !"\"\\<>&'".utf8.contains($0) } }

    /// For problems.
    static let allowed = "request.clientIp, path.NAME, path.NAME+, host, uri, uriPath, uriPattern, scheme, httpMethod, timestamp, queryString.NAME, "
        + "header.NAME, response.httpStatus, error.resultCode or error.resultMessage"
}
