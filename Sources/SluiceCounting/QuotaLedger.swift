/// Decides what the purses of quota conditions need from the store, and puts into them what it granted.
///
/// For one thread, the keeper's; no clock, no I/O. A round is `plan`, the store's `exchange`, then `apply` or, after an error,
/// `failed`. Workers take from the purses at the same time.
///
///     worker --take--> purse <--apply-- ledger <--replies-- store
///        `----attention------------------> `---requests----> `
///
/// What it keeps to:
/// 1. Only what the store has answered to is put into a purse, once. So what a window admits on all nodes, over all lives of all
///    processes, is at most what the store has reserved for it; and that is at most the largest limit it was asked with.
/// 2. What is given back has been taken out of the purse before it is said. It is said once: after an error it stays wasted,
///    because saying it again could free what somebody else has got.
/// 3. What a purse holds unspent is at most a block (`BlockSizing`) at the time it is filled.
/// 4. A condition costs work only in a round in which it is due. Those that nobody has used for some seconds are never looked
///    at: a worker's mark (`QuotaPurse.demandAttention`) brings them back.
///
/// A window of a single node that is used up costs no round trip: what the store has reserved only grows. With several nodes
/// somebody may have given back: the store is asked again every 100 ms, while workers go on to demand.
package final class QuotaLedger {
    /// What is known of one window of a condition.
    struct Window {
        /// Number of the window; none has this one.
        var number = UInt64.max
        /// What was granted to this node, less what it has given back.
        var granted: UInt64 = 0
        /// What the store has reserved for others: other nodes, and processes that are gone.
        var elsewhere: UInt64 = 0
        /// Withdrawn from the purse, to be said with the next request.
        var givenBack: UInt64 = 0
        /// The store has answered for this window.
        var isAgreed = false
        /// The store has no more; workers were told.
        var isExhausted = false
        /// Part of `granted` was taken without the store, which does not know it yet.
        var isLocal = false
        /// The store may not know what was granted: it is told again.
        var isUnreported = false
        /// `QuotaReply.begun` of the latest reply.
        var begun: UInt64 = 0
        /// Other nodes need what there is: nothing is reserved ahead of use.
        var isContended = false
    }

    /// One condition: its words, what is known of its two windows, and how fast it is used.
    struct Condition {
        let key: QuotaKey
        let words: QuotaPurse.Words
        var limit: UInt64
        /// The generation of what was granted: `QuotaReply.generation`.
        var generation: UInt64 = 0
        /// Where windows stand as purses do: even numbers in the first.
        var windows = (Window(), Window())

        /// Spent in a second, lately.
        var rate = 0.0
        /// Up to what the rate has been measured: the window, what it had spent, when (monotonic nanoseconds).
        var measuredWindow = UInt64.max
        var measuredSpent: UInt64 = 0
        var measuredAt: UInt64 = 0
        /// When something was last spent or demanded (monotonic nanoseconds), and in which window.
        var usedAt: UInt64 = 0
        var usedWindow = UInt64.max
        /// When a shared store was last asked in vain (monotonic nanoseconds).
        var askedAt: UInt64 = 0
        /// A worker has demanded attention since the condition was last looked at.
        var isDemanded = false
        /// Place in `active`, or -1.
        var activePlace = -1

        subscript(window: UInt64) -> Window {
            get { window & 1 == 0 ? windows.0 : windows.1 }
            set { if window & 1 == 0 { windows.0 = newValue } else { windows.1 = newValue } }
        }
    }

    /// A condition that was used in the last seconds.
    struct Active {
        let index: Int
        /// When to look at it next, in monotonic nanoseconds; 0 at once.
        var due: UInt64
    }

    /// Both clocks of a round, in nanoseconds.
    struct Moment {
        let counting: UInt64
        let monotonic: UInt64
    }

    let sizing: BlockSizing
    let isShared: Bool
    var conditions: [Condition] = []
    var indices: [QuotaKey: Int] = [:]
    var active: [Active] = []
    /// Where the next round begins to look, so that a full batch starves nobody.
    var cursor = 0
    /// Given back for windows that are no longer kept: a stepping clock has led to others.
    var orphans: [AllowanceBatch.QuotaRequest] = []
    /// Nodes that share the store, as it last said.
    var nodes = 1
    /// `AllowanceReplies.registration` of the last replies; 0 before the first.
    var registration: UInt64 = 0
    /// Both clocks at the last round.
    var last: Moment?
    /// By how many seconds the counting clock was set back since somebody asked.
    private var setBackSeconds: UInt64 = 0
    /// Indices that are due in this round: kept for its memory.
    var due: [Int] = []
    private let vacantWords = QuotaPurse.make()

    /// - Parameter isShared: whether other nodes may give back to the store what it has no more of now, also when it knows of no other.
    package init(sizing: BlockSizing, isShared: Bool) {
        self.sizing = sizing
        self.isShared = isShared
    }

    deinit { QuotaPurse.free(vacantWords) }

    /// A condition that was not used for this long is no longer looked at, and gives back what its purse holds but for one.
    static let idleNanoseconds: UInt64 = 5_000_000_000
    /// A shared store that has no more is asked again after this long.
    static let askAgainNanoseconds: UInt64 = 100_000_000
    /// Most requests of one round: a transaction stays short.
    package static let requestsMax = 4096

    // MARK: Conditions

    /// Number of conditions.
    package var count: Int { conditions.count }

    /// When `plan` may find something to do without being asked, in nanoseconds of its monotonic clock: `latest` at the latest.
    package func nextDue(latest: UInt64) -> UInt64 {
        var next = orphans.isEmpty ? latest : 0
        for entry in active where entry.due < next { next = entry.due }
        return next
    }

    /// Registers a condition and gives its index, by which workers' demands name it. `words` must stay until it is removed. A key that is
    /// known keeps its index and words, and gets the limit.
    ///
    /// - Parameter place: the index that it gets, which nothing may have; nil: the next one.
    @discardableResult
    package func add(_ key: QuotaKey, words: QuotaPurse.Words, limit: UInt64, at place: Int? = nil) -> Int {
        if let index = indices[key] {
            setLimit(index, to: limit)
            return index
        }
        let limit = min(limit, QuotaPurse.limitMax)
        let index = place ?? conditions.count
        while conditions.count <= index { conditions.append(vacant) }
        conditions[index] = Condition(key: key, words: words, limit: limit)
        indices[key] = index
        return index
    }

    /// Forgets a condition that is no longer configured: what its purses hold is given back with the next batch. Nobody may take from
    /// its words any more. What was used of it stays in the store.
    package func remove(_ index: Int) {
        guard conditions.indices.contains(index), indices[conditions[index].key] == index else { return }
        for place in 0..<2 as Range<UInt64> {
            var window = conditions[index][place]
            guard window.number != .max else { continue }
            withdraw(allBut: 0, conditions[index].words, &window)
            if let request = request(index, &window, wanted: 0) { orphans.append(request) }
        }
        deactivate(index)
        indices[conditions[index].key] = nil
        conditions[index] = vacant
    }

    /// What stands where no condition does: nobody demands it, and nothing comes of it.
    private var vacant: Condition { Condition(key: QuotaKey(owner: "", perSeconds: 1), words: vacantWords, limit: 0) }

    /// The index of a condition, if it is known.
    package func index(of key: QuotaKey) -> Int? { indices[key] }

    /// Changes a condition's limit, with effect on what was used already. Lowered: purses keep no more than the new limit leaves, and the
    /// rest is given back. Raised: more is asked for.
    package func setLimit(_ index: Int, to newLimit: UInt64) {
        guard conditions.indices.contains(index) else { return }
        let limit = min(newLimit, QuotaPurse.limitMax)
        let former = conditions[index].limit
        guard limit != former else { return }
        conditions[index].limit = limit
        for place in 0..<2 as Range<UInt64> {
            var window = conditions[index][place]
            guard window.number != .max else { continue }
            let words = conditions[index].words
            if limit < former {
                shrink(index, &window)
            } else if window.isExhausted {
                window.isExhausted = false
                QuotaPurse.reopen(words, window: window.number)
            }
            conditions[index][place] = window
        }
        activate(index, isDemanded: false)
    }

    /// Forgets what was used of a condition, or of all: after the store's `reset`. What purses hold was reserved before it and is
    /// dropped.
    package func reset(_ key: QuotaKey?) {
        forgetWindows(key.map { indices[$0].map { [$0] } ?? [] } ?? Array(conditions.indices))
        orphans.removeAll { key == nil || $0.key == key }
    }

    private func forgetWindows(_ chosen: [Int]) {
        for index in chosen {
            let words = conditions[index].words
            let windows = (0..<2 as Range<UInt64>).map { conditions[index][$0].number }
            for place in 0..<2 as Range<UInt64> { conditions[index][place] = Window() }
            QuotaPurse.reset(words, windows: windows.filter { $0 != .max })
            conditions[index].measuredWindow = .max
            if conditions[index].activePlace >= 0 { activate(index, isDemanded: false) }
        }
    }

    // MARK: The clock

    /// By how many seconds the counting clock was set back since the last call.
    package func takeSetBack() -> UInt64 {
        defer { setBackSeconds = 0 }
        return setBackSeconds
    }

    /// Notices that the counting clock was set back. The windows of every condition that are no longer than that come again, and begin
    /// anew, here as in the store (`StoreClock`). A store that is shared says so itself (`QuotaReply.begun`): what this node makes of its
    /// clock is not precise enough to forget anything by.
    func followClock(_ now: Moment) {
        let expected = last.map { $0.counting + (now.monotonic - min(now.monotonic, $0.monotonic)) } ?? 0
        last = now
        guard now.counting < expected, !isShared else { return }
        // What is evened out shows as less than a second.
        let seconds = (expected - now.counting) / 1_000_000_000
        guard seconds > 0 else { return }
        setBackSeconds = max(setBackSeconds, seconds)
        forgetWindows(conditions.indices.filter { conditions[$0].key.perSeconds <= seconds })
    }

    // MARK: Windows

    /// Takes out of a purse what a lowered limit does not leave.
    func shrink(_ index: Int, _ window: inout Window) {
        let limit = conditions[index].limit
        let words = conditions[index].words
        // One look decides both how much was spent and how much is too much: what workers take meanwhile counts against what stays.
        let held = QuotaPurse.available(words, window: window.number)
        let spent = window.granted - min(window.granted, held)
        let left = limit - min(limit, spent + window.elsewhere)
        withdraw(held - min(held, left), words, &window)
        if window.granted + window.elsewhere >= limit { exhaust(words, &window) }
    }

    /// Takes out of a purse what exceeds `most`, to be given back with the next request.
    func withdraw(allBut most: UInt64, _ words: QuotaPurse.Words, _ window: inout Window) {
        let held = QuotaPurse.available(words, window: window.number)
        withdraw(held - min(held, most), words, &window)
    }

    private func withdraw(_ amount: UInt64, _ words: QuotaPurse.Words, _ window: inout Window) {
        guard amount > 0 else { return }
        // The store will have some again, so an empty purse is not the end of the window.
        if window.isExhausted {
            window.isExhausted = false
            QuotaPurse.reopen(words, window: window.number)
        }
        let taken = QuotaPurse.withdraw(amount, words, window: window.number)
        window.granted -= min(taken, window.granted)
        window.givenBack += taken
    }

    /// Tells workers that the store has no more for the window than what lies in its purse.
    func exhaust(_ words: QuotaPurse.Words, _ window: inout Window) {
        window.isExhausted = true
        QuotaPurse.put(0, words, window: window.number, granted: window.granted, elsewhere: window.elsewhere, isExhausted: true)
    }

    /// Makes `number` one of the two windows of a condition. The one that had its place is over, or the clock has been set
    /// back: then it gives back what it holds.
    func begin(_ number: UInt64, _ index: Int) {
        var former = conditions[index][number]
        guard former.number != number else { return }
        if former.number != .max, former.number > number {
            withdraw(allBut: 0, conditions[index].words, &former)
            if let request = request(index, &former, wanted: 0) { orphans.append(request) }
        }
        var window = Window()
        window.number = number
        conditions[index][number] = window
    }

    /// What is said to the store of a window, and nil if there is nothing to say. What is given back is said once.
    func request(_ index: Int, _ window: inout Window, wanted: UInt64) -> AllowanceBatch.QuotaRequest? {
        guard wanted > 0 || window.givenBack > 0 || window.isLocal || window.isUnreported else { return nil }
        defer { window.givenBack = 0 }
        return AllowanceBatch.QuotaRequest(
            key: conditions[index].key, window: window.number, limit: conditions[index].limit, granted: window.granted,
            givenBack: window.givenBack, wanted: wanted, generation: conditions[index].generation, begun: window.begun)
    }

    // MARK: The active conditions

    /// Puts a condition among those that are looked at, due at once.
    func activate(_ index: Int, isDemanded: Bool) {
        if isDemanded { conditions[index].isDemanded = true }
        let place = conditions[index].activePlace
        if place >= 0 {
            active[place].due = 0
        } else {
            conditions[index].activePlace = active.count
            active.append(Active(index: index, due: 0))
        }
    }

    func deactivate(_ index: Int) {
        let place = conditions[index].activePlace
        guard place >= 0, let last = active.popLast() else { return }
        if place < active.count {
            active[place] = last
            conditions[last.index].activePlace = place
        }
        conditions[index].activePlace = -1
    }
}
