import CLibevent
import Glibc

// Listening sockets that come from elsewhere, a service manager or the process before this one, or lead to more than one loop.

extension Socket {
    /// Where a descriptor listens; nil unless it is a TCP socket that does.
    package static func listeningAddress(_ descriptor: Int32) -> SocketAddress? {
        guard option(SO_ACCEPTCONN, of: descriptor) == 1, option(SO_TYPE, of: descriptor) == Int32(SOCK_STREAM.rawValue) else { return nil }
        var address = SocketAddress()
        let status = address.withMutableSockaddr { getsockname(descriptor, $0, $1) }
        guard status == 0, address.family == AF_INET || address.family == AF_INET6 else { return nil }
        return address
    }

    /// Whether further sockets of this user may listen on the same address (SO_REUSEPORT).
    package static func mayHaveSiblings(_ descriptor: Int32) -> Bool { option(SO_REUSEPORT, of: descriptor) == 1 }

    /// Which socket a descriptor leads to: equal for duplicates, whichever process holds them. 0 if the kernel does not say.
    package static func identity(_ descriptor: Int32) -> UInt64 { sluice_socket_cookie(descriptor) }

    /// Another descriptor of the same socket, closed on exec.
    package static func duplicate(_ descriptor: Int32) -> Result<Int32, SocketError> {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        return copy >= 0 ? .success(copy) : .failure(SocketError(code: errno))
    }

    /// What a socket that was made elsewhere may lack: non-blocking, closed on exec, Nagle's delay off for what is accepted.
    package static func adopt(_ descriptor: Int32) {
        disableNagle(descriptor)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
    }
}
