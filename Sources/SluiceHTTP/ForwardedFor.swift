/// Who the client is when trusted proxies stand between it and us.
package enum ForwardedFor {
    /// The first address, seen from here, that is not a trusted proxy: `peer`, else the X-Forwarded-For entries from the right.
    ///
    /// Only what a trusted proxy has written is believed, so the walk ends at the first address that is not trusted, at an entry
    /// that is not an address (then with the last good one), at the left end, or after `ListElements.elementsMax` entries: there is no
    /// chain of so many proxies. Entries may carry a port, and IPv6 addresses brackets.
    ///
    /// - Parameter isMalformed: set if the walk has ended at an entry that is not an address.
    package static func client(
        peer: IPAddress, fields: FieldTable, in bytes: ByteView, isMalformed: inout Bool, isTrusted: (IPAddress) -> Bool
    ) -> IPAddress {
        guard fields.present & KnownField.xForwardedFor.bit != 0, isTrusted(peer) else { return peer }
        var client = peer
        var left = ListElements.elementsMax
        // Several lines are one list, in their order (RFC 9110, 5.3).
        var line = fields.count
        while line > 0 {
            line -= 1
            guard fields[line].known == .xForwardedFor else { continue }
            var list = bytes[fields[line].value]
            while let entry = ListElements.removeLast(&list) {
                guard left > 0 else { return client }
                left -= 1
                guard let address = address(ofEntry: entry) else {
                    isMalformed = true
                    return client
                }
                client = address
                guard isTrusted(address) else { return client }
            }
        }
        return client
    }

    /// The same, whatever it has ended at.
    package static func client(peer: IPAddress, fields: FieldTable, in bytes: ByteView, isTrusted: (IPAddress) -> Bool) -> IPAddress {
        var isMalformed = false
        return client(peer: peer, fields: fields, in: bytes, isMalformed: &isMalformed, isTrusted: isTrusted)
    }

    /// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`. Nil for anything else.
    static func address(ofEntry entry: ByteView) -> IPAddress? {
        // The longest IPv6 address has 45 characters, with brackets and a port 53.
        guard !entry.isEmpty, entry.count <= 64 else { return nil }
        if entry[0] == Ascii.openBracket {
            var close = 1
            while close < entry.count, entry[close] != Ascii.closeBracket { close += 1 }
            guard close < entry.count, isEmptyOrPort(entry[(close + 1)...]) else { return nil }
            return IPAddress.parseV6(entry[1..<close])
        }
        var colon = 0
        while colon < entry.count, entry[colon] != Ascii.colon { colon += 1 }
        if let v4 = IPAddress.parseV4(entry[..<colon]) {
            return isEmptyOrPort(entry[colon...]) ? IPAddress(v4: v4) : nil
        }
        return IPAddress(entry)
    }

    private static func isEmptyOrPort(_ text: ByteView) -> Bool {
        text.isEmpty || text[0] == Ascii.colon && text[1...].decimal(atMost: 65535) != nil
    }
}
