import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

extension HMAC {
    /// The algorithms, by the names that requests and configurations use.
    enum Algorithm: String, CaseIterable, Sendable, BitwiseCopyable {
        case sha256 = "HmacSHA256"
        case sha1 = "HmacSHA1"

        var digest: DigestAlgorithm {
            switch self {
            case .sha256: .sha256
            case .sha1: .sha1
            }
        }
    }

    struct Configuration: Sendable, Equatable {
        var secret: Located<Secret>
        /// Seconds by which a timestamp may differ from now, in both directions. 0 to 86,400; 0: the time is not checked.
        var clockSkew: Int64 = 300
        /// What requests may be signed with; at least one.
        var algorithms: [Algorithm] = [.sha256]
        /// Names, in lower case, that every request must list and bear. The compact form cannot list any, so that with
        /// one of these only the named form passes.
        var requiredHeaders: [String] = []
        /// Whether a signature passes once only within the skew window. Two equal requests in one second have one
        /// signature: their sender must make them differ (a query parameter, a listed header).
        var replayProtection = false
        /// Signatures remembered, rounded up to a power of two; 8 bytes each, taken as they fill. A signature is remembered
        /// for `clockSkew` + 60 s, and at two thirds of the capacity the first buckets are full: the default carries
        /// about 1,900 requests a second at a skew of 300 s.
        var replayCapacity = 1 << 20
    }

    static let keys: [ConfigurationKey] = [
        .init("secret", .secret("secret"), .required, "The secret that gateway and clients share."),
        .init("clockSkew", .integer(0...86_400, unit: "seconds"), .byDefault("300"),
            "How far a timestamp may differ from the gateway's clock. 0: the time is not checked."),
        .init("algorithms", .list(.word(["HmacSHA256", "HmacSHA1"]), countMin: 1), .byDefault("[HmacSHA256]"), "Algorithms that are accepted."),
        .init("requiredHeaders", .list(.text("name of a header")), .byDefault("[]"),
            "Headers that every request must have and sign. Then only the named form of a signature is accepted."),
        .init("replayProtection", .boolean, .byDefault("false"), "Whether each signature is accepted only once."),
        .init("replayCapacity", .integer(64...(1 << 24), unit: "signatures"), .byDefault("1048576"),
            "How many signatures are remembered. The default is enough for about 1,900 requests per second with a `clockSkew` of 300."),
    ]

    static func fields(_ configuration: Configuration) -> PolicyFields { PolicyFields(relied: configuration.requiredHeaders) }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        guard let reader = MappingReader(node, problems) else { return nil }
        let problemsBefore = problems.count
        let secret = reader.requiredSecret("secret")
        let clockSkew = reader.integer("clockSkew", in: 0...86_400, unit: "seconds")
        let algorithms = reader.enumerations("algorithms", Algorithm.allCases.map(\.rawValue))
        let required = reader.strings("requiredHeaders")
        let replayProtection = reader.bool("replayProtection")
        let replayCapacity = reader.integer(
            "replayCapacity", in: Int64(ReplayTable.capacityMin)...Int64(ReplayTable.capacityMax), unit: "signatures")
        reader.finish()

        if let algorithms, reader.node("algorithms")?.elements?.isEmpty == true {
            problems.add(at: algorithms, found: "an empty list", allowed: "at least one of HmacSHA256, HmacSHA1")
        }
        checkRequiredHeaders(required?.value ?? [], problems)
        if let replayProtection, replayProtection.value, clockSkew?.value == 0 {
            problems.add(
                at: replayProtection, found: "replayProtection together with clockSkew 0",
                allowed: "a clockSkew above 0: otherwise every signature would have to be remembered forever")
        }
        guard let secret, problems.count == problemsBefore else { return nil }
        var configuration = Configuration(secret: secret)
        if let clockSkew { configuration.clockSkew = clockSkew.value }
        if let algorithms { configuration.algorithms = algorithms.value.compactMap { Algorithm(rawValue: $0.value) } }
        configuration.requiredHeaders = (required?.value ?? []).map { $0.value.lowercased() }
        configuration.replayProtection = replayProtection?.value ?? false
        if let replayCapacity { configuration.replayCapacity = Int(replayCapacity.value) }
        return configuration
    }

    private static func checkRequiredHeaders(_ names: [Located<String>], _ problems: Problems) {
        for (index, name) in names.enumerated() {
            if !FieldSyntax.isToken(name.value) {
                problems.add(at: name, found: Quoting.quoted(name.value), allowed: "the name of a header")
            } else if name.value.lowercased() == "authorization" {
                problems.add(at: name, found: "authorization", allowed: "a header other than the one with the signature")
            } else if index == SignedFields.namesMax {
                problems.add(
                    at: name, found: "more than \(SignedFields.namesMax) headers",
                    allowed: "at most \(SignedFields.namesMax)")
            } else if name.value.utf8.count > SignedFields.nameBytesMax {
                problems.add(at: name, found: "a name of \(name.value.utf8.count) bytes", allowed: "at most \(SignedFields.nameBytesMax)")
            }
        }
    }

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        compile(configuration, into: snapshot, registry: snapshot.replays)
    }

    /// As `compile(_:into:)`, with a registry of the caller's.
    static func compile(
        _ configuration: Configuration, into snapshot: SnapshotBuilder, registry: ReplayRegistry
    ) -> Compiled? {
        let secret = configuration.secret.value
        let algorithms = configuration.algorithms
        if let reason = HMACKeys.fault(secret: secret, algorithms: algorithms) {
            snapshot.problems.add(at: configuration.secret, found: reason, allowed: "a secret that HMAC can use")
            return nil
        }
        var replay: ReplayTable.Handle?
        if configuration.replayProtection {
            guard let table = registry.table(of: HMACKeys.fingerprint(of: secret), skew: configuration.clockSkew) else {
                snapshot.problems.add(
                    at: configuration.secret, found: "no memory for replay protection", allowed: "128 MiB of address space for each secret")
                return nil
            }
            snapshot.arena.own(table)
            replay = table.handle(capacity: configuration.replayCapacity)
        }
        return Compiled(
            slot: snapshot.workerResource { HMACKeys(secret: secret, algorithms: algorithms) },
            clockSkew: configuration.clockSkew,
            requiredHeaders: snapshot.arena.store(configuration.requiredHeaders.map { snapshot.arena.bytes($0) }),
            seed: UInt64.random(in: 0...UInt64.max),
            replay: replay)
    }
}
