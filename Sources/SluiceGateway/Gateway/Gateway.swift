import Glibc
package import Logging
package import SluiceConfiguration
package import SluiceCounting
import SluiceCrypto
import SluiceEvent
import SluiceHTTP
import Synchronization

/// The gateway: workers, what they share, and the control of both.
///
/// `start` comes first, whatever the thread. Then `reload` is for one thread at a time, and what ends the gateway for the one that obeys signals, also while a
/// reload is under way that hangs: what a reload changes belongs to it alone, and `commitment` says who comes first. Other functions say so. Sendable for
/// the sake of those: they read what is constant, atomic or under a lock, and `workers`, which is complete before any worker serves.
package final class Gateway: @unchecked Sendable {
    /// Why the gateway does not start, or a reload is not taken: each line names what to change.
    package struct Failure: Error, CustomStringConvertible {
        package let lines: [String]
        package var description: String { lines.joined(separator: "\n") }
    }

    let settings: ProcessSettings
    let registries: SnapshotCompiler.Registries
    private let log: Logger
    private let configurationFile: String
    private let loadTree: @Sendable (Problems) -> ConfigurationNode?
    private(set) var workers: [WorkerMail] = []
    private var sockets: ListeningSockets
    private var threads: [Thread] = []
    private var helperThreads: [Thread] = []
    private var keeperThread: Thread?
    private var accessLog: AccessLog?
    private let remarks: RemarkLog
    private var resolver: Resolver?
    private let keySets: KeySetRefresher
    private let countSource: CountStoreSource
    private var keeper: CountKeeper?
    private var opened: Set<String> = []
    private var certificates: [String: TLSServerContext] = [:]
    private let connectionCounts = ConnectionCounts()
    /// Held while a configuration is put in force, for a second at most (`beginReplayProtection`); and by whoever wants that to come
    /// before, or not at all: the end, and a hand-over of the sockets.
    let commitment = Mutex<Void>(())
    /// Whether the end came without that of every thread: one hangs in what the system does for it, and the process has to end by `_exit`.
    package private(set) var hasLeftThreads = false
    let status = GatewayStatus()

    /// - Parameters:
    ///   - configurationFile: named in problems, and the base of relative paths.
    ///   - counts: where ceilings and quotas are kept.
    ///   - loadTree: reads the configuration; called at the start and at every reload.
    package init(
        settings: ProcessSettings, configurationFile: String, log: Logger, counts: CountStoreSource,
        loadTree: @escaping @Sendable (Problems) -> ConfigurationNode?
    ) {
        self.settings = settings
        self.configurationFile = configurationFile
        self.log = log
        remarks = RemarkLog(log)
        self.loadTree = loadTree
        sockets = ListeningSockets(workers: settings.workers, backlog: Int32(settings.listenBacklog))
        countSource = counts
        registries = SnapshotCompiler.Registries(settings, workers: settings.workers, sharesCeilings: counts.isShared)
        keySets = KeySetRefresher(registry: registries.keySets) { location, fault in
            if let fault {
                log.error("a key set cannot be fetched; the previous one, if there is one, stays in use: \(fault)", metadata: ["jwks": "\(location)"])
            } else {
                log.notice("a key set can be fetched again", metadata: ["jwks": "\(location)"])
            }
        }
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
        sockets.inherit(inherited)
        let plan = try makePlan()
        do throws(AccessLog.OpenError) {
            accessLog = try AccessLog(settings.accessLog)
        } catch {
            throw Failure(lines: ["SLUICE_ACCESS_LOG: \(error.message)"])
        }
        try startKeeper()
        let opened: [String: [[ListeningSocket]]]
        do {
            try startThreads()
            // Before the listeners are open: who finds them can sign for them.
            beginReplayProtection()
            status.await(milliseconds: settings.readyWaitMs) { [keySets = registries.keySets] in keySets.hasFirstSets }
            if isSuccessor {
                while status.isAwaiting { Clock.sleep(nanoseconds: 10_000_000) }
            }
            opened = try putInForce(plan)
        } catch {
            endThreads()
            throw error as? Failure ?? Failure(lines: ["\(error)"])
        }
        log.notice("serving", metadata: [
            "listeners": "\(plan.listeners.map { $0.name(opened[$0.address]) }.joined(separator: ", "))", "workers": "\(settings.workers)",
            "configuration": "\(configurationFile)",
        ])
    }

    private func startThreads() throws {
        let resolver = Resolver(refreshSeconds: settings.dnsRefreshSeconds) { [weak self] number, addresses in
            self?.addressesChanged(number, addresses)
        }
        self.resolver = resolver
        helperThreads.append(try Thread(name: "sluice-resolver") { resolver.run() })
        if let accessLog { helperThreads.append(try Thread(name: "sluice-log") { accessLog.run() }) }
        let remarks = remarks
        helperThreads.append(try Thread(name: "sluice-remarks") { remarks.run() })
        let bounds = ConnectionBounds(settings, descriptors: Descriptors.limit)
        for number in 0..<settings.workers {
            let worker = try Worker(
                number: number, limits: WorkerLimits(settings), workerCount: settings.workers, bounds: bounds,
                counts: registries.counts, accessLog: accessLog?.makeBuffer(), remarks: remarks)
            try worker.startTicking()
            let mail = WorkerMail(worker)
            registries.keySets.setObserver(mail, worker: number)
            workers.append(mail)
            let transferred = UncheckedTransfer(worker)
            threads.append(try Thread(name: "sluice-\(number)") { transferred.value.run() })
        }
        registries.preCalls.setWorkers(workers)
        try keySets.start()
    }

    /// Opens the store of counts and starts the thread that keeps them. With a store that other nodes share, waits until it has
    /// answered, or cannot be reached: what the node may admit is known only then.
    private func startKeeper() throws(Failure) {
        let keeper = CountKeeper(
            source: countSource, registry: registries.counts, whenLate: settings.quotaAway == .open ? .admit : .refuse,
            isLocalWhenAway: settings.redisAway == .local, log: log
        ) { [weak self] number in
            self?.workers[number].post { $0.allowanceChanged() }
        }
        do {
            try keeper.open()
            keeperThread = try Thread(name: "sluice-counts") { keeper.run() }
        } catch {
            throw Failure(lines: ["\(countSource.name): \(error)"])
        }
        self.keeper = keeper
        if countSource.isShared { keeper.awaitFirstRound(milliseconds: Limits.firstRoundMilliseconds) }
    }

    private func stopKeeper(deadline: UInt64) {
        keeper?.stop()
        if let keeperThread { end(keeperThread, deadline) }
        keeperThread = nil
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

    /// A configuration that was read, compiled and found good.
    private struct Plan {
        let snapshot: Snapshot
        let listeners: [ListenerPlan]
        let certificates: [String: TLSServerContext]
    }

    private func makePlan() throws(Failure) -> Plan {
        let problems = Problems(file: configurationFile)
        guard let tree = loadTree(problems) else { throw Failure(lines: problems.all.map(\.description)) }
        let configuration = GatewayConfiguration.read(tree, problems: problems)
        let compiler = SnapshotCompiler(settings: settings, registries: registries, problems: problems)
        let snapshot = compiler.compile(configuration, generation: status.generation + 1)
        let listeners = ListenerPlanner(settings: settings, previous: certificates, counts: connectionCounts).plan(configuration, problems: problems)
        guard let snapshot, !problems.refuseConfiguration else { throw Failure(lines: problems.all.map(\.description)) }
        for problem in problems.all { log.log(level: problem.isNote ? .info : .warning, "\(problem)") }
        return Plan(snapshot: snapshot, listeners: listeners.plans, certificates: listeners.certificates)
    }

    /// Sockets for every listener that is new.
    private func openSockets(_ plans: [ListenerPlan]) throws(Failure) -> [String: [[ListeningSocket]]] {
        do throws(ListeningSockets.OpenError) {
            return try sockets.open(plans.filter { !opened.contains($0.address) })
        } catch {
            throw Failure(lines: [error.description])
        }
    }

    private func releaseUnusedSockets(_ plans: [ListenerPlan]) {
        for socket in sockets.releaseUnused(plans) {
            guard let address = socket.address else { continue }
            log.warning("no listener uses an inherited socket", metadata: ["address": "\(address.ip)", "port": "\(address.port)"])
        }
    }

    /// Puts the compiled policies' memory of signatures in force. A table that begins anew refuses all of the second in which it
    /// begins; it is awaited here, at most a second, so that nobody is refused who signs for the configuration that is about to serve.
    private func beginReplayProtection() {
        let began = Clock.wallNanoseconds() / 1_000_000_000
        let count = registries.replays.putInForce(now: Int64(began))
        guard count > 0 else { return }
        let patience = Clock.monotonicNanoseconds() + 1_000_000_000
        while Clock.wallNanoseconds() / 1_000_000_000 == began, Clock.monotonicNanoseconds() < patience {
            Clock.sleep(nanoseconds: min(50_000_000, 1_000_000_000 - Clock.wallNanoseconds() % 1_000_000_000))
        }
        let began8601 = HMAC.Signer.timestamp(at: Int64(began))
        log.notice("replay protection starts now: signatures made until this second are refused", metadata: [
            "secrets": "\(count)", "second": "\(began8601)",
        ])
    }

    /// Opens the sockets of new listeners, makes the plan that of every worker, and waits until they have it. Not once the end has begun, or a new process has
    /// the sockets.
    ///
    /// - Returns: the sockets that were opened, by the listener's address.
    @discardableResult
    private func putInForce(_ plan: Plan) throws(Failure) -> [String: [[ListeningSocket]]] {
        let origins = registries.origins.all.filter { plan.snapshot.originNumbers.contains($0.number) }
        // May take seconds, and so comes before the lock.
        resolver?.prepare(origins, waitingMilliseconds: 3000)
        var opened: [String: [[ListeningSocket]]] = [:]
        do throws(Failure) {
            try commitment.withLock { _ throws(Failure) in
                if let obstacle = status.obstacle { throw Failure(lines: [obstacle]) }
                opened = try openSockets(plan.listeners)
                resolver?.use(origins)
                beginReplayProtection()
                publish(plan, opened)
            }
        } catch {
            resolver?.use(nil)
            throw error
        }
        status.awaitTaken(milliseconds: 5000)
        releaseUnusedSockets(plan.listeners)
        return opened
    }

    private func publish(_ plan: Plan, _ sockets: [String: [[ListeningSocket]]]) {
        let addresses = resolver?.addresses ?? [:]
        status.publishing(plan.snapshot.generation, workers: workers.count)
        registries.publish(plan.snapshot, plan.listeners, sockets, addresses: addresses, workers: workers.count) { number, publication in
            let status = status
            workers[number].post { worker in
                worker.take(publication)
                status.taken(publication.snapshot.generation)
            }
        }
        resolver?.tellChanges(since: addresses)
        opened = Set(plan.listeners.map(\.address))
        certificates = plan.certificates
    }

    private func addressesChanged(_ number: Int, _ addresses: [IPAddress]) {
        for worker in workers { worker.post { $0.updateOrigin(number, addresses) } }
    }

    /// Opens the access log again, after it was rotated. Any thread.
    package func reopenLogs() { accessLog?.reopen() }

    /// Reads the configuration again. A configuration with problems changes nothing; the failure says what is wrong with it. Takes as long as the disk does
    /// that its files are on, and may be left alone meanwhile: an end that begins before it is through comes first.
    package func reload() throws(Failure) {
        reopenLogs()
        do throws(Failure) {
            if let obstacle = status.obstacle { throw Failure(lines: [obstacle]) }
            try putInForce(makePlan())
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
        commitment.withLock { _ in status.draining() }
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
        commitment.withLock { _ in
            guard status.generation == 0 else { return false }
            status.draining()
            return true
        }
    }

    /// Ends at once, whatever is under way; within `Limits.endMilliseconds`, whatever hangs.
    package func stop() {
        commitment.withLock { _ in status.draining() }
        endThreads()
        log.notice("stopped")
    }

    private func endThreads() {
        let deadline = Clock.monotonicNanoseconds() + Limits.endMilliseconds * 1_000_000
        for worker in workers { worker.post { $0.stop() } }
        for thread in threads { end(thread, deadline) }
        registries.preCalls.setWorkers([])
        // Last of all that counts: what lies unspent goes back when nobody can spend it any more.
        stopKeeper(deadline: deadline)
        if !keySets.stop(deadline: deadline) { hasLeftThreads = true }
        resolver?.stop()
        accessLog?.stop()
        remarks.stop()
        for thread in helperThreads { end(thread, deadline) }
        threads = []
        helperThreads = []
    }

    private func end(_ thread: Thread, _ deadline: UInt64) {
        guard !thread.join(deadline: deadline) else { return }
        hasLeftThreads = true
        log.error("a thread does not end; the process ends without it", metadata: ["thread": "\(thread.name)"])
    }

    // MARK: Counts

    /// Forgets what was used of a quota, or of all of them. Any thread; waits for the store, at most two seconds.
    /// - Returns: what went wrong; nil if nothing did.
    package func resetQuota(_ key: QuotaKey?) -> String? {
        guard hasStarted else { return "the gateway has not started yet" }
        return keeper?.reset(key).map(\.description)
    }

    /// Every quota with its usage in the present window, in the order of their owners. Any thread.
    package var quotaUsage: [QuotaUsage] { registries.counts.quotas(now: Clock.monotonicNanoseconds()) }

    // MARK: Eyes

    /// Whether what `start` sets is there, and stays as it is: the admin listener answers before.
    private var hasStarted: Bool { status.generation > 0 }

    /// Whether one of its listeners has this address. For the controlling thread.
    package func listens(on address: ListenAddress) -> Bool { opened.contains(address.description) }

    /// Whether every worker serves the current snapshot and none drains. Any thread.
    package var isReady: Bool { status.isReady }

    /// The counters of all workers, summed. Any thread; waits for the workers, at most two seconds.
    package func metrics() -> MetricsReport {
        // Before the counters: a row that is given to another meanwhile is not shown under its name with what it counted before.
        let labels = registries.metrics.labels
        let hasStarted = hasStarted
        let workers = hasStarted ? workers : []
        let accessLog = hasStarted ? accessLog : nil
        let collector = MetricsCollector(count: workers.count)
        for worker in workers { worker.post { collector.add(CounterTotals(of: $0)) } }
        collector.wait(milliseconds: 2000)
        return MetricsReport(
            totals: collector.totals, labels: labels,
            ceilings: registries.counts.ceilings(now: Clock.monotonicNanoseconds()),
            quotas: registries.counts.quotas(now: Clock.monotonicNanoseconds()), store: KeeperState.counts(registries.counts.state),
            status: status, workers: workers.count, droppedLines: accessLog?.dropped ?? 0,
            logWriteFailures: accessLog?.writeFailures ?? 0)
    }
}
