import SluiceCallers
import SluiceConfiguration

// Callers and plans that the configuration declares.

extension GatewayConfiguration {
    struct PlanConfiguration: Sendable {
        var name: Located<String>
        var plan: Plan
    }

    struct CallerConfiguration: Sendable {
        var name: Located<String>
        var caller: Caller
        var grants: [Located<Caller.Grant>]
        /// Keys that stand in the configuration itself.
        var clearKeys: [Located<Secret>]
    }

    /// What is put in force of them.
    var declaredCallers: CallerBook.Declared {
        var declared = CallerBook.Declared()
        declared.plans = plans.map(\.plan)
        declared.callers = callers.map(\.caller)
        return declared
    }

    // MARK: Plans

    static func readPlans(_ reader: MappingReader) -> [PlanConfiguration] {
        guard let plans = reader.mapping("plans") else { return [] }
        return plans.allEntries().compactMap { name, node in
            guard let entry = MappingReader(node, plans.problems) else { return nil }
            let rate = entry.integer("requestsPerSecond", in: Plan.perSecondRange, unit: "requests")
            let quota = entry.integer("quota", in: Plan.quotaRange, unit: "requests")
            let per = entry.enumeration("per", of: Plan.Period.self)
            entry.finish()
            if let quota, !entry.has("per") { plans.problems.add(at: quota, found: "a quota without `per`", allowed: "`per: day` or `per: month` beside it") }
            if let per, !entry.has("quota") { plans.problems.add(at: per, found: "`per` without a quota", allowed: "`quota` beside it") }
            guard CallerRules.isPlanName(name.value) else {
                plans.problems.add(at: name, found: Quoting.quoted(name.value), allowed: "a name of \(CallerRules.nameAllowed), except `\(Plan.none)`")
                return nil
            }
            var plan = Plan(name: name.value, requestsPerSecond: rate.map { UInt64($0.value) })
            if let quota, let per { plan.quota = Plan.Quota(limit: UInt64(quota.value), per: per.value) }
            return PlanConfiguration(name: name, plan: plan)
        }
    }

    // MARK: Callers

    static func readCallers(_ reader: MappingReader) -> [CallerConfiguration] {
        guard let callers = reader.mapping("callers") else { return [] }
        return callers.allEntries().compactMap { name, node in MappingReader(node, callers.problems).flatMap { readCaller(name, $0) } }
    }

    private static func readCaller(_ name: Located<String>, _ entry: MappingReader) -> CallerConfiguration? {
        let problems = entry.problems
        var caller = Caller(name: name.value)
        var clear: [Located<Secret>] = []
        caller.primary = entry.requiredSecret("key").flatMap { digest($0, problems, &clear) }
        caller.secondary = entry.secret("secondaryKey").flatMap { digest($0, problems, &clear) }
        let texts = entry.strings("plans", allowSingle: true)
        caller.isEnabled = entry.bool("enabled")?.value ?? true
        let notBefore = entry.string("notBefore")
        let expires = entry.string("expires")
        entry.finish()
        caller.notBefore = notBefore.flatMap { time($0, problems) }
        caller.expires = expires.flatMap { time($0, problems) }
        if let expires, let first = caller.notBefore, let end = caller.expires, first >= end {
            problems.add(at: expires, found: "a time that is not later than `notBefore`", allowed: "a later time")
        }
        let grants = texts.map { readGrants($0, problems) }
        if let grants { caller.grants = grants.map(\.value) }
        guard CallerRules.isName(name.value) else {
            problems.add(at: name, found: Quoting.quoted(name.value), allowed: "a name of \(CallerRules.nameAllowed)")
            return nil
        }
        return CallerConfiguration(name: name, caller: caller, grants: grants ?? [], clearKeys: clear)
    }

    /// The digest that is written, or that of the key that is. The text is not shown.
    private static func digest(_ secret: Located<Secret>, _ problems: Problems, _ clear: inout [Located<Secret>]) -> KeyDigest? {
        let text = String(decoding: secret.value.bytes, as: UTF8.self)
        if text.hasPrefix("sha256:") {
            if let digest = KeyDigest(hexadecimal: text.dropFirst(7)) { return digest }
            problems.add(at: secret, found: "\(secret.value) that begins with `sha256:`", allowed: "64 hexadecimal digits behind it")
            return nil
        }
        guard CallerRules.isKey(text) else {
            problems.add(at: secret, found: "\(secret.value) that is no key", allowed: "`sha256:` and 64 hexadecimal digits, or a key of \(CallerRules.keyAllowed)")
            return nil
        }
        if secret.value.source == .literal { clear.append(secret) }
        return CallerKeys.digest(secret.value.bytes)
    }

    private static func time(_ text: Located<String>, _ problems: Problems) -> Int64? {
        guard let seconds = CallerTimes.read(text.value) else {
            problems.add(at: text, found: Quoting.quoted(text.value), allowed: "a time such as 2027-01-31T00:00:00Z, or a date such as 2027-01-31")
            return nil
        }
        return seconds
    }

    private static func readGrants(_ texts: Located<[Located<String>]>, _ problems: Problems) -> [Located<Caller.Grant>] {
        if texts.value.isEmpty { problems.add(at: texts, found: "an empty list", allowed: "at least one plan, or `none`") }
        if texts.value.count > CallerRules.grantsMax {
            problems.add(at: texts, found: "\(texts.value.count) plans", allowed: "at most \(CallerRules.grantsMax)")
        }
        var grants: [Located<Caller.Grant>] = []
        for text in texts.value {
            guard let grant = Caller.Grant(text.value) else {
                problems.add(at: text, found: Quoting.quoted(text.value), allowed: "PLAN, DOMAIN=PLAN, none or DOMAIN=none")
                continue
            }
            if grants.contains(where: { $0.value.domain == grant.domain }) {
                problems.add(at: text, found: "a second plan for \(grant.domain.map { "the domain \(Quoting.quoted($0))" } ?? "all domains")", allowed: "one plan for each")
            }
            grants.append(text.map { _ in grant })
        }
        return grants
    }

    // MARK: What goes together

    static func checkCallers(_ configuration: GatewayConfiguration, _ problems: Problems) {
        let plans = Set(configuration.plans.map(\.plan.name))
        let domains = Set(configuration.domains.map(\.key.value))
        var owners: [KeyDigest: String] = [:]
        for caller in configuration.callers {
            for digest in caller.caller.digests {
                if let owner = owners.updateValue(caller.caller.name, forKey: digest) {
                    problems.add(at: caller.name, found: "a key that \(Quoting.quoted(owner)) has too", allowed: "keys that differ")
                }
            }
            for grant in caller.grants {
                if let plan = grant.value.plan, !plans.contains(plan) {
                    problems.add(
                        at: grant, found: "the plan \(Quoting.quoted(plan)), which is not defined",
                        allowed: plans.isEmpty ? "a plan of `plans`" : Quoting.alternatives(plans.sorted()))
                }
                if let domain = grant.value.domain, !domains.contains(domain) {
                    problems.add(at: grant, found: "the domain \(Quoting.quoted(domain)), which is not defined", allowed: "the key of a domain")
                }
            }
        }
    }
}
