import SluiceEvent
import SluiceHTTP

/// The memory of one exchange, taken when its first bytes arrive and returned when its response has ended.
///
/// In one block: this header, what the exchange has on a connection that it shares, the field slots, the input (head, then the first of the body) and the storage of the
/// chain. An idle connection holds none of it. The head stays untouched until the exchange ends, which is what makes a
/// retry and a log line possible.
struct ExchangeBlock {
    var exchange: Exchange
    var run: ExchangeRun

    /// The snapshot that the exchange began with and stays on; nil before it has begun.
    fileprivate(set) var snapshot: UnsafeMutablePointer<WorkerSnapshot>?
    /// How many bytes the input has room for.
    var inputCapacity: Int
    /// Bytes of input received.
    var inputCount: Int
    /// Bytes of input that belong to this exchange so far; what stands behind them belongs to the body or to the next request.
    var inputUsed: Int
    /// Bytes of input in which no parse has to look again: an incomplete head is parsed anew only when a line has ended.
    var inputSearched: Int

    /// Where the parts of a block lie, from the process settings.
    struct Layout: BitwiseCopyable {
        let slotCapacity: Int
        let headBytesMax: Int
        let slotsOffset: Int
        let inputOffset: Int
        let inputCapacity: Int
        /// The same for a request over HTTP/2, whose client may have sent as much of its body as the stream's window says, or, before it knew
        /// that, as any stream begins with.
        let streamInputCapacity: Int
        let storageOffset: Int
        let storageCapacity: Int
        let blockBytes: Int

        /// Where the exchange's `ServiceStream` stands: the same for all, so that it is found without the layout.
        static let serviceStreamOffset = (StreamRun.offset + MemoryLayout<StreamRun>.size).roundedUp(to: 64)

        init(fieldsMax: Int, headBytesMax: Int, streamWindow: Int) {
            slotCapacity = fieldsMax
            self.headBytesMax = headBytesMax
            slotsOffset = (Self.serviceStreamOffset + MemoryLayout<ServiceStream>.size).roundedUp(to: 64)
            inputOffset = (slotsOffset + MemoryLayout<FieldSlot>.stride * fieldsMax).roundedUp(to: 64)
            inputCapacity = headBytesMax + Limits.chunkLineBytes + Limits.bodyAreaBytes
            streamInputCapacity = headBytesMax + Limits.chunkLineBytes + max(streamWindow, Limits.firstStreamWindow) + Limits.requestTrailerBytes
            storageOffset = (inputOffset + streamInputCapacity + Limits.receiveTailroom).roundedUp(to: 64)
            // A normalised path and everything decoded from the head are never larger than the head.
            storageCapacity = headBytesMax + Limits.storageBytes
            blockBytes = storageOffset + storageCapacity
        }
    }
}

/// One exchange on its way: its two ends, and what its two bodies have come to. Policies never see it.
struct ExchangeRun {
    // MARK: Its ends

    /// The connection on which it came. The client's side knows what stands there: `ExchangeRun.client`.
    let clientPlace: UnsafeMutableRawPointer
    /// The stream of that connection on which it came, if the connection speaks HTTP/2; else 0.
    let stream: UInt32
    /// The connection to a service that it has at the moment, if any. The service's side knows what stands there: `ExchangeRun.upstream`.
    var upstreamPlace: UnsafeMutableRawPointer?
    /// Whether that connection is one that exchanges share: `ServiceStream` holds what this one has of it.
    var isOnSharedConnection = false
    /// Its stream there, once the request was sent; 0 before, and on other connections.
    var upstreamStream: UInt32 = 0

    // MARK: Request body

    var requestFraming = BodyFraming.none
    /// Bytes of a Content-Length body still to be received from the client.
    var requestRemaining: UInt64 = 0
    var requestDecoder = ChunkedDecoder()
    /// Content bytes received so far, without framing.
    var requestBodyBytes: UInt64 = 0
    var requestBody = RequestBody.complete
    /// Whether the request can be sent again: nothing of its body has left the block.
    var isReplayable = true
    /// Where in the input a body stands that came whole with the head.
    var replay: (start: Int, count: UInt64)?

    /// Whether more of the request's body is to come from the client.
    @inline(__always)
    var isReceivingRequest: Bool { requestBody == .receiving || requestBody == .receivingTrailers }

    /// Where the client's body stands.
    enum RequestBody: UInt8 {
        /// More is to come from the client.
        case receiving
        /// The last chunk was read; the trailer section is not complete.
        case receivingTrailers
        /// All of it was read (and, unless it waits in the upstream connection's output, passed on).
        case complete
        /// The response is ready and the rest is read only to keep the connection.
        case dropping
    }

    // MARK: Response

    var responseFraming = BodyFraming.none
    var responseRemaining: UInt64 = 0
    var responseDecoder = ChunkedDecoder()
    /// Whether the body is re-framed as chunks for the client.
    var responseIsChunked = false
    var responseIsReadingTrailers = false
    /// Whether the response's head nominates fields as hop-by-hop. Its trailers are then left out, all of them, because by the time that they
    /// come the head is gone; whoever forwards may always leave trailers out (RFC 9110, 6.5.1).
    var dropsResponseTrailers = false
    /// Whether the upstream will take another request on its connection: false from the first sign that it will not.
    var upstreamKeepsAlive = true
    var interimCount: UInt8 = 0
    var status: UInt16 = 0
    var refusal: Refusal.Row?
    var refusalDetail = ByteView.empty
    /// Whether the exchange was counted and logged.
    var isRecorded = false
    /// Content bytes sent to the client, without framing.
    var responseBodyBytes: UInt64 = 0
    /// Whether a final response's head is on its way to the client: from here on an error can only close.
    var isHeadSent = false
    /// The configured response whose body goes out piece by piece, if one does.
    var stored: UnsafePointer<StoredResponse>?
    /// Whether the connection can serve another request after this response.
    var keepsAlive = true
    /// Whether the response at hand is the answer of a pre-call API.
    var isPreCall = false
    /// The question that the exchange was suspended for last; means something where `isPreCall`, and while it waits for another's answer.
    var call: UnsafePointer<ServiceCall>?
    /// When a pre-call API must have answered, in milliseconds of the worker's clock; means nothing unless `isPreCall`.
    var preCallUntil: UInt64 = 0
    /// The question that the exchange asks for others as well; 0 for none.
    var flight: PreCallFlights.Number = 0

    // MARK: Suspensions

    /// How often the exchange was suspended; see `Suspension`.
    var suspensions: UInt32 = 0
    /// Whether a step of the chain waits for something from elsewhere.
    var isSuspended = false

    // MARK: Attempts

    var attempts: UInt8 = 0
    /// The URL that the attempt at hand goes to; nil for a pre-call API.
    var target: UnsafePointer<CompiledUpstream.Target>?
    /// Whether any byte of the request was written to the upstream connection at hand.
    var isRequestSent = false

    // MARK: The request id

    /// The request id, once it was asked for.
    var requestID: ByteView?
    /// Whether `madeRequestID` holds an id.
    var hasMadeRequestID = false
    /// Where one that was made here stands, which is also the id of a trace that begins here: beside what every request touches, not
    /// in the block's storage, whose page is mostly not touched at all.
    var madeRequestID = InlineArray<32, UInt8>(repeating: 0)

    // MARK: The client's rate

    /// Milliseconds of the monotonic clock at which the present span of measuring the client's rate began; 0 while it is not waited for.
    var bodySpanAt: UInt64 = 0
    /// `requestBodyBytes` then.
    var bodySpanBytes: UInt64 = 0

    // MARK: Times, nanoseconds of the monotonic clock; 0 before the event

    var startedAt: UInt64 = 0
    var upstreamStartedAt: UInt64 = 0
    var upstreamHeadAt: UInt64 = 0

    @inline(__always)
    init(clientPlace: UnsafeMutableRawPointer, stream: UInt32 = 0) {
        self.clientPlace = clientPlace
        self.stream = stream
    }

    /// Whether the client speaks HTTP/2.
    @inline(__always)
    var isHTTP2: Bool { stream != 0 }
}

extension Int {
    /// The next multiple of a power of two.
    func roundedUp(to alignment: Int) -> Int { (self + alignment - 1) & ~(alignment - 1) }
}

/// One exchange, by the place of its block. Good until its block is given back; whoever may come later holds a `WaitingExchange`.
typealias ExchangeRef = UnsafeMutablePointer<ExchangeBlock>

extension ExchangeRef {
    /// The exchange begins: it is on this snapshot, in which it was counted, until it ends.
    @inline(__always)
    func enter(_ snapshot: UnsafeMutablePointer<WorkerSnapshot>) {
        pointee.snapshot = snapshot
        pointee.exchange.begin(with: snapshot.pointee.resources)
    }

    /// Where a request id stands that is made here: `RequestIDSource.byteCount` bytes.
    var madeRequestID: UnsafeMutablePointer<UInt8> {
        let offset = MemoryLayout<ExchangeRun>.offset(of: \.madeRequestID).unsafelyUnwrapped
        return (UnsafeMutableRawPointer(run) + offset).assumingMemoryBound(to: UInt8.self)
    }

    /// Has the processor fetch what the response will ask of the exchange, which was last touched when its request was sent: with
    /// a thousand under way it is no longer in the cache. Measured with the request id's place: 0.93 of the CPU at 5,000 connections.
    @inline(__always)
    func fetchAhead() {
        Cache.fetch(self, byteCount: MemoryLayout<Exchange>.offset(of: \.upstreamPath).unsafelyUnwrapped)
        Cache.fetch(run, byteCount: MemoryLayout<ExchangeRun>.size)
    }

    /// Where the exchange itself stands: at the beginning of its block.
    @inline(__always)
    var exchange: UnsafePointer<Exchange> { UnsafePointer(UnsafeMutableRawPointer(self).assumingMemoryBound(to: Exchange.self)) }

    /// Where the exchange's run stands.
    @inline(__always)
    var run: UnsafeMutablePointer<ExchangeRun> {
        let offset = MemoryLayout<ExchangeBlock>.offset(of: \.run).unsafelyUnwrapped
        return (UnsafeMutableRawPointer(self) + offset).assumingMemoryBound(to: ExchangeRun.self)
    }
}
