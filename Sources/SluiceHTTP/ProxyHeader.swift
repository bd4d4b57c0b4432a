/// What a load balancer sends before the first byte of a connection: the PROXY protocol, versions 1 and 2.
package struct ProxyHeader: BitwiseCopyable, Sendable, Equatable {
    /// The longest header of version 1, CR and LF included.
    package static let version1BytesMax = 107
    /// The longest part after the first 16 bytes of version 2: addresses and extensions.
    package static let version2PayloadBytesMax = 536
    /// Room that any header fits into.
    package static let bytesMax = 16 + version2PayloadBytesMax

    /// Bytes of the header: HTTP or TLS starts there.
    package let length: Int
    /// Nil if the connection is the proxy's own (LOCAL) or it does not know, or will not say, who the client is; then the peer
    /// is.
    package let source: IPAddress?
    /// 0 if `source` is nil.
    package let sourcePort: UInt16

    package enum Outcome: BitwiseCopyable, Sendable, Equatable {
        case complete(ProxyHeader)
        case incomplete
        case malformed
    }

    /// Reads a header from the start of `bytes`. A connection without one is malformed: a listener that expects the header must
    /// not take anybody's word that there is no proxy.
    package static func parse(_ bytes: ByteView) -> Outcome {
        guard !bytes.isEmpty else { return .incomplete }
        return bytes[0] == 0x50 ? parseVersion1(bytes) : parseVersion2(bytes)
    }

    private static func parseVersion1(_ bytes: ByteView) -> Outcome {
        let prefix = ByteView("PROXY ")
        let known = min(bytes.count, prefix.count)
        guard bytes[..<known].equals(prefix[..<known]) else { return .malformed }
        let limit = min(bytes.count, version1BytesMax)
        var end = known
        while end < limit, bytes[end] != Ascii.carriageReturn {
            guard bytes[end] >= 0x20, bytes[end] < 0x7F else { return .malformed }
            end += 1
        }
        // Without room for the LF the line is too long.
        guard end + 1 < version1BytesMax else { return .malformed }
        guard end + 1 < bytes.count else { return .incomplete }
        guard bytes[end + 1] == Ascii.lineFeed else { return .malformed }
        let length = end + 2

        var words = Words(rest: bytes[prefix.count..<end])
        let family = words.next()
        if family == "UNKNOWN" { return .complete(ProxyHeader(length: length, source: nil, sourcePort: 0)) }
        let isV4 = family == "TCP4"
        guard isV4 || family == "TCP6" else { return .malformed }
        let sourceText = words.next()
        let destinationText = words.next()
        let sourcePort = port(words.next())
        let destinationPort = port(words.next())
        guard words.isAtEnd, let sourcePort, destinationPort != nil else { return .malformed }
        if isV4 {
            guard let source = IPAddress.parseV4(sourceText), IPAddress.parseV4(destinationText) != nil else { return .malformed }
            return .complete(ProxyHeader(length: length, source: IPAddress(v4: source), sourcePort: sourcePort))
        }
        guard let source = IPAddress.parseV6(sourceText), IPAddress.parseV6(destinationText) != nil else { return .malformed }
        return .complete(ProxyHeader(length: length, source: source, sourcePort: sourcePort))
    }

    /// Digits without leading zeros, at most 65535.
    private static func port(_ text: ByteView) -> UInt16? {
        guard let value = text.decimal(atMost: 65535), text.count == 1 || text[0] != Ascii.zero else { return nil }
        return UInt16(value)
    }

    /// Words with exactly one space between them; an empty word where there is none.
    private struct Words {
        var rest: ByteView
        var isAtEnd = false

        mutating func next() -> ByteView {
            var end = 0
            while end < rest.count, rest[end] != Ascii.space { end += 1 }
            let word = rest[..<end]
            isAtEnd = end == rest.count
            rest = isAtEnd ? rest[end...] : rest[(end + 1)...]
            return word
        }
    }

    private static func parseVersion2(_ bytes: ByteView) -> Outcome {
        // CR LF CR LF NUL CR LF "QUIT" LF.
        let signature = ByteView("\r\n\r\n\0\r\nQUIT\n")
        let known = min(bytes.count, signature.count)
        guard bytes[..<known].equals(signature[..<known]) else { return .malformed }
        if bytes.count > 12 {
            guard bytes[12] == 0x20 || bytes[12] == 0x21 else { return .malformed }
        }
        guard bytes.count >= 16 else { return .incomplete }
        let payload = Int(bytes[14]) << 8 | Int(bytes[15])
        guard payload <= version2PayloadBytesMax else { return .malformed }
        let isLocal = bytes[12] == 0x20
        let addressBytes: Int
        switch bytes[13] {
        case 0x11: addressBytes = 4
        case 0x21: addressBytes = 16
        case 0x00, 0x31: addressBytes = 0
        // Datagrams, and numbers that are not assigned, do not arrive on a stream listener.
        default:
            guard isLocal else { return .malformed }
            addressBytes = 0
        }
        guard isLocal || addressBytes == 0 || payload >= addressBytes * 2 + 4 else { return .malformed }
        let length = 16 + payload
        guard bytes.count >= length else { return .incomplete }
        guard !isLocal, addressBytes > 0 else { return .complete(ProxyHeader(length: length, source: nil, sourcePort: 0)) }
        let ports = 16 + addressBytes * 2
        return .complete(
            ProxyHeader(
                length: length, source: IPAddress(networkOrder: bytes[16..<16 + addressBytes]),
                sourcePort: UInt16(bytes[ports]) << 8 | UInt16(bytes[ports + 1])))
    }
}
