/// How much of a window's limit is reserved at once. A store chooses it: what a crash may waste against how often it is asked.
///
/// A block is what the condition will use in a quarter of a second at its present rate, but at least 1 and at most
/// `blockMax`. A purse is filled up to one block. When a process is killed, what lies unspent is wasted: at most a block of
/// the present window, and of the next one at most a block if it has been reserved ahead. A store that did what it was asked
/// but could not say so may cost another block each time.
package struct BlockSizing: Sendable {
    /// At most this part of the limit is one block. 1 reserves the whole limit at once.
    let parts: UInt64
    /// And this part of what the limit allows in a second on average, if that is more: one second's worth has as many
    /// parts. Only windows shorter than `parts / partsOfSecond` seconds notice.
    let partsOfSecond: UInt64

    /// For a store that writes to a disk or a network: at most 1 % of the limit, or what the limit allows in 100 ms on
    /// average. For windows of 10 seconds and longer that is 1 %; for one second 10 %, because it is over before a killed process is back,
    /// and smaller blocks would let a burst at its beginning wait. Never less than 1.
    package static let blocks = BlockSizing(parts: 100, partsOfSecond: 10)

    /// For a store in memory, which is lost together with the purses: the whole limit at once.
    package static let whole = BlockSizing(parts: 1, partsOfSecond: 1)

    /// The largest block of a condition. At least 1, also for a limit of 0.
    package func blockMax(limit: UInt64, perSeconds: UInt64) -> UInt64 {
        max(1, limit / parts, limit / max(1, perSeconds.multipliedReportingOverflow(by: partsOfSecond).partialValue))
    }

    /// The block of a condition that spends `rate` a second.
    func block(rate: Double, limit: UInt64, perSeconds: UInt64) -> UInt64 {
        let most = blockMax(limit: limit, perSeconds: perSeconds)
        if parts == 1 { return most }
        return UInt64(min(max(rate * Self.seconds, 1), Double(most)))
    }

    /// A block lasts this long at the present rate.
    private static let seconds = 0.25
}
