import SluiceCallers
package import SluiceConfiguration

extension ConfigurationKey {
    /// Every mapping with fixed keys, each before those that it holds.
    package static let levels = levels(of: all)

    /// Every key at the top of a configuration, and under each the keys that it may hold. The order is that of the reference.
    package static let all: [ConfigurationKey] = [
        .init("listeners", .list(.mapping(listener)), .otherwise("one listener at `SLUICE_LISTEN`"), "Addresses on which Sluice listens."),
        .init("trustedProxies", .list(block), .otherwise("none"),
            "Proxies in front of Sluice. Sluice believes their `X-Forwarded-*` fields and PROXY headers."),
        .init("projects", .named("NAME", .either([.mapping(PolicyTable.keys(at: .project)), .nothing])), .otherwise("none"), "Groups of domains that share one ceiling."),
        .init("domains", .list(.mapping(domain)), .required, "The APIs that Sluice serves."),
        .init("errors", .word(ErrorFamily.names), .byDefault("v1"), "How clients are told of errors of domains that do not say it, and of requests that no domain has."),
        .init("responses", .mapping(responses), .optional, "Own responses to errors, of all domains. Those of a domain take their place type by type."),
        .init("plans", .named("NAME", .mapping(plan)), .otherwise("none"), "Limits that callers can be given, by name."),
        .init("callers", .named("NAME", .mapping(caller)), .otherwise("those that `sluice key` has made"), "Who may call with an API key (`apiKey`), by name."),
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
        .init("clientCertificates", .mapping(clientCertificates), .otherwise("clients are not asked"),
            "Asks clients for certificates, whatever server name they ask for. Needs `tls`."),
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

    private static let clientCertificates: [ConfigurationKey] = [
        .init("ca", path, .required, "PEM file with the authorities whose certificates are accepted, at most 256. A reload reads it again."),
        .init("mode", .word(["optional", "required"]), .byDefault("required"),
            "`required`: the handshake fails without a certificate. `optional`: it does not. A certificate that is not accepted fails it in both modes."),
        .init("crl", path, .otherwise("no certificate is revoked"),
            "PEM file with a list of revoked certificates (CRL) of each authority. Without a list that is valid, no client of an authority is accepted."),
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
        .init("errors", .word(ErrorFamily.names), .otherwise("as at the top; `v1`"),
            "How clients are told of errors. `v1`: as the table of errors says. `v2`: with codes of seven digits. `problem`: as problem details (RFC 9457)."),
        .init("responses", .mapping(responses), .otherwise("as at the top"), "Own responses to errors, in place of what `errors` says, by type."),
        .init("policies", .mapping(PolicyTable.keys(at: .domain), rules: PolicyTable.rules(at: .domain)), .optional, "Policies for all requests of the domain."),
        .init("endpoints", .list(.mapping(endpoint)), .otherwise("none; every request gets 404"), "What the domain serves."),
        .init("swagger", .anything, .optional, "Parts of an imported Swagger document. They have no effect; `sluice export` restores them."),
        .init("openapi", .anything, .optional, "Parts of an imported OpenAPI document. They have no effect."),
    ]

    private static let responses = ResponseType.allCases.map { type in
        ConfigurationKey(type.key, .mapping(response, rules: [.atLeastOne(["status", "headers", "bodies"])]), .optional, type.meaning)
    }

    private static let response: [ConfigurationKey] = [
        .init("status", .integer(200...599, unit: nil), .otherwise("the status of the error"), "The status of the response."),
        .init("headers", .named("NAME", .text("value of a header, with variables")), .otherwise("none"),
            "Headers of the response. One that the error has too replaces it; an empty value takes it away."),
        .init("bodies", .named("TYPE", .secret("text with variables, of at most 32 KiB; without variables, of at most 1 MiB")), .otherwise("the body that `errors` says"),
            "Bodies by content type, at most 8. The request's `Accept` chooses one; if it accepts none, it gets the first."),
    ]

    private static let plan: [ConfigurationKey] = [
        .init("requestsPerSecond", .integer(Plan.perSecondRange, unit: "requests"), .otherwise("no limit"), "Most requests of one caller in any interval of one second."),
        .init("quota", .integer(Plan.quotaRange, unit: "requests"), .otherwise("none"), "Most requests of one caller in a day or a month. Needs `per`."),
        .init("per", .word(Plan.Period.allCases.map(\.rawValue)), .otherwise("none"), "When the quota begins again: each day, or on the first of each month, at 00:00 UTC."),
    ]

    private static let caller: [ConfigurationKey] = [
        .init("key", .secret("`sha256:` and the digest of the key in hexadecimal, or the key"), .required, "The caller's key."),
        .init("secondaryKey", .secret("the same"), .otherwise("none"), "A second key, so that one can be changed while the other is in use."),
        .init("plans", .list(.text("`PLAN`, `DOMAIN=PLAN`, `none` or `DOMAIN=none`"), orOne: true, countMin: 1), .otherwise("`none`"),
            "Where the caller may call, and what limits it. Without a domain, a plan is for all domains that are not named. `none`: no limit."),
        .init("enabled", .boolean, .byDefault("true"), "`false`: the caller gets 403."),
        .init("notBefore", .text("time, as `2027-01-31T00:00:00Z`, or date"), .otherwise("no bound"), "The first moment at which the caller may call."),
        .init("expires", .text("time, as `2027-01-31T00:00:00Z`, or date"), .otherwise("no bound"), "The first moment at which the caller may no longer call."),
    ]

    private static let upstreamTls: [ConfigurationKey] = [
        .init("ca", path, .otherwise("the system's authorities"), "PEM file with the authorities that are trusted. A reload reads it again."),
        .init("verify", .boolean, .byDefault("true"), "Whether certificates are checked. `false` accepts every certificate: use it only for tests."),
    ]

    private static let endpoint: [ConfigurationKey] = [
        .init("path", .text("path pattern"), .required, "The paths that the endpoint serves, without the domain's key."),
        .init("methods", .list(.text("method"), orOne: true), .otherwise("all except OPTIONS and TRACE"), "The methods that the endpoint serves."),
        .init("policies", .mapping(PolicyTable.keys(at: .endpoint), rules: PolicyTable.rules(at: .endpoint)), .optional, "Policies for requests of this endpoint, in addition to the domain's."),
        .init("swagger", .anything, .optional, "Parts of an imported Swagger document. They have no effect; `sluice export` restores them."),
        .init("openapi", .anything, .optional, "Parts of an imported OpenAPI document. They have no effect."),
    ]
}
