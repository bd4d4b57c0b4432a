#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The thread that fetches key sets: one for the process, because fetching blocks and workers must not.
///
/// Sources are fetched one after the other, each in at most 5 s besides the resolution of its name: one that hangs holds up the others
/// for so long. Started by the process when it serves; without it nothing is fetched, and unknown keys are refused at once.
/// Sendable, because what changes is under `mutex`, but for `thread`, which only who starts and stops it touches.
final class KeySetRefresher: @unchecked Sendable {
    /// From one fetch that succeeded to the next, unless configured: 5 minutes.
    static let intervalNanosecondsDefault: UInt64 = 300_000_000_000

    private let registry: KeySetRegistry
    private let intervalNanoseconds: UInt64
    private let report: @Sendable (KeySetLocation, _ fault: String?) -> Void
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var thread = pthread_t()
    private var isRunning = false
    // Both under the mutex.
    private var isStopping = false
    private var isWoken = false

    /// - Parameters:
    ///   - intervalNanoseconds: from one fetch that succeeded to the next, at least 1 s.
    ///   - report: see `KeySetRegistry.fetchDue`; called on this thread.
    init(
        registry: KeySetRegistry = .shared, intervalNanoseconds: UInt64 = intervalNanosecondsDefault,
        report: @escaping @Sendable (KeySetLocation, _ fault: String?) -> Void = { _, _ in }
    ) {
        self.registry = registry
        self.report = report
        self.intervalNanoseconds = max(1_000_000_000, intervalNanoseconds)
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Starts the thread; the first fetches begin at once.
    ///
    /// - Returns: false if the system gives no thread.
    func start() -> Bool {
        precondition(!isRunning, "a refresher is started once")
        let context = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<KeySetRefresher>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard result == 0 else {
            context.release()
            return false
        }
        isRunning = true
        registry.setRefresher { [weak self] in self?.wake() }
        return true
    }

    /// Ends the thread and waits for it: a tenth of a second, or for a name that is being resolved.
    func stop() {
        guard isRunning else { return }
        registry.setRefresher(nil)
        signal { isStopping = true }
        pthread_join(thread, nil)
        isRunning = false
    }

    private var isEnding: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return isStopping
    }

    private func wake() { signal { isWoken = true } }

    private func signal(_ change: () -> Void) {
        pthread_mutex_lock(mutex)
        change()
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    private func run() {
        while true {
            registry.fetchDue(
                interval: intervalNanoseconds, now: Self.monotonicNanoseconds,
                load: { location in KeySetFetch.load(location) { self.isEnding } },
                report: { [report] location, fault in if !self.isEnding { report(location, fault) } })
            if !sleep(until: registry.sources.map(\.due).min()) { return }
        }
    }

    /// Until a source is due, someone asks, or the end: false.
    private func sleep(until due: UInt64?) -> Bool {
        let due = due ?? Self.monotonicNanoseconds() + intervalNanoseconds
        var time = timespec(tv_sec: Int(due / 1_000_000_000), tv_nsec: Int(due % 1_000_000_000))
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isWoken && !isStopping {
            if pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { break }
        }
        isWoken = false
        return !isStopping
    }

    /// Of the clock that workers read too.
    static func monotonicNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
