import SluiceHTTP

/// The absolute `http` or `https` URL of a service (RFC 9110, 4.2): where it is, and the path that requests begin with. `h2c` is `http` for services that
/// are known to speak HTTP/2 (RFC 9113, 3.3).
///
/// User information and a fragment are refused: the first would be a secret in the wrong place, the second is never sent.
/// Nothing is repaired silently but the case of scheme and host.
struct UpstreamURL: Equatable, Hashable, Sendable {
    /// Which versions of HTTP a connection may speak.
    enum Versions: UInt8, Sendable {
        /// HTTP/1.1 alone.
        case http1
        /// What the service chooses of HTTP/2 and HTTP/1.1 in the handshake of TLS (RFC 7301).
        case negotiated
        /// HTTP/2 alone, by prior knowledge.
        case http2
    }

    /// `https`.
    let isSecure: Bool
    /// What the scheme says; whoever configures an `https` URL may add HTTP/2.
    var versions: Versions
    /// A name or an IPv4 address in lower case, or an IPv6 address without its brackets.
    let host: String
    /// The host as an address; nil for a name, which has to be resolved.
    let address: IPAddress?
    /// 1 to 65,535; the scheme's own (80 or 443) if none is written.
    let port: UInt16
    /// As it is written; empty, or beginning with a slash. In normal form (RFC 3986, 6.2.2).
    let path: String
    /// Without its question mark; nil if there is none.
    let query: String?

    /// Why a text is not such a URL.
    struct Malformed: Error, Equatable {
        /// What would be right instead, for a `Problem`.
        let allowed: String
    }

    init(_ text: String) throws(Malformed) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "\\") }) else {
            throw Malformed(allowed: "a URL of visible ASCII, without a fragment or a backslash")
        }
        let lower = text.asciiLowercased
        guard let scheme = ["http", "https", "h2c"].first(where: { lower.hasPrefix("\($0)://") }) else {
            throw Malformed(allowed: "a URL that begins with http://, https:// or h2c://")
        }
        isSecure = scheme == "https"
        versions = scheme == "h2c" ? .http2 : .http1
        let rest = text.dropFirst(scheme.utf8.count + 3)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        (host, address, port) = try Self.parse(authority: String(authority).asciiLowercased, isSecure: isSecure)
        let target = rest.dropFirst(authority.count).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(target[0])
        query = target.count == 2 ? String(target[1]) : nil
        guard path.isEmpty || PathText.normality(of: path) == .unchanged else {
            throw Malformed(allowed: "a path in normal form: no dot segments, escapes with upper-case digits and only where needed")
        }
        guard PathText.hasWholeEscapes(query ?? "") else {
            throw Malformed(allowed: "a query in which each percent sign is followed by two hexadecimal digits")
        }
    }

    /// As an operator writes it.
    var scheme: String { versions == .http2 ? "h2c" : isSecure ? "https" : "http" }

    /// The value of Host: the host, brackets included, and the port unless it is the scheme's own.
    var authority: String {
        let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
        return port == Self.defaultPort(isSecure: isSecure) ? name : "\(name):\(port)"
    }

    /// The request target for this very URL (RFC 9112, 3.2.1).
    var target: String { (path.isEmpty ? "/" : path) + (query.map { "?\($0)" } ?? "") }

    private static func defaultPort(isSecure: Bool) -> UInt16 { isSecure ? 443 : 80 }
}

// MARK: - Authority

extension UpstreamURL {
    private static func parse(
        authority: String, isSecure: Bool
    ) throws(Malformed) -> (host: String, address: IPAddress?, port: UInt16) {
        guard !authority.contains("@") else { throw Malformed(allowed: "a URL without user information") }
        let afterHost = authority.hasPrefix("[") ? authority.firstIndex(of: "]") ?? authority.endIndex : authority.startIndex
        let colon = authority[afterHost...].firstIndex(of: ":")
        let port = try Self.port(colon.map { authority[authority.index(after: $0)...] }, isSecure: isSecure)
        let host = authority[..<(colon ?? authority.endIndex)]
        if host.hasPrefix("[") {
            let inner = String(host.dropFirst().dropLast())
            guard host.hasSuffix("]"), inner.contains(":"), let address = IPAddress(inner) else {
                throw Malformed(allowed: "an IPv6 address between the brackets")
            }
            return (inner, address, port)
        }
        return (String(host), try address(of: host), port)
    }

    private static func port(_ text: Substring?, isSecure: Bool) throws(Malformed) -> UInt16 {
        guard let text else { return defaultPort(isSecure: isSecure) }
        guard let port = UInt16(text), port > 0, String(port) == text else {
            throw Malformed(allowed: "a port from 1 to 65535 after the colon")
        }
        return port
    }

    /// The address that a host without brackets is, or nil for a name (RFC 1123, 2.1, with the underscore that names of
    /// services have). A last label of digits makes it an address, and then it must be one.
    private static func address(of host: Substring) throws(Malformed) -> IPAddress? {
        let labels = (host.hasSuffix(".") ? host.dropLast() : host).split(separator: ".", omittingEmptySubsequences: false)
        let isName = host.utf8.count <= 253 && labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { Self.isLetterOrDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
        }
        guard isName, let last = labels.last else {
            throw Malformed(allowed: "a host: a name, an IPv4 address or [an IPv6 address]")
        }
        guard last.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        guard let address = IPAddress(String(host)) else {
            throw Malformed(allowed: "an IPv4 address of four numbers from 0 to 255")
        }
        return address
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
