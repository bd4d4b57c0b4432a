package import SluiceEvent
import SluiceHTTP

/// A socket that listens already when the gateway gets it: from a service manager (socket activation) or from the process that this
/// one replaces.
package struct ListeningSocket: Sendable {
    package let descriptor: Int32
    /// Whether a service manager holds the socket too. Such a socket outlives this process with all that waits in its queue, so
    /// the workers share it and open none beside it, whose queue would be lost with the process.
    package let isHeldElsewhere: Bool

    package init(descriptor: Int32, isHeldElsewhere: Bool) {
        self.descriptor = descriptor
        self.isHeldElsewhere = isHeldElsewhere
    }

    /// Where it listens; nil unless it is a TCP socket that does.
    package var address: SocketAddress? { Socket.listeningAddress(descriptor) }

    /// Which socket it is, whichever process's descriptor leads to it.
    package var identity: UInt64 { Socket.identity(descriptor) }

    /// Whether it is what a listener on `wanted` needs: the same address and port, or for every IPv4 address one for every address.
    package func serves(_ wanted: SocketAddress) -> Bool {
        guard let address else { return false }
        return address.isSame(as: wanted) || (address.isAny && wanted.isAny && address.port == wanted.port && wanted.ip.v4 != nil)
    }
}
