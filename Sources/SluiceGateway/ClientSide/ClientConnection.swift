import SluiceEvent
import SluiceHTTP

/// A client's connection. A flat struct in its worker's slab: the event is embedded, nothing is reference counted.
///
/// While it is idle it holds nothing but this: the exchange block comes with the first byte of a request and goes with
/// the last byte of the response.
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
    var deadline: Deadline
    /// When the request at hand has taken too long in all, in milliseconds of the monotonic clock; `never` between two requests, for
    /// tunnels, and where there is no such bound.
    var totalUntil = Deadline.never
    let worker: Unmanaged<Worker>
    var block: ExchangeRef?
    var output = OutputQueue()
    /// The client's end of the connection, by its PROXY header if that is believed.
    var peer = IPAddress(v4: 0)
    /// Where the socket itself leads.
    var acceptedFrom = IPAddress(v4: 0)

    /// A place that is not in use.
    init(worker: Unmanaged<Worker>) {
        deadline = Deadline(kind: .downstream)
        self.worker = worker
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

/// Bytes that a socket did not take yet. Holds a block of its worker's pool only while there are any.
struct OutputQueue {
    fileprivate(set) var block: UnsafeMutableRawPointer?
    /// Of the unsent bytes in the block, in 32 bits, so that the count below has room in the connection.
    private var start: UInt32 = 0
    private var end: UInt32 = 0
    /// Bytes that the peer had not acknowledged when its time to take some began.
    var owed: UInt32 = 0

    var isEmpty: Bool { start == end }
    var count: Int { Int(end &- start) }

    /// The first unsent byte; only when not empty.
    var front: UnsafeMutablePointer<UInt8>? {
        block.map { $0.assumingMemoryBound(to: UInt8.self) + Int(start) }
    }

    /// Queues a copy. False if the block has no room, which the callers' back-pressure excludes.
    mutating func append(_ bytes: UnsafePointer<UInt8>, _ count: Int, from pool: inout BlockPool) -> Bool {
        if block == nil {
            block = pool.take()
            start = 0
            end = 0
        }
        guard let block, count <= pool.blockBytes - Int(end) else { return false }
        (block + Int(end)).copyMemory(from: bytes, byteCount: count)
        end += UInt32(count)
        return true
    }

    /// Drops what was sent; the block goes back with the last byte.
    mutating func remove(_ count: Int, to pool: inout BlockPool) {
        start += UInt32(count)
        if start >= end { clear(to: &pool) }
    }

    /// Drops everything.
    mutating func clear(to pool: inout BlockPool) {
        if let block { pool.give(back: block) }
        block = nil
        start = 0
        end = 0
    }
}
