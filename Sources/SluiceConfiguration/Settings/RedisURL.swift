import Foundation

/// `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS.
package struct RedisURL: Sendable, Equatable, CustomStringConvertible {
    /// Whether it is `rediss`.
    package let isTLS: Bool
    /// A name or a numeric address, without brackets.
    package let host: String
    package let port: UInt16
    /// Empty for the default user.
    package let user: String
    /// Nil: none is sent.
    package let password: Secret?
    /// 0 unless written.
    package let database: Int

    /// What `init` takes, for problems.
    package static let allowed = "redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS"
    /// The port of a URL without one.
    package static let defaultPort: UInt16 = 6379

    /// Nil where the text is not such a URL.
    package init?(_ text: String) {
        guard let separator = text.firstRange(of: "://") else { return nil }
        switch text[..<separator.lowerBound] {
        case "redis": isTLS = false
        case "rediss": isTLS = true
        default: return nil
        }
        var rest = text[separator.upperBound...]
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !rest.contains("?"), !rest.contains("#") else { return nil }
        if let at = rest.lastIndex(of: "@") {
            guard let colon = rest[..<at].firstIndex(of: ":"),
                let user = String(rest[..<colon]).removingPercentEncoding,
                let password = String(rest[rest.index(after: colon)..<at]).removingPercentEncoding, !password.isEmpty
            else { return nil }
            self.user = user
            self.password = Secret(bytes: Array(password.utf8))
            rest = rest[rest.index(after: at)...]
        } else {
            user = ""
            password = nil
        }
        if let slash = rest.firstIndex(of: "/") {
            let name = rest[rest.index(after: slash)...]
            guard name.isEmpty || name.allSatisfy(\.isNumber), let database = Int(name.isEmpty ? "0" : name) else {
                return nil
            }
            self.database = database
            rest = rest[..<slash]
        } else {
            database = 0
        }
        guard let (host, port) = Self.authority(rest) else { return nil }
        (self.host, self.port) = (host, port)
    }

    private static func authority(_ text: Substring) -> (host: String, port: UInt16)? {
        let hostEnd: Substring.Index
        if text.first == "[" {
            guard let bracket = text.firstIndex(of: "]") else { return nil }
            hostEnd = text.index(after: bracket)
        } else {
            hostEnd = text.firstIndex(of: ":") ?? text.endIndex
        }
        let host = text[..<hostEnd].filter { $0 != "[" && $0 != "]" }
        guard !host.isEmpty else { return nil }
        let after = text[hostEnd...]
        if after.isEmpty { return (host, defaultPort) }
        guard after.first == ":", after.dropFirst().allSatisfy(\.isNumber), let port = UInt16(after.dropFirst()),
            port > 0
        else { return nil }
        return (host, port)
    }

    /// Without the password.
    package var description: String {
        let credentials = password == nil ? "" : "\(user):***@"
        let place = host.contains(":") ? "[\(host)]" : host
        return "\(isTLS ? "rediss" : "redis")://\(credentials)\(place):\(port)/\(database)"
    }
}
