package import CLibevent
import Glibc
package import SluiceHTTP

/// An IPv4 or IPv6 address with a port, in the kernel's form. Plain bytes, which the imported struct does not say of itself:
/// hence the unchecked Sendable.
package struct SocketAddress: BitwiseCopyable, @unchecked Sendable {
    var storage: sockaddr_storage
    var size: socklen_t

    /// No address; to be filled by `accept`.
    package init() {
        storage = sockaddr_storage()
        size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    }

    package init(_ address: IPAddress, port: UInt16) {
        self.init()
        if let v4 = address.v4 {
            var inet = sockaddr_in()
            inet.sin_family = sa_family_t(AF_INET)
            inet.sin_port = port.bigEndian
            inet.sin_addr.s_addr = v4.bigEndian
            size = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: inet, as: sockaddr_in.self) }
        } else {
            var inet = sockaddr_in6()
            inet.sin6_family = sa_family_t(AF_INET6)
            inet.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &inet.sin6_addr) { bytes in
                bytes.storeBytes(of: address.high.bigEndian, toByteOffset: 0, as: UInt64.self)
                bytes.storeBytes(of: address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            size = socklen_t(MemoryLayout<sockaddr_in6>.size)
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: inet, as: sockaddr_in6.self) }
        }
    }

    /// A copy of a kernel address of `size` bytes; nil unless it is IPv4 or IPv6. Not `socklen_t`: two modules bring that name, and
    /// which of them the compiler names depends on what it compiles together.
    package init?(_ address: UnsafePointer<sockaddr>?, size: UInt32) {
        guard let address, size <= MemoryLayout<sockaddr_storage>.size,
            [AF_INET, AF_INET6].contains(Int32(address.pointee.sa_family))
        else { return nil }
        self.init()
        self.size = size
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(size)))
        }
    }

    /// Whether both say the same address and port.
    package func isSame(as other: SocketAddress) -> Bool { family == other.family && ip == other.ip && port == other.port }

    /// Whether it stands for every address of its family.
    package var isAny: Bool { ip == IPAddress(v4: 0) || ip == IPAddress(high: 0, low: 0) }

    package var family: Int32 { Int32(storage.ss_family) }

    /// The address without its port; IPv4-mapped IPv6 as IPv4.
    package var ip: IPAddress {
        withUnsafeBytes(of: storage) { bytes in
            if family == AF_INET {
                return IPAddress(v4: UInt32(bigEndian: bytes.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr))
            }
            // The address stands behind family, port and flow label.
            return IPAddress(
                high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)))
        }
    }

    /// The port in the machine's byte order.
    package var port: UInt16 {
        withUnsafeBytes(of: storage) { UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) }
    }

    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }

    mutating func withMutableSockaddr<Result>(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result
    ) -> Result {
        size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &size) { size in
            withUnsafeMutablePointer(to: &storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
            }
        }
    }
}
