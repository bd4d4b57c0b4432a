import Logging
import SluiceCallers
import SluiceConfiguration
import SluiceCrypto
import SluiceEvent

/// Puts configurations in force: reads and compiles them, has the sockets of their listeners, and hands what comes of it to the workers.
///
/// For the thread that starts the gateway, and then for the one that reloads it.
final class Publisher {
    /// A configuration that was read, compiled and found good.
    struct Plan {
        let snapshot: Snapshot
        let listeners: [ListenerPlan]
        let certificates: [String: TLSServerContext]
    }

    private let settings: ProcessSettings
    private let registries: SnapshotCompiler.Registries
    private let status: GatewayStatus
    private let log: Logger
    private let configurationFile: String
    private let loadTree: @Sendable (Problems) -> ConfigurationNode?
    private var sockets: ListeningSockets
    /// Addresses of the listeners in force.
    private(set) var opened: Set<String> = []
    private var certificates: [String: TLSServerContext] = [:]
    private let connectionCounts = ConnectionCounts()

    init(
        settings: ProcessSettings, configurationFile: String, registries: SnapshotCompiler.Registries, status: GatewayStatus, log: Logger,
        loadTree: @escaping @Sendable (Problems) -> ConfigurationNode?
    ) {
        self.settings = settings
        self.configurationFile = configurationFile
        self.registries = registries
        self.status = status
        self.log = log
        self.loadTree = loadTree
        sockets = ListeningSockets(workers: settings.workers, backlog: Int32(settings.listenBacklog))
    }

    /// Sockets that listen already, for listeners of the configurations to come.
    func inherit(_ inherited: [ListeningSocket]) { sockets.inherit(inherited) }

    func makePlan() throws(Gateway.Failure) -> Plan {
        let problems = Problems(file: configurationFile)
        guard let tree = loadTree(problems) else { throw Gateway.Failure(lines: problems.all.map(\.description)) }
        let configuration = GatewayConfiguration.read(tree, problems: problems)
        let compiler = SnapshotCompiler(settings: settings, registries: registries, problems: problems)
        let snapshot = compiler.compile(configuration, generation: status.generation + 1)
        let listeners = ListenerPlanner(settings: settings, previous: certificates, counts: connectionCounts).plan(configuration, problems: problems)
        guard let snapshot, !problems.refuseConfiguration else { throw Gateway.Failure(lines: problems.all.map(\.description)) }
        do throws(CallerStoreError) {
            try registries.knownCallers.prepare()
        } catch {
            throw Gateway.Failure(lines: [error.description])
        }
        for problem in problems.all { log.log(level: problem.isNote ? .info : .warning, "\(problem)") }
        return Plan(snapshot: snapshot, listeners: listeners.plans, certificates: listeners.certificates)
    }

    /// Opens the sockets of new listeners, makes the plan that of every worker, and waits until they have it. Not once the end has begun, or a new process has
    /// the sockets.
    ///
    /// - Returns: the sockets that were opened, by the listener's address.
    @discardableResult
    func putInForce(_ plan: Plan, on workers: [WorkerMail], _ resolver: Resolver) throws(Gateway.Failure) -> [String: [[ListeningSocket]]] {
        let origins = registries.origins.all.filter { plan.snapshot.originNumbers.contains($0.number) }
        // May take seconds, and so comes before the lock.
        resolver.prepare(origins, waitingMilliseconds: 3000)
        var opened: [String: [[ListeningSocket]]] = [:]
        do throws(Gateway.Failure) {
            try status.commit { () throws(Gateway.Failure) in
                if let obstacle = status.obstacle { throw Gateway.Failure(lines: [obstacle]) }
                opened = try openSockets(plan.listeners)
                resolver.use(origins)
                beginReplayProtection()
                publish(plan, opened, workers, resolver)
            }
        } catch {
            resolver.use(nil)
            throw error
        }
        status.awaitTaken(milliseconds: 5000)
        releaseUnusedSockets(plan.listeners)
        return opened
    }

    /// Sockets for every listener that is new.
    private func openSockets(_ plans: [ListenerPlan]) throws(Gateway.Failure) -> [String: [[ListeningSocket]]] {
        do throws(ListeningSockets.OpenError) {
            return try sockets.open(plans.filter { !opened.contains($0.address) })
        } catch {
            throw Gateway.Failure(lines: [error.description])
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
    func beginReplayProtection() {
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

    private func publish(_ plan: Plan, _ sockets: [String: [[ListeningSocket]]], _ workers: [WorkerMail], _ resolver: Resolver) {
        let addresses = resolver.addresses
        status.publishing(plan.snapshot.generation, workers: workers.count)
        let fault = registries.publish(plan.snapshot, plan.listeners, sockets, addresses: addresses, workers: workers.count) { number, publication in
            let status = status
            workers[number].post { worker in
                worker.take(publication)
                status.taken(publication.snapshot.generation)
            }
        }
        if let fault { log.error("callers cannot be read; those who were known before are", metadata: ["reason": "\(fault)"]) }
        resolver.tellChanges(since: addresses)
        opened = Set(plan.listeners.map(\.address))
        certificates = plan.certificates
    }
}
