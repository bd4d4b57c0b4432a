import Synchronization

/// One place that key sets come from, and the latest set that was got there. Shared by all workers. A URI's source is shared by
/// all snapshots that name it, so that a reload neither forgets nor fetches; a file's belongs to one snapshot, whose compilation has
/// read the file.
///
/// The latest set that the place has answered with is the word of whoever owns the keys: what it lacks is refused from then on. An
/// older one stays only while there is none to replace it: the place is down, answers an error, or something that is not a set.
///
/// A worker reads `generation`, one atomic load, and takes the lock only when it has changed. The rules of fetching are
/// here and have no I/O: the refresher asks `begin`, does the work, and tells `end`.
/// Sendable, because what changes is under the lock or atomic.
final class KeySetSource: @unchecked Sendable {
    /// A token with an unknown `kid` causes no fetch sooner than this after the start of the last one.
    static let requestIntervalNanoseconds: UInt64 = 10_000_000_000
    /// The first pause after a fetch that failed; each further one is twice the last, up to `pauseNanosecondsMax`. Never longer than the
    /// regular interval.
    static let pauseNanosecondsMin: UInt64 = 1_000_000_000
    static let pauseNanosecondsMax: UInt64 = 10_000_000_000

    private struct State {
        var keys: KeySet?
        var isUnderWay = false
        /// A worker asked, and the refresher has not begun yet.
        var isRequested = false
        var lastStart: UInt64?
        var due: UInt64 = 0
        var failures: UInt64 = 0
        /// Numbers of the workers with exchanges that wait for the end of the fetch.
        var waiting: Set<Int> = []
        var lastFault: String?
    }

    let location: KeySetLocation
    /// Unique in the gateway: what a suspended exchange remembers.
    let number: Int
    /// Raised after a set that differs from the one before is in place; 0 before the first. Lives as long as the source.
    let generation: UnsafeMutablePointer<Atomic<UInt64>>

    private let state = Mutex(State())
    /// Whether the latest fetch brought something that is no key set.
    private let hasMalformed = Atomic<Bool>(false)
    /// Until then every request is refused without taking the lock. Nanoseconds of the monotonic clock.
    private let quietUntil = Atomic<UInt64>(0)
    private let wake: @Sendable () -> Bool

    /// - Parameter wake: tells the refresher that a fetch is wanted; false if nobody will fetch.
    init(_ location: KeySetLocation, number: Int, wake: @escaping @Sendable () -> Bool) {
        self.location = location
        self.number = number
        self.wake = wake
        generation = .allocate(capacity: 1)
        generation.initialize(to: Atomic(0))
    }

    deinit {
        generation.deinitialize(count: 1)
        generation.deallocate()
    }

    /// The latest set and its generation; nil before the first.
    var current: (keys: KeySet, generation: UInt64)? {
        state.withLock { state in
            state.keys.map { ($0, generation.pointee.load(ordering: .acquiring)) }
        }
    }

    /// Why the latest fetch failed; nil if it did not.
    var lastFault: String? { state.withLock { $0.lastFault } }

    /// Why there is no set, as the detail of a refusal. Means something only before the first one.
    var missing: StaticString { hasMalformed.load(ordering: .acquiring) ? Refusal.keySetMalformed : Refusal.keySetUnavailable }

    // MARK: - Asked by workers

    /// Asks for a fetch because a key is unknown, on behalf of an exchange that `worker` will suspend.
    ///
    /// - Parameter now: nanoseconds of the monotonic clock.
    /// - Returns: true if a fetch is under way or about to be: the worker's observer hears of its end. False if the last
    ///   one began less than 10 s ago and has ended, or if nobody fetches: the exchange must be refused.
    func requestFetch(worker: Int, now: UInt64) -> Bool {
        if now < quietUntil.load(ordering: .acquiring) { return false }
        let isAllowed = state.withLock { state -> Bool in
            if !state.isUnderWay && !state.isRequested {
                if let last = state.lastStart, now < last + Self.requestIntervalNanoseconds { return false }
                state.isRequested = true
            }
            state.waiting.insert(worker)
            return true
        }
        guard isAllowed else { return false }
        if wake() { return true }
        state.withLock { state in
            state.isRequested = false
            _ = state.waiting.remove(worker)
        }
        return false
    }

    // MARK: - Asked by the refresher

    /// Whether a fetch is to be made at this moment; if so it counts as begun, and `end` must follow.
    func begin(now: UInt64) -> Bool {
        let begins = state.withLock { state -> Bool in
            guard !state.isUnderWay, state.isRequested || now >= state.due else { return false }
            state.isUnderWay = true
            state.isRequested = false
            state.lastStart = now
            return true
        }
        if begins { quietUntil.store(0, ordering: .releasing) }
        return begins
    }

    /// When the next fetch is due, in nanoseconds of the monotonic clock; nil while one is under way.
    var due: UInt64? { state.withLock { $0.isUnderWay ? nil : $0.isRequested ? 0 : $0.due } }

    /// Takes a fetch's outcome over. The old set stays where the fetch failed.
    ///
    /// - Parameter interval: nanoseconds to the next regular fetch.
    /// - Returns: the workers whose observers are to be told.
    func end(_ result: Result<KeySet, KeySet.Fault>, now: UInt64, interval: UInt64) -> Set<Int> {
        state.withLock { state in
            state.isUnderWay = false
            switch result {
            case .success(let keys):
                replace(keys, in: &state)
                state.failures = 0
                state.lastFault = nil
                hasMalformed.store(false, ordering: .releasing)
                state.due = now + interval
            case .failure(let fault):
                let pause = Self.pauseNanosecondsMin << min(state.failures, 4)
                state.failures += 1
                state.lastFault = fault.description
                hasMalformed.store(fault.isMalformed, ordering: .releasing)
                state.due = now + min(pause, Self.pauseNanosecondsMax, interval)
            }
            quietUntil.store((state.lastStart ?? 0) + Self.requestIntervalNanoseconds, ordering: .releasing)
            defer { state.waiting.removeAll() }
            return state.waiting
        }
    }

    /// Puts a set in place outside of any fetch: a file that is read while the configuration is compiled.
    func adopt(_ keys: KeySet, due: UInt64) {
        state.withLock { state in
            replace(keys, in: &state)
            state.due = due
        }
    }

    private func replace(_ keys: KeySet, in state: inout State) {
        // An unchanged set keeps its generation: workers keep their verifiers and their verified tokens.
        if let old = state.keys, old.text == keys.text { return }
        state.keys = keys
        generation.pointee.add(1, ordering: .releasing)
    }
}

/// Who suspends exchanges on behalf of the JWT policy: a worker.
protocol KeySetObserver: AnyObject, Sendable {
    /// A fetch of the source with this number has ended, well or not. Called on the refresher's thread, once for every
    /// fetch that this worker was promised; hands the word to the worker's own thread and returns at once.
    ///
    /// The worker then evaluates every exchange again whose `awaitedKeySet` is `number`, at the step that suspended it.
    func keySetFetchEnded(source number: Int)
}
