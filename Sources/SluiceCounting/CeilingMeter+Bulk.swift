extension CeilingMeter {
    /// Admits up to `count` requests of the same moment, as many calls of `admit` would, at the price of one for each lease. For simulations.
    /// - Returns: how many were admitted; the rest count as refused.
    package static func admit(
        _ words: Words, _ lease: UnsafeMutablePointer<Lease>, count: UInt64, now: UInt64, workers: UInt64
    ) -> UInt64 {
        var left = count
        while left > 0 {
            guard admit(words, lease, now: now, workers: workers) else {
                // That refusal is counted already.
                lease.pointee.refused &+= UInt32(clamping: left - 1)
                break
            }
            left -= 1
            let more = min(left, UInt64(lease.pointee.remaining))
            lease.pointee.remaining -= UInt32(more)
            left -= more
        }
        return count - left
    }
}

extension CeilingMeter {
    /// Spends up to `count` of what the worker may admit without charging it. For simulations.
    package static func takeFromPocket(_ lease: UnsafeMutablePointer<Lease>, upTo count: UInt64, now: UInt64, pocket: UInt32) -> UInt64 {
        var taken: UInt64 = 0
        while taken < count, takeFromPocket(lease, now: now, pocket: pocket) { taken += 1 }
        return taken
    }
}

extension CeilingMeter.Lease {
    /// What is left of it, and the slot that this was charged to.
    package var unspent: UInt64 { UInt64(remaining) }
    package var slotNumber: UInt64 { slot }
}
