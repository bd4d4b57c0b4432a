/// How many requests have come to one project on this node within the meter's window, refused ones included.
///
/// What was admitted is in the meter's `used`. Refusals are counted up by the workers; of those, quarters of a window are kept. The demand is the
/// largest that was seen in the last one to two seconds, so that one that comes in bursts keeps its share between them.
struct CeilingDemand {
    private var refusals: UInt64 = 0
    /// Refusals of the present quarter and of four before it.
    private var quarters: (UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0)
    private var quarter: UInt64 = 0
    private var peak: UInt64 = 0
    private var earlierPeak: UInt64 = 0
    private var window: UInt64 = 0

    private static let quarterTime = CeilingMeter.windowSlots * CeilingMeter.slotNanoseconds / 4

    mutating func begin(refusals: UInt64) { self.refusals = refusals }

    /// Takes in what the meter says now.
    /// - Returns: whether there were refusals since the last call.
    mutating func measure(used: UInt64, refusals total: UInt64, now: UInt64) -> Bool {
        turn(to: now / Self.quarterTime)
        let fresh = total &- refusals
        refusals = total
        quarters.0 &+= UInt32(clamping: fresh)
        let part = now % Self.quarterTime
        let oldest = UInt64(quarters.4) * (Self.quarterTime - part) / Self.quarterTime
        let refused = UInt64(quarters.0) + UInt64(quarters.1) + UInt64(quarters.2) + UInt64(quarters.3) + oldest
        let number = now / (4 * Self.quarterTime)
        if number != window {
            earlierPeak = number == window + 1 ? peak : 0
            peak = 0
            window = number
        }
        peak = max(peak, used + refused)
        return fresh > 0
    }

    private mutating func turn(to number: UInt64) {
        if number > quarter + 4 {
            quarters = (0, 0, 0, 0, 0)
            quarter = number
        }
        while quarter < number {
            quarters = (0, quarters.0, quarters.1, quarters.2, quarters.3)
            quarter += 1
        }
    }

    /// Requests in a window.
    var value: UInt64 { max(peak, earlierPeak) }
}
