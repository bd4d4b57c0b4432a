import SluiceConfiguration
import SluiceHTTP

/// Admits a request that has the credentials of one of several alternatives, each of which is a policy of its own.
///
/// They are asked in their order, and the first that lets the request pass decides: claims are passed on by its rules. None waits before all
/// have been asked; then those wait, one after the other, that want a key set, each once. Where none lets the request pass, it is refused as
/// the alternative says whose kind of credentials it bears, or else the first; of several for one kind, the one that got furthest with the token.
/// A refusal of an alternative is never more than that: whatever its reason is, the others are asked.
///
/// Refuses with the rows of its alternatives, and names the schemes of all of them. Suspends like them.
enum AnyOf: Policy {
    static let key = "anyOf"
    /// Also the bits of `Exchange.awaitedAlternatives`.
    static let alternativesMax = 8

    /// The policies that may be an alternative, one line each.
    @PolicyOrder
    @inline(__always)
    static var kinds: any PolicyRows.Type {
        HMAC.self
        JWT.self
        ApiKey.self
    }

    static let declaration = PolicyDeclaration(
        places: [
            .init(level: .domain, meaning: "Checks that requests have the credentials of one of several alternatives."),
            .init(level: .endpoint, meaning: "Checks that requests have the credentials of one of several alternatives, in place of the domain's credentials."),
        ],
        form: .list(.mapping(
            kinds.all.map { kind in ConfigurationKey(kind.key, kind.declaration.form, .optional, meaning(of: kind)) },
            rules: [.exactlyOne(kinds.all.map { $0.key })]), countMin: 1),
        excludes: kinds.all.map { $0.key }, waitsFor: [.keySet], remembers: "what its alternatives remember", goesByClock: true,
        checksCaller: true, keepsOut: true)

    private static func meaning(of kind: any Policy.Type) -> String {
        kind.declaration.places.first { $0.level == .domain }?.meaning ?? "Checks who calls."
    }

    struct Configuration: Sendable {
        /// Each with one policy. At least one, at most `alternativesMax`.
        var alternatives: [PolicySettings]
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let problemsBefore = problems.count
        let written = ConfigurationNode(.mapping([.init(key: key, keyPosition: node.position, value: node)]), position: node.position)
        guard let list = MappingReader(written, problems)?.mappings(key) else { return nil }
        if node.elements?.isEmpty == true { problems.add(at: node, found: "an empty list", allowed: "at least one alternative") }
        let alternatives = list.enumerated().map { index, reader in
            if index == alternativesMax {
                problems.add(at: reader, found: "more than \(alternativesMax) alternatives", allowed: "at most \(alternativesMax)")
            }
            return readAlternative(reader)
        }
        guard problems.count == problemsBefore else { return nil }
        let configuration = Configuration(alternatives: alternatives)
        let headers = fields(configuration).claims.count
        if headers > JWT.forwardsMax {
            problems.add(at: node, found: "claims in \(headers) headers", allowed: "at most \(JWT.forwardsMax) headers over all alternatives")
            return nil
        }
        return configuration
    }

    private static func readAlternative(_ reader: MappingReader) -> PolicySettings {
        var settings = PolicySettings()
        // What may stand in a domain may stand here, at both levels.
        kinds.read(reader, at: .domain, into: &settings)
        reader.finish()
        let keys = kinds.all.map { $0.key }
        let found = keys.filter { reader.has($0) }
        if found.count != 1 {
            reader.problems.add(
                at: reader, found: found.isEmpty ? "an alternative without credentials" : found.joined(separator: " and ") + " in one alternative",
                allowed: "one of \(Quoting.alternatives(keys))")
        }
        return settings
    }

    static func fields(_ configuration: Configuration) -> PolicyFields {
        var fields = PolicyFields()
        for alternative in configuration.alternatives { fields.add(alternative.fields()) }
        fields.claims = PolicyFields.Claim.distinct(fields.claims)
        return fields
    }

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? { nil }

    static func compile(_ configuration: Configuration, at site: PolicySite) -> Compiled? {
        let headers = fields(configuration).claims.map(\.header)
        // All of them, so that a run tells of every problem.
        let steps = configuration.alternatives.map { kinds.steps(at: PolicySite(alternative: $0, claimHeaders: headers, at: site)) }
        let whole = steps.compactMap(\.first)
        guard !whole.isEmpty, whole.count == configuration.alternatives.count else { return nil }
        let arena = site.snapshot.arena
        var schemes: [String] = []
        for step in whole {
            let scheme = "\(kinds.all[Int(step.number)].declaration.scheme)"
            if !scheme.isEmpty, !schemes.contains(scheme) { schemes.append(scheme) }
        }
        return Compiled(alternatives: arena.store(whole), schemes: arena.store(schemes.map { arena.bytes($0) }))
    }

    static func describePassing(_ exchange: borrowing Exchange) -> String { "proceed (alternative \(exchange.alternative + 1))" }

    struct Compiled: CompiledPolicy {
        /// Their numbers are those of `kinds`.
        let alternatives: ArenaSlice<Step>
        /// Each once.
        let schemes: ArenaSlice<ByteView>

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            let storageUsed = exchange.storageUsed
            var chosen: Refusal?
            var chosenRank = -1
            var waiting: UInt8 = 0
            var index = 0
            while index < alternatives.count {
                let step = alternatives[index]
                // None waits yet: the next one may let the request pass at once.
                exchange.hasAwaitedKeys = true
                switch AnyOf.kinds.evaluate(step, &exchange) {
                case .proceed: return pass(index, &exchange)
                case .refuse(let refusal):
                    // What it has copied means nothing, and whom it has found is not who calls.
                    exchange.storageUsed = storageUsed
                    exchange.caller = ExchangeCaller()
                    if refusal.tokenFault == .unknownKey, exchange.awaitedAlternatives & Self.bit(index) == 0 { waiting |= Self.bit(index) }
                    let rank = rank(of: refusal, by: step, exchange)
                    if rank > chosenRank { (chosen, chosenRank) = (refusal, rank) }
                case let verdict: return verdict
                }
                index += 1
            }
            if waiting != 0, let verdict = wait(waiting, &exchange) { return verdict }
            return .refuse(chosen ?? Refusal(token: .missing))
        }

        @inline(__always)
        private static func bit(_ index: Int) -> UInt8 { 1 &<< UInt8(truncatingIfNeeded: index) }

        @inline(__always)
        private func pass(_ index: Int, _ exchange: inout Exchange) -> Verdict {
            exchange.alternative = UInt8(truncatingIfNeeded: index)
            return .proceed
        }

        /// Asks those again that know no key and have not waited yet: the first that waits, or passes by now, decides. Nil if none does.
        @inline(never)
        private func wait(_ waiting: UInt8, _ exchange: inout Exchange) -> Verdict? {
            let storageUsed = exchange.storageUsed
            var index = 0
            while index < alternatives.count {
                if waiting & Self.bit(index) != 0 {
                    exchange.hasAwaitedKeys = false
                    switch AnyOf.kinds.evaluate(alternatives[index], &exchange) {
                    case .proceed: return pass(index, &exchange)
                    case .refuse:
                        exchange.storageUsed = storageUsed
                        exchange.caller = ExchangeCaller()
                    case let verdict:
                        exchange.awaitedAlternatives |= Self.bit(index)
                        return verdict
                    }
                }
                index += 1
            }
            return nil
        }

        /// How much a refusal tells of the request: 0 where it bears nothing of the alternative's kind. The first of the highest counts.
        private func rank(of refusal: Refusal, by step: Step, _ exchange: borrowing Exchange) -> Int {
            guard AnyOf.kinds.isPresented(step, exchange) else { return 0 }
            switch refusal.row {
            case .apiKeyEmpty, .apiKeyInvalid: return 1
            // Somebody has this key.
            case .apiKeyInactive: return 2
            default: break
            }
            // The credentials are right, and something else is not.
            if refusal.row.challenge == nil { return .max }
            // The faults of a token are in the order in which they are looked for. Where there is no key set, nobody has looked further: only who has
            // verified the signature knows more.
            let fault = refusal.tokenFault
            let isUnjudged = fault == .unknownKey && !refusal.detail.isEmpty
            return 1 + 2 * Int((isUnjudged ? .signature : fault)?.rawValue ?? 0) + (isUnjudged ? 1 : 0)
        }

        func writeOtherChallenges(_ writer: inout HeadWriter, besides row: Refusal.Row) {
            let own = ByteView(row.challenge ?? "")
            for index in 0..<schemes.count {
                let scheme = schemes[index]
                if own.count >= scheme.count, own[..<scheme.count].equals(scheme) { continue }
                writer.write("WWW-Authenticate: ")
                writer.write(scheme)
                writer.write("\r\n")
            }
        }
    }
}
