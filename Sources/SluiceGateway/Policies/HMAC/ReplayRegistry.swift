import SluiceEvent
import Synchronization

/// Finds the table of a secret again when the configuration is reloaded, so that a reload forgets no signature.
///
/// Tables are told apart by the secret alone. Domains with one secret share one table, whatever else is configured: what is signed
/// does not name the host, so a signature seen at one of them is a replay at the other. A table that a predecessor has handed
/// over is used on. Any other new table cannot know what was accepted before it, and refuses what was signed up to the moment at
/// which it was put in force. Holds no table alive: snapshots do.
final class ReplayRegistry: Sendable {
    private struct Entry {
        weak var table: ReplayTable?
        /// Largest skew of the policies that the present compilation has found.
        var skew: Int64 = 0
        /// Whether nothing has been accepted by it yet, by this process or one before it.
        var isNew: Bool
    }

    private struct State {
        var entries: [[UInt8]: Entry] = [:]
        /// What a predecessor has handed over and no configuration has asked for yet.
        var inherited: [[UInt8]: ReplayTable] = [:]
    }

    private let state = Mutex(State())
    private let handsOver: Bool

    /// - Parameter handsOver: whether tables may be handed over to another process later; costs a descriptor for each.
    init(handsOver: Bool = false) { self.handsOver = handsOver }

    /// A configuration is about to be compiled.
    func beginCompilation() {
        state.withLock { state in
            state.entries = state.entries.filter { $0.value.table != nil }
            for digest in state.entries.keys { state.entries[digest]?.skew = 0 }
        }
    }

    /// The table of a secret, made if no snapshot holds one. Any thread; takes a lock. Nil if there is no memory for it.
    ///
    /// - Parameters:
    ///   - digest: a digest that only the secret's holder can make; the secret itself is not kept.
    ///   - skew: of the policy that will use it, in seconds.
    func table(of digest: [UInt8], skew: Int64) -> ReplayTable? {
        state.withLock { state in
            if let entry = state.entries[digest], let table = entry.table {
                state.entries[digest]?.skew = max(entry.skew, skew)
                return table
            }
            let inherited = state.inherited.removeValue(forKey: digest)
            guard let table = inherited ?? ReplayTable(isHandedOver: handsOver) else { return nil }
            state.entries[digest] = Entry(table: table, skew: skew, isNew: inherited == nil)
            return table
        }
    }

    /// The compiled configuration is about to be published: tables remember for as long as its policies need, and new ones begin.
    ///
    /// - Parameter now: seconds since the Unix epoch.
    /// - Returns: how many tables refuse what was signed up to `now`.
    func putInForce(now: Int64) -> Int {
        state.withLock { state in
            state.inherited = [:]
            var beginning = 0
            for (digest, entry) in state.entries {
                guard let table = entry.table else { continue }
                if entry.skew > 0 { table.remember(for: entry.skew) }
                guard entry.isNew else { continue }
                table.refuse(upTo: now)
                state.entries[digest]?.isNew = false
                beginning += 1
            }
            return beginning
        }
    }

    // MARK: - Takeover

    /// What another process needs to use the tables on: their digests and descriptors, which stay the tables'. Any thread.
    var handedOver: [(digest: [UInt8], table: ReplayTable)] {
        state.withLock { state in
            state.entries.compactMap { digest, entry in
                guard let table = entry.table, table.descriptor >= 0, !entry.isNew else { return nil }
                return (digest, table)
            }
        }
    }

    /// Takes over a table of the process before this one, which uses it on meanwhile. Its descriptor is the registry's from here on.
    func inherit(_ digest: [UInt8], descriptor: Int32) {
        guard let table = ReplayTable(inherited: descriptor) else { return }
        state.withLock { $0.inherited[digest] = table }
    }
}
