import SluiceCallers
import SluiceCounting
import SluiceHTTP
import Synchronization

/// Holds a caller with an API key to its plan: so many requests in any interval of a second, and so many in a day or a month by the calendar in UTC.
///
/// What is used is counted for each caller, in each domain that it has a plan for; a plan for all domains counts them together. The second's limit is counted
/// as `rateLimit` counts (`LimitTable`), in a table of its own: strangers, whom `rateLimit` counts too, cannot take callers' places. As with `usageQuota`, a worker
/// takes a quota from a purse in memory, of what was reserved on the disk before, so that no end of a process admits more. A caller's purse is there from its first
/// request on (`CallerAccounts`), and goes when the caller is idle. In a month with its first request, or of a plan that has just changed, the request waits for it.
///
/// Refuses with `.rateLimited` and `.planQuotaExceeded` (429); a request that one of the two refuses is charged to neither. Suspends while allowance is being
/// reserved, for as long as SLUICE_COUNT_WAIT_MS allows. Two atomic operations in the steady state.
enum CallerPlan: BuiltInPolicy {
    static let key = "plan"

    static let declaration = PolicyDeclaration(
        refusals: [.planQuotaExceeded], waitsFor: [.allowance], remembers: "each caller's use of its plan; of the quota also over a restart", goesByClock: true)

    struct Compiled: CompiledPolicy {
        let access: CallerAccess
        let meter: CallerMeter
        /// Hashes with the secret of the counts, of what is counted in this domain and in all; a caller's key for the second's limit is what goes on from there.
        let seeds: (own: SipHash128, all: SipHash128)

        func evaluate(_ exchange: inout Exchange) -> Verdict { exchange.caller.plan == 0 ? .proceed : charge(&exchange) }

        /// What is known of the exchange's caller now that it has waited, wherever in the chain: it may have another plan by now, or be gone. What was found before
        /// the wait may be nowhere any more.
        @inline(never)
        func goOn(_ exchange: inout Exchange) -> Refusal? { exchange.caller.digest == nil ? nil : access.admitAgain(&exchange) }

        @inline(never)
        private func charge(_ exchange: inout Exchange) -> Verdict {
            guard exchange.caller.plan != 0, let grant = exchange.caller.grant else { return .proceed }
            guard let plan = access.root.plan(exchange.caller.plan) else { return .refuse(Refusal(.apiKeyInvalid, detail: "its plan does not exist")) }
            if let refusal = chargeSecond(plan, grant, &exchange) { return .refuse(refusal) }
            guard let quota = plan.quota else { return .proceed }
            let verdict = chargeQuota(quota, grant.account, exchange)
            if case .refuse = verdict { takeBack(&exchange) }
            return verdict
        }

        // MARK: The second

        private func chargeSecond(_ plan: PlanWord, _ grant: CallerView.Held, _ exchange: inout Exchange) -> Refusal? {
            guard plan.requestsPerSecond > 0, !exchange.caller.isCharged else { return nil }
            switch exchange.charge(key(of: exchange, grant), LimitRule(limit: plan.requestsPerSecond, perSeconds: 1), meter) {
            case .charged: exchange.caller.isCharged = true
            case .uncounted: break
            case .exhausted: return Refusal(.rateLimited, detail: "requests per second of the plan")
            case .noRoom: return Refusal(.rateLimited, detail: "no room to count the caller")
            case .noMemory: return Refusal(.headTooLarge, detail: "callers' limits")
            }
            return nil
        }

        /// Not over the plan: a caller that is moved to another one goes on with what it has used in this second.
        private func key(of exchange: borrowing Exchange, _ grant: CallerView.Held) -> LimitKey {
            var hash = grant.domain == CallerView.everyDomain ? seeds.all : seeds.own
            hash.add(word: UInt64(exchange.caller.id))
            hash.add(exchange.caller.name)
            let value = hash.finish()
            return LimitKey(low: value.low, high: value.high)
        }

        /// What this exchange was charged to of the second's limit, which is the latest of its charges here.
        private func takeBack(_ exchange: inout Exchange) {
            guard exchange.caller.isCharged, let own = exchange.callerCharges else { return }
            exchange.takeBackCharges(since: own.pointee.before)
            exchange.caller.isCharged = false
        }

        // MARK: The quota

        private func chargeQuota(_ quota: Plan.Quota, _ account: CallerView.Account, _ exchange: borrowing Exchange) -> Verdict {
            let context = exchange.context
            let purse = QuotaPurse.Words(bitPattern: account.purse)
            if let purse {
                switch QuotaPurse.take(purse, window: QuotaKey.window(at: context.pointee.countSeconds, perSeconds: Self.length(quota))) {
                case .taken: return .proceed
                case .exhausted:
                    // The keeper asks now and then whether another node has given something back.
                    if KeeperState.isShared(context.pointee.keeper) { demandAttention(account, purse, context) }
                    return .refuse(.planQuotaExceeded)
                case .pending: break
                }
            }
            demandAttention(account, purse, context)
            guard exchange.hasAwaitedAllowance || KeeperState.isAway(context.pointee.keeper) else { return .suspend(.allowance) }
            KeeperState.countLate(context.pointee.keeper)
            return KeeperState.whenLate(context.pointee.keeper) == .admit ? .proceed : .refuse(.planQuotaExceeded)
        }

        private static func length(_ quota: Plan.Quota) -> UInt64 { quota.per == .month ? QuotaKey.month : QuotaKey.day }

        private func demandAttention(_ account: CallerView.Account, _ purse: QuotaPurse.Words?, _ context: UnsafeMutablePointer<EvaluationContext>) {
            if let purse {
                if QuotaPurse.hasAttention(purse) || !QuotaPurse.demandAttention(purse) { return }
            } else if !account.ask() {
                return
            }
            if !AttentionQueue.put(Attention.account(account.number).word, context.pointee.attention) { account.forgetWish() }
        }
    }

    /// Wherever callers are known.
    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>? {
        guard !site.settings.credentials(ApiKey.self, in: site.domain?.settings ?? PolicySettings()).isEmpty else { return nil }
        let snapshot = site.snapshot
        let secret = snapshot.callers.secret
        let seeds = [snapshot.domainKey, ""].map { domain in
            var seed = SipHash128(key: secret)
            for text in ["plan", domain] { text.withByteView { seed.add($0) } }
            return seed
        }
        return snapshot.arena.store(Compiled(
            access: ApiKey.access(in: snapshot), meter: snapshot.callers.planMeter, seeds: (own: seeds[0], all: seeds[1])))
    }

    static func describePassing(_ exchange: borrowing Exchange) -> String {
        exchange.caller.plan == 0 ? "proceed: no plan" : "proceed: what is used of the plan is not known here"
    }
}

// MARK: - What callers are told

extension CallerPlan.Compiled {
    /// What is told of a plan's limit: of the second, or of the quota.
    private struct Told {
        let name: StaticString
        let limit: UInt64
        /// Seconds of the interval; of a month, its own.
        let length: UInt64
        /// Nil where it is not known yet: nothing was reserved for the caller.
        let remaining: UInt64?
        /// Seconds until there is more.
        let wait: UInt64
    }

    private func second(_ held: (plan: PlanWord, grant: CallerView.Held), _ exchange: borrowing Exchange) -> Told? {
        guard held.plan.requestsPerSecond > 0 else { return nil }
        let now = exchange.context.pointee.monotonicNanoseconds
        let part = LimitRule(limit: held.plan.requestsPerSecond, perSeconds: 1).part(exchange.context.pointee.keeper, now: now)
        let rest = meter.table.rest(of: key(of: exchange, held.grant), part, now: now)
        return Told(
            name: "\"plan-second\"", limit: held.plan.requestsPerSecond, length: 1, remaining: rest.remaining,
            wait: max(1, (rest.wait + 999_999_999) / 1_000_000_000))
    }

    private func quota(_ held: (plan: PlanWord, grant: CallerView.Held), _ exchange: borrowing Exchange) -> Told? {
        guard let quota = held.plan.quota else { return nil }
        let now = exchange.context.pointee.countSeconds
        let perSeconds = Self.length(quota)
        let window = QuotaKey.window(at: now, perSeconds: perSeconds)
        let (start, end) = (window == 0 ? 0 : QuotaKey.end(of: window - 1, perSeconds: perSeconds), QuotaKey.end(of: window, perSeconds: perSeconds))
        let purse = QuotaPurse.Words(bitPattern: held.grant.account.purse)
        return Told(
            name: quota.per == .month ? "\"plan-month\"" : "\"plan-day\"", limit: quota.limit, length: end - start,
            remaining: purse.map { quota.limit - min(quota.limit, QuotaPurse.usage($0, window: window)) }, wait: end - min(end, now))
    }

    /// Writes the items of RateLimit-Policy for the exchange's caller; nothing if its plan has no limit.
    func writePolicy(_ writer: inout HeadWriter, _ exchange: borrowing Exchange, isFirst: Bool) {
        guard let held = access.held(exchange) else { return }
        var isFirst = isFirst
        write(second(held, exchange), &writer, &isFirst)
        write(quota(held, exchange), &writer, &isFirst)
    }

    private func write(_ told: Told?, _ writer: inout HeadWriter, _ isFirst: inout Bool) {
        guard let told else { return }
        if !isFirst { writer.write(", ") }
        isFirst = false
        writer.write(told.name)
        writer.write(";q=")
        writer.write(decimal: told.limit)
        writer.write(";w=")
        writer.write(decimal: told.length)
    }

    /// Writes the items of RateLimit.
    func writeRest(_ writer: inout HeadWriter, _ exchange: borrowing Exchange, isFirst: Bool) {
        guard let held = access.held(exchange) else { return }
        var isFirst = isFirst
        writeRest(second(held, exchange), &writer, &isFirst, isAlwaysTimed: false)
        writeRest(quota(held, exchange), &writer, &isFirst, isAlwaysTimed: true)
    }

    private func writeRest(_ told: Told?, _ writer: inout HeadWriter, _ isFirst: inout Bool, isAlwaysTimed: Bool) {
        guard let told, let remaining = told.remaining else { return }
        if !isFirst { writer.write(", ") }
        isFirst = false
        writer.write(told.name)
        writer.write(";r=")
        writer.write(decimal: remaining)
        guard isAlwaysTimed || remaining == 0 else { return }
        writer.write(";t=")
        writer.write(decimal: told.wait)
    }

    /// Seconds until both limits admit one more; nil if none is used up.
    func secondsToWait(_ exchange: borrowing Exchange) -> UInt64? {
        guard let held = access.held(exchange) else { return nil }
        let waits = (secondsToWait(second(held, exchange)), secondsToWait(quota(held, exchange)))
        guard waits.0 != nil || waits.1 != nil else { return nil }
        return max(waits.0 ?? 0, waits.1 ?? 0)
    }

    private func secondsToWait(_ told: Told?) -> UInt64? { told.flatMap { $0.remaining == 0 ? $0.wait : nil } }

    /// Whether the caller has used up what its plan has for the present second.
    func isSecondUsedUp(_ exchange: borrowing Exchange) -> Bool {
        guard let held = access.held(exchange), let told = second(held, exchange) else { return false }
        return told.remaining == 0
    }
}
