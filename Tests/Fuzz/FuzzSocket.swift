import Glibc
import SluiceCrypto
import SluiceEvent

@testable import SluiceGateway

/// The fuzzer's end of a connection with the gateway, plain or under TLS.
struct FuzzSocket {
    let descriptor: Int32
    private let session: TLSSession?
    /// Whether bytes may be sent; under TLS after the handshake, which `receive` carries on.
    private(set) var isEstablished: Bool

    init(_ descriptor: Int32, _ session: TLSSession? = nil) {
        self.descriptor = descriptor
        self.session = session
        isEstablished = session == nil
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        Socket.disableNagle(descriptor)
    }

    var isTLS: Bool { session != nil }

    func send(_ bytes: [UInt8]) {
        guard let session else { return sendRaw(bytes) }
        guard isEstablished, !bytes.isEmpty else { return }
        let result = bytes.withUnsafeBytes { memory in memory.baseAddress.map { session.send($0, count: memory.count) } }
        if case .bytes(let sent) = result { require(sent == bytes.count, "a socket takes \(sent) of \(bytes.count) bytes") }
    }

    /// Past TLS.
    func sendRaw(_ bytes: [UInt8]) {
        let sent = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        require(sent == bytes.count || sent < 0 && errno != EAGAIN, "a socket takes \(sent) of \(bytes.count) bytes")
    }

    mutating func receive(into memory: UnsafeMutableRawPointer, capacity: Int) -> Transfer {
        guard let session else { return Socket.receive(descriptor, into: memory, capacity: capacity) }
        if !isEstablished {
            switch session.handshake() {
            case .bytes: isEstablished = true
            case .wantRead, .wantWrite: return .wouldBlock
            case .closed, .failed: return .failed(0)
            }
        }
        return session.receive(into: memory, capacity: capacity)
    }

    /// Ends this side; under TLS in order or, `abruptly`, as somebody on the way could.
    func finish(abruptly: Bool = false) {
        if !abruptly { session?.closeNotify() }
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Nothing is left in the kernel of a connection that ends so.
    func reset() {
        session?.free()
        Socket.resetOnClose(descriptor)
        Socket.close(descriptor)
    }
}
