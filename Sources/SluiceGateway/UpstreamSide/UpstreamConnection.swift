import SluiceEvent
import SluiceHTTP

/// A connection to one address of a service: a flat struct in its worker's slab.
///
/// Large because it is one place in a slab: event, deadline, socket and neighbours stand in it, so that nothing is allocated for a connection.
struct UpstreamConnection {
    var event = SocketEvent()
    /// Tells a queue entry that was made for an earlier connection in this place.
    var generation: UInt32 = 0
    var state = UpstreamState.free
    var socket = PeerSocket()
    /// Whether a turn of this connection is queued already.
    var isQueued = false
    /// Whether it has served a response before: only then can the peer have closed it without a fault.
    var isReused = false
    /// Whether the service will take another request on it: false from the first sign that it will not.
    var keepsAlive = true
    /// Whether its response waits for the client, who has not taken what came before; `resumeService` lets it go on.
    var isHeldBack = false
    /// When it was last given to the pool: milliseconds of the monotonic clock, the lower half, so that it has room here. None stays idle
    /// for as long as that takes to come round.
    var idleSince: UInt32 = 0
    var deadline: Deadline
    /// Whom the callback of its event calls: `UpstreamTransport`.
    let owner: UnsafeMutableRawPointer
    /// Where it leads. Nil only in a place that is not in use.
    var address: UpstreamAddressRef?
    /// The exchange that it serves; nil while it serves none.
    var exchange: ExchangeRef?
    var output = OutputQueue()
    /// The beginning of a response head or trailer section that has not come whole.
    var carry: UnsafeMutableRawPointer?
    var carryCount = 0
    /// The rest of a response that nobody waits for.
    var discard = DiscardedBody()
    /// What it has besides if exchanges may share it; nil if it speaks HTTP/1.1. `exchange` is nil then.
    var http2: HTTP2ClientRef?
    /// Neighbours among the idle connections of the address, or among those that exchanges share.
    var nextIdle: UpstreamRef?
    var previousIdle: UpstreamRef?

    /// A place that is not in use.
    init(owner: UnsafeMutableRawPointer) {
        deadline = Deadline(kind: .upstream)
        self.owner = owner
    }

    /// Makes a place that was used before like a new one: nothing of the connection before is left but the count of those.
    mutating func renew() {
        let generation = generation
        self = UpstreamConnection(owner: owner)
        self.generation = generation
    }
}

/// A connection to a service, as the worker's functions take it.
typealias UpstreamRef = UnsafeMutablePointer<UpstreamConnection>

/// What a connection to a service is doing. Exactly one of these at any time.
enum UpstreamState: UInt8 {
    /// The place is not in use.
    case free
    /// The kernel is connecting.
    case connecting
    /// TLS is being set up.
    case handshaking
    /// A request is on its way or its response is read.
    case active
    /// In the pool. Anything that arrives now closes it.
    case idle
    /// The exchange has gone on; the rest of a response is read to keep the connection.
    case discarding
    /// Bytes pass both ways unread, after 101.
    case tunnelling
    /// HTTP/2: any number of exchanges have it, or none.
    case multiplexed
}

/// How much of a response is still to be read and thrown away.
struct DiscardedBody {
    var framing = BodyFraming.none
    var remaining: UInt64 = 0
    var decoder = ChunkedDecoder()
    var total: UInt64 = 0
}

extension ExchangeRun {
    /// The connection to a service that the exchange has at the moment; nil while it has none.
    @inline(__always)
    var upstream: UpstreamRef? {
        get { upstreamPlace?.assumingMemoryBound(to: UpstreamConnection.self) }
        set { upstreamPlace = newValue.map { UnsafeMutableRawPointer($0) } }
    }
}

extension UpstreamRef {
    /// Where the connection's deadline stands.
    @inline(__always)
    var deadline: UnsafeMutablePointer<Deadline> { field(MemoryLayout<UpstreamConnection>.offset(of: \.deadline)) }

    /// Where the connection's event stands.
    var event: UnsafeMutablePointer<SocketEvent> { field(MemoryLayout<UpstreamConnection>.offset(of: \.event)) }
}

extension Turn {
    /// Gives the connection another turn after the others had theirs.
    func enqueue(_ connection: UpstreamRef) {
        guard !connection.pointee.isQueued else { return }
        connection.pointee.isQueued = true
        enqueue(.init(place: connection, generation: connection.pointee.generation, kind: .upstream))
    }

    /// Sets a deadline `milliseconds` from now; 0 means none.
    @inline(__always)
    func limit(_ connection: UpstreamRef, to milliseconds: UInt64) {
        set(connection.deadline, at: milliseconds == 0 ? Deadline.never : now + milliseconds)
    }
}
