import Glibc

@testable import SluiceHTTP

/// `ForwardedFor`: finds the client that a plain walk over the list finds. The first byte of the input says who is trusted, the rest are
/// the lines of X-Forwarded-For.
enum ForwardedForFuzz: FuzzTarget {
    static let name = "forwarded-for"
    private static let capacity = 32

    static func run(_ input: ByteView) {
        guard input.count > 1, input.count < 400 else { return }
        let trust = input[0]
        // Some are, some are not; the peer is, but for every eighth input.
        let isTrusted: (IPAddress) -> Bool = { ($0.low ^ UInt64(trust)) & 7 != 0 }
        let peer = IPAddress(v4: 127, 0, 0, trust & 7 == 0 ? 0 : ~trust)
        let lines = input[1...].array.split(separator: 0x0A)
        var text = Array("GET / HTTP/1.1\r\nHost: a\r\n".utf8)
        for line in lines { text += Array("X-Forwarded-For: ".utf8) + line + Array("\r\nX-Other: 192.0.2.9\r\n".utf8) }
        text += Array("\r\n".utf8)
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: capacity)
        defer { slots.deallocate() }
        withCopy(text) { _, view in
            var head = RequestHead(slots: slots, capacity: capacity)
            guard RequestHead.parse(view, slots: slots, capacity: capacity, into: &head) == .complete, head.length == view.count else { return }
            let found = ForwardedFor.client(peer: peer, fields: head.fields, in: view, isTrusted: isTrusted)
            let expected = client(peer, lines.map { Array($0) }, isTrusted)
            require(found == expected, "\(found), not \(expected)")
        }
    }

    private static func client(_ peer: IPAddress, _ lines: [[UInt8]], _ isTrusted: (IPAddress) -> Bool) -> IPAddress {
        var client = peer
        for entry in lines.flatMap({ $0.split(separator: 0x2C) }).reversed() {
            let bare = entry.drop { $0 == 0x20 || $0 == 0x09 }.reversed().drop { $0 == 0x20 || $0 == 0x09 }.reversed()
            if bare.isEmpty { continue }
            guard isTrusted(client), let address = address(String(decoding: bare, as: UTF8.self)) else { return client }
            client = address
        }
        return client
    }

    /// By the C library.
    private static func address(_ entry: String) -> IPAddress? {
        var host = entry[...]
        if entry.hasPrefix("[") {
            guard let close = entry.firstIndex(of: "]"), isEmptyOrPort(entry[entry.index(after: close)...]) else { return nil }
            host = entry[entry.index(after: entry.startIndex)..<close]
            guard host.contains(":") else { return nil }
        } else if entry.count(where: { $0 == ":" }) == 1, let colon = entry.firstIndex(of: ":") {
            guard isEmptyOrPort(entry[colon...]) else { return nil }
            host = entry[..<colon]
        }
        var v4 = in_addr()
        if inet_pton(AF_INET, String(host), &v4) == 1 { return IPAddress(v4: UInt32(bigEndian: v4.s_addr)) }
        var v6 = in6_addr()
        guard inet_pton(AF_INET6, String(host), &v6) == 1 else { return nil }
        return withUnsafeBytes(of: v6) { bytes in withCopy(bytes) { _, view in IPAddress(networkOrder: view) } }
    }

    private static func isEmptyOrPort(_ text: Substring) -> Bool {
        guard !text.isEmpty else { return true }
        let digits = text.dropFirst()
        return text.first == ":" && !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
            && (UInt64(digits) ?? UInt64.max) <= 65535
    }
}
