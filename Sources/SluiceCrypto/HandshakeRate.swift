internal import COpenSSL
internal import Glibc

/// Bounds the handshake messages that a session takes after its handshake, and in a second.
///
/// A peer may send KeyUpdates (RFC 8446, 4.6.3), or in TLS 1.2 ask for another handshake, without end. OpenSSL deals with each inside of
/// `SSL_read`, which returns when data comes or the socket is empty: a peer that keeps it filled would have a worker to itself. No honest
/// peer comes near the rate, since a KeyUpdate is due after millions of records. A client of TLS 1.2 that wants another handshake is at its
/// end at once: the message could be of 128 KiB in records of a byte each, and none is ever granted.
enum HandshakeRate {
    /// A first handshake takes up to thirty; the tickets after it and their like a few.
    static let messagesMax = 100

    static func bound(in context: OpaquePointer) {
        SSL_CTX_set_info_callback(context) { session, event, _ in
            if event & SSL_CB_HANDSHAKE_DONE != 0 { return HandshakeRate.noteEnd(session) }
            if event & SSL_CB_LOOP != 0 { HandshakeRate.noteMessage(session) }
        }
    }

    private static func noteEnd(_ session: OpaquePointer?) {
        set(UInt(bitPattern: SSL_get_ex_data(session, exDataIndex)) | doneBit, session)
    }

    /// OpenSSL is at the next message, whose head it has read. Not called for data.
    private static func noteMessage(_ session: OpaquePointer?) {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let second = UInt(truncatingIfNeeded: time.tv_sec) << countBits
        let known = UInt(bitPattern: SSL_get_ex_data(session, exDataIndex))
        let isSame = known & ~(countMask | doneBit) == second
        let count = isSame ? known & countMask + 1 : 1
        set(second | known & doneBit | count, session)
        let wantsAnother = known & doneBit != 0 && SSL_is_server(session) == 1 && SSL_version(session) < TLS1_3_VERSION
        guard wantsAnother || count > messagesMax else { return }
        // OpenSSL finds the stream at its end with the next record, and then this error.
        SSL_set_shutdown(session, SSL_get_shutdown(session) | SSL_RECEIVED_SHUTDOWN)
        if wantsAnother { sluice_raise_no_renegotiation() } else { sluice_raise_too_many_messages() }
    }

    private static func set(_ word: UInt, _ session: OpaquePointer?) {
        SSL_set_ex_data(session, exDataIndex, UnsafeMutableRawPointer(bitPattern: word))
    }

    // A word of each session: the second, whether the handshake is over, and how many messages there were in that second.
    private static let countBits: UInt = 16
    private static let doneBit: UInt = 1 << 15
    private static let countMask: UInt = doneBit - 1

    private static let exDataIndex = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, nil, nil, nil, nil)
}
