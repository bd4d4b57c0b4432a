import SluiceHTTP

/// How long an address keeps a connection that nobody uses, as far as one worker knows.
///
/// A service closes its idle connections at a time of its own, and a request that is sent while the end is under way is lost. One that
/// may be repeated is sent again (RFC 9112, 9.3.1); any other must not meet that, so it goes only to a connection that was idle for less
/// than half of the shortest time that may be the service's. Until anything is known that is `shortestAssumed`.
struct IdleLifetime: BitwiseCopyable {
    /// Milliseconds below which no idle time is taken for the service's own timeout: what ends earlier ends for another reason, a restart
    /// for one. Also what is assumed of an address that is not known, and so the bound on the new connections that this can cost: one
    /// for each half of it, per worker and address.
    static let shortestAssumed: UInt64 = 100
    /// Milliseconds for which an observation holds. A service that still closes earlier is observed again, because connections that are
    /// not used for requests age until it does.
    static let memoryMilliseconds: UInt64 = 600_000

    /// Shortest idle time after which it was seen to close one, in milliseconds.
    private var shortestClosed = UInt64.max
    private var closedAt: UInt64 = 0
    /// What it has said last, in milliseconds.
    private var announced = UInt64.max
    /// Longest idle time after which a connection was still open, in milliseconds.
    private var longestOpen: UInt64 = 0

    /// Whether a connection that was idle for so long may bear a request that must not be sent twice.
    func isYoung(_ idle: UInt64, at now: UInt64) -> Bool {
        var lifetime = announced
        if now &- closedAt < Self.memoryMilliseconds { lifetime = min(lifetime, shortestClosed) }
        if lifetime == .max { lifetime = max(longestOpen, Self.shortestAssumed) }
        return idle <= lifetime / 2
    }

    /// It has closed a connection that was idle for so long, or was found to have closed it.
    mutating func noteClosed(after idle: UInt64, at now: UInt64) {
        let isOld = now &- closedAt >= Self.memoryMilliseconds
        let time = max(idle, Self.shortestAssumed)
        guard isOld || time <= shortestClosed else { return }
        shortestClosed = time
        closedAt = now
    }

    /// A connection that was idle for so long is still open.
    mutating func noteOpen(after idle: UInt64) { longestOpen = max(longestOpen, idle) }

    /// Takes over the `timeout` of a Keep-Alive field (RFC 2068, 19.7.1.1), which is in seconds; other parameters say nothing of it.
    mutating func noteAnnounced(_ keepAlive: ByteView) {
        let name: StaticString = "timeout="
        var parameters = ListElements(keepAlive)
        while let parameter = parameters.next() {
            let count = name.utf8CodeUnitCount
            guard parameter.count > count, parameter[..<count].equalsIgnoringCase(name) else { continue }
            guard let seconds = parameter[count...].decimal(atMost: 1_000_000) else { return }
            announced = seconds * 1000
        }
    }
}
