import CVirtualKernel
import SluiceSimulation

// What clients do.

extension Simulation {
    /// A client does the next thing; nil for one that comes.
    func clientActs(_ known: Client?) {
        guard vk_now() < endsAt else { return }
        guard let client = known?.isUsable == true ? known : connect() else { return at(random.between(10, 300)) { [unowned self] in clientActs(nil) } }
        guard client.http2 == nil else {
            multiplexedActs(client)
            return at(random.pick([(4, 0), (6, random.between(1, 60)), (2, random.between(60, 500)), (1, random.between(500, 1500))])) { [unowned self] in clientActs(client) }
        }
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

    func connect() -> Client? {
        let address = random.pick(PlanMaker.clients)
        let isMultiplexed = random.chance(conditions.focus == .streams ? 85 : 33)
        let listener = address.contains(":") ? 1 : isMultiplexed || random.chance(30) ? 2 : 0
        guard !isDraining else { return nil }
        let descriptor = World.connect(from: address, to: listener)
        guard descriptor >= 0 else {
            faults.append("the gateway takes no connection")
            return nil
        }
        let client = Client(number: clients.count, descriptor: descriptor, address: address)
        clients.append(client)
        log("client \(client.number) comes from \(address)\(isMultiplexed ? " and speaks HTTP/2" : "")")
        if isMultiplexed { beginMultiplexing(client) }
        return client
    }

    func sendRequest(_ client: Client, isWhole: Bool = false) {
        guard client.http2 == nil else { return sendStream(client, isWhole: isWhole) }
        guard client.isUsable, let plan = (versions.count > 1 && random.chance(15) ? versions[versions.count - 2] : versions.last)?.plan else { return }
        var request = maker.make(plan, wall: Int(vk_wall() / 1_000_000_000), &random)
        request.start = client.sent.count
        log("client \(client.number) sends \(request.id): \(String(decoding: request.bytes.prefix(request.headCount), as: UTF8.self).debugDescription) and \(request.bytes.count - request.headCount) bytes")
        client.requests.append(request)
        guard !isWhole, random.chance(25) else {
            client.send(request.bytes[...])
            return reloadBehindRequest()
        }
        var rest = request.bytes[...]
        while !rest.isEmpty {
            let count = min(rest.count, random.pick([1, 3, 40, 200, 2000]))
            client.send(rest.prefix(count))
            rest = rest.dropFirst(count)
            if random.chance(60) { pass(until: vk_now() + UInt64(random.below(40)) * 1_000_000) } else { settle() }
            if random.chance(10), conditions.reloads, !rest.isEmpty { reload() }
        }
    }

    /// Of what comes to wait for something, much finds another configuration in force when it goes on.
    func reloadBehindRequest() {
        guard conditions.reloads, random.chance(conditions.focus == .reloads ? 25 : 3) else { return }
        settle()
        for _ in 0..<random.between(1, 2) {
            reload()
            if random.chance(50), let other = connect() { sendRequest(other, isWhole: true) }
            settle()
        }
    }

    /// What is not a request; whatever follows it is none either.
    func sendGarbage(_ client: Client) {
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

    /// As many requests in one turn as the ceiling of project p lets pass, and, when a second is nearly over, others all the time until it is
    /// over for certain: what the first crowd's turn took is what the ceiling may be passed by.
    func crowd() {
        guard vk_now() < endsAt, let plan = versions.last?.plan, let ceiling = plan.projects["p"] else { return }
        let limit = conditions.focus == .callers ? 12 * (plan.domains.first?.callers?.limit ?? 1) : ceiling
        let first = (0..<min(40, limit + random.below(4))).compactMap { _ in connect() }
        settle()
        let began = vk_now()
        for client in first { sendRequest(client, isWhole: true) }
        settle()
        for step in 0..<30 {
            schedule(began + UInt64(960 + step * 5) * 1_000_000) { [unowned self] in
                for _ in 0..<random.between(1, 3) { if let client = connect() { sendRequest(client, isWhole: true) } }
            }
        }
    }

    /// So many requests at once that ceilings are met.
    func burst() {
        guard vk_now() < endsAt else { return }
        for _ in 0..<random.between(2, 6) {
            guard let client = connect() else { return }
            for _ in 0..<random.between(3, 15) { sendRequest(client, isWhole: true) }
        }
        if random.chance(70) { at(random.between(700, 1300)) { [unowned self] in burst() } }
    }
}
