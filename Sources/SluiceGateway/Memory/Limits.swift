/// Every fixed bound of the data plane that is not a process setting, with its unit and its reason.
enum Limits {
    /// Bytes that one read from an upstream may bring. Large enough that a 64 KiB body needs one or two calls.
    static let receiveBytes = 64 * 1024

    /// Bytes kept free in front of the receive area, where the head of a response is written before its first bytes of
    /// body, so that both leave in one send without the body being copied.
    static let receiveHeadroom = 128 * 1024

    /// Bytes behind the receive area: the end of a chunk and the last chunk.
    static let receiveTailroom = 64

    /// Bytes of a response head or trailer section. Twice what common servers send at most; larger is `.upstreamFailed`.
    static let responseHeadBytes = 64 * 1024

    /// Bytes of a request's trailer section, however it arrives; more is `.headTooLarge`. Half of the body area, so that a
    /// section that has not come whole always has room for more.
    static let requestTrailerBytes = bodyAreaBytes / 2

    /// Bytes of a response's trailer section, however it arrives; more breaks the connection.
    static let responseTrailerBytes = responseHeadBytes / 2

    /// Bytes of request body that an exchange block has room for behind the largest head.
    static let bodyAreaBytes = 16 * 1024

    /// Bytes of a held body that are sent on in one piece.
    static let heldPieceBytes = 64 * 1024

    /// Held bodies are counted in pieces of so many bytes, and so many are kept of the memory of one that has gone.
    static let heldUnitBytes = 64 * 1024

    /// Bytes between the head and the body area where the size line of a re-framed chunk is written.
    static let chunkLineBytes = 32

    /// Bytes of an exchange block that the chain may use: normalised and rewritten paths, decoded tokens.
    static let storageBytes = 48 * 1024

    /// Bytes of an output block, at least: what one event can leave unsent of a response, a head and a receive area with its framing. A
    /// request may leave more where `SLUICE_MAX_HEAD_BYTES` is large: see `WorkerParts`.
    static let outputBytes = receiveHeadroom + receiveBytes + receiveTailroom

    /// Bytes by which a connection of HTTP/2 is known without TLS (RFC 9113, 3.4).
    static let prefaceBytes = 24

    /// Bytes of a body that a client may send on a stream before it knows what our settings say (RFC 9113, 6.9.2).
    static let firstStreamWindow = 65_535

    /// Bytes of HTTP/2 frames that one read of a client may bring.
    static let frameBytes = 64 * 1024

    /// Milliseconds for which content waits for a client's window to let more through than a little (RFC 9293, 3.8.6.2.1).
    static let narrowWindowMilliseconds: UInt64 = 20

    /// Milliseconds without a request after which a client's connection gives back the memory that it does not need while idle.
    static let http2TrimMilliseconds: UInt64 = 2000

    /// Requests of one connection that begin in one turn before the others get theirs.
    static let requestsPerTurn = 32

    /// Bytes of frames that are sent to a client before the end of the turn.
    static let framesGathered = 32 * 1024

    /// Bytes of frames that wait for a client's socket before nothing more is read from the client, nor of the responses that it waits for. What
    /// may come on top has room in an output block: see `outputBytes`.
    static let framesWaiting = 64 * 1024

    /// Bytes of a response that may wait in its exchange although the client's window is shut.
    static let contentWaiting = 2048

    /// Milliseconds for a client to say that it knows of the announced end of its connection.
    static let announcementMilliseconds: UInt64 = 1000

    /// Fields of a response's head, or of its trailers; more is `.upstreamFailed`.
    static let responseFields = 256

    /// Exchanges that share a connection to a service, at most; a service may allow fewer. More of them would wait for each other's bytes.
    static let serviceStreams = 100

    /// Frames of a service that move nothing forward, at once and each second; see `HTTP2Limits.glitchBurst`.
    static let serviceGlitches = 20_000

    /// Bytes of frames to a service that are enough for a system call: a TLS record.
    static let gatheredBytes = 16 * 1024

    /// Bytes of frames that wait because a service's socket is full; content beyond waits with its exchange, and new requests go elsewhere.
    static let gatheredBytesMax = 64 * 1024

    /// Bytes behind those that heads and content may not use: resets, credit and what else the protocol owes.
    static let controlBytes = 8 * 1024

    /// How often a request is sent again, beyond the setting, because a service has announced the end of a connection before it looked at it.
    static let attemptsBehindGoAway: UInt8 = 5

    /// Milliseconds after which a connection that nobody used is asked whether it is still one, with the next request on it.
    static let pingAfterIdleMilliseconds: UInt64 = 5000

    /// Interim (1xx) responses passed on for one request; an upstream that sends more is broken.
    static let interimResponses = 16

    /// Bytes of a refused request's body that are read and dropped to keep its connection; more closes it.
    static let drainedBodyBytes = 64 * 1024

    /// Milliseconds in which a connection closed by the gateway may still read what the peer had under way, so that
    /// the peer reads the response rather than a reset (RFC 9112, 9.6).
    static let lingerMilliseconds: UInt64 = 2000

    /// Bytes that are thrown away meanwhile. A peer that sends more is held up until the time is over: it may still read, and costs nothing.
    static let lingerBytes: UInt32 = 16 << 20

    /// Milliseconds after which the gateway looks whether a client that waits for its response is still there. Once is enough: what
    /// happens after the request was read is reported.
    static let clientLookMilliseconds: UInt64 = 1000

    /// Reads of one connection in one turn of the loop before others get theirs.
    static let readsPerTurn = 4

    /// Milliseconds between two looks at the deadlines while some are due: how late a timeout may be.
    static let tickMilliseconds: UInt64 = 10

    /// The same while none is: how long a worker sleeps that has nothing to do.
    static let idleTickMilliseconds: UInt64 = 2000

    /// Exchange and output blocks of each kind that a worker keeps although nothing has needed them lately.
    static let blocksRetained = 16

    /// Callbacks of a turn after which a decision reads the clock anew: each takes some ten microseconds, with a large body some hundred.
    static let callbacksPerReading = 16

    /// Milliseconds between two looks at memory that a burst has left behind.
    static let trimMilliseconds: UInt64 = 2000

    /// How much longer than a fetch may take an exchange waits for the end of one: the word of it comes by mail.
    static let keySetGraceMilliseconds: UInt64 = 1000

    /// Exchanges of one worker that wait for allowance at once; those beyond are decided without it.
    static let allowanceWaiters = 4096

    /// Exchanges of one worker that wait at once for the answer to a question which another has asked; those beyond ask for themselves.
    static let preCallWaiters = 16384

    /// How often an exchange that finds the flight of its question just ended looks for the next.
    static let preCallClaims = 4

    /// Milliseconds that a start waits for a shared store of counts: as long as one that has lost its data needs to settle, and a little more.
    static let firstRoundMilliseconds = 6000

    /// How long the end of the process waits for threads that hang in what the system does for them: a disk, a name server.
    static let endMilliseconds: UInt64 = 10_000

    /// Names that are looked up at once.
    static let lookUpsAtOnce = 64
    /// After so long a look-up holds up no other any more.
    static let lookUpPatienceMilliseconds: UInt64 = 1000
    /// Threads of look-ups, those included whose answers do not come. Each takes some 30 KB.
    static let lookUpThreads = 512
    /// Between two look-ups of a name that has no addresses, or none that can be used.
    static let lookUpRetryMilliseconds: UInt64 = 1000

    /// Addresses of one upstream name that are used; more are ignored.
    static let addressesPerName = 16

    /// Bytes of a configured body (mock, maintenance).
    static let storedBodyBytes = 1024 * 1024

    /// Bytes of a configured body that is sent together with its head, from the composing memory. A longer one follows its head in pieces.
    static let composedBodyBytes = 128 * 1024

    /// Bytes of such a piece: what a client that does not read makes the gateway copy.
    static let storedPieceBytes = 64 * 1024

    /// Scratch bytes for one policy evaluation.
    static let scratchBytes = 64 * 1024

    /// Connections accepted in one turn of the loop, so that a flood of them cannot starve those that are open.
    static let acceptsPerTurn = 64

    /// One in so many of the process's descriptors is not given to clients: requests need connections to services, a reload files.
    static let descriptorReserve = 4

    /// The unused connections to one address take at most one in so many of the process's descriptors, over all workers, but each worker may
    /// keep `idlePerAddressMin`.
    static let idleDescriptors = 8
    static let idlePerAddressMin = 256
    /// So many unused connections are closed when descriptors or ports have run out.
    static let idleClosedAtOnce = 16

    /// Bytes that a client's socket holds unsent before it takes no more. The kernel alone would hold megabytes for each client that
    /// reads slowly; what is under way to the client is not meant.
    static let unsentBytes = 256 * 1024

    /// Milliseconds without accepting after the descriptors ran out.
    static let acceptPauseMilliseconds: UInt64 = 100

    /// Bytes that may be read of a 200 from a pre-call API before its connection is given up instead of kept.
    static let preCallBodyBytes: UInt64 = 1024 * 1024

    /// Milliseconds in which that body has to come. Nobody waits for it, but its connection counts among those of its address.
    static let preCallBodyMilliseconds: UInt64 = 2000
}
