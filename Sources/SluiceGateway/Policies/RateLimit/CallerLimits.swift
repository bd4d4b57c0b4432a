import SluiceCounting
import Synchronization

/// The memory of callers' limits, one for the process, and the secret by which callers are found in it. Outlives snapshots, so that a
/// reload forgets nobody.
///
/// The memory is taken when the first configuration has a limit. It ends with the process: what a caller has used is not known to the next one.
final class CallerLimits: Sendable {
    /// How much of the memory is in use.
    package struct Usage: Sendable {
        package var used: UInt64 = 0
        package var room: UInt64 = 0
        /// How often there was no room for a caller.
        package var full: UInt64 = 0

        package init() {}
    }

    private let keys: Int
    private let admitsUncounted: Bool
    let secret = SipHash128.Key.random()
    private let made = Mutex<LimitTable?>(nil)

    /// - Parameters:
    ///   - keys: callers that there is room for.
    ///   - admitsUncounted: whether a request passes whose caller there is no room for.
    init(keys: Int = 1000, admitsUncounted: Bool = false) {
        self.keys = keys
        self.admitsUncounted = admitsUncounted
    }

    deinit { made.withLock { $0?.free() } }

    /// Where compiled policies count. Whoever compiles keeps this object alive.
    var meter: CallerMeter {
        let table = made.withLock { made in
            let table = made ?? LimitTable(keys: keys)
            made = table
            return table
        }
        return CallerMeter(table: table, admitsUncounted: admitsUncounted)
    }

    /// Any thread.
    var usage: Usage {
        var usage = Usage()
        usage.room = UInt64(keys)
        guard let table = made.withLock({ $0 }) else { return usage }
        usage.room = min(usage.room, table.room)
        usage.used = table.usedPlaces
        usage.full = table.fullTimes
        return usage
    }
}
