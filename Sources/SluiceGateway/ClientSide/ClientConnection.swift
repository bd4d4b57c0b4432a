import SluiceEvent
import SluiceHTTP

/// A client's connection. A flat struct in its worker's slab: the event is embedded, nothing is reference counted.
///
/// While it is idle it holds nothing but this: the exchange block comes with the first byte of a request and goes with
/// the last byte of the response.
///
/// Large because it is one place in a slab: event, deadline and socket stand in it, so that nothing is allocated for a connection.
struct ClientConnection {
    var event = SocketEvent()
    /// Tells a queue entry that was made for an earlier connection in this place.
    var generation: UInt32 = 0
    var state = ClientState.free
    var socket = PeerSocket()
    /// Whether a turn of this connection is queued already.
    var isQueued = false
    var isSecure = false
    var peerIsTrusted = false
    var listener: UInt16 = 0
    /// Requests begun on this connection.
    var requests: UInt32 = 0
    /// Bytes thrown away since it lingers, up to a little over `Limits.lingerBytes`.
    var lingered: UInt32 = 0
    var deadline: Deadline
    /// When the request at hand has taken too long in all, in milliseconds of the monotonic clock; `never` between two requests, for
    /// tunnels, and where there is no such bound.
    var totalUntil = Deadline.never
    /// Whom the callback of its event calls: `ClientTransport`.
    let owner: UnsafeMutableRawPointer
    /// The exchange at hand; nil between two, and where the connection speaks HTTP/2.
    var block: ExchangeRef?
    /// Nil where it speaks HTTP/1.
    var http2: UnsafeMutablePointer<HTTP2Connection>?
    var output = OutputQueue()
    /// What its handshake has told of its client, where the listener asks for certificates. Its own.
    var certificate: UnsafeMutablePointer<ClientCertificate>?
    /// The client's end of the connection, by its PROXY header if that is believed.
    var peer = IPAddress(v4: 0)
    /// Where the socket itself leads.
    var acceptedFrom = IPAddress(v4: 0)

    /// A place that is not in use.
    init(owner: UnsafeMutableRawPointer) {
        deadline = Deadline(kind: .client)
        self.owner = owner
    }

    /// Makes a place that was used before like a new one: nothing of the connection before is left but the count of those.
    mutating func renew() {
        let generation = generation
        self = ClientConnection(owner: owner)
        self.generation = generation
    }
}

/// A client's connection, as the worker's functions take it.
typealias ClientRef = UnsafeMutablePointer<ClientConnection>

/// What a client's connection is doing. Exactly one of these at any time.
enum ClientState: UInt8 {
    /// The place is not in use.
    case free
    /// TLS is being set up.
    case handshaking
    /// A trusted peer's PROXY header is awaited, before TLS and before any request.
    case proxyHeader
    /// Without TLS: whether it begins as HTTP/2 does is not known yet.
    case preface
    /// It speaks HTTP/2: any number of exchanges are under way.
    case multiplexing
    /// Between two requests: no byte of the next one has come.
    case idle
    /// Some of a request's head has come.
    case readingHead
    /// A request's head is complete, and of its response not everything was handed over.
    case exchanging
    /// The response has ended, but some of it waits for the socket.
    case flushing
    /// The response was sent and the rest of the refused request is read, to keep the connection.
    case dropping
    /// Bytes pass both ways unread, after 101.
    case tunnelling
    /// The last response was sent and the sending side closed; what the peer still sends is thrown away.
    case lingering
}

extension ExchangeRun {
    /// The connection on which the exchange came.
    @inline(__always)
    var client: ClientRef { clientPlace.assumingMemoryBound(to: ClientConnection.self) }
}

extension ClientRef {
    /// Where the connection's deadline stands.
    @inline(__always)
    var deadline: UnsafeMutablePointer<Deadline> { field(MemoryLayout<ClientConnection>.offset(of: \.deadline)) }

    /// Where the connection's event stands.
    var event: UnsafeMutablePointer<SocketEvent> { field(MemoryLayout<ClientConnection>.offset(of: \.event)) }
}

extension Turn {
    /// Gives the connection another turn after the others had theirs.
    func enqueue(_ connection: ClientRef) {
        guard !connection.pointee.isQueued else { return }
        connection.pointee.isQueued = true
        enqueue(.init(place: connection, generation: connection.pointee.generation, kind: .client))
    }

    /// What the connection has gathered is sent at the end of the turn.
    func enqueueSending(_ connection: ClientRef) {
        enqueueSending(.init(place: connection, generation: connection.pointee.generation, kind: .client))
    }

    /// Sets a deadline `milliseconds` from now; 0 means none. It is never later than the request's own.
    @inline(__always)
    func limit(_ connection: ClientRef, to milliseconds: UInt64) {
        let deadline = milliseconds == 0 ? Deadline.never : now + milliseconds
        set(connection.deadline, at: min(deadline, connection.pointee.totalUntil))
    }
}
