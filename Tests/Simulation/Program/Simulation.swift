import CVirtualKernel
import Glibc
import SluiceSimulation

/// One run: what its seed makes of configurations, clients, services and clocks, played on one thread in virtual time. What happened is kept for
/// `Judge`, which knows what may have.
final class Simulation {
    /// A configuration and when it was put in force.
    struct Version {
        let plan: Plan
        let from: UInt64
    }

    /// What a run has more of than others, so that faults which need several things at once are met in few runs.
    enum Focus {
        case none
        /// Key sets that change all the time, and tokens by them.
        case keys
        /// A low ceiling, long turns, and a second crowd when the first has been there for a second.
        case ceilings
        /// A low limit of each address, long turns, and a second crowd when the first has been there for the interval.
        case callers
        /// Reloads while requests wait for something.
        case reloads
        /// Questions that are remembered, asked again and again.
        case memory
        /// A domain's quota that refuses most of what an endpoint's, which is charged with all of it, would let pass.
        case quotas
        /// What must not be sent twice, to a service whose kept connections break.
        case repetition
        /// HTTP/2, and bodies in both directions that fill its windows.
        case streams
    }

    /// What differs from run to run besides what is random in it.
    struct Conditions {
        var focus = Focus.none
        var workers = 1
        /// Milliseconds.
        var horizon = 3000
        /// Nanoseconds that may pass at a call of the gateway's, and in how many of 1000.
        var lag: (chance: Int, most: UInt64) = (0, 0)
        var reloads = true
        var steps = false
        var keySetSeconds = 300
        var room = 1 << 18
        var maxBody = 2800
        /// Of the gateway's, in bytes, and how many streams of one connection it serves at once.
        var streamWindow = 65_536
        var connectionWindow = 1_048_576
        var streams = 100
        /// Requests behind which a connection ends; 0: none.
        var requestsPerConnection = 0
        /// The gateway is told to end.
        var drains = false
    }

    let seed: UInt64
    var conditions = Conditions()
    var random: SeededGenerator
    var gateway: SimulatedGateway
    var versions: [Version] = []
    /// The wall clock less the monotonic one, from each moment on.
    var wallOffsets: [(from: UInt64, offset: UInt64)] = []
    var clients: [Client] = []
    var services: [ServiceConnection] = []
    var seen: [Seen] = []
    let keys = KeyRing()
    var maker = RequestMaker()
    var listening: [Int32] = []
    private var queue: [(time: UInt64, order: Int, act: () -> Void)] = []
    private var order = 0
    var endsAt: UInt64 = 0
    /// When whoever was still there had had its time.
    private var overAt = UInt64.max
    /// Whether what a client did at that moment it did by its own will.
    func stillRuns(at time: UInt64) -> Bool { time < overAt }
    /// The gateway was told to end: it takes no connection any more.
    var isDraining = false
    var faults: [String] = []
    private(set) var transcript: [String] = []
    private let keepsTranscript: Bool
    /// Which services refuse or swallow connections, and when.
    var outages: [(service: Int, from: UInt64, to: UInt64)] = []

    init(seed: UInt64, keepsTranscript: Bool = false) throws {
        self.seed = seed
        self.keepsTranscript = keepsTranscript
        random = SeededGenerator(seed: seed)
        let monotonic: UInt64 = 1_000_000_000_000 + UInt64(random.below(1_000_000_000))
        // Now and then shortly before a window of an hour turns over.
        let wall = 1_900_000_000 + UInt64(random.below(100_000_000))
        vk_begin(seed, monotonic, (random.chance(80) ? wall : wall / 3600 * 3600 - 2) * 1_000_000_000 + UInt64(random.below(1_000_000_000)))
        conditions.focus = random.pick([(4, .none), (1, .keys), (1, .ceilings), (1, .callers), (1, .reloads), (1, .memory), (1, .quotas), (1, .repetition), (2, .streams)])
        conditions.workers = random.pick([(6, 1), (2, 2), (1, 3)])
        conditions.horizon = random.pick([(5, 1500), (3, 4000), (1, 9000)])
        conditions.lag = random.pick([(6, (0, 0)), (2, (20, 2_000_000)), (2, (100, 9_000_000)), (1, (5, 200_000_000))])
        conditions.reloads = random.chance(70)
        conditions.steps = random.chance(20)
        conditions.keySetSeconds = random.pick([(2, 300), (2, 1)])
        switch conditions.focus {
        case .none, .repetition: break
        case .streams: conditions.maxBody = 90_000
        case .memory: conditions.horizon = max(conditions.horizon, 4000)
        case .quotas:
            conditions.horizon = max(conditions.horizon, 4000)
            conditions.reloads = false
            conditions.steps = false
        case .keys:
            conditions.horizon = max(conditions.horizon, 4000)
            conditions.keySetSeconds = 1
        case .callers:
            conditions.workers = random.pick([(3, 1), (1, 2)])
            conditions.horizon = 9000
            // Without it, what services get is judged to the nanosecond.
            conditions.lag = random.pick([(3, (0, 0)), (1, (100, 9_000_000)), (1, (300, 20_000_000))])
            conditions.reloads = false
        case .ceilings:
            conditions.workers = random.pick([(3, 1), (1, 2)])
            conditions.horizon = 9000
            conditions.lag = random.pick([(2, (100, 9_000_000)), (1, (300, 20_000_000))])
            conditions.reloads = false
        case .reloads: conditions.reloads = true
        }
        conditions.room = random.pick([(8, 1 << 18), (2, 900), (1, conditions.focus == .streams ? 5000 : 100)])
        conditions.streamWindow = random.pick([(1, 65_536), (1, 16_384)])
        conditions.connectionWindow = random.pick([(1, 1_048_576), (2, 65_535)])
        conditions.streams = random.pick([(4, 100), (1, 3)])
        conditions.requestsPerConnection = random.pick([(6, 0), (1, 5)])
        conditions.drains = random.chance(8)
        vk_set_room(conditions.room)
        let conditions = conditions
        gateway = try SimulatedGateway(workers: conditions.workers, settings: [
            "SLUICE_HEAD_TIMEOUT_MS": "1500", "SLUICE_BODY_TIMEOUT_MS": "1500", "SLUICE_WRITE_TIMEOUT_MS": "1500", "SLUICE_IDLE_TIMEOUT_MS": "2500",
            "SLUICE_UPSTREAM_CONNECT_TIMEOUT_MS": "300", "SLUICE_UPSTREAM_IDLE_TIMEOUT_MS": "1500", "SLUICE_MAX_HEAD_BYTES": "8192",
            "SLUICE_MAX_BODY_BYTES": "\(conditions.maxBody)", "SLUICE_EJECT_AFTER_FAILURES": "0", "SLUICE_CIRCUIT_AFTER_FAILURES": "0",
            "SLUICE_RETRY_BUDGET_MIN": "1000", "SLUICE_CLIENT_RATE_MIN": "0", "SLUICE_HTTP2_MAX_STREAMS": "\(conditions.streams)",
            "SLUICE_HTTP2_STREAM_WINDOW": "\(conditions.streamWindow)", "SLUICE_HTTP2_CONNECTION_WINDOW": "\(conditions.connectionWindow)",
            "SLUICE_REQUESTS_PER_CONNECTION_MAX": "\(conditions.requestsPerConnection)", "SLUICE_RATE_LIMIT_KEYS": "1000",
        ], keySetSeconds: conditions.keySetSeconds)
        wallOffsets.append((0, vk_wall() &- vk_now()))
    }

    // MARK: The run

    /// Plays the run to its end.
    func play() {
        let keys = keys
        gateway.loadKeySet = { [unowned self] location in
            let name = String(location.split(separator: "/").last ?? "")
            log("the gateway asks for key set \(name): \(keys.sets[name].map { "\($0)" } ?? "")")
            return keys.load(name)
        }
        log("\(conditions); the wall clock is \(vk_wall() / 1_000_000) ms")
        for service in 0..<World.serviceCount { listening.append(World.listen(service)) }
        for name in PlanMaker.keySets { keys.set(name, to: KeyRing.Answer(keys: random.some(KeyRing.ids, percent: 70))) }
        gateway.fetchTakes = { [unowned self] in fetchBegins() }
        if conditions.focus == .streams {
            maker.lengths = [0, 1, 400, 12_000, 40_000, 95_000]
            maker.chunkedLengths = [0, 300, 12_000, 40_000, 95_000]
        }
        publish(PlanMaker.make(conditions.focus, &random))
        vk_set_lag(Int32(conditions.lag.chance), conditions.lag.most)
        endsAt = vk_now() + UInt64(conditions.horizon) * 1_000_000
        for _ in 0..<random.between(1, 5) { at(random.below(conditions.horizon / 2)) { [unowned self] in clientActs(nil) } }
        if conditions.reloads { for _ in 0..<random.between(1, 4) { at(random.below(conditions.horizon)) { [unowned self] in reload() } } }
        if conditions.steps { at(random.below(conditions.horizon)) { [unowned self] in stepClock() } }
        for _ in 0..<(conditions.focus == .keys ? 6 : random.below(4)) { at(random.below(conditions.horizon)) { [unowned self] in changeKeySet() } }
        for _ in 0..<random.below(3) { at(random.below(conditions.horizon)) { [unowned self] in breakService() } }
        if random.chance(25) || conditions.focus == .quotas { at(random.below(conditions.horizon / 2)) { [unowned self] in burst() } }
        if conditions.focus == .ceilings || conditions.focus == .callers { for wave in 0..<4 { at(wave * 2300 + random.below(300)) { [unowned self] in crowd() } } }
        if conditions.drains { at(conditions.horizon / 2 + random.below(conditions.horizon / 2)) { [unowned self] in drain() } }
        settle()
        while let next = popNext() {
            pass(until: next.time)
            next.act()
            settle()
        }
        end()
    }

    func at(_ milliseconds: Int, _ act: @escaping () -> Void) { schedule(vk_now() + UInt64(milliseconds) * 1_000_000, act) }

    func schedule(_ time: UInt64, _ act: @escaping () -> Void) {
        order += 1
        let entry = (time, order, act)
        let place = queue.firstIndex { $0.time < time || $0.time == time && $0.order < order } ?? queue.count
        queue.insert(entry, at: place)
    }

    /// The earliest; the queue is in descending order.
    private func popNext() -> (time: UInt64, order: Int, act: () -> Void)? { queue.popLast() }

    /// Time passes, for a process that runs, in steps of some ticks.
    func pass(until time: UInt64) {
        while vk_now() < time {
            let step = UInt64(random.pick([(4, 10), (2, 20), (1, 60)])) * 1_000_000
            vk_advance(min(step, time - vk_now()))
            settle()
        }
    }

    func log(_ text: @autoclosure () -> String) {
        guard keepsTranscript else { return }
        let now = (vk_now() - 1_000_000_000_000) / 1000
        transcript.append("\(now / 1000).\(String(1000 + now % 1000).dropFirst()) \(text())")
    }

    // MARK: Turning

    func settle() {
        var quiet = 0
        var turns = 0
        while quiet < 2 {
            turns += 1
            guard turns < 20_000 else {
                if faults.count < 5 { faults.append("a worker spins") }
                return
            }
            let before = vk_progress()
            let first = random.below(conditions.workers)
            for index in 0..<conditions.workers { gateway.turn((first + index) % conditions.workers) }
            gateway.serve()
            for client in clients { client.pump() }
            acceptServices()
            for service in services where service.isOpen {
                service.pump()
                serve(service)
            }
            let isBusy = (0..<conditions.workers).contains { gateway.isBusy($0) }
            quiet = before == vk_progress() && !isBusy ? quiet + 1 : 0
        }
    }

    private func end() {
        vk_set_lag(0, 0)
        // Whoever is still there has its time, then goes.
        for client in clients {
            client.isDeaf = false
            client.http2?.credit()
        }
        for _ in 0..<30 {
            vk_advance(100_000_000)
            settle()
        }
        overAt = vk_now()
        for client in clients where !client.hasReset && client.end == .open { client.finish() }
        settle()
        for client in clients where client.end == .open { client.reset() }
        settle()
        for _ in 0..<20 {
            vk_advance(200_000_000)
            settle()
        }
        for service in services where service.isOpen {
            service.isOpen = false
            vk_reset(service.descriptor)
        }
        settle()
        for left in gateway.leftovers() { faults.append(left) }
        var kinds: Int32 = 0
        let open = vk_open_by_gateway(&kinds)
        if open > 0 { faults.append("\(open) sockets of the gateway's are still open (\(kinds))") }
        gateway.close()
    }
}
