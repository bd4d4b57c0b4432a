import Foundation

/// An address and a port to listen on: `127.0.0.1:8080`, `[::1]:8080`, or `:8080` for every IPv4 address of the machine.
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// A numeric IPv4 or IPv6 address, without brackets.
    package let host: String
    /// 0 lets the system choose.
    package let port: UInt16
    package let isIPv6: Bool

    /// What `init` takes, for problems.
    package static let allowed = "ADDRESS:PORT, [IPv6 ADDRESS]:PORT or :PORT"

    /// Nil for anything else. `localhost` is 127.0.0.1; other names are refused, because what they resolve to may change.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.allSatisfy({ $0.isASCII && $0.isNumber }),
            let port = UInt16(digits)
        else { return nil }
        var host = String(text[..<colon])
        let isIPv6 = host.hasPrefix("[") && host.hasSuffix("]") && host.utf8.count > 2
        if isIPv6 {
            host = String(host.dropFirst().dropLast())
        } else if host.isEmpty {
            host = "0.0.0.0"
        } else if host == "localhost" {
            host = "127.0.0.1"
        }
        guard Self.isNumeric(host, family: isIPv6 ? AF_INET6 : AF_INET) else { return nil }
        self.init(host: host, port: port, isIPv6: isIPv6)
    }

    private init(host: String, port: UInt16, isIPv6: Bool) {
        self.host = host
        self.port = port
        self.isIPv6 = isIPv6
    }

    package init(ipv4 host: String, port: UInt16) {
        self.init(host: host, port: port, isIPv6: false)
    }

    package var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    private static func isNumeric(_ host: String, family: Int32) -> Bool {
        var address = in6_addr()
        return inet_pton(family, host, &address) == 1
    }
}
