/// What a caller is held to: at most `limit` admissions in any interval of a length. How `LimitTable` divides it among the slots of an entry.
package struct LimitRule: BitwiseCopyable, Sendable, Equatable {
    /// Length of a tick in nanoseconds is two to the power of this: 65,536.
    static let tickShift: UInt64 = 16
    /// How long after its charge a request may leave, in nanoseconds.
    package static let graceNanoseconds: UInt64 = 1_000_000
    /// Largest limit: slots count to a million.
    package static let limitMax: UInt64 = 10_000_000

    /// Admissions in any interval. At least 1.
    package let limit: UInt64
    /// After this many ticks a slot may be used anew: the interval, the grace, and the time that a send may take.
    let span: UInt64
    /// Slots that are used: all of them, or as many as the limit is where that is less.
    let slots: UInt64
    /// What each slot admits, and how many of the first admit one more.
    private let share: UInt64
    private let rest: UInt64

    /// - Parameters:
    ///   - limit: 1 to `limitMax`.
    ///   - seconds: length of the interval, 1 to 86,400.
    package init(limit: UInt64, perSeconds seconds: UInt64) {
        self.init(limit: min(limit, Self.limitMax), span: Self.span(seconds))
    }

    /// This node's part of it at `now`, where nodes share a limit and each counts for itself. At least 1.
    @inline(__always)
    package func part(_ keeper: KeeperState.Words, now: UInt64) -> LimitRule { part(of: KeeperState.parts(keeper, over: span, now: now)) }

    /// One of so many parts of it. At least 1.
    @inline(__always)
    package func part(of parts: UInt64) -> LimitRule { parts > 1 ? LimitRule(limit: limit / parts, span: span) : self }

    @inline(never)
    private init(limit: UInt64, span: UInt64) {
        self.limit = max(1, limit)
        slots = min(self.limit, LimitTable.slotsOfEntry)
        share = self.limit / slots
        rest = self.limit % slots
        self.span = span
    }

    private static func span(_ seconds: UInt64) -> UInt64 {
        let nanoseconds = seconds * 1_000_000_000 + graceNanoseconds + CeilingMeter.sendingNanoseconds
        return (nanoseconds + (1 << tickShift) - 1) >> tickShift
    }

    /// What this slot admits before it must rest.
    @inline(__always)
    func capacity(_ slot: UInt64) -> UInt64 { share &+ (slot < rest ? 1 : 0) }

    /// Admissions of which a caller is refused the next one although it had no more than so many of them in the interval: none for a limit up to
    /// the slots of an entry, else less than a fourteenth of the limit.
    package var slack: UInt64 { capacity(0) - 1 }

    /// The tick that contains `now`, and the first that does not begin before it.
    @inline(__always)
    static func tick(containing now: UInt64) -> UInt64 { now &>> tickShift }

    @inline(__always)
    static func tick(from now: UInt64) -> UInt64 { (now &+ ((1 &<< tickShift) &- 1)) &>> tickShift }
}

/// Who is counted: 128 bits of a hash with a secret key, over everything that tells one count from another (the limit's owner, what it counts
/// by, its interval and the caller). Not over the limit itself: another limit goes on with what was counted under the one before.
///
/// The secret keeps callers from choosing their places, and from sharing one with somebody else.
package struct LimitKey: BitwiseCopyable, Sendable, Equatable {
    /// Told apart from a place that nobody has, and from one that is being given to another.
    let low: UInt64
    let high: UInt64

    package init(low: UInt64, high: UInt64) {
        self.low = low & ~1 == 0 ? 2 : low & ~1
        self.high = high
    }
}

/// What an admission was charged to. Good until the request has left: `LimitTable.isLate`, `move`, `undo`.
package struct LimitCharge: BitwiseCopyable {
    /// The word of the slot; nil for what was not charged.
    var slot: LimitTable.Words?
    /// The tick that it was charged at, and what the word was before and after it.
    var tick: UInt64 = 0
    var before: UInt64 = 0
    var after: UInt64 = 0

    /// What was never charged, or has left: to leave, it must be charged anew.
    package static var none: LimitCharge { LimitCharge() }

    package var isCharged: Bool { slot != nil }
}
