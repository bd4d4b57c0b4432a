/// What one call on a TLS session came to.
package enum TLSResult: BitwiseCopyable, Equatable, Sendable {
    /// Bytes read or written; 0 for a handshake that is complete.
    case bytes(Int)
    /// Nothing more without bytes from the peer: the socket has been read until it had none. Repeat the call when
    /// it is readable again.
    case wantRead
    /// The socket takes no more. Repeat the call when it is writable.
    case wantWrite
    /// The peer said that it will send no more (close_notify; RFC 8446, 6.1). Our direction is still open.
    case closed
    /// The session is lost: a protocol error, a refused certificate, a reset, or an end of the connection without
    /// close_notify. Only `free` and the questions about the failure are left.
    case failed
}

/// The versions that are spoken. Older ones are not (RFC 8996).
package enum TLSVersion: Sendable, BitwiseCopyable {
    case tls12
    case tls13
}
