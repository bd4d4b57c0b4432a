/// The clock that windows of quotas are numbered by: the wall clock, made monotonic.
///
/// A step forwards is followed at once, which can only skip what is left of a window. A step backwards would open
/// windows again that were used up; so this clock goes on at half speed until the wall clock has caught up, and windows last twice as
/// long for that time. A step back of more than a day means that the clock had been wrong before: it is followed.
package struct CountingClock: Sendable {
    /// Furthest set-back that is evened out, in nanoseconds.
    package static let setBackMax: Int64 = 86_400 * 1_000_000_000

    /// What makes the monotonic clock this one, in nanoseconds.
    package private(set) var offset: Int64
    private var seenAt: UInt64

    /// - Parameters:
    ///   - wall, monotonic: both clocks at this moment, in nanoseconds.
    ///   - highestSeconds: what this clock had reached when it was last stored; 0 if it never was.
    package init(wall: UInt64, monotonic: UInt64, highestSeconds: UInt64 = 0) {
        let stored = Int64(clamping: highestSeconds.multipliedReportingOverflow(by: 1_000_000_000).partialValue)
        let (wall, start) = (Int64(clamping: wall), Int64(clamping: monotonic))
        let isPlausible = stored > wall && stored - wall <= Self.setBackMax
        offset = (isPlausible ? stored : wall) - start
        seenAt = monotonic
    }

    /// Follows the wall clock. True if that was set back further than can be evened out.
    @discardableResult
    package mutating func follow(wall: UInt64, monotonic: UInt64) -> Bool {
        let target = Int64(clamping: wall) - Int64(clamping: monotonic)
        let elapsed = Int64(clamping: monotonic - min(monotonic, seenAt))
        seenAt = max(seenAt, monotonic)
        guard target < offset else {
            offset = target
            return false
        }
        guard offset - target <= Self.setBackMax else {
            offset = target
            return true
        }
        offset -= min(offset - target, elapsed / 2)
        return false
    }

    /// Seconds since the Unix epoch at `monotonic`.
    package func seconds(at monotonic: UInt64) -> UInt64 { nanoseconds(at: monotonic) / 1_000_000_000 }

    /// Nanoseconds since the Unix epoch at `monotonic`.
    package func nanoseconds(at monotonic: UInt64) -> UInt64 { UInt64(max(0, Int64(clamping: monotonic) + offset)) }
}
