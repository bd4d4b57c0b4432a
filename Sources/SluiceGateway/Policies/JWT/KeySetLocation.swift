import SluiceHTTP

/// Where a key set comes from.
struct KeySetLocation: Hashable, Sendable, CustomStringConvertible {
    enum Kind: Hashable, Sendable {
        /// The path of a file, relative to the process or absolute.
        case file(String)
        case uri(URI)
    }

    /// An `http` or `https` URI (RFC 9110, 4.2), taken apart.
    struct URI: Hashable, Sendable {
        let isSecure: Bool
        /// Without brackets.
        let host: String
        let port: UInt16
        /// Host and port as they are written: the value of the Host field.
        let authority: String
        /// Path and query.
        let target: String
    }

    let kind: Kind
    /// A PEM file of the authorities that are trusted in place of the system's; nil for those.
    var authorityFile: String?

    /// - Parameters:
    ///   - text: an `http` or `https` URI without user information and fragment, or a path.
    ///   - resolve: makes a path of the configuration one of the process.
    /// - Returns: nil for a URI of another scheme, and for a malformed one.
    init?(_ text: String, resolve: (String) -> String) {
        guard let scheme = text.firstRange(of: "://") else {
            guard !text.isEmpty, !text.utf8.contains(0) else { return nil }
            kind = .file(resolve(text))
            return
        }
        let name = text[..<scheme.lowerBound].lowercased()
        guard name == "http" || name == "https", let uri = Self.uri(text[scheme.upperBound...], isSecure: name == "https")
        else { return nil }
        kind = .uri(uri)
    }

    private static func uri(_ rest: Substring, isSecure: Bool) -> URI? {
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let authority = String(rest[..<end])
        let path = String(rest[end...])
        let target = path.hasPrefix("/") ? path : "/" + path
        // Visible ASCII: anything else would change or end the request line.
        guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }),
            let parsed = Array(authority.utf8).withByteView({ Authority.parse($0) })
        else { return nil }
        let written = authority.utf8.prefix(parsed.hostCount)
        let host = String(decoding: written.first == UInt8(ascii: "[") ? written.dropFirst().dropLast() : written, as: UTF8.self)
        guard parsed.port != 0 else { return nil }
        return URI(isSecure: isSecure, host: host, port: parsed.port ?? (isSecure ? 443 : 80), authority: authority, target: target)
    }

    /// For logs: the path, or the URI without its query, in which some put a key.
    var description: String {
        switch kind {
        case .file(let path): return path
        case .uri(let uri): return "\(uri.isSecure ? "https" : "http")://\(uri.authority)\(uri.target.prefix { $0 != "?" })"
        }
    }
}
