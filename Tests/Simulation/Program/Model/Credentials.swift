/// Whether a request is who it says, by the contract's tables.
enum Credentials {
    /// One of several verdicts that the moment allows.
    enum Outcome: Equatable {
        case passes
        case fails(Expected)
    }

    /// - Parameter now: the seconds of the wall clock among which the moment of the decision is.
    static func hmac(_ request: SentRequest, _ plan: Plan.HMACPlan, now: ClosedRange<Int>) -> [Outcome] {
        let authorizations = request.values("authorization")
        let isNamed = authorizations.first?.lowercased().hasPrefix("hmac ") ?? false
        var times = request.values(isNamed ? "x-nhn-date" : "x-tc-timestamp")
        if authorizations.isEmpty, times.isEmpty { times = request.values("x-nhn-date") }
        guard let time = times.first, !time.isEmpty else { return [.fails(.hmac("The timestamp field is empty"))] }
        if times.count > 1 { return [.fails(.hmac("Invalid authorization"))] }
        guard let seconds = CivilTime.seconds(time) else { return [.fails(.hmac("Invalid timestamp format"))] }
        var outcomes: [Outcome] = []
        if plan.skew > 0 {
            let isOutside = [now.lowerBound, now.upperBound].map { abs($0 - seconds) > plan.skew }
            if isOutside.contains(true) { outcomes.append(.fails(.hmac("Exceeded expiration time"))) }
            if !isOutside.contains(false) { return outcomes }
        }
        guard let authorization = authorizations.first, !authorization.isEmpty else { return outcomes + [.fails(.hmac("The authorization field is empty"))] }
        let invalid = Outcome.fails(.hmac("Invalid authorization"))
        if authorizations.count > 1 { return outcomes + [invalid] }
        var text = "\(request.method)\n\(request.target)\n\(time)"
        var signature = authorization
        if isNamed {
            let parameters = Dictionary(authorization.dropFirst(5).split(separator: ",", omittingEmptySubsequences: true).reduce(into: [String]()) { parts, part in
                // A comma inside quotes belongs to the value.
                if let last = parts.last, last.filter({ $0 == "\"" }).count % 2 == 1 { parts[parts.count - 1] += "," + part } else { parts.append(String(part)) }
            }.map { part in
                let pair = part.split(separator: "=", maxSplits: 1)
                return (MessageReader.trimmed(pair[0]), pair.count > 1 ? String(pair[1].dropFirst().dropLast()) : "")
            }) { first, _ in first }
            let listed = (parameters["headers"] ?? "").split(separator: ",").map { $0.lowercased() }
            for name in listed where !request.values(name).isEmpty { text += "\n\(name):\(request.values(name).joined(separator: ","))" }
            signature = parameters["signature"] ?? ""
            for name in plan.required where !listed.contains(name) || request.values(name).isEmpty { return outcomes + [invalid] }
        } else if !plan.required.isEmpty {
            return outcomes + [invalid]
        }
        return outcomes + [SHA256.base64(SHA256.hmac(plan.secret, text)) == signature ? .passes : invalid]
    }

    /// Fields that were signed: nobody may take them off.
    static func signedFields(_ request: SentRequest) -> [String] {
        guard let value = request.value("authorization"), value.lowercased().hasPrefix("hmac "), let range = value.firstRange(of: "headers=\"") else { return [] }
        return value[range.upperBound...].prefix { $0 != "\"" }.split(separator: ",").map { $0.lowercased() }
    }

    static func token(_ request: SentRequest) -> String? {
        guard var text = request.value("authorization") else { return nil }
        if text.lowercased() == "bearer" { return "" }
        if text.lowercased().hasPrefix("bearer ") { text = MessageReader.trimmed(text.dropFirst(7)) }
        return text
    }

    /// - Parameter sets: the key sets one of which the gateway has at that moment; nil for none.
    static func jwt(_ request: SentRequest, _ plan: Plan.JWTPlan, _ tokens: [String: Token], sets: [[String]?], now: ClosedRange<Int>) -> [Outcome] {
        guard let text = token(request), !text.isEmpty else { return [.fails(.jwt("The authorization field is empty"))] }
        let invalid = Outcome.fails(.jwt("Invalid authorization"))
        guard request.values("authorization").count == 1, let token = tokens[text], !token.isForged else { return [invalid] }
        var outcomes: [Outcome] = []
        switch plan.keys {
        case .secret(let secret): guard token.algorithm == .hs256, token.secret == secret else { return [invalid] }
        case .set:
            guard token.algorithm == .rs256 else { return [invalid] }
            let isKnown = sets.map { keys in keys.map { $0.contains(token.key) && (token.kid == nil || token.kid == token.key) } ?? false }
            if isKnown.contains(false) { outcomes.append(invalid) }
            if !isKnown.contains(true) { return outcomes }
        }
        if let expires = token.expires {
            let isOver = [now.lowerBound, now.upperBound].map { expires + plan.skew <= $0 }
            if isOver.contains(true) { outcomes.append(.fails(.jwt("Exceeded expiration time"))) }
            if !isOver.contains(false) { return outcomes }
        } else if !plan.expiryOptional {
            return outcomes + [invalid]
        }
        if let before = token.notBefore {
            let isEarly = [now.lowerBound, now.upperBound].map { before > $0 + plan.skew }
            if isEarly.contains(true) { outcomes.append(invalid) }
            if !isEarly.contains(false) { return outcomes }
        }
        if let issuer = plan.issuer, token.issuer != issuer { return outcomes + [invalid] }
        if let audience = plan.audience, token.audience != audience { return outcomes + [invalid] }
        if let claim = plan.claim, !claim.values.contains(token.role ?? "") { return outcomes + [invalid] }
        return outcomes + [.passes]
    }
}
