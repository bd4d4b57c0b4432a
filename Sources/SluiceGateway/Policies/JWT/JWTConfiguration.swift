import SluiceConfiguration
import SluiceCrypto

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

    /// Whose tokens are taken, and what they must be like.
    struct Issuer: Sendable {
        var key: Key
        /// What `iss` must be; nil: it is not looked at.
        var name: String?
        /// The token must name one of these; empty: `aud` is not looked at.
        var audience: [String] = []
        /// Leeway for `exp` and `nbf` in seconds, 0 to 86,400.
        var clockSkew: Int64 = 0
        /// Whether a token without `exp` is refused.
        var expiryIsRequired = true
        var conditions: [Condition] = []
        /// At most `forwardsMax`.
        var forwards: [Forward] = []

        /// Those that are named; nil for the one that the key is used for.
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

    struct Configuration: Sendable {
        /// At least one, at most `issuersMax`.
        var issuers: [Issuer]
        /// Whether the token's `iss` chooses among them. Each has a name then, and no two have the same.
        var choosesByIssuer = false
    }

    /// Headers with claims that one policy passes on: what an exchange has places for.
    static let forwardsMax = 8

    static let keys: [ConfigurationKey] = [
        .init("issuers", .list(.mapping(issuerKeys(.required), rules: [.atMostOne(keyNames)]), countMin: 1), .optional,
            "Several issuers, at most 16. The token's `iss` chooses the one whose keys and rules hold. No other key stands beside it."),
    ] + issuerKeys(.otherwise("not checked"))

    static let keyRules: [ConfigurationKey.Rule] = [.atMostOne(keyNames + ["issuers"]), .atLeastOne(keyNames + ["issuer", "issuers"])]

    private static let keyNames = ["secret", "publicKey", "jwks"]

    /// - Parameter presence: of the issuer's name.
    private static func issuerKeys(_ presence: ConfigurationKey.Presence) -> [ConfigurationKey] {
        [
            .init("issuer", .text("text, usually an `http` or `https` URL"), presence,
                "The value that `iss` must have. Without a key, an `http` or `https` URL, whose key set is discovered."),
            .init("algorithm", .word(Algorithm.allCases.map(\.rawValue)), .otherwise("the key decides"), "The algorithm. It must fit the key."),
            .init("algorithms", .list(.word(Algorithm.allCases.map(\.rawValue)), countMin: 1), .otherwise("the key decides"),
                "Several algorithms, each of which is accepted. Not beside `algorithm`."),
            .init("secret", .secret("secret"), .optional, "The shared secret, for HS256, HS384 and HS512. Use at least 32 bytes."),
            .init("publicKey", .secret("PEM"), .optional, "The public key (RSA, P-256, P-384, P-521 or Ed25519), for all other algorithms."),
            .init("jwks", .text("path of a file, or an `http` or `https` URL"), .otherwise("discovered, if `issuer` stands without a key"),
                "The key set. Without `algorithm` and `algorithms`, only RS256 is accepted."),
            .init("jwksCa", .text("path of a file"), .otherwise("the system's authorities"),
                "PEM file with the authorities of the key set's server. Only with an `https` URL."),
            .init("audience", .list(.text("text"), orOne: true, countMin: 1), .otherwise("not checked"), "`aud` must contain one of these."),
            .init("clockSkew", .integer(0...86_400, unit: "seconds"), .byDefault("0"), "Tolerance for `exp` and `nbf`."),
            .init("expiry", .word(["required", "optional"]), .byDefault("required"), "Whether a token must have `exp`."),
            .init("claims", .list(.mapping(claimKeys, rules: [.exactlyOne(["equals", "oneOf", "present"])])), .byDefault("[]"),
                "Conditions that the token's claims must meet, all of them."),
            .init("forward", .named("CLAIM", .text("name of a header")), .otherwise("none"),
                "Claims that the upstream gets, each in a header, named as in `claims`. At most 8 headers. A client's own header of that name is removed."),
        ]
    }

    private static let claimKeys: [ConfigurationKey] = [
        .init("name", .text("name of a claim"), .required,
            "The claim. With dots, also the way to one inside of objects: `realm_access.roles`."),
        .init("equals", .scalar, .optional, "The claim must have this value. If the claim is a list, one element must have it."),
        .init("oneOf", .list(.scalar, countMin: 1), .optional, "The claim must have one of these values. Text is also read word by word."),
        .init("present", .boolean, .optional, "With `true`, the claim must exist and not be `null`. `false` is not allowed."),
        .init("words", .boolean, .byDefault("true"), "Whether `oneOf` reads text word by word. Only beside `oneOf`."),
    ]

    static func fields(_ configuration: Configuration) -> PolicyFields {
        PolicyFields(claims: PolicyFields.Claim.distinct(configuration.issuers.flatMap { issuer in
            issuer.forwards.map { PolicyFields.Claim(name: $0.claim, header: $0.header) }
        }))
    }
}
