internal import COpenSSL
internal import Glibc

/// Bounds how many handshake messages a session takes and sends in a second.
///
/// After the handshake a peer may send KeyUpdates (RFC 8446, 4.6.3), or in TLS 1.2 ask for another handshake, without end. OpenSSL deals with
/// each inside of `SSL_read`, which returns when data comes or the socket is empty: a peer that keeps it filled would have a worker to
/// itself. No honest peer comes near the bound, since a KeyUpdate is due after millions of records.
enum HandshakeRate {
    /// A first handshake takes up to thirty; the tickets after it and their like a few.
    static let messagesMax = 100

    static func bound(in context: OpaquePointer) {
        SSL_CTX_set_info_callback(context) { session, event, _ in
            guard event & SSL_CB_LOOP != 0 else { return }
            HandshakeRate.note(session)
        }
    }

    /// OpenSSL is at the next message. Not called for data.
    private static func note(_ session: OpaquePointer?) {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let second = UInt(truncatingIfNeeded: time.tv_sec) << countBits
        let known = UInt(bitPattern: SSL_get_ex_data(session, exDataIndex))
        let isSame = known & ~countMask == second & ~countMask
        let count = isSame ? known & countMask + 1 : 1
        SSL_set_ex_data(session, exDataIndex, UnsafeMutableRawPointer(bitPattern: second | count))
        guard count > messagesMax else { return }
        // The message is still dealt with; then OpenSSL finds the stream at its end, and this error.
        SSL_set_shutdown(session, SSL_get_shutdown(session) | SSL_RECEIVED_SHUTDOWN)
        sluice_raise_too_many_messages()
    }

    // A word of each session: the second, and how many messages there were in it.
    private static let countBits: UInt = 16
    private static let countMask: UInt = 1 << countBits - 1

    private static let exDataIndex = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, nil, nil, nil, nil)
}
