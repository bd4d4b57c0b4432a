import Glibc
import SluiceCounting
import SluiceCrypto
import SluiceEvent
import SluiceHTTP
import SluiceHTTP2
import SluicePattern

/// One thread of the data plane: an event loop and everything that it touches while requests pass.
///
/// Nothing here is shared. Other threads reach a worker through its mailbox; what workers share (counters of ceilings
/// and quotas, the replay table) is atomic and lies outside. So no request waits for a lock, and a turn of the loop
/// allocates nothing once the pools have grown to the load.
///
/// A turn: the loop waits; the callbacks of ready connections read, decide and write, or leave requests that may pass to be sent on
/// together (`ForwardQueue`); then the turn's queue is worked off (pipelined requests, connections whose share of reads was used up).
/// Deadlines are looked at by a tick of the loop.
final class Worker {
    let number: Int
    let limits: WorkerLimits
    let loop: EventLoop
    let mailbox: Mailbox
    /// The time, the deadlines, and what waits for the end of the turn.
    let turn: Turn
    /// Clock, counters' shards and scratch, as the policies see them.
    let context: UnsafeMutablePointer<EvaluationContext>
    let matchScratch: MatchScratch
    let choice: UpstreamChoice
    let requestHeads: UpstreamRequestHeads
    let responseHeads: ClientResponseHeads
    let requests: HTTP1Requests
    let requestBodies: RequestBodies
    let layout: ExchangeBlock.Layout
    let http2: HTTP2Clients
    let exchangeBlocks: ExchangeBlocks

    // Behind pointers, so that a change of theirs is no access to a property of this class, which the runtime would check.
    let blocks: UnsafeMutablePointer<BlockPool>
    let outputs: UnsafeMutablePointer<BlockPool>
    let snapshots: UnsafeMutablePointer<WorkerSnapshots>
    let origins: UnsafeMutablePointer<OriginTable>
    let clients: ClientConnections
    let upstreams: UpstreamConnections
    let forwards = ForwardQueue()
    let bounds: ConnectionBounds
    var keySetWaiters = KeySetWaiters()
    var allowanceWaiters = AllowanceWaiters()
    var preCallWaiters = PreCallWaiters()
    let counts: CountRegistry
    /// Projects that `context.leases` has room for.
    var leaseCount = 0
    var listeners: [Listener] = []
    let counters: WorkerCounters
    /// Its counts of connections and bytes.
    let traffic: UnsafeMutablePointer<TrafficCounts>
    let accessLog: AccessLogBuffer?
    let remarks: RemarkLog?

    let work: WorkArea
    let responseBodies: ResponseBodies

    private var trimDue: UInt64 = 0
    private var ticker: LoopTimer?
    private var isStopped = false
    /// Called on this thread when the last connection of a draining worker has gone.
    var drained: (() -> Void)?

    init(
        number: Int, limits: WorkerLimits, workerCount: Int, bounds: ConnectionBounds, counts: CountRegistry, accessLog: AccessLogBuffer?,
        remarks: RemarkLog? = nil, clock: WorkerClock = WorkerClock()
    ) throws(EventLoop.SetupError) {
        self.number = number
        self.limits = limits
        self.bounds = bounds
        self.counts = counts
        self.accessLog = accessLog
        self.remarks = remarks
        loop = try EventLoop()
        mailbox = try Mailbox(loop)
        guard let matchScratch = MatchScratch(steps: limits.regexMatchLimit) else {
            throw EventLoop.SetupError(message: "the expression engine has no memory")
        }
        self.matchScratch = matchScratch
        layout = ExchangeBlock.Layout(fieldsMax: limits.fieldsMax, headBytesMax: limits.headBytesMax, streamWindow: limits.http2.streamWindow)
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
        upstreams.belong(to: Unmanaged.passUnretained(self).toOpaque())
    }

    /// Only after the loop has ended, or when it never ran.
    deinit {
        blocks.pointee.releaseAll()
        outputs.pointee.releaseAll()
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
        context.pointee.leases.deallocate()
        context.pointee.scratch.deallocate()
        context.deallocate()
    }

    // MARK: The loop

    /// Sets the timer that all deadlines rest on. Before `run()`, so that a worker without one never serves.
    func startTicking() throws(EventLoop.SetupError) {
        let timer = try LoopTimer(loop, owner: Unmanaged.passUnretained(self).toOpaque()) { _, _, owner in
            guard let owner else { return }
            Unmanaged<Worker>.fromOpaque(owner)._withUnsafeGuaranteedRef {
                $0.tick()
                $0.planTick()
            }
        }
        guard timer.set(milliseconds: 1) else { throw EventLoop.SetupError(message: "a timer cannot be set") }
        ticker = timer
    }

    /// Sets the timer to what is due next. Whoever waits in another place than the wheel is looked at in every tick.
    private func planTick() {
        let isWaitedFor = clients.isDraining || !keySetWaiters.isEmpty || !allowanceWaiters.isEmpty || !preCallWaiters.isEmpty
            || listeners.contains { $0.pausedUntil != 0 }
        var wait = isWaitedFor ? Limits.tickMilliseconds : Limits.idleTickMilliseconds
        if let lines = accessLog?.due { wait = min(wait, max(lines, turn.now) - turn.now) }
        let milliseconds = turn.planTick(within: wait)
        // Without memory the time that was set last still holds, which is no longer than an idle tick.
        _ = ticker?.set(milliseconds: milliseconds)
    }

    /// Serves until `stop()`. The calling thread becomes the worker's.
    func run() {
        precondition(ticker != nil)
        while !isStopped { runTurn() }
        ticker = nil
        closeEverything()
    }

    /// One turn of the loop. Waits for events unless something is queued or `polling`.
    @inline(__always)
    func runTurn(polling: Bool = false) {
        loop.turn(polling: polling || !turn.isEmpty)
        if !forwards.isEmpty { sendOn() }
        workOffQueue()
        if !forwards.isEmpty { sendOn() }
        if !turn.hasSentAll { sendGathered() }
        if turn.isTickLate { planTick() }
        turn.end()
    }

    /// Lets time pass for whoever turns the loop by hand: what is due in it happens now.
    func pass(milliseconds: UInt64) {
        turn.pass(nanoseconds: milliseconds &* 1_000_000)
        tick()
    }

    /// Ends the loop after this turn; every connection is closed as it is. On the worker's thread.
    func stop() { isStopped = true }

    private func tick() {
        turn.readClock()
        while let entry = turn.nextExpired() {
            guard let owner = entry.pointee.owner else { continue }
            switch entry.pointee.kind {
            case .client: clientExpired(owner.assumingMemoryBound(to: ClientConnection.self))
            case .upstream: upstreamExpired(owner.assumingMemoryBound(to: UpstreamConnection.self))
            case .stream: streamExpired(owner.assumingMemoryBound(to: ExchangeBlock.self))
            case .serviceStream: serviceStreamExpired(owner.assumingMemoryBound(to: ExchangeBlock.self))
            }
        }
        if !keySetWaiters.isEmpty { expireKeySetWaiters() }
        if !allowanceWaiters.isEmpty { expireAllowanceWaiters() }
        if !preCallWaiters.isEmpty { expirePreCallWaiters() }
        resumeAccepting()
        if turn.now >= trimDue { trim() }
        accessLog?.flushIfDue(turn.now)
        turn.noteLongWork()
        if let drained, !hasExchanges {
            self.drained = nil
            drained()
        }
    }

    /// Gives back what a burst of connections or requests has left behind.
    private func trim() {
        trimDue = turn.now + Limits.trimMilliseconds
        var hasFreed = blocks.pointee.trim()
        upstreams.trimShared()
        if outputs.pointee.trim() { hasFreed = true }
        // Queues may hold pointers to places that are free by now.
        if turn.isEmpty, turn.hasSentAll, forwards.isEmpty, keySetWaiters.isEmpty, allowanceWaiters.isEmpty, preCallWaiters.isEmpty {
            if clients.trim() { hasFreed = true }
            if upstreams.trim() { hasFreed = true }
        }
        if hasFreed { Heap.trim() }
    }

    // MARK: The turn's queue

    /// Runs what callbacks left for the end of the turn. What is queued meanwhile waits for the next turn, so that no
    /// connection can keep the loop from the others.
    private func workOffQueue() {
        guard !turn.isEmpty else { return }
        turn.freshenClock()
        var left = turn.waiting
        while left > 0, let entry = turn.next() {
            left -= 1
            // Each is what a callback would be.
            turn.freshenClock()
            switch entry.kind {
            case .client:
                let connection = entry.place.assumingMemoryBound(to: ClientConnection.self)
                guard connection.pointee.generation == entry.generation else { continue }
                connection.pointee.isQueued = false
                resume(connection)
            case .upstream:
                let connection = entry.place.assumingMemoryBound(to: UpstreamConnection.self)
                guard connection.pointee.generation == entry.generation else { continue }
                connection.pointee.isQueued = false
                advance(connection)
            case .stream, .serviceStream: assertionFailure("an exchange has no turn of its own")
            }
        }
    }
}
