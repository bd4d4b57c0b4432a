import CVirtualKernel

// One request under one configuration.

extension Judge {
    /// What a request counted for.
    struct Account {
        var request = 0
        var from: UInt64 = 0
        var to: UInt64 = 0
        /// When it left for the last time: a repetition is counted when it happens.
        var lastAt: UInt64 = 0
        /// How often it was sent once more. Each counts.
        var repetitions = 0
        /// When services that are not pre-call APIs got its first byte.
        var arrivals: [UInt64] = []
        /// The project that it was admitted to, or refused by.
        var admitted: String?
        /// It may have been admitted to one of these: nobody saw what became of it, or under which configuration.
        var perhapsAdmitted: Set<String> = []
        /// Something of it was sent to a service.
        var hasLeft = false
        /// The caller that it was counted for, or may have been, or was refused as.
        var passedAs: Ledger.Caller?
        var perhapsPassedAs: Set<Ledger.Caller> = []
        var heldBackAs: Ledger.Caller?
        /// It may have been sent over a kept connection that broke, which no service has seen and which counted, and have been refused when it was to be
        /// sent once more.
        var mayHaveLeftUnseen = false
        var refusedBy: String?
        /// When the client was told so: after a wait, later than its first effect.
        var refusedAt: UInt64 = 0
        /// Conditions that it was charged with for certain, and perhaps.
        var charged: [Ledger.Condition] = []
        var perhapsCharged: [Ledger.Condition] = []
        /// Refused by a quota: either the first had nothing left, and the second, where it had, is charged; or the other way round.
        var chargedUnlessExhausted: ([Ledger.Condition], [Ledger.Condition])?
        /// One of these had nothing left.
        var exhausted: [Ledger.Condition] = []
        /// A signature that was accepted, or refused although it was right, with the secret's domain.
        var accepted: String?
        var replayed: String?
        /// It may have been accepted: under one of several configurations that may have been in force.
        var perhapsAccepted: Set<String> = []
        /// Its timestamp is from before the protection began, so that nobody can know whether it is a replay.
        var mayBeUnknown = false
        var question: Ledger.Question?

        /// What is certain where this or another is true.
        func alike(_ other: Account) -> Account {
            var both = self
            if admitted != other.admitted {
                both.perhapsAdmitted.formUnion([admitted, other.admitted].compactMap { $0 })
                both.admitted = nil
            }
            both.perhapsAdmitted.formUnion(other.perhapsAdmitted)
            if refusedBy != other.refusedBy { both.refusedBy = nil }
            if passedAs != other.passedAs {
                both.perhapsPassedAs.formUnion([passedAs, other.passedAs].compactMap { $0 })
                both.passedAs = nil
            }
            both.perhapsPassedAs.formUnion(other.perhapsPassedAs)
            if heldBackAs != other.heldBackAs { both.heldBackAs = nil }
            both.charged = charged.filter { other.charged.contains($0) }
            both.perhapsCharged = perhapsCharged + other.perhapsCharged + (charged + other.charged).filter { !both.charged.contains($0) }
            if exhausted != other.exhausted { both.exhausted = [] }
            if accepted != other.accepted {
                both.perhapsAccepted.formUnion([accepted, other.accepted].compactMap { $0 })
                both.accepted = nil
            }
            both.perhapsAccepted.formUnion(other.perhapsAccepted)
            if replayed != other.replayed { both.replayed = nil }
            if exhausted != other.exhausted { both.chargedUnlessExhausted = nil }
            if question?.key != other.question?.key || question?.isAsked != other.question?.isAsked { both.question = nil }
            return both
        }
    }

    func judge(_ one: Case, _ version: Simulation.Version) throws(Difference) -> Account {
        let moment = Walk.Moment(
            now: wallSeconds(one.readAt, one.effectAt), sets: keySets(one.readAt, one.effectAt), peer: one.client.address, tokens: run.maker.tokens,
            bodyMax: run.conditions.maxBody)
        let walk = Walk(one.request, version.plan, moment)
        var account = Account(request: one.request.id, from: one.readAt, to: one.effectAt, lastAt: one.seen.map(\.firstByteAt).max() ?? one.effectAt)
        let services = one.seen.filter { $0.service < World.firstPreCallService }
        account.arrivals = services.map(\.firstByteAt)
        account.repetitions = max(0, services.count - 1) + max(0, one.seen.count - services.count - 1)
        account.hasLeft = !one.seen.isEmpty
        let mayBeSlow = one.response?.status == 408 && one.mayBeSlow
        for case .ceiling(let project) in walk.steps { account.perhapsAdmitted = [project] }
        // What is slow may have been charged before; behind a service it is looked at where the body goes there.
        if mayBeSlow, one.seen.isEmpty, try isRefusal(one, .slow) {
            passedPerhaps(one, walk, &account)
            return account
        }
        for step in walk.steps {
            switch step {
            case .ceiling(let project):
                account.perhapsAdmitted = []
                if try isRefusal(one, .ceiling) {
                    account.refusedBy = project
                    account.refusedAt = one.response.map { vk_written_at(one.client.descriptor, $0.start) } ?? one.effectAt
                    turnedBack(one, walk, version, project, &account)
                    if services.isEmpty {
                        try finish(one, walk)
                    } else {
                        try require(services.allSatisfy { $0.isReused && $0.sentBytes == 0 }, "it has left, and is refused by the ceiling")
                        try checkCORS(one, walk)
                    }
                    return account
                }
                if one.response != nil || !one.seen.isEmpty { account.admitted = project } else { account.perhapsAdmitted = [project] }
            case .callers(let caller):
                if try isRefusal(one, .rateLimit) {
                    account.heldBackAs = caller
                    let isSentOn = walk.steps.contains { step in
                        switch step { case .forwards, .asks: true; default: false }
                    }
                    account.mayHaveLeftUnseen = isSentOn && one.request.method != "POST"
                    account.refusedAt = one.response.map { vk_written_at(one.client.descriptor, $0.start) } ?? one.effectAt
                    // It may have passed before, and have found no room when it was to leave after a wait, or once more.
                    turnedBack(one, walk, version, walk.domain?.project ?? "", &account)
                    if services.isEmpty {
                        try finish(one, walk)
                    } else {
                        try require(services.allSatisfy { $0.isReused && $0.sentBytes == 0 }, "it has left, and is refused as a caller's one too many")
                        try checkCORS(one, walk)
                    }
                    return account
                }
                if one.response != nil || !one.seen.isEmpty { account.passedAs = caller } else { account.perhapsPassedAs = [caller] }
            case .quotas(let domain, let endpoint):
                let key = walk.domain?.key ?? ""
                let owners = (
                    domain.map { Ledger.Condition(domain: key, endpoint: nil, seconds: $0.seconds) },
                    endpoint.map { Ledger.Condition(domain: key, endpoint: walk.endpoint.map(Ledger.name), seconds: $0.seconds) }
                )
                if try isRefusal(one, .quota) {
                    account.exhausted = owners.0 + owners.1
                    // The domain's refusal charges the endpoint, and the endpoint's comes after the domain's charge; which it was is not told.
                    account.perhapsCharged = owners.0.isEmpty || owners.1.isEmpty ? [] : owners.0 + owners.1
                    if !owners.0.isEmpty, owners.1.count == 1 { account.chargedUnlessExhausted = owners }
                    try finish(one, walk)
                    return account
                }
                if one.response != nil || !one.seen.isEmpty { account.charged = owners.0 + owners.1 } else { account.perhapsCharged = owners.0 + owners.1 }
            case .oneOf(let outcomes, let isReplayable):
                var isRefused = false
                for case .fails(let expected) in outcomes {
                    if try isRefusal(one, expected) { isRefused = true }
                }
                if case .hmac(let plan)? = walk.domain?.authentication, isReplayable, outcomes.contains(.passes) {
                    account.mayBeUnknown = mayBeUnknown(one.request, plan, version)
                    let signature = "\(plan.secret) \(Self.signature(of: one.request))"
                    let isInvalid = try isRefusal(one, .hmac("Invalid authorization"))
                    if !isRefused, isInvalid {
                        account.replayed = signature
                        // Of those that nobody answered any more it is not known whether they were accepted.
                        if hasUnansweredTwin(one.request) { account.mayBeUnknown = true }
                        isRefused = true
                    } else if !isRefused, one.response != nil || !one.seen.isEmpty {
                        account.accepted = signature
                    }
                }
                if isRefused {
                    try finish(one, walk)
                    return account
                }
                guard one.response != nil || !one.seen.isEmpty else { return account }
                try require(outcomes.contains(.passes), "it passes authentication; \(outcomes)")
            case .refuses(let expected):
                guard one.response != nil else {
                    try require(one.seen.isEmpty, "it reaches a service, but must be refused with \(expected)")
                    try excuse(one)
                    return account
                }
                try require(try isRefusal(one, expected), "\(said(one)), but it must be refused with \(expected)")
                try finish(one, walk)
                return account
            case .preflight:
                guard let response = one.response else { return try excused(one, account) }
                try require(response.status == 204, "\(said(one)), but a preflight is 204")
                try require(one.seen.isEmpty, "a preflight reaches a service")
                try checkCORS(one, walk)
                return account
            case .answers(let answer, _):
                guard let response = one.response else {
                    try require(account.question != nil || one.seen.isEmpty, "a service gets what is answered here")
                    return try excused(one, account)
                }
                try checkAnswer(response, one, walk, answer)
                try require(one.seen.allSatisfy { $0.service >= World.firstPreCallService }, "a service gets what is answered here")
                return account
            case .asks(let preCall):
                if try asked(one, walk, version, preCall, &account) { return account }
            case .forwards:
                try forwarded(one, walk)
                return account
            }
        }
        return account
    }

    /// A request that the ceiling refused may have been admitted before, and have found no room when it was to leave after a wait, or once more: then
    /// the rest of its chain has run.
    private func turnedBack(_ one: Case, _ walk: Walk, _ version: Simulation.Version, _ project: String, _ account: inout Account) {
        account.perhapsAdmitted = [project]
        passedPerhaps(one, walk, &account)
        let answered = one.seen.last { $0.service >= World.firstPreCallService }
        if let preCall = walk.endpoint?.preCall, let script = answered?.script, script.status == 200 {
            account.question = question(one, walk, version, preCall, isAsked: true)
        }
    }

    /// Its chain may have run.
    private func passedPerhaps(_ one: Case, _ walk: Walk, _ account: inout Account) {
        for case .callers(let caller) in walk.steps { account.perhapsPassedAs = [caller] }
        for case .quotas(let domain, let endpoint) in walk.steps {
            let key = walk.domain?.key ?? ""
            account.perhapsCharged += domain.map { Ledger.Condition(domain: key, endpoint: nil, seconds: $0.seconds) }
            account.perhapsCharged += endpoint.map { Ledger.Condition(domain: key, endpoint: walk.endpoint.map(Ledger.name), seconds: $0.seconds) }
        }
        if case .hmac(let plan)? = walk.domain?.authentication { account.perhapsAccepted = ["\(plan.secret) \(Self.signature(of: one.request))"] }
    }

    /// The signature alone: it may be written in two forms, and is the same in both.
    private static func signature(of request: SentRequest) -> String {
        let text = request.value("authorization") ?? ""
        guard let start = text.firstRange(of: "signature=\"") else { return text }
        return String(text[start.upperBound...].prefix { $0 != "\"" })
    }

    private func hasUnansweredTwin(_ request: SentRequest) -> Bool {
        run.clients.contains { client in
            (client.hasReset || client.http2 != nil) && client.requests.contains { $0.id != request.id && Self.signature(of: $0) == Self.signature(of: request) }
        }
    }

    /// Whether a request was signed before the present protection by its secret began.
    private func mayBeUnknown(_ request: SentRequest, _ plan: Plan.HMACPlan, _ version: Simulation.Version) -> Bool {
        var began = version.from
        // By place: two configurations may have been in force at one moment, and the first of them may have let the signatures go.
        let place = run.versions.lastIndex { $0.from == version.from } ?? run.versions.endIndex
        for earlier in run.versions[..<place].reversed() {
            guard earlier.plan.protects(secret: plan.secret) else { break }
            began = earlier.from
        }
        let times = request.values("x-nhn-date") + request.values("x-tc-timestamp")
        let seconds = wallSeconds(began, began).upperBound
        return run.conditions.steps || times.contains { (CivilTime.seconds($0) ?? 0) <= seconds + 1 }
    }

    func excused(_ one: Case, _ account: Account) throws(Difference) -> Account {
        try excuse(one)
        return account
    }

    /// No response: the client has broken off, or has not sent its whole request.
    func excuse(_ one: Case) throws(Difference) {
        guard one.response == nil, !one.isExcused else { return }
        throw Difference("it is not answered")
    }

    func said(_ one: Case) -> String {
        guard let response = one.response else { return "nothing is said" }
        return "\(response.status) \(response.text.prefix(120).debugDescription) is said"
    }

    /// Whether the response is this refusal, to the letter; a response that has its status and code and is not is a difference.
    func isRefusal(_ one: Case, _ expected: Expected) throws(Difference) -> Bool {
        guard let response = one.response, response.status == expected.status else { return false }
        guard response.value("content-type") == "application/json; charset=utf-8" else { return false }
        if one.request.method == "HEAD" || !response.isComplete && (one.client.end != .open || one.stream != nil) {
            // A body that is not sent, or was not read to its end: what is known is its length.
            guard let length = response.value("content-length").flatMap({ Int($0) }), expected.bodyCount == nil || expected.bodyCount == length else { return false }
            return one.seen.allSatisfy { $0.script?.status != response.status }
        }
        guard expected.isSaid(by: response.text) else { return false }
        try require(response.framing == .length(response.body.count), "the error has framing \(response.framing)")
        return true
    }

    /// What every refusal has.
    func finish(_ one: Case, _ walk: Walk) throws(Difference) {
        guard let response = one.response else { return }
        try checkCORS(one, walk)
        try require(one.seen.allSatisfy { $0.service >= World.firstPreCallService }, "it reaches a service, and \(response.status) is said")
        if response.status == 401 {
            let scheme = response.value("www-authenticate") ?? ""
            switch walk.domain?.authentication {
            case .hmac?: try require(scheme.hasPrefix("HMAC"), "401 with WWW-Authenticate \(scheme)")
            case .jwt?:
                let hasToken = Credentials.token(one.request).map { !$0.isEmpty } ?? false
                try require(scheme.hasPrefix("Bearer") && scheme.contains("error=\"invalid_token\"") == hasToken, "401 with WWW-Authenticate \(scheme)")
            default: break
            }
        }
    }

    // MARK: CORS

    /// Access-Control fields of a domain's response, interim ones included.
    func checkCORS(_ one: Case, _ walk: Walk) throws(Difference) {
        guard let response = one.response, let domain = walk.domain, let cors = domain.cors else { return }
        let origin = one.request.value("origin")
        let isAllowed = origin.map { cors.origins == ["*"] || cors.origins.contains($0) } ?? false
        var wanted: [String]
        if Walk.isPreflight(one.request), response.status == 204, one.seen.isEmpty {
            let method = one.request.value("access-control-request-method") ?? ""
            let headers = (one.request.value("access-control-request-headers") ?? "").split(separator: ",").map { MessageReader.trimmed($0).lowercased() }
            let isGranted = isAllowed && (cors.methods.contains(method) || ["GET", "HEAD", "POST"].contains(method) && cors.methods.contains(method))
                && headers.allSatisfy { name in cors.headers.contains { $0.lowercased() == name } }
            let hasAny = response.fields.contains { $0.key.hasPrefix("access-control-") }
            try require(hasAny == isGranted, "a preflight is \(isGranted ? "" : "not ")to be granted, and \(hasAny ? "has" : "lacks") Access-Control fields")
            wanted = isGranted ? [cors.origins == ["*"] ? "*" : origin ?? ""] : []
        } else {
            // Without an Origin, or from another, `*` may be said or not; a list may not.
            wanted = isAllowed ? [cors.origins == ["*"] ? "*" : origin ?? ""] : []
            if cors.origins == ["*"], origin == nil { wanted = response.values("access-control-allow-origin").isEmpty ? [] : ["*"] }
        }
        try require(response.values("access-control-allow-origin") == wanted, "Access-Control-Allow-Origin is \(response.values("access-control-allow-origin")), not \(wanted), of \(response.status)")
        let credentials = cors.credentials && !wanted.isEmpty ? ["true"] : []
        try require(response.values("access-control-allow-credentials") == credentials, "Access-Control-Allow-Credentials is \(response.values("access-control-allow-credentials"))")
        // Names that scripts may read are said with the permission; and a cache must know that another origin would have been told something else.
        let isPreflight = Walk.isPreflight(one.request) && response.status == 204 && one.seen.isEmpty
        let exposed = wanted.isEmpty || cors.expose.isEmpty || isPreflight ? [] : [cors.expose.joined(separator: ", ")]
        try require(response.values("access-control-expose-headers") == exposed, "Access-Control-Expose-Headers is \(response.values("access-control-expose-headers")), not \(exposed)")
        let varies = response.values("vary").flatMap { $0.lowercased().split(separator: ",") }.map { MessageReader.trimmed($0) }
        if cors.origins != ["*"] { try require(varies.contains("origin"), "Vary is \(response.values("vary")), of \(response.status)") }
        if isPreflight { try require(varies.contains("access-control-request-method"), "Vary of a preflight is \(response.values("vary"))") }
        for interim in response.interim where interim.status != 100 {
            for field in interim.fields where field.key.hasPrefix("access-control-") {
                try require(field.key == "access-control-allow-origin" ? wanted == [field.value] : field.value != "*", "an interim response has \(field.name): \(field.value)")
            }
        }
        try require(!response.trailers.contains { $0.key.hasPrefix("access-control-") }, "a trailer is \(response.trailers)")
    }
}
