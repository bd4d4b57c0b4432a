internal import COpenSSL

/// The keys of a listener's session tickets: one set for all of its contexts, taken over by the contexts of a reload. What they are,
/// and when they are renewed, stands in `ticket_keys.h`.
enum TicketKeys {
    /// Gives the contexts one set: that of `previous`, or a new one.
    static func install(in contexts: [OpaquePointer], from previous: OpaquePointer?) throws(CryptoError) {
        let known = previous.flatMap { SSL_CTX_get_ex_data($0, contextIndex) }
        if let known { sluice_ticket_keys_hold(known) }
        guard let keys = known ?? sluice_ticket_keys_new() else { throw .fromQueue("session ticket keys") }
        // Each context has a hold of its own.
        defer { sluice_ticket_keys_release(keys) }
        for context in contexts {
            sluice_ticket_keys_hold(keys)
            guard SSL_CTX_set_ex_data(context, contextIndex, keys) == 1 else {
                sluice_ticket_keys_release(keys)
                throw .fromQueue("session ticket keys")
            }
            SSL_CTX_set_tlsext_ticket_key_evp_cb(context) { session, name, vector, cipher, code, isMaking in
                guard let keys = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), TicketKeys.contextIndex) else { return -1 }
                return sluice_ticket_keys_use(keys, session, name, vector, cipher, code, isMaking)
            }
        }
    }

    /// As the hour does. For tests.
    static func renew(in context: OpaquePointer) {
        if let keys = SSL_CTX_get_ex_data(context, contextIndex) { _ = sluice_ticket_keys_renew(keys) }
    }

    /// The place for the keys on an `SSL_CTX`, and what OpenSSL does with them when the context goes.
    private static let contextIndex = CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil, { _, keys, _, _, _, _ in sluice_ticket_keys_release(keys) })
}
