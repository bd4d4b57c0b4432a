extension ConfigurationKey {
    /// Every key at the top of a configuration, and under each the keys that it may hold. The order is that of the reference.
    package static let all: [ConfigurationKey] = [
        .init("listeners", .list(.mapping(listener)), .otherwise("one listener at `SLUICE_LISTEN`"), "Addresses on which Sluice listens."),
        .init("trustedProxies", .list(block), .otherwise("none"),
            "Proxies in front of Sluice. Sluice believes their `X-Forwarded-*` fields and PROXY headers."),
        .init("projects", .named("NAME", .either([.mapping(project), .nothing])), .otherwise("none"), "Groups of domains that share one ceiling."),
        .init("domains", .list(.mapping(domain)), .required, "The APIs that Sluice serves."),
        .init("include", .list(.text("file name, or a pattern with `*`, `?` or `[...]`"), orOne: true), .otherwise("none"),
            "Further files whose `domains` are added. Relative names are relative to this file."),
    ]

    private static let block = Form.text("IP address or CIDR block")
    private static let host = Form.text("host name, `*.NAME` or `*`")
    private static let url = Form.text("URL")
    private static let path = Form.text("path of a file")
    private static let milliseconds = Form.integer(1...600_000, unit: "milliseconds")

    private static let listener: [ConfigurationKey] = [
        .init("address", .text("`ADDRESS:PORT`, `[IPv6 ADDRESS]:PORT` or `:PORT`"), .required, "The address and the port."),
        .init("tls", .list(.mapping(certificate), orOne: true, countMin: 1), .otherwise("plain HTTP"),
            "Certificates. The client's SNI chooses one; a client without SNI gets the first."),
        .init("proxyProtocol", .boolean, .byDefault("false"),
            "Whether each connection begins with a PROXY header, version 1 or 2. A connection without one is closed."),
        .init("http2", .either([.boolean, .word(["cleartext"])]), .otherwise("`true` with `tls`, else `false`"),
            "Whether clients may speak HTTP/2. With TLS they choose it by ALPN. Without TLS, `cleartext` serves clients that begin with its preface."),
        .init("maxConnections", .integer(1...10_000_000, unit: "connections"), .otherwise("no limit"),
            "Most connections at once, over all workers. Further connections wait in the kernel's queue."),
        .init("trustedProxies", .list(block), .otherwise("none"), "Further trusted proxies, for this listener only."),
    ]

    private static let certificate: [ConfigurationKey] = [
        .init("certificate", path, .required, "PEM file with the certificate and its chain."),
        .init("key", .secret("private key as PEM"), .required, "The private key, usually `{file: PATH}`."),
    ]

    private static let project: [ConfigurationKey] = [
        .init("ceiling", .integer(1...10_000_000, unit: "requests per second"), .otherwise("`SLUICE_PROJECT_CEILING`"),
            "The most requests that pass in any interval of one second, over all domains of the project."),
    ]

    private static let domain: [ConfigurationKey] = [
        .init("key", .text("path segment"), .required, "The first segment of the paths that reach this domain: `/KEY/...`."),
        .init("hosts", .list(host, orOne: true), .otherwise("none"), "Hosts that reach this domain with their whole path."),
        .init("project", .text("name of a project"), .otherwise("the project `default`"), "The project whose ceiling applies."),
        .init("upstream", .list(url, orOne: true, countMin: 1), .otherwise("none; every endpoint needs `mock`"),
            "The service behind Sluice: one `http`, `https` or `h2c` URL, or one for each of its addresses. `h2c` is HTTP/2 without TLS."),
        .init("upstreamTimeoutMs", milliseconds, .otherwise("`SLUICE_UPSTREAM_TIMEOUT_MS`"),
            "Longest wait for the upstream's response to begin or to continue."),
        .init("upstreamTls", .mapping(upstreamTls), .optional, "How the certificates of `https` upstreams are checked."),
        .init("http2", .boolean, .byDefault("false"), "Whether HTTP/2 is offered to `https` upstreams. Not allowed with `http` URLs."),
        .init("encodedSlashes", .word(["keep", "reject"]), .byDefault("reject"),
            "What happens to a path with `%2F`. `reject`: it gets 400. `keep`: `%2F` is a character of its segment."),
        .init("ambiguousPaths", .word(["keep", "reject"]), .byDefault("reject"),
            "What happens to a path that an upstream may read as another endpoint's. `reject`: it gets 400. `keep`: it passes."),
        .init("policies", .mapping(domainPolicies, rules: [.atMostOne(["hmac", "jwt"])]), .optional, "Policies for all requests of the domain."),
        .init("endpoints", .list(.mapping(endpoint)), .otherwise("none; every request gets 404"), "What the domain serves."),
        .init("swagger", .anything, .optional, "Parts of an imported Swagger document. They have no effect; `sluice export` restores them."),
    ]

    private static let upstreamTls: [ConfigurationKey] = [
        .init("ca", path, .otherwise("the system's authorities"), "PEM file with the authorities that are trusted. A reload reads it again."),
        .init("verify", .boolean, .byDefault("true"), "Whether certificates are checked. `false` accepts every certificate: use it only for tests."),
    ]

    private static let domainPolicies: [ConfigurationKey] = [
        .init("ipAcl", .mapping([
            .init("permit", .boolean, .required, "`true`: only the listed addresses pass. `false`: all other addresses pass."),
            .init("addresses", .list(block), .required, "The addresses. With an empty list and `permit: true`, nobody passes."),
        ]), .optional, "Permits or denies requests by the client's address."),
        .init("cors", .mapping(cors), .optional, "Lets browsers of other origins use the domain."),
        .init("maintenance", .mapping([
            .init("enabled", .boolean, .required, "Whether the notice is in force."),
            .init("status", .integer(200...599, unit: nil), .byDefault("503"), "The status of the notice."),
        ] + response), .optional, "Answers every request with a notice."),
        .init("usageQuota", usageQuota, .optional, "Limits the requests per time window, over all requests of the domain."),
        .init("hmac", .mapping(hmac), .optional, "Checks that requests are signed with a shared secret."),
        .init("jwt", .mapping(jwt, rules: [.exactlyOne(["secret", "publicKey", "jwks"])]), .optional, "Checks that requests have a valid token."),
    ]

    private static let cors: [ConfigurationKey] = [
        .init("origins", .list(.text("origin, or `*`"), orOne: true, countMin: 1), .required,
            "Origins that may use the domain, such as `https://app.example.com`. `*`, alone, allows every origin."),
        .init("methods", .list(.text("method, or `*`"), orOne: true), .byDefault("[GET, HEAD, POST]"), "Methods that are allowed."),
        .init("headers", .list(.text("name of a header, or `*`"), orOne: true), .byDefault("[]"),
            "Request headers that are allowed. `*` stands for all headers except `Authorization`."),
        .init("expose", .list(.text("name of a header, or `*`"), orOne: true), .byDefault("[]"), "Response headers that scripts may read."),
        .init("credentials", .boolean, .byDefault("false"), "Whether browsers may send cookies and other credentials. Excludes `*` in all lists."),
        .init("maxAge", .integer(0...86_400, unit: "seconds"), .otherwise("the browser decides"), "How long a browser may keep the answer to a preflight."),
    ]

    private static let response: [ConfigurationKey] = [
        .init("headers", .named("NAME", .text("value of a header")), .otherwise("none"), "Headers of the response."),
        .init("body", .text("text of at most 1 MiB"), .otherwise("empty"), "The body. A status of 204, 205 or 304 has none."),
    ]

    private static let limit: [ConfigurationKey] = [
        .init("limit", .integer(0...((1 << 35) - 1), unit: nil), .required, "The most requests in one window. 0 refuses every request."),
        .init("perSeconds", .integer(1...2_592_000, unit: nil), .required,
            "Length of the window in seconds. Windows are aligned to the Unix epoch. Each length may stand once."),
    ]

    private static let usageQuota = Form.either([
        .list(.mapping(limit)),
        .mapping([
            .init("limits", .list(.mapping(limit)), .required, "The quotas, as in the form without `charge`."),
            .init("charge", .word(["before", "after"]), .byDefault("before"),
                "Whether requests are charged before or after authentication. What is charged before, strangers can use up."),
        ]),
    ])

    private static let hmac: [ConfigurationKey] = [
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

    private static let jwt: [ConfigurationKey] = [
        .init("algorithm", .word(["HS256", "RS256"]), .otherwise("the key decides"), "The algorithm. It must fit the key."),
        .init("secret", .secret("secret"), .optional, "The shared secret, for HS256. Use at least 32 bytes."),
        .init("publicKey", .secret("PEM"), .optional, "The public key, for RS256."),
        .init("jwks", .text("path of a file, or an `http` or `https` URL"), .optional, "The key set, for RS256."),
        .init("jwksCa", path, .otherwise("the system's authorities"), "PEM file with the authorities of the key set's server. Only with an `https` URL."),
        .init("issuer", .text("text"), .otherwise("not checked"), "The value that `iss` must have."),
        .init("audience", .list(.text("text"), orOne: true, countMin: 1), .otherwise("not checked"), "`aud` must contain one of these."),
        .init("clockSkew", .integer(0...86_400, unit: "seconds"), .byDefault("0"), "Tolerance for `exp` and `nbf`."),
        .init("expiry", .word(["required", "optional"]), .byDefault("required"), "Whether a token must have `exp`."),
        .init("claims", .list(.mapping(claim, rules: [.exactlyOne(["equals", "oneOf", "present"])])), .byDefault("[]"),
            "Conditions that the token's claims must meet, all of them."),
        .init("forward", .named("CLAIM", .text("name of a header")), .otherwise("none"),
            "Claims that the upstream gets, each in a header. At most 8. A client's own header of that name is removed."),
    ]

    private static let claim: [ConfigurationKey] = [
        .init("name", .text("name of a claim"), .required, "The claim."),
        .init("equals", .scalar, .optional, "The claim must have this value. If the claim is a list, one element must have it."),
        .init("oneOf", .list(.scalar, countMin: 1), .optional, "The claim must have one of these values. Text is also read word by word."),
        .init("present", .boolean, .optional, "With `true`, the claim must exist and not be `null`. `false` is not allowed."),
        .init("words", .boolean, .byDefault("true"), "Whether `oneOf` reads text word by word. Only beside `oneOf`."),
    ]

    private static let endpoint: [ConfigurationKey] = [
        .init("path", .text("path pattern"), .required, "The paths that the endpoint serves, without the domain's key."),
        .init("methods", .list(.text("method"), orOne: true), .otherwise("all except OPTIONS and TRACE"), "The methods that the endpoint serves."),
        .init("policies", .mapping(endpointPolicies), .optional, "Policies for requests of this endpoint, in addition to the domain's."),
        .init("swagger", .anything, .optional, "Parts of an imported Swagger document. They have no effect; `sluice export` restores them."),
    ]

    private static let endpointPolicies: [ConfigurationKey] = [
        .init("usageQuota", usageQuota, .optional, "Limits the requests per time window, over all requests of the endpoint."),
        .init("preCall", .mapping(preCall), .optional, "Asks another service whether the request may pass."),
        .init("rewrite", .mapping([
            .init("pattern", .text("regular expression, or a template"), .required, "What the whole path must match. Other paths are not changed."),
            .init("to", .text("replacement"), .required, "The new path, and after `?` a query. `%1` to `%9` are the pattern's groups. A template has `{name}` instead."),
        ]), .optional, "Changes the path that the upstream gets."),
        .init("headers", .mapping([
            .init("request", .mapping(changes), .optional, "Changes to what the upstream gets."),
            .init("response", .mapping(changes), .optional, "Changes to what the client gets."),
        ]), .optional, "Sets and removes headers."),
        .init("mock", .mapping([
            .init("status", .integer(200...599, unit: nil), .required, "The status of the response."),
        ] + response), .optional, "Answers in place of the upstream."),
    ]

    private static let changes: [ConfigurationKey] = [
        .init("set", .named("NAME", .text("value of a header")), .otherwise("none"), "Headers to set. Each replaces all headers of its name."),
        .init("remove", .list(.text("name of a header")), .byDefault("[]"), "Headers to remove."),
    ]

    private static let preCall: [ConfigurationKey] = [
        .init("url", url, .required, "The `http`, `https` or `h2c` URL of the service that is asked."),
        .init("method", .word(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]), .byDefault("GET"), "The method of the question."),
        .init("allow", .list(.integer(200...599, unit: nil), countMin: 1), .byDefault("[200]"),
            "Statuses that let the request pass. With any other status, the client gets the answer as its response."),
        .init("timeoutMs", milliseconds, .byDefault("1000"), "Longest time for the whole question, connecting included."),
        .init("cacheSeconds", .integer(0...86_400, unit: "seconds"), .byDefault("0"),
            "How long an answer that let a request pass is remembered. 0: not at all."),
        .init("cacheKey", .list(.text("name of a header"), countMin: 1), .otherwise("all headers that are sent"),
            "Headers that tell questions apart. Requests that agree in them share a remembered answer."),
    ]
}
