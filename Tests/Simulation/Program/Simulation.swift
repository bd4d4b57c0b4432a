import CVirtualKernel
import Glibc

/// One run: what its seed makes of configurations, clients, services and clocks, played on one thread in virtual time. What happened is kept for
/// `Judge`, which knows what may have.
final class Simulation {
    /// A configuration and when it was put in force.
    struct Version {
        let plan: Plan
        let from: UInt64
    }

    /// What differs from run to run besides what is random in it.
    struct Conditions {
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
    }

    let seed: UInt64
    private(set) var conditions = Conditions()
    private var random: Random
    private(set) var gateway: SimulatedGateway
    private(set) var versions: [Version] = []
    /// The wall clock less the monotonic one, from each moment on.
    private(set) var wallOffsets: [(from: UInt64, offset: UInt64)] = []
    private(set) var clients: [Client] = []
    private(set) var services: [ServiceConnection] = []
    private(set) var seen: [Seen] = []
    let keys = KeyRing()
    private(set) var maker = RequestMaker()
    private var listening: [Int32] = []
    private var queue: [(time: UInt64, order: Int, act: () -> Void)] = []
    private var order = 0
    private var endsAt: UInt64 = 0
    private(set) var faults: [String] = []
    private(set) var transcript: [String] = []
    private let keepsTranscript: Bool
    /// Which services refuse or swallow connections, and when.
    private(set) var outages: [(service: Int, from: UInt64, to: UInt64)] = []

    init(seed: UInt64, keepsTranscript: Bool = false) throws {
        self.seed = seed
        self.keepsTranscript = keepsTranscript
        random = Random(seed)
        let monotonic: UInt64 = 1_000_000_000_000 + UInt64(random.below(1_000_000_000))
        // Now and then shortly before a window of an hour turns over.
        let wall = 1_900_000_000 + UInt64(random.below(100_000_000))
        vk_begin(seed, monotonic, (random.chance(80) ? wall : wall / 3600 * 3600 - 2) * 1_000_000_000 + UInt64(random.below(1_000_000_000)))
        conditions.workers = random.pick([(6, 1), (2, 2), (1, 3)])
        conditions.horizon = random.pick([(5, 1500), (3, 4000), (1, 9000)])
        conditions.lag = random.pick([(6, (0, 0)), (2, (20, 2_000_000)), (2, (100, 9_000_000)), (1, (5, 200_000_000))])
        conditions.reloads = random.chance(70)
        conditions.steps = random.chance(20)
        conditions.keySetSeconds = random.pick([(2, 300), (2, 1)])
        conditions.room = random.pick([(8, 1 << 18), (2, 900), (1, 100)])
        vk_set_room(conditions.room)
        let conditions = conditions
        gateway = try SimulatedGateway(workers: conditions.workers, settings: [
            "SLUICE_HEAD_TIMEOUT_MS": "1500", "SLUICE_BODY_TIMEOUT_MS": "1500", "SLUICE_WRITE_TIMEOUT_MS": "1500", "SLUICE_IDLE_TIMEOUT_MS": "2500",
            "SLUICE_UPSTREAM_CONNECT_TIMEOUT_MS": "300", "SLUICE_UPSTREAM_IDLE_TIMEOUT_MS": "1500", "SLUICE_MAX_HEAD_BYTES": "8192",
            "SLUICE_MAX_BODY_BYTES": "\(conditions.maxBody)", "SLUICE_EJECT_AFTER_FAILURES": "0", "SLUICE_CIRCUIT_AFTER_FAILURES": "0",
            "SLUICE_RETRY_BUDGET_MIN": "1000", "SLUICE_CLIENT_RATE_MIN": "0",
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
        publish(PlanMaker.make(&random))
        vk_set_lag(Int32(conditions.lag.chance), conditions.lag.most)
        endsAt = vk_now() + UInt64(conditions.horizon) * 1_000_000
        for _ in 0..<random.between(1, 5) { at(random.below(conditions.horizon / 2)) { [unowned self] in clientActs(nil) } }
        if conditions.reloads { for _ in 0..<random.between(1, 4) { at(random.below(conditions.horizon)) { [unowned self] in reload() } } }
        if conditions.steps { at(random.below(conditions.horizon)) { [unowned self] in stepClock() } }
        for _ in 0..<random.below(4) { at(random.below(conditions.horizon)) { [unowned self] in changeKeySet() } }
        for _ in 0..<random.below(3) { at(random.below(conditions.horizon)) { [unowned self] in breakService() } }
        if random.chance(25) { at(random.below(conditions.horizon)) { [unowned self] in burst() } }
        settle()
        while let next = popNext() {
            pass(until: next.time)
            next.act()
            settle()
        }
        end()
    }

    private func at(_ milliseconds: Int, _ act: @escaping () -> Void) { schedule(vk_now() + UInt64(milliseconds) * 1_000_000, act) }

    private func schedule(_ time: UInt64, _ act: @escaping () -> Void) {
        order += 1
        let entry = (time, order, act)
        let place = queue.firstIndex { $0.time < time || $0.time == time && $0.order < order } ?? queue.count
        queue.insert(entry, at: place)
    }

    /// The earliest; the queue is in descending order.
    private func popNext() -> (time: UInt64, order: Int, act: () -> Void)? { queue.popLast() }

    /// Time passes, for a process that runs, in steps of some ticks.
    private func pass(until time: UInt64) {
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

    private func settle() {
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
        for client in clients { client.isDeaf = false }
        for _ in 0..<30 {
            vk_advance(100_000_000)
            settle()
        }
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

    // MARK: The operator

    private func publish(_ plan: Plan) {
        let problems = gateway.publish(plan.text(listeners: World.listeners))
        guard problems.isEmpty else { return faults.append("the configuration is refused: \(problems.joined(separator: "; "))\n\(plan.text(listeners: World.listeners))") }
        versions.append(Version(plan: plan, from: vk_now()))
        log("the configuration is now\n\(plan.text(listeners: World.listeners))")
    }

    private func reload() {
        guard let plan = versions.last?.plan else { return }
        publish(PlanMaker.change(plan, &random))
    }

    private func stepClock() {
        let seconds = random.pick([-100_000, -90, -7, -1, 1, 5, 70, 4000])
        vk_step_wall(Int64(seconds) * 1_000_000_000)
        wallOffsets.append((vk_now(), vk_wall() &- vk_now()))
        log("the wall clock steps by \(seconds) s")
    }

    private func changeKeySet() {
        let name = random.pick(PlanMaker.keySets)
        let answer = random.pick([
            (4, KeyRing.Answer(keys: random.some(KeyRing.ids, percent: 50))), (2, KeyRing.Answer(keys: [])), (2, KeyRing.Answer()),
            (1, KeyRing.Answer(isGarbage: true)), (2, KeyRing.Answer(keys: KeyRing.ids)),
        ])
        keys.set(name, to: answer)
        log("the key set \(name) is now \(answer)")
    }

    private func breakService() {
        let service = random.below(World.serviceCount)
        vk_set_answer(listening[service], random.chance(70) ? VK_REFUSES : VK_IS_SILENT)
        let from = vk_now()
        log("service \(service) takes no connections")
        at(random.between(20, 900)) { [unowned self] in
            vk_set_answer(listening[service], VK_ACCEPTS)
            outages.append((service, from, vk_now()))
            log("service \(service) takes connections again")
        }
    }

    // MARK: Clients

    /// A client does the next thing; nil for one that comes.
    private func clientActs(_ known: Client?) {
        guard vk_now() < endsAt else { return }
        guard let client = known?.isUsable == true ? known : connect() else { return at(random.between(10, 300)) { [unowned self] in clientActs(nil) } }
        switch random.below(100) {
        case 0..<78: sendRequest(client)
        case 78..<82:
            // One behind the other.
            for _ in 0..<random.between(2, 6) { sendRequest(client, isWhole: true) }
        case 82..<86:
            client.finish()
            log("client \(client.number) ends its side")
        case 86..<88:
            client.reset()
            log("client \(client.number) resets")
        case 88..<90:
            client.isDeaf = true
            at(random.between(10, 700)) { client.isDeaf = false }
        case 90..<92: sendGarbage(client)
        default: break
        }
        at(random.pick([(3, 0), (5, random.between(1, 60)), (3, random.between(60, 500)), (1, random.between(500, 1500))])) { [unowned self] in clientActs(client) }
    }

    private func connect() -> Client? {
        let address = random.pick(PlanMaker.clients)
        let descriptor = World.connect(from: address, to: address.contains(":") ? 1 : 0)
        guard descriptor >= 0 else {
            faults.append("the gateway takes no connection")
            return nil
        }
        let client = Client(number: clients.count, descriptor: descriptor, address: address)
        clients.append(client)
        log("client \(client.number) comes from \(address)")
        return client
    }

    private func sendRequest(_ client: Client, isWhole: Bool = false) {
        guard client.isUsable, let plan = (versions.count > 1 && random.chance(15) ? versions[versions.count - 2] : versions.last)?.plan else { return }
        var request = maker.make(plan, wall: Int(vk_wall() / 1_000_000_000), &random)
        request.start = client.sent.count
        log("client \(client.number) sends \(request.id): \(String(decoding: request.bytes.prefix(request.headCount), as: UTF8.self).debugDescription) and \(request.bytes.count - request.headCount) bytes")
        client.requests.append(request)
        guard !isWhole, random.chance(25) else { return client.send(request.bytes[...]) }
        var rest = request.bytes[...]
        while !rest.isEmpty {
            let count = min(rest.count, random.pick([1, 3, 40, 200, 2000]))
            client.send(rest.prefix(count))
            rest = rest.dropFirst(count)
            if random.chance(60) { pass(until: vk_now() + UInt64(random.below(40)) * 1_000_000) } else { settle() }
            if random.chance(10), conditions.reloads, !rest.isEmpty { reload() }
        }
    }

    /// What is no request; whatever follows it is none either.
    private func sendGarbage(_ client: Client) {
        var request = SentRequest(id: 0, method: "GET", target: "/", fields: [])
        request.isMalformed = true
        request.start = client.sent.count
        request.bytes = Array(random.pick([
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /d0/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
        ]).utf8)
        request.headCount = request.bytes.count
        client.requests.append(request)
        log("client \(client.number) sends \(String(decoding: request.bytes, as: UTF8.self).debugDescription)")
        client.send(request.bytes[...])
    }

    /// So many requests at once that ceilings are met.
    private func burst() {
        guard vk_now() < endsAt else { return }
        for _ in 0..<random.between(2, 6) {
            guard let client = connect() else { return }
            for _ in 0..<random.between(3, 15) { sendRequest(client, isWhole: true) }
        }
        if random.chance(70) { at(random.between(700, 1300)) { [unowned self] in burst() } }
    }

    // MARK: Services

    private func acceptServices() {
        for (service, listener) in listening.enumerated() {
            while let descriptor = World.accept(listener) {
                services.append(ServiceConnection(service: service, number: services.count, descriptor: descriptor))
            }
        }
    }

    /// Reads what has come, and has it answered.
    private func serve(_ connection: ServiceConnection) {
        guard !connection.received.isEmpty else { return }
        let reader = MessageReader(requests: connection.received)
        if let fault = reader.fault {
            faults.append("service \(connection.service) gets what is no request (\(fault)): \(String(decoding: connection.received, as: UTF8.self).debugDescription)")
            connection.isOpen = false
            return vk_reset(connection.descriptor)
        }
        for (index, message) in reader.messages.enumerated() {
            if index == connection.seen.count {
                let one = Seen(
                    service: connection.service, connection: connection.number, message: message, headAt: vk_now(),
                    firstByteAt: vk_written_at(connection.descriptor, message.start), isReused: index > 0)
                if index > connection.answered { faults.append("a request on a connection to service \(connection.service) before the response to the one in front of it") }
                var script = ScriptMaker.make(one, &random)
                // Framing by the end of the connection ends it.
                if ScriptMaker.endsByFraming(script, to: message.method), [.keeps, .closesUnsaid].contains(script.ending) { script.ending = .closes }
                one.script = script
                connection.seen.append(one)
                seen.append(one)
                log("service \(one.service), connection \(connection.number), gets \(one.id ?? 0): \(String(decoding: connection.received[message.start..<message.headEnd], as: UTF8.self).debugDescription)")
            }
            let one = connection.seen[index]
            one.message = message
            guard index == connection.answered, let script = one.script, message.isComplete || script.isEarly, one.answeredAt == nil else { continue }
            one.answeredAt = vk_now()
            schedule(vk_now() + script.delay) { [unowned self] in answer(connection, one, script) }
        }
    }

    private func answer(_ connection: ServiceConnection, _ one: Seen, _ script: Script) {
        guard connection.isOpen, script.ending != .silent else { return }
        var bytes = ScriptMaker.bytes(script, to: one.message.method)
        let head = bytes.count - (ScriptMaker.hasBody(script, to: one.message.method) ? bytes.count / 3 : 0)
        switch script.ending {
        case .breaksFirst: bytes = []
        case .breaksHead: bytes = Array(bytes.prefix(12))
        case .breaksBody: bytes = Array(bytes.prefix(max(head - 1, bytes.count - 8)))
        default: break
        }
        log("service \(one.service) says to \(one.id ?? 0): \(String(decoding: bytes.prefix(300), as: UTF8.self).debugDescription)")
        one.sentBytes = bytes.count
        say(connection, one, bytes[...], script)
    }

    private func say(_ connection: ServiceConnection, _ one: Seen, _ bytes: ArraySlice<UInt8>, _ script: Script) {
        guard connection.isOpen else { return }
        guard let pieces = script.pieces, bytes.count > pieces.bytes, bytes.count < pieces.bytes * 60 else {
            connection.outbox += bytes
            switch script.ending {
            case .closes, .closesUnsaid: connection.endsThen = .inOrder
            case .breaksFirst, .breaksHead, .breaksBody, .lies:
                connection.endsThen = .broken
                one.brokeAt = vk_now()
            default: break
            }
            connection.answered += 1
            return connection.pump()
        }
        connection.outbox += bytes.prefix(pieces.bytes)
        connection.pump()
        schedule(vk_now() + pieces.apart) { [unowned self] in say(connection, one, bytes.dropFirst(pieces.bytes), script) }
    }
}
