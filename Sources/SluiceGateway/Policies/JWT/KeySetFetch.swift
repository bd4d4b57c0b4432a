import Glibc
import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP
import Synchronization

/// Gets the text of a key set: reads a file, or makes one GET request. Blocks; for the refresher's thread and for set-up.
///
/// Only status 200 counts, and no redirect is followed: whoever can answer 302 could otherwise choose the keys' origin.
enum KeySetFetch {
    /// From the first attempt to connect to the last byte. The resolution of the name has the resolver's own limits.
    private static var timeoutMilliseconds: Int { JWT.Settings.fetchTimeoutMilliseconds.load(ordering: .relaxed) }
    static let bodyBytesMax = 1 << 20
    static let headBytesMax = 1 << 16
    private static let fieldsMax = 256

    /// - Parameter isEnding: asked while it waits, ten times a second: whether to give up, because the process ends.
    static func load(
        _ location: KeySetLocation, isEnding: @escaping () -> Bool = { false }
    ) -> Result<[UInt8], KeySet.Fault> {
        Result { () throws(KeySet.Fault) in
            switch location.kind {
            case .file(let path):
                do throws(BoundedFile.Fault) {
                    return try BoundedFile.read(path, bytesMax: bodyBytesMax)
                } catch {
                    throw KeySet.Fault(description: "a file that cannot be read (\(error.found))")
                }
            case .uri(let uri):
                return try get(uri, authorityFile: location.authorityFile, isEnding)
            }
        }
    }

    private static func get(
        _ uri: KeySetLocation.URI, authorityFile: String?, _ isEnding: @escaping () -> Bool
    ) throws(KeySet.Fault) -> [UInt8] {
        let patience = Patience(
            deadline: KeySetRefresher.monotonicNanoseconds() + UInt64(timeoutMilliseconds) * 1_000_000, isEnding: isEnding)
        let connection = try BlockingConnection(host: uri.host, port: uri.port, patience)
        if uri.isSecure { try connection.startTLS(name: uri.host, authorityFile: authorityFile) }
        let request =
            "GET \(uri.target) HTTP/1.1\r\nHost: \(uri.authority)\r\nAccept: application/jwk-set+json, application/json\r\n"
            + "User-Agent: sluice\r\nConnection: close\r\n\r\n"
        try connection.send(Array(request.utf8))
        var received: [UInt8] = []
        let head = try readHead(connection, &received)
        guard head.status == 200 else { throw KeySet.Fault(description: "status \(head.status)") }
        let rest = Array(received.dropFirst(head.length))
        switch head.framing {
        case .none:
            return []
        case .length(let length):
            guard length <= UInt64(bodyBytesMax) else { throw tooLong }
            return try readBody(connection, rest, until: Int(length))
        case .untilClose:
            return try readBody(connection, rest, until: nil)
        case .chunked:
            return try readChunks(connection, rest)
        }
    }

    private static var tooLong: KeySet.Fault { KeySet.Fault(description: "more than \(bodyBytesMax) bytes") }

    /// The head of the final response; interim ones (1xx) are passed over. `received` then begins with it.
    private static func readHead(
        _ connection: BlockingConnection, _ received: inout [UInt8]
    ) throws(KeySet.Fault) -> (status: UInt16, length: Int, framing: BodyFraming) {
        let slots = UnsafeMutablePointer<FieldSlot>.allocate(capacity: fieldsMax)
        defer { slots.deallocate() }
        while true {
            var head = ResponseHead(slots: slots, capacity: fieldsMax)
            let outcome = received.withByteView {
                ResponseHead.parse($0, slots: slots, capacity: fieldsMax, requestWasHead: false, into: &head)
            }
            switch outcome {
            case .complete where head.status >= 200:
                return (head.status, head.length, head.framing)
            case .complete:
                guard head.status != 101 else { throw KeySet.Fault(description: "status 101") }
                received.removeFirst(head.length)
            case .malformed:
                throw KeySet.Fault(description: "an answer that is no HTTP")
            case .incomplete:
                guard received.count <= headBytesMax else { throw KeySet.Fault(description: "a head of more than \(headBytesMax) bytes") }
                guard try connection.receive(into: &received) > 0 else { throw connection.cut }
            }
        }
    }

    /// - Parameter count: nil for a body that the end of the connection ends.
    private static func readBody(
        _ connection: BlockingConnection, _ start: [UInt8], until count: Int?
    ) throws(KeySet.Fault) -> [UInt8] {
        var body = start
        while count.map({ body.count < $0 }) ?? true {
            guard try connection.receive(into: &body) > 0 else {
                if count == nil { return body }
                throw connection.cut
            }
            guard count != nil || body.count <= bodyBytesMax else { throw tooLong }
        }
        guard let count else { return body }
        return Array(body.prefix(count))
    }

    private static func readChunks(_ connection: BlockingConnection, _ start: [UInt8]) throws(KeySet.Fault) -> [UInt8] {
        var decoder = ChunkedDecoder()
        var body: [UInt8] = []
        var input = start
        while true {
            let outcome = input.withUnsafeMutableBufferPointer { buffer in
                buffer.baseAddress.map { decoder.decode($0, count: buffer.count) }
            }
            if let outcome {
                body += input.prefix(outcome.content)
                guard body.count <= bodyBytesMax else { throw tooLong }
                switch outcome.state {
                case .trailers: return body
                case .malformed: throw KeySet.Fault(description: "an answer that is no HTTP")
                case .more: break
                }
            }
            input = []
            guard try connection.receive(into: &input) > 0 else { throw connection.cut }
        }
    }
}

/// How long a descriptor is waited for.
private struct Patience {
    let deadline: UInt64
    let isEnding: () -> Bool
    private static let sliceNanoseconds: UInt64 = 100_000_000

    /// This patience's part for one of several attempts that are made one after the other.
    func share(of attempts: Int) -> Patience {
        let now = KeySetRefresher.monotonicNanoseconds()
        return Patience(deadline: now + (deadline - min(deadline, now)) / UInt64(max(1, attempts)), isEnding: isEnding)
    }

    /// Until the descriptor is ready; false at the deadline, and when the process ends.
    func wait(_ descriptor: Int32, _ events: Int16) -> Bool {
        while true {
            let now = KeySetRefresher.monotonicNanoseconds()
            guard now < deadline, !isEnding() else { return false }
            var entry = pollfd(fd: descriptor, events: events, revents: 0)
            let result = poll(&entry, 1, Int32(min(deadline - now, Self.sliceNanoseconds) / 1_000_000) + 1)
            if result > 0 { return true }
            if result < 0, errno != EINTR { return false }
        }
    }
}

/// One connection that is waited for, with one deadline for everything.
private final class BlockingConnection {
    static let chunkBytes = 16_384

    private let descriptor: Int32
    private let patience: Patience
    private var peer: TLSPeer?
    private var session: TLSSession?

    /// Connects to the first address of the name that answers.
    init(host: String, port: UInt16, _ patience: Patience) throws(KeySet.Fault) {
        self.patience = patience
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0, let list else {
            throw KeySet.Fault(description: "a host that does not resolve")
        }
        defer { freeaddrinfo(list) }
        // One that drops what it is sent must leave time for the next.
        let addresses = sequence(first: list, next: { $0.pointee.ai_next }).prefix(Limits.addressesPerName).map(\.pointee)
        for (index, address) in addresses.enumerated() {
            if let descriptor = Self.connect(address, patience.share(of: addresses.count - index)) {
                self.descriptor = descriptor
                return
            }
        }
        throw KeySet.Fault(description: "a host that does not answer")
    }

    deinit {
        session?.closeNotify()
        session?.free()
        close(descriptor)
    }

    var cut: KeySet.Fault { KeySet.Fault(description: "an answer that ends too soon") }

    private static func connect(_ address: addrinfo, _ patience: Patience) -> Int32? {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(address.ai_family, type, 0)
        guard descriptor >= 0 else { return nil }
        if systemConnect(descriptor, address) || errno == EINPROGRESS, patience.wait(descriptor, Int16(POLLOUT)) {
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
        guard patience.wait(descriptor, events) else {
            throw KeySet.Fault(description: "no answer in time")
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
