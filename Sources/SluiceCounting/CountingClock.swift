/// The clock that windows of quotas are numbered by: the wall clock of this node or, in a fleet, of its store.
///
/// It follows a step at once, in either direction: what that costs is bounded by the rule of windows (`StoreClock`), and a clock that
/// would not go back has the store refuse what it asks for. Only what is less than a step, since a fleet's clock is known no
/// better than messages take, is evened out: it then goes on at half speed until the other has caught up.
package struct CountingClock: Sendable {
    /// Furthest set-back that is evened out, in nanoseconds. Twice as long it takes, less than a second.
    package static let evenedOut: Int64 = 500_000_000

    /// What makes the monotonic clock this one, in nanoseconds.
    package private(set) var offset: Int64
    private var seenAt: UInt64

    /// - Parameters:
    ///   - wall, monotonic: both clocks at this moment, in nanoseconds.
    package init(wall: UInt64, monotonic: UInt64) {
        offset = Int64(clamping: wall) - Int64(clamping: monotonic)
        seenAt = monotonic
    }

    /// Follows the wall clock.
    /// - Returns: by how many nanoseconds that was set, back if less than 0; 0 if it was not.
    @discardableResult
    package mutating func follow(wall: UInt64, monotonic: UInt64) -> Int64 {
        let target = Int64(clamping: wall) - Int64(clamping: monotonic)
        let elapsed = Int64(clamping: monotonic - min(monotonic, seenAt))
        seenAt = max(seenAt, monotonic)
        let step = target - offset
        if step < 0, step >= -Self.evenedOut {
            offset -= min(-step, elapsed / 2)
            return 0
        }
        offset = target
        return step > Self.evenedOut || step < 0 ? step : 0
    }

    /// Seconds since the Unix epoch at `monotonic`.
    package func seconds(at monotonic: UInt64) -> UInt64 { nanoseconds(at: monotonic) / 1_000_000_000 }

    /// Nanoseconds since the Unix epoch at `monotonic`.
    package func nanoseconds(at monotonic: UInt64) -> UInt64 { UInt64(max(0, Int64(clamping: monotonic) + offset)) }
}
