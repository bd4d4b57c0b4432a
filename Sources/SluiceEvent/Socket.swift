// Public for the one reason that `Readiness` is: sends and receives are inlined into the data plane.
public import CLibevent
public import Glibc

/// What one attempt to move bytes came to.
@frozen
public enum Transfer: BitwiseCopyable, Sendable {
    /// This many bytes, at least one.
    case bytes(Int)
    /// Nothing can move right now; the loop will say when.
    case wouldBlock
    /// The peer has ended its stream in order.
    case ended
    /// The connection is broken; the errno says how.
    case failed(Int32)
}

/// Non-blocking socket calls. Every one retries on EINTR; none raises SIGPIPE.
public enum Socket {
    /// Reads once, at most `capacity` bytes, which is at least 1.
    @inlinable
    @inline(__always)
    public static func receive(_ descriptor: Int32, into memory: UnsafeMutableRawPointer, capacity: Int) -> Transfer {
        while true {
            let count = sluice_receive(descriptor, memory, capacity, 0)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .ended }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            case let error: return .failed(error)
            }
        }
    }

    /// Looks at what can be read without taking it.
    package static func peek(_ descriptor: Int32, into memory: UnsafeMutableRawPointer, capacity: Int) -> Transfer {
        while true {
            let count = recv(descriptor, memory, capacity, Int32(MSG_PEEK))
            if count > 0 { return .bytes(count) }
            if count == 0 { return .ended }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            case let error: return .failed(error)
            }
        }
    }

    /// Writes once, as many of `count` bytes, at least 1, as the kernel takes.
    @inlinable
    @inline(__always)
    public static func send(_ descriptor: Int32, _ memory: UnsafeRawPointer, count: Int) -> Transfer {
        while true {
            let sent = sluice_send(descriptor, memory, count, Int32(MSG_NOSIGNAL))
            if sent >= 0 { return sent > 0 ? .bytes(sent) : .wouldBlock }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            case let error: return .failed(error)
            }
        }
    }

    /// Closes the descriptor. Not repeated on EINTR: Linux has released it by then.
    @inlinable
    package static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    /// Ends the sending side; the peer reads an end of stream after the bytes already sent.
    package static func shutdownSending(_ descriptor: Int32) { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    /// Makes the close that follows a reset, so that nothing lingers in the kernel for a peer that misbehaved.
    package static func resetOnClose(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    /// Bytes that were handed over and that the peer's machine has not acknowledged: what shows whether a peer takes anything while the
    /// kernel's buffer is too full to report room in it.
    package static func unacknowledged(_ descriptor: Int32) -> Int {
        var count: Int32 = 0
        return sluice_unacknowledged(descriptor, &count) == 0 ? Int(count) : 0
    }

    /// Sends small writes at once: a proxy must not add Nagle's delay to somebody else's latency.
    @inlinable
    package static func disableNagle(_ descriptor: Int32) {
        var on: Int32 = 1
        _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Starts to connect. The descriptor, or the errno of the failure; the loop reports writable when the attempt has ended.
    package static func startConnecting(to address: borrowing SocketAddress) -> Result<Int32, SocketError> {
        let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return .failure(SocketError(code: errno)) }
        disableNagle(descriptor)
        let status = address.withSockaddr { connect(descriptor, $0, $1) }
        if status == 0 || errno == EINPROGRESS || errno == EINTR { return .success(descriptor) }
        let error = errno
        close(descriptor)
        return .failure(SocketError(code: error))
    }

    /// The error that a connect ended with; 0 if it succeeded.
    package static func pendingError(_ descriptor: Int32) -> Int32 {
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno
    }

    /// Accepts one connection. `wouldBlock` when none waits.
    package static func accept(_ listener: Int32, from address: inout SocketAddress) -> Transfer {
        while true {
            let descriptor = address.withMutableSockaddr { memory, size in
                sluice_accept(listener, memory, size)
            }
            if descriptor >= 0 { return .bytes(Int(descriptor)) }
            switch errno {
            // A connection that died in the queue is not the listener's failure.
            case EINTR, ECONNABORTED, EPROTO, EPERM: continue
            case EAGAIN: return .wouldBlock
            case let error: return .failed(error)
            }
        }
    }

    /// A listening socket, or the errno of the call that failed.
    ///
    /// The workers of one gateway share a port (SO_REUSEPORT). Left at that, a second gateway of the same user would share it too,
    /// without a word. So the first socket is bound alone, which fails if anybody listens, and is opened to others only then.
    ///
    /// - Parameter unsentBytes: see `limitUnsent`; nil leaves it to the kernel.
    package static func listen(
        on address: borrowing SocketAddress, backlog: Int32, isFirst: Bool, unsentBytes: Int? = nil
    ) -> Result<Int32, SocketError> {
        let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return .failure(SocketError(code: errno)) }
        enable(SO_REUSEADDR, SOL_SOCKET, descriptor)
        if !isFirst { enable(SO_REUSEPORT, SOL_SOCKET, descriptor) }
        // What is accepted inherits it: one system call less for every connection.
        disableNagle(descriptor)
        if address.family == AF_INET6 { enable(IPV6_V6ONLY, Int32(IPPROTO_IPV6), descriptor) }
        guard address.withSockaddr({ bind(descriptor, $0, $1) }) == 0 else { return failure(closing: descriptor) }
        if isFirst { enable(SO_REUSEPORT, SOL_SOCKET, descriptor) }
        // Before any connection can be there.
        if let unsentBytes { limitUnsent(descriptor, bytes: unsentBytes) }
        guard Glibc.listen(descriptor, backlog) == 0 else { return failure(closing: descriptor) }
        return .success(descriptor)
    }

    /// Bounds what a socket takes before the peer's window lets it go (TCP_NOTSENT_LOWAT). Connections inherit it from their listener.
    package static func limitUnsent(_ descriptor: Int32, bytes: Int) {
        var size = Int32(clamping: bytes)
        _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, &size, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func enable(_ option: Int32, _ level: Int32, _ descriptor: Int32) {
        var on: Int32 = 1
        _ = setsockopt(descriptor, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func failure(closing descriptor: Int32) -> Result<Int32, SocketError> {
        let error = SocketError(code: errno)
        close(descriptor)
        return .failure(error)
    }
}

/// An errno with its text.
package struct SocketError: Error, CustomStringConvertible {
    package let code: Int32

    package init(code: Int32) { self.code = code }

    /// The kernel has no memory for the call.
    package static var outOfMemory: SocketError { SocketError(code: ENOMEM) }

    /// Whether the peer's machine answered that nobody listens.
    package var isRefusal: Bool { code == ECONNREFUSED }

    /// Whether there is no file of that name.
    package var isAbsence: Bool { code == ENOENT }

    /// Whether this process or machine has run out of descriptors, ports or memory: no fault of the peer's.
    package var isExhaustion: Bool {
        code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM || code == EADDRNOTAVAIL || code == EAGAIN
    }

    package var description: String { String(cString: strerror(code)) }
}
