import SluiceHTTP
import SluiceHTTP2

/// What a connection to a service has besides, if it speaks HTTP/2 or may come to when it stands: exchanges share it.
///
/// Nothing that an exchange asks of it ends the connection or another exchange: that happens in the connection's own turns only, which are never within
/// another one. So whoever handles one of its events may let go of any exchange, send new requests and even join it again.
///
/// Large because the connection is judged by many single observations: whether it has settled, is idle, was heard, is suspected, was asked.
struct HTTP2Client {
    var session: HTTP2Session
    /// Exchanges that have joined before the connection stands, or before the service has said how many it takes, in their order.
    var waiting: [ExchangeRef] = []
    /// Exchanges whose clients take more of what is held for them.
    var resumed: [ExchangeRef] = []

    /// Frames that are sent together; nil if there are none. A block of the output pool.
    var output: UnsafeMutableRawPointer?
    /// Of the unsent bytes in it.
    var outputStart = 0
    var outputEnd = 0
    /// The socket takes no more, and the loop will say when it does.
    var isBlocked = false
    /// The socket has failed while something was sent. What can still be read is read.
    var cannotSend = false
    /// Exchanges with content that the windows or the socket hold back.
    var unsentStreams = 0

    /// The beginning of a head or of trailers that have not come whole; a block of the output pool.
    var head: UnsafeMutableRawPointer?

    /// The connection has ended. It stays only for exchanges whose whole response has come and is not taken.
    var isBroken = false
    /// Whether the address has it among those that exchanges may join.
    var isListed = false
    /// No exchange has it.
    var isIdle = false
    /// Whether anything has come since it was idle for the last time.
    var hasHeard = false
    /// Whether the service has said how many streams it takes. Until then it is sent one request, so that it need not refuse the others.
    var hasSettings = false
    /// When something came for the last time: milliseconds of the monotonic clock.
    var heardAt: UInt64 = 0
    /// An exchange has waited in vain for its answer. Until something comes, nobody joins.
    var isSuspected = false
    /// A PING was not answered yet; the connection's deadline is that of the answer.
    var isPinged = false

    init(limits: UnsafePointer<HTTP2Limits>) { session = HTTP2Session(role: .client, limits: limits) }

    /// Bytes that are gathered and not sent.
    @inline(__always)
    var backlog: Int { outputEnd &- outputStart }

    /// Whether requests can be sent, as far as it is not their number.
    var isUsable: Bool { mutating get { !isBroken && !cannotSend && !isSuspected && session.mayOpen && backlog < Limits.gatheredBytesMax } }

    /// Whether one more request can be sent now.
    var hasRoom: Bool { mutating get { isUsable && session.openStreams < (hasSettings ? Limits.serviceStreams : 1) } }

    /// Whether one more exchange may wait for the service's settings.
    var mayAwaitSettings: Bool { mutating get { !hasSettings && isUsable && waiting.count < Limits.serviceStreams } }
}

typealias HTTP2ClientRef = UnsafeMutablePointer<HTTP2Client>

/// What a client keeps with a stream in the session: its exchange, or how far the rest of a response is that nobody waits for.
enum StreamTag: Equatable {
    case exchange(ExchangeRef)
    /// Bytes that have come, and the lower half of the milliseconds at which it began.
    case discarding(bytes: Int, since: UInt32)

    init?(_ tag: UInt?) {
        guard let tag, tag != 0 else { return nil }
        guard tag & 1 == 0 else {
            self = .discarding(bytes: Int(UInt32(truncatingIfNeeded: tag) >> 1), since: UInt32(truncatingIfNeeded: tag >> 32))
            return
        }
        guard let block = ExchangeRef(bitPattern: tag) else { return nil }
        self = .exchange(block)
    }

    var tag: UInt {
        switch self {
        // A block is aligned: the last bit is free.
        case .exchange(let block): UInt(bitPattern: block)
        case .discarding(let bytes, let since): UInt(since) << 32 | UInt(UInt32(clamping: bytes) & 0x7FFF_FFFF) << 1 | 1
        }
    }
}
