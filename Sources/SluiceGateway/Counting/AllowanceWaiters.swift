/// Exchanges of one worker that wait for allowance to be reserved.
struct AllowanceWaiters {
    /// One exchange.
    struct Waiter {
        let connection: Downstream
        let generation: UInt32
        /// Number of the request on its connection: another one may be under way by then.
        let request: UInt32
        /// When it has waited long enough, in milliseconds of the monotonic clock.
        let deadline: UInt64

        /// The exchange's block, if the exchange is still the one that waits.
        var block: UnsafeMutablePointer<ExchangeBlock>? {
            guard connection.pointee.generation == generation, connection.pointee.requests == request,
                connection.pointee.state == .exchanging, let block = connection.pointee.block, !block.pointee.transfer.isHeadSent
            else { return nil }
            return block
        }
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
