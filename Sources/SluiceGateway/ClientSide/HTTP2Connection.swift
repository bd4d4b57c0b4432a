import SluiceHTTP2

/// What a client's connection has besides when it speaks HTTP/2: taken when that is known, given back with the connection.
///
/// Large because each wait of the connection has a time of its own.
struct HTTP2Connection {
    /// How far the orderly end of a connection has come (RFC 9113, 6.8).
    enum Ending: UInt8 {
        /// It takes new requests.
        case none
        /// The client was asked to send no more; those that are under way are served.
        case announced
        /// No new request is served.
        case last
    }

    var session: HTTP2Session
    /// The block that the next head is decoded into; nil while nothing is read and no head has begun.
    var next: ExchangeRef?
    /// Bytes that have come and are not read yet, because there was no room for what they would have been answered with.
    var unread = OutputQueue()
    var ending = Ending.none
    /// Whether frames wait for the end of the turn.
    var isGathered = false
    /// Whether the socket takes no more at the moment.
    var isBlocked = false
    /// Whether sending has failed: the connection ends when its turn comes.
    var isBroken = false
    /// Whether streams have ended that could not be released for want of room.
    var owesReleases = false
    /// Whether request bodies wait in blocks for services that took no more.
    var hasWaitingBodies = false
    /// Where the next look at exchanges that wait begins, so that each is the first at some time.
    var resumePlace = 0

    // MARK: Times, milliseconds of the monotonic clock; `Deadline.never` where there is no such bound. The connection's deadline is the earliest.

    /// When the client must have taken some of what it is sent. Only while the socket takes no more.
    var blockedUntil = Deadline.never
    /// When a head that has begun must have ended; at first, when the client must have begun as it has to.
    var headUntil = Deadline.never
    /// When no new request is served any more although the client has not shown that it knows of the end.
    var announcedUntil = Deadline.never
    /// When the connection has been without a request for too long, and for so long that memory goes back.
    var idleUntil = Deadline.never
    var trimUntil = Deadline.never

    /// Bytes of the heads of all exchanges: a few bytes on the wire may be many here.
    var headBytes = 0
    /// Streams whose response waits for the client.
    var waiting = 0

    init(role: HTTP2Role, limits: UnsafePointer<HTTP2Limits>) { session = HTTP2Session(role: role, limits: limits) }
}

extension ClientRef {
    /// What the connection has of HTTP/2. Only where it speaks it.
    @inline(__always)
    var http2: UnsafeMutablePointer<HTTP2Connection> { pointee.http2.unsafelyUnwrapped }
}
