import SluiceHTTP

/// An origin as a browser sends it (HTML standard, "ASCII serialization of an origin"): what byte-for-byte comparison needs.
enum SerialisedOrigin {
    /// What would be right instead; nil if nothing is wrong.
    static func fault(_ text: String) -> String? {
        let form = "an origin: scheme://host or scheme://host:port, without a path, or null, or *"
        guard text == text.asciiLowercased else { return "lower case: \(text.asciiLowercased)" }
        let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, isScheme(parts[0]) else { return form }
        let (host, port) = hostAndPort(String(parts[1]))
        guard isHost(host) else { return form }
        guard let port else { return nil }
        guard let number = UInt16(port), number > 0, String(number) == port else { return form }
        if parts[0] == "http" && number == 80 || parts[0] == "https" && number == 443 {
            return "the origin without its scheme's own port, as browsers send it: \(parts[0])://\(host)"
        }
        return nil
    }

    /// `alpha *( alpha / digit / "+" / "-" / "." )` (RFC 3986, 3.1), in lower case.
    private static func isScheme(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first) else { return false }
        return text.utf8.allSatisfy { isLetterOrDigit($0) || "+-.".utf8.contains($0) }
    }

    /// The port is nil if there is no colon after the host, and empty if nothing follows it.
    private static func hostAndPort(_ text: String) -> (host: String, port: String?) {
        let nameEnd = text.hasPrefix("[") ? text.firstIndex(of: "]") ?? text.endIndex : text.startIndex
        guard let colon = text[nameEnd...].firstIndex(of: ":") else { return (text, nil) }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }

    private static func isHost(_ text: String) -> Bool {
        if text.hasPrefix("["), text.hasSuffix("]"), text.utf8.count > 2 {
            let inner = String(text.dropFirst().dropLast())
            // As it is compressed in its one canonical form (RFC 5952).
            return inner.contains(":") && IPAddress(inner).map { !$0.isV4 && $0.description == inner } == true
        }
        return !text.isEmpty && text.utf8.allSatisfy { isLetterOrDigit($0) || "-._".utf8.contains($0) }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
