import SluiceCounting

/// One limit that an exchange was charged to for its caller. Stands in the exchange's memory, and is moved or spent with the exchange.
struct CallerCharge: BitwiseCopyable {
    let meter: CallerMeter
    let key: LimitKey
    /// The whole limit. What part of it this node has may be another one when the exchange leaves.
    let rule: LimitRule
    var charge: LimitCharge
    /// What it was charged to before.
    let before: UnsafeMutablePointer<CallerCharge>?
}

/// Where callers are counted, as compiled policies hold it.
struct CallerMeter: BitwiseCopyable, Sendable {
    let table: LimitTable
    /// Whether a request is admitted whose caller there is no room for.
    let admitsUncounted: Bool
}

extension Exchange {
    /// What became of a request that a caller's limit was charged with.
    enum CallerOutcome: BitwiseCopyable {
        case charged
        /// There is no room for the caller; what then holds lets the request pass.
        case uncounted
        case exhausted
        /// The same, and the request does not pass.
        case noRoom
        /// The exchange has no memory left.
        case noMemory
    }

    /// Charges this node's part of a caller's limit with the exchange, at the clock of the present turn.
    mutating func charge(_ key: LimitKey, _ rule: LimitRule, _ meter: CallerMeter) -> CallerOutcome {
        let size = MemoryLayout<CallerCharge>.stride
        guard let memory = allocate(size + MemoryLayout<CallerCharge>.alignment) else { return .noMemory }
        var charge = LimitCharge.none
        let now = context.pointee.monotonicNanoseconds
        switch meter.table.take(key, rule.part(context.pointee.keeper, now: now), now: now, charge: &charge) {
        case .taken: break
        case .exhausted: return .exhausted
        case .full: return meter.admitsUncounted ? .uncounted : .noRoom
        }
        let place = UnsafeMutableRawPointer(memory).alignedUp(for: CallerCharge.self).bindMemory(to: CallerCharge.self, capacity: 1)
        place.initialize(to: CallerCharge(meter: meter, key: key, rule: rule, charge: charge, before: callerCharges))
        callerCharges = place
        return .charged
    }

    /// Takes back what was charged since this was the latest: the request is refused for another limit of the same list.
    mutating func takeBackCharges(since latest: UnsafeMutablePointer<CallerCharge>?) {
        while let place = callerCharges, place != latest {
            place.pointee.meter.table.undo(place.pointee.rule, &place.pointee.charge)
            callerCharges = place.pointee.before
        }
    }

    /// Whether the exchange leaves, at `now`, later than one of its charges stands for.
    func hasLateCallerCharge(at now: UInt64) -> Bool {
        var next = callerCharges
        while let place = next {
            if LimitTable.isLate(place.pointee.charge, now: now) { return true }
            next = place.pointee.before
        }
        return false
    }

    /// Charges what leaves late at the clock of the present turn. False if it may not leave.
    func moveCallerCharges() -> Bool {
        let now = context.pointee.monotonicNanoseconds
        var next = callerCharges
        while let place = next {
            next = place.pointee.before
            guard LimitTable.isLate(place.pointee.charge, now: now) else { continue }
            let part = place.pointee.rule.part(context.pointee.keeper, now: now)
            switch place.pointee.meter.table.move(place.pointee.key, part, now: now, charge: &place.pointee.charge) {
            case .taken: continue
            case .full where place.pointee.meter.admitsUncounted: continue
            case .full, .exhausted: return false
            }
        }
        return true
    }

    /// What was charged has left: to leave again, the exchange must be charged anew.
    mutating func spendCharges() {
        charge.spend()
        var next = callerCharges
        while let place = next {
            place.pointee.charge = .none
            next = place.pointee.before
        }
    }
}
