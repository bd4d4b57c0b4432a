import Logging
import SluiceConfiguration
import SluiceCounting
import SluiceEvent
import SluiceHTTP

/// What runs beside the workers, on threads of its own: the resolver of names, the fetches of key sets, the keeper of counts, the access log and the remarks.
///
/// Made, started and ended by the threads that start and end the gateway. Sendable, because what others use of it is constant.
final class GatewayHelpers: @unchecked Sendable {
    let resolver: Resolver
    /// Nil if it is off.
    let accessLog: AccessLog?
    let remarks: RemarkLog
    let keeper: CountKeeper
    private let keySets: KeySetRefresher
    private let callers: CallerWatch
    private let countSource: CountStoreSource
    private var keeperThreads: EndingThreads
    private var threads: EndingThreads

    /// Opens the access log.
    ///
    /// - Parameters:
    ///   - addressesChanged: told of an origin's new addresses, on any thread.
    ///   - allowanceChanged: told that there is news for a worker, by its number, on the keeper's thread.
    init(
        settings: ProcessSettings, registries: SnapshotCompiler.Registries, counts: CountStoreSource, log: Logger,
        addressesChanged: @escaping @Sendable (Int, [IPAddress]) -> Void, allowanceChanged: @escaping @Sendable (Int) -> Void
    ) throws(Gateway.Failure) {
        do throws(AccessLog.OpenError) {
            accessLog = try AccessLog(settings.accessLog)
        } catch {
            throw Gateway.Failure(lines: ["SLUICE_ACCESS_LOG: \(error.message)"])
        }
        resolver = Resolver(refreshSeconds: settings.dnsRefreshSeconds, changed: addressesChanged)
        remarks = RemarkLog(log)
        countSource = counts
        keeper = CountKeeper(
            source: counts, registry: registries.counts, whenLate: settings.quotaAway == .open ? .admit : .refuse,
            isLocalWhenAway: settings.redisAway == .local, log: log,
            accounts: registries.knownCallers, tellWorker: allowanceChanged)
        keySets = KeySetRefresher(registry: registries.keySets) { location, fault in
            if let fault {
                log.error("a key set cannot be fetched; the previous one, if there is one, stays in use: \(fault)", metadata: ["jwks": "\(location)"])
            } else {
                log.notice("a key set can be fetched again", metadata: ["jwks": "\(location)"])
            }
        }
        callers = CallerWatch(registries.knownCallers, log: log)
        keeperThreads = EndingThreads(log: log)
        threads = EndingThreads(log: log)
    }

    /// Opens the store of counts and starts the thread that keeps them. With a store that other nodes share, waits until it has
    /// answered, or cannot be reached: what the node may admit is known only then.
    func startKeeper() throws(Gateway.Failure) {
        do {
            try keeper.open()
            let keeper = keeper
            try keeperThreads.start("sluice-counts") { keeper.run() }
        } catch {
            throw Gateway.Failure(lines: ["\(countSource.name): \(error)"])
        }
        if countSource.isShared { keeper.awaitFirstRound(milliseconds: Limits.firstRoundMilliseconds) }
    }

    /// Starts what workers need from their first moment on.
    func start() throws(SocketError) {
        let (resolver, remarks) = (resolver, remarks)
        try threads.start("sluice-resolver") { resolver.run() }
        if let accessLog { try threads.start("sluice-log") { accessLog.run() } }
        try threads.start("sluice-remarks") { remarks.run() }
        let callers = callers
        try threads.start("sluice-callers") { callers.run() }
    }

    /// Starts the fetches of key sets, whose ends the workers are told of.
    func startKeySets() throws(SocketError) { try keySets.start() }

    /// Ends all of it, once the workers have ended. False if something hangs and goes on.
    func end(deadline: UInt64) -> Bool {
        // First of all: what lies unspent goes back when nobody can spend it any more.
        keeper.stop()
        var haveEnded = keeperThreads.end(deadline: deadline)
        if !keySets.stop(deadline: deadline) { haveEnded = false }
        resolver.stop()
        accessLog?.stop()
        remarks.stop()
        callers.stop()
        if !threads.end(deadline: deadline) { haveEnded = false }
        return haveEnded
    }
}
