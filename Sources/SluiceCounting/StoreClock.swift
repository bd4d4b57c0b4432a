/// The time of a store of counts: its wall clock, which may be set, beside a logical one, which goes on with it and is moved by no step.
///
/// What stands in the books of a window tells how far the wall clock was ahead when the window was begun (`lead`). As long as nobody sets the
/// clock, that does not change; set back, it falls, and by as much as the clock was set back the same windows come again. Then the rule is the
/// same for a node, its file and Redis:
/// - A window that is longer than the set-back goes on. It lasts longer by that, which is less than its length.
/// - One that is not is over: what was used of it counts no more, and the window begins anew. Else it would refuse until the clock is
///   where it was.
/// A step forwards begins other windows. So a step of any clock costs at most one window of what it touches, and nothing has to be done about it.
///
/// Microseconds. The same arithmetic as in `SyncScript`.
package struct StoreClock: Sendable, Equatable {
    /// The wall clock when it was last read, since the Unix epoch; nil before that.
    package var last: Int?
    package var logical: Int

    /// Most that one reading moves the logical clock, where nothing else says how much time has passed.
    package static let jump = 500_000

    package init(last: Int? = nil, logical: Int = 0) {
        self.last = last
        self.logical = logical
    }

    /// The wall clock shows `now`.
    package mutating func advance(to now: Int, atMost most: Int = jump) {
        logical &+= max(0, min(most, now &- (last ?? now)))
        last = now
    }

    /// How far the wall clock is ahead of the logical one.
    package var lead: Int { (last ?? 0) &- logical }

    /// Whether a window of so many seconds that was begun with this lead is over, whatever the wall clock shows.
    package func isOver(begunAt lead: Int, perSeconds: UInt64) -> Bool { Self.isOver(begunAt: lead, now: self.lead, perSeconds: perSeconds) }

    /// The same for another lead than the clock's.
    package static func isOver(begunAt lead: Int, now: Int, perSeconds: UInt64) -> Bool {
        lead &- now >= Int(clamping: min(perSeconds, 1 << 40)) * 1_000_000
    }
}
