import CVirtualKernel

/// Holds what a run has brought against what the contract allows. It knows the configurations, what clients sent and services said, and the moments at which
/// bytes passed; of the gateway nothing.
final class Judge {
    let run: Simulation
    var differences: [String] = []
    /// Requests that services got, by the number that they bear.
    var seen: [Int: [Seen]] = [:]
    var ledger = Ledger()

    init(_ run: Simulation) {
        self.run = run
        for one in run.seen { if let id = one.id { seen[id, default: []].append(one) } else { differences.append("a service gets a request without a number") } }
    }

    /// What did not agree.
    func judge() -> [String] {
        for client in run.clients { judge(client) }
        differences += ledger.judge(run)
        return differences
    }

    /// One request with what became of it.
    struct Case {
        let request: SentRequest
        let client: Client
        /// Nil if no final response came.
        var response: Message?
        /// When the gateway had read its head, and when its first doing was seen.
        var readAt: UInt64
        var effectAt: UInt64
        var seen: [Seen]
        var isWhole: Bool
        /// It need not be answered: the client has broken off, or not sent all of it.
        var isExcused: Bool
        /// The client was slow with the rest of the request, or said so.
        var mayBeSlow = true
        /// Where the client speaks HTTP/2.
        var stream: ClientStream?
    }

    private func judge(_ client: Client) {
        if let http2 = client.http2 { return judge(client, http2) }
        let reader = MessageReader(responses: client.received, methods: client.requests.map(\.method), hasEnded: client.end == .ended)
        if let fault = reader.fault {
            return differences.append("client \(client.number) gets what is no response (\(fault)): \(String(decoding: client.received.prefix(2000), as: UTF8.self).debugDescription)")
        }
        var isOver: String?
        var earlierAt = client.openedAt
        if reader.messages.count > client.requests.count { differences.append("client \(client.number) gets more responses than it sent requests") }
        for (index, request) in client.requests.enumerated() {
            let response = index < reader.messages.count && reader.messages[index].status >= 100 ? reader.messages[index] : nil
            let readAt = vk_read_at(client.descriptor, request.start + max(request.headCount, 1) - 1)
            let isWhole = client.sent.count >= request.start + request.bytes.count
            guard readAt > 0 else {
                if response != nil, !request.isMalformed { judgeEarly(client, request, response) }
                continue
            }
            if request.isMalformed {
                if let response, isOver == nil, response.status != 400, response.status != 408 { differences.append("what is no request is answered with \(response.status)") }
                isOver = "what was no request"
                continue
            }
            if let isOver {
                if response != nil { differences.append("request \(request.id) is answered behind \(isOver)") }
                if seen[request.id] != nil { differences.append("request \(request.id) reaches a service behind \(isOver)") }
                continue
            }
            let observed = seen[request.id] ?? []
            let responseAt = response.map { vk_written_at(client.descriptor, $0.start) } ?? 0
            let firstSeen = observed.map(\.firstByteAt).min() ?? 0
            let effects = [responseAt, firstSeen].filter { $0 > 0 }
            let one = Case(
                request: request, client: client, response: response, readAt: max(readAt, earlierAt), effectAt: effects.min() ?? vk_now(), seen: observed, isWhole: isWhole,
                isExcused: !isWhole || client.hasReset && client.end != .reset || isResetForNotReading(client, readAt))
            judge(one)
            if request.hasBadBody { isOver = "a body that was none" }
            if let response {
                earlierAt = max(earlierAt, vk_written_at(client.descriptor, max(response.start, response.end - 1)))
                let closes = response.values("connection").contains { $0.lowercased().contains("close") }
                if closes || response.framing == .untilEnd && response.isComplete && !response.fields.isEmpty && response.end == client.received.count && client.end != .open { isOver = "a response that said it was the last" }
                if !response.isComplete { isOver = "a response that did not end" }
            } else if !client.hasReset {
                // Who has reset reads no further, and may have been answered.
                isOver = "a request without a response"
            }
        }
    }

    /// Who takes nothing of a response for longer than the gateway waits loses the connection, and what was under way on it to the client.
    private func isResetForNotReading(_ client: Client, _ readAt: UInt64) -> Bool {
        client.end == .reset && client.slowness.contains { min($0.to, vk_now()) - $0.from >= 1_000_000_000 && $0.to >= readAt }
    }

    /// Before a head was whole only what is said to slow and malformed ones may be said.
    private func judgeEarly(_ client: Client, _ request: SentRequest, _ response: Message?) {
        guard let response, ![400, 408, 431].contains(response.status) else { return }
        differences.append("request \(request.id) is answered with \(response.status) before its head was read")
    }

    func judge(_ one: Case) {
        run.log("request \(one.request.id): read at \(Ledger.shown(one.readAt)), \(one.response.map { "\($0.status)" } ?? "nothing") said, first seen at \(Ledger.shown(one.effectAt))")
        let versions = run.versions.enumerated().filter { index, version in
            let end = index + 1 < run.versions.count ? run.versions[index + 1].from : UInt64.max
            return version.from <= one.effectAt && end >= one.readAt
        }.map(\.element)
        var faults: [String] = []
        var accounts: [Account] = []
        for version in versions.reversed() {
            do {
                accounts.append(try judge(one, version))
            } catch {
                faults.append(error.description)
            }
        }
        if let first = accounts.first {
            ledger.add(accounts.dropFirst().reduce(first) { $0.alike($1) })
            return
        }
        ledger.isUnsure = true
        let unique = faults.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        differences.append("request \(one.request.id) (client \(one.client.number)): " + unique.joined(separator: "; or, by another configuration: "))
    }

    // MARK: Moments

    /// Seconds of the wall clock between two moments, with the steps that it made.
    func wallSeconds(_ from: UInt64, _ to: UInt64) -> ClosedRange<Int> {
        // A step is noticed at a tick, and a turn may be long.
        let margin = 80_000_000 + run.conditions.lag.most
        let (from, to) = (from - margin, to + margin)
        var values: [Int] = []
        for (index, entry) in run.wallOffsets.enumerated() {
            let end = index + 1 < run.wallOffsets.count ? run.wallOffsets[index + 1].from : UInt64.max
            guard entry.from <= to, end >= from else { continue }
            values.append(Int((max(from, entry.from) &+ entry.offset) / 1_000_000_000))
            values.append(Int((min(to, end) &+ entry.offset) / 1_000_000_000))
        }
        return (values.min() ?? 0)...(values.max() ?? 0)
    }

    /// Key sets that the gateway may have had between two moments: what it was told last, and what it was told meanwhile.
    func keySets(_ from: UInt64, _ to: UInt64) -> [String: [[String]?]] {
        var sets: [String: [[String]?]] = [:]
        for name in PlanMaker.keySets {
            var possible: [[String]?] = [nil]
            var lastAt: UInt64 = 0
            for entry in run.keys.told where entry.name == name && entry.time <= to {
                guard let keys = entry.answer.keys, !entry.answer.isGarbage else { continue }
                if entry.time < from { possible = [keys] } else { possible.append(keys) }
                lastAt = entry.time
            }
            // What no configuration names any more may be forgotten, once whoever fetches it has done so.
            let isForgotten = run.versions.enumerated().contains { index, version in
                let end = index + 1 < run.versions.count ? run.versions[index + 1].from : UInt64.max
                return end >= lastAt && version.from <= to && !version.plan.names(keySet: name)
            }
            if isForgotten { possible.append(nil) }
            sets[name] = possible
        }
        return sets
    }
}
