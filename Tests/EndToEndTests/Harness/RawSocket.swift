import Glibc
import Synchronization

/// One TCP socket on loopback. Every operation is bounded by the socket's timeout.
final class RawSocket: Sendable {
    private let descriptor: Mutex<Int32>

    private init(_ fd: Int32) { descriptor = Mutex(fd) }

    /// The descriptor; -1 once closed. Never a number that another socket of another test may have got since.
    private var fd: Int32 { descriptor.withLock { $0 } }

    deinit { close() }

    /// Connects to 127.0.0.1.
    /// - Parameters:
    ///   - source: the local address to connect from: any of 127.0.0.0/8.
    ///   - receiveBuffer: what the kernel holds for it, and so the window that the peer is told of from the beginning.
    static func connect(port: UInt16, timeout: Double = 10, source: String? = nil, receiveBuffer: Int32? = nil) throws -> RawSocket {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw HarnessError("socket: errno \(errno)") }
        let socket = RawSocket(fd)
        socket.setTimeout(timeout)
        if let receiveBuffer { socket.setReceiveBuffer(receiveBuffer) }
        var one: Int32 = 1
        setsockopt(fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        if let source {
            var from = address(source, port: 0)
            guard withSocketAddress(&from, { bind(fd, $0, $1) }) == 0 else { throw HarnessError("bind \(source): errno \(errno)") }
        }
        var to = address("127.0.0.1", port: port)
        guard withSocketAddress(&to, { Glibc.connect(fd, $0, $1) }) == 0 else {
            throw HarnessError("connect to port \(port): errno \(errno)")
        }
        return socket
    }

    /// Listens on 127.0.0.1; port 0 lets the kernel choose.
    /// - Parameter backlog: connections that the kernel completes without an `accept`, less one.
    static func listen(port: UInt16 = 0, backlog: Int32 = 256) throws -> RawSocket {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw HarnessError("socket: errno \(errno)") }
        let socket = RawSocket(fd)
        var one: Int32 = 1
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        var at = address("127.0.0.1", port: port)
        guard withSocketAddress(&at, { bind(fd, $0, $1) }) == 0, Glibc.listen(fd, backlog) == 0 else {
            throw HarnessError("listen on port \(port): errno \(errno)")
        }
        return socket
    }

    /// Listens on a Unix socket.
    static func listen(path: String) throws -> RawSocket {
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let listener = RawSocket(fd)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: [UInt8](path.utf8)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard bound == 0, Glibc.listen(fd, 8) == 0 else { throw HarnessError("listen on \(path): errno \(errno)") }
        return listener
    }

    /// Whether somebody waits to be accepted.
    var hasCaller: Bool {
        var entry = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// The descriptor's number, for a child process to inherit.
    var number: Int32 { fd }

    var localPort: UInt16 {
        var at = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &at) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(fd, $0, &length) }
        }
        return UInt16(bigEndian: at.sin_port)
    }

    /// The next connection; nil when the listener was closed.
    func accept() -> RawSocket? {
        while true {
            let accepted = Glibc.accept(fd, nil, nil)
            if accepted >= 0 {
                _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
                var one: Int32 = 1
                setsockopt(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
                let socket = RawSocket(accepted)
                socket.setTimeout(20)
                return socket
            }
            if errno != EINTR && errno != ECONNABORTED { return nil }
        }
    }

    func setTimeout(_ patience: Double) {
        let seconds = TimeScale.patience(patience)
        var time = timeval(tv_sec: Int(seconds), tv_usec: Int((seconds - seconds.rounded(.down)) * 1_000_000))
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Limits what the kernel holds for this socket, so that back-pressure shows early.
    func setReceiveBuffer(_ bytes: Int32) {
        var size = bytes
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, 4)
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.send(fd, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL)) }
            if count < 0 {
                if errno == EINTR { continue }
                throw HarnessError("send: errno \(errno) after \(sent) of \(bytes.count) bytes")
            }
            sent += count
        }
    }

    func send(_ text: String) throws { try send([UInt8](text.utf8)) }

    /// Some bytes, at least one; nil at the end of the stream.
    func receive(atMost limit: Int = 65_536) throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: limit)
        while true {
            let count = buffer.withUnsafeMutableBytes { recv(fd, $0.baseAddress!, $0.count, 0) }
            if count > 0 { return Array(buffer[0..<count]) }
            if count == 0 { return nil }
            if errno == EINTR { continue }
            if errno == EAGAIN { throw HarnessError("timed out waiting for bytes") }
            throw HarnessError("receive: errno \(errno)")
        }
    }

    /// Tells the peer that nothing more will be sent; receiving goes on.
    func shutdownWrite() { shutdown(fd, Int32(SHUT_WR)) }

    /// Wakes whoever waits on this socket.
    func interrupt() {
        descriptor.withLock { value in
            if value >= 0 { shutdown(value, Int32(SHUT_RDWR)) }
        }
    }

    /// Closes with a reset in place of an orderly end.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func close() {
        descriptor.withLock { value in
            if value >= 0 { Glibc.close(value) }
            value = -1
        }
    }

    private static func address(_ text: String, port: UInt16) -> sockaddr_in {
        var result = sockaddr_in()
        result.sin_family = sa_family_t(AF_INET)
        result.sin_port = port.bigEndian
        inet_pton(AF_INET, text, &result.sin_addr)
        return result
    }

    private static func withSocketAddress<R>(_ value: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafePointer(to: &value) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}
