import SluiceEvent
import Synchronization

/// Sums the workers' counters: each adds its own, on its own thread.
final class MetricsCollector: Sendable {
    private struct State {
        var totals = CounterTotals()
        var left: Int
    }

    private let state: Mutex<State>
    private let signal = Signal()

    init(count: Int) { state = Mutex(State(left: count)) }

    /// Adds one worker's. On its thread.
    func add(_ own: CounterTotals) {
        state.withLock { state in
            state.totals.add(own)
            state.left -= 1
        }
        signal.raise()
    }

    /// Waits until every worker has added its counters, or the time is up.
    func wait(milliseconds: UInt64) {
        let deadline = Clock.monotonicNanoseconds() + milliseconds * 1_000_000
        while state.withLock({ $0.left > 0 }), Clock.monotonicNanoseconds() < deadline { signal.wait(milliseconds: 50) }
    }

    var totals: CounterTotals { state.withLock { $0.totals } }
}

/// Counters of one or several workers, copied out of them.
struct CounterTotals: Sendable {
    var endpoints: [[UInt64]] = []
    var refusals: [[UInt64]] = []
    var tokenFaults: [[UInt64]] = []
    var durations: [DurationHistogram] = []
    var upstreamDurations: [DurationHistogram] = []
    /// By `CallerRows`; the last row is that of all others.
    var callers: [[UInt64]] = []
    var traffic = TrafficCounts()
    var upstreamIdle = 0
    var upstreamEjected = 0
    var circuitsOpen = 0
    var exchangeBlocks = 0
    var outputBlocks = 0
    /// As `HeldBodies.use`.
    var heldBodies: (bytes: Int, room: Int, refused: UInt64) = (0, 0, 0)
    var snapshotsHeld = 0

    /// Adds another worker's. Rows that only one of them has yet are kept.
    mutating func add(_ other: CounterTotals) {
        Self.add(&endpoints, other.endpoints)
        Self.add(&refusals, other.refusals)
        Self.add(&tokenFaults, other.tokenFaults)
        Self.add(&callers, other.callers)
        Self.add(&durations, other.durations)
        Self.add(&upstreamDurations, other.upstreamDurations)
        traffic.add(other.traffic)
        upstreamIdle += other.upstreamIdle
        upstreamEjected += other.upstreamEjected
        circuitsOpen += other.circuitsOpen
        exchangeBlocks += other.exchangeBlocks
        outputBlocks += other.outputBlocks
        heldBodies.bytes += other.heldBodies.bytes
        heldBodies.room += other.heldBodies.room
        heldBodies.refused += other.heldBodies.refused
        snapshotsHeld = max(snapshotsHeld, other.snapshotsHeld)
    }

    private static func add(_ sums: inout [[UInt64]], _ others: [[UInt64]]) {
        for (row, counts) in others.enumerated() {
            if row == sums.count { sums.append(counts) } else { for column in counts.indices { sums[row][column] += counts[column] } }
        }
    }

    private static func add(_ sums: inout [DurationHistogram], _ others: [DurationHistogram]) {
        for (row, histogram) in others.enumerated() {
            if row == sums.count { sums.append(histogram) } else { sums[row].add(histogram) }
        }
    }
}
