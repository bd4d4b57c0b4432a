import SluiceCounting
import SluiceEvent
import SluiceHTTP

/// The exchanges of one worker that wait for something from elsewhere: a key set, allowance, the answer of a pre-call API. Whoever waits goes on once,
/// by `ExchangeChain.goOn`, at the latest when its time is over.
///
/// Of pre-calls only questions whose answers are remembered are shared. The first who comes with one asks, and holds its flight (`PreCallFlights`) until
/// the service has answered or the exchange is over, for whatever reason; `endFlight` stands on every way out, the release of the block
/// being the last. The others, on all workers, wait:
///
/// - the service lets pass: they pass, and so does who comes later, until the answer is forgotten;
/// - it answers otherwise: that is the asker's answer, and each of the others asks for itself;
/// - it does not answer, or the asker's client has gone: one of those who wait asks anew, and the others wait on;
/// - the time of a pre-call is over: who has waited so long asks for itself, with the whole time of a pre-call before it.
///
/// So a stranger's failure costs those who wait time, once, and never an answer.
struct ExchangeWaiters: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let limits: UnsafePointer<WorkerLimits>
        let context: UnsafeMutablePointer<EvaluationContext>
        let counts: CountRegistry
        let number: Int
        let chain: ExchangeChain
        let upstreamEnd: UpstreamEnd
        var keySets = KeySetWaiters()
        var allowances = AllowanceWaiters()
        var preCalls = PreCallWaiters()
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var limits: WorkerLimits { state.pointee.limits.pointee }
    private var context: UnsafeMutablePointer<EvaluationContext> { state.pointee.context }
    private var counts: CountRegistry { state.pointee.counts }
    private var number: Int { state.pointee.number }
    private var chain: ExchangeChain { state.pointee.chain }
    private var upstreamEnd: UpstreamEnd { state.pointee.upstreamEnd }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, limits: parts.limits, context: parts.context, counts: parts.counts, number: parts.number, chain: owners.chain,
            upstreamEnd: owners.upstreamEnd))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// Whether nobody waits.
    var isEmpty: Bool { state.pointee.keySets.isEmpty && state.pointee.allowances.isEmpty && state.pointee.preCalls.isEmpty }

    /// Lets go on whoever has waited long enough. At every tick.
    func expire() {
        if !state.pointee.keySets.isEmpty { expireKeySetWaiters() }
        if !state.pointee.allowances.isEmpty { expireAllowanceWaiters() }
        if !state.pointee.preCalls.isEmpty { expirePreCallWaiters() }
    }

    // MARK: Key sets

    /// The exchange waits for the key set of this number, and goes on when its fetch has ended.
    func awaitKeySet(_ source: Int, _ block: ExchangeRef) {
        state.pointee.keySets.append(.init(
            source: source, suspension: Suspension(block), deadline: turn.now + limits.keySetFetch + Limits.keySetGraceMilliseconds))
        turn.noteDue(turn.now)
    }

    /// A fetch has ended: evaluates the policy again for every exchange that waited for it.
    func keySetFetchEnded(source: Int) {
        turn.freshenClock()
        checkAgain(state.pointee.keySets.take(source))
    }

    /// Who has waited for longer than a fetch takes is checked with the keys that there are.
    func expireKeySetWaiters() { checkAgain(state.pointee.keySets.takeExpired(at: turn.now)) }

    private func checkAgain(_ waiters: [KeySetWaiters.Waiter]) {
        for waiter in waiters {
            guard let block = waiter.suspension.block else { continue }
            chain.goOn(block, at: .sameStep)
        }
    }

    // MARK: Allowance

    /// The step that suspended is evaluated again when the keeper has been to the store, or when the exchange has waited long enough.
    func awaitAllowance(_ block: ExchangeRef) {
        KeeperState.countWait(context.pointee.keeper)
        // One exchange waits once, however many of its steps and of the keeper's rounds that takes.
        if block.pointee.exchange.allowanceDeadline == 0 {
            block.pointee.exchange.allowanceDeadline = turn.now + limits.countWait
        }
        let deadline = block.pointee.exchange.allowanceDeadline
        guard state.pointee.allowances.count < Limits.allowanceWaiters, deadline > turn.now else {
            block.pointee.exchange.hasAwaitedAllowance = true
            return chain.goOn(block, at: .sameStep)
        }
        state.pointee.allowances.append(.init(suspension: Suspension(block), deadline: deadline))
        turn.noteDue(turn.now)
        AttentionQueue.awaitReply(context.pointee.attention)
        counts.signal.raise()
    }

    /// The keeper has been to the store, or knows that it cannot be reached.
    func allowanceChanged() {
        turn.freshenClock()
        for waiter in state.pointee.allowances.takeAll() {
            guard let block = waiter.suspension.block else { continue }
            block.pointee.exchange.hasAwaitedAllowance = turn.now >= waiter.deadline
            chain.goOn(block, at: .sameStep)
        }
    }

    /// Decides what has waited long enough.
    func expireAllowanceWaiters() {
        for waiter in state.pointee.allowances.takeExpired(at: turn.now) {
            guard let block = waiter.suspension.block else { continue }
            block.pointee.exchange.hasAwaitedAllowance = true
            chain.goOn(block, at: .sameStep)
        }
    }

    // MARK: Pre-calls

    /// The chain waits for the answer of a pre-call API.
    func awaitPreCall(_ call: UnsafePointer<ServiceCall>, _ block: ExchangeRef) {
        guard let memory = call.pointee.memory, memory.answers.hasRoom else { return ask(call, block) }
        share(call, memory, block, until: turn.now + call.pointee.timeoutMilliseconds)
    }

    /// Asks, or waits for who asks already.
    /// - Returns: the flight that the exchange waits for; nil if it does not wait.
    @discardableResult
    private func share(
        _ call: UnsafePointer<ServiceCall>, _ memory: ServiceCall.Memory, _ block: ExchangeRef, until deadline: UInt64
    ) -> PreCallFlights.Number? {
        let key = memory.key(of: block.pointee.exchange)
        for _ in 0..<Limits.preCallClaims {
            let claim = memory.flights.claim(key, worker: number)
            if case .waiter(let flight) = claim, state.pointee.preCalls.count < Limits.preCallWaiters, deadline > turn.now {
                state.pointee.preCalls.append([.init(suspension: Suspension(block), deadline: deadline)], to: flight)
                turn.noteDue(turn.now)
                return flight
            }
            if case .asker(let flight) = claim { block.pointee.run.flight = flight }
            // Who asked has remembered the answer before the flight's end: it may have come since this exchange looked for it.
            if memory.answers.contains(key, at: context.pointee.monotonicNanoseconds) {
                endFlight(block, .passed)
                chain.goOn(block, at: .nextStep)
                return nil
            }
            if claim != .ended { break }
        }
        ask(call, block)
        return nil
    }

    /// Sends the question.
    private func ask(_ call: UnsafePointer<ServiceCall>, _ block: ExchangeRef) {
        block.pointee.run.ask(call, until: turn.now + call.pointee.timeoutMilliseconds)
        upstreamEnd.begin(block)
    }

    /// The exchange asks no longer; told to those who wait for the answer. Nothing if it never asked for others.
    @inline(__always)
    func endFlight(_ block: ExchangeRef, _ outcome: PreCallMemory.Outcome) {
        if block.pointee.run.flight != 0 { endSharedFlight(block, outcome) }
    }

    @inline(never)
    private func endSharedFlight(_ block: ExchangeRef, _ outcome: PreCallMemory.Outcome) {
        let flight = block.pointee.run.flight
        block.pointee.run.flight = 0
        block.pointee.snapshot?.pointee.tables.pointee.preCalls._withUnsafeGuaranteedRef { $0.end(flight, outcome) }
    }

    /// The question that exchanges of this worker waited for has ended.
    func preCallEnded(_ flight: PreCallFlights.Number, _ outcome: PreCallMemory.Outcome) {
        turn.freshenClock()
        var waiting = state.pointee.preCalls.take(flight)[...]
        while let waiter = waiting.popFirst() {
            // Who waits again takes along all that wait for the same: with every failure one asks, and nobody looks at the others.
            if let next = goOn(waiter, outcome) { return state.pointee.preCalls.append(waiting, to: next) }
        }
    }

    /// Who has waited long enough asks for itself.
    func expirePreCallWaiters() {
        for waiter in state.pointee.preCalls.takeExpired(at: turn.now) { _ = goOn(waiter, .refused) }
    }

    /// - Returns: the flight that the exchange waits for now, if it does.
    private func goOn(_ waiter: PreCallWaiters.Waiter, _ outcome: PreCallMemory.Outcome) -> PreCallFlights.Number? {
        guard let block = waiter.suspension.block, let call = block.pointee.run.call else { return nil }
        switch outcome {
        case .passed: chain.goOn(block, at: .nextStep)
        case .failed where waiter.deadline > turn.now:
            guard let memory = call.pointee.memory else { break }
            return share(call, memory, block, until: waiter.deadline)
        case .refused, .failed: ask(call, block)
        }
        return nil
    }
}
