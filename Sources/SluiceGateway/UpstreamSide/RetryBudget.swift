/// How often one worker may repeat attempts at one origin: at most a share of the requests of the last ten seconds, so that a
/// service that fails gets little more load for it, and a few each second, so that a service with little traffic is not left
/// without any.
///
/// A ring of one-second slots; no allocation, and nothing to do for a second in which nothing comes.
struct RetryBudget: BitwiseCopyable {
    /// Seconds that "recent" means.
    static let seconds = 10

    private var requests = InlineArray<10, UInt32>(repeating: 0)
    private var retries = InlineArray<10, UInt32>(repeating: 0)
    private var requestsInWindow: UInt64 = 0
    private var retriesInWindow: UInt64 = 0
    /// The second whose slot is written.
    private var current: UInt64 = 0

    init() {}

    /// A request was attempted for the first time, in this second of the monotonic clock.
    @inline(__always)
    mutating func noteRequest(at second: UInt64) {
        if second != current { advance(to: second) }
        requests[Int(second % 10)] &+= 1
        requestsInWindow &+= 1
    }

    /// Whether an attempt may be repeated in this second; if so, it is counted.
    ///
    /// - Parameters:
    ///   - percent: retries for each hundred requests.
    ///   - minimum: retries of each second that are allowed whatever the share; with both 0 none is.
    mutating func takeRetry(at second: UInt64, percent: UInt64, minimum: UInt64) -> Bool {
        if second != current { advance(to: second) }
        let slot = Int(second % 10)
        guard UInt64(retries[slot]) < minimum || (retriesInWindow + 1) * 100 <= requestsInWindow &* percent else { return false }
        retries[slot] &+= 1
        retriesInWindow &+= 1
        return true
    }

    /// Empties the slots of the seconds that have passed.
    private mutating func advance(to second: UInt64) {
        // The clock is monotonic; an earlier second would be our own mistake and changes nothing.
        guard second > current else { return }
        for step in 1...min(second - current, UInt64(Self.seconds)) {
            let slot = Int((current &+ step) % 10)
            requestsInWindow &-= UInt64(requests[slot])
            retriesInWindow &-= UInt64(retries[slot])
            requests[slot] = 0
            retries[slot] = 0
        }
        current = second
    }
}
