import SluiceEvent

// How an exchange runs through its chain, stops in it and goes on.
//
// There are two ways in, and no other code runs a chain: `beginChain`, once, when the request is routed, and `goOn`, for whatever a
// suspended exchange was waiting for (an answer, mail from another thread, a deadline). Between two runs other exchanges ran on this
// thread, on other snapshots perhaps, and time has passed; so a run relies on nothing that the thread remembers from the one before. What
// depends on the snapshot stands in the exchange itself, which is bound to it by `enter`; the clock is read in this turn; scratch memory,
// match data and composed bytes mean nothing beyond the step that wrote them.

extension Worker {
    /// Where a chain goes on.
    enum Resumption {
        /// The step that suspended is evaluated again.
        case sameStep
        /// What the step waited for has let the request pass.
        case nextStep
    }

    /// Runs the chain of an exchange that was just routed.
    @inline(__always)
    func beginChain(_ block: ExchangeRef) { runChain(block) }

    /// Lets a suspended exchange go on. Nothing happens if it does not wait: nothing goes on twice.
    func goOn(_ block: ExchangeRef, at resumption: Resumption) {
        guard block.pointee.run.isSuspended else { return assertionFailure("an exchange went on that was not waiting") }
        block.pointee.run.isSuspended = false
        turn.freshenClock()
        block.pointee.run.isPreCall = false
        if resumption == .sameStep { block.pointee.exchange.step -= 1 }
        runChain(block)
    }

    /// Runs the chain from where the exchange stands and does what it says.
    @inline(__always)
    private func runChain(_ block: ExchangeRef) {
        turn.freshenClock(forDecisionByClock: block.pointee.exchange.endpoint?.pointee.goesByClock ?? true)
        switch PolicyChain.run(&block.pointee.exchange) {
        case .proceed: pass(block)
        case .refuse(let refusal): answer(block, refusal)
        case .respond(let response): answer(block, response)
        case .suspend(let wait): suspend(block, wait)
        }
    }

    /// The chain waits for something from elsewhere.
    @inline(never)
    private func suspend(_ block: ExchangeRef, _ wait: Wait) {
        // The client's end may have come with its request.
        if clientHasLeft(block) { return resetClient(block) }
        block.pointee.run.isSuspended = true
        block.pointee.run.suspensions &+= 1
        switch wait {
        case .service(let call):
            block.pointee.run.call = call
            awaitPreCall(call, block)
        case .keySet(let source): awaitKeySet(source, block)
        case .allowance: awaitAllowance(block)
        }
    }
}
