public import Synchronization

/// Counts one project's admitted requests over all workers, so that no interval of one second holds more than the limit.
///
/// The picture: time is cut into slots of 4 ms. A ring remembers how many admissions each slot was charged with, and
/// `used` is their sum over the window: the slots that can lie in one second together with the present moment. A worker
/// charges a small lease to the present slot, spends it request by request from memory of its own, and gives back
/// what is left when the slot is over.
///
/// Why it holds: what counts is when a request leaves, towards the service or to whoever is asked about it first. It leaves in the slot s that
/// it is charged to or in the one after it: the clock is read again before each send (`isLate`), and who is late moves the charge to the
/// present slot or, if the old one has left the window, is charged anew or refused (`move`). A charge leaves `used` only when some
/// clock has come `windowSlots` further. So of two requests that are not in `used` together the later is charged 252 slots or more after
/// the earlier, which left before slot s + 2 began: 250 slots lie between them, a second. And no grant takes `used` over the limit.
/// The window is two slots longer than a second: one because a second can begin inside a slot, one for the time from the charge to
/// the send. That is the price, 250/252 of the limit can be used; idle leases may cost another thousandth.
///
/// What is assumed: from the last reading of the clock to the moment at which the kernel takes the bytes no more passes than
/// `sendingNanoseconds`. A thread that is held up exactly there (a stopped process, a paused machine, a processor that others have) sends one
/// request late, by as long as it was held up. Whatever else is gathered in that turn is found late, whether milliseconds or hours
/// have passed, as far as the monotonic clock knows of them.
/// Time that others take counts like the gateway's own: who waits for a pre-call API, by its own question or by another's, for a key set or
/// for a connection, leaves when it is sent on. It counts from its admission on, because whoever is asked about it sees it then. What is
/// sent once more counts once more (`Charge.spend`).
///
/// Races go to the safe side, at any interleaving of the steps below and whatever the length of a stall between two of them:
/// - A lease is added to `used` first, then to the ring: in between less is admitted, never more.
/// - A worker that was stalled before it added to `used` may find that others, whose clocks are ahead, have let slots go that lie
///   within a second of its own. It looks at the horizon afterwards and, if that is more than a slot ahead, begins again in the
///   horizon's slot: by then, that is what time it is.
/// - Every word of the ring bears its slot's number, and every step compares and swaps the whole word. What a slot was
///   charged with is therefore taken out of `used` exactly once: by the worker that moves the horizon past it, by the one
///   that reuses its place 256 slots later, or piece by piece by those that give back.
/// - A worker that finds its place in the ring taken by a later slot was stalled for longer than a second: it takes its
///   charge back and refuses.
/// - `charged` has a bit for every place that is not zero, so that an idle project's first request does not have to
///   look at all 256. A bit is cleared before its word is looked at and set again if the word stays.
///
/// A worker has a pocket besides: a few requests in each second of the clock that cost nothing but a look at its own memory, so that a
/// hundred thousand projects of little traffic each do not fetch a hundred thousand rings. What pockets may admit in the seconds
/// that can meet one interval (two, and a third for the time until the send) is taken off the limit: a five-hundredth
/// of the ceiling (`pocket(ceiling:workers:)`), and nothing where that would be less than one request.
///
/// The limit stands in the same word as `used`, so that after it was lowered no worker can still grant by the old one.
///
/// Nothing here takes a lock; lost races repeat one compare-and-swap. In a fleet the limit is this node's share of the
/// ceiling, good until `validUntil` (`CeilingLedger`); the sum of the shares never exceeds the ceiling, so that the
/// same argument holds for the sum of the nodes.
public enum CeilingMeter {
    /// The words of one project, shared by all workers and outliving every reload.
    public typealias Words = UnsafeMutablePointer<Atomic<UInt64>>

    /// Length of a slot in nanoseconds.
    public static let slotNanoseconds: UInt64 = 4_000_000
    /// Slots whose admissions count together: those of one second and two more.
    package static let windowSlots: UInt64 = 252
    /// Slots in the ring; a power of two.
    static let ringSlots: UInt64 = 256
    /// A word of the ring: number of the slot, then the count, for which 10,000,000 is the most.
    static let countBits: UInt64 = 24
    static let countMask: UInt64 = (1 << countBits) - 1

    // Places of the words. The first line has what a renewal reads and writes, the second what others do.
    /// The limit in the upper half, `used` in the lower.
    static let state = 0
    static let horizon = 1
    static let validUntil = 2
    static let awayLimit = 3
    static let charged = 4
    static let ceiling = 8
    static let refused = 9
    static let attention = 10
    static let settledUntil = 11
    /// Where the memory begins that the words stand in.
    static let origin = 15
    static let ring = 16

    static let usedMask: UInt64 = 0xFFFF_FFFF
    static let limitShift: UInt64 = 32

    /// One worker's share of one project. Only that worker touches it.
    public struct Lease: BitwiseCopyable {
        /// The slot that the remainder was charged to.
        @usableFromInline var slot: UInt64 = 0
        @usableFromInline var remaining: UInt32 = 0
        /// Refusals that the shared words do not know of yet.
        @usableFromInline var refused: UInt32 = 0
        /// The second of the clock that the pocket was last opened in, and what was taken from it since.
        @usableFromInline var pocketSecond: UInt32 = 0
        @usableFromInline var pocketSpent: UInt32 = 0

        public init() {}
    }

    /// What an admission was charged to, and until when it may leave: see `isLate` and `move`.
    public struct Charge: BitwiseCopyable, Sendable {
        /// The slot; `pocketSlot` if it came from a pocket.
        @usableFromInline var slot: UInt64
        /// The last slot in which what was admitted may leave.
        @usableFromInline var lastSlot: UInt64

        @inlinable
        @inline(__always)
        init(slot: UInt64, lastSlot: UInt64) {
            self.slot = slot
            self.lastSlot = lastSlot
        }

        /// Of what was never charged: it is never late.
        @inlinable
        @inline(__always)
        public static var none: Charge { Charge(slot: pocketSlot, lastSlot: .max) }

        /// What was admitted has left: to leave again it must be charged anew. What was charged for it stays in its slot.
        @inlinable
        public mutating func spend() { self = Charge(slot: pocketSlot, lastSlot: 0) }
    }

    @usableFromInline static var pocketSlot: UInt64 { .max }

    /// Time for the system call that sends what was found not to be late, in nanoseconds.
    public static let sendingNanoseconds: UInt64 = 1_000_000

    /// Whether what was charged leaves, at `now` (nanoseconds, monotonic), later than its charge stands for: it must be moved before.
    @inlinable
    @inline(__always)
    public static func isLate(_ charge: Charge, now: UInt64) -> Bool { (now &+ sendingNanoseconds) / slotNanoseconds > charge.lastSlot }

    /// Admits one request at `now` (nanoseconds, monotonic, not before an earlier call of this worker) or refuses it.
    ///
    /// - Parameters:
    ///   - charge: what it was charged to.
    ///   - workers: how many there are.
    ///   - pocket: what a worker may admit in a second without charging it. The limit must leave room: `pocketsOfAll`.
    @inlinable
    @inline(__always)
    public static func admit(
        _ words: Words, _ lease: UnsafeMutablePointer<Lease>, charge: inout Charge, now: UInt64, workers: UInt64, pocket: UInt32 = 0
    ) -> Bool {
        let slot = now / slotNanoseconds
        charge = Charge(slot: slot, lastSlot: slot &+ 1)
        if lease.pointee.slot == slot, lease.pointee.remaining > 0 {
            lease.pointee.remaining &-= 1
            return true
        }
        if pocket > 0, takeFromPocket(lease, now: now, pocket: pocket) {
            charge.slot = pocketSlot
            return true
        }
        guard renew(words, lease, slot: slot, workers: workers) else { return false }
        // Another worker's clock may be ahead: the charge then stands a little later than this worker's clock.
        charge = Charge(slot: lease.pointee.slot, lastSlot: lease.pointee.slot &+ 1)
        return true
    }

    /// The same for one that leaves at once.
    package static func admit(
        _ words: Words, _ lease: UnsafeMutablePointer<Lease>, now: UInt64, workers: UInt64, pocket: UInt32 = 0
    ) -> Bool {
        var charge = Charge.none
        return admit(words, lease, charge: &charge, now: now, workers: workers, pocket: pocket)
    }

    /// Spends one of what the worker may admit without charging it.
    @inlinable
    @inline(__always)
    public static func takeFromPocket(_ lease: UnsafeMutablePointer<Lease>, now: UInt64, pocket: UInt32) -> Bool {
        let second = UInt32(truncatingIfNeeded: now / 1_000_000_000)
        if lease.pointee.pocketSecond != second {
            lease.pointee.pocketSecond = second
            lease.pointee.pocketSpent = 0
        }
        guard lease.pointee.pocketSpent < pocket else { return false }
        lease.pointee.pocketSpent &+= 1
        return true
    }

    /// What each worker may admit in a second of the clock without charging it; 0 for a ceiling too small to spare any.
    package static func pocket(ceiling: UInt64, workers: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: min(ceiling / (500 * secondsOfPocket * max(1, workers)), 1 << 20))
    }

    /// What the pockets of all workers may admit in any interval of one second.
    package static func pocketsOfAll(ceiling: UInt64, workers: UInt64) -> UInt64 {
        UInt64(pocket(ceiling: ceiling, workers: workers)) * secondsOfPocket * workers
    }

    /// Seconds of the clock that an interval of one second can meet, with the time until the send.
    private static let secondsOfPocket: UInt64 = 3

    /// Charges a new lease and spends one of it.
    @usableFromInline
    @inline(never)
    static func renew(_ words: Words, _ lease: UnsafeMutablePointer<Lease>, slot: UInt64, workers: UInt64) -> Bool {
        renew(words, lease, slot: slot, workers: workers, interruption: Uninterrupted())
    }
}

/// Where a simulation lets other workers run: between any two steps that touch shared words.
package protocol Interruption {
    func point()
}

/// What runs in production: nothing.
package struct Uninterrupted: Interruption {
    package init() {}

    @inline(__always)
    package func point() {}
}
