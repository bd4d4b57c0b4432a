import SluiceCounting
import SluiceEvent
import SluiceHTTP
import SluiceHTTP2
import SluicePattern

/// What the owners of a worker work with: memory, connections as places, and what reads and writes heads and bodies. Each owner is handed what it needs.
///
/// Large because it is the list of a worker's parts, made in one place because they are made from each other. On the worker's thread only.
struct WorkerParts {
    let number: Int
    let limits: UnsafePointer<WorkerLimits>
    let loop: EventLoop
    /// The time, the deadlines, and what waits for the end of the turn.
    let turn: Turn
    /// Clock, counters' shards and scratch, as the policies see them.
    let context: UnsafeMutablePointer<EvaluationContext>
    let matchScratch: MatchScratch
    let bounds: ConnectionBounds

    // MARK: Memory

    let blocks: UnsafeMutablePointer<BlockPool>
    let outputs: UnsafeMutablePointer<BlockPool>
    let exchangeBlocks: ExchangeBlocks
    let work: WorkArea
    let snapshots: UnsafeMutablePointer<WorkerSnapshots>
    let origins: UnsafeMutablePointer<OriginTable>

    // MARK: Connections

    let clients: ClientConnections
    let http2: HTTP2Clients
    let upstreams: UpstreamConnections
    let choice: UpstreamChoice
    let forwards = ForwardQueue()

    // MARK: Heads and bodies

    let requests: HTTP1Requests
    let requestBodies: RequestBodies
    let heldBodies: HeldBodies
    let requestHeads: UpstreamRequestHeads
    let responseHeads: ClientResponseHeads
    let responseBodies: ResponseBodies

    // MARK: What is counted and logged

    let counts: CountRegistry
    let counters: WorkerCounters
    /// Its counts of connections and bytes.
    let traffic: UnsafeMutablePointer<TrafficCounts>
    let accessLog: AccessLogBuffer?
    let remarks: RemarkLog?

    init(
        number: Int, limits: WorkerLimits, workerCount: Int, bounds: ConnectionBounds, counts: CountRegistry, accessLog: AccessLogBuffer?,
        remarks: RemarkLog?, clock: WorkerClock
    ) throws(EventLoop.SetupError) {
        self.number = number
        self.bounds = bounds
        self.counts = counts
        self.accessLog = accessLog
        self.remarks = remarks
        loop = try EventLoop()
        guard let matchScratch = MatchScratch(steps: limits.regexMatchLimit) else {
            throw EventLoop.SetupError(message: "the expression engine has no memory")
        }
        self.matchScratch = matchScratch
        let shared = UnsafeMutablePointer<WorkerLimits>.allocate(capacity: 1)
        shared.initialize(to: limits)
        self.limits = UnsafePointer(shared)
        let layout = ExchangeBlock.Layout(fieldsMax: limits.fieldsMax, headBytesMax: limits.headBytesMax, streamWindow: limits.http2.streamWindow)
        blocks = .allocate(capacity: 1)
        blocks.initialize(to: BlockPool(blockBytes: layout.blockBytes, retained: Limits.blocksRetained))
        outputs = .allocate(capacity: 1)
        // A request is written from what is in its block, with a little of the operator's.
        let outputBytes = max(Limits.outputBytes, layout.blockBytes + Limits.storageBytes)
        outputs.initialize(to: BlockPool(blockBytes: outputBytes, retained: Limits.blocksRetained))
        counters = WorkerCounters()
        traffic = counters.trafficPlace
        snapshots = .allocate(capacity: 1)
        snapshots.initialize(to: WorkerSnapshots())
        origins = .allocate(capacity: 1)
        origins.initialize(to: OriginTable())
        work = WorkArea(layout)
        context = .allocate(capacity: 1)
        context.initialize(to: EvaluationContext(
            matchScratch: matchScratch.handle, worker: number, workerCount: UInt64(workerCount), leases: .allocate(capacity: 1),
            attention: counts.makeQueue(), keeper: counts.state, scratch: .allocate(capacity: Limits.scratchBytes), scratchCapacity: Limits.scratchBytes,
            withheldKinds: limits.passesUnusualFields ? 0 : KnownField.unusual.bit))
        turn = Turn(context: context, clock: clock)
        requestBodies = RequestBodies(
            bytesMax: limits.bodyBytesMax, refusesUnusualFields: limits.refusesUnusualFields, slots: work.slots, slotCount: Limits.responseFields, turn: turn,
            timeout: limits.bodyTimeout, rateMin: limits.rateMin)
        heldBodies = HeldBodies(
            layout, bytesMax: limits.validatedBytesMax, share: limits.heldBytesMax / max(1, workerCount), bodies: requestBodies)
        choice = UpstreamChoice(
            origins: origins, ejectionMilliseconds: limits.ejectionMilliseconds, circuitMilliseconds: limits.circuitMilliseconds)
        requestHeads = UpstreamRequestHeads(unwrittenFields: limits.unwrittenFields, ids: RequestIDs())
        responseHeads = ClientResponseHeads(limits, context)
        clients = ClientConnections(turn: turn, outputs: outputs, traffic: traffic, limits: limits)
        exchangeBlocks = ExchangeBlocks(pool: blocks, layout: layout, context: context)
        http2 = HTTP2Clients(clients: clients, blocks: exchangeBlocks, outputs: outputs, turn: turn, traffic: traffic, limits: limits)
        requests = HTTP1Requests(
            clients: clients, turn: turn, blocks: exchangeBlocks, traffic: traffic, headTimeout: limits.headTimeout, refusesUnusualFields: limits.refusesUnusualFields)
        upstreams = UpstreamConnections(
            loop: loop, callback: upstreamCallback, turn: turn, outputs: outputs, origins: origins, traffic: traffic, limits: limits)
        responseBodies = ResponseBodies(upstreams: upstreams, work: work)
    }

    /// Only after the loop has ended, or when it never ran.
    func deallocate() {
        blocks.pointee.releaseAll()
        outputs.pointee.releaseAll()
        heldBodies.deallocate()
        clients.deallocate()
        http2.deallocate()
        upstreams.deallocate()
        forwards.deallocate()
        turn.deallocate()
        snapshots.pointee.releaseAll()
        snapshots.deinitialize(count: 1).deallocate()
        origins.pointee.deallocate()
        origins.deinitialize(count: 1).deallocate()
        blocks.deallocate()
        outputs.deallocate()
        requestHeads.ids.deallocate()
        work.deallocate()
        responseHeads.deallocate()
        limits.deallocate()
        counters.deallocate()
        context.pointee.leases.deallocate()
        context.pointee.scratch.deallocate()
        context.deallocate()
    }

    /// Gives back what a burst of connections or requests has left behind. True if any memory went.
    ///
    /// - Parameter isQuiet: whether nothing holds the place of a connection that may be gone.
    func trim(isQuiet: Bool) -> Bool {
        var hasFreed = blocks.pointee.trim()
        upstreams.sharing.trimShared()
        if outputs.pointee.trim() { hasFreed = true }
        if heldBodies.trim() { hasFreed = true }
        if isQuiet, turn.isEmpty, turn.hasSentAll, forwards.isEmpty {
            if clients.trim() { hasFreed = true }
            if upstreams.trim() { hasFreed = true }
        }
        return hasFreed
    }
}
