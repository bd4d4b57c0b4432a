import Synchronization

/// What is counted over every reload: the words of ceilings and quotas by the names that the configuration gives them.
///
/// Used where snapshots are compiled and where usage is shown, never by a request. Outlives every worker and snapshot.
final class CountRegistry: Sendable {
    private struct Tables {
        var ceilings: [String: (slot: Int, words: UInt)] = [:]
        var quotas: [QuotaKey: UInt] = [:]
    }

    /// One condition of one list: the same condition after a reload, whatever its limit.
    struct QuotaKey: Hashable, Sendable {
        /// The domain's key, and for an endpoint's list its methods and pattern.
        var owner: String
        var perSeconds: UInt64
    }

    private let tables = Mutex(Tables())

    deinit {
        tables.withLock { tables in
            for entry in tables.ceilings.values { CeilingMeter.Words(bitPattern: entry.words)?.deallocate() }
            for word in tables.quotas.values { QuotaCounter.Word(bitPattern: word)?.deallocate() }
        }
    }

    /// The project's words, and its place in every worker's leases. A new ceiling takes effect at once.
    func ceiling(project: String, limit: UInt64, now: UInt64) -> (slot: Int, words: CeilingMeter.Words) {
        tables.withLock { tables in
            if let known = tables.ceilings[project], let words = CeilingMeter.Words(bitPattern: known.words) {
                CeilingMeter.setCeiling(words, to: limit)
                return (known.slot, words)
            }
            let words = CeilingMeter.make(ceiling: limit, now: now)
            let slot = tables.ceilings.count
            tables.ceilings[project] = (slot, UInt(bitPattern: words))
            return (slot, words)
        }
    }

    /// The counter of a quota condition.
    func quota(_ key: QuotaKey) -> QuotaCounter.Word {
        tables.withLock { tables in
            if let known = tables.quotas[key], let word = QuotaCounter.Word(bitPattern: known) { return word }
            let word = QuotaCounter.make()
            tables.quotas[key] = UInt(bitPattern: word)
            return word
        }
    }

    /// How many projects have been seen: the length of every worker's leases.
    var projectCount: Int { tables.withLock { $0.ceilings.count } }

    /// Every project with its ceiling and its usage in the last second.
    func ceilings(now: UInt64) -> [(project: String, ceiling: UInt64, used: UInt64)] {
        tables.withLock { tables in
            tables.ceilings.compactMap { project, entry in
                guard let words = CeilingMeter.Words(bitPattern: entry.words) else { return nil }
                return (project, CeilingMeter.ceiling(of: words), CeilingMeter.usage(of: words, now: now))
            }.sorted { $0.project < $1.project }
        }
    }

    /// Every quota condition with its usage in the present window.
    func quotas(wallSeconds: UInt64) -> [(key: QuotaKey, used: UInt64)] {
        tables.withLock { tables in
            tables.quotas.compactMap { key, address in
                guard let word = QuotaCounter.Word(bitPattern: address) else { return nil }
                return (key, QuotaCounter.usage(word, perSeconds: key.perSeconds, wallSeconds: wallSeconds))
            }.sorted { ($0.key.owner, $0.key.perSeconds) < ($1.key.owner, $1.key.perSeconds) }
        }
    }
}
