import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// A listening socket of one worker, and what is done with the connections that it accepts.
///
/// Every worker has a socket of its own on the same port (SO_REUSEPORT), so the kernel spreads connections and no accept is
/// shared; `ListeningSockets` has the exceptions. A reload changes certificates and trust in place; the socket stays.
///
/// Large because it has all that its connections begin with.
final class Listener {
    /// The address as configured: its identity over reloads.
    let address: String
    let socket: ListeningSocket
    /// Its place among the worker's listeners, by which connections know it.
    let number: UInt16
    private(set) var tls: TLSServerContext?
    /// Whether the last reload has changed who is let in by a certificate.
    private(set) var hasChangedClients = false
    private(set) var expectsProxyHeader: Bool
    /// Whether connections that begin with the preface of HTTP/2 speak it; with TLS the handshake says what they speak.
    private(set) var acceptsPreface: Bool
    private(set) var trusted: TrustedProxies
    /// Its connections on all workers, and how many there may be; 0: no bound.
    let open: ConnectionCount
    private(set) var connectionsMax: Int
    /// Keeps the memory of `trusted` alive; nil when nothing asks for that any more.
    private var snapshot: Snapshot?
    let event: UnsafeMutablePointer<SocketEvent>
    /// Takes what waits in the socket's queue. On its worker's thread.
    let accept: (Listener) -> Void
    /// Until then nothing is accepted, in milliseconds of the monotonic clock; 0: accepting.
    var pausedUntil: UInt64 = 0
    /// Closed: connections that it accepted may still refer to it.
    private(set) var isClosed = false
    /// Those of them that are open.
    private var connections = 0

    var descriptor: Int32 { socket.descriptor }

    init(_ plan: ListenerPlan, socket: ListeningSocket, number: UInt16, snapshot: Snapshot, accept: @escaping (Listener) -> Void) {
        address = plan.address
        self.socket = socket
        self.number = number
        self.snapshot = snapshot
        self.accept = accept
        tls = plan.tls
        expectsProxyHeader = plan.expectsProxyHeader
        acceptsPreface = plan.acceptsPreface
        trusted = snapshot.trusted[plan.address] ?? snapshot.trustedEverywhere
        open = plan.open
        connectionsMax = plan.connectionsMax
        event = .allocate(capacity: 1)
        event.initialize(to: SocketEvent())
    }

    deinit { event.deallocate() }

    /// Takes over what a reload changed. Connections that are open keep what they began with, but for trust: see `Listeners.set`.
    func update(_ plan: ListenerPlan, snapshot: Snapshot) {
        hasChangedClients = tls?.clients?.fingerprint != plan.tls?.clients?.fingerprint
        tls = plan.tls
        expectsProxyHeader = plan.expectsProxyHeader
        acceptsPreface = plan.acceptsPreface
        trusted = snapshot.trusted[plan.address] ?? snapshot.trustedEverywhere
        connectionsMax = plan.connectionsMax
        self.snapshot = snapshot
    }

    /// A listener that the configuration has no more, but that has connections still: they trust whom all listeners trust.
    func outlive(_ snapshot: Snapshot) {
        guard !isGone else { return }
        trusted = snapshot.trustedEverywhere
        self.snapshot = snapshot
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        if pausedUntil == 0 { event.disarm() }
        Socket.close(descriptor)
        if isGone { letGo() }
    }

    /// Whether it is closed and its last connection too: its place may be given to another.
    var isGone: Bool { isClosed && connections == 0 }

    /// A connection that it accepted refers to it from here on.
    func connectionOpened() { connections += 1 }

    /// A connection that it accepted is closed.
    func connectionClosed() {
        connections -= 1
        if isGone { letGo() }
    }

    /// A configuration that is gone takes its memory along, certificates included.
    private func letGo() {
        tls = nil
        trusted = TrustedProxies(blocks: ArenaSlice())
        snapshot = nil
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
    /// Whether connections may begin with the preface of HTTP/2, without TLS.
    let acceptsPreface: Bool
    /// Most connections at once; 0: no bound.
    let connectionsMax: Int
    let open: ConnectionCount

    /// `host:port` as it is listened on: with the port that the system chose where 0 is configured.
    func name(_ sockets: [[ListeningSocket]]?) -> String {
        guard socketAddress.port == 0, let chosen = sockets?.first?.first?.address else { return address }
        return address.dropLast() + "\(chosen.port)"
    }
}

/// A listener with the sockets that were opened for one worker.
struct OpenedListener: Sendable {
    let plan: ListenerPlan
    /// Empty where the worker has them already.
    let sockets: [ListeningSocket]
}
