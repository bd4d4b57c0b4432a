/// `uri-host [ ":" port ]` (RFC 3986, 3.2; RFC 9110, 7.2), as Host and the absolute form of a target hold it.
///
/// The host is an IPv6 address in brackets or a registered name, of which an IPv4 address is a special case. The comma, which
/// RFC 3986 allows in a name, is refused: no host is called so, and lists such as X-Forwarded-Host would be split at it.
package struct Authority: BitwiseCopyable, Sendable {
    /// Bytes of the host, from the start, brackets included. At least one.
    package let hostCount: Int
    /// Nil if there is none or it is empty.
    package let port: UInt16?

    /// Nil if the bytes are not an authority without user information.
    package static func parse(_ bytes: ByteView) -> Authority? {
        let base = bytes.base
        let end = bytes.count
        guard end > 0 else { return nil }
        var index = 0
        if base[0] == Ascii.openBracket {
            while index < end, base[index] != Ascii.closeBracket { index &+= 1 }
            guard index < end, IPAddress.parseV6(bytes[1..<index]) != nil else { return nil }
            index &+= 1
        } else {
            while true {
                index = ByteScan.endOfHostName(base, from: index, to: end)
                guard index < end, base[index] == Ascii.percent else { break }
                // Escapes come in rows.
                while index < end, base[index] == Ascii.percent {
                    guard index &+ 2 < end, base[index &+ 1].hexValue < 16, base[index &+ 2].hexValue < 16 else { return nil }
                    index &+= 3
                }
            }
        }
        guard index > 0 else { return nil }
        guard index < end else { return Authority(hostCount: index, port: nil) }
        guard base[index] == Ascii.colon else { return nil }
        guard index &+ 1 < end else { return Authority(hostCount: index, port: nil) }
        guard let port = bytes[(index + 1)...].decimal(atMost: 65535) else { return nil }
        return Authority(hostCount: index, port: UInt16(port))
    }
}
