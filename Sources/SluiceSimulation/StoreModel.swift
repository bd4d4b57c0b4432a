package import SluiceCounting

/// The books that `SyncScript` keeps in Redis, in Swift: the same rules with the same arithmetic, for simulations. What the rules are for
/// stands there. `RedisScriptTests` feeds both with the same batches and compares the answers.
package struct StoreModel {
    struct Member {
        var name: String
        var sequence: UInt64
        var received: Int
        var contact: Int
        var isLocal: Bool
        var fair: Int
        var hasLeft: Bool
        var joined: Int
        var isSilent: Bool
        var isDeaf = false
        var notices: Set<String> = []
        var quotaNotices: Set<String> = []
    }

    struct Row {
        var ceiling: Int
        var entries: [Entry] = []
    }

    struct Entry {
        var name: String
        var held: Int
        var demand: Int
    }

    struct Clock {
        var time = StoreClock()
        var logical: Int {
            get { time.logical }
            set { time.logical = newValue }
        }
        /// How many members there are, sums of projects, and sums of windows.
        var members: Int?
        var projects: Int?
        var sums: Int?
        var run: String?
        var settle = 0
        var counter = 0
        var epoch = 0
        var squeeze = 0
    }

    /// Defects that a simulation must find.
    package enum Defect: Sendable, CaseIterable {
        /// Takes a late batch for the newest.
        case ignoresSequence
        /// Leases end by the wall clock.
        case wallClockLeases
        /// Grants at once after a loss of its data.
        case grantsWhileSettling
        /// Takes a key that was lost for one that never was.
        case ignoresLostKeys
        /// Goes on with windows that come again after its clock was set back.
        case neverBeginsAnew
    }

    var clock = Clock()
    var members: [Member] = []
    var rows: [String: Row] = [:]
    /// Sums of what stands in `rows`.
    var held: [String: Int] = [:]
    var windows: [String: Window] = [:]
    /// What was granted of the last even and the last odd window of each condition.
    var sums: [String: [UInt64: WindowSum]] = [:]
    var generations: [String: UInt64] = [:]
    /// Whether the present batch comes while nothing is granted.
    var isSettling = false
    private var hasLost = false
    let defect: Defect?

    static let unit = Int(AllowanceReplies.fairUnit)
    static let settling = 4_500_000
    static let lease = 4_500_000
    static let localLease = 60_000_000
    static let left = 1_600_000
    static let silent = 1_500_000
    static let deaf = 2_000_000
    static let turn = 8_000_000
    static let need = 2_000_000
    static let gone = 3_600_000_000

    package init(defect: Defect? = nil) { self.defect = defect }

    /// What `SyncScript` does with the batch when TIME says `now` (microseconds); nil for a batch that is not newer than the last.
    package mutating func exchange(_ batch: AllowanceBatch, from node: String, run: String, isLeaving: Bool = false, now: Int) -> AllowanceReplies? {
        var me = members.firstIndex { $0.name == node }
        if let me, batch.sequence <= members[me].sequence, defect != .ignoresSequence { return nil }
        let standing = batch.standing
        let isWhole = defect == .ignoresLostKeys
            || [(clock.members, members.count), (clock.projects, held.count), (clock.sums, sumCount)].allSatisfy { $0 == nil || $0 == $1 }
        advance(to: now)
        let knowsMore = me.map { standing.acknowledged > members[$0].sequence } ?? false
        if clock.run == nil || (!run.isEmpty && clock.run != run) || knowsMore || !isWhole {
            clock.counter = max(clock.counter + 1, now)
            clock.epoch = clock.counter
            clock.settle = clock.logical + (defect == .grantsWhileSettling ? 0 : Self.settling)
            clock.run = run.isEmpty ? clock.run ?? "" : run
        }
        isSettling = clock.logical < clock.settle
        hasLost = false
        forget(except: node)
        me = members.firstIndex { $0.name == node }
        let own = me ?? join(node)
        if me != nil, standing.acknowledged == members[own].sequence { members[own].contact = members[own].received }
        members[own].sequence = max(members[own].sequence, batch.sequence)
        members[own].received = clock.logical
        members[own].isLocal = standing.isLocal
        members[own].hasLeft = isLeaving
        let count = listen()
        clock.members = members.count

        let others = members.reduce(0) { $0 + $1.fair } - members[own].fair
        let fairHeld = Int(standing.fairParts)
        let fairTarget = standing.isLocal && !isLeaving ? Self.unit / count : 0
        members[own].fair = fairHeld + (isSettling ? 0 : max(0, min(fairTarget - fairHeld, Self.unit - others - fairHeld)))

        var replies = AllowanceReplies(nodes: count, clockMicroseconds: UInt64(now))
        replies.fairParts = UInt64(members[own].fair)
        replies.fairTarget = UInt64(fairTarget)
        replies.squeeze = UInt64(clock.squeeze)
        let fair = min(members[own].fair, fairTarget)
        for request in batch.ceilings {
            guard let reply = weigh(request.project, request, own: own, fair: fair) else { continue }
            replies.ceilings.append(reply)
        }
        let notices = members[own].notices.sorted()
        members[own].notices = []
        for project in notices {
            guard let reply = weigh(project, nil, own: own, fair: fair) else { continue }
            replies.ceilings.append(reply)
        }
        for request in batch.quotas { replies.quotas.append(grant(request, own: own, now: now)) }
        replies.quotaNotices = takeQuotaNotices(own: own)
        (clock.projects, clock.sums) = (held.count, sumCount)
        replies.registration = UInt64(max(clock.epoch, members[own].joined))
        replies.settlesInMilliseconds = UInt64((max(0, clock.settle - clock.logical) + 999) / 1000)
        return replies
    }

    private var sumCount: Int { sums.values.reduce(0) { $0 + $1.count } }

    private mutating func advance(to now: Int) {
        if clock.run == nil { clock.logical = max(clock.logical, members.reduce(0) { max($0, $1.received) }) }
        clock.time.advance(to: now, atMost: defect == .wallClockLeases ? .max : StoreClock.jump)
    }

    private mutating func forget(except node: String) {
        let logical = clock.logical
        members.removeAll { member in
            let lease = member.hasLeft ? Self.left : member.isLocal ? Self.localLease : Self.lease
            return member.name != node && logical - member.received > lease
        }
    }

    /// A project's row has been lost: nobody knows who holds what.
    mutating func lose(now: Int) {
        guard defect != .ignoresLostKeys, !hasLost else { return }
        (hasLost, isSettling) = (true, true)
        clock.counter = max(clock.counter + 1, now)
        clock.epoch = clock.counter
        clock.settle = clock.logical + (defect == .grantsWhileSettling ? 0 : Self.settling)
    }

    /// Enters a new member, in the order of names.
    private mutating func join(_ node: String) -> Int {
        clock.counter = max(clock.counter + 1, clock.time.last ?? 0)
        let place = members.firstIndex { $0.name > node } ?? members.count
        members.insert(
            Member(
                name: node, sequence: 0, received: clock.logical, contact: clock.logical, isLocal: false, fair: 0, hasLeft: false,
                joined: clock.counter, isSilent: false), at: place)
        return place
    }

    /// Finds out who is silent or deaf.
    /// - Returns: how many have not left.
    private mutating func listen() -> Int {
        var count = 0
        for index in members.indices {
            let member = members[index]
            let isSilent = member.isLocal && !member.hasLeft && clock.logical - member.contact > Self.silent
            if isSilent, !member.isSilent { clock.squeeze += 1 }
            members[index].isSilent = isSilent
            members[index].isDeaf = isSilent || member.hasLeft || clock.logical - member.received > Self.deaf
            if !member.hasLeft { count += 1 }
        }
        return max(count, 1)
    }
}
