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

    /// In the order of their deadlines: all wait for the same time.
    private var waiters: [Waiter] = []

    var isEmpty: Bool { waiters.isEmpty }

    mutating func append(_ waiter: Waiter) { waiters.append(waiter) }

    /// Those who wait for this source; none of them is left.
    mutating func take(_ source: Int) -> [Waiter] {
        let taken = waiters.filter { $0.source == source }
        if !taken.isEmpty { waiters.removeAll { $0.source == source } }
        return taken
    }

    /// Those who have waited long enough. Asked at every tick: of others than them only the first is looked at.
    mutating func takeExpired(at now: UInt64) -> [Waiter] {
        let expired = Array(waiters.prefix { $0.deadline <= now })
        if !expired.isEmpty { waiters.removeFirst(expired.count) }
        return expired
    }
}
