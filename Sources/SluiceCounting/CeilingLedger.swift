/// A node's shares of all projects' ceilings in a fleet: what its meters may admit, and what it tells the fleet's store and asks of it.
///
/// The picture: of a project's ceiling C the store holds a part R in the name of each node, and the sum of all R is at most C. A node's meter
/// admits only while what is in use in its window is below its limit. The ledger keeps, at every moment and for every project,
///
///     in use in the window <= max(limit, in use when the limit was lowered) <= R,
///
/// hence the sum of what is in use on all nodes is at most C at every moment, and no second holds more (`CeilingMeter`). Three rules do it:
/// - A limit is raised only by a reply, after the store has written it down.
/// - A limit is lowered at once; the store hears of it by what the next batch says is held, which is never less than what is in use.
///   A batch that overtakes another is ignored by the store, and a reply that comes too late is never read.
/// - Limits end by themselves `lease` after the sending of the last batch that was answered. The store keeps what it holds in the node's name for
///   longer than that, the window, and a jump of its clock (4.5 s). A ledger whose store may have forgotten it
///   (another `registration`) does not extend a limit before the store has confirmed it.
///
/// Without the store, mode `closed`: after the lease the limit is 0. Mode `local`: after the lease it is the share or the node's fair part of the
/// ceiling, whichever is less, and `raise` after the last contact it is the fair part. By then others have made room: the store
/// counts a node that has had no contact for 1.5 s as holding its fair part at least, for a minute, and tells the others
/// (`squeeze`), who have either been answered about every project of which they hold more than their fair part, or have
/// come down to it by themselves `squeezeTime` later. Fair parts are shared out like a ceiling: their sum is at most all of it.
///
/// What it does not hold against: a node in mode `local` that is cut off from a store that others reach for longer than a minute admits its
/// fair part beside what the others then share; a store that loses writes in a failover unnoticed (the same run of the server) may grant a second time
/// what was granted in them, until the next batch of the node concerned, a tenth of a second later, brings it to light; a store split in
/// two grants the whole ceiling on each side.
///
/// One thread. Cost: nothing for idle projects but a look every half a second.
package final class CeilingLedger {
    /// One project.
    struct Item {
        let project: String
        let words: CeilingMeter.Words
        var ceiling: UInt64
        /// What the meter was last told, and until when.
        var limit: UInt64 = 0
        var until: UInt64 = 0
        /// The registration under which the store confirmed the limit; 0: it may not know of it.
        var registration: UInt64 = 0
        /// The round of registering in which the store was asked.
        var round: UInt32 = 0
        /// What the store holds in this node's name.
        var recorded: UInt64 = 0
        /// The squeeze that the store knew of when it answered last.
        var squeeze: UInt64 = 0
        var demand = CeilingDemand()
        /// The demand that the store knows, and since when.
        var told: UInt64 = 0
        var toldAt: UInt64 = 0
        /// When more may be asked for at the earliest.
        var askAt: UInt64 = 0
        var isActive = false
        var isQueued = false
        /// False of a place that no project has: its words are the ledger's own, which admit nothing.
        var isPresent = true
    }

    /// How long an answered batch makes limits valid, from when it was sent. Nanoseconds, as all times here.
    package static let lease: UInt64 = 2_500_000_000
    /// Longest time between two batches.
    package static let heartbeat: UInt64 = 100_000_000
    /// Shortest: 150 batches a second.
    package static let spacing: UInt64 = 6_666_667
    /// Time without contact after which a node in mode `local` uses its fair part.
    package static let raise: UInt64 = 8_000_000_000
    /// Time in which the others make room for it, once they have been told.
    package static let squeezeTime: UInt64 = 3_000_000_000
    /// Most projects in one batch.
    package static let batchMax = 512
    /// How often every project is looked at, and every one with traffic.
    static let sweepTime: UInt64 = 500_000_000
    static let lookTime: UInt64 = 25_000_000
    /// The end of a limit that has none.
    static let unlimited = UInt64.max
    /// Most projects with traffic that one look takes in.
    static let lookMax = 2048

    let isLocal: Bool
    var items: [Item] = []
    var places: [String: Int] = [:]
    /// Projects that the next batches tell of before any other, and those with traffic.
    var queue: [Int] = []
    var active: [Int] = []
    var activeCursor = 0
    var sweepCursor = 0
    var lookedAt: UInt64 = 0
    /// Projects of the batch that is under way.
    var inFlight: [Int] = []
    /// Projects that this node names no more, until the store has been told; and those that the batch under way tells of.
    var farewells: Set<String> = []
    var farewellsInFlight: [String] = []
    /// The words of places that no project has.
    private let noWords = CeilingMeter.make(ceiling: 0, now: 0)

    var plannedAt: UInt64 = 0
    /// When the last batch that was answered had been sent; nil before the first.
    var contact: UInt64?
    var registration: UInt64 = 0
    /// The round of registering, and how far it has come; the first pass is for projects of which something is held.
    var round: UInt32 = 1
    var roundCursor = 0
    var isFirstPass = true
    var isRegistered = false
    var isSettling = false
    /// Limits are the fair parts, for want of contact.
    var isRaised = false
    /// Projects whose limit is the fair part, which the store may not know.
    var raisedCount = 0
    var acknowledged: UInt64 = 0
    var fairParts: UInt64 = 0
    var squeeze: UInt64 = 0
    var squeezeDeadline: UInt64?

    package init(isLocal: Bool) { self.isLocal = isLocal }

    deinit { CeilingMeter.free(noWords) }

    // MARK: Projects

    /// Takes a project up. Its meter admits nothing from here on, until the store has granted a share.
    /// - Parameter index: its place, which no project may have; by default a new one.
    /// - Returns: its index, from 0 up.
    @discardableResult
    package func add(project: String, words: CeilingMeter.Words, at index: Int? = nil) -> Int {
        let index = index ?? items.count
        while items.count <= index { items.append(Item(project: "", words: noWords, ceiling: 0, isPresent: false)) }
        CeilingMeter.setLimit(words, to: 0)
        var item = Item(project: project, words: words, ceiling: CeilingMeter.ceiling(of: words))
        item.demand.begin(refusals: CeilingMeter.refusals(of: words))
        (item.isActive, item.isQueued) = (items[index].isActive, items[index].isQueued)
        items[index] = item
        places[project] = index
        farewells.remove(project)
        // It is registered with those that are not yet: the present round takes it in if it has not passed its place.
        if isRegistered || index < roundCursor { enqueue(index) }
        return index
    }

    /// Gives a project up that this node names no more, and for which it has admitted nothing for a window. The store is told, so that it
    /// keeps nothing in this node's name, and nothing at all once no node names it. The words are the caller's again.
    package func remove(_ index: Int) {
        guard holds(index) else { return }
        setLimit(index, to: 0, until: 0)
        let item = items[index]
        if places[item.project] == index {
            places[item.project] = nil
            farewells.insert(item.project)
        }
        items[index] = Item(project: "", words: noWords, ceiling: 0, isActive: item.isActive, isQueued: item.isQueued, isPresent: false)
    }

    /// Whether a project has this place.
    package func holds(_ index: Int) -> Bool { items.indices.contains(index) && items[index].isPresent }

    /// Changes what the configuration allows. A lower ceiling holds at once for this node's share, and for the fleet as soon as every node has
    /// it and was answered once more, or has been without contact for as long as its lease: about 1.2 s with the window, 3.6 s at most.
    package func setCeiling(_ index: Int, to ceiling: UInt64, now: UInt64) {
        CeilingMeter.setCeiling(items[index].words, to: ceiling)
        items[index].ceiling = ceiling
        // Also where the limit remains, what holds without the store changes.
        let isFairPart = items[index].until == Self.unlimited
        setLimit(index, to: isFairPart ? fair(ceiling) : min(items[index].limit, ceiling), until: items[index].until)
        enqueue(index)
    }

    /// Ends the use of all projects: nothing is admitted any more.
    package func close() {
        for index in items.indices { setLimit(index, to: 0, until: 0) }
    }

    // MARK: Questions

    /// Whether every project has the share that the store means it to have: what a node waits for before it opens its listeners.
    package var isReady: Bool { isRegistered && !isSettling && contact != nil }

    /// What the node's batches must say of it.
    package var standing: AllowanceBatch.Standing {
        AllowanceBatch.Standing(acknowledged: acknowledged, fairParts: isLocal ? fairParts : 0, isLocal: isLocal)
    }

    /// When `tick` should be called next, and a batch sent if it says so.
    package func nextTick(now: UInt64) -> UInt64 {
        if !queue.isEmpty || !farewells.isEmpty || !isRegistered && contact != nil && !isSettling { return max(now, plannedAt + Self.spacing) }
        let look = active.isEmpty ? UInt64.max : lookedAt + Self.lookTime
        return max(now, min(look, plannedAt + Self.heartbeat))
    }

    /// When `tick` should be called next while no batch can be sent: however much waits to be told.
    package func nextLook(now: UInt64) -> UInt64 { max(now, lookedAt + Self.lookTime) }

    /// What the meter was last told that it may admit.
    package func share(of index: Int) -> UInt64 { items[index].limit }

    /// What the node may use of a ceiling when it has been without its store for long.
    func fair(_ ceiling: UInt64) -> UInt64 {
        // No ceiling is larger than 10,000,000 by far: this cannot overflow for those.
        min(ceiling, 1 << 32) &* fairParts / AllowanceReplies.fairUnit
    }

    // MARK: Meters

    /// Tells the meter what it may admit.
    @discardableResult
    func setLimit(_ index: Int, to limit: UInt64, until: UInt64) -> UInt64 {
        raisedCount += (until == Self.unlimited ? 1 : 0) - (items[index].until == Self.unlimited ? 1 : 0)
        items[index].limit = limit
        items[index].until = until
        return CeilingMeter.setLimit(items[index].words, to: limit, until: until, away: isLocal ? min(limit, fair(items[index].ceiling)) : 0)
    }

    /// How long to let a project's demand be told wrong, for the sake of the store's work.
    var patience: UInt64 { max(250_000_000, UInt64(active.count) * 500_000) }

    func activate(_ index: Int) {
        guard !items[index].isActive else { return }
        items[index].isActive = true
        active.append(index)
    }

    func enqueue(_ index: Int) {
        guard !items[index].isQueued else { return }
        items[index].isQueued = true
        queue.append(index)
    }
}
