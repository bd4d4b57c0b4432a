/// What was counted, over a whole run: ceilings, quotas, signatures and questions.
struct Ledger {
    /// One of the amounts per window that a domain or an endpoint has: what is used of it stays used when a reload changes its limit.
    struct Condition: Hashable {
        let domain: String
        /// As `name` has it; nil: the domain's own.
        let endpoint: String?
        let seconds: Int
    }

    /// One address, as a domain counts it.
    struct Caller: Hashable {
        let domain: String
        let address: String
        let seconds: Int
    }

    /// What a quota of an endpoint is known by over reloads: an endpoint with other methods is another one.
    static func name(_ endpoint: Plan.Endpoint) -> String { endpoint.methods.sorted().joined(separator: ",") + " " + endpoint.path }

    struct Question {
        let key: String
        /// See `Judge.exact`.
        let exact: String
        /// When the pre-call API was first sent it, and when the client's response was begun: 0 if never.
        let askedAt: UInt64
        let doneAt: UInt64
        let isAsked: Bool
        let from: UInt64
        let to: UInt64
        let answeredAt: UInt64
        let seconds: Int
        let version: UInt64
        let isNarrowed: Bool
    }

    private(set) var accounts: [Judge.Account] = []
    /// A request did what it may not: what it was counted for is not known, and so nothing can be said of what seems too little.
    var isUnsure = false
    private static let second: UInt64 = 1_000_000_000

    mutating func add(_ account: Judge.Account) { accounts.append(account) }

    func judge(_ run: Simulation) -> [String] { ceilings(run) + callers(run) + quotas(run) + replays(run) + questions(run) }

    /// Milliseconds of the run, as its transcript has them.
    static func shown(_ time: UInt64) -> String { "\((Int(time) - 1_000_000_000_000) / 1_000_000)" }

    // MARK: Ceilings

    private func ceiling(_ project: String, _ from: UInt64, _ to: UInt64, _ run: Simulation) -> (least: Int, most: Int) {
        var all: [Int] = []
        for (index, version) in run.versions.enumerated() {
            let end = index + 1 < run.versions.count ? run.versions[index + 1].from : UInt64.max
            if version.from <= to, end >= from, let limit = version.plan.projects[project] { all.append(limit) }
        }
        return (all.min() ?? 0, all.max() ?? 0)
    }

    /// No interval of one second holds more admissions than the ceiling, whenever between a request's being read and its first effect each of them was.
    /// For what leaves that is exact; what is answered by the gateway itself was admitted by a reading of the clock that may be as old as a few calls.
    private func ceilings(_ run: Simulation) -> [String] {
        var found: [String] = []
        for project in ["p", "q"] {
            let slack = 20_000_000 + 4 * run.conditions.lag.most
            func earliest(_ account: Judge.Account) -> UInt64 { account.hasLeft || run.conditions.lag.most == 0 ? account.from : account.from - slack }
            let admitted = accounts.filter { $0.admitted == project }.sorted { earliest($0) < earliest($1) }
            for (index, first) in admitted.enumerated() {
                let end = earliest(first) + Self.second
                let inside = admitted[index...].filter { $0.to < end }
                let limit = ceiling(project, first.from > Self.second ? first.from - Self.second : 0, end, run).most
                if inside.count > limit {
                    found.append("\(inside.count) requests of project \(project) pass within a second, of \(limit): \(inside.map { "\($0.request) at \(Self.shown($0.from))-\(Self.shown($0.to))" })")
                    break
                }
            }
            // What services see. With time that passes at every call a send is late by as much.
            let arrivals = accounts.filter { $0.admitted == project || $0.admitted == nil && $0.perhapsAdmitted == [project] }.flatMap(\.arrivals).sorted()
            for (index, first) in arrivals.enumerated() where run.conditions.lag.most == 0 {
                let inside = arrivals[index...].prefix { $0 < first + Self.second }
                let limit = ceiling(project, first > Self.second ? first - Self.second : 0, first + Self.second, run).most
                guard inside.count > limit else { continue }
                found.append("services get \(inside.count) requests of project \(project) within a second, of \(limit): at \(inside.map(Self.shown))")
                break
            }
            for refused in accounts where refused.refusedBy == project && !isUnsure {
                let until = max(refused.to, refused.refusedAt)
                let limit = ceiling(project, refused.from > Self.second ? refused.from - Self.second : 0, until, run).least
                let before = accounts.filter { $0.admitted == project || $0.perhapsAdmitted.contains(project) }.filter { $0.from <= until && max($0.to, $0.lastAt) + Self.second + slack >= refused.from }
                // What is leased to other workers is out of reach.
                let wanted = limit - (run.conditions.workers > 1 ? max(1, limit / 2) : 0) - limit / 50
                if before.reduce(0, { $0 + 1 + $1.repetitions }) < wanted { found.append("request \(refused.request) is refused by the ceiling of project \(project), \(limit), after \(before.count) in the last second: \(before.map { "\($0.request) at \(Self.shown($0.from))-\(Self.shown($0.to))" }); at \(Self.shown(refused.from))-\(Self.shown(refused.to))") }
            }
        }
        return found
    }

    // MARK: Quotas

    private func quotas(_ run: Simulation) -> [String] {
        guard !run.conditions.steps else { return [] }
        var found: [String] = []
        let offset = run.wallOffsets[0].offset
        // The first decision of a turn goes by the clock as the turn began.
        let slack = 5_000_000 + 4 * run.conditions.lag.most
        func window(_ time: UInt64, _ condition: Condition) -> UInt64 { (time &+ offset) / Self.second / UInt64(condition.seconds) }
        var charged: [Condition: [Judge.Account]] = [:]
        var perhaps: [Condition: [Judge.Account]] = [:]
        for account in accounts {
            for condition in account.charged { charged[condition, default: []].append(account) }
            for condition in account.perhapsCharged { perhaps[condition, default: []].append(account) }
        }
        for (condition, all) in charged.sorted(by: { "\($0.key)" < "\($1.key)" }) {
            var windows: [UInt64: [Judge.Account]] = [:]
            for account in all where window(account.from - slack, condition) == window(account.to + slack, condition) { windows[window(account.from, condition), default: []].append(account) }
            for (_, those) in windows {
                let limit = limits(condition, those.map(\.from).min() ?? 0, those.map(\.to).max() ?? 0, run).max() ?? 0
                if those.count > limit { found.append("\(those.count) requests pass the quota of \(limit) in \(condition.seconds) s of \(condition.domain) \(condition.endpoint ?? ""): \(those.map(\.request))") }
            }
        }
        found += neglected(charged, perhaps, run, window)
        for account in accounts where !account.exhausted.isEmpty && !isUnsure {
            let isPossible = account.exhausted.contains { condition in
                let windows = window(account.from - slack, condition)...window(account.to + slack, condition)
                let used = ((charged[condition] ?? []) + (perhaps[condition] ?? [])).filter { other in
                    other.request != account.request && other.from <= account.to
                        && (window(other.from - slack, condition)...window(other.to + slack, condition)).overlaps(windows)
                }.count
                return used >= limits(condition, account.from, account.to, run).min() ?? 0
            }
            if !isPossible {
                let used = account.exhausted.map { condition in
                    let those = (charged[condition] ?? []) + (perhaps[condition] ?? [])
                    return "\(condition.domain) \(condition.endpoint ?? "") in \(condition.seconds) s: \(those.map { "\($0.request) at \(Self.shown($0.from)), window \(window($0.from, condition) % 1000)" })"
                }
                found.append("request \(account.request) at \(Self.shown(account.from))-\(Self.shown(account.to)) is refused by a quota that has something left: \(used)")
            }
        }
        return found
    }

    /// What a domain's quota refuses is charged to the endpoint's all the same: nothing passes there that such refusals have used up.
    private func neglected(
        _ charged: [Condition: [Judge.Account]], _ perhaps: [Condition: [Judge.Account]], _ run: Simulation, _ window: (UInt64, Condition) -> UInt64
    ) -> [String] {
        let margin = 5_000_000 + 4 * run.conditions.lag.most
        guard !isUnsure, run.versions.count == 1 else { return [] }
        var found: [String] = []
        for account in accounts {
            for condition in account.charged where condition.endpoint != nil {
                guard account.charged.filter({ $0.endpoint != nil }).count == 1, let limit = limits(condition, account.from, account.to, run).min() else { continue }
                func isBefore(_ other: Judge.Account) -> Bool {
                    other.request != account.request && other.to + margin < account.from
                        && window(other.from - margin, condition) == window(account.to + margin, condition)
                }
                let passed = (charged[condition] ?? []).filter(isBefore)
                // The endpoint itself had something left while fewer than its limit can have been charged.
                let refused = accounts.filter { $0.chargedUnlessExhausted?.1 == [condition] && isBefore($0) }.sorted { $0.from < $1.from }
                if passed.count + refused.count >= limit { found.append("request \(account.request) passes the quota of \(limit) in \(condition.seconds) s of \(condition.domain) \(condition.endpoint ?? ""), which \(passed.map(\.request)) and what the domain refused, \(refused.map(\.request)), have used up") }
            }
        }
        return found
    }

    private func limits(_ condition: Condition, _ from: UInt64, _ to: UInt64, _ run: Simulation) -> [Int] {
        var all: [Int] = []
        for (index, version) in run.versions.enumerated() {
            let end = index + 1 < run.versions.count ? run.versions[index + 1].from : UInt64.max
            guard version.from <= to, end >= from, let domain = version.plan.domains.first(where: { $0.key == condition.domain }) else { continue }
            let quotas = condition.endpoint.map { name in domain.endpoints.first { Self.name($0) == name }?.quotas ?? [] } ?? domain.quotas
            all += quotas.filter { $0.seconds == condition.seconds }.map(\.limit)
        }
        return all
    }

    // MARK: Signatures

    /// Whether every configuration of this time protects what is signed with a secret. Protection that was taken away begins anew, like that of a new
    /// process, and cannot know what passed before: of that, what was signed for a moment still to come is not refused.
    private func isProtected(_ signature: String, _ from: UInt64, _ to: UInt64, _ run: Simulation) -> Bool {
        let secret = String(signature.prefix { $0 != " " })
        return run.versions.enumerated().allSatisfy { index, version in
            let end = index + 1 < run.versions.count ? run.versions[index + 1].from : UInt64.max
            return version.from > to || end < from || version.plan.protects(secret: secret)
        }
    }

    private func replays(_ run: Simulation) -> [String] {
        var found: [String] = []
        for account in accounts {
            if let signature = account.accepted {
                let earlier = accounts.first {
                    $0.accepted == signature && $0.request != account.request && $0.to < account.from && isProtected(signature, $0.from, account.to, run)
                }
                if let earlier { found.append("request \(account.request) repeats request \(earlier.request) and passes") }
            }
            if let signature = account.replayed {
                let hasOther = accounts.contains { $0.request != account.request && ($0.accepted == signature || $0.perhapsAccepted.contains(signature) || $0.replayed == signature) && $0.from <= account.to }
                if !hasOther, !isUnsure, !account.mayBeUnknown { found.append("request \(account.request) is refused as a replay, and is none") }
            }
        }
        return found
    }

    // MARK: Questions

    private func questions(_ run: Simulation) -> [String] {
        var found: [String] = []
        let all = accounts.compactMap { account in account.question.map { (account.request, $0) } }
        for (request, question) in all {
            let asked = all.filter { $0.1.isAsked && $0.1.key == question.key && $0.0 != request }
            if question.isAsked {
                // By then the other's answer was remembered, and it still is.
                let margin = 30_000_000 + 4 * run.conditions.lag.most
                let known = asked.first { $0.1.exact == question.exact && $0.1.doneAt > 0 && $0.1.doneAt + margin < question.from
                    && question.askedAt + margin < $0.1.askedAt + UInt64(question.seconds) * Self.second }
                if let known { found.append("request \(request) is asked about again, though \(known.0) was let pass for \(question.seconds) s: \(question.exact.debugDescription)") }
            }
            if !question.isAsked, !isUnsure {
                let isRemembered = asked.contains { $0.1.answeredAt <= question.to && question.from <= $0.1.answeredAt + UInt64(question.seconds + 1) * Self.second + 600_000_000 }
                if !isRemembered { found.append("request \(request) passes a pre-call that was never made for it: \(question.key.debugDescription)") }
            }
        }
        return found
    }
}
