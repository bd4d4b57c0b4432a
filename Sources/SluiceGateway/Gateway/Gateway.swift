import Glibc
package import Logging
package import SluiceCallers
package import SluiceConfiguration
package import SluiceCounting
import SluiceCrypto
import SluiceEvent
import SluiceHTTP
import Synchronization

/// The gateway: workers, what they share, and the control of both.
///
/// `start` comes first, whatever the thread. Then `reload` is for one thread at a time, and what ends the gateway for the one that obeys signals, also while a
/// reload is under way that hangs: what a reload changes belongs to it alone, and `GatewayStatus.commit` says who comes first. Other functions say so. Sendable for
/// the sake of those: they read what is constant, atomic or under a lock, and `workers`, which is complete before any worker serves.
package final class Gateway: @unchecked Sendable {
    /// Why the gateway does not start, or a reload is not taken: each line names what to change.
    package struct Failure: Error, CustomStringConvertible {
        package let lines: [String]
        package var description: String { lines.joined(separator: "\n") }
    }

    let settings: ProcessSettings
    let registries: SnapshotCompiler.Registries
    let status = GatewayStatus()
    private let log: Logger
    private let configurationFile: String
    private let countSource: CountStoreSource
    private let publisher: Publisher
    private(set) var workers: [WorkerMail] = []
    private var threads: EndingThreads
    private var helpers: GatewayHelpers?
    /// Whether the end came without that of every thread: one hangs in what the system does for it, and the process has to end by `_exit`.
    package private(set) var hasLeftThreads = false

    /// - Parameters:
    ///   - configurationFile: named in problems, and the base of relative paths.
    ///   - counts: where ceilings and quotas are kept.
    ///   - callers: where callers are kept that are made at run time.
    ///   - loadTree: reads the configuration; called at the start and at every reload.
    package init(
        settings: ProcessSettings, configurationFile: String, log: Logger, counts: CountStoreSource, callers: CallerStoreSource = .none,
        loadTree: @escaping @Sendable (Problems) -> ConfigurationNode?
    ) {
        self.settings = settings
        self.configurationFile = configurationFile
        self.log = log
        countSource = counts
        registries = SnapshotCompiler.Registries(settings, workers: settings.workers, sharesCeilings: counts.isShared, callers: callers)
        publisher = Publisher(
            settings: settings, configurationFile: configurationFile, registries: registries, status: status, log: log, loadTree: loadTree)
        threads = EndingThreads(log: log)
    }

    // MARK: Start

    /// Starts serving. Returns when every worker has the first snapshot and listens; nothing is left behind by a failure.
    ///
    /// - Parameters:
    ///   - inherited: sockets that listen already; the gateway's from here on.
    ///   - isSuccessor: whether another process serves with them until this one does. Then this one accepts nothing before it has
    ///     every key set, or SLUICE_READY_WAIT_MS have passed: what it would refuse meanwhile, the other one can decide.
    package func start(inherited: [ListeningSocket] = [], isSuccessor: Bool = false) throws(Failure) {
        raiseDescriptorLimit()
        publisher.inherit(inherited)
        try openCallerCounts()
        let plan = try publisher.makePlan()
        let helpers = try GatewayHelpers(
            settings: settings, registries: registries, counts: countSource, log: log,
            addressesChanged: { [weak self] number, addresses in self?.addressesChanged(number, addresses) },
            allowanceChanged: { [weak self] number in self?.workers[number].post { $0.owners.waiters.allowanceChanged() } })
        try helpers.startKeeper()
        self.helpers = helpers
        let opened: [String: [[ListeningSocket]]]
        do {
            try helpers.start()
            try startWorkers(helpers)
            try helpers.startKeySets()
            // Before the listeners are open: who finds them can sign for them.
            publisher.beginReplayProtection()
            status.await(milliseconds: settings.readyWaitMs) { [keySets = registries.keySets] in keySets.hasFirstSets }
            if isSuccessor {
                while status.isAwaiting { Clock.sleep(nanoseconds: 10_000_000) }
            }
            opened = try publisher.putInForce(plan, on: workers, helpers.resolver)
        } catch {
            endThreads()
            throw error as? Failure ?? Failure(lines: ["\(error)"])
        }
        log.notice("serving", metadata: [
            "listeners": "\(plan.listeners.map { $0.name(opened[$0.address]) }.joined(separator: ", "))", "workers": "\(settings.workers)",
            "configuration": "\(configurationFile)",
        ])
    }

    /// The counts of callers go on where an earlier process left them.
    private func openCallerCounts() throws(Failure) {
        guard let path = settings.rateLimitFile else { return }
        do throws(LimitFileError) {
            let isContinued = try registries.callers.keep(in: path, keeper: registries.counts.state)
            log.info(isContinued ? "counts of callers go on" : "counts of callers begin", metadata: ["file": "\(path)"])
        } catch {
            throw Failure(lines: ["SLUICE_RATE_LIMIT_FILE: \(error)"])
        }
    }

    private func startWorkers(_ helpers: GatewayHelpers) throws {
        let bounds = ConnectionBounds(settings, descriptors: Descriptors.limit)
        for number in 0..<settings.workers {
            let worker = try Worker(
                number: number, limits: WorkerLimits(settings), workerCount: settings.workers, bounds: bounds,
                counts: registries.counts, accessLog: helpers.accessLog?.makeBuffer(), remarks: helpers.remarks)
            try worker.startTicking()
            let mail = WorkerMail(worker)
            registries.keySets.setObserver(mail, worker: number)
            workers.append(mail)
            let transferred = UncheckedTransfer(worker)
            try threads.start("sluice-\(number)") { transferred.value.run() }
        }
        registries.preCalls.setWorkers(workers)
        registries.knownCallers.setWorkers(workers)
    }

    /// The descriptor limit decides how many connections there can be: the hard limit is there to be used.
    private func raiseDescriptorLimit() {
        var limits = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0, limits.rlim_cur < limits.rlim_max else { return }
        limits.rlim_cur = limits.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
    }

    // MARK: Check

    /// Finds every problem that a start with this configuration would meet, short of opening sockets.
    package static func check(
        settings: ProcessSettings, problems: Problems, loadTree: (Problems) -> ConfigurationNode?
    ) {
        guard let tree = loadTree(problems) else { return }
        let configuration = GatewayConfiguration.read(tree, problems: problems)
        let compiler = SnapshotCompiler(settings: settings, registries: .init(settings), problems: problems)
        _ = compiler.compile(configuration, generation: 1)
        ConfigurationNotes.add(configuration, to: problems)
        _ = ListenerPlanner(settings: settings, previous: [:], counts: ConnectionCounts()).plan(configuration, problems: problems)
    }

    // MARK: Publication

    private func addressesChanged(_ number: Int, _ addresses: [IPAddress]) {
        for worker in workers { worker.post { $0.updateOrigin(number, addresses) } }
    }

    /// Opens the access log again, after it was rotated. Any thread.
    package func reopenLogs() { helpers?.accessLog?.reopen() }

    /// Reads the configuration again. A configuration with problems changes nothing; the failure says what is wrong with it. Takes as long as the disk does
    /// that its files are on, and may be left alone meanwhile: an end that begins before it is through comes first.
    package func reload() throws(Failure) {
        reopenLogs()
        do throws(Failure) {
            guard let helpers, status.obstacle == nil else { throw Failure(lines: [status.obstacle ?? "the gateway has not started yet"]) }
            try publisher.putInForce(publisher.makePlan(), on: workers, helpers.resolver)
            status.reloaded(true)
            log.notice("reloaded", metadata: ["generation": "\(status.generation)"])
        } catch {
            status.reloaded(false)
            throw error
        }
    }

    // MARK: End

    /// Takes no new connection and lets those under way end, for as long as the drain timeout allows.
    ///
    /// - Parameters:
    ///   - identities: of listening sockets that another process serves from now on, with what waits in them.
    ///   - isHurried: whether to wait no longer; asked ten times a second.
    package func drain(leaving identities: Set<UInt64> = [], unless isHurried: () -> Bool = { false }) {
        // A reload that is being put in force comes before, with its listeners; another does not come at all.
        status.commit { status.draining() }
        log.notice("draining", metadata: ["timeoutMs": "\(settings.drainTimeoutMs)"])
        let left = Countdown(workers.count)
        for worker in workers {
            worker.post { $0.drain(leaving: identities) { left.oneDone() } }
        }
        _ = left.wait(milliseconds: UInt64(settings.drainTimeoutMs), unless: isHurried)
        stop()
    }

    /// Forbids a start that is under way to serve. False if it is too late for that. For the controlling thread.
    package func endBeforeServing() -> Bool {
        status.commit {
            guard status.generation == 0 else { return false }
            status.draining()
            return true
        }
    }

    /// Ends at once, whatever is under way; within `Limits.endMilliseconds`, whatever hangs.
    package func stop() {
        status.commit { status.draining() }
        endThreads()
        log.notice("stopped")
    }

    private func endThreads() {
        let deadline = Clock.monotonicNanoseconds() + Limits.endMilliseconds * 1_000_000
        for worker in workers { worker.post { $0.stop() } }
        if !threads.end(deadline: deadline) { hasLeftThreads = true }
        registries.preCalls.setWorkers([])
        registries.knownCallers.setWorkers([])
        if helpers?.end(deadline: deadline) == false { hasLeftThreads = true }
    }

    // MARK: Counts

    /// Forgets what was used of a quota, or of all of them. Any thread; waits for the store, at most two seconds.
    /// - Returns: what went wrong; nil if nothing did.
    package func resetQuota(_ key: QuotaKey?) -> String? {
        guard hasStarted else { return "the gateway has not started yet" }
        return helpers?.keeper.reset(key).map(\.description)
    }

    /// Every quota with its usage in the present window, in the order of their owners. Any thread.
    package var quotaUsage: [QuotaUsage] { registries.counts.quotas(now: Clock.monotonicNanoseconds()) }

    // MARK: Callers

    /// Does what an operator asks of callers and plans. In force on every worker when it returns. Any thread; waits for the disk.
    package func perform(_ operation: CallerRequest.Operation, _ request: CallerRequest) throws(CallerFault) -> CallerAnswer {
        guard hasStarted else { throw CallerFault(.unavailable, "the gateway has not started yet") }
        return try registries.knownCallers.perform(operation, request)
    }

    /// Takes over what another process has done to callers and plans. In force on every worker when it returns. Any thread; waits for the disk.
    ///
    /// - Returns: what went wrong; nil if nothing did.
    package func followCallers() -> String? {
        guard hasStarted else { return "the gateway has not started yet" }
        return registries.knownCallers.followStore()?.description
    }

    // MARK: Eyes

    /// Whether what `start` sets is there, and stays as it is: the admin listener answers before.
    private var hasStarted: Bool { status.generation > 0 }

    /// Whether one of its listeners has this address. For the controlling thread.
    package func listens(on address: ListenAddress) -> Bool { publisher.opened.contains(address.description) }

    /// Whether every worker serves the current snapshot and none drains. Any thread.
    package var isReady: Bool { status.isReady }

    /// The counters of all workers, summed. Any thread; waits for the workers, at most two seconds.
    package func metrics() -> MetricsReport {
        // Before the counters: a row that is given to another meanwhile is not shown under its name with what it counted before.
        let labels = registries.metrics.labels
        let hasStarted = hasStarted
        let workers = hasStarted ? workers : []
        let accessLog = hasStarted ? helpers?.accessLog : nil
        let collector = MetricsCollector(count: workers.count)
        for worker in workers { worker.post { collector.add(CounterTotals(of: $0)) } }
        collector.wait(milliseconds: 2000)
        return MetricsReport(
            totals: collector.totals, labels: labels,
            ceilings: registries.counts.ceilings(now: Clock.monotonicNanoseconds()),
            quotas: registries.counts.quotas(now: Clock.monotonicNanoseconds()), callers: registries.callers.usage, knownCallers: registries.knownCallers.rows.labels,
            store: KeeperState.counts(registries.counts.state), status: status, workers: workers.count, droppedLines: accessLog?.dropped ?? 0,
            logWriteFailures: accessLog?.writeFailures ?? 0, keySets: registries.keySets.reports)
    }
}
