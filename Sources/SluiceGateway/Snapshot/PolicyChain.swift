import SluiceCounting
import SluiceHTTP

/// Runs an exchange through its steps.
enum PolicyChain {
    /// The steps that hold for the exchange: its endpoint's, or, where none matches, its domain's own.
    static func steps(of exchange: borrowing Exchange) -> ArenaSlice<Step> {
        if let endpoint = exchange.endpoint { return endpoint.pointee.steps }
        guard let domain = exchange.domain else { return ArenaSlice() }
        return exchange.hasUnsafeTarget ? domain.pointee.unsafeTargetSteps : domain.pointee.ownSteps
    }

    /// Writes a line of WWW-Authenticate for each scheme by which an exchange could pass that was refused with this row, beside the row's own.
    static func writeOtherChallenges(_ writer: inout HeadWriter, of exchange: borrowing Exchange, besides row: Refusal.Row) {
        let steps = steps(of: exchange)
        guard exchange.step > 0, exchange.step <= steps.count else { return }
        PolicyTable.rows.writeOtherChallenges(steps[exchange.step - 1], &writer, besides: row)
    }

    /// The step that was evaluated last: the one that suspended or refused the exchange.
    static func latestStep(of exchange: borrowing Exchange) -> Step {
        steps(of: exchange)[exchange.step - 1]
    }

    /// The step that refused for a limit. What leaves late is charged again, so that a limit can refuse behind its step too.
    static func step(behind refusal: Refusal, of exchange: borrowing Exchange) -> Step {
        let steps = steps(of: exchange)
        switch refusal.row {
        case .ceilingExceeded: return steps[0]
        case .rateLimited:
            // Of two lists the one that has nothing left for this caller.
            for index in 0..<exchange.step {
                if let plan = steps[index].compiled(of: CallerPlan.self), plan.pointee.isSecondUsedUp(exchange) { return steps[index] }
                guard let list = steps[index].compiled(of: RateLimit.self) ?? steps[index].compiled(of: LateRateLimit.self) else { continue }
                if list.pointee.secondsToWait(exchange) != nil { return steps[index] }
            }
            return latestStep(of: exchange)
        default: return latestStep(of: exchange)
        }
    }

    /// Charges an exchange to the present that leaves later than it was charged for. A refusal if it may not leave.
    static func moveCharges(_ exchange: inout Exchange) -> Refusal? {
        let now = exchange.context.pointee.monotonicNanoseconds
        // Every chain begins with the ceiling.
        if CeilingMeter.isLate(exchange.charge, now: now), let ceiling = steps(of: exchange)[0].compiled(of: ProjectCeiling.self) {
            guard ceiling.pointee.moveCharge(&exchange) else { return .ceilingExceeded }
        }
        return exchange.moveCallerCharges() ? nil : .rateLimited
    }

    /// A refusal for an exchange that has waited, if its caller may not call any more.
    static func goOn(_ exchange: inout Exchange) -> Refusal? {
        let steps = steps(of: exchange)
        for index in 0..<steps.count {
            if let plan = steps[index].compiled(of: CallerPlan.self) { return plan.pointee.goOn(&exchange) }
        }
        return nil
    }

    /// Runs from `exchange.step` to the first step that does not say `proceed`; `exchange.step` is then the one after it.
    /// At the end of a domain's own steps the request is not found, or its path can be read in two ways.
    @inline(__always)
    static func run(_ exchange: inout Exchange) -> Verdict {
        let steps = steps(of: exchange)
        while exchange.step < steps.count {
            let step = steps.pointer(at: exchange.step)
            exchange.step += 1
            switch step.pointee.evaluate(&exchange) {
            case .proceed: continue
            case let verdict: return verdict
            }
        }
        return exchange.endpoint == nil ? .refuse(withoutEndpoint(exchange)) : .proceed
    }

    /// What becomes of a request for which the domain's own steps have said nothing and that has no endpoint.
    static func withoutEndpoint(_ exchange: borrowing Exchange) -> Refusal { exchange.isAmbiguous ? .invalidTarget : .notFound }
}
