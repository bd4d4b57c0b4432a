/// Exchanges of one worker that wait for allowance to be reserved.
struct AllowanceWaiters {
    /// One exchange.
    struct Waiter {
        let suspension: Suspension
        /// When it has waited long enough, in milliseconds of the monotonic clock.
        let deadline: UInt64
    }

    private var waiters: [Waiter] = []

    var isEmpty: Bool { waiters.isEmpty }
    var count: Int { waiters.count }

    mutating func append(_ waiter: Waiter) { waiters.append(waiter) }

    /// All of them; none is left.
    mutating func takeAll() -> [Waiter] {
        defer { waiters = [] }
        return waiters
    }

    /// Those whose time has ended.
    mutating func takeExpired(at now: UInt64) -> [Waiter] {
        let expired = waiters.filter { $0.deadline <= now }
        if !expired.isEmpty { waiters.removeAll { $0.deadline <= now } }
        return expired
    }
}
