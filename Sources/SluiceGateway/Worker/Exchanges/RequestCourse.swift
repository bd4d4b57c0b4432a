import SluiceHTTP

/// What clients' side tells an exchange: all that it knows of exchanges, and of the services that they go to nothing.
struct RequestCourse: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let requestBodies: RequestBodies
        let snapshots: UnsafeMutablePointer<WorkerSnapshots>
        let clientEnd: ClientEnd
        let chain: ExchangeChain
        let answers: ExchangeAnswers
        let waiters: ExchangeWaiters
        let bodies: BodyCollection
        let records: ExchangeRecords
        let upstreamEnd: UpstreamEnd
    }

    private let state: UnsafeMutablePointer<State>
    private var requestBodies: RequestBodies { state.pointee.requestBodies }
    private var snapshots: UnsafeMutablePointer<WorkerSnapshots> { state.pointee.snapshots }
    private var clientEnd: ClientEnd { state.pointee.clientEnd }
    private var chain: ExchangeChain { state.pointee.chain }
    private var answers: ExchangeAnswers { state.pointee.answers }
    private var waiters: ExchangeWaiters { state.pointee.waiters }
    private var bodies: BodyCollection { state.pointee.bodies }
    private var records: ExchangeRecords { state.pointee.records }
    private var upstreamEnd: UpstreamEnd { state.pointee.upstreamEnd }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            requestBodies: parts.requestBodies, snapshots: parts.snapshots, clientEnd: owners.clientEnd, chain: owners.chain,
            answers: owners.answers, waiters: owners.waiters, bodies: owners.bodies, records: owners.records, upstreamEnd: owners.upstreamEnd))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// Decides what becomes of a request whose head is whole: by the snapshot that is current now, and stays its own.
    @inline(__always)
    func begin(_ block: ExchangeRef) {
        let snapshot = snapshots.pointee.enter()
        block.enter(snapshot)
        // Nobody is asked about without X-Forwarded-For; and an access to the list is checked at run time.
        let names = block.pointee.exchange.head.fields.present & KnownField.xForwardedFor.bit != 0
        let trusted = names ? clientEnd.trusted(block) : TrustedProxies(blocks: ArenaSlice())
        let refusal = Routing.resolve(&block.pointee.exchange, in: snapshot.pointee.tables, trusted: trusted)
        if let refusal {
            answers.answer(block, refusal)
        } else if block.pointee.exchange.certificate != nil {
            beginShown(block)
        } else {
            chain.begin(block)
        }
    }

    /// A request over a connection that was asked for a certificate: a listener that wants one of everybody also wants it to be good still.
    @inline(never)
    private func beginShown(_ block: ExchangeRef) {
        let now = block.pointee.exchange.context.pointee.wallSeconds
        if let refusal = block.pointee.exchange.certificate?.pointee.refusalByListener(at: now) {
            answers.answer(block, refusal)
        } else {
            chain.begin(block)
        }
    }

    /// Answers a request that may not go on.
    @inline(__always)
    func refuse(_ block: ExchangeRef, _ refusal: Refusal) { answers.answer(block, refusal) }

    /// The exchange cannot go on: see `ExchangeAnswers.fail`.
    func fail(_ block: ExchangeRef, _ refusal: Refusal) { answers.fail(block, refusal) }

    // MARK: The body

    /// Whether what comes of the body is to follow the head, or is awaited by a step of the chain.
    @inline(__always)
    func takesBody(_ block: ExchangeRef) -> Bool { block.pointee.run.isCollecting || upstreamEnd.takesBody(block) }

    /// Whether all that was passed on has been taken: only then is more read.
    @inline(__always)
    func hasRoom(_ block: ExchangeRef) -> Bool { block.pointee.run.isCollecting || upstreamEnd.hasRoom(block) }

    /// Sends the body bytes in the block on. False if the exchange went on to something else.
    func passBody(_ block: ExchangeRef) -> Bool {
        if block.pointee.run.isCollecting { return bodies.collect(block) }
        let piece: RequestBodies.Piece
        switch requestBodies.take(from: block) {
        case .piece(let taken): piece = taken
        case .refused(let refusal):
            answers.fail(block, refusal)
            return false
        }
        block.pointee.run.isReplayable = false
        guard upstreamEnd.sendBody(block, piece) else { return false }
        if block.pointee.run.wideInput != nil { bodies.noteSent(block) }
        return true
    }

    // MARK: A tunnel

    /// Passes on bytes of a tunnel. False if its other end is broken.
    func sendTunnelled(_ block: ExchangeRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool { upstreamEnd.sendTunnelled(block, bytes, count) }

    /// The client has ended its direction of a tunnel. True if the other had ended before, and nothing of it is left.
    func endStream(_ block: ExchangeRef) -> Bool { upstreamEnd.endStream(block) }

    // MARK: The response

    /// The client has taken all that it was sent: the response goes on.
    func clientHasTakenAll(_ block: ExchangeRef) { answers.clientHasTakenAll(block) }

    /// The same in a tunnel.
    func resume(_ block: ExchangeRef) { upstreamEnd.resume(block) }

    // MARK: The end

    /// Counts the exchange, once, and logs it.
    @inline(__always)
    func record(_ block: ExchangeRef, aborted: Bool) { records.record(block, aborted: aborted) }

    /// Nobody waits for the service's answer any more.
    @inline(__always)
    func dropService(_ block: ExchangeRef) { upstreamEnd.drop(block) }

    /// The exchange is over, however it ended: nothing of it is held any more, its snapshot included.
    @inline(__always)
    func leave(_ block: ExchangeRef) {
        waiters.endFlight(block, .failed)
        if block.pointee.run.wideInput != nil { bodies.release(block) }
        if let snapshot = block.pointee.snapshot { snapshots.pointee.leave(snapshot) }
    }

    // MARK: Descriptors

    /// Descriptors are short: those that services' side can spare are closed.
    func spareDescriptors() { upstreamEnd.spareDescriptors() }
}
