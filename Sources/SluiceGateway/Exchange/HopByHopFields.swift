import SluiceHTTP

/// Which fields concern one connection or the framing of one message, so that neither a client nor an operator passes them on.
enum HopByHopFields {
    /// Whether a line of the client's goes to another server: it is end-to-end (RFC 9110, 7.6.1), not nominated by Connection,
    /// and none of Host, Content-Length and Expect, which the gateway writes for each connection of its own.
    ///
    /// `hasConnectionOptions` and `fields` are the head's: read once by the caller's loop, not once per line.
    @inline(__always)
    static func isForwarded(_ line: FieldSlot, hasConnectionOptions: Bool, fields: FieldTable, bytes: ByteView) -> Bool {
        guard line.known == .other else { return isForwarded(line.known) }
        return !hasConnectionOptions || !ConnectionOptions.nominates(line, fields: fields, in: bytes)
    }

    /// The same for the fields that the gateway knows, which Connection cannot nominate.
    @inline(__always)
    static func isForwarded(_ known: KnownField) -> Bool {
        switch known {
        case .host, .contentLength, .expect: false
        default: !HopByHop.isHopByHop(known)
        }
    }

    /// Whether no configuration may set or remove the field in a message of this direction: it is hop-by-hop, it delimits
    /// the body, or, in a request, the gateway derives it from the upstream's URL (Host) or answers it itself (Expect).
    static func isReserved(_ name: String, inRequest: Bool) -> Bool {
        let known = name.withByteView { KnownField(name: $0) }
        if HopByHop.isHopByHop(known) || known == .contentLength { return true }
        return inRequest && (known == .host || known == .expect)
    }
}
