import SluiceHTTP

/// What an exchange does for its request, as far as its chain is concerned.
///
/// | from | to | by |
/// |---|---|---|
/// | deciding | waiting, asking, collecting | `suspend`: a step of the chain waits |
/// | asking | asking | `ask`: nobody else asks, and the time for it begins |
/// | waiting, asking, collecting | deciding | `goOn`: what was awaited has come |
/// | deciding | forwarding | `forward`: the chain has let it pass |
enum RequestPhase: BitwiseCopyable {
    /// Its chain runs, or has ended and it waits to be sent on, or its head is not whole.
    case deciding
    /// A step of the chain waits for a key set or for allowance.
    case waiting
    /// A step of the chain waits for the whole of the request's body: see `HeldBodies`.
    case collecting
    /// A step of the chain waits for the answer to this question: the exchange asks a pre-call API, until the given millisecond of the worker's clock, or, with
    /// `never`, waits for who asks the same already. The response at hand, and an answer that lets nothing pass, are that API's.
    case asking(UnsafePointer<ServiceCall>, until: UInt64)
    /// It goes to the domain's service.
    case forwarding
}

/// What has become of the response. Each later phase is greater.
///
/// | from | to | by |
/// |---|---|---|
/// | unasked, asked | unasked | `beginAttempt`: a service is chosen, perhaps another one |
/// | unasked | asked | `noteAsked`: some of the request has left |
/// | asked | begun | `noteHead`: a service's final head has come |
/// | begun | asked | `takeBackHead`: it was worth nothing |
/// | begun | passing | `notePassing`: it goes to the client |
/// | asked | tunnelling | `noteTunnel`: 101 goes to the client |
/// | unasked, asked, begun | own | `beginOwn`: the gateway answers |
/// | any | over | `end`: counted and logged |
enum ResponsePhase: UInt8, Comparable {
    /// No service has been sent anything on the connection at hand.
    case unasked
    /// A service has been sent some of the request, and has not answered it.
    case asked
    /// The final head of a service's response has come, and nothing of it has gone to the client.
    case begun
    /// A service's response is on its way to the client: from here on an error can only break it off.
    case passing
    /// 101 has gone to the client.
    case tunnelling
    /// An answer of the gateway's own is on its way.
    case own
    /// The exchange is over.
    case over

    @inline(__always)
    static func < (left: ResponsePhase, right: ResponsePhase) -> Bool { left.rawValue < right.rawValue }
}

/// One exchange on its way: its two ends, and what its two bodies have come to. Policies never see it.
///
/// Large because it is what both ends of an exchange and the exchange between them know of it, in one piece of its block: what a response asks of it is
/// fetched into the cache together (`ExchangeRef.fetchAhead`).
struct ExchangeRun {
    // MARK: Where it stands

    private(set) var request = RequestPhase.deciding
    private(set) var response = ResponsePhase.unasked

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

    /// The larger input that the exchange was given, because its body is held and does not fit into the block; nil for none. See `HeldBodies`.
    var wideInput: UnsafeMutableRawPointer?
    /// Bytes of it that count as in use.
    var wideBytes = 0

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

    /// Where the body of a service's response stands, if it is chunked.
    enum ResponseBody: UInt8 {
        case receiving
        /// The last chunk was read; the trailer section is not complete.
        case receivingTrailers
    }

    // MARK: Response

    var responseFraming = BodyFraming.none
    var responseRemaining: UInt64 = 0
    var responseDecoder = ChunkedDecoder()
    /// Whether the body is re-framed as chunks for the client.
    var responseIsChunked = false
    var responseBody = ResponseBody.receiving
    /// Whether the response's head nominates fields as hop-by-hop. Its trailers are then left out, all of them, because by the time that they
    /// come the head is gone; whoever forwards may always leave trailers out (RFC 9110, 6.5.1).
    var dropsResponseTrailers = false
    var interimCount: UInt8 = 0
    var status: UInt16 = 0
    var refusal: Refusal.Row?
    /// Of a token that was refused.
    var tokenFault: TokenFault?
    var refusalDetail = ByteView.empty
    /// Content bytes sent to the client, without framing.
    var responseBodyBytes: UInt64 = 0
    /// The configured response whose body goes out piece by piece, if one does.
    var stored: UnsafePointer<StoredResponse>?
    /// Whether the connection can serve another request after this response.
    var keepsAlive = true
    /// The question that the exchange asks for others as well; 0 for none.
    var flight: PreCallFlights.Number = 0

    // MARK: Suspensions

    /// How often the exchange was suspended; see `Suspension`.
    private(set) var suspensions: UInt32 = 0

    // MARK: Attempts

    private(set) var attempts: UInt8 = 0
    /// The URL that the attempt at hand goes to; nil for a pre-call API.
    var target: UnsafePointer<CompiledUpstream.Target>?

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
    private(set) var upstreamStartedAt: UInt64 = 0
    private(set) var upstreamHeadAt: UInt64 = 0

    @inline(__always)
    init(clientPlace: UnsafeMutableRawPointer, stream: UInt32 = 0) {
        self.clientPlace = clientPlace
        self.stream = stream
    }

    /// Whether the client speaks HTTP/2.
    @inline(__always)
    var isHTTP2: Bool { stream != 0 }
}

// MARK: What the phases say

extension ExchangeRun {
    /// Whether a step of the chain waits for something from elsewhere.
    var isSuspended: Bool {
        switch request {
        case .deciding, .forwarding: false
        case .waiting, .asking, .collecting: true
        }
    }

    /// Whether the body is read because a step of the chain waits for it, and not because a service takes it.
    @inline(__always)
    var isCollecting: Bool { if case .collecting = request { response == .unasked } else { false } }

    /// Whether the response at hand is the answer of a pre-call API.
    @inline(__always)
    var isPreCall: Bool { if case .asking = request { true } else { false } }

    /// The question that is asked; nil where none is.
    @inline(__always)
    var call: UnsafePointer<ServiceCall>? { if case .asking(let call, _) = request { call } else { nil } }

    /// When a pre-call API must have answered, in milliseconds of the worker's clock; `never` where none is asked.
    var askedUntil: UInt64 { if case .asking(_, let until) = request { until } else { Deadline.never } }

    /// Whether any byte of the request was written to the connection at hand.
    @inline(__always)
    var isRequestSent: Bool { response != .unasked }

    /// Whether the service at hand has sent its final head.
    @inline(__always)
    var hasServiceHead: Bool { response >= .begun }

    /// Whether a final response's head is on its way to the client: from here on an error can only close.
    @inline(__always)
    var isHeadSent: Bool { response >= .passing }
}

// MARK: From one phase to the next

extension ExchangeRun {
    /// A step of the chain waits.
    mutating func suspend(for wait: Wait) {
        suspensions &+= 1
        switch wait {
        case .service(let call): request = .asking(call, until: Deadline.never)
        case .keySet, .allowance: request = .waiting
        case .body: request = .collecting
        }
    }

    /// The exchange asks a pre-call API, which has until then to answer.
    mutating func ask(_ call: UnsafePointer<ServiceCall>, until moment: UInt64) {
        request = .asking(call, until: moment)
        attempts = 0
    }

    /// What was awaited has come: the chain runs again. False if nothing was awaited.
    mutating func goOn() -> Bool {
        guard isSuspended else { return false }
        request = .deciding
        return true
    }

    /// The chain has let the request pass, which goes to the domain's service now.
    @inline(__always)
    mutating func forward(at now: UInt64) {
        request = .forwarding
        attempts = 0
        upstreamStartedAt = now
    }

    /// A service is chosen for the request, or for the question.
    @inline(__always)
    mutating func beginAttempt() {
        assert(response < .begun)
        response = .unasked
        attempts &+= 1
        interimCount = 0
    }

    /// The attempt at hand was none: nothing was tried.
    mutating func takeBackAttempt() { attempts &-= 1 }

    /// Some of the request is about to leave.
    @inline(__always)
    mutating func noteAsked() { response = .asked }

    /// The service's final head has come.
    @inline(__always)
    mutating func noteHead(at now: UInt64) {
        response = .begun
        upstreamHeadAt = now
    }

    /// The head that has come is worth nothing, and nothing of it has gone to the client.
    mutating func takeBackHead() {
        assert(response == .begun)
        response = .asked
        upstreamHeadAt = 0
    }

    /// The service's head goes to the client.
    @inline(__always)
    mutating func notePassing() { response = .passing }

    /// The service's 101 goes to the client.
    mutating func noteTunnel(at now: UInt64) {
        response = .tunnelling
        upstreamHeadAt = now
        status = 101
    }

    /// An answer of the gateway's own goes to the client.
    @inline(__always)
    mutating func beginOwn() { response = .own }

    /// The exchange is over. False if it was before.
    @inline(__always)
    mutating func end() -> Bool {
        guard response != .over else { return false }
        response = .over
        return true
    }
}
