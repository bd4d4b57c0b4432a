import Synchronization

/// Open connections of one listener, over all workers and reloads. Changed when one is accepted and when it is closed, never by a
/// request.
final class ConnectionCount: Sendable {
    private let open = Atomic<Int>(0)

    /// Counts one more in. False, and nothing is counted, where `limit` are open already; 0 is no bound.
    func enter(limit: Int) -> Bool {
        let before = open.wrappingAdd(1, ordering: .relaxed).oldValue
        guard limit > 0, before >= limit else { return true }
        leave()
        return false
    }

    /// Counts one out.
    func leave() { open.wrappingSubtract(1, ordering: .relaxed) }
}

/// The counts of all listeners by address: a listener finds its own again after a reload. For the controlling thread.
final class ConnectionCounts {
    private var byAddress: [String: ConnectionCount] = [:]

    /// The count of this listener, a new one if the address is.
    func of(_ address: String) -> ConnectionCount {
        if let known = byAddress[address] { return known }
        let count = ConnectionCount()
        byAddress[address] = count
        return count
    }
}
