import SluiceCounting
import SluiceEvent

// Who asks a pre-call API, and who waits for the answer to the same question.
//
// Only questions whose answers are remembered are shared. The first who comes with one asks, and holds its flight (`PreCallFlights`) until
// the service has answered or the exchange is over, for whatever reason; `endFlight` stands on every way out, the release of the block
// being the last. The others, on all workers, wait:
//
// - the service lets pass: they pass, and so does who comes later, until the answer is forgotten;
// - it answers otherwise: that is the asker's answer, and each of the others asks for itself;
// - it does not answer, or the asker's client has gone: one of those who wait asks anew, and the others wait on;
// - the time of a pre-call is over: who has waited so long asks for itself, with the whole time of a pre-call before it.
//
// So a stranger's failure costs those who wait time, once, and never an answer.

extension Worker {
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
        block.pointee.run.isPreCall = true
        let key = memory.key(of: block.pointee.exchange)
        for _ in 0..<Limits.preCallClaims {
            let claim = memory.flights.claim(key, worker: number)
            if case .waiter(let flight) = claim, preCallWaiters.count < Limits.preCallWaiters, deadline > turn.now {
                preCallWaiters.append([.init(suspension: Suspension(block), deadline: deadline)], to: flight)
                turn.noteDue(turn.now)
                return flight
            }
            if case .asker(let flight) = claim { block.pointee.run.flight = flight }
            // Who asked has remembered the answer before the flight's end: it may have come since this exchange looked for it.
            if memory.answers.contains(key, at: context.pointee.monotonicNanoseconds) {
                endFlight(block, .passed)
                goOn(block, at: .nextStep)
                return nil
            }
            if claim != .ended { break }
        }
        ask(call, block)
        return nil
    }

    /// Sends the question.
    private func ask(_ call: UnsafePointer<ServiceCall>, _ block: ExchangeRef) {
        block.pointee.run.isPreCall = true
        block.pointee.run.attempts = 0
        block.pointee.run.preCallUntil = turn.now + call.pointee.timeoutMilliseconds
        attempt(block, freshOnly: false)
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
        var waiting = preCallWaiters.take(flight)[...]
        while let waiter = waiting.popFirst() {
            // Who waits again takes along all that wait for the same: with every failure one asks, and nobody looks at the others.
            if let next = goOn(waiter, outcome) { return preCallWaiters.append(waiting, to: next) }
        }
    }

    /// Who has waited long enough asks for itself.
    func expirePreCallWaiters() {
        for waiter in preCallWaiters.takeExpired(at: turn.now) { _ = goOn(waiter, .refused) }
    }

    /// - Returns: the flight that the exchange waits for now, if it does.
    private func goOn(_ waiter: PreCallWaiters.Waiter, _ outcome: PreCallMemory.Outcome) -> PreCallFlights.Number? {
        guard let block = waiter.suspension.block, let call = block.pointee.run.call else { return nil }
        switch outcome {
        case .passed: goOn(block, at: .nextStep)
        case .failed where waiter.deadline > turn.now:
            guard let memory = call.pointee.memory else { break }
            return share(call, memory, block, until: waiter.deadline)
        case .refused, .failed: ask(call, block)
        }
        return nil
    }
}
