/// What may be done with callers and plans at run time, and what comes of it. The same for the commands, which use it where no gateway runs, and for a gateway.
///
/// For one thread at a time.
package struct CallerBook {
    /// What the configuration declares: it comes first, and nothing here changes it.
    package struct Declared: Sendable, Equatable {
        package var callers: [Caller] = []
        package var plans: [Plan] = []

        package init() {}
    }

    /// What a change has done. A table of callers in memory follows it.
    package enum Change: Sendable {
        case caller(old: Caller?, new: Caller?)
        /// - Parameter clears: whether what its callers have used was cleared.
        case plan(name: String, new: Plan?, clears: Bool)
    }

    /// A key that nobody can guess, and its digest.
    package typealias KeyMaker = () throws(CallerFault) -> String
    package typealias Digester = (String) throws(CallerFault) -> KeyDigest

    let store: any CallerStore
    let declared: Declared
    let makeKey: KeyMaker
    let digest: Digester
    /// Seconds since the Unix epoch.
    let now: Int64

    package init(store: any CallerStore, declared: Declared, now: Int64, makeKey: @escaping KeyMaker, digest: @escaping Digester) {
        self.store = store
        self.declared = declared
        self.now = now
        self.makeKey = makeKey
        self.digest = digest
    }

    /// Callers of one answer to `keys/list`.
    package static let listCountMax = 1000

    /// Does what is asked, on the disk when it returns, or nothing.
    ///
    /// - Parameter changed: told of each change once it is kept.
    package func perform(
        _ operation: CallerRequest.Operation, _ request: CallerRequest, changed: (Change) -> Void = { _ in }
    ) throws(CallerFault) -> CallerAnswer {
        var changes: [Change] = []
        var answer = CallerAnswer()
        var fault: CallerFault?
        func run() throws {
            do throws(CallerFault) {
                answer = try decide(operation, request, &changes)
            } catch {
                fault = error
                throw error
            }
        }
        do throws(CallerStoreError) {
            switch operation {
            case .listKeys, .showKey, .listPlans: answer = try decideReading(operation, request, &fault)
            default: try store.change(run)
            }
        } catch {
            throw fault ?? CallerFault(error.isOfRow ? .conflict : .unavailable, error.description)
        }
        if let fault { throw fault }
        for change in changes { changed(change) }
        return answer
    }

    private func decideReading(
        _ operation: CallerRequest.Operation, _ request: CallerRequest, _ fault: inout CallerFault?
    ) throws(CallerStoreError) -> CallerAnswer {
        var none: [Change] = []
        do throws(CallerFault) {
            return try decide(operation, request, &none)
        } catch {
            fault = error
            return CallerAnswer()
        }
    }

    private func decide(
        _ operation: CallerRequest.Operation, _ request: CallerRequest, _ changes: inout [Change]
    ) throws(CallerFault) -> CallerAnswer {
        switch operation {
        case .listKeys: return try list(request)
        case .showKey: return answer(of: try known(request.name))
        case .createKey: return try create(request, &changes)
        case .setKey: return try set(request, &changes)
        case .rotateKey: return try rotate(request, &changes)
        case .disableKey, .enableKey: return try setEnabled(request, operation == .enableKey, &changes)
        case .deleteKey: return try delete(request, &changes)
        case .listPlans: return try listPlans()
        case .createPlan: return try createPlan(request, &changes)
        case .setPlan: return try setPlan(request, &changes)
        case .deletePlan: return try deletePlan(request, &changes)
        }
    }

    /// The fault that an error of the store is reported as.
    func ask<Value>(_ body: () throws(CallerStoreError) -> Value) throws(CallerFault) -> Value {
        do throws(CallerStoreError) {
            return try body()
        } catch {
            throw CallerFault(error.isOfRow ? .conflict : .unavailable, error.description)
        }
    }

    // MARK: Looking

    private func list(_ request: CallerRequest) throws(CallerFault) -> CallerAnswer {
        let after = request.after ?? ""
        let count = min(max(1, request.limit ?? Self.listCountMax), Self.listCountMax)
        var damaged: [String] = []
        let stored = try ask { () throws(CallerStoreError) in try store.callers(behind: after, count: count + 1) { damaged.append($0) } }
        let names = Set(declared.callers.map(\.name))
        let both = (declared.callers.filter { $0.name > after } + stored.filter { !names.contains($0.name) }).sorted { $0.name < $1.name }
        var answer = CallerAnswer()
        answer.callers = both.prefix(count).map(row)
        if both.count > count { answer.hasMore = true }
        if !damaged.isEmpty { answer.notes = damaged }
        return answer
    }

    private func answer(of caller: Caller) -> CallerAnswer {
        var answer = CallerAnswer()
        answer.callers = [row(caller)]
        return answer
    }

    private func row(_ caller: Caller) -> CallerAnswer.Caller {
        CallerAnswer.Caller(
            name: caller.name, description: caller.description.isEmpty ? nil : caller.description, state: caller.standing(at: now).rawValue,
            plans: caller.grants.map(\.text), notBefore: caller.notBefore.map(CallerTimes.text), expires: caller.expires.map(CallerTimes.text),
            created: caller.created > 0 ? CallerTimes.text(caller.created) : nil, hasSecondary: caller.secondary != nil,
            isConfigured: isDeclared(caller.name) ? true : nil)
    }

    func isDeclared(_ name: String) -> Bool { declared.callers.contains { $0.name == name } }

    private func known(_ name: String?) throws(CallerFault) -> Caller {
        guard let name else { throw CallerFault(.unusable, "a name is missing") }
        if let caller = declared.callers.first(where: { $0.name == name }) { return caller }
        guard let caller = try ask({ () throws(CallerStoreError) in try store.caller(named: name) }) else {
            throw CallerFault(.unknown, "there is no caller \(Self.quoted(name))")
        }
        return caller
    }

    /// One that may be changed here.
    private func changeable(_ name: String?) throws(CallerFault) -> Caller {
        let caller = try known(name)
        guard !isDeclared(caller.name) else {
            throw CallerFault(.conflict, "the caller \(Self.quoted(caller.name)) is declared in the configuration: change it there, and reload")
        }
        return caller
    }

    // MARK: Callers

    private func create(_ request: CallerRequest, _ changes: inout [Change]) throws(CallerFault) -> CallerAnswer {
        guard let name = request.name, CallerRules.isName(name) else { throw CallerFault(.unusable, "a caller's name must have \(CallerRules.nameAllowed)") }
        let known = try ask { () throws(CallerStoreError) in try store.caller(named: name) }
        guard known == nil, !isDeclared(name) else { throw CallerFault(.conflict, "there is a caller \(Self.quoted(name)) already") }
        var caller = Caller(name: name)
        caller.created = now
        try apply(request, to: &caller)
        var answer = CallerAnswer()
        let (key, digest) = try key(request.key, &answer)
        caller.primary = digest
        answer.key = key
        if request.secondaryKey != nil || request.withSecondary == true {
            let (second, digest) = try self.key(request.secondaryKey, &answer)
            guard digest != caller.primary else { throw CallerFault(.conflict, "the two keys are the same") }
            caller.secondary = digest
            answer.secondaryKey = second
        }
        caller.id = try ask { () throws(CallerStoreError) in try store.insert(caller) }
        answer.callers = [row(caller)]
        changes.append(.caller(old: nil, new: caller))
        return answer
    }

    private func set(_ request: CallerRequest, _ changes: inout [Change]) throws(CallerFault) -> CallerAnswer {
        let old = try changeable(request.name)
        var new = old
        try apply(request, to: &new)
        try keep(new, insteadOf: old, &changes)
        return answer(of: new)
    }

    private func rotate(_ request: CallerRequest, _ changes: inout [Change]) throws(CallerFault) -> CallerAnswer {
        let old = try changeable(request.name)
        var new = old
        var answer = CallerAnswer()
        let (key, digest) = try key(request.key, &answer)
        switch request.slot ?? .primary {
        case .primary:
            new.primary = digest
            answer.key = key
        case .secondary:
            new.secondary = digest
            answer.secondaryKey = key
        }
        try keep(new, insteadOf: old, &changes)
        answer.callers = [row(new)]
        return answer
    }

    private func setEnabled(_ request: CallerRequest, _ isEnabled: Bool, _ changes: inout [Change]) throws(CallerFault) -> CallerAnswer {
        let old = try changeable(request.name)
        var new = old
        new.isEnabled = isEnabled
        try keep(new, insteadOf: old, &changes)
        return answer(of: new)
    }

    /// Not one that may call: its key is in use, perhaps. Whoever disables it first has seen what that does.
    private func delete(_ request: CallerRequest, _ changes: inout [Change]) throws(CallerFault) -> CallerAnswer {
        // It can call nowhere, and cannot be read: there is nothing to disable.
        if let name = request.name, !isDeclared(name), try ask({ () throws(CallerStoreError) in try store.deleteDamaged(callerNamed: name) }) {
            return CallerAnswer()
        }
        let old = try changeable(request.name)
        guard !old.isEnabled else {
            throw CallerFault(.conflict, "the caller \(Self.quoted(old.name)) is enabled, and its keys may be in use: disable it first")
        }
        try ask { () throws(CallerStoreError) in try store.delete(callerID: old.id) }
        changes.append(.caller(old: old, new: nil))
        return CallerAnswer()
    }

    private func keep(_ new: Caller, insteadOf old: Caller, _ changes: inout [Change]) throws(CallerFault) {
        guard new != old else { return }
        try ask { () throws(CallerStoreError) in try store.update(new) }
        changes.append(.caller(old: old, new: new))
    }

    /// What a request says of a caller, except for keys.
    func apply(_ request: CallerRequest, to caller: inout Caller) throws(CallerFault) {
        if let description = request.description {
            guard CallerRules.isDescription(description) else {
                throw CallerFault(.unusable, "a description has at most \(CallerRules.descriptionBytesMax) bytes and no control characters")
            }
            caller.description = description
        }
        if let enabled = request.enabled { caller.isEnabled = enabled }
        if let text = request.notBefore { caller.notBefore = try time(text, "notBefore") }
        if let text = request.expires { caller.expires = try time(text, "expires") }
        if let first = caller.notBefore, let end = caller.expires, first >= end {
            throw CallerFault(.unusable, "`expires` must be later than `notBefore`: the caller could never call")
        }
        if let plans = request.plans { caller.grants = try grants(plans, insteadOf: caller.grants, of: caller.id) }
    }

    private func time(_ text: String, _ key: String) throws(CallerFault) -> Int64? {
        if text == Plan.none { return nil }
        guard let seconds = CallerTimes.read(text) else {
            throw CallerFault(.unusable, "`\(key)` must be a time such as 2027-01-31T00:00:00Z, a date such as 2027-01-31, or none")
        }
        return seconds
    }

    /// What was used goes with the caller from plan to plan, as long as each has a quota: see `cleared`.
    func grants(_ texts: [String], insteadOf former: [Caller.Grant], of caller: UInt32) throws(CallerFault) -> [Caller.Grant] {
        guard (1...CallerRules.grantsMax).contains(texts.count) else { throw CallerFault(.unusable, "a caller has 1 to \(CallerRules.grantsMax) plans") }
        var grants: [Caller.Grant] = []
        for text in texts {
            guard var grant = Caller.Grant(text) else { throw CallerFault(.unusable, "a plan is written as PLAN, DOMAIN=PLAN, none or DOMAIN=none") }
            guard !grants.contains(where: { $0.domain == grant.domain }) else {
                throw CallerFault(.unusable, grant.domain.map { "two plans for the domain \(Self.quoted($0))" } ?? "two plans for all domains")
            }
            var hasQuota = false
            if let name = grant.plan {
                guard let plan = try plan(name) else { throw CallerFault(.unknown, "there is no plan \(Self.quoted(name))") }
                hasQuota = plan.quota != nil
            }
            if let old = former.first(where: { $0.domain == grant.domain }) {
                grant.clearings = try clearings(old, hasQuota: hasQuota)
            } else if caller > 0, let clearings = try ask({ () throws(CallerStoreError) in
                try store.clearings(ofCaller: caller, formerlyIn: grant.domain)
            }) {
                // It has been here before, and goes on with what it had used, or with what it had not.
                grant.clearings = hasQuota ? clearings : Self.next(clearings)
            }
            grants.append(grant)
        }
        return grants
    }

    /// A plan without a quota clears what was used of the one before.
    private func clearings(_ old: Caller.Grant, hasQuota: Bool) throws(CallerFault) -> UInt32 {
        guard !hasQuota, let name = old.plan, let plan = try plan(name), plan.quota != nil else { return old.clearings }
        return Self.next(old.clearings)
    }

    private static func next(_ clearings: UInt32) -> UInt32 { clearings < CallerRules.clearingsMax ? clearings + 1 : 0 }

    /// The key that is asked for, or a new one, which is nobody's yet.
    private func key(_ chosen: String?, _ answer: inout CallerAnswer) throws(CallerFault) -> (String, KeyDigest) {
        if let chosen, !CallerRules.isKey(chosen) { throw CallerFault(.unusable, "a key has \(CallerRules.keyAllowed)") }
        if let chosen, chosen.utf8.count < CallerRules.keyCountAdvised {
            answer.notes = (answer.notes ?? []) + [
                "a key of \(chosen.utf8.count) characters may be guessed; \(CallerRules.keyCountAdvised) random ones or more cannot be",
            ]
        }
        let key: String
        if let chosen { key = chosen } else { key = try makeKey() }
        let digest = try digest(key)
        let owner = try ask { () throws(CallerStoreError) in try store.owner(of: digest) }
        guard owner == nil, !declared.callers.contains(where: { $0.digests.contains(digest) }) else {
            throw CallerFault(.conflict, "this key is in use already")
        }
        return (key, digest)
    }

    package static func quoted(_ name: String) -> String {
        "`" + String(String.UnicodeScalarView(name.unicodeScalars.prefix(60).map { $0.value < 32 || $0.value == 127 ? "?" : $0 })) + "`"
    }
}

extension Caller.Grant {
    /// `PLAN`, `DOMAIN=PLAN`, with `none` for no plan.
    package init?(_ text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let plan = parts.last, CallerRules.isName(plan) else { return nil }
        let domain = parts.count == 2 ? parts[0] : nil
        if let domain, domain != "*", !CallerRules.isDomain(domain) { return nil }
        self.init(domain: domain == "*" ? nil : domain, plan: plan == Plan.none ? nil : plan)
    }
}
