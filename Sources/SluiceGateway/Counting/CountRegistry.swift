package import SluiceCounting
import SluiceEvent
import Synchronization

/// What is counted over every reload: the words of ceilings and quotas by the names that the configuration gives them.
///
/// Used where snapshots are compiled, by the keeper, and where usage is shown; never by a request. Outlives every worker
/// and snapshot. Sendable, because the tables are under a lock, and all words that they lead to are atomic and stay until the end.
final class CountRegistry: @unchecked Sendable {
    /// A project and its words, which are atomic: hence Sendable.
    struct Ceiling: @unchecked Sendable {
        let project: String
        let words: CeilingMeter.Words
        /// Whether any configuration that named it was published.
        var wasInForce = false
    }

    /// A condition and its words, which are atomic: hence Sendable.
    struct Quota: @unchecked Sendable {
        let key: QuotaKey
        let words: QuotaPurse.Words
        var limit: UInt64
        /// Whether any configuration that named it was published.
        var wasInForce = false
    }

    /// A project as the chain's first step needs it.
    struct CountedCeiling {
        let number: Int
        let words: CeilingMeter.Words
        /// What each worker may admit in a second without charging the words.
        let pocket: UInt32
    }

    /// What the configuration in force has added or changed, by number.
    enum Change: Sendable {
        case ceiling(Int)
        case quota(Int)
    }

    /// Sendable for the same reason: what its pointers lead to is atomic.
    private struct Tables: @unchecked Sendable {
        var ceilings: [Ceiling] = []
        var quotas: [Quota] = []
        var ceilingNumbers: [String: Int] = [:]
        var quotaNumbers: [QuotaKey: Int] = [:]
        var changes: [Change] = []
        /// What the latest compilation wants of ceilings and quotas, by number. See `putInForce`.
        var wantedCeilings: [Int: (ceiling: UInt64, charged: UInt64)] = [:]
        var wantedQuotas: [Int: UInt64] = [:]
        var queues: [AttentionQueue.Words] = []
    }

    private let tables = Mutex(Tables())
    private let queueNumber = Atomic<Int>(0)
    /// Whether a store divides ceilings among nodes; a node by itself may use all of them.
    let sharesCeilings: Bool
    /// How many workers count.
    private let workers: UInt64
    /// What the keeper tells the workers.
    let state = KeeperState.make()
    /// Wakes the keeper.
    let signal = Signal()

    init(workers: Int = 1, sharesCeilings: Bool = false) {
        self.workers = UInt64(max(1, workers))
        self.sharesCeilings = sharesCeilings
    }

    deinit {
        tables.withLock { tables in
            for ceiling in tables.ceilings { CeilingMeter.free(ceiling.words) }
            for quota in tables.quotas { QuotaPurse.free(quota.words) }
            for queue in tables.queues { AttentionQueue.free(queue) }
        }
        KeeperState.free(state)
    }

    /// A compilation begins: what an earlier one wanted and never got is forgotten.
    func beginCompilation() {
        tables.withLock { tables in
            tables.wantedCeilings = [:]
            tables.wantedQuotas = [:]
        }
    }

    /// The configuration that was compiled last is published: its ceilings and quotas hold from here on. Those of one that is refused
    /// never do.
    func putInForce() {
        tables.withLock { tables in
            for (number, wanted) in tables.wantedCeilings {
                tables.ceilings[number].wasInForce = true
                let words = tables.ceilings[number].words
                guard CeilingMeter.ceiling(of: words) != wanted.ceiling else { continue }
                CeilingMeter.setCeiling(words, to: wanted.ceiling)
                if !sharesCeilings { CeilingMeter.setLimit(words, to: wanted.charged) }
                tables.changes.append(.ceiling(number))
            }
            for (number, limit) in tables.wantedQuotas {
                tables.quotas[number].wasInForce = true
                guard tables.quotas[number].limit != limit else { continue }
                tables.quotas[number].limit = limit
                tables.changes.append(.quota(number))
            }
            tables.wantedCeilings = [:]
            tables.wantedQuotas = [:]
        }
    }

    /// The project's words, and its number: its place in every worker's leases. Another ceiling than it has holds once it is put in
    /// force.
    func ceiling(project: String, limit: UInt64) -> CountedCeiling {
        // The share of a node changes too often for pockets to be set aside from it.
        let pocket = sharesCeilings ? 0 : CeilingMeter.pocket(ceiling: limit, workers: workers)
        let charged = limit - UInt64(pocket > 0 ? CeilingMeter.pocketsOfAll(ceiling: limit, workers: workers) : 0)
        return tables.withLock { tables in
            if let number = tables.ceilingNumbers[project] {
                tables.wantedCeilings[number] = (limit, charged)
                return CountedCeiling(number: number, words: tables.ceilings[number].words, pocket: pocket)
            }
            // Its time begins with the first request: there is none before.
            let words = CeilingMeter.make(ceiling: limit, now: 0)
            // In a fleet a project has nothing until the store has given it a share.
            CeilingMeter.setLimit(words, to: sharesCeilings ? 0 : charged, until: sharesCeilings ? 0 : nil)
            let number = tables.ceilings.count
            tables.ceilings.append(Ceiling(project: project, words: words))
            tables.ceilingNumbers[project] = number
            tables.wantedCeilings[number] = (limit, charged)
            tables.changes.append(.ceiling(number))
            return CountedCeiling(number: number, words: words, pocket: pocket)
        }
    }

    /// The purse of a quota condition, and its number. Another limit than it has holds once it is put in force and the keeper has seen it.
    func quota(_ key: QuotaKey, limit: UInt64) -> (number: Int, words: QuotaPurse.Words) {
        tables.withLock { tables in
            if let number = tables.quotaNumbers[key] {
                tables.wantedQuotas[number] = limit
                return (number, tables.quotas[number].words)
            }
            let words = QuotaPurse.make()
            let number = tables.quotas.count
            tables.quotas.append(Quota(key: key, words: words, limit: limit))
            tables.quotaNumbers[key] = number
            tables.wantedQuotas[number] = limit
            tables.changes.append(.quota(number))
            return (number, words)
        }
    }

    /// What was added or changed since the last call. For the keeper.
    func takeChanges() -> [Change] {
        tables.withLock { tables in
            defer { tables.changes = [] }
            return tables.changes
        }
    }

    func ceiling(_ number: Int) -> Ceiling { tables.withLock { $0.ceilings[number] } }
    func quota(_ number: Int) -> Quota { tables.withLock { $0.quotas[number] } }

    /// How many projects have been seen: the length of every worker's leases.
    var projectCount: Int { tables.withLock { $0.ceilings.count } }

    var quotaCount: Int { tables.withLock { $0.quotas.count } }

    /// A queue in which one worker tells the keeper what needs it.
    func makeQueue() -> AttentionQueue.Words {
        let queue = AttentionQueue.make()
        tables.withLock { $0.queues.append(queue) }
        queueNumber.add(1, ordering: .releasing)
        return queue
    }

    /// How many queues there are.
    var queueCount: Int { queueNumber.load(ordering: .acquiring) }

    /// Every worker's queue. For the keeper.
    var queues: [AttentionQueue.Words] { tables.withLock { UncheckedTransfer($0.queues) }.value }

    /// Gives every quota its whole limit in the window at `seconds`: for one who walks a request through and serves none.
    func fillAll(seconds: UInt64) {
        tables.withLock { tables in
            for quota in tables.quotas {
                QuotaPurse.put(
                    quota.limit, quota.words, window: seconds / quota.key.perSeconds, granted: quota.limit, elsewhere: 0, isExhausted: true)
            }
        }
    }

    // MARK: Usage

    /// Every project that was ever in force, with its ceiling and its usage in the last second, on this node.
    func ceilings(now: UInt64) -> [(project: String, ceiling: UInt64, used: UInt64)] {
        tables.withLock { tables in
            tables.ceilings.filter(\.wasInForce).map { ($0.project, CeilingMeter.ceiling(of: $0.words), CeilingMeter.usage(of: $0.words, now: now)) }
                .sorted { $0.project < $1.project }
        }
    }

    /// Every quota condition that was ever in force, with its usage in the present window; of other nodes, what they have reserved.
    func quotas(now: UInt64) -> [QuotaUsage] {
        let seconds = KeeperState.seconds(state, at: now)
        return tables.withLock { tables in
            tables.quotas.filter(\.wasInForce).map { quota in
                let window = seconds / quota.key.perSeconds
                return QuotaUsage(
                    key: quota.key, limit: quota.limit, used: QuotaPurse.usage(quota.words, window: window),
                    windowEnd: (window + 1) * quota.key.perSeconds)
            }.sorted { ($0.key.owner, $0.key.perSeconds) < ($1.key.owner, $1.key.perSeconds) }
        }
    }
}

/// A quota condition and what of it is used up in its present window.
package struct QuotaUsage: Sendable {
    package let key: QuotaKey
    /// Requests that a window admits.
    package let limit: UInt64
    /// Requests that this node knows to be spent of it, its own and others'.
    package let used: UInt64
    /// Seconds since the Unix epoch.
    package let windowEnd: UInt64
}
