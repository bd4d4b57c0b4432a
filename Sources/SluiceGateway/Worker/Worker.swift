import Glibc
import SluiceCounting
import SluiceCrypto
import SluiceEvent
import SluiceHTTP
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
    /// Clock, counters' shards and scratch, as the policies see them.
    let context: UnsafeMutablePointer<EvaluationContext>
    let matchScratch: MatchScratch
    let layout: ExchangeBlock.Layout

    // Behind pointers, so that a change of theirs is no access to a property of this class, which the runtime would check.
    let blocks: UnsafeMutablePointer<BlockPool>
    let outputs: UnsafeMutablePointer<BlockPool>
    let snapshots: UnsafeMutablePointer<WorkerSnapshots>
    let origins: UnsafeMutablePointer<OriginTable>
    let random: UnsafeMutablePointer<RequestIDSource>
    var clients = Slab<ClientConnection>()
    var upstreams = Slab<UpstreamConnection>()
    var wheel: DeadlineWheel
    var queue = TurnQueue()
    var forwards = ForwardQueue()
    let bounds: ConnectionBounds
    var keySetWaiters = KeySetWaiters()
    var allowanceWaiters = AllowanceWaiters()
    var preCallWaiters = PreCallWaiters()
    let counts: CountRegistry
    /// Projects that `context.leases` has room for.
    var leaseCount = 0
    /// Where the next choice among several upstreams begins.
    var rotation = 0
    var listeners: [Listener] = []
    let counters: WorkerCounters
    let accessLog: AccessLogBuffer?

    /// Where upstream bytes arrive; heads are written into the room in front.
    let receiveArea: UnsafeMutablePointer<UInt8>
    /// Where heads are composed.
    let compose: UnsafeMutablePointer<UInt8>
    let composeCapacity: Int
    /// Field slots of the response or trailer section at hand.
    let responseSlots: UnsafeMutablePointer<FieldSlot>
    static let responseSlotCount = 256

    /// Milliseconds of the monotonic clock in this turn.
    var nowMilliseconds: UInt64 = 0
    private var isClockFresh = false
    /// What was done since the clock was last read, in callbacks. A decision, and whatever else may take as long, counts as
    /// `Limits.callbacksPerReading`.
    private var doneSinceReading = 0
    /// What all of the above and `context` have their times from.
    var clock: WorkerClock
    private var trimDue: UInt64 = 0
    /// What makes the monotonic clock the wall clock; follows steps of the latter at every tick.
    private(set) var wallOffset: UInt64 = 0
    let date = DateField()
    private var ticker: IntervalTimer?
    private var isStopped = false
    /// Set when draining has begun: no connection is kept after its response.
    var isDraining = false
    /// While draining: when unused connections are closed, in milliseconds of the monotonic clock.
    var idleUntil: UInt64 = 0
    /// Called on this thread when the last connection of a draining worker has gone.
    var drained: (() -> Void)?

    init(
        number: Int, limits: WorkerLimits, workerCount: Int, bounds: ConnectionBounds, counts: CountRegistry, accessLog: AccessLogBuffer?,
        clock: WorkerClock = WorkerClock()
    ) throws(EventLoop.SetupError) {
        self.number = number
        self.limits = limits
        self.bounds = bounds
        self.counts = counts
        self.accessLog = accessLog
        self.clock = clock
        loop = try EventLoop()
        mailbox = try Mailbox(loop)
        guard let matchScratch = MatchScratch(steps: limits.regexMatchLimit) else {
            throw EventLoop.SetupError(message: "the expression engine has no memory")
        }
        self.matchScratch = matchScratch
        layout = ExchangeBlock.Layout(fieldsMax: limits.fieldsMax, headBytesMax: limits.headBytesMax)
        blocks = .allocate(capacity: 1)
        blocks.initialize(to: BlockPool(blockBytes: layout.blockBytes, retained: Limits.blocksRetained))
        outputs = .allocate(capacity: 1)
        // A request is written from what is in its block, with a little of the operator's.
        let outputBytes = max(Limits.outputBytes, layout.blockBytes + Limits.storageBytes)
        outputs.initialize(to: BlockPool(blockBytes: outputBytes, retained: Limits.blocksRetained))
        counters = WorkerCounters()
        snapshots = .allocate(capacity: 1)
        snapshots.initialize(to: WorkerSnapshots())
        origins = .allocate(capacity: 1)
        origins.initialize(to: OriginTable())
        random = .allocate(capacity: 1)
        random.initialize(to: RequestIDSource())
        let room = Limits.receiveHeadroom + Limits.receiveBytes + Limits.receiveTailroom
        receiveArea = .allocate(capacity: room) + Limits.receiveHeadroom
        // Room for the largest head with everything that is added to it, and for the body bytes that came with it.
        // Never less than a configured response has, or a service's head with the trailers of its body behind it.
        composeCapacity = max(
            2 * layout.headBytesMax + Limits.responseHeadBytes + layout.inputCapacity + Limits.storageBytes, Limits.outputBytes)
        compose = .allocate(capacity: composeCapacity)
        responseSlots = .allocate(capacity: Self.responseSlotCount)
        context = .allocate(capacity: 1)
        context.initialize(to: EvaluationContext(
            matchScratch: matchScratch.handle, worker: number, workerCount: UInt64(workerCount), leases: .allocate(capacity: 1),
            attention: counts.makeQueue(), keeper: counts.state, scratch: .allocate(capacity: Limits.scratchBytes), scratchCapacity: Limits.scratchBytes,
            withheldKinds: limits.passesUnusualFields ? 0 : KnownField.unusual.bit))
        wheel = DeadlineWheel(now: clock.monotonicNanoseconds() / 1_000_000)
        readWallClock()
        readClock()
    }

    /// Only after the loop has ended, or when it never ran.
    deinit {
        blocks.pointee.releaseAll()
        outputs.pointee.releaseAll()
        clients.deallocate()
        upstreams.deallocate()
        forwards.deallocate()
        wheel.deallocate()
        snapshots.pointee.releaseAll()
        snapshots.deinitialize(count: 1).deallocate()
        origins.pointee.deallocate()
        origins.deinitialize(count: 1).deallocate()
        blocks.deallocate()
        outputs.deallocate()
        random.deallocate()
        (receiveArea - Limits.receiveHeadroom).deallocate()
        compose.deallocate()
        responseSlots.deallocate()
        date.deallocate()
        context.pointee.leases.deallocate()
        context.pointee.scratch.deallocate()
        context.deallocate()
    }

    // MARK: The loop

    /// Sets the timer that all deadlines rest on. Before `run()`, so that a worker without one never serves.
    func startTicking() throws(EventLoop.SetupError) {
        ticker = try IntervalTimer(
            loop, milliseconds: Int(Limits.tickMilliseconds), owner: Unmanaged.passUnretained(self).toOpaque()
        ) { _, _, owner in
            guard let owner else { return }
            Unmanaged<Worker>.fromOpaque(owner)._withUnsafeGuaranteedRef { $0.tick() }
        }
    }

    /// Serves until `stop()`. The calling thread becomes the worker's.
    func run() {
        precondition(ticker != nil)
        while !isStopped { turn() }
        ticker = nil
        closeEverything()
    }

    /// One turn of the loop. Waits for events unless something is queued or `polling`.
    @inline(__always)
    func turn(polling: Bool = false) {
        loop.turn(polling: polling || !queue.isEmpty)
        sendOn()
        workOffQueue()
        sendOn()
        isClockFresh = false
    }

    /// Lets time pass for whoever turns the loop by hand: what is due in it happens now.
    func pass(milliseconds: UInt64) {
        clock.pass(nanoseconds: milliseconds &* 1_000_000)
        tick()
    }

    /// Ends the loop after this turn; every connection is closed as it is. On the worker's thread.
    func stop() { isStopped = true }

    /// Reads the clock, unless it was read in this turn. Every callback begins with it.
    @inline(__always)
    func freshenClock() {
        if isClockFresh {
            doneSinceReading &+= 1
            return
        }
        readClock()
    }

    /// Reads the clock before a decision, unless next to nothing was done since it was last read. A turn may be long: what a request is
    /// judged by must not be the time at which others were read before it. A decision that is not bound to its moment makes do with a
    /// reading that is some more callbacks old.
    @inline(__always)
    func freshenClock(forDecisionByClock goesByClock: Bool) {
        if doneSinceReading >= (goesByClock ? Limits.callbacksPerReading : 2 * Limits.callbacksPerReading) { readClock() }
        noteLongWork()
    }

    /// Something was done that may have taken its time: whatever is decided next goes by the clock as it is then.
    @inline(__always)
    func noteLongWork() { doneSinceReading = max(doneSinceReading, Limits.callbacksPerReading) }

    func readClock() {
        let now = clock.monotonicNanoseconds()
        context.pointee.monotonicNanoseconds = now
        context.pointee.wallSeconds = Int64((now &+ wallOffset) / 1_000_000_000)
        context.pointee.countSeconds = KeeperState.seconds(context.pointee.keeper, at: now)
        nowMilliseconds = now / 1_000_000
        isClockFresh = true
        doneSinceReading = 0
    }

    /// Notices a step of the wall clock, at every tick.
    private func readWallClock() {
        wallOffset = clock.wallNanoseconds() &- clock.monotonicNanoseconds()
    }

    private func tick() {
        readWallClock()
        readClock()
        while let entry = wheel.nextExpired(at: nowMilliseconds) {
            guard let owner = entry.pointee.owner else { continue }
            switch entry.pointee.kind {
            case .downstream: clientExpired(owner.assumingMemoryBound(to: ClientConnection.self))
            case .upstream: upstreamExpired(owner.assumingMemoryBound(to: UpstreamConnection.self))
            }
        }
        if !keySetWaiters.isEmpty { expireKeySetWaiters() }
        if !allowanceWaiters.isEmpty { expireAllowanceWaiters() }
        if !preCallWaiters.isEmpty { expirePreCallWaiters() }
        resumeAccepting()
        if nowMilliseconds >= trimDue { trim() }
        accessLog?.flushIfDue(nowMilliseconds)
        noteLongWork()
        if isDraining, let drained, !hasExchanges {
            self.drained = nil
            drained()
        }
    }

    /// Gives back what a burst of connections or requests has left behind.
    private func trim() {
        trimDue = nowMilliseconds + Limits.trimMilliseconds
        var hasFreed = blocks.pointee.trim()
        if outputs.pointee.trim() { hasFreed = true }
        // Queues may hold pointers to places that are free by now.
        if queue.isEmpty, forwards.isEmpty, keySetWaiters.isEmpty, allowanceWaiters.isEmpty, preCallWaiters.isEmpty {
            if clients.trim() { hasFreed = true }
            if upstreams.trim() { hasFreed = true }
        }
        if hasFreed { Heap.trim() }
    }

    // MARK: The turn's queue

    /// Runs what callbacks left for the end of the turn. What is queued meanwhile waits for the next turn, so that no
    /// connection can keep the loop from the others.
    private func workOffQueue() {
        guard !queue.isEmpty else { return }
        freshenClock()
        var left = queue.count
        while left > 0, let entry = queue.next() {
            left -= 1
            // Each is what a callback would be.
            freshenClock()
            switch entry {
            case .downstream(let connection, let generation):
                guard connection.pointee.generation == generation else { continue }
                connection.pointee.isQueued = false
                resume(connection)
            case .upstream(let connection, let generation):
                guard connection.pointee.generation == generation else { continue }
                connection.pointee.isQueued = false
                advance(connection)
            }
        }
    }

    /// Gives the connection another turn after the others had theirs.
    func enqueue(_ connection: ClientRef) {
        guard !connection.pointee.isQueued else { return }
        connection.pointee.isQueued = true
        queue.append(.downstream(connection, connection.pointee.generation))
    }

    /// Gives the connection another turn after the others had theirs.
    func enqueue(_ connection: UpstreamRef) {
        guard !connection.pointee.isQueued else { return }
        connection.pointee.isQueued = true
        queue.append(.upstream(connection, connection.pointee.generation))
    }

    /// Sets a deadline `milliseconds` from this turn; 0 means none. It is never later than the request's own.
    @inline(__always)
    func limit(_ connection: ClientRef, to milliseconds: UInt64) {
        let deadline = milliseconds == 0 ? Deadline.never : nowMilliseconds + milliseconds
        wheel.set(connection.deadline, at: min(deadline, connection.pointee.totalUntil))
    }

    /// The first byte of a request has come: its time in all begins, where that has a bound.
    @inline(__always)
    func beginTotal(_ connection: ClientRef) {
        if limits.totalTimeout > 0 { connection.pointee.totalUntil = nowMilliseconds + limits.totalTimeout }
    }

    /// Sets a deadline `milliseconds` from this turn; 0 means none.
    @inline(__always)
    func limit(_ connection: UpstreamRef, to milliseconds: UInt64) {
        wheel.set(connection.deadline, at: milliseconds == 0 ? Deadline.never : nowMilliseconds + milliseconds)
    }
}

extension ClientRef {
    /// Where the connection's deadline stands.
    @inline(__always)
    var deadline: UnsafeMutablePointer<Deadline> { field(MemoryLayout<ClientConnection>.offset(of: \.deadline)) }

    /// Where the connection's event stands.
    var event: UnsafeMutablePointer<SocketEvent> { field(MemoryLayout<ClientConnection>.offset(of: \.event)) }
}

extension UpstreamRef {
    /// Where the connection's deadline stands.
    @inline(__always)
    var deadline: UnsafeMutablePointer<Deadline> { field(MemoryLayout<UpstreamConnection>.offset(of: \.deadline)) }

    /// Where the connection's event stands.
    var event: UnsafeMutablePointer<SocketEvent> { field(MemoryLayout<UpstreamConnection>.offset(of: \.event)) }
}

extension UnsafeMutablePointer {
    /// A stored field's address. The offset of a stored property is never nil.
    @inline(__always)
    fileprivate func field<Field>(_ offset: Int?) -> UnsafeMutablePointer<Field> {
        (UnsafeMutableRawPointer(self) + offset.unsafelyUnwrapped).assumingMemoryBound(to: Field.self)
    }
}
