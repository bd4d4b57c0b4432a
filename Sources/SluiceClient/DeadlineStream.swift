import Glibc
package import SluiceCrypto
package import SluiceEvent

/// One connection that is waited for, over TCP, TLS or a Unix socket: every step has its patience. For one thread, and never for a worker's.
package final class DeadlineStream {
    private let descriptor: Int32
    private var session: TLSSession?
    private var peer: TLSPeer?

    /// A connection that there is already. Its socket does not block, and is the stream's from here on.
    package init(adopting descriptor: Int32) { self.descriptor = descriptor }

    /// Connects to the first of the addresses that answers.
    package init(to addresses: [SocketAddress], _ patience: Patience) throws(StreamFailure) {
        var failure = StreamFailure("its name has no address")
        for (index, address) in addresses.enumerated() {
            do throws(StreamFailure) {
                descriptor = try Self.connect(to: address, patience.share(of: addresses.count - index))
                return
            } catch {
                failure = error
            }
        }
        throw failure
    }

    deinit {
        session?.closeNotify()
        session?.free()
        Socket.close(descriptor)
    }

    private static func connect(to address: SocketAddress, _ patience: Patience) throws(StreamFailure) -> Int32 {
        let descriptor: Int32
        do throws(SocketError) {
            descriptor = try Socket.startConnecting(to: address).get()
        } catch {
            throw StreamFailure("no connection: \(error)")
        }
        let failure: StreamFailure
        if patience.wait(descriptor, POLLOUT) {
            let code = Socket.pendingError(descriptor)
            if code == 0 { return descriptor }
            failure = StreamFailure("no connection: \(SocketError(code: code))")
        } else {
            failure = StreamFailure("no connection in time")
        }
        Socket.close(descriptor)
        throw failure
    }

    /// Goes on in TLS: the peer's certificate must be one that `peer`'s context trusts, and bear its name.
    package func startTLS(_ peer: TLSPeer, _ patience: Patience) throws(StreamFailure) {
        self.peer = peer
        guard let session = TLSSession(peer.handle, descriptor: descriptor) else { throw StreamFailure("no memory for TLS") }
        self.session = session
        while true {
            switch session.handshake() {
            case .bytes: return
            case .wantRead: try awaitReadiness(POLLIN, patience)
            case .wantWrite: try awaitReadiness(POLLOUT, patience)
            case .closed, .failed: throw StreamFailure("no TLS connection: \(session.failureReason ?? "it was closed")")
            }
        }
    }

    package func send(_ bytes: [UInt8], _ patience: Patience) throws(StreamFailure) {
        var sent = 0
        while sent < bytes.count {
            let result = bytes.withUnsafeBytes { write($0.baseAddress.unsafelyUnwrapped + sent, $0.count - sent) }
            switch result {
            case .bytes(let count): sent += count
            case .wantRead: try awaitReadiness(POLLIN, patience)
            case .wantWrite: try awaitReadiness(POLLOUT, patience)
            case .closed, .failed: throw .broken
            }
        }
    }

    /// Most bytes that one `receive` brings.
    package static let chunkBytes = 16_384

    /// Appends what arrives next. 0 at the orderly end of the connection.
    package func receive(into bytes: inout [UInt8], _ patience: Patience) throws(StreamFailure) -> Int {
        var chunk = [UInt8](repeating: 0, count: Self.chunkBytes)
        while true {
            // Not only where it would wait: one who sends without end must not be listened to without end.
            if patience.isOver { throw .late }
            let result = chunk.withUnsafeMutableBytes { read($0.baseAddress.unsafelyUnwrapped, $0.count) }
            switch result {
            case .bytes(let count):
                bytes += chunk.prefix(count)
                return count
            case .wantRead: try awaitReadiness(POLLIN, patience)
            case .wantWrite: try awaitReadiness(POLLOUT, patience)
            case .closed: return 0
            case .failed: throw .broken
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

    private func awaitReadiness(_ events: Int32, _ patience: Patience) throws(StreamFailure) {
        guard patience.wait(descriptor, events) else { throw .late }
    }
}
