import Glibc
import Synchronization

/// Ports for servers that tests start. They come from below the kernel's range for outgoing connections, so that none is
/// taken by a client's socket between the choice and the bind, and none is handed out twice by one process (two gateways
/// with SO_REUSEPORT on one port would share its connections silently).
enum Ports {
    private static let next = Atomic<UInt32>(UInt32(getpid()) &* 37)

    /// A port of 127.0.0.1 on which nothing listens.
    static func free() throws -> UInt16 {
        for _ in 0..<2000 {
            let port = UInt16(12_000 + next.wrappingAdd(1, ordering: .relaxed).oldValue % 20_000)
            if let probe = try? RawSocket.listen(port: port) {
                probe.close()
                return port
            }
        }
        throw HarnessError("no free port")
    }
}
