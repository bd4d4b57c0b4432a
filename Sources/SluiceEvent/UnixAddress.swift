import CLibevent
import Glibc

/// An address of the Unix family: a path, or with a leading `@` a name in the kernel's abstract space (unix(7)).
/// Plain bytes, which the imported struct does not say of itself: hence the unchecked Sendable.
package struct UnixAddress: @unchecked Sendable {
    private var storage = sockaddr_un()
    private let size: socklen_t

    /// Nil for text that is empty, holds a NUL or does not fit (107 bytes).
    package init?(_ text: String) {
        var bytes = [UInt8](text.utf8)
        guard !bytes.isEmpty, !bytes.contains(0), bytes.count < MemoryLayout.size(ofValue: storage.sun_path) else { return nil }
        let isAbstract = bytes[0] == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 }
        storage.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &storage.sun_path) { $0.copyBytes(from: bytes) }
        // An abstract name is all bytes up to the size; a path ends with its NUL.
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? MemoryLayout<sa_family_t>.size
        size = socklen_t(start + bytes.count + (isAbstract ? 0 : 1))
    }

    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }

    /// Longest wait for somebody whose queue is full.
    private static let sendTimeout = timeval(tv_sec: 1, tv_usec: 0)

    /// Sends one datagram. False if nobody takes it within a second.
    package func sendDatagram(_ text: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { Socket.close(descriptor) }
        var limit = Self.sendTimeout
        _ = setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var text = text
        return text.withUTF8 { bytes in
            withSockaddr { sendto(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL), $0, $1) } == bytes.count
        }
    }
}
