internal import COpenSSL
internal import SluiceHTTP

/// What a server chooses by the client's first message: the certificate and the protocol.
///
/// OpenSSL calls on the worker's thread, in the middle of a handshake. What the choice needs belongs to the first
/// `SSL_CTX`, which every session holds on to, however it was moved.
struct ServerChoice: BitwiseCopyable {
    private let names: ServerNames
    /// The contexts of all certificates but the first. One reference each is ours.
    private let others: UnsafeMutableBufferPointer<OpaquePointer>
    /// What sessions are bound to besides the client's name for the server: `ClientVerification.fingerprint`, or nothing.
    private let binding: UnsafeMutableBufferPointer<UInt8>

    /// Takes over the names and the references to `others`; both are freed together with `first`.
    static func install(_ names: ServerNames, others: [OpaquePointer], binding: [UInt8], in first: OpaquePointer) {
        let kept = UnsafeMutableBufferPointer<OpaquePointer>.allocate(capacity: others.count)
        _ = kept.initialize(fromContentsOf: others)
        let choice = UnsafeMutablePointer<ServerChoice>.allocate(capacity: 1)
        let bound = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: binding.count)
        _ = bound.initialize(fromContentsOf: binding)
        choice.initialize(to: ServerChoice(names: names, others: kept, binding: bound))
        SSL_CTX_set_ex_data(first, contextIndex, choice)
        sluice_SSL_CTX_set_servername_callback(first, { ServerChoice.choose($0, $2) }, choice)
        SSL_CTX_set_client_hello_cb(first, { session, _, choice in ServerChoice.bindSession(session, choice) }, choice)
    }

    /// Longest extension of a server's name that is looked at: what is longer holds no name that OpenSSL takes.
    private static let nameBytesMax = 512

    /// Keeps a session that began under one name from being resumed under another (RFC 6066, 3), and one whose client was judged by some authorities or
    /// lists from being resumed under others: both become the session's context, which OpenSSL compares with that of the ticket before it asks for a
    /// certificate. Called with the client's first message, before tickets are looked at.
    private static func bindSession(_ session: OpaquePointer?, _ memory: UnsafeMutableRawPointer?) -> Int32 {
        var bytes: UnsafePointer<UInt8>?
        var count = 0
        let hasName = SSL_client_hello_get0_ext(session, UInt32(TLSEXT_TYPE_server_name), &bytes, &count) == 1 && count <= nameBytesMax
        let nameCount = hasName ? count : 0
        let binding = memory?.assumingMemoryBound(to: ServerChoice.self).pointee.binding ?? .init(start: nil, count: 0)
        guard hasName || !binding.isEmpty else { return SSL_CLIENT_HELLO_SUCCESS }
        let textMax = nameBytesMax + binding.count
        let isBound = withUnsafeTemporaryAllocation(byteCount: textMax + Int(EVP_MAX_MD_SIZE), alignment: 1) { memory in
            guard let text = memory.baseAddress else { return false }
            for place in 0..<binding.count { memory[place] = binding[place] }
            // The whole extension, which has one form for each name, in lower case.
            for place in 0..<nameCount { memory[binding.count + place] = bytes.unsafelyUnwrapped[place].asciiLowercased }
            let digest = (text + textMax).assumingMemoryBound(to: UInt8.self)
            var size: UInt32 = 0
            return EVP_Digest(text, binding.count + nameCount, digest, &size, EVP_sha256(), nil) == 1 && SSL_set_session_id_context(session, digest, size) == 1
        }
        return isBound ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR
    }

    /// The place for a `ServerChoice` on an `SSL_CTX`, and what OpenSSL does with it when the context goes.
    private static let contextIndex = CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil, { _, choice, _, _, _, _ in ServerChoice.free(choice) })

    private static func free(_ memory: UnsafeMutableRawPointer?) {
        guard let choice = memory?.assumingMemoryBound(to: ServerChoice.self) else { return }
        for context in choice.pointee.others { SSL_CTX_free(context) }
        choice.pointee.others.deallocate()
        choice.pointee.binding.deallocate()
        choice.pointee.names.deallocate()
        choice.deallocate()
    }

    /// Moves a session to the context of the certificate for the name that the client sent. Without a name that we
    /// know it stays with the first (RFC 6066, 3).
    private static func choose(_ session: OpaquePointer?, _ memory: UnsafeMutableRawPointer?) -> Int32 {
        guard let memory, let name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name) else {
            return SSL_TLSEXT_ERR_NOACK
        }
        // OpenSSL has refused names with a NUL inside and names of more than 255 bytes.
        let bytes = UnsafeRawPointer(name).assumingMemoryBound(to: UInt8.self)
        let names = memory.assumingMemoryBound(to: ServerChoice.self).pointee.names
        guard let context = names.context(for: ByteView(base: bytes, count: strlen(name))) else {
            return SSL_TLSEXT_ERR_NOACK
        }
        SSL_set_SSL_CTX(session, context)
        return SSL_TLSEXT_ERR_OK
    }

    /// Picks `h2` from the list that the client offered where that is served, else `http/1.1`. A client whose list lacks both is refused with the
    /// alert no_application_protocol (RFC 7301, 3.2): it would speak something else to us.
    static func chooseProtocol(
        _ offered: UnsafePointer<UInt8>?, _ count: UInt32, http2: Bool, _ chosen: inout UnsafePointer<UInt8>?,
        _ chosenCount: inout UInt8
    ) -> Int32 {
        guard let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        let offer = ByteView(base: offered, count: Int(count))
        guard let name = (http2 ? find(TLSProfile.http2, in: offer) : nil) ?? find(TLSProfile.http1, in: offer) else {
            return SSL_TLSEXT_ERR_ALERT_FATAL
        }
        chosen = name.base
        chosenCount = UInt8(name.count)
        return SSL_TLSEXT_ERR_OK
    }

    /// Where the name stands in a list of names with their lengths before them.
    private static func find(_ wanted: StaticString, in offer: ByteView) -> ByteView? {
        var place = 0
        while place < offer.count {
            let end = place + 1 + Int(offer[place])
            guard end <= offer.count else { break }
            let name = offer[(place + 1)..<end]
            if name == wanted { return name }
            place = end
        }
        return nil
    }
}
