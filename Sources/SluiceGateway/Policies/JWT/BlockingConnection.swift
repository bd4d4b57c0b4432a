import Glibc
import SluiceCrypto
import SluiceEvent

/// One connection that is waited for, with one deadline for everything.
final class BlockingConnection {
    static let chunkBytes = 16_384

    private let descriptor: Int32
    private let deadline: UInt64
    private var peer: TLSPeer?
    private var session: TLSSession?

    /// Connects to the first address of the name that answers.
    init(host: String, port: UInt16, deadline: UInt64) throws(KeySet.Fault) {
        self.deadline = deadline
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0, let list else {
            throw KeySet.Fault(description: "a host that does not resolve")
        }
        defer { freeaddrinfo(list) }
        var next: UnsafeMutablePointer<addrinfo>? = list
        while let address = next {
            if let descriptor = Self.connect(address.pointee, deadline) {
                self.descriptor = descriptor
                return
            }
            next = address.pointee.ai_next
        }
        throw KeySet.Fault(description: "a host that does not answer")
    }

    deinit {
        session?.closeNotify()
        session?.free()
        close(descriptor)
    }

    var cut: KeySet.Fault { KeySet.Fault(description: "an answer that ends too soon") }

    private static func connect(_ address: addrinfo, _ deadline: UInt64) -> Int32? {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(address.ai_family, type, 0)
        guard descriptor >= 0 else { return nil }
        if systemConnect(descriptor, address) || errno == EINPROGRESS, wait(descriptor, Int16(POLLOUT), deadline) {
            var fault: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            if getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &fault, &size) == 0, fault == 0 { return descriptor }
        }
        close(descriptor)
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
        let result = systemSend(descriptor, bytes, count)
        if result >= 0 { return .bytes(result) }
        return errno == EAGAIN || errno == EINTR ? .wantWrite : .failed
    }

    private func read(_ bytes: UnsafeMutableRawPointer, _ count: Int) -> TLSResult {
        if let session { return session.read(into: bytes, capacity: count) }
        let result = recv(descriptor, bytes, count, 0)
        if result > 0 { return .bytes(result) }
        if result == 0 { return .closed }
        return errno == EAGAIN || errno == EINTR ? .wantRead : .failed
    }

    private func awaitReadiness(_ events: Int16) throws(KeySet.Fault) {
        guard Self.wait(descriptor, events, deadline) else {
            throw KeySet.Fault(description: "no answer in time")
        }
    }

    /// Until the descriptor is ready; false at the deadline.
    private static func wait(_ descriptor: Int32, _ events: Int16, _ deadline: UInt64) -> Bool {
        while true {
            let now = Clock.monotonicNanoseconds()
            guard now < deadline else { return false }
            var entry = pollfd(fd: descriptor, events: events, revents: 0)
            let result = poll(&entry, 1, Int32((deadline - now) / 1_000_000) + 1)
            if result > 0 { return true }
            if result < 0, errno != EINTR { return false }
        }
    }
}

// Within a type that has methods of these names, the system's functions need names of their own.
private func systemConnect(_ descriptor: Int32, _ address: addrinfo) -> Bool {
    connect(descriptor, address.ai_addr, address.ai_addrlen) == 0
}

private func systemSend(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    send(descriptor, bytes, count, Int32(MSG_NOSIGNAL))
}
