import CVirtualKernel
import Logging
import SluiceConfiguration
import SluiceCounting
import SluiceCrypto
import SluiceEvent
import SluiceHTTP
import Synchronization

#if DEBUG || SLUICE_TESTABLE
@testable import SluiceGateway

/// The gateway as the simulation sees it: workers whose loops are turned by hand, configurations as text, bytes through sockets. The only file
/// that knows the gateway from inside. What threads of their own do in a process is done here between turns: the keeper of counts, and the fetching
/// of key sets, whose texts come from `keySets`.
final class SimulatedGateway {
    /// What the place of a key set answers at this moment; nil while it is away.
    var loadKeySet: (String) -> String? = { _ in nil }
    /// How long the fetch that begins at this moment takes, in nanoseconds.
    var fetchTakes: () -> UInt64 = { 0 }

    private let settings: ProcessSettings
    private let registries: SnapshotCompiler.Registries
    private let counts = ConnectionCounts()
    private var workers: [Worker] = []
    private let keeper: CountKeeper
    private var opened: Set<String> = []
    private var certificates: [String: TLSServerContext] = [:]
    private var generation = 0
    private var lastKeeperTurn: UInt64 = 0
    private var lastTick: [UInt64] = []
    private final class Told: Sendable { let numbers = Mutex<[Int]>([]) }
    private let told = Told()
    /// Fetches of key sets that are under way, with their ends.
    private var fetches: [(source: KeySetSource, endsAt: UInt64)] = []

    /// - Parameter settings: variables of the process.
    init(workers count: Int, settings variables: [String: String], keySetSeconds: Int) throws {
        var settings = try ProcessSettings(environment: variables)
        settings.workers = count
        settings.keySetRefreshSeconds = keySetSeconds
        self.settings = settings
        registries = SnapshotCompiler.Registries(settings, workers: settings.workers)
        var log = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }
        log.logLevel = .critical
        keeper = CountKeeper(
            source: .memory, registry: registries.counts, whenLate: .refuse, isLocalWhenAway: false, log: log
        ) { [told] number in told.numbers.withLock { $0.append(number) } }
        for number in 0..<settings.workers {
            let worker = try Worker(
                number: number, limits: WorkerLimits(settings), workerCount: settings.workers, bounds: ConnectionBounds(settings, descriptors: 0),
                counts: registries.counts, accessLog: nil)
            workers.append(worker)
            registries.keySets.setObserver(WorkerMail(worker), worker: number)
        }
        registries.preCalls.setWorkers(workers.map { WorkerMail($0) })
        registries.keySets.setRefresher {}
        lastTick = workers.map { _ in vk_now() }
    }

    /// Takes a configuration. Returns what is wrong with it; it then changes nothing.
    func publish(_ text: String) -> [String] {
        vk_gateway_runs(1)
        defer { vk_gateway_runs(0) }
        let problems = Problems(file: "simulation.yaml", environment: [:])
        guard let tree = ConfigurationNode.load(text: text, problems: problems) else { return problems.all.map(\.description) }
        let configuration = GatewayConfiguration.read(tree, problems: problems)
        let compiler = SnapshotCompiler(settings: settings, registries: registries, problems: problems)
        let snapshot = compiler.compile(configuration, generation: generation + 1)
        let plan = ListenerPlanner(settings: settings, previous: certificates, counts: counts).plan(configuration, problems: problems)
        guard let snapshot, !problems.refuseConfiguration else { return problems.all.map(\.description) }
        generation += 1
        _ = registries.replays.putInForce(now: Int64(vk_wall() / 1_000_000_000))
        let addresses = registries.origins.all.compactMap { origin in Self.address(of: origin).map { (origin.number, [$0]) } }
        registries.publish(
            snapshot, plan.plans, open(plan.plans), addresses: Dictionary(uniqueKeysWithValues: addresses), workers: workers.count
        ) { number, publication in workers[number].take(publication) }
        opened = Set(plan.plans.map(\.address))
        certificates = plan.certificates
        keep()
        fetch()
        return []
    }

    /// Sockets of listeners that are new, one for each worker.
    private func open(_ plans: [ListenerPlan]) -> [String: [[ListeningSocket]]] {
        var sockets: [String: [[ListeningSocket]]] = [:]
        for plan in plans where !opened.contains(plan.address) {
            sockets[plan.address] = workers.map { _ in
                guard case .success(let descriptor) = Socket.listen(on: plan.socketAddress, backlog: 64, isFirst: true) else { return [] }
                return [ListeningSocket(descriptor: descriptor, isHeldElsewhere: false)]
            }
        }
        return sockets
    }

    private static func address(of origin: Origin) -> IPAddress? { IPAddress(origin.url.host) }

    /// Takes no connections any more, and ends those that there are.
    func drain() {
        vk_gateway_runs(1)
        defer { vk_gateway_runs(0) }
        for worker in workers { worker.drain(leaving: []) {} }
    }

    // MARK: Turning

    /// Turns one worker's loop once, and does what is due of ticks.
    func turn(_ number: Int) {
        let worker = workers[number]
        vk_gateway_runs(1)
        worker.runTurn(polling: true)
        // The loop's own timer, every 10 ms.
        if vk_now() >= lastTick[number] + 10_000_000 {
            lastTick[number] = vk_now()
            worker.pass(milliseconds: 0)
        }
        vk_gateway_runs(0)
    }

    var workerCount: Int { workers.count }

    /// Whether a worker has left itself something to do.
    func isBusy(_ number: Int) -> Bool { !workers[number].parts.turn.isEmpty }

    /// What the keeper's thread does, at most 150 times a second, and then what the fetcher's does.
    func serve() {
        vk_gateway_runs(1)
        defer { vk_gateway_runs(0) }
        if vk_now() >= lastKeeperTurn + 6_700_000 { keep() }
        fetch()
    }

    private func keep() {
        lastKeeperTurn = vk_now()
        keeper.turn()
        let numbers = told.numbers.withLock { numbers in
            defer { numbers = [] }
            return numbers
        }
        for number in numbers { workers[number].owners.waiters.allowanceChanged() }
    }

    private func fetch() {
        let registry = registries.keySets
        for source in registry.sources where source.begin(now: vk_now()) { fetches.append((source, vk_now() + fetchTakes())) }
        let over = fetches.filter { $0.endsAt <= vk_now() }
        fetches.removeAll { $0.endsAt <= vk_now() }
        for fetch in over {
            registry.fetch(
                fetch.source, interval: registry.settings.refreshNanoseconds, now: vk_now,
                load: { location in
                    guard let text = self.loadKeySet("\(location)") else { return .failure(KeySet.Fault(description: "away")) }
                    return .success(Array(text.utf8))
                }, report: { _, _ in })
        }
    }

    // MARK: The end

    /// What is left when every client and every service has gone and all timeouts are over; empty if all is well.
    func leftovers() -> [String] {
        var found: [String] = []
        for worker in workers {
            let traffic = worker.parts.counters.traffic
            if traffic.downstreamOpen != 0 || worker.parts.clients.live != 0 { found.append("\(traffic.downstreamOpen) client connections are counted as open") }
            if traffic.upstreamOpen != 0 { found.append("\(traffic.upstreamOpen) connections to services are counted as open") }
            if worker.parts.blocks.pointee.taken != 0 || worker.parts.outputs.pointee.taken != 0 { found.append("blocks are not given back") }
            if worker.parts.snapshots.pointee.count != 1 { found.append("\(worker.parts.snapshots.pointee.count) snapshots are held") }
        }
        return found
    }

    /// The counters, as Prometheus text.
    var metrics: String {
        let totals = workers.reduce(into: CounterTotals()) { sum, worker in
            sum.add(CounterTotals(of: worker))
        }
        return MetricsReport(
            totals: totals, labels: registries.metrics.labels, ceilings: [], quotas: [], callers: registries.callers.usage, knownCallers: [:],
            store: KeeperState.counts(registries.counts.state), status: GatewayStatus(), workers: workers.count, droppedLines: 0, logWriteFailures: 0
        ).text
    }

    func close() {
        registries.preCalls.setWorkers([])
        for number in workers.indices { registries.keySets.setObserver(nil, worker: number) }
        for worker in workers { worker.closeEverything() }
    }
}
#else
/// A build that shows tests nothing of the gateway's inside has none to play with.
final class SimulatedGateway {
    struct NotTestable: Error, CustomStringConvertible {
        let description = "build it in debug, or by scripts/simulate"
    }

    var loadKeySet: (String) -> String? = { _ in nil }
    var fetchTakes: () -> UInt64 = { 0 }
    let workerCount = 0

    init(workers: Int, settings: [String: String], keySetSeconds: Int) throws { throw NotTestable() }

    func publish(_ text: String) -> [String] { [] }
    func drain() {}
    func turn(_ number: Int) {}
    func isBusy(_ number: Int) -> Bool { false }
    func serve() {}
    func leftovers() -> [String] { [] }
    func close() {}
}
#endif
