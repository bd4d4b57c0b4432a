package import SluiceCounting
import SluiceEvent
import Synchronization

/// What is counted over every reload: the words of ceilings and quotas by the names that the configuration gives them.
///
/// They stay as long as a snapshot names them, each of which has a `Hold`, and then until nothing is at stake any more: a ceiling's window is
/// over, what lay in a purse has been given back. So memory is that of what is configured, however often that changes, and what is
/// configured again at once goes on where it was. In a fleet the store is told of a project that is given up.
///
/// Used where snapshots are compiled, by the keeper, and where usage is shown; never by a request. Outlives every worker
/// and snapshot. Sendable, because the tables are under a lock, and all words that they lead to are atomic and stay until the end.
final class CountRegistry: @unchecked Sendable {
    /// A project and its words, which are atomic: hence Sendable.
    struct Ceiling: @unchecked Sendable {
        let project: String
        let words: CeilingMeter.Words
        /// Whether the configuration that was published last names it.
        var isInForce = false
        /// Snapshots that name it, and when the last of them went, in nanoseconds of the monotonic clock.
        var holds = 0
        var releasedAt: UInt64 = 0
    }

    /// A condition and its words, which are atomic: hence Sendable.
    struct Quota: @unchecked Sendable {
        let key: QuotaKey
        let words: QuotaPurse.Words
        var limit: UInt64
        /// As in `Ceiling`.
        var isInForce = false
        var holds = 0
        var releasedAt: UInt64 = 0
    }

    /// A project as the chain's first step needs it.
    struct CountedCeiling {
        let number: Int
        let words: CeilingMeter.Words
        /// What each worker may admit in a second without charging the words.
        let pocket: UInt32
    }

    /// What the configuration in force has added or changed, by number.
    enum Change: Hashable, Sendable {
        case ceiling(Int)
        case quota(Int)
    }

    /// Sendable for the same reason: what its pointers lead to is atomic.
    private struct Tables: @unchecked Sendable {
        var ceilings: [Ceiling?] = []
        var quotas: [Quota?] = []
        /// Numbers that nothing has.
        var freeCeilings: [Int] = []
        var freeQuotas: [Int] = []
        /// Numbers that no snapshot may name any more.
        var released: Set<Change> = []
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
            for ceiling in tables.ceilings { if let ceiling { CeilingMeter.free(ceiling.words) } }
            for quota in tables.quotas { if let quota { QuotaPurse.free(quota.words) } }
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
            for number in tables.ceilings.indices { tables.ceilings[number]?.isInForce = tables.wantedCeilings[number] != nil }
            for number in tables.quotas.indices { tables.quotas[number]?.isInForce = tables.wantedQuotas[number] != nil }
            for (number, wanted) in tables.wantedCeilings {
                guard let words = tables.ceilings[number]?.words else { continue }
                guard CeilingMeter.ceiling(of: words) != wanted.ceiling else { continue }
                CeilingMeter.setCeiling(words, to: wanted.ceiling)
                if !sharesCeilings { CeilingMeter.setLimit(words, to: wanted.charged) }
                tables.changes.append(.ceiling(number))
            }
            for (number, limit) in tables.wantedQuotas {
                guard let quota = tables.quotas[number], quota.limit != limit else { continue }
                tables.quotas[number]?.limit = limit
                tables.changes.append(.quota(number))
            }
            tables.wantedCeilings = [:]
            tables.wantedQuotas = [:]
        }
    }

    // MARK: Holds

    /// What one snapshot names, which it keeps for as long as it lives.
    func makeHold() -> Hold { Hold(self) }

    /// Keeps words for a snapshot. Filled while it is compiled; given up on whichever thread lets the snapshot go last.
    final class Hold: Sendable {
        private let registry: CountRegistry
        private let held = Mutex<Set<Change>>([])

        fileprivate init(_ registry: CountRegistry) { self.registry = registry }

        deinit { registry.release(held.withLock { $0 }) }

        /// The project's words, and its number: its place in every worker's leases. Another ceiling than it has holds once it is put in
        /// force.
        func ceiling(project: String, limit: UInt64) -> CountedCeiling {
            let isHeld = { (number: Int) in !self.held.withLock { $0.insert(.ceiling(number)).inserted } }
            return registry.ceiling(project: project, limit: limit, isHeld: isHeld)
        }

        /// The purse of a quota condition, and its number. Another limit than it has holds once it is put in force and the keeper has seen it.
        func quota(_ key: QuotaKey, limit: UInt64) -> (number: Int, words: QuotaPurse.Words) {
            let isHeld = { (number: Int) in !self.held.withLock { $0.insert(.quota(number)).inserted } }
            return registry.quota(key, limit: limit, isHeld: isHeld)
        }
    }

    // MARK: Accounts

    /// The purse of a caller's condition, which is held once more: see `closeAccounts`. For the keeper, which has to know the limit too.
    func openAccount(_ key: QuotaKey, limit: UInt64) -> (number: Int, words: QuotaPurse.Words) {
        tables.withLock { tables in
            if let number = tables.quotaNumbers[key], let words = tables.quotas[number]?.words {
                tables.quotas[number]?.holds += 1
                tables.quotas[number]?.limit = limit
                return (number, words)
            }
            let words = QuotaPurse.make()
            let number = tables.freeQuotas.popLast() ?? tables.quotas.count
            if number == tables.quotas.count { tables.quotas.append(nil) }
            tables.quotas[number] = Quota(key: key, words: words, limit: limit, holds: 1)
            tables.quotaNumbers[key] = number
            return (number, words)
        }
    }

    /// Nobody takes from these any more that were opened. Any thread.
    func closeAccounts(_ numbers: [Int]) { release(Set(numbers.map { .quota($0) })) }

    private func release(_ held: Set<Change>) {
        let now = Clock.monotonicNanoseconds()
        tables.withLock { tables in
            for name in held {
                switch name {
                case .ceiling(let number):
                    tables.ceilings[number]?.holds -= 1
                    tables.ceilings[number]?.releasedAt = now
                    if tables.ceilings[number]?.holds == 0 { tables.released.insert(name) }
                case .quota(let number):
                    tables.quotas[number]?.holds -= 1
                    tables.quotas[number]?.releasedAt = now
                    if tables.quotas[number]?.holds == 0 { tables.released.insert(name) }
                }
            }
        }
    }

    /// How long what no snapshot names is kept: for the window of a ceiling, in nanoseconds.
    static let keptNanoseconds: UInt64 = 2_000_000_000

    /// Quota conditions that no snapshot names any more. They are known by no name from here on; `free` must follow. For the keeper.
    func takeUnusedQuotas(now: UInt64) -> [Int] {
        tables.withLock { tables in
            let unused = Self.unused(&tables, now: now) { if case .quota(let number) = $0 { number } else { nil } } isUnused: { tables, number in
                guard let quota = tables.quotas[number], quota.holds == 0 else { return nil }
                return quota.releasedAt
            }
            for number in unused { if let key = tables.quotas[number]?.key { tables.quotaNumbers[key] = nil } }
            return unused
        }
    }

    /// Gives back the words of a condition, which nobody knows any more. For the keeper.
    func free(quota number: Int) {
        tables.withLock { tables in
            guard let quota = tables.quotas[number] else { return }
            QuotaPurse.free(quota.words)
            tables.quotas[number] = nil
            tables.freeQuotas.append(number)
        }
    }

    /// Projects that no snapshot names any more and that nothing was admitted for within a window. They are known by no name from here on;
    /// `free` must follow. For the keeper.
    func takeUnusedCeilings(now: UInt64) -> [Int] {
        tables.withLock { tables in
            let unused = Self.unused(&tables, now: now) { if case .ceiling(let number) = $0 { number } else { nil } } isUnused: { tables, number in
                guard let ceiling = tables.ceilings[number], ceiling.holds == 0 else { return nil }
                return ceiling.releasedAt
            }
            for number in unused { if let project = tables.ceilings[number]?.project { tables.ceilingNumbers[project] = nil } }
            return unused
        }
    }

    /// Gives back the words of a project, which nobody knows any more. For the keeper.
    func free(ceiling number: Int) {
        tables.withLock { tables in
            guard let ceiling = tables.ceilings[number] else { return }
            CeilingMeter.free(ceiling.words)
            tables.ceilings[number] = nil
            tables.freeCeilings.append(number)
        }
    }

    /// Of what was released, what nobody has taken up again; nil from `isUnused` for that, else when it was released.
    private static func unused(
        _ tables: inout Tables, now: UInt64, _ number: (Change) -> Int?, isUnused: (Tables, Int) -> UInt64?
    ) -> [Int] {
        var unused: [Int] = []
        for name in tables.released {
            guard let number = number(name) else { continue }
            guard let releasedAt = isUnused(tables, number) else {
                tables.released.remove(name)
                continue
            }
            guard now >= releasedAt + keptNanoseconds else { continue }
            tables.released.remove(name)
            unused.append(number)
        }
        return unused
    }

    // MARK: Words

    private func ceiling(project: String, limit: UInt64, isHeld: (Int) -> Bool) -> CountedCeiling {
        // The share of a node changes too often for pockets to be set aside from it.
        let pocket = sharesCeilings ? 0 : CeilingMeter.pocket(ceiling: limit, workers: workers)
        let charged = limit - UInt64(pocket > 0 ? CeilingMeter.pocketsOfAll(ceiling: limit, workers: workers) : 0)
        return tables.withLock { tables in
            if let number = tables.ceilingNumbers[project], let words = tables.ceilings[number]?.words {
                tables.wantedCeilings[number] = (limit, charged)
                if !isHeld(number) { tables.ceilings[number]?.holds += 1 }
                return CountedCeiling(number: number, words: words, pocket: pocket)
            }
            // Its time begins with the first request: there is none before.
            let words = CeilingMeter.make(ceiling: limit, now: 0)
            // In a fleet a project has nothing until the store has given it a share.
            CeilingMeter.setLimit(words, to: sharesCeilings ? 0 : charged, until: sharesCeilings ? 0 : nil)
            let number = tables.freeCeilings.popLast() ?? tables.ceilings.count
            if number == tables.ceilings.count { tables.ceilings.append(nil) }
            _ = isHeld(number)
            tables.ceilings[number] = Ceiling(project: project, words: words, holds: 1)
            tables.ceilingNumbers[project] = number
            tables.wantedCeilings[number] = (limit, charged)
            tables.changes.append(.ceiling(number))
            return CountedCeiling(number: number, words: words, pocket: pocket)
        }
    }

    private func quota(_ key: QuotaKey, limit: UInt64, isHeld: (Int) -> Bool) -> (number: Int, words: QuotaPurse.Words) {
        tables.withLock { tables in
            if let number = tables.quotaNumbers[key], let words = tables.quotas[number]?.words {
                tables.wantedQuotas[number] = limit
                if !isHeld(number) { tables.quotas[number]?.holds += 1 }
                return (number, words)
            }
            let words = QuotaPurse.make()
            let number = tables.freeQuotas.popLast() ?? tables.quotas.count
            if number == tables.quotas.count { tables.quotas.append(nil) }
            _ = isHeld(number)
            tables.quotas[number] = Quota(key: key, words: words, limit: limit, holds: 1)
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

    /// Nil if nothing has that number any more.
    func ceiling(_ number: Int) -> Ceiling? { tables.withLock { $0.ceilings[number] } }
    func quota(_ number: Int) -> Quota? { tables.withLock { $0.quotas[number] } }

    /// How many projects have been known at once: the length of every worker's leases.
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
            for case let quota? in tables.quotas {
                QuotaPurse.put(
                    quota.limit, quota.words, window: quota.key.window(at: seconds), granted: quota.limit, elsewhere: 0, isExhausted: true)
            }
        }
    }

    // MARK: Usage

    /// Every project that is configured, with its ceiling and its usage in the last second, on this node.
    func ceilings(now: UInt64) -> [(project: String, ceiling: UInt64, used: UInt64)] {
        tables.withLock { tables in
            tables.ceilings.compactMap { $0 }.filter(\.isInForce).map { ($0.project, CeilingMeter.ceiling(of: $0.words), CeilingMeter.usage(of: $0.words, now: now)) }
                .sorted { $0.project < $1.project }
        }
    }

    /// Every quota condition that is configured, with its usage in the present window; of other nodes, what they have reserved.
    func quotas(now: UInt64) -> [QuotaUsage] {
        let seconds = KeeperState.seconds(state, at: now)
        return tables.withLock { tables in
            tables.quotas.compactMap { $0 }.filter(\.isInForce).map { quota in
                let window = quota.key.window(at: seconds)
                return QuotaUsage(
                    key: quota.key, limit: quota.limit, used: QuotaPurse.usage(quota.words, window: window),
                    windowEnd: quota.key.end(of: window))
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
