import SluiceClient
import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

extension JWT {
    /// What signatures are checked with.
    enum Key: Sendable {
        /// For HS256, HS384 and HS512. RFC 7518, 3.2 wants at least 32 bytes; shorter secrets are taken, because those that callers share already are short.
        case secret(Located<Secret>)
        /// For all other algorithms. PEM text.
        case publicKey(Located<TextOrFile>)
        /// The same.
        case keySet(Located<KeySetLocation>)
    }

    /// A scalar that a claim may be compared with.
    enum ClaimValue: Sendable, Equatable {
        case text(String)
        case integer(Int64)
        case number(Double)
        case boolean(Bool)
    }

    struct Condition: Sendable, Equatable {
        var name: String
        /// Empty: the claim must be present, whatever its value.
        var values: [ClaimValue]
        /// Whether a claim that is text is also read word by word, as an array is read element by element: `oneOf`, unless it says
        /// `words: false`. Most lists of scopes are such a text, under many names.
        var readsWords = false
    }

    struct Forward: Sendable, Equatable {
        var claim: String
        var header: String
    }

    struct Configuration: Sendable {
        var key: Key
        var issuer: String?
        /// The token must name one of these; empty: `aud` is not looked at.
        var audience: [String] = []
        /// Leeway for `exp` and `nbf` in seconds, 0 to 86,400.
        var clockSkew: Int64 = 0
        /// Whether a token without `exp` is refused.
        var expiryIsRequired = true
        var conditions: [Condition] = []
        /// At most `forwardsMax`.
        var forwards: [Forward] = []

        /// Those that the policy names; nil for the one that its key is used for.
        var namedAlgorithms: Located<[Algorithm]>?

        /// The algorithms that are accepted.
        ///
        /// - Parameter kind: of the one public key; nil for a secret and for a set, whose keys may be anything.
        func algorithms(for kind: PublicKey.Kind? = nil) -> [Algorithm] {
            if let namedAlgorithms { return namedAlgorithms.value }
            if case .secret = key { return [.hs256] }
            return [Algorithm(kind?.algorithm ?? .rs256)]
        }
    }

    /// Claims that one policy passes on: what an exchange has places for.
    static let forwardsMax = 8

    static let keys: [ConfigurationKey] = [
        .init("algorithm", .word(Algorithm.allCases.map(\.rawValue)), .otherwise("the key decides"), "The algorithm. It must fit the key."),
        .init("algorithms", .list(.word(Algorithm.allCases.map(\.rawValue)), countMin: 1), .otherwise("the key decides"),
            "Several algorithms, each of which is accepted. Not beside `algorithm`."),
        .init("secret", .secret("secret"), .optional, "The shared secret, for HS256, HS384 and HS512. Use at least 32 bytes."),
        .init("publicKey", .secret("PEM"), .optional, "The public key (RSA, P-256, P-384, P-521 or Ed25519), for all other algorithms."),
        .init("jwks", .text("path of a file, or an `http` or `https` URL"), .optional,
            "The key set. Without `algorithm` and `algorithms`, only RS256 is accepted."),
        .init("jwksCa", .text("path of a file"), .otherwise("the system's authorities"),
            "PEM file with the authorities of the key set's server. Only with an `https` URL."),
        .init("issuer", .text("text"), .otherwise("not checked"), "The value that `iss` must have."),
        .init("audience", .list(.text("text"), orOne: true, countMin: 1), .otherwise("not checked"), "`aud` must contain one of these."),
        .init("clockSkew", .integer(0...86_400, unit: "seconds"), .byDefault("0"), "Tolerance for `exp` and `nbf`."),
        .init("expiry", .word(["required", "optional"]), .byDefault("required"), "Whether a token must have `exp`."),
        .init("claims", .list(.mapping(claimKeys, rules: [.exactlyOne(["equals", "oneOf", "present"])])), .byDefault("[]"),
            "Conditions that the token's claims must meet, all of them."),
        .init("forward", .named("CLAIM", .text("name of a header")), .otherwise("none"),
            "Claims that the upstream gets, each in a header. At most 8. A client's own header of that name is removed."),
    ]

    private static let claimKeys: [ConfigurationKey] = [
        .init("name", .text("name of a claim"), .required, "The claim."),
        .init("equals", .scalar, .optional, "The claim must have this value. If the claim is a list, one element must have it."),
        .init("oneOf", .list(.scalar, countMin: 1), .optional, "The claim must have one of these values. Text is also read word by word."),
        .init("present", .boolean, .optional, "With `true`, the claim must exist and not be `null`. `false` is not allowed."),
        .init("words", .boolean, .byDefault("true"), "Whether `oneOf` reads text word by word. Only beside `oneOf`."),
    ]

    static func fields(_ configuration: Configuration) -> PolicyFields {
        PolicyFields(claims: configuration.forwards.map { .init(name: $0.claim, header: $0.header) })
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        guard let reader = MappingReader(node, problems) else { return nil }
        let problemsBefore = problems.count
        let algorithms = readAlgorithms(reader, problems)
        let key = readKey(reader, algorithms, problems)
        let issuer = reader.string("issuer")
        let audience = reader.strings("audience", allowSingle: true)
        let clockSkew = reader.integer("clockSkew", in: 0...86_400, unit: "seconds")
        let expiry = reader.enumeration("expiry", ["required", "optional"])
        let conditions = reader.mappings("claims").compactMap { readCondition($0, problems) }
        let forwards = reader.stringMap("forward") ?? []
        reader.finish()

        if let audience, audience.value.isEmpty {
            problems.add(at: audience, found: "an empty list", allowed: "at least one audience, or no `audience`")
        }
        checkForwards(forwards, problems)
        guard let key, problems.count == problemsBefore else {
            // Not compiled then, and a run tells of every problem.
            if let key { reportFault(of: key, problems) }
            return nil
        }
        return Configuration(
            key: key, issuer: issuer?.value, audience: audience?.value.map(\.value) ?? [], clockSkew: clockSkew?.value ?? 0,
            expiryIsRequired: expiry?.value != "optional", conditions: conditions,
            forwards: forwards.map { Forward(claim: $0.name.value, header: $0.value.value) }, namedAlgorithms: algorithms)
    }

    /// `algorithm: NAME`, or `algorithms: [NAME, ...]`; nil where the policy names none.
    private static func readAlgorithms(_ reader: MappingReader, _ problems: Problems) -> Located<[Algorithm]>? {
        let single = reader.enumeration("algorithm", of: Algorithm.self)
        let list = reader.enumerations("algorithms", Algorithm.allCases.map(\.rawValue))
        if let single, list != nil {
            problems.add(at: single, found: "algorithm and algorithms", allowed: "one of algorithm and algorithms")
        }
        if let list, reader.node("algorithms")?.elements?.isEmpty == true { problems.add(at: list, found: "an empty list", allowed: "at least one algorithm, or no `algorithms`") }
        return single.map { $0.map { [$0] } } ?? list.map { list in list.map { $0.compactMap { Algorithm(rawValue: $0.value) } } }
    }

    /// The one key, of a kind that the algorithms can use.
    private static func readKey(_ reader: MappingReader, _ algorithms: Located<[Algorithm]>?, _ problems: Problems) -> Key? {
        let names = ["secret", "publicKey", "jwks"].filter { reader.has($0) }
        let hasFile = reader.has("jwksCa")
        guard let name = names.first, names.count == 1 else {
            problems.add(
                at: reader, found: names.isEmpty ? "no key" : Quoting.alternatives(names).replacing(" or ", with: " and "),
                allowed: "one of secret, publicKey and jwks")
            return nil
        }
        var isWanted = true
        if let algorithms, let other = algorithms.value.first(where: { ($0.signature == nil) != (name == "secret") }) {
            isWanted = false
            problems.add(
                at: algorithms, found: "\(other.rawValue) with \(name)",
                allowed: "HS256, HS384 and HS512 with secret, all others with publicKey or jwks")
        }
        if hasFile, name != "jwks" {
            problems.add(at: reader, found: "jwksCa without jwks", allowed: "jwksCa only beside a jwks with an https URL")
        }
        let key: Key? =
            switch name {
            case "secret": reader.secret("secret").map { .secret($0) }
            case "publicKey": reader.textOrFile("publicKey").map { .publicKey($0) }
            default: readKeySet(reader, problems)
            }
        return isWanted ? key : nil
    }

    private static func readKeySet(_ reader: MappingReader, _ problems: Problems) -> Key? {
        let authorities = reader.path("jwksCa")
        guard let text = reader.string("jwks") else { return nil }
        guard var location = KeySetLocation(text.value, resolve: { problems.resolve($0, at: text) }) else {
            problems.add(
                at: text, found: Quoting.quotedURL(text.value), allowed: "the path of a file, or an http or https URL without user information and fragment")
            return nil
        }
        if let authorities {
            guard case .uri(let uri) = location.kind, uri.isSecure else {
                problems.add(at: authorities, found: "jwksCa", allowed: "only beside a jwks with an https URL")
                return nil
            }
            location.authorityFile = authorities.value
        }
        return .keySet(text.map { _ in location })
    }

    // MARK: - Conditions

    private static func readCondition(_ reader: MappingReader, _ problems: Problems) -> Condition? {
        let name = reader.requiredString("name")
        let equals = reader.node("equals")
        let oneOf = reader.list("oneOf")
        let present = reader.bool("present")
        let words = reader.bool("words")
        let kinds = ["equals", "oneOf", "present"].filter { reader.has($0) }
        reader.finish()
        guard kinds.count == 1 else {
            let found = kinds.isEmpty ? "a condition without a test" : "\(kinds.joined(separator: " and ")) together"
            problems.add(at: reader, found: found, allowed: "one of equals, oneOf and present")
            return nil
        }
        if let present, !present.value {
            problems.add(at: present, found: "false", allowed: "true")
            return nil
        }
        if let words, oneOf == nil {
            problems.add(at: words, found: "words without oneOf", allowed: "words only beside oneOf: equals compares the whole claim")
            return nil
        }
        if let oneOf, oneOf.value.isEmpty {
            problems.add(at: oneOf, found: "an empty list", allowed: "at least one value")
            return nil
        }
        let values = (equals.map { [$0] } ?? oneOf?.value ?? []).compactMap { reader.scalar($0, isText: false) }.compactMap { readValue($0, problems) }
        return name.map { Condition(name: $0.value, values: values, readsWords: oneOf != nil && words?.value != false) }
    }

    private static func readValue(_ node: ConfigurationNode, _ problems: Problems) -> ClaimValue? {
        switch node.content {
        case .string(let text): return .text(text)
        case .integer(let integer): return .integer(integer)
        case .number(let number) where number.isFinite: return .number(number)
        case .bool(let boolean): return .boolean(boolean)
        case .number, .null, .sequence, .mapping:
            problems.add(at: node, found: node.found, allowed: "text, a number or a boolean")
            return nil
        }
    }

    // MARK: - Forwarded claims

    private static func checkForwards(_ forwards: [(name: Located<String>, value: Located<String>)], _ problems: Problems) {
        var seen: Set<String> = []
        for (index, forward) in forwards.enumerated() {
            let header = forward.value
            if index == forwardsMax {
                problems.add(at: forward.name, found: "more than \(forwardsMax) claims", allowed: "at most \(forwardsMax)")
            }
            if !FieldSyntax.isToken(header.value) {
                problems.add(at: header, found: Quoting.quoted(header.value), allowed: "the name of a header")
            } else if isReserved(header.value) {
                problems.add(
                    at: header, found: Quoting.quoted(header.value),
                    allowed: "an end-to-end header that the gateway does not write itself")
            } else if !seen.insert(header.value.lowercased()).inserted {
                problems.add(at: header, found: "\(Quoting.quoted(header.value)) a second time", allowed: "one claim for each header")
            }
        }
    }

    /// Hop-by-hop and framing fields, and those that the gateway writes itself into every forwarded request.
    private static func isReserved(_ name: String) -> Bool {
        let field = Array(name.utf8).withByteView { KnownField(name: $0) }
        switch field {
        case .host, .contentLength, .transferEncoding, .expect, .xForwardedFor, .xForwardedProto, .xForwardedHost,
            .xRequestID, .traceparent, .tracestate, .via:
            return true
        default:
            return HopByHop.isHopByHop(field)
        }
    }
}
