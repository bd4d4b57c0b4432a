import Glibc
import SluiceCrypto
import SluiceEvent
import SluiceHTTP
import Synchronization

/// One connection that is waited for, with one deadline for everything, the resolution of the name included.
final class BlockingConnection {
    static let chunkBytes = 16_384

    private let descriptor: Int32
    private let patience: Patience
    private var peer: TLSPeer?
    private var session: TLSSession?

    /// Connects to the first address of the name that answers.
    init(host: String, port: UInt16, _ patience: Patience) throws(KeySet.Fault) {
        self.patience = patience
        // One that drops what it is sent must leave time for the next.
        let addresses = try Self.lookUp(host, patience)
        for (index, address) in addresses.enumerated() {
            if let descriptor = Self.connect(to: SocketAddress(address, port: port), patience.share(of: addresses.count - index)) {
                self.descriptor = descriptor
                return
            }
        }
        throw KeySet.Fault(description: "a host that does not answer")
    }

    deinit {
        session?.closeNotify()
        session?.free()
        Socket.close(descriptor)
    }

    var cut: KeySet.Fault { KeySet.Fault(description: "an answer that ends too soon") }

    private static var late: KeySet.Fault { KeySet.Fault(description: "no answer in time") }

    /// The addresses of a name. Asked for on a thread of its own, because the system may take much longer than there is time.
    private static func lookUp(_ host: String, _ patience: Patience) throws(KeySet.Fault) -> [IPAddress] {
        let answer = Answer()
        do throws(SocketError) {
            try Thread(name: "sluice-lookup") { answer.give(Resolver.ask(host)) }.detach()
        } catch {
            throw KeySet.Fault(description: "no thread to resolve a host (\(error))")
        }
        while true {
            if let addresses = answer.addresses.withLock({ $0 }) {
                guard addresses.isEmpty else { return addresses }
                throw KeySet.Fault(description: "a host that does not resolve")
            }
            guard let slice = patience.slice else { throw KeySet.Fault(description: "a host that does not resolve in time") }
            answer.signal.wait(milliseconds: slice)
        }
    }

    /// What a look-up has found. Whoever waited for it may have gone.
    private final class Answer: Sendable {
        let addresses = Mutex<[IPAddress]?>(nil)
        let signal = Signal()

        func give(_ found: [IPAddress]) {
            addresses.withLock { $0 = found }
            signal.raise()
        }
    }

    private static func connect(to address: SocketAddress, _ patience: Patience) -> Int32? {
        guard case .success(let descriptor) = Socket.startConnecting(to: address) else { return nil }
        if patience.wait(descriptor, Int16(POLLOUT)), Socket.pendingError(descriptor) == 0 { return descriptor }
        Socket.close(descriptor)
        return nil
    }

    func startTLS(name: String, authorityFile: String?) throws(KeySet.Fault) {
        do throws(CryptoError) {
            peer = try TLSPeer(TLSClientContext(authorityFile: authorityFile), name: name)
        } catch {
            throw KeySet.Fault(description: error.message)
        }
        guard let peer, let session = TLSSession(peer.handle, descriptor: descriptor) else {
            throw KeySet.Fault(description: "TLS is not available")
        }
        self.session = session
        while true {
            switch session.handshake() {
            case .bytes: return
            case .wantRead: try awaitReadiness(Int16(POLLIN))
            case .wantWrite: try awaitReadiness(Int16(POLLOUT))
            case .closed, .failed:
                throw KeySet.Fault(description: "TLS failed (\(session.failureReason ?? "the connection ended"))")
            }
        }
    }

    func send(_ bytes: [UInt8]) throws(KeySet.Fault) {
        var sent = 0
        while sent < bytes.count {
            let result = bytes.withUnsafeBytes { write($0.baseAddress.unsafelyUnwrapped + sent, $0.count - sent) }
            switch result {
            case .bytes(let count): sent += count
            case .wantRead: try awaitReadiness(Int16(POLLIN))
            case .wantWrite: try awaitReadiness(Int16(POLLOUT))
            case .closed, .failed: throw cut
            }
        }
    }

    /// Appends what arrives next; 0 at the orderly end of the connection.
    func receive(into bytes: inout [UInt8]) throws(KeySet.Fault) -> Int {
        var chunk = [UInt8](repeating: 0, count: Self.chunkBytes)
        while true {
            // Not only where it would wait: one who sends without end must not be listened to without end.
            guard patience.slice != nil else { throw Self.late }
            let result = chunk.withUnsafeMutableBytes { read($0.baseAddress.unsafelyUnwrapped, $0.count) }
            switch result {
            case .bytes(let count):
                bytes += chunk.prefix(count)
                return count
            case .wantRead: try awaitReadiness(Int16(POLLIN))
            case .wantWrite: try awaitReadiness(Int16(POLLOUT))
            case .closed: return 0
            case .failed: throw cut
            }
        }
    }

    private func write(_ bytes: UnsafeRawPointer, _ count: Int) -> TLSResult {
        if let session { return session.write(bytes, count: count) }
        return switch Socket.send(descriptor, bytes, count: count) {
        case .bytes(let sent): .bytes(sent)
        case .wouldBlock: .wantWrite
        case .ended, .failed: .failed
        }
    }

    private func read(_ bytes: UnsafeMutableRawPointer, _ count: Int) -> TLSResult {
        if let session { return session.read(into: bytes, capacity: count) }
        return switch Socket.receive(descriptor, into: bytes, capacity: count) {
        case .bytes(let received): .bytes(received)
        case .wouldBlock: .wantRead
        case .ended: .closed
        case .failed: .failed
        }
    }

    private func awaitReadiness(_ events: Int16) throws(KeySet.Fault) {
        guard patience.wait(descriptor, events) else {
            throw Self.late
        }
    }
}
