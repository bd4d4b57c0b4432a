import SluiceHTTP

/// An `http` or `https` URI (RFC 9110, 4.2), taken apart for a client.
package struct HTTPTarget: Hashable, Sendable, CustomStringConvertible {
    package let isSecure: Bool
    /// Without brackets.
    package let host: String
    package let port: UInt16
    /// Host and port as they are written: the value of the Host field.
    package let authority: String
    /// Path and query.
    package let target: String

    /// Nil for a URI of another scheme, for a malformed one, and for one with user information or a fragment.
    package init?(_ text: String) {
        guard let scheme = text.firstRange(of: "://") else { return nil }
        switch text[..<scheme.lowerBound].lowercased() {
        case "http": isSecure = false
        case "https": isSecure = true
        default: return nil
        }
        let rest = text[scheme.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        authority = String(rest[..<end])
        let path = String(rest[end...])
        target = path.hasPrefix("/") ? path : "/" + path
        // Visible ASCII: anything else would change or end the request line.
        guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }),
            let parsed = Array(authority.utf8).withByteView({ Authority.parse($0) }), parsed.port != 0
        else { return nil }
        let written = authority.utf8.prefix(parsed.hostCount)
        host = String(decoding: written.first == UInt8(ascii: "[") ? written.dropFirst().dropLast() : written, as: UTF8.self)
        port = parsed.port ?? (isSecure ? 443 : 80)
    }

    /// For logs: without the query, in which some put a key.
    package var description: String { "\(isSecure ? "https" : "http")://\(authority)\(target.prefix { $0 != "?" })" }
}
