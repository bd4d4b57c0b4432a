import SluiceCounting
import SluiceEvent
import SluiceHTTP

/// One attempt of an exchange at a service: choosing an address, taking or opening a connection, the time that it has, and whether it is tried again.
struct UpstreamAttempts: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let limits: UnsafePointer<WorkerLimits>
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let upstreams: UpstreamConnections
        let choice: UpstreamChoice
        let origins: UnsafeMutablePointer<OriginTable>
        let course: ResponseCourse
        let exchanges: UpstreamExchanges
        let sharedRequests: SharedRequests
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var limits: WorkerLimits { state.pointee.limits.pointee }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var upstreams: UpstreamConnections { state.pointee.upstreams }
    private var choice: UpstreamChoice { state.pointee.choice }
    private var origins: UnsafeMutablePointer<OriginTable> { state.pointee.origins }
    private var course: ResponseCourse { state.pointee.course }
    private var exchanges: UpstreamExchanges { state.pointee.exchanges }
    private var sharedRequests: SharedRequests { state.pointee.sharedRequests }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, limits: parts.limits, traffic: parts.traffic, upstreams: parts.upstreams, choice: parts.choice,
            origins: parts.origins, course: owners.responseCourse, exchanges: owners.upstreamExchanges, sharedRequests: owners.sharedRequests))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// Tries once: a pooled connection to the address with the least outstanding exchanges, else a new one.
    func attempt(_ block: ExchangeRef, freshOnly: Bool) {
        block.pointee.run.beginAttempt()
        let address: UpstreamAddressRef
        switch choice.choose(block, at: turn.now) {
        case .address(let chosen): address = chosen
        case .none: return course.fail(block, .upstreamUnavailable("no healthy upstream address"))
        case .circuitOpen:
            traffic.pointee.circuitRefusals &+= 1
            return course.fail(block, .upstreamUnavailable("no healthy upstream address"))
        }
        if block.pointee.run.attempts == 1 {
            origins.pointee[address.pointee.origin].pointee.retryBudget.noteRequest(at: turn.now / 1000)
        }
        if address.pointee.versions != .http1, sharedRequests.joins(block, address, freshOnly: freshOnly) { return }
        if !freshOnly, let idle = upstreams.idle.takeIdle(address, mayRepeat: mayRepeat(block)) {
            upstreams.attach(idle, block)
            return exchanges.sendRequest(idle)
        }
        // An idle one that this request cannot have makes room for its own.
        guard limits.connectionsPerAddressMax == 0 || address.pointee.connections < limits.connectionsPerAddressMax
            || upstreams.idle.closeOneIdle(address)
        else {
            return course.fail(block, .upstreamUnavailable("too many upstream connections"))
        }
        let shares = address.pointee.versions != .http1 && !sharedRequests.needsOwnConnection(block)
        let time = shares ? limits.connectTimeout : connectTimeout(block)
        var failure = upstreams.connect(address, for: block, within: time, shares: shares)
        if let error = failure, error.isExhaustion, upstreams.idle.closeSomeIdle() {
            failure = upstreams.connect(address, for: block, within: time, shares: shares)
        }
        guard let error = failure else {
            if shares, let connection = block.pointee.run.upstream { sharedRequests.awaitTurn(block, connection) }
            return
        }
        if error.isExhaustion {
            // Our own want of descriptors, ports or memory says nothing about the service.
            course.fail(block, .upstreamUnavailable("no resources for another connection"))
        } else {
            noteFailure(address)
            tryAgain(block, at: address.pointee.origin, orFail: .upstreamFailed("connection refused"))
        }
    }

    /// - Parameters:
    ///   - origin: whose retry budget has to allow it; nil where it is not asked.
    ///   - more: attempts beyond `SLUICE_RETRY_MAX`, unless that is 0.
    func tryAgain(
        _ block: ExchangeRef, at origin: Int?, orFail refusal: Refusal,
        freshOnly: Bool = false, more: UInt8 = 0
    ) {
        let attemptsMax = limits.retriesMax == 0 ? 0 : Int(limits.retriesMax) + Int(more)
        guard block.pointee.run.attempts <= attemptsMax, block.pointee.run.isReplayable,
            !block.pointee.run.isHeadSent,
            block.pointee.run.askedUntil > turn.now
        else { return course.fail(block, refusal) }
        if let origin, !origins.pointee[origin].pointee.retryBudget.takeRetry(
            at: turn.now / 1000, percent: limits.retryPercent, minimum: limits.retriesPerSecondMin)
        {
            traffic.pointee.retriesRefused &+= 1
            return course.fail(block, refusal)
        }
        traffic.pointee.upstreamRetries &+= 1
        attempt(block, freshOnly: freshOnly)
    }

    // MARK: What may be done again

    /// Whether the request could be sent again, should the connection turn out to be closed: seeing it twice would do no harm
    /// (RFC 9110, 9.2.2), and what there is of its body stands in the block.
    @inline(__always)
    private func mayRepeat(_ block: ExchangeRef) -> Bool {
        guard isRepeatable(block) else { return false }
        return block.pointee.run.isPreCall || block.pointee.run.requestBody == .complete || isWhole(block)
    }

    /// Whether seeing the request twice would do no harm: by the method of the pre-call, or of the client's request.
    @inline(__always)
    func isRepeatable(_ block: ExchangeRef) -> Bool {
        guard let call = block.pointee.run.call else { return block.pointee.exchange.head.method.isIdempotent }
        return call.pointee.isIdempotent
    }

    /// Whether a body of known length stands in the block to its last byte.
    func isWhole(_ block: ExchangeRef) -> Bool {
        guard case .length = block.pointee.run.requestFraming else { return false }
        // A longer one is held, but sent in pieces.
        guard block.pointee.run.wideInput == nil || block.pointee.run.requestRemaining <= UInt64(Limits.heldPieceBytes) else { return false }
        return UInt64(block.pointee.inputCount - block.pointee.inputUsed) >= block.pointee.run.requestRemaining
    }

    /// Counts a failure of the address.
    func noteFailure(_ address: UpstreamAddressRef) {
        traffic.pointee.upstreamFailures &+= 1
        address.pointee.noteFailure(at: turn.now, limits)
        if !address.pointee.isRetired { origins.pointee.noteFailure(address.pointee.origin) }
    }

    // MARK: What may still leave

    /// Why the request may not leave any more; nil if it may: if it is late for what its ceiling or its caller was charged with, it is charged
    /// anew.
    @inline(__always)
    func refusalToLeave(_ block: ExchangeRef) -> Refusal? {
        let now = turn.monotonicNanoseconds()
        let isInTime = !CeilingMeter.isLate(block.pointee.exchange.charge, now: now)
        return isInTime && block.pointee.exchange.callerCharges == nil ? nil : moveCharges(block, isInTime: isInTime, now: now)
    }

    /// What is decided and sent in this turn may have taken so long that a request leaves later than it was charged for.
    @inline(never)
    private func moveCharges(_ block: ExchangeRef, isInTime: Bool, now: UInt64) -> Refusal? {
        if isInTime, !block.pointee.exchange.hasLateCallerCharge(at: now) { return nil }
        turn.readClock()
        return PolicyChain.moveCharges(&block.pointee.exchange)
    }

    // MARK: Times

    /// Milliseconds in which the service has to begin, and to go on, answering. Never 0, which would be no limit.
    func answerTimeout(_ block: ExchangeRef) -> UInt64 {
        if let call = block.pointee.run.call {
            // Only what is passed on as the client's answer may take its time, piece by piece.
            return !block.pointee.run.hasServiceHead ? preCallTime(block) : call.pointee.timeoutMilliseconds
        }
        return block.pointee.exchange.domain?.pointee.upstream?.pointee.timeoutMilliseconds ?? limits.connectTimeout
    }

    /// What is left of a pre-call's time, in milliseconds: one for everything from the decision to ask to the end of the answer's head,
    /// however many attempts and pieces that takes.
    private func preCallTime(_ block: ExchangeRef) -> UInt64 {
        let until = block.pointee.run.askedUntil
        return until > turn.now ? until - turn.now : 1
    }

    /// Milliseconds in which a connection for the exchange has to stand, TLS included.
    func connectTimeout(_ block: ExchangeRef) -> UInt64 {
        guard block.pointee.run.isPreCall else { return limits.connectTimeout }
        return min(limits.connectTimeout, preCallTime(block))
    }
}
