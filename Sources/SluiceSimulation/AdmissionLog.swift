/// When one project's requests were admitted, on all nodes.
package struct AdmissionLog {
    private(set) var times: [UInt64] = []
    private var counts: [UInt64] = []
    private var isSorted = true

    package init() {}

    package mutating func append(_ count: UInt64, at time: UInt64) {
        guard count > 0 else { return }
        if let last = times.last {
            if last == time {
                counts[counts.count - 1] += count
                return
            }
            if time < last { isSorted = false }
        }
        times.append(time)
        counts.append(count)
    }

    /// Calls `check` with the end and the sum of every interval of one second that ends with an admission; stops at the first that it
    /// refuses. Whatever second holds more than some limit, one of these does.
    /// - Returns: the end and sum of the one refused.
    package mutating func firstSecond(refusedBy check: (_ end: UInt64, _ sum: UInt64) -> Bool) -> (end: UInt64, sum: UInt64)? {
        firstInterval(of: 1_000_000_000, refusedBy: check)
    }

    /// The same for intervals of any length, in nanoseconds.
    package mutating func firstInterval(
        of length: UInt64, refusedBy check: (_ end: UInt64, _ sum: UInt64) -> Bool
    ) -> (end: UInt64, sum: UInt64)? {
        sort()
        var first = 0
        var sum: UInt64 = 0
        for last in times.indices {
            sum += counts[last]
            while times[last] - times[first] >= length {
                sum -= counts[first]
                first += 1
            }
            if !check(times[last], sum) { return (times[last], sum) }
        }
        return nil
    }

    /// Admissions from `start` up to, but not including, `end`.
    package func sum(from start: UInt64, to end: UInt64) -> UInt64 {
        var sum: UInt64 = 0
        for (time, count) in zip(times, counts) where time >= start && time < end { sum += count }
        return sum
    }

    private mutating func sort() {
        guard !isSorted else { return }
        let order = times.indices.sorted { times[$0] < times[$1] }
        (times, counts) = (order.map { times[$0] }, order.map { counts[$0] })
        isSorted = true
    }
}
