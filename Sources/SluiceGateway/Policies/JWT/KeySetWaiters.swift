/// Exchanges of one worker that wait for the end of a fetch.
struct KeySetWaiters {
    /// One exchange.
    struct Waiter {
        /// Number of the key set's source.
        let source: Int
        let suspension: Suspension
        /// When it waits no longer, in milliseconds of the monotonic clock. A fetch that has begun ends by itself before that; but it may have to
        /// wait for others to end, and a file may lie on a disk that does not answer.
        let deadline: UInt64
    }

    private var waiters: [Waiter] = []

    var isEmpty: Bool { waiters.isEmpty }

    mutating func append(_ waiter: Waiter) { waiters.append(waiter) }

    /// Those who wait for this source; none of them is left.
    mutating func take(_ source: Int) -> [Waiter] { take { $0.source == source } }

    /// Those who have waited long enough.
    mutating func takeExpired(at now: UInt64) -> [Waiter] { take { $0.deadline <= now } }

    private mutating func take(where isTaken: (Waiter) -> Bool) -> [Waiter] {
        let taken = waiters.filter(isTaken)
        if !taken.isEmpty { waiters.removeAll(where: isTaken) }
        return taken
    }
}
