import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// One worker's listening socket, and what is done with the connections that it accepts.
///
/// Every worker has a socket of its own on the same port (SO_REUSEPORT), so the kernel spreads connections and no accept is
/// shared. A reload changes certificates and trust in place; the socket stays.
final class Listener {
    /// The address as configured: its identity over reloads.
    let address: String
    let descriptor: Int32
    let number: UInt16
    private(set) var tls: TLSServerContext?
    private(set) var expectsProxyHeader: Bool
    private(set) var trusted: TrustedProxies
    /// Keeps the memory of `trusted` alive.
    private var snapshot: Snapshot
    let event: UnsafeMutablePointer<SocketEvent>
    unowned let worker: Worker
    /// Until then nothing is accepted, in milliseconds of the monotonic clock; 0: accepting.
    var pausedUntil: UInt64 = 0
    /// Closed: connections that it accepted still refer to it.
    private(set) var isClosed = false

    init(_ plan: ListenerPlan, descriptor: Int32, number: UInt16, snapshot: Snapshot, worker: Worker) {
        address = plan.address
        self.descriptor = descriptor
        self.number = number
        self.snapshot = snapshot
        self.worker = worker
        tls = plan.tls
        expectsProxyHeader = plan.expectsProxyHeader
        trusted = snapshot.trusted[plan.address] ?? snapshot.trustedEverywhere
        event = .allocate(capacity: 1)
        event.initialize(to: SocketEvent())
    }

    deinit { event.deallocate() }

    /// Takes over what a reload changed. Connections that are open keep what they began with.
    func update(_ plan: ListenerPlan, snapshot: Snapshot) {
        tls = plan.tls
        expectsProxyHeader = plan.expectsProxyHeader
        trusted = snapshot.trusted[plan.address] ?? snapshot.trustedEverywhere
        self.snapshot = snapshot
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        if pausedUntil == 0 { event.disarm() }
        Socket.close(descriptor)
    }
}

/// A listener as a snapshot wants it, before any socket.
struct ListenerPlan: Sendable {
    /// `host:port` as configured.
    let address: String
    let socketAddress: SocketAddress
    /// Nil for plain HTTP.
    let tls: TLSServerContext?
    /// Whether every connection begins with a PROXY header.
    let expectsProxyHeader: Bool
}

/// A listening socket that was opened for one worker.
struct OpenedListener: Sendable {
    let plan: ListenerPlan
    /// Nil where the worker has the socket already.
    let descriptor: Int32?
}
