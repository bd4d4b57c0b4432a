import SluiceConfiguration
import SluiceCounting
import SluiceHTTP

/// Holds a domain and an endpoint to amounts of requests per window, several windows at once.
///
/// A list rejects when any one of its conditions has nothing left, and then charges none of them. A request that the
/// domain's list rejects is charged to the endpoint's all the same; one that the endpoint's rejects has been charged to
/// the domain's: one step, compiled from both lists.
///
/// Each list says whether it is charged before authentication, as the contract's order has it, or after it: what is charged before, strangers
/// can use up. Where the two say the same they are one step, else a step each; a request that the earlier one or authentication
/// rejects is then not charged to the later one.
///
/// Refuses with `.quotaExceeded` (403). Suspends while allowance is
/// being reserved, for as long as SLUICE_COUNT_WAIT_MS allows, and has then charged nothing.
///
/// Conditions are charged one after the other, and given back when a later one rejects. In between another worker may
/// find the last unit of the first gone; but it would be rejected by the later one all the same, unless that one's window
/// turns in this very moment.
enum UsageQuota: Policy {
    static let key = "usageQuota"

    static let declaration = PolicyDeclaration(
        places: [
            .init(level: .domain, meaning: "Limits the requests per time window, over all requests of the domain."),
            .init(level: .endpoint, meaning: "Limits the requests per time window, over all requests of the endpoint."),
        ],
        form: .either([
            .list(.mapping(limitKeys)),
            .mapping([
                .init("limits", .list(.mapping(limitKeys)), .required, "The quotas, as in the form without `charge`."),
                .init("charge", .word(["before", "after"]), .byDefault("before"),
                    "Whether requests are charged before or after authentication. What is charged before, strangers can use up."),
            ]),
        ]),
        refusals: [.quotaExceeded], waitsFor: [.allowance], remembers: "the use of each window, also over a restart", goesByClock: true, keepsOut: true)

    private static let limitKeys: [ConfigurationKey] = [
        .init("limit", .integer(0...Int64(QuotaPurse.limitMax), unit: nil), .required, "The most requests in one window. 0 refuses every request."),
        .init("perSeconds", .integer(perSecondsRange, unit: nil), .required,
            "Length of the window in seconds. Windows are aligned to the Unix epoch. Each length may stand once."),
    ]

    struct Configuration: Sendable {
        var conditions: [Condition]
        var charge = Charge.before

        /// When a request is charged, as seen from authentication.
        enum Charge: String, CaseIterable, Sendable {
            case before, after
        }

        struct Condition: Sendable {
            /// Requests per window. 0 refuses every request.
            var limit: UInt64
            /// Length of the window, aligned to the Unix epoch. 1 to 2,592,000 (30 days).
            var perSeconds: UInt64
        }
    }

    static let perSecondsRange: ClosedRange<Int64> = 1...2_592_000

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        if node.elements == nil, case .mapping = node.content {
            guard let reader = MappingReader(node, problems) else { return nil }
            let charge = reader.enumeration("charge", of: Configuration.Charge.self)
            let limits = reader.node("limits")
            if limits == nil { reader.missing("limits", allowed: allowed) }
            reader.finish()
            var configuration = limits.flatMap { readLimits($0, problems) }
            configuration?.charge = charge?.value ?? .before
            return configuration
        }
        return readLimits(node, problems, allowed: allowed + ", or {limits, charge}")
    }

    private static let allowed = "a list of {limit, perSeconds}"

    private static func readLimits(_ node: ConfigurationNode, _ problems: Problems, allowed: String = allowed) -> Configuration? {
        guard let entries = node.elements else {
            problems.add(at: node, found: node.found, allowed: allowed)
            return nil
        }
        var conditions: [Configuration.Condition] = []
        for entry in entries.compactMap({ MappingReader($0, problems) }) {
            let limit = entry.requiredInteger("limit", in: 0...Int64(QuotaPurse.limitMax))
            let perSeconds = entry.requiredInteger("perSeconds", in: perSecondsRange)
            entry.finish()
            guard let limit, let perSeconds else { continue }
            if conditions.contains(where: { $0.perSeconds == UInt64(perSeconds.value) }) {
                problems.add(
                    at: perSeconds, found: "a second condition per \(perSeconds.value) seconds",
                    allowed: "one condition for each length of window")
            }
            conditions.append(.init(limit: UInt64(limit.value), perSeconds: UInt64(perSeconds.value)))
        }
        return Configuration(conditions: conditions)
    }

    struct Compiled: CompiledPolicy {
        struct Condition: BitwiseCopyable {
            let purse: QuotaPurse.Words
            /// The condition's number, for the keeper.
            let number: Int
            let limit: UInt64
            let perSeconds: UInt64
        }

        let domain: ArenaSlice<Condition>
        let endpoint: ArenaSlice<Condition>
        /// Its items of the field RateLimit-Policy.
        let policy: ByteView

        init(domain: ArenaSlice<Condition>, endpoint: ArenaSlice<Condition>, into arena: Arena) {
            self.domain = domain
            self.endpoint = endpoint
            policy = arena.bytes((Self.items("domain", domain) + Self.items("endpoint", endpoint)).joined(separator: ", "))
        }

        private static func items(_ owner: String, _ list: ArenaSlice<Condition>) -> [String] {
            (0..<list.count).map { "\"\(owner)-\(list[$0].perSeconds)\";q=\(list[$0].limit);w=\(list[$0].perSeconds)" }
        }

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            let context = exchange.context
            let now = context.pointee.countSeconds
            let resets = (domain: Self.resetCount(domain), endpoint: Self.resetCount(endpoint))
            let domain = Self.charge(domain, at: now, resets: resets.domain)
            let endpoint = Self.charge(endpoint, at: now, resets: resets.endpoint)
            if domain == .taken && endpoint == .taken { return .proceed }
            guard domain == .pending || endpoint == .pending else {
                // The keeper asks now and then whether another node has given something back.
                if KeeperState.isShared(context.pointee.keeper) { demandAttention(at: now, context) }
                return .refuse(.quotaExceeded)
            }
            return settleLate(&exchange, domain, endpoint, at: now, resets: resets)
        }

        /// Something is not reserved yet: the exchange waits, or is decided without it.
        private func settleLate(
            _ exchange: inout Exchange, _ domain: QuotaPurse.Outcome, _ endpoint: QuotaPurse.Outcome, at now: UInt64,
            resets: (domain: UInt64, endpoint: UInt64)
        ) -> Verdict {
            let context = exchange.context
            demandAttention(at: now, context)
            guard exchange.hasAwaitedAllowance || KeeperState.isAway(context.pointee.keeper) else {
                // The whole step is evaluated again.
                if domain == .taken { Self.putBack(self.domain, first: self.domain.count, at: now, resets: resets.domain) }
                if endpoint == .taken { Self.putBack(self.endpoint, first: self.endpoint.count, at: now, resets: resets.endpoint) }
                return .suspend(.allowance)
            }
            KeeperState.countLate(context.pointee.keeper)
            let isAdmitted = domain != .exhausted && endpoint != .exhausted && KeeperState.whenLate(context.pointee.keeper) == .admit
            return isAdmitted ? .proceed : .refuse(.quotaExceeded)
        }

        /// How often the conditions were begun anew, all together: it only grows.
        private static func resetCount(_ list: ArenaSlice<Condition>) -> UInt64 {
            var count: UInt64 = 0
            for index in 0..<list.count { count &+= QuotaPurse.resetCount(list[index].purse) }
            return count
        }

        /// Charges all conditions of a list or none.
        private static func charge(_ list: ArenaSlice<Condition>, at now: UInt64, resets: UInt64) -> QuotaPurse.Outcome {
            var charged = 0
            while charged < list.count {
                let condition = list[charged]
                // Known without asking anybody, so nobody waits for it.
                let outcome = condition.limit == 0 ? .exhausted : QuotaPurse.take(condition.purse, window: now / condition.perSeconds)
                guard outcome == .taken else {
                    putBack(list, first: charged, at: now, resets: resets)
                    return outcome
                }
                charged += 1
            }
            return .taken
        }

        /// - Parameter resets: `resetCount` before they were charged.
        private static func putBack(_ list: ArenaSlice<Condition>, first count: Int, at now: UInt64, resets: UInt64) {
            for index in 0..<count {
                let own = QuotaPurse.resetCount(list[index].purse)
                guard resetCount(list) == resets else { return }
                QuotaPurse.putBack(list[index].purse, window: now / list[index].perSeconds, resets: own)
            }
        }

        /// Tells the keeper of every condition that has nothing left in its purse.
        private func demandAttention(at now: UInt64, _ context: UnsafeMutablePointer<EvaluationContext>) {
            Self.demandAttention(domain, at: now, context)
            Self.demandAttention(endpoint, at: now, context)
        }

        private static func demandAttention(
            _ list: ArenaSlice<Condition>, at now: UInt64, _ context: UnsafeMutablePointer<EvaluationContext>
        ) {
            for index in 0..<list.count {
                let condition = list[index]
                if QuotaPurse.available(condition.purse, window: now / condition.perSeconds) == 0, !QuotaPurse.hasAttention(condition.purse),
                    QuotaPurse.demandAttention(condition.purse)
                {
                    AttentionQueue.put(Attention.quota(condition.number).word, context.pointee.attention)
                }
            }
        }
    }

    /// Of a list alone there is no compiled form: `compiled(at:)` puts the domain's and the endpoint's together.
    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? { nil }

    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>? { compiled(at: site, charged: .before) }

    /// The lists of domain and endpoint that are charged at this time.
    static func compiled(at site: PolicySite, charged time: Configuration.Charge) -> UnsafePointer<Compiled>? {
        let domain = list(at: site.domain ?? site, charged: time)
        let endpoint = site.domain == nil ? ArenaSlice() : list(at: site, charged: time)
        guard domain.count + endpoint.count > 0 else { return nil }
        let arena = site.snapshot.arena
        return arena.store(Compiled(domain: domain, endpoint: endpoint, into: arena))
    }

    private static func list(at site: PolicySite, charged time: Configuration.Charge) -> ArenaSlice<Compiled.Condition> {
        guard let configuration = site.settings[Self.self], configuration.charge == time else { return ArenaSlice() }
        return site.once(key) {
            site.snapshot.arena.store(configuration.conditions.map { condition in
                let quota = site.counts.quota(.init(owner: site.name, perSeconds: condition.perSeconds), limit: condition.limit)
                return Compiled.Condition(purse: quota.words, number: quota.number, limit: condition.limit, perSeconds: condition.perSeconds)
            })
        }
    }

    static func note(domain: PolicySettings, endpoints: [PolicySettings]) -> String? {
        func isOpen(_ settings: PolicySettings) -> Bool {
            settings[Self.self].map { $0.charge == .before && $0.conditions.contains { $0.limit > 0 } } ?? false
        }
        /// Whether credentials are asked for at all: `keepsOut` leaves out what opens an endpoint.
        func asks(_ settings: PolicySettings) -> Bool { !settings.keys { $0.checksCaller && $0.keepsOut }.isEmpty }
        let asksInDomain = asks(domain)
        let usesUp = isOpen(domain) && (asksInDomain || endpoints.contains(where: asks))
            || endpoints.contains { isOpen($0) && (asks($0) || asksInDomain && !$0.checksCaller) }
        guard usesUp else { return nil }
        return "`usageQuota` is charged before credentials are checked, so that strangers can use it up; "
            + "`usageQuota: {limits: [...], charge: after}` charges only callers with credentials"
    }
}

/// The lists of `UsageQuota` that are charged after authentication: another place in the order, with the same name.
enum LateUsageQuota: BuiltInPolicy {
    static let key = UsageQuota.key
    static let declaration = PolicyDeclaration(goesByClock: true)

    typealias Compiled = UsageQuota.Compiled

    static func compiled(at site: PolicySite) -> UnsafePointer<Compiled>? { UsageQuota.compiled(at: site, charged: .after) }
}
