internal import COpenSSL

/// One upstream as TLS sees it: the name that its certificate must bear, and the last session with it.
///
/// The session is kept here and nowhere else, because a resumed one is not verified again: it must never serve
/// another name, nor another context.
///
/// One per worker and upstream: not safe for use on two threads. Sessions keep alive what they need of it, so that it
/// may go while some are still open.
package final class TLSPeer {
    /// Valid for as long as the `TLSPeer` that it came from.
    package struct Handle: BitwiseCopyable {
        let state: UnsafeMutablePointer<State>

        /// Whether the next session will try to resume an earlier one.
        package var hasSession: Bool { state.pointee.session.map { SSL_SESSION_is_resumable($0) == 1 } ?? false }
    }

    struct State: BitwiseCopyable {
        let context: OpaquePointer
        let isVerifying: Bool
        /// C text.
        let name: UnsafeMutablePointer<CChar>
        let isAddress: Bool
        /// One reference of ours.
        var session: OpaquePointer?
        /// The `TLSPeer` and every `TLSSession` that has not been freed. Not atomic: one thread.
        var holders = 1
    }

    package let handle: Handle
    private let context: TLSClientContext

    /// - Parameter name: the host of the upstream's URL: a DNS name of at most 255 bytes, or an IP address
    ///   without brackets. One dot at the end is left out.
    package init(_ context: TLSClientContext, name: String) throws(CryptoError) {
        var bytes = Array(name.utf8)
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        guard !bytes.isEmpty, bytes.count <= 255, !bytes.contains(0) else {
            throw CryptoError("an upstream's name has 1 to 255 bytes, none of them NUL")
        }
        let text = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { text[index] = CChar(bitPattern: byte) }
        text[bytes.count] = 0
        let address = a2i_IPADDRESS(text)
        ASN1_OCTET_STRING_free(address)
        ErrorQueue.clear()
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(
            to: State(
                context: context.context, isVerifying: context.isVerifying, name: text, isAddress: address != nil,
                session: nil))
        handle = Handle(state: state)
        self.context = context
    }

    deinit { Self.release(handle.state) }

    /// Takes over the session of a peer with another name, as no honest client does. For tests.
    package func adoptSession(of other: TLSPeer) {
        guard let session = other.handle.state.pointee.session, SSL_SESSION_up_ref(session) == 1 else { return }
        SSL_SESSION_free(handle.state.pointee.session)
        handle.state.pointee.session = session
    }

    /// Gives one hold up; the last one frees the state.
    static func release(_ state: UnsafeMutablePointer<State>) {
        state.pointee.holders -= 1
        guard state.pointee.holders == 0 else { return }
        SSL_SESSION_free(state.pointee.session)
        state.pointee.name.deallocate()
        state.deallocate()
    }

    /// Takes over a session that the upstream has just issued: after the handshake in TLS 1.2, with any later
    /// read in TLS 1.3.
    ///
    /// - Returns: 1 if the reference is ours from here on, 0 if it remains OpenSSL's.
    static func keep(_ session: OpaquePointer?, from connection: OpaquePointer?) -> Int32 {
        guard let session, let memory = SSL_get_ex_data(connection, exDataIndex) else { return 0 }
        let state = memory.assumingMemoryBound(to: State.self)
        SSL_SESSION_free(state.pointee.session)
        state.pointee.session = session
        return 1
    }

    /// The place that OpenSSL sets aside for the application's own data on every session.
    static let exDataIndex: Int32 = 0
}
