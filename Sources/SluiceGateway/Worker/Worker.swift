import Glibc
import SluiceCounting
import SluiceEvent

/// One thread of the data plane: an event loop and everything that it touches while requests pass.
///
/// Nothing here is shared. Other threads reach a worker through its mailbox; what workers share (counters of ceilings
/// and quotas, the replay table) is atomic and lies outside. So no request waits for a lock, and a turn of the loop
/// allocates nothing once the pools have grown to the load.
///
/// A worker turns its loop and hands on what comes: to the owners of connections and exchanges (`WorkerOwners`), which work with its memory
/// (`WorkerParts`). It decides nothing about HTTP.
///
/// A turn: the loop waits; the callbacks of ready connections read, decide and write, or leave requests that may pass to be sent on
/// together (`ForwardQueue`); then the turn's queue is worked off (pipelined requests, connections whose share of reads was used up).
/// Deadlines are looked at by a tick of the loop.
final class Worker {
    let parts: WorkerParts
    let owners: WorkerOwners
    let mailbox: Mailbox
    private let loop: EventLoop
    /// Projects that `context.leases` has room for.
    var leaseCount = 0
    private var trimDue: UInt64 = 0
    private var ticker: LoopTimer?
    private var isStopped = false
    /// Called on this thread when the last connection of a draining worker has gone.
    var drained: (() -> Void)?

    init(
        number: Int, limits: WorkerLimits, workerCount: Int, bounds: ConnectionBounds, counts: CountRegistry, accessLog: AccessLogBuffer?,
        remarks: RemarkLog? = nil, clock: WorkerClock = WorkerClock()
    ) throws(EventLoop.SetupError) {
        parts = try WorkerParts(
            number: number, limits: limits, workerCount: workerCount, bounds: bounds, counts: counts, accessLog: accessLog, remarks: remarks, clock: clock)
        loop = parts.loop
        mailbox = try Mailbox(loop)
        owners = WorkerOwners(parts)
        parts.upstreams.belong(to: owners.upstreamTransport.opaque)
    }

    /// Only after the loop has ended, or when it never ran.
    deinit {
        owners.deallocate()
        parts.deallocate()
    }

    // MARK: The loop

    /// Sets the timer that all deadlines rest on. Before `run()`, so that a worker without one never serves.
    func startTicking() throws(EventLoop.SetupError) {
        let timer = try LoopTimer(loop, owner: Unmanaged.passUnretained(self).toOpaque()) { _, _, owner in
            guard let owner else { return }
            Unmanaged<Worker>.fromOpaque(owner)._withUnsafeGuaranteedRef {
                $0.parts.turn.beginTick()
                $0.tick()
                $0.planTick()
            }
        }
        guard timer.set(milliseconds: 1) else { throw EventLoop.SetupError(message: "a timer cannot be set") }
        ticker = timer
    }

    /// Sets the timer to what is due next. Whoever waits in another place than the wheel is looked at in every tick.
    private func planTick() {
        let isWaitedFor = parts.clients.isDraining || !owners.waiters.isEmpty || owners.listeners.arePaused
        var wait = isWaitedFor ? Limits.tickMilliseconds : Limits.idleTickMilliseconds
        if let lines = parts.accessLog?.due { wait = min(wait, max(lines, parts.turn.now) - parts.turn.now) }
        guard let milliseconds = parts.turn.planTick(within: wait) else { return }
        // libevent keeps the room of a timer that was once set, so this does not fail.
        if ticker?.set(milliseconds: milliseconds) != true { parts.turn.beginTick() }
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
        loop.turn(polling: polling || !parts.turn.isEmpty)
        if !parts.forwards.isEmpty { owners.chain.sendOn() }
        workOffQueue()
        if !parts.forwards.isEmpty { owners.chain.sendOn() }
        if !parts.turn.hasSentAll { owners.http2Connections.sendGathered() }
        if parts.turn.isTickLate { planTick() }
        parts.turn.end()
    }

    /// Lets time pass for whoever turns the loop by hand: what is due in it happens now.
    func pass(milliseconds: UInt64) {
        parts.turn.pass(nanoseconds: milliseconds &* 1_000_000)
        tick()
    }

    /// Ends the loop after this turn; every connection is closed as it is. On the worker's thread.
    func stop() { isStopped = true }

    private func tick() {
        let turn = parts.turn
        turn.readClock()
        while let entry = turn.nextExpired() {
            guard let owner = entry.pointee.owner else { continue }
            switch entry.pointee.kind {
            case .client: owners.clientTransport.expired(owner.assumingMemoryBound(to: ClientConnection.self))
            case .upstream: owners.upstreamTransport.expired(owner.assumingMemoryBound(to: UpstreamConnection.self))
            case .stream: owners.http2Exchanges.expired(owner.assumingMemoryBound(to: ExchangeBlock.self))
            case .serviceStream: owners.sharedRequests.expired(owner.assumingMemoryBound(to: ExchangeBlock.self))
            }
        }
        owners.waiters.expire()
        owners.listeners.resumeAccepting()
        if turn.now >= trimDue { trim() }
        parts.accessLog?.flushIfDue(turn.now)
        turn.noteLongWork()
        if let drained, !hasExchanges {
            self.drained = nil
            drained()
        }
    }

    /// Gives back what a burst of connections or requests has left behind.
    private func trim() {
        trimDue = parts.turn.now + Limits.trimMilliseconds
        // Queues may hold pointers to places that are free by now.
        if parts.trim(isQuiet: owners.waiters.isEmpty) { Heap.trim() }
    }

    // MARK: The turn's queue

    /// Runs what callbacks left for the end of the turn. What is queued meanwhile waits for the next turn, so that no
    /// connection can keep the loop from the others.
    private func workOffQueue() {
        let turn = parts.turn
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
                owners.clientTransport.resume(connection)
            case .upstream:
                let connection = entry.place.assumingMemoryBound(to: UpstreamConnection.self)
                guard connection.pointee.generation == entry.generation else { continue }
                connection.pointee.isQueued = false
                owners.upstreamTransport.advance(connection)
            case .stream, .serviceStream: assertionFailure("an exchange has no turn of its own")
            }
        }
    }
}
