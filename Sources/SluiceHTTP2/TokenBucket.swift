/// A bucket of tokens that is full at first and fills up again as time goes by. One that is all zeros is full.
struct TokenBucket: BitwiseCopyable {
    /// Thousandths of tokens that are missing.
    private var missing = 0
    /// When that was so, in milliseconds.
    private var moment: UInt64 = 0

    /// Takes a token. False if there is none.
    ///
    /// - Parameters:
    ///   - burst: tokens of a full bucket.
    ///   - perSecond: tokens that come back.
    ///   - now: milliseconds of a clock that never goes back.
    mutating func take(burst: Int, perSecond: Int, now: UInt64) -> Bool {
        if now > moment {
            // An hour fills every bucket.
            let elapsed = Int(min(now - moment, 3_600_000))
            missing = max(0, missing - elapsed * perSecond)
            moment = now
        }
        guard missing + 1000 <= burst * 1000 else { return false }
        missing += 1000
        return true
    }
}
