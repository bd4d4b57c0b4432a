import SluiceHTTP

/// Which fields concern one connection or the framing of one message, so that neither a client nor an operator passes them on; and which no client may say.
enum HopByHopFields {
    /// The kinds that never pass as they are: those of the connection, and what is written anew.
    static var notSent: UInt64 {
        HopByHop.mask | KnownField.host.bit | KnownField.contentLength.bit | KnownField.expect.bit | ofCertificate
    }

    /// What the gateway says of the client's certificate. Nobody else can say it, not even a trusted proxy: most pass on what their own clients send.
    static var ofCertificate: UInt64 { KnownField.xForwardedClientCert.bit | KnownField.clientCert.bit | KnownField.clientCertChain.bit }

    /// Whether the field goes to another server: it is end-to-end (RFC 9110, 7.6.1), none of Host, Content-Length and Expect, which the
    /// gateway writes for each connection of its own, and nothing that only the gateway may say.
    @inline(__always)
    static func isForwarded(_ known: KnownField) -> Bool { notSent & known.bit == 0 }

    /// Whether no configuration may set or remove the field in a message of this direction: it is hop-by-hop, it delimits
    /// the body, or, in a request, the gateway derives it from the upstream's URL (Host) or answers it itself (Expect).
    static func isReserved(_ name: String, inRequest: Bool) -> Bool {
        let known = name.withByteView { KnownField(name: $0) }
        if HopByHop.isHopByHop(known) || known == .contentLength { return true }
        return inRequest && (known == .host || known == .expect)
    }
}
