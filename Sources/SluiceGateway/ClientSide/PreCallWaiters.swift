/// Exchanges of one worker that wait for the answer to a question that another exchange has asked.
struct PreCallWaiters {
    /// One exchange.
    struct Waiter {
        let suspension: Suspension
        /// When it asks for itself, in milliseconds of the monotonic clock.
        let deadline: UInt64
    }

    /// By the flight that they wait for.
    private var waiters: [PreCallFlights.Number: [Waiter]] = [:]
    private(set) var count = 0
    /// No deadline is earlier.
    private var earliest = UInt64.max

    var isEmpty: Bool { count == 0 }

    /// Adds waiters; those that waited for another flight before are known already by their deadlines.
    mutating func append(_ added: ArraySlice<Waiter>, to flight: PreCallFlights.Number) {
        guard let first = added.first else { return }
        waiters[flight, default: []] += added
        count += added.count
        earliest = min(earliest, first.deadline)
    }

    /// Those who wait for this flight; none is left.
    mutating func take(_ flight: PreCallFlights.Number) -> [Waiter] {
        let taken = waiters.removeValue(forKey: flight) ?? []
        count -= taken.count
        return taken
    }

    /// Those who have waited long enough.
    mutating func takeExpired(at now: UInt64) -> [Waiter] {
        guard earliest <= now, !isEmpty else { return [] }
        var expired: [Waiter] = []
        earliest = .max
        for (flight, waiting) in waiters {
            expired += waiting.filter { $0.deadline <= now }
            let left = waiting.filter { $0.deadline > now }
            waiters[flight] = left.isEmpty ? nil : left
            for waiter in left { earliest = min(earliest, waiter.deadline) }
        }
        count -= expired.count
        return expired
    }
}
