import SluiceEvent

/// How an exchange runs through its chain, stops in it and goes on, and how it is forwarded at the chain's end.
///
/// There are two ways in, and no other code runs a chain: `begin`, once, when the request is routed, and `goOn`, for whatever a
/// suspended exchange was waiting for (an answer, mail from another thread, a deadline). Between two runs other exchanges ran on this
/// thread, on other snapshots perhaps, and time has passed; so a run relies on nothing that the thread remembers from the one before. What
/// depends on the snapshot stands in the exchange itself, which is bound to it by `enter`; the clock is read in this turn; scratch memory,
/// match data and composed bytes mean nothing beyond the step that wrote them.
struct ExchangeChain: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let context: UnsafeMutablePointer<EvaluationContext>
        let forwards: ForwardQueue
        let clientEnd: ClientEnd
        let answers: ExchangeAnswers
        let waiters: ExchangeWaiters
        let bodies: BodyCollection
        let upstreamEnd: UpstreamEnd
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var context: UnsafeMutablePointer<EvaluationContext> { state.pointee.context }
    private var forwards: ForwardQueue { state.pointee.forwards }
    private var clientEnd: ClientEnd { state.pointee.clientEnd }
    private var answers: ExchangeAnswers { state.pointee.answers }
    private var waiters: ExchangeWaiters { state.pointee.waiters }
    private var bodies: BodyCollection { state.pointee.bodies }
    private var upstreamEnd: UpstreamEnd { state.pointee.upstreamEnd }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, context: parts.context, forwards: parts.forwards, clientEnd: owners.clientEnd, answers: owners.answers,
            waiters: owners.waiters, bodies: owners.bodies, upstreamEnd: owners.upstreamEnd))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// Where a chain goes on.
    enum Resumption {
        /// The step that suspended is evaluated again.
        case sameStep
        /// What the step waited for has let the request pass.
        case nextStep
    }

    /// Runs the chain of an exchange that was just routed.
    @inline(__always)
    func begin(_ block: ExchangeRef) { run(block) }

    /// Lets a suspended exchange go on. Nothing happens if it does not wait: nothing goes on twice.
    func goOn(_ block: ExchangeRef, at resumption: Resumption) {
        guard block.pointee.run.goOn() else { return assertionFailure("an exchange went on that was not waiting") }
        turn.freshenClock()
        if block.pointee.exchange.caller.digest != nil, let refusal = PolicyChain.goOn(&block.pointee.exchange) { return answers.answer(block, refusal) }
        if resumption == .sameStep { block.pointee.exchange.step -= 1 }
        run(block)
    }

    /// Runs the chain from where the exchange stands and does what it says.
    @inline(__always)
    private func run(_ block: ExchangeRef) {
        turn.freshenClock(forDecisionByClock: block.pointee.exchange.endpoint?.pointee.goesByClock ?? true)
        switch PolicyChain.run(&block.pointee.exchange) {
        case .proceed: pass(block)
        case .refuse(let refusal): answers.answer(block, refusal)
        case .respond(let response): answers.answer(block, response)
        case .suspend(let wait): suspend(block, wait)
        }
    }

    /// The chain waits for something from elsewhere.
    @inline(never)
    private func suspend(_ block: ExchangeRef, _ wait: Wait) {
        // The client's end may have come with its request.
        if clientEnd.hasLeft(block) { return clientEnd.reset(block) }
        block.pointee.run.suspend(for: wait)
        switch wait {
        case .service(let call): waiters.awaitPreCall(call, block)
        case .keySet(let source): waiters.awaitKeySet(source, block)
        case .allowance: waiters.awaitAllowance(block)
        case .body: bodies.begin(block)
        }
    }

    // MARK: Forwarding

    /// The chain lets the request pass: it is sent on at the end of the turn, or with the next fifteen.
    private func pass(_ block: ExchangeRef) {
        forwards.append(WaitingExchange(block))
        if forwards.isFull { sendOn() }
    }

    /// Sends on what has passed. The clock was read in this turn: only a callback can have let something pass.
    @inline(never)
    func sendOn() {
        while let exchange = forwards.next() {
            if let block = exchange.block { forward(block) }
        }
    }

    /// Sends the request to the domain's upstream.
    private func forward(_ block: ExchangeRef) {
        // Its end may have come with the request.
        if clientEnd.hasLeft(block) { return clientEnd.reset(block) }
        block.pointee.run.forward(at: context.pointee.monotonicNanoseconds)
        guard block.pointee.exchange.domain?.pointee.upstream != nil else {
            return answers.answer(block, .upstreamUnavailable("no upstream configured"))
        }
        upstreamEnd.begin(block)
    }
}
