import SluiceCounting
import SluiceEvent
import Synchronization

/// The memory of callers' limits, one for the process, and the secret by which callers are found in it. Outlives snapshots, so that a
/// reload forgets nobody.
///
/// The memory is taken when the first configuration has a limit, and ends with the process. Or it is a file's (`keep(in:)`), and another process goes on with
/// what callers have used.
final class CallerLimits: Sendable {
    /// How much of the memory is in use.
    package struct Usage: Sendable {
        package var used: UInt64 = 0
        package var room: UInt64 = 0
        /// How often there was no room for a caller.
        package var full: UInt64 = 0

        package init() {}
    }

    private struct Memory {
        var secret = SipHash128.Key.random()
        var table: LimitTable?
        /// Of plans: strangers have no place in it.
        var plans: LimitTable?
        var file: LimitFile?
    }

    private let keys: Int
    private let admitsUncounted: Bool
    private let memory = Mutex(Memory())

    /// - Parameters:
    ///   - keys: callers that there is room for.
    ///   - admitsUncounted: whether a request passes whose caller there is no room for.
    init(keys: Int = 1000, admitsUncounted: Bool = false) {
        self.keys = keys
        self.admitsUncounted = admitsUncounted
    }

    deinit {
        memory.withLock { memory in
            // The file's memory is the file's.
            guard memory.file == nil else { return }
            memory.table?.free()
            memory.plans?.free()
        }
    }

    /// Counts in a file from here on. Before anything is compiled.
    /// - Parameter keeper: what tells into how many parts limits are divided; it goes on as well.
    /// - Returns: whether counts of an earlier process were found.
    func keep(in path: String, keeper: KeeperState.Words) throws(LimitFileError) -> Bool {
        let random = secret
        let file = try LimitFile.open(
            path, keys: keys, secret: .init(low: random.low, high: random.high), now: { Clock.monotonicNanoseconds() })
        KeeperState.mirrorParts(keeper, in: file.spare, now: Clock.monotonicNanoseconds())
        memory.withLock { memory in
            memory.secret = SipHash128.Key(low: file.secret.low, high: file.secret.high)
            memory.table = file.table
            memory.plans = file.plans
            memory.file = file
        }
        return file.isContinued
    }

    /// By what callers are found.
    var secret: SipHash128.Key { memory.withLock { $0.secret } }

    /// Where compiled policies count. Whoever compiles keeps this object alive.
    var meter: CallerMeter {
        let table = memory.withLock { memory in
            let table = memory.table ?? LimitTable(keys: keys)
            memory.table = table
            return table
        }
        return CallerMeter(table: table, admitsUncounted: admitsUncounted)
    }

    /// The same for the requests per second of plans.
    var planMeter: CallerMeter {
        let table = memory.withLock { memory in
            let table = memory.plans ?? LimitTable(keys: keys)
            memory.plans = table
            return table
        }
        return CallerMeter(table: table, admitsUncounted: admitsUncounted)
    }

    /// Any thread.
    var usage: Usage {
        var usage = Usage()
        usage.room = UInt64(keys)
        let (table, plans) = memory.withLock { ($0.table, $0.plans) }
        if let room = (table ?? plans)?.room { usage.room = min(usage.room, room) }
        for table in [table, plans].compactMap({ $0 }) {
            usage.used += table.usedPlaces
            usage.full += table.fullTimes
        }
        return usage
    }
}
