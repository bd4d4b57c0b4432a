/// One activity's deadline, embedded in the connection that it limits.
struct Deadline {
    /// Milliseconds of the monotonic clock; `never` if nothing is limited.
    fileprivate(set) var at: UInt64 = Deadline.never
    /// The moment at which the wheel looks at this entry; `unfiled` while it stands in no slot.
    fileprivate var filed: UInt64 = Deadline.unfiled
    fileprivate var next: UnsafeMutablePointer<Deadline>?
    fileprivate var previous: UnsafeMutablePointer<Deadline>?
    /// The connection; nil while its place is not in use.
    let owner: UnsafeMutableRawPointer?
    let kind: Kind

    /// Whose it is. A stream's exchange over HTTP/2 has its own; others have their connections'.
    enum Kind: UInt8 {
        case client, upstream, stream
        /// Of one exchange of several on a connection to a service: the owner is its block.
        case serviceStream
    }

    static let never = UInt64.max
    fileprivate static let unfiled = UInt64.max

    init(owner: UnsafeMutableRawPointer? = nil, kind: Kind) {
        self.owner = owner
        self.kind = kind
    }
}

/// The deadlines of one worker's connections: a hashed wheel that is corrected lazily.
///
/// Setting a later deadline is one store: the entry stays in its slot, and when the wheel comes by it is filed anew.
/// Only an earlier deadline moves the entry. So a request that pushes its connection's deadline along costs nothing,
/// however many connections there are, where a sorted structure would be changed for every request.
struct DeadlineWheel {
    private static let slotCount: UInt64 = 1024
    private let slots: UnsafeMutablePointer<UnsafeMutablePointer<Deadline>?>
    private let tick: UInt64
    /// The slots before this moment have been looked at. Always a multiple of `tick`.
    private var swept: UInt64
    /// No entry stands in a slot before this moment. Entries that are filed bring it forward; `plan` puts it off.
    private(set) var earliest = Deadline.never

    init(now: UInt64, tick: UInt64 = Limits.tickMilliseconds) {
        slots = .allocate(capacity: Int(Self.slotCount))
        slots.initialize(repeating: nil, count: Int(Self.slotCount))
        self.tick = tick
        swept = now / tick * tick
    }

    func deallocate() { slots.deallocate() }

    /// Sets when `entry` expires; `Deadline.never` for no limit.
    mutating func set(_ entry: UnsafeMutablePointer<Deadline>, at deadline: UInt64) {
        entry.pointee.at = deadline
        if deadline < entry.pointee.filed { file(entry) }
    }

    /// Forgets the entry, whose connection is about to go.
    mutating func remove(_ entry: UnsafeMutablePointer<Deadline>) {
        if entry.pointee.filed != Deadline.unfiled { unlink(entry) }
        entry.pointee.at = Deadline.never
    }

    /// The next entry whose deadline has come, unfiled; nil when all slots up to `now` have been looked at. Between two
    /// calls any entry may be set or removed.
    mutating func nextExpired(at now: UInt64) -> UnsafeMutablePointer<Deadline>? {
        // After a long stop of the process one round of the wheel sees every slot.
        if now > swept + tick * Self.slotCount { swept = now / tick * tick - tick * Self.slotCount }
        while swept + tick <= now {
            let slot = slots + Int(swept / tick % Self.slotCount)
            while let entry = slot.pointee {
                unlink(entry)
                if entry.pointee.at <= now { return entry }
                // Filing again never comes back to this slot: the horizon ends before a full round.
                if entry.pointee.at != Deadline.never { file(entry) }
            }
            swept += tick
        }
        return nil
    }

    /// Looks for the first slot with an entry.
    ///
    /// - Parameter limit: where the search ends, in milliseconds; at most one round of the wheel away.
    /// - Returns: when the wheel has to be looked at, so that no entry of that slot comes later than a tick after its deadline.
    mutating func plan(until limit: UInt64) -> UInt64 {
        var moment = swept
        while moment < limit, slots[Int(moment / tick % Self.slotCount)] == nil { moment += tick }
        earliest = moment
        return moment + tick
    }

    /// Something else than an entry has to be looked at.
    mutating func note(_ moment: UInt64) { earliest = min(earliest, moment) }

    private mutating func file(_ entry: UnsafeMutablePointer<Deadline>) {
        if entry.pointee.filed != Deadline.unfiled { unlink(entry) }
        // The slot at `swept` may be the one that is being looked at.
        let following = swept + tick
        let horizon = swept + tick * (Self.slotCount - 1)
        let moment = min(max(entry.pointee.at, following), horizon)
        entry.pointee.filed = moment
        if moment < earliest { earliest = moment }
        let slot = slots + Int(moment / tick % Self.slotCount)
        entry.pointee.next = slot.pointee
        entry.pointee.previous = nil
        slot.pointee?.pointee.previous = entry
        slot.pointee = entry
    }

    private mutating func unlink(_ entry: UnsafeMutablePointer<Deadline>) {
        if let previous = entry.pointee.previous {
            previous.pointee.next = entry.pointee.next
        } else {
            slots[Int(entry.pointee.filed / tick % Self.slotCount)] = entry.pointee.next
        }
        entry.pointee.next?.pointee.previous = entry.pointee.previous
        entry.pointee.filed = Deadline.unfiled
        entry.pointee.next = nil
        entry.pointee.previous = nil
    }
}
