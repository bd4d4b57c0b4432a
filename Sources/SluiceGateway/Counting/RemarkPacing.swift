/// Has the same thing told at most once in a while, however often it happens: what is told by what a peer does must not fill the log.
struct RemarkPacing {
    /// Nanoseconds between two remarks.
    let interval: UInt64
    private var toldAt: UInt64?
    private var untold: UInt64 = 0

    init(interval: UInt64) { self.interval = interval }

    /// It has happened, at `now` in nanoseconds of the monotonic clock.
    /// - Returns: how often it happened since the last remark without being told; nil if it is not to be told now either.
    mutating func happened(at now: UInt64) -> UInt64? {
        if let toldAt, now < toldAt + interval {
            untold += 1
            return nil
        }
        defer { untold = 0 }
        toldAt = now
        return untold
    }
}
