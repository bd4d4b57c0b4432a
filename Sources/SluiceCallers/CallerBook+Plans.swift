// Plans.

extension CallerBook {
    /// A plan, of the configuration or of those that are made at run time.
    func plan(_ name: String) throws(CallerFault) -> Plan? {
        if let plan = declared.plans.first(where: { $0.name == name }) { return plan }
        return try ask { () throws(CallerStoreError) in try store.plans { _ in }.first { $0.name == name } }
    }

    func listPlans() throws(CallerFault) -> CallerAnswer {
        var damaged: [String] = []
        let stored = try ask { () throws(CallerStoreError) in try store.plans { damaged.append($0) } }
        let names = Set(declared.plans.map(\.name))
        var rows: [CallerAnswer.Plan] = []
        for plan in (declared.plans + stored.filter { !names.contains($0.name) }).sorted(by: { $0.name < $1.name }) { rows.append(try row(plan)) }
        var answer = CallerAnswer()
        answer.plans = rows
        if !damaged.isEmpty { answer.notes = damaged }
        return answer
    }

    func createPlan(_ request: CallerRequest, _ changes: inout [Change]) throws(CallerFault) -> CallerAnswer {
        guard let name = request.name, CallerRules.isPlanName(name) else {
            throw CallerFault(.unusable, "a plan's name must have \(CallerRules.nameAllowed), and must not be `\(Plan.none)`")
        }
        guard try plan(name) == nil else { throw CallerFault(.conflict, "there is a plan \(Self.quoted(name)) already") }
        return try put(request, Plan(name: name), &changes)
    }

    func setPlan(_ request: CallerRequest, _ changes: inout [Change]) throws(CallerFault) -> CallerAnswer {
        try put(request, try changeablePlan(request.name), &changes)
    }

    func deletePlan(_ request: CallerRequest, _ changes: inout [Change]) throws(CallerFault) -> CallerAnswer {
        let plan = try changeablePlan(request.name)
        let count = try callerCount(plan.name)
        guard count == 0 else {
            throw CallerFault(.conflict, "the plan \(Self.quoted(plan.name)) has \(count) \(count == 1 ? "caller" : "callers"): give them another one first")
        }
        try ask { () throws(CallerStoreError) in try store.delete(plan: plan.name) }
        changes.append(.plan(name: plan.name, new: nil, clears: false))
        return CallerAnswer()
    }

    func put(_ request: CallerRequest, _ old: Plan, _ changes: inout [Change]) throws(CallerFault) -> CallerAnswer {
        var plan = old
        if let rate = request.requestsPerSecond {
            // 0 takes the limit away, as the command writes `none`.
            guard rate <= UInt64(Plan.perSecondRange.upperBound) else {
                throw CallerFault(.unusable, "a plan's requests per second are 1 to \(Plan.perSecondRange.upperBound), or 0 for no limit")
            }
            plan.requestsPerSecond = rate == 0 ? nil : rate
        }
        if request.per == Plan.none {
            guard request.quota == nil else { throw CallerFault(.unusable, "a quota needs `per`: day or month") }
            plan.quota = nil
        } else if request.quota != nil || request.per != nil {
            guard let per = try period(request.per) ?? plan.quota?.per else { throw CallerFault(.unusable, "a quota needs `per`: day or month") }
            guard let limit = request.quota ?? plan.quota?.limit, limit <= UInt64(Plan.quotaRange.upperBound), limit > 0 else {
                throw CallerFault(.unusable, "a quota is 1 to \(Plan.quotaRange.upperBound) requests")
            }
            plan.quota = Plan.Quota(limit: limit, per: per)
        }
        let kept = plan
        try ask { () throws(CallerStoreError) in try store.put(kept) }
        // DAY and MONTH keep what was used, whichever comes next; none clears it.
        let clears = old.quota != nil && plan.quota == nil
        if clears { try ask { () throws(CallerStoreError) in try store.clearUse(ofPlan: kept.name) } }
        changes.append(.plan(name: plan.name, new: plan, clears: clears))
        var answer = CallerAnswer()
        answer.plans = [try row(plan)]
        return answer
    }

    private func period(_ text: String?) throws(CallerFault) -> Plan.Period? {
        guard let text else { return nil }
        guard let period = Plan.Period(rawValue: text) else { throw CallerFault(.unusable, "`per` must be day, month or none") }
        return period
    }

    private func changeablePlan(_ name: String?) throws(CallerFault) -> Plan {
        guard let name else { throw CallerFault(.unusable, "a name is missing") }
        guard let plan = try plan(name) else { throw CallerFault(.unknown, "there is no plan \(Self.quoted(name))") }
        guard !declared.plans.contains(where: { $0.name == name }) else {
            throw CallerFault(.conflict, "the plan \(Self.quoted(name)) is declared in the configuration: change it there, and reload")
        }
        return plan
    }

    private func callerCount(_ name: String) throws(CallerFault) -> Int {
        try ask { () throws(CallerStoreError) in try store.callerCount(ofPlan: name) }
    }

    private func row(_ plan: Plan) throws(CallerFault) -> CallerAnswer.Plan {
        CallerAnswer.Plan(
            name: plan.name, requestsPerSecond: plan.requestsPerSecond, quota: plan.quota?.limit, per: plan.quota?.per.rawValue,
            callers: try callerCount(plan.name), isConfigured: declared.plans.contains { $0.name == plan.name } ? true : nil)
    }
}
