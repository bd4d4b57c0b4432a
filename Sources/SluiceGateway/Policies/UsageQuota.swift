import SluiceConfiguration

/// Holds a domain and an endpoint to amounts of requests per window, several windows at once.
///
/// A list rejects when any one of its conditions has nothing left, and then charges none of them. A request that the
/// domain's list rejects is charged to the endpoint's all the same; one that the endpoint's rejects has been charged to
/// the domain's: one step, compiled from both lists. Refuses with `.quotaExceeded` (403). Never suspends.
enum UsageQuota: ConfigurablePolicy {
    static let key = "usageQuota"

    struct Configuration: Sendable {
        var conditions: [Condition]

        struct Condition: Sendable {
            /// Requests per window. 0 refuses every request.
            var limit: UInt64
            /// Length of the window, aligned to the Unix epoch. 1 to 2,592,000 (30 days).
            var perSeconds: UInt64
        }
    }

    static let perSecondsRange: ClosedRange<Int64> = 1...2_592_000

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        guard let entries = node.elements else {
            problems.add(at: node, found: node.found, allowed: "a list of {limit, perSeconds}")
            return nil
        }
        var conditions: [Configuration.Condition] = []
        for entry in entries.compactMap({ MappingReader($0, problems) }) {
            let limit = entry.requiredInteger("limit", in: 0...Int64(QuotaCounter.limitMax))
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

    struct Compiled: BitwiseCopyable {
        struct Condition: BitwiseCopyable {
            let counter: QuotaCounter.Word
            let limit: UInt64
            let perSeconds: UInt64
        }

        let domain: ArenaSlice<Condition>
        let endpoint: ArenaSlice<Condition>

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            let now = UInt64(max(0, exchange.context.pointee.wallSeconds))
            let domainAdmits = Self.charge(domain, at: now)
            let endpointAdmits = Self.charge(endpoint, at: now)
            return domainAdmits && endpointAdmits ? .proceed : .refuse(.quotaExceeded)
        }

        /// Charges all conditions of a list or none.
        private static func charge(_ list: ArenaSlice<Condition>, at now: UInt64) -> Bool {
            var charged = 0
            while charged < list.count {
                let condition = list[charged]
                guard QuotaCounter.charge(
                    condition.counter, limit: condition.limit, perSeconds: condition.perSeconds, wallSeconds: now)
                else {
                    refund(list, first: charged, at: now)
                    return false
                }
                charged += 1
            }
            return true
        }

        private static func refund(_ list: ArenaSlice<Condition>, first count: Int, at now: UInt64) {
            for index in 0..<count {
                let condition = list[index]
                QuotaCounter.refund(condition.counter, perSeconds: condition.perSeconds, wallSeconds: now)
            }
        }
    }

    /// The compiled list of one owner: a domain, or an endpoint of it.
    static func compile(
        _ configuration: Configuration?, owner: String, counts: CountRegistry, into snapshot: SnapshotBuilder
    ) -> ArenaSlice<Compiled.Condition> {
        snapshot.arena.store((configuration?.conditions ?? []).map { condition in
            Compiled.Condition(
                counter: counts.quota(.init(owner: owner, perSeconds: condition.perSeconds)),
                limit: condition.limit, perSeconds: condition.perSeconds)
        })
    }
}
