import SluiceHTTP

/// What an exchange over HTTP/2 has besides, because its connection serves others at the same time: a clock of its own, and what waits for its window.
///
/// Stands behind the header of the exchange's block, and means something only where `ExchangeRun.isHTTP2`.
///
/// Large because it has for one stream what one of HTTP/1.1 has for its connection: times, the body, what waits for the client, and how fast that takes it.
struct StreamRun {
    var deadline: Deadline

    // MARK: Times, milliseconds of the monotonic clock; `Deadline.never` where there is no such bound

    /// When the exchange has taken too long in all.
    var totalUntil = Deadline.never
    /// When the client has to have sent more of its body.
    var bodyUntil = Deadline.never
    /// When it is looked at how much the client has taken of its response since `takingBytes`. Only while the response waits for the client.
    var takingUntil = Deadline.never
    /// When a window that lets only a little through is waited for no longer.
    var narrowUntil = Deadline.never
    /// Milliseconds that were left until then when the response waited no longer; 0 while no span of measuring has begun.
    var takingLeft: UInt64 = 0

    /// When the client of a gRPC call waits no longer.
    var callUntil = Deadline.never
    /// Whether that time is over.
    var hasCallEnded = false

    // MARK: Request

    /// Bytes of the head, as its connection counts them.
    var headBytes = 0
    /// Whether the client has ended its direction of the stream.
    var hasRequestEnded = false
    /// Whether some of the body, or its end, has come, or the service takes more of it, and nobody has looked since.
    var hasNews = false
    /// Where the text of the request's trailers begins in the block's input; nil without trailers.
    var trailersAt: Int?

    // MARK: Tunnel

    /// Whether the request is for another protocol over the stream (RFC 8441), and whether the service has accepted it.
    var isForTunnel = false
    var isTunnel = false
    /// Whether the client was told that the service has ended its direction.
    var hasEnded = false
    /// Whether the service was told that the client has ended its direction.
    var hasToldEnd = false

    // MARK: Response

    /// Content of the response that the windows or the socket do not let through.
    var content = OutputQueue()
    /// Trailers as text, behind that content.
    var trailers = OutputQueue()
    /// Whether the stream ends with that content.
    var endsWithContent = false
    /// Whether nothing more comes of the response than what waits here.
    var isHandedOver = false
    /// Bytes of content that were written into frames, and how many that were when the present span of measuring the client's rate began.
    var framedBytes: UInt64 = 0
    var takingBytes: UInt64 = 0
    /// Whether the service waits because the client takes nothing at the moment, or content waits here.
    var isWaiting = false

    /// Bytes from a block's beginning.
    static let offset = MemoryLayout<ExchangeBlock>.stride.roundedUp(to: 64)
}

extension ExchangeRef {
    /// Where the exchange's part of a stream stands.
    @inline(__always)
    var streamRun: UnsafeMutablePointer<StreamRun> {
        (UnsafeMutableRawPointer(self) + StreamRun.offset).assumingMemoryBound(to: StreamRun.self)
    }

    /// Where its deadline stands.
    var streamDeadline: UnsafeMutablePointer<Deadline> {
        (UnsafeMutableRawPointer(streamRun) + MemoryLayout<StreamRun>.offset(of: \.deadline).unsafelyUnwrapped).assumingMemoryBound(to: Deadline.self)
    }

    /// Whether a response of this status, which is none to an upgrade, would tell the client that its tunnel is open (RFC 8441, 5).
    @inline(__always)
    func opensTunnel(_ status: UInt16) -> Bool { isExtendedConnect && status / 100 == 2 }

    /// Whether the request asks for a tunnel on its stream (RFC 8441).
    @inline(__always)
    var isExtendedConnect: Bool { pointee.run.isHTTP2 && streamRun.pointee.isForTunnel }
}
