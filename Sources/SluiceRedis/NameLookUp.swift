internal import Glibc
internal import SluiceCounting
internal import Synchronization

/// The addresses of the server's name. The system's look-up has no deadline of ours, and a node that is cut off waits for its name servers
/// as well as for its store: so it runs on a thread of its own, one at a time, and a name that is not resolved in time keeps the addresses
/// that it had. For one thread.
final class NameLookUp {
    /// A socket address of any family.
    struct Address: Sendable, Equatable {
        let bytes: [UInt8]

        /// Calls `body` with the address in the kernel's form.
        func withSockaddr<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
            var storage = sockaddr_storage()
            return withUnsafeMutableBytes(of: &storage) { memory in
                memory.copyBytes(from: bytes.prefix(memory.count))
                return body(memory.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped, socklen_t(min(bytes.count, memory.count)))
            }
        }

        var family: Int32 { withSockaddr { address, _ in Int32(address.pointee.sa_family) } }
    }

    struct Failure: Error, Equatable {
        let description: String
    }

    typealias Outcome = Result<[Address], Failure>

    /// Longest wait for a look-up: half of what there is for connecting with all that belongs to it.
    static let timeout: UInt64 = 500_000_000

    /// One look-up, shared with its thread. Readable at its end, which closes the other side.
    private final class Attempt: Sendable {
        let ending: Int32
        let outcome = Mutex<Outcome?>(nil)

        init(ending: Int32) { self.ending = ending }

        deinit { close(ending) }
    }

    private final class Task {
        let attempt: Attempt
        let host: String
        let port: UInt16
        let ask: @Sendable (String, UInt16) -> Outcome
        let ending: Int32

        init(_ attempt: Attempt, _ host: String, _ port: UInt16, _ ask: @escaping @Sendable (String, UInt16) -> Outcome, ending: Int32) {
            (self.attempt, self.host, self.port, self.ask, self.ending) = (attempt, host, port, ask, ending)
        }

        func run() {
            let found = ask(host, port)
            attempt.outcome.withLock { $0 = found }
            close(ending)
        }
    }

    private let host: String
    private let port: UInt16
    private let ask: @Sendable (String, UInt16) -> Outcome
    private var underWay: Attempt?
    private var known: [Address] = []

    /// - Parameter ask: the system's look-up, or a test's. May block.
    init(_ host: String, port: UInt16, ask: @escaping @Sendable (String, UInt16) -> Outcome = NameLookUp.system) {
        (self.host, self.port, self.ask) = (host, port, ask)
    }

    /// The addresses, at least one. Waits until the deadline (monotonic nanoseconds) at most.
    func addresses(deadline: UInt64) throws(AllowanceStoreError) -> [Address] {
        let attempt: Attempt
        if let underWay {
            attempt = underWay
        } else {
            attempt = try begin()
            underWay = attempt
        }
        var failure = AllowanceStoreError("its name is not resolved in time")
        if isOver(attempt, by: deadline) {
            underWay = nil
            switch attempt.outcome.withLock({ $0 }) {
            case .success(let addresses) where !addresses.isEmpty:
                known = addresses
                return addresses
            case .failure(let reason): failure = AllowanceStoreError("its name cannot be resolved: \(reason.description)")
            default: failure = AllowanceStoreError("its name has no address")
            }
        }
        guard known.isEmpty else { return known }
        throw failure
    }

    private func isOver(_ attempt: Attempt, by deadline: UInt64) -> Bool {
        while true {
            let now = RedisConnection.now()
            var entry = pollfd(fd: attempt.ending, events: Int16(POLLIN), revents: 0)
            let result = poll(&entry, 1, now < deadline ? Int32(clamping: (deadline - now) / 1_000_000 + 1) : 0)
            if result > 0 { return true }
            if result == 0 || errno != EINTR { return false }
        }
    }

    private func begin() throws(AllowanceStoreError) -> Attempt {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else { throw AllowanceStoreError("no pipe: error \(errno)") }
        let attempt = Attempt(ending: ends[0])
        let task = Unmanaged.passRetained(Task(attempt, host, port, ask, ending: ends[1]))
        var thread = pthread_t()
        let status = pthread_create(&thread, nil, { pointer in
            guard let pointer else { return nil }
            Unmanaged<Task>.fromOpaque(pointer).takeRetainedValue().run()
            return nil
        }, task.toOpaque())
        guard status == 0 else {
            task.release()
            close(ends[1])
            throw AllowanceStoreError("no thread: error \(status)")
        }
        // The process does not wait for it: it touches nothing but the attempt.
        pthread_detach(thread)
        return attempt
    }

    /// Asks the system (hosts file, name servers). Blocks.
    @Sendable
    static func system(_ host: String, _ port: UInt16) -> Outcome {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else { return .failure(Failure(description: String(cString: gai_strerror(code)))) }
        defer { freeaddrinfo(list) }
        var found: [Address] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            if let address = entry.ai_addr {
                found.append(Address(bytes: Array(UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen)))))
            }
        }
        return .success(found)
    }
}
