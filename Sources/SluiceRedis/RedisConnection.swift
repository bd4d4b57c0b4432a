internal import CHiredis
internal import Glibc
internal import SluiceConfiguration
internal import SluiceCounting
internal import SluiceCrypto

/// One connection to Redis, over TCP or TLS. It waits, with deadlines, and is for one thread. After any failure it is of no use any more: a
/// reply that is still on its way must never be taken for another's.
final class RedisConnection {
    /// Longest reply, and most elements of all arrays in it: ten times what a batch is answered with.
    static let replyBytesMax = 16 << 20
    static let replyElementsMax = 1 << 18

    private let descriptor: Int32
    private let reader: UnsafeMutablePointer<redisReader>
    /// The reader's; freed after it.
    private let bounds: UnsafeMutablePointer<sluice_redis_bounds>
    private var session: TLSSession?
    private var buffer = [UInt8](repeating: 0, count: 16_384)

    /// Connects, within the deadline (monotonic nanoseconds).
    init(_ name: NameLookUp, tls peer: TLSPeer?, deadline: UInt64) throws(AllowanceStoreError) {
        let descriptor = try Self.open(name, deadline: deadline)
        let bounds = UnsafeMutablePointer<sluice_redis_bounds>.allocate(capacity: 1)
        guard let reader = sluice_redis_reader_create(bounds) else {
            Glibc.close(descriptor)
            bounds.deallocate()
            throw AllowanceStoreError("no memory")
        }
        self.bounds = bounds
        self.descriptor = descriptor
        self.reader = reader
        if let peer { try handshake(peer, deadline: deadline) }
    }

    deinit {
        session?.closeNotify()
        session?.free()
        redisReaderFree(reader)
        bounds.deallocate()
        Glibc.close(descriptor)
    }

    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    // MARK: Commands

    /// Sends the command and waits for its reply. A reply that is an error is returned, not thrown.
    func call(_ command: RedisCommand, deadline: UInt64) throws(AllowanceStoreError) -> RedisReply {
        guard let bytes = command.formatted else { throw AllowanceStoreError("no memory") }
        try send(bytes, deadline: deadline)
        var received = 0
        bounds.pointee.elements = Self.replyElementsMax
        while received <= Self.replyBytesMax {
            var reply: UnsafeMutableRawPointer?
            guard redisReaderGetReply(reader, &reply) == REDIS_OK else { throw AllowanceStoreError("it does not speak Redis's protocol") }
            if let reply {
                defer { freeReplyObject(reply) }
                return RedisReply(UnsafePointer(reply.assumingMemoryBound(to: redisReply.self)))
            }
            let count = try receive(deadline: deadline)
            received += count
            let isFed = buffer.withUnsafeBytes { memory in
                redisReaderFeed(reader, memory.bindMemory(to: CChar.self).baseAddress, count) == REDIS_OK
            }
            guard isFed else { throw AllowanceStoreError("it does not speak Redis's protocol") }
        }
        throw AllowanceStoreError("its answer is too long")
    }

    // MARK: Bytes

    private func send(_ bytes: [UInt8], deadline: UInt64) throws(AllowanceStoreError) {
        var sent = 0
        while sent < bytes.count {
            let step = bytes.withUnsafeBytes { memory in write(memory.baseAddress.map { $0 + sent }, count: bytes.count - sent) }
            switch step {
            case .moved(let count): sent += count
            case .waits(let events): try wait(for: events, deadline: deadline)
            case .ended: throw AllowanceStoreError("the connection broke")
            }
        }
    }

    private func receive(deadline: UInt64) throws(AllowanceStoreError) -> Int {
        while true {
            switch read() {
            case .moved(let count): return count
            case .waits(let events): try wait(for: events, deadline: deadline)
            case .ended: throw AllowanceStoreError("the connection broke")
            }
        }
    }

    private enum Step {
        case moved(Int)
        case waits(Int32)
        case ended
    }

    private func write(_ memory: UnsafeRawPointer?, count: Int) -> Step {
        guard let memory else { return .ended }
        if let session { return step(session.write(memory, count: count)) }
        let result = Glibc.send(descriptor, memory, count, Int32(MSG_NOSIGNAL))
        return result > 0 ? .moved(result) : Self.failure(events: POLLOUT)
    }

    private func read() -> Step {
        buffer.withUnsafeMutableBytes { memory in
            guard let base = memory.baseAddress else { return .ended }
            if let session { return step(session.read(into: base, capacity: memory.count)) }
            let result = recv(descriptor, base, memory.count, 0)
            if result == 0 { return .ended }
            return result > 0 ? .moved(result) : Self.failure(events: POLLIN)
        }
    }

    private func step(_ result: TLSResult) -> Step {
        switch result {
        case .bytes(let count): .moved(count)
        case .wantRead: .waits(POLLIN)
        case .wantWrite: .waits(POLLOUT)
        case .closed, .failed: .ended
        }
    }

    /// What the socket's last error means; `EINTR` waits too, for what is there already.
    private static func failure(events: Int32) -> Step {
        errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? .waits(events) : .ended
    }

    private func wait(for events: Int32, deadline: UInt64) throws(AllowanceStoreError) {
        try Self.wait(descriptor, for: events, deadline: deadline)
    }

    private static func wait(_ descriptor: Int32, for events: Int32, deadline: UInt64) throws(AllowanceStoreError) {
        while true {
            let now = now()
            guard now < deadline else { throw AllowanceStoreError("no answer in time") }
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let result = poll(&entry, 1, Int32(clamping: (deadline - now) / 1_000_000 + 1))
            if result > 0 { return }
            if result < 0, errno != EINTR { throw AllowanceStoreError("poll: error \(errno)") }
        }
    }

    // MARK: Connecting

    private static func open(_ name: NameLookUp, deadline: UInt64) throws(AllowanceStoreError) -> Int32 {
        var failure = AllowanceStoreError("its name has no address")
        let addresses = try name.addresses(deadline: min(deadline, now() + NameLookUp.timeout))
        for (index, address) in addresses.enumerated() {
            // One that drops what it is sent must leave time for the next.
            let now = now()
            let share = (deadline - min(deadline, now)) / UInt64(addresses.count - index)
            do throws(AllowanceStoreError) {
                return try connect(address, deadline: now + share)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private static func connect(_ address: NameLookUp.Address, deadline: UInt64) throws(AllowanceStoreError) -> Int32 {
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, flags, 0)
        guard descriptor >= 0 else { throw AllowanceStoreError("no socket: error \(errno)") }
        var isConnected = false
        defer { if !isConnected { Glibc.close(descriptor) } }
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        if address.withSockaddr({ Glibc.connect(descriptor, $0, $1) }) != 0 {
            guard errno == EINPROGRESS else { throw AllowanceStoreError("no connection: " + String(cString: strerror(errno))) }
            try wait(descriptor, for: POLLOUT, deadline: deadline)
            var code: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
            guard code == 0 else { throw AllowanceStoreError("no connection: " + String(cString: strerror(code))) }
        }
        isConnected = true
        return descriptor
    }

    private func handshake(_ peer: TLSPeer, deadline: UInt64) throws(AllowanceStoreError) {
        guard let session = TLSSession(peer.handle, descriptor: descriptor) else { throw AllowanceStoreError("no memory") }
        self.session = session
        while true {
            switch session.handshake() {
            case .bytes: return
            case .wantRead: try wait(for: POLLIN, deadline: deadline)
            case .wantWrite: try wait(for: POLLOUT, deadline: deadline)
            case .closed, .failed: throw AllowanceStoreError("no TLS connection: " + (session.failureReason ?? "it was closed"))
            }
        }
    }
}
