import CVirtualKernel

// Clients that speak HTTP/2: a stream for each request, none of which stands in the way of another.

extension Judge {
    /// What a gateway may take to notice something.
    private static let patience: UInt64 = 150_000_000

    /// Whoever is as quick as others for so long is not why a body did not go on.
    private static let bodyPatience: UInt64 = 1_400_000_000

    func judge(_ client: Client, _ http2: ClientHTTP2) {
        differences += http2.faults.map { "client \(client.number): \($0)" }
        checkConnection(client, http2)
        run.log("client \(client.number): the connection is \(client.end) at \(Ledger.shown(client.endedAt == 0 ? vk_now() : client.endedAt)), GOAWAY \(http2.goAways.map { "\($0.last) \($0.code)" }), \(http2.glitches) glitches")
        for stream in http2.streams {
            let request = client.requests[stream.request]
            let readAt = vk_read_at(client.descriptor, request.start + request.headCount - 1)
            let observed = seen[request.id] ?? []
            guard readAt > 0 else {
                if stream.response != nil || !observed.isEmpty { differences.append("request \(request.id) is served before its head was read") }
                continue
            }
            if request.isMalformed || stream.isUnserved {
                let what = request.isMalformed ? "is malformed" : "was never looked at, as the gateway says"
                if stream.response != nil { differences.append("request \(request.id) \(what), and is answered") }
                if !observed.isEmpty { differences.append("request \(request.id) \(what), and reaches a service") }
                if request.isMalformed, !stream.isOver, !isExcused(stream, client, http2) { differences.append("request \(request.id) is malformed, and nothing is said") }
                if stream.isUnserved { checkRefused(stream, client, http2) }
                continue
            }
            // Behind what ends the connection nothing is served that had not begun.
            if let goAway = http2.goAways.last(where: { $0.last != 0x7FFF_FFFF }), stream.number > goAway.last {
                if stream.response != nil || !observed.isEmpty { differences.append("request \(request.id) is served on stream \(stream.number) behind GOAWAY of \(goAway.last)") }
                continue
            }
            let responseAt = stream.response.map { vk_written_at(client.descriptor, $0.start) } ?? 0
            let effects = [responseAt, observed.map(\.firstByteAt).min() ?? 0].filter { $0 > 0 }
            let isExcused = isExcused(stream, client, http2)
            let end = stream.isWhole ? "whole" : stream.resetCode.map { "reset \($0)" } ?? (stream.isCancelled ? "cancelled" : "not whole")
            run.log("request \(request.id): stream \(stream.number), \(end), \(stream.framed) sent, \(stream.credited) credited, \(stream.body.count) left, \(stream.atHand) at hand\(isExcused ? ", excused" : "")")
            if !stream.isOver, !isExcused { differences.append("request \(request.id) on stream \(stream.number) of client \(client.number): its response neither ends nor is cut") }
            if stream.isWhole, let code = stream.resetCode, code != 0 { differences.append("the end of request \(request.id) is asked for with \(code) behind its response") }
            checkCancelled(stream, client, observed)
            judge(Case(
                request: request, client: client, response: stream.response, readAt: readAt, effectAt: effects.min() ?? vk_now(), seen: observed,
                isWhole: stream.hasEnded, isExcused: isExcused || request.hasBadBody && stream.resetCode == 1,
                mayBeSlow: stream.stopsShort || client.wasSlow(max(readAt, responseAt - min(responseAt, Self.bodyPatience)), responseAt) || stream.hadNothing, stream: stream))
        }
    }

    /// Whether the client itself is why a stream was not served to its end.
    private func isExcused(_ stream: ClientStream, _ client: Client, _ http2: ClientHTTP2) -> Bool {
        if stream.isCancelled || http2.garbageAt != nil { return true }
        if let leftAt = client.leftAt, leftAt <= stream.overAt ?? .max, run.stillRuns(at: leftAt) { return true }
        // Who does not read, or writes a head in pieces, for longer than anybody waits loses the connection.
        return client.slowness.contains { min($0.to, vk_now()) - $0.from >= 1_000_000_000 && $0.to >= stream.openedAt } || http2.glitches > 800
    }

    /// What the client wants no more is not waited for: a service that has not answered yet loses the connection.
    private func checkCancelled(_ stream: ClientStream, _ client: Client, _ observed: [Seen]) {
        guard stream.isCancelled, let cancelledAt = stream.overAt else { return }
        let late = cancelledAt + 20_000_000 + 8 * run.conditions.lag.most
        for one in observed where one.service < World.firstPreCallService {
            guard let saidAt = one.saidAt, saidAt > late, !client.wasSlow(cancelledAt, saidAt) else { continue }
            differences.append("service \(one.service) is waited for at \(Ledger.shown(saidAt)), and its client has reset stream \(stream.number) at \(Ledger.shown(cancelledAt))")
        }
    }

    /// REFUSED_STREAM is for what is more than is served at once.
    private func checkRefused(_ stream: ClientStream, _ client: Client, _ http2: ClientHTTP2) {
        guard stream.resetCode == 7, http2.goAways.allSatisfy({ $0.last >= stream.number }) else { return }
        let others = http2.streams.filter { $0.number < stream.number }
        if others.count < run.conditions.streams { differences.append("stream \(stream.number) of client \(client.number) is refused, and \(others.count) were opened before it") }
    }

    /// A response whose end does not come is cut, and for a reason.
    func checkCut(_ response: Message, _ from: Seen, _ one: Case) throws(Difference) {
        guard let stream = one.stream, !response.isComplete, !one.isExcused, let script = from.script else { return }
        guard stream.isCut else { return }
        // A body may turn out to be too large behind a response that has begun.
        let isBroken = [.breaksBody, .breaksHead, .breaksFirst, .lies, .silent].contains(script.ending) || one.request.hasBadBody
            || one.request.body.count > run.conditions.maxBody
        // Whoever waits for long may lose patience with a service.
        let took = (stream.overAt ?? 0) - one.readAt
        // CANCEL is for clients that take nothing: not for one that has read and credited all it got.
        let overAt = stream.overAt ?? 0
        let isQuick = stream.resetCode == 8 && !one.client.wasSlow(overAt - min(overAt, Self.bodyPatience), overAt)
        try require(isBroken || took >= Self.patience && !isQuick, "the response is cut (\(stream.resetCode.map { "reset \($0)" } ?? "end of the connection")), but the service said all of it")
    }

    /// What concerns no single exchange.
    private func checkConnection(_ client: Client, _ http2: ClientHTTP2) {
        let isPlain = http2.garbageAt == nil && !client.hasReset && client.slowness.isEmpty && http2.glitches < 800
        for goAway in http2.goAways where goAway.code != 0 && http2.garbageAt == nil && http2.glitches < 800 {
            differences.append("client \(client.number) is told GOAWAY with \(goAway.code)")
        }
        if http2.garbageAt != nil, client.leftAt == nil, client.end == .open { differences.append("the connection of client \(client.number) goes on behind what is no HTTP/2") }
        let end = client.end == .open ? client.leftAt ?? vk_now() : client.endedAt
        if isPlain, client.end != .reset, client.leftAt == nil {
            // What came shortly before the end may not have been read.
            let read = end - min(end, Self.patience + run.conditions.lag.most * 4)
            if let first = http2.unansweredPings.first, first < read { differences.append("client \(client.number) gets no answer to a PING") }
            let left = http2.uncredited(ofWindow: run.conditions.connectionWindow)
            if http2.open.isEmpty, http2.framedAt < read, left < 0 || left > run.conditions.connectionWindow / 2 + 1 {
                differences.append("client \(client.number) was not credited \(left) bytes of its connection's window")
            }
        }
    }
}
