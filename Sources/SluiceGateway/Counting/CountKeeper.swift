import Logging
import SluiceCounting
import SluiceEvent
import Synchronization

/// Reserves allowance in the store before workers spend it: the one thread that waits for the store, so that none of them does.
///
/// A round: the ledgers plan what needs the store, one exchange carries all of it, and the ledgers put what was granted where
/// workers find it. Workers that have exchanges waiting are told after every round. There are at most 150 rounds a second,
/// whatever the load: more of it makes the blocks larger.
///
/// A store that fails is tried again with growing pauses. Until it answers, requests whose allowance is not at hand are
/// decided as the settings say, at once; what has been reserved goes on being spent.
///
/// Sendable, because what several threads touch is `desk`, under its lock, and what the registry makes safe; the rest is the keeper's thread's.
final class CountKeeper: @unchecked Sendable {
    /// What is asked of the keeper's thread: to forget what was used of a condition, or of all.
    private final class Errand: Sendable {
        let key: QuotaKey?
        let failure = Mutex<AllowanceStoreError?>(AllowanceStoreError("the count store does not answer"))
        let done = Signal()

        init(key: QuotaKey?) { self.key = key }

        func end(_ error: AllowanceStoreError?) {
            failure.withLock { $0 = error }
            done.raise()
        }
    }

    private struct Desk {
        var errands: [Errand] = []
        var isEnding = false
    }

    private static let roundNanoseconds: UInt64 = 1_000_000_000 / 150
    /// How often the clock is looked at when there is nothing to do.
    private static let idleNanoseconds: UInt64 = 100_000_000
    private static let pauseMilliseconds: (first: UInt64, longest: UInt64) = (100, 2000)

    private let source: CountStoreSource
    private let registry: CountRegistry
    private let log: Logger
    private let isLocalWhenAway: Bool
    private let tellWorker: @Sendable (Int) -> Void
    /// Nil where no caller has a plan.
    private let accounts: (any CallerAccounts)?
    private let desk = Mutex(Desk())
    /// Raised when the first round has ended, well or not.
    private let begun = Signal()

    // The keeper's thread only.
    private let quotas: QuotaLedger
    /// Shares of ceilings; nil where a node has all of them to itself.
    private let ceilings: CeilingLedger?
    private var store: (any AllowanceStore)?
    private var clock: CountingClock
    /// Each way by itself: who is told that a clock was set ahead must hear that it was set back.
    private var clockRemarks = (forward: RemarkPacing(interval: 10_000_000_000), back: RemarkPacing(interval: 10_000_000_000))
    private var sequence: UInt64 = 0
    private var demanded: Set<Int> = []
    private var roundAt: UInt64 = 0
    private var retryAt: UInt64 = 0
    private var pause = CountKeeper.pauseMilliseconds.first
    private var nodes = 1
    /// One of each worker, by its number.
    private var queues: [AttentionQueue.Words] = []
    private var hasBegun = false

    /// - Parameters:
    ///   - isLocalWhenAway: whether a shared store that is away leaves a node its part of every window.
    ///   - tellWorker: tells a worker, by its number, that a round has ended.
    init(
        source: CountStoreSource, registry: CountRegistry, whenLate: KeeperState.Away, isLocalWhenAway: Bool, log: Logger,
        accounts: (any CallerAccounts)? = nil, tellWorker: @escaping @Sendable (Int) -> Void
    ) {
        self.source = source
        self.registry = registry
        self.isLocalWhenAway = isLocalWhenAway && source.isShared
        self.log = log
        self.tellWorker = tellWorker
        self.accounts = accounts
        quotas = QuotaLedger(sizing: source.sizing, isShared: source.isShared)
        ceilings = source.isShared ? CeilingLedger(isLocal: isLocalWhenAway) : nil
        clock = CountingClock(wall: Clock.wallNanoseconds(), monotonic: Clock.monotonicNanoseconds())
        KeeperState.setClockOffset(registry.state, to: clock.offset)
        KeeperState.setWhenLate(registry.state, whenLate)
        if source.isShared { KeeperState.setShared(registry.state) }
    }

    /// Opens the store if anything is to be counted in it, so that a start can say what is wrong with it. Before `run`.
    func open() throws(AllowanceStoreError) {
        if registry.quotaCount > 0, !source.isShared { try openStore() }
    }

    // MARK: Any thread

    /// Forgets what was used of a condition, or of all, in the store and on this node. Waits for at most two seconds.
    func reset(_ key: QuotaKey?) -> AllowanceStoreError? {
        let errand = Errand(key: key)
        desk.withLock { $0.errands.append(errand) }
        registry.signal.raise()
        errand.done.wait(milliseconds: 2000)
        return errand.failure.withLock { $0 }
    }

    /// Waits until the store has answered once, or cannot be reached.
    func awaitFirstRound(milliseconds: Int) { begun.wait(milliseconds: milliseconds) }

    /// Ends `run`, after what lies unspent has been given back.
    func stop() {
        desk.withLock { $0.isEnding = true }
        registry.signal.raise()
    }

    // MARK: The keeper's thread

    /// Keeps the counts until `stop()`.
    func run() {
        while !desk.withLock({ $0.isEnding }) {
            registry.signal.wait(milliseconds: waitMilliseconds)
            pace()
            turn()
        }
        giveBack()
    }

    /// Does what there is to do: one round, of which workers are told.
    func turn() {
        followClock()
        takeChanges()
        takeAttention()
        runErrands()
        releaseUnused()
        round(Clock.monotonicNanoseconds())
        tellWorkers()
    }

    private var waitMilliseconds: Int {
        let now = Clock.monotonicNanoseconds()
        var due = quotas.nextDue(latest: now + Self.idleNanoseconds)
        if let ceilings { due = min(due, ceilings.nextTick(now: now)) }
        // Nothing is asked of a store that is being left alone: what is due to be told waits, and what is held is looked after.
        if retryAt > now { due = min(retryAt, ceilings?.nextLook(now: now) ?? .max) }
        return due <= now ? 0 : Int(clamping: (due - now) / 1_000_000) + 1
    }

    /// Waits until the last round is long enough ago.
    private func pace() {
        let due = roundAt + Self.roundNanoseconds
        let now = Clock.monotonicNanoseconds()
        if now < due { Clock.sleep(nanoseconds: due - now) }
    }

    private func followClock() {
        // A shared store's clock is the fleet's, from its first answer on.
        if source.isShared, hasBegun { return }
        follow(wall: Clock.wallNanoseconds(), monotonic: Clock.monotonicNanoseconds(), of: "this node")
    }

    /// Follows a clock, and says so if that was set.
    private func follow(wall: UInt64, monotonic: UInt64, of owner: String) {
        let step = clock.follow(wall: wall, monotonic: monotonic)
        KeeperState.setClockOffset(registry.state, to: clock.offset)
        guard step != 0 else { return }
        let now = Clock.monotonicNanoseconds()
        guard let untold = step > 0 ? clockRemarks.forward.happened(at: now) : clockRemarks.back.happened(at: now) else { return }
        var metadata: Logger.Metadata = ["seconds": "\(step.magnitude / 1_000_000_000)", "clock": "\(owner)"]
        if untold > 0 { metadata["untold"] = "\(untold)" }
        if step > 0 {
            log.warning("the clock was set forward: quota windows that ended in between are over", metadata: metadata)
        } else {
            log.warning("the clock was set back: quota windows not longer than the step begin again, longer ones continue", metadata: metadata)
        }
    }

    private func takeChanges() {
        for change in registry.takeChanges() {
            switch change {
            case .ceiling(let number): takeCeiling(number)
            case .quota(let number):
                guard let quota = registry.quota(number) else { continue }
                quotas.add(quota.key, words: quota.words, limit: quota.limit, at: number)
            }
        }
    }

    /// Lets go of what no configuration names any more. What a purse holds is given back with the next round.
    private func releaseUnused() {
        let now = Clock.monotonicNanoseconds()
        for number in registry.takeUnusedQuotas(now: now) {
            quotas.remove(number)
            demanded.remove(number)
            registry.free(quota: number)
        }
        for number in registry.takeUnusedCeilings(now: now) {
            ceilings?.remove(number)
            registry.free(ceiling: number)
        }
    }

    private func takeCeiling(_ number: Int) {
        guard let ceilings, let ceiling = registry.ceiling(number) else { return }
        if ceilings.holds(number) {
            ceilings.setCeiling(number, to: CeilingMeter.ceiling(of: ceiling.words), now: Clock.monotonicNanoseconds())
        } else {
            ceilings.add(project: ceiling.project, words: ceiling.words, at: number)
        }
    }

    private func takeAttention() {
        var projects: [Int] = []
        defer { if !projects.isEmpty { ceilings?.attend(projects, now: Clock.monotonicNanoseconds()) } }
        if queues.count != registry.queueCount { queues = registry.queues }
        for queue in queues {
            while let word = AttentionQueue.take(queue) {
                switch Attention(word: word) {
                case .quota(let number): demanded.insert(number)
                case .account(let number): openAccount(number)
                // One that has only just been compiled comes with the next changes.
                case .ceiling(let number): projects.append(number)
                }
            }
            guard AttentionQueue.hasOverflowed(queue) else { continue }
            for number in 0..<registry.quotaCount {
                if let words = registry.quota(number)?.words, QuotaPurse.hasAttention(words) { demanded.insert(number) }
            }
        }
    }

    /// Has a caller's use of its plan counted from now on.
    private func openAccount(_ account: UInt64) {
        guard let accounts, let (key, limit) = accounts.condition(ofAccount: account) else { return }
        // What a purse of the other calendar holds is given back first: in the store what was used goes over from one to the other.
        if let other = key.other, let number = quotas.index(of: other) { quotas.remove(number) }
        let quota = registry.openAccount(key, limit: limit)
        if quotas.index(of: key) == nil {
            // A purse that was given up a moment ago may say still that its window is used up.
            let window = key.window(at: clock.seconds(at: Clock.monotonicNanoseconds()))
            for number in [window, window + 1] { QuotaPurse.reopen(quota.words, window: number) }
        }
        quotas.add(key, words: quota.words, limit: limit, at: quota.number)
        accounts.open(account, (key, limit), quota: quota.number, quota.words)
        demanded.insert(quota.number)
    }

    private func runErrands() {
        let errands = desk.withLock { desk in
            defer { desk.errands = [] }
            return desk.errands
        }
        for errand in errands {
            do throws(AllowanceStoreError) {
                try openStore()
                try store?.reset(errand.key)
                quotas.reset(errand.key)
                errand.end(nil)
            } catch {
                errand.end(error)
            }
        }
    }

    private func round(_ now: UInt64) {
        // Also without the store: shares end, or become the fair part, by this.
        let isDue = ceilings?.tick(now: now) ?? false
        guard now >= retryAt else {
            roundAt = now
            return goOnWithout(now)
        }
        let requests = quotas.plan(
            attention: demanded, countingNanoseconds: clock.nanoseconds(at: now), monotonicNanoseconds: now)
        guard isDue || !requests.isEmpty else { return demanded.removeAll() }
        roundAt = now
        sequence += 1
        let batch = AllowanceBatch(
            sequence: sequence, ceilings: ceilings?.plan(now: now) ?? [], quotas: requests, standing: ceilings?.standing ?? .init(),
            setBackSeconds: quotas.takeSetBack(), seconds: clock.seconds(at: now))
        do throws(AllowanceStoreError) {
            try openStore()
            guard let replies = try store?.exchange(batch) else { return }
            if let remark = store?.takeRemark() { log.warning("\(remark)", metadata: ["store": "\(source.name)"]) }
            apply(replies, to: batch, sentAt: now)
            noteSuccess()
            if ceilings?.isReady ?? true { begin() }
        } catch {
            quotas.failed(requests)
            ceilings?.failed(now: Clock.monotonicNanoseconds())
            noteFailure(error)
            goOnWithout(now)
            begin()
        }
    }

    private func apply(_ replies: AllowanceReplies, to batch: AllowanceBatch, sentAt: UInt64) {
        let now = Clock.monotonicNanoseconds()
        if let microseconds = replies.clockMicroseconds {
            // The store has read its clock at some moment in between.
            follow(wall: microseconds * 1000, monotonic: sentAt + (now - sentAt) / 2, of: source.name)
        }
        // Before shares are there to be spent: what is admitted by them is held to the parts that there are now.
        let isSettling = replies.settlesInMilliseconds > 0
        nodes = isSettling ? max(nodes, replies.nodes) : replies.nodes
        if source.isShared { KeeperState.setNodes(registry.state, to: replies.nodes, isSettling: isSettling, now: now) }
        ceilings?.apply(replies, to: batch.sequence, sentAt: sentAt, now: now)
        quotas.apply(batch.quotas, replies)
        demanded.removeAll()
    }

    /// What a node does for itself while its store is away.
    private func goOnWithout(_ now: UInt64) {
        guard isLocalWhenAway else { return }
        quotas.grantLocally(
            attention: demanded, nodes: nodes, countingNanoseconds: clock.nanoseconds(at: now), monotonicNanoseconds: now)
    }

    private func tellWorkers() {
        for number in queues.indices where AttentionQueue.takeAwaiting(queues[number]) { tellWorker(number) }
    }

    private func giveBack() {
        guard let store else { return }
        ceilings?.close()
        takeChanges()
        var requests = quotas.release()[...]
        do throws(AllowanceStoreError) {
            while !requests.isEmpty {
                sequence += 1
                _ = try store.exchange(AllowanceBatch(sequence: sequence, quotas: Array(requests.prefix(QuotaLedger.requestsMax))))
                requests = requests.dropFirst(QuotaLedger.requestsMax)
            }
        } catch {
            log.warning("reserved quota that was not used is lost: \(error)")
        }
        store.close()
    }

    // MARK: The store

    private func openStore() throws(AllowanceStoreError) {
        guard store == nil else { return }
        let opened = try source.open()
        store = opened.store
        let now = Clock.monotonicNanoseconds()
        if opened.latestSeconds > clock.seconds(at: now) + 1 {
            log.warning("the clock is behind the times in the count store: quota windows not longer than the difference begin again", metadata: [
                "seconds": "\(opened.latestSeconds - clock.seconds(at: now))", "store": "\(source.name)",
            ])
        }
    }

    private func noteSuccess() {
        KeeperState.countExchange(registry.state, hasFailed: false)
        retryAt = 0
        pause = Self.pauseMilliseconds.first
        guard KeeperState.isAway(registry.state) else { return }
        KeeperState.setAway(registry.state, false)
        log.notice("the count store answers again", metadata: ["store": "\(source.name)"])
    }

    private func noteFailure(_ error: AllowanceStoreError) {
        KeeperState.countExchange(registry.state, hasFailed: true)
        retryAt = Clock.monotonicNanoseconds() + pause * 1_000_000
        pause = min(2 * pause, Self.pauseMilliseconds.longest)
        guard !KeeperState.isAway(registry.state) else { return }
        KeeperState.setAway(registry.state, true)
        log.error("the count store does not answer: \(error)", metadata: ["store": "\(source.name)"])
    }

    private func begin() {
        if !hasBegun { begun.raise() }
        hasBegun = true
    }
}
