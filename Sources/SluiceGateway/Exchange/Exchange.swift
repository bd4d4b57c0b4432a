import SluiceCounting
import SluiceHTTP

/// One request and what the policy chain decides about it: everything that a policy may read or write.
///
/// Lives at the head of an exchange block (`ExchangeBlock`), so it holds no reference and copies nothing: all views
/// point into the block or into the snapshot. It exists from the first byte of a request to the last of its response.
///
/// Large because it is all that policies share: whatever one of them writes for another, or for the heads, stands here and nowhere else.
struct Exchange: BitwiseCopyable {
    /// What the evaluating thread owns: clock, counters, scratch.
    let context: UnsafeMutablePointer<EvaluationContext>
    /// What that thread made for the snapshot that the exchange is on, by slot; nil before it has begun.
    private var resources: UnsafeMutablePointer<UnsafeMutableRawPointer>?

    // MARK: The request as it was received

    /// First byte of the head; the ranges in `head` count from here.
    var bytes: UnsafeMutablePointer<UInt8>
    var head: RequestHead
    /// The other end of the connection, or the source that its PROXY header named.
    var peer: IPAddress
    /// The client: the peer, or what a trusted proxy says of it.
    var client: IPAddress
    /// Whether the peer is a trusted proxy, whose forwarding fields are believed.
    var peerIsTrusted: Bool
    /// Whether the request came over TLS.
    var isSecure: Bool
    /// What the connection's handshake has told of its client; nil where the listener asks for no certificate.
    var certificate: UnsafeMutablePointer<ClientCertificate>?

    // MARK: Where it leads

    /// The normalised path inside the domain: what endpoints match and a rewrite sees. Starts with a slash.
    var path: ByteView
    /// The query without its question mark; nil where the target has no question mark.
    var query: ByteView?
    /// The domain and the endpoint, in the exchange's snapshot, which knows what stands there: `Exchange.domain`, `Exchange.endpoint`.
    var domainPlace: UnsafeRawPointer?
    var endpointPlace: UnsafeRawPointer?
    /// The names that are special at that endpoint; nil where none is.
    var fields: UnsafePointer<EndpointFields>?
    /// Whether the domain's key was taken off the path, which the services then do not see.
    var isFoundByKey = false
    /// Whether the domain is known although the path cannot be matched: the request counts, and is then an invalid target.
    var hasUnsafeTarget = false
    /// Whether that is not the target's fault, but because nobody knows who the client is.
    var hasMalformedForwarding = false
    /// What the path holds that a service may read in another way; empty where the domain does not mind, and where no endpoint matches.
    var pathMarks = PathMarks.none
    /// Whether the domain was found by `"*"`, so that another reading of the path may lead to another domain. Means something only
    /// beside `pathMarks`.
    var isOfAnyHost = false
    /// Whether another reading of the path leads elsewhere: the domain's own steps are asked, and then it is an invalid target.
    var isAmbiguous = false

    // MARK: What the chain decides

    /// The path that the upstream will see, before it is joined to the upstream URL's own path.
    var upstreamPath: ByteView
    var upstreamQuery: ByteView?
    /// Values of the claims that the JWT policy forwards, in the order of its compiled list; an empty view for an absent claim.
    var forwardedClaims: InlineArray<8, ByteView>
    var forwardedClaimCount: Int
    /// Who calls, where a policy has found out by an API key.
    var caller = ExchangeCaller()
    /// Whether the body comes over HTTP/2 and has not said how long it is.
    var isStreamed = false
    /// Whether the JWT policy has suspended this exchange until a key set was fetched. It does so once.
    var hasAwaitedKeys: Bool
    /// Which of several alternatives have done so, a bit for each.
    var awaitedAlternatives: UInt8 = 0
    /// Which of several alternatives has let the exchange pass. Means something only behind them.
    var alternative: UInt8 = 0
    /// Whether the exchange has passed by the signature that it bears.
    var isSigned = false
    /// Whether the services are told of the client's certificate.
    var tellsCertificate = false
    /// When the exchange has waited long enough for its allowance, in milliseconds of the monotonic clock; 0 if it has not waited.
    var allowanceDeadline: UInt64
    /// Whether the exchange has waited for its allowance for as long as it may.
    var hasAwaitedAllowance: Bool
    /// What the exchange was charged to of its project's ceiling.
    var charge = CeilingMeter.Charge.none
    /// What it was charged to of its caller's limits, the latest first; nil for nothing. In the exchange's own memory.
    var callerCharges: UnsafeMutablePointer<CallerCharge>?
    /// The next step of the chain.
    var step: Int

    /// All of the request's body, once a policy has asked for it.
    var body: ByteView?

    // MARK: Memory

    /// Memory of the block for what the chain makes: decoded tokens, rewritten paths.
    var storage: UnsafeMutablePointer<UInt8>
    var storageCapacity: Int
    var storageUsed: Int
}

extension Exchange {
    /// An exchange of which nothing has come.
    init(
        context: UnsafeMutablePointer<EvaluationContext>, bytes: UnsafeMutablePointer<UInt8>, head: RequestHead, peer: IPAddress,
        peerIsTrusted: Bool, isSecure: Bool, certificate: UnsafeMutablePointer<ClientCertificate>? = nil, storage: UnsafeMutablePointer<UInt8>, storageCapacity: Int
    ) {
        self.init(
            context: context, resources: nil, bytes: bytes, head: head, peer: peer, client: peer, peerIsTrusted: peerIsTrusted,
            isSecure: isSecure, certificate: certificate, path: .empty, query: nil, domainPlace: nil, endpointPlace: nil, fields: nil, upstreamPath: .empty, upstreamQuery: nil,
            forwardedClaims: InlineArray(repeating: .empty), forwardedClaimCount: 0, hasAwaitedKeys: false,
            allowanceDeadline: 0, hasAwaitedAllowance: false, step: 0, storage: storage, storageCapacity: storageCapacity, storageUsed: 0)
    }

    /// Binds the exchange to what its thread made for its snapshot. Once, before the first policy is asked.
    mutating func begin(with resources: UnsafeMutablePointer<UnsafeMutableRawPointer>) { self.resources = resources }

    /// What the thread made for this exchange's own snapshot, whatever ran in between: by the slot that
    /// `SnapshotBuilder.workerResource` returned when that snapshot was compiled.
    @inline(__always)
    func resource<State>(_ slot: Int, as type: State.Type) -> UnsafeMutablePointer<State> {
        guard let resources else { preconditionFailure("a policy was asked before its exchange began") }
        return resources[slot].assumingMemoryBound(to: type)
    }

    /// The head's bytes.
    var headBytes: ByteView { ByteView(base: bytes, count: head.length) }

    /// The value of the first line of a known field; nil if there is none.
    func value(of field: KnownField) -> ByteView? {
        guard let index = head.fields.first(field) else { return nil }
        return headBytes[head.fields[index].value]
    }

    /// The request target as it was sent.
    var target: ByteView { headBytes[head.target.range] }

    /// The method as it was sent.
    var method: ByteView { headBytes[head.methodRange.range] }

    /// Whether the request has content, or may have: over HTTP/2 without a length it may turn out to be empty.
    var mayHaveBody: Bool {
        switch head.framing {
        case .none: isStreamed
        case .length(let length): length > 0
        case .chunked, .untilClose: true
        }
    }

    /// Whether Content-Length announces a body of more than `bytes`. A chunked one is measured while it passes.
    func announcesMore(than bytes: UInt64) -> Bool {
        if case .length(let length) = head.framing { return length > bytes }
        return false
    }

    /// Memory for `count` bytes until the exchange ends; nil when the block has no more, which the caller answers with a refusal.
    mutating func allocate(_ count: Int) -> UnsafeMutablePointer<UInt8>? {
        guard count >= 0, count <= storageCapacity - storageUsed else { return nil }
        defer { storageUsed += count }
        return storage + storageUsed
    }
}

extension Exchange {
    /// A path and its query as text. Allocates.
    static func target(_ path: ByteView, _ query: ByteView?) -> String { path.string + (query.map { "?\($0.string)" } ?? "") }
}
