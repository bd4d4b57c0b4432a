import Synchronization

/// Finds the table of a policy again when the configuration is reloaded, so that a reload forgets no signature.
///
/// Tables are told apart by secret and capacity. Domains with one secret share one table: what is signed does not name
/// the host, so a signature seen at one of them is a replay at the other. A changed secret or capacity starts an empty
/// table. Holds no table alive: snapshots do.
final class ReplayRegistry: Sendable {
    /// The process's own. Tests make theirs.
    static let shared = ReplayRegistry()

    /// Who a table belongs to.
    struct Key: Hashable, Sendable {
        /// A digest that only the secret's holder can make; the secret itself is not kept.
        var secretDigest: [UInt8]
        var capacity: Int
    }

    private struct Entry {
        weak var table: ReplayTable?
    }

    private let entries = Mutex<[Key: Entry]>([:])

    /// The table for `key`, made if no snapshot holds one. Any thread; takes a lock.
    func table(for key: Key) -> ReplayTable {
        entries.withLock { entries in
            if let table = entries[key]?.table { return table }
            entries = entries.filter { $0.value.table != nil }
            let table = ReplayTable(capacity: key.capacity)
            entries[key] = Entry(table: table)
            return table
        }
    }
}
