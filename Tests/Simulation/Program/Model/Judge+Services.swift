import CVirtualKernel

// What services got, and what of their answers came to the client.

extension Judge {
    private static let slack: UInt64 = 30_000_000

    /// The pre-call's part. True if the request ends with it.
    func asked(_ one: Case, _ walk: Walk, _ version: Simulation.Version, _ preCall: Plan.PreCall, _ account: inout Account) throws(Difference) -> Bool {
        let asks = one.seen.filter { $0.service >= World.firstPreCallService }
        let goesOn = one.seen.contains { $0.service < World.firstPreCallService }
        for (index, ask) in asks.enumerated() {
            try require(ask.service == preCall.service && ask.message.method == preCall.method && ask.message.target == preCall.path, "the pre-call is \(ask.message.startLine)")
            try require(ask.message.body.isEmpty && ask.message.framing != .chunked, "a pre-call has a body")
            try Forwarding.check(ask.message.fields, Forwarding.toPreCall(one.request, walk), except: Forwarding.asserted.union(["x-user", "forwarded", "x-real-ip"]), "the pre-call API")
            try checkAsserted(ask.message, one, walk, host: World.serviceAddress(ask.service))
            if index > 0 { try checkRepeated(asks[index - 1], method: preCall.method) }
        }
        try require(asks.count <= 2, "a pre-call is made \(asks.count) times")
        if one.request.hasBadBody, try isRefusal(one, .malformed) {
            if !asks.isEmpty { account.question = question(one, walk, version, preCall, isAsked: true) }
            return true
        }
        let isFailure = try isRefusal(one, .preCall)
        guard let last = asks.last else {
            if isFailure {
                try require(isAway(preCall.service, one) || waited(one, preCall.timeoutMs), "20008 is said, though nothing was wrong")
                try finish(one, walk)
                return true
            }
            guard goesOn || one.response != nil else { return true }
            try require(preCall.cacheSeconds > 0, "it passes without the pre-call")
            // Where it is open which fields pass, it is open which question it was.
            if Forwarding.toPreCall(one.request, walk).possible.isEmpty { account.question = question(one, walk, version, preCall, isAsked: false) }
            return false
        }
        guard let script = last.script else { return true }
        if isFailure {
            let isBroken = [.breaksFirst, .breaksHead, .lies, .silent].contains(script.ending) || script.ending == .breaksBody && script.status != 200
            try require(isBroken || waited(one, preCall.timeoutMs) || last.isReused || isAway(preCall.service, one), "20008 is said, though the pre-call API said \(script.status)")
            try finish(one, walk)
            return true
        }
        if script.status == 200, ![.breaksFirst, .breaksHead, .lies, .silent].contains(script.ending) {
            account.question = question(one, walk, version, preCall, isAsked: true)
            return false
        }
        try require(!goesOn, "it passes, though the pre-call API said \(script.status) (\(script.ending))")
        guard let response = one.response else {
            try excuse(one)
            return true
        }
        try require(![.breaksFirst, .breaksHead, .lies, .silent].contains(script.ending), "\(said(one)), though the pre-call API \(script.ending)")
        try check(response, last, one, walk, isPreCall: true)
        return true
    }

    func question(_ one: Case, _ walk: Walk, _ version: Simulation.Version, _ preCall: Plan.PreCall, isAsked: Bool) -> Ledger.Question {
        let answered = one.seen.last { $0.service >= World.firstPreCallService }
        let sent = Forwarding.toPreCall(one.request, walk)
        var fields = sent.certain + sent.possible.filter { answered?.message.fields.contains($0) ?? false }
        var key = "\(preCall.method) \(preCall.service) \(preCall.path)"
        if let names = preCall.cacheKey {
            fields = fields.filter { field in names.contains { $0.lowercased() == field.key } }
        } else {
            key += " \(one.client.address) \(one.request.host) \(walk.isTrustedPeer ? one.request.values("x-forwarded-for") : [])"
        }
        for field in fields.sorted(by: { ($0.key, $0.value) < ($1.key, $1.value) }) { key += "\n\(field.key): \(field.value)" }
        let asks = one.seen.filter { $0.service >= World.firstPreCallService }
        return Ledger.Question(
            key: key, exact: exact(one, walk, preCall), askedAt: asks.map(\.firstByteAt).min() ?? 0,
            doneAt: one.response.map { vk_written_at(one.client.descriptor, $0.start) } ?? 0, isAsked: isAsked, from: one.readAt, to: one.effectAt, answeredAt: answered?.answeredAt ?? 0, seconds: preCall.cacheSeconds, version: version.from,
            isNarrowed: preCall.cacheKey != nil)
    }

    /// All that may tell questions apart, as it was sent: two of one text are the same question for certain.
    private func exact(_ one: Case, _ walk: Walk, _ preCall: Plan.PreCall) -> String {
        var text = "\(preCall.method) \(preCall.service) \(preCall.path) \(preCall.cacheSeconds) \(preCall.cacheKey ?? [])"
        var fields = one.request.fields.filter { $0.key != "x-request-id" && $0.key != "traceparent" }
        if let names = preCall.cacheKey?.map({ $0.lowercased() }) {
            fields = fields.filter { names.contains($0.key) }
        } else {
            text += " \(one.client.address) \(walk.domain?.key ?? "") \(walk.isByKey) \(walk.isTrustedPeer)"
        }
        for field in fields { text += "\n\(field.key): \(field.value)" }
        return text
    }

    /// The service's part.
    func forwarded(_ one: Case, _ walk: Walk) throws(Difference) {
        guard let domain = walk.domain, let target = walk.forwarded else { return }
        let attempts = one.seen.filter { $0.service < World.firstPreCallService }
        for (index, attempt) in attempts.enumerated() {
            let upstreams = domain.upstreams.filter { $0.service == attempt.service }
            try require(!upstreams.isEmpty, "it reaches service \(attempt.service), which is not the domain's")
            let query = target.query.map { "?" + $0 } ?? ""
            try require(upstreams.contains { attempt.message.target == $0.base + target.path + query }, "the service gets \(attempt.message.target), not \(target.path)\(query)")
            try require(attempt.message.method == one.request.method, "the service gets \(attempt.message.method)")
            try Forwarding.check(
                attempt.message.fields, Forwarding.toService(one.request, walk, run.maker.tokens), except: Forwarding.asserted.union(["transfer-encoding", "connection", "te"]), "the service")
            try checkAsserted(attempt.message, one, walk, host: World.serviceAddress(attempt.service))
            try checkBody(attempt.message, one)
            if index > 0 { try checkRepeated(attempts[index - 1], method: one.request.method) }
        }
        if one.request.hasBadBody, try isRefusal(one, .malformed) { return }
        // What has not said how long it is turns out to be too long on its way.
        if case .chunked = one.request.framing, one.request.body.count > run.conditions.maxBody, try isRefusal(one, .tooLarge) { return }
        if one.mayBeSlow, try isRefusal(one, .slow) { return }
        try require(attempts.count <= 2, "it is sent \(attempts.count) times")
        guard let response = one.response else {
            // The body turned out to be none when the service had begun to answer.
            if one.request.hasBadBody { return }
            return try excuse(one)
        }
        var reasons: [String] = []
        for attempt in attempts.reversed() where attempt.script?.status == response.status && attempt.sentBytes > 0 {
            do {
                return try check(response, attempt, one, walk, isPreCall: false)
            } catch {
                reasons.append(error.description)
            }
        }
        let isAway = domain.upstreams.contains { self.isAway($0.service, one) }
        if try isRefusal(one, .timeout) {
            try require(waited(one, min(domain.timeoutMs, 300)), "504, but there was time")
            return try finishFailure(one, walk)
        }
        if try isRefusal(one, .badGateway) {
            let isBroken = attempts.contains { attempt in
                [.breaksFirst, .breaksHead, .lies].contains(attempt.script?.ending) || attempt.isReused && attempt.sentBytes == 0 || attempt.script?.ending == .breaksBody
            }
            try require(isBroken || isAway, "502, but nothing was wrong with the service")
            return try finishFailure(one, walk)
        }
        if try isRefusal(one, .unavailable) {
            try require(isAway, "503, but the service was there")
            return try finishFailure(one, walk)
        }
        throw Difference(reasons.first ?? "\(said(one)) to the client, and the service said \(attempts.last?.script.map { "\($0.status)" } ?? "nothing")")
    }

    private func finishFailure(_ one: Case, _ walk: Walk) throws(Difference) { try checkCORS(one, walk) }

    /// What was sent before and is sent again: only on a kept connection that broke before it said anything, and only what may be repeated.
    private func checkRepeated(_ earlier: Seen, method: String) throws(Difference) {
        try require(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"].contains(method), "\(method) is sent again")
        try require(earlier.isReused, "it is sent again after a connection of its own")
        try require(earlier.sentBytes == 0, "it is sent again after bytes of a response")
    }

    private func isAway(_ service: Int, _ one: Case) -> Bool {
        let end = one.response.map { vk_written_at(one.client.descriptor, $0.start) } ?? vk_now()
        return run.outages.contains { $0.service == service && $0.from <= end && $0.to >= one.readAt }
    }

    /// Whether so long a time has passed that somebody may have run out of patience.
    private func waited(_ one: Case, _ milliseconds: Int) -> Bool {
        let at = one.response.map { vk_written_at(one.client.descriptor, $0.start) } ?? vk_now()
        // A turn's clock may be as old as some callbacks of some calls each.
        let lag = run.conditions.lag
        let slack = Self.slack + lag.most + lag.most / 2000 * UInt64(96 * lag.chance)
        return at + slack >= one.readAt + UInt64(milliseconds) * 1_000_000
    }

    private func checkBody(_ message: Message, _ one: Case) throws(Difference) {
        let request = one.request
        if request.hasBadBody {
            try require(!message.isComplete, "a body that is none becomes one that is whole")
            return
        }
        try require(request.body.starts(with: message.body), "the service gets another body")
        if message.isComplete {
            try require(message.body.count == request.body.count, "the service gets \(message.body.count) of \(request.body.count) bytes of a body")
            if case .chunked = request.framing { try require(message.framing == .chunked || message.body.count == request.body.count, "the framing is \(message.framing)") }
        }
        for trailer in message.trailers {
            try require(request.trailers.contains { $0.key == trailer.key && $0.value == trailer.value } && Forwarding.isUsual(trailer.name), "the service gets the trailer \(trailer.name): \(trailer.value)")
        }
    }

    private func checkAsserted(_ message: Message, _ one: Case, _ walk: Walk, host: String) throws(Difference) {
        try require(message.values("host") == [host], "Host is \(message.values("host"))")
        let before = walk.isTrustedPeer ? one.request.values("x-forwarded-for").joined(separator: ", ") : ""
        let set = walk.endpoint?.changes.requestSet.map(\.key) ?? []
        if !set.contains("x-forwarded-for") {
            let wanted = (before.isEmpty ? "" : before + ", ") + one.client.address
            try require(message.values("x-forwarded-for").joined(separator: ", ") == wanted, "X-Forwarded-For is \(message.values("x-forwarded-for")), not \(wanted)")
        }
        if !walk.isTrustedPeer {
            try require(message.values("x-forwarded-proto") == ["http"], "X-Forwarded-Proto is \(message.values("x-forwarded-proto"))")
            try require(message.values("x-forwarded-host") == [one.request.host], "X-Forwarded-Host is \(message.values("x-forwarded-host"))")
            try require(!message.values("x-forwarded-port").contains("1"), "X-Forwarded-Port is a stranger's")
        }
        try require(message.values("traceparent").count == 1, "\(message.values("traceparent").count) of traceparent")
        if message.values("via").isEmpty == false { try require(message.values("via").last?.contains("sluice") == true, "Via is \(message.values("via"))") }
    }

    // MARK: Responses

    /// A response that is a service's.
    func check(_ response: Message, _ from: Seen, _ one: Case, _ walk: Walk, isPreCall: Bool) throws(Difference) {
        guard let script = from.script else { return }
        try require(response.status == script.status, "\(response.status) is said, not \(script.status)")
        let wanted = Forwarding.toClient(script.fields, walk, isPreCall: isPreCall)
        let except = walk.domain?.cors == nil ? Forwarding.ofResponse.filter { !$0.hasPrefix("access-control-") } : Forwarding.ofResponse
        try Forwarding.check(response.fields, (wanted, []), except: except, "the client")
        try checkCORS(one, walk)
        for field in script.fields where field.key == "vary" { try require(response.values("vary").contains(field.value), "Vary is \(response.values("vary")), without \(field.value)") }
        let hasBody = ScriptMaker.hasBody(script, to: one.request.method) && from.message.method != "HEAD"
        let body = hasBody ? script.body : []
        try require(body.starts(with: response.body), "the client gets another body: \(response.text.prefix(100).debugDescription)")
        if response.isComplete, ScriptMaker.hasBody(script, to: one.request.method) {
            try require(response.body.count == body.count, "the client gets \(response.body.count) of \(body.count) bytes as if they were the whole")
        }
        try checkCut(response, from, one)
        let changes = isPreCall ? Plan.Changes() : walk.endpoint?.changes ?? Plan.Changes()
        let gone = Set(changes.responseRemove.map { $0.lowercased() })
        for interim in response.interim where interim.status != 100 {
            for field in interim.fields { try require(!gone.contains(field.key), "an interim response has \(field.name), which is removed") }
        }
        for trailer in response.trailers {
            try require(!gone.contains(trailer.key), "a trailer is \(trailer.name), which is removed")
            try require(script.trailers.contains { $0.key == trailer.key && $0.value == trailer.value }, "a trailer is \(trailer.name): \(trailer.value)")
        }
    }

    /// A notice or a mock.
    func checkAnswer(_ response: Message, _ one: Case, _ walk: Walk, _ answer: Plan.Answer) throws(Difference) {
        try require(response.status == answer.status, "\(said(one)), not \(answer.status)")
        let isMock = walk.domain?.notice != answer
        let wanted = isMock ? Forwarding.toClient(answer.fields, walk, isPreCall: false) : answer.fields
        try Forwarding.check(response.fields, (wanted, []), except: Forwarding.ofResponse, "the client")
        if one.request.method != "HEAD", response.isComplete { try require(response.text == answer.body, "the body is \(response.text.prefix(100).debugDescription), not \(answer.body.debugDescription)") }
        try checkCORS(one, walk)
    }
}
