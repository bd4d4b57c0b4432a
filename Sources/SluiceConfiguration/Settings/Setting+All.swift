extension Setting {
    /// Every variable, in the order in which `sluice env` prints them.
    package static let all: [Setting] = places + counting + downstream + http2 + upstream + policies + logs

    private static let timeout = 1...600_000
    private static let milliseconds = "milliseconds"
    private static let seconds = "seconds"
    private static let bytes = "bytes"

    private static let places = [
        Setting("SLUICE_LISTEN", .address(\.listen), "where to listen if the configuration names no listeners"),
        Setting("SLUICE_ADMIN_LISTEN", .optionalAddress(\.adminListen), "where the admin listener serves health, readiness and metrics; off: no admin listener"),
        Setting("SLUICE_ADMIN_HOSTS", .hostNames(\.adminHosts),
            "names that Host may have in requests to the admin listener, besides addresses and localhost"),
        Setting("SLUICE_WORKERS", .integer(\.workers, 1...1024), unit: "threads",
            "worker threads; by default one for each processor that the process may use"),
        Setting("SLUICE_STATE_DIR", .path(\.stateDirectory), "folder for used quotas, which outlive the process; off: they are kept in memory"),
        Setting("SLUICE_TAKEOVER_SOCKET", .optionalPath(\.takeoverSocket),
            "Unix socket through which a new process takes over the listening sockets of the old one; off: no takeover"),
    ]

    private static let counting = [
        Setting("SLUICE_PROJECT_CEILING", .integer(\.projectCeiling, 1...10_000_000), unit: "requests per second",
            "ceiling of a project that sets no ceiling"),
        Setting("SLUICE_REDIS_URL", .redis(\.redisURL), "URL of the Redis that holds the ceilings and quotas which several nodes share"),
        Setting("SLUICE_REDIS_CA", .optionalPath(\.redisAuthorityFile),
            "PEM file of the authorities that the certificate of a rediss:// server is checked against; off: the system's authorities"),
        Setting("SLUICE_REDIS_AWAY", .redisAway(\.redisAway),
            "while Redis is away: each node continues with its last fair share (local), or admits nothing that is counted (closed)"),
        Setting("SLUICE_QUOTA_AWAY", .quotaAway(\.quotaAway),
            "a request whose quota cannot be reserved in time is refused (closed), or admitted and not counted (open)"),
        Setting("SLUICE_COUNT_WAIT_MS", .integer(\.countWaitMs, 0...60_000), unit: milliseconds,
            "longest wait of a request for its ceiling or quota to be reserved"),
        Setting("SLUICE_RATE_LIMIT_FIELDS", .rateLimitFields(\.rateLimitFields),
            "which responses have the fields RateLimit and RateLimit-Policy: no response (off), refusals by a limit (refusals), or every response (all)"),
    ]

    private static let downstream = [
        Setting("SLUICE_HEAD_TIMEOUT_MS", .integer(\.headTimeoutMs, timeout), unit: milliseconds,
            "from the first byte of a request to the end of its head"),
        Setting("SLUICE_BODY_TIMEOUT_MS", .integer(\.bodyTimeoutMs, timeout), unit: milliseconds,
            "longest silence while a request's body is received"),
        Setting("SLUICE_WRITE_TIMEOUT_MS", .integer(\.writeTimeoutMs, timeout), unit: milliseconds,
            "longest time in which a client takes no byte of what is sent to it"),
        Setting("SLUICE_CLIENT_RATE_MIN", .integer(\.clientRateMin, 0...1_000_000_000), unit: "bytes per second",
            "lowest rate at which a client must send a body and take a response, measured over each span of the body and write timeouts; 0: any rate"),
        Setting("SLUICE_IDLE_TIMEOUT_MS", .integer(\.idleTimeoutMs, 1...3_600_000), unit: milliseconds,
            "longest wait for the next request on a kept connection"),
        Setting("SLUICE_TOTAL_TIMEOUT_MS", .integer(\.totalTimeoutMs, 0...86_400_000), unit: milliseconds,
            "from the first byte of a request to the last byte of its response, except on upgraded connections; 0: no limit"),
        Setting("SLUICE_TUNNEL_IDLE_TIMEOUT_MS", .integer(\.tunnelIdleTimeoutMs, 1...86_400_000), unit: milliseconds,
            "longest silence in both directions of an upgraded connection"),
        Setting("SLUICE_TLS_HANDSHAKE_TIMEOUT_MS", .integer(\.tlsHandshakeTimeoutMs, timeout), unit: milliseconds,
            "from accepting a connection to the end of its TLS handshake"),
        Setting("SLUICE_DRAIN_TIMEOUT_MS", .integer(\.drainTimeoutMs, 0...3_600_000), unit: milliseconds,
            "longest wait after SIGTERM for requests in progress"),
        Setting("SLUICE_DRAIN_IDLE_TIMEOUT_MS", .integer(\.drainIdleTimeoutMs, 0...600_000), unit: milliseconds,
            "how long unused connections stay open after SIGTERM, for one more request each"),
        Setting("SLUICE_MAX_HEAD_BYTES", .integer(\.maxHeadBytes, 1024...1_048_576), unit: bytes,
            "longest head of a request"),
        Setting("SLUICE_MAX_BODY_BYTES", .integer(\.maxBodyBytes, 0...(1 << 40)), unit: bytes,
            "longest body of a request; 0: no request may have a body"),
        Setting("SLUICE_MAX_FIELDS", .integer(\.maxFields, 8...1000), unit: "fields", "most header fields of a request"),
        Setting("SLUICE_UNUSUAL_FIELDS", .unusualFields(\.unusualFields),
            "request fields whose names contain anything but letters, digits and hyphens, which services confuse: not forwarded (drop), 400 (refuse), or forwarded (pass)"),
        Setting("SLUICE_MAX_CONNECTIONS", .integer(\.maxConnections, 0...10_000_000), unit: "connections",
            "most client connections, over all workers; 0: as many as the descriptor limit allows"),
        Setting("SLUICE_MAX_CONNECTIONS_PER_CLIENT", .integer(\.maxConnectionsPerClient, 0...10_000_000),
            unit: "connections", "most connections of one client address (for IPv6, of one /64 network), over all workers; 0: no limit"),
        Setting("SLUICE_REQUESTS_PER_CONNECTION_MAX", .integer(\.requestsPerConnectionMax, 0...1_000_000_000),
            unit: "requests", "requests after which a client's connection is closed; 0: no limit"),
        Setting("SLUICE_LISTEN_BACKLOG", .integer(\.listenBacklog, 1...65_535), unit: "connections",
            "most connections that wait to be accepted"),
        Setting("SLUICE_CLIENT_CLOSE", .clientClose(\.clientClose),
            "a client that ends its sending side and waits: it gets its response (finish), or counts as gone and its request ends (abort)"),
    ]

    private static let http2 = [
        Setting("SLUICE_HTTP2_MAX_STREAMS", .integer(\.http2StreamsMax, 1...10_000), unit: "streams",
            "most requests under way on one HTTP/2 connection of a client"),
        Setting("SLUICE_HTTP2_STREAM_WINDOW", .integer(\.http2StreamWindow, 16_384...1_048_576), unit: bytes,
            "most of a request's body that a client may send over HTTP/2 before the upstream has taken it"),
        Setting("SLUICE_HTTP2_CONNECTION_WINDOW", .integer(\.http2ConnectionWindow, 65_535...16_777_216), unit: bytes,
            "the same for all requests of one connection together"),
        Setting("SLUICE_HTTP2_HEADER_TABLE_BYTES", .integer(\.http2HeaderTableBytes, 0...65_535), unit: bytes,
            "largest table of header fields that a client may keep in the gateway (HPACK)"),
        Setting("SLUICE_HTTP2_MAX_COOKIE_CRUMBS", .integer(\.http2CrumbsMax, 1...10_000), unit: "fields",
            "most parts into which a client may split the Cookie field"),
        Setting("SLUICE_HTTP2_MAX_CONTINUATIONS", .integer(\.http2ContinuationsMax, 0...1000), unit: "frames",
            "most CONTINUATION frames of one head; more end the connection"),
        Setting("SLUICE_HTTP2_RESET_BURST", .integer(\.http2ResetBurst, 1...1_000_000), unit: "streams",
            "streams of one connection that may be reset at once before their response ended; more end the connection"),
        Setting("SLUICE_HTTP2_RESETS_PER_SECOND", .integer(\.http2ResetsPerSecond, 0...1_000_000), unit: "streams per second",
            "rate at which that burst is granted again"),
        Setting("SLUICE_HTTP2_GLITCH_BURST", .integer(\.http2GlitchBurst, 1...1_000_000), unit: "frames",
            "frames of one connection that carry nothing (PING, SETTINGS, PRIORITY, empty DATA and the like) at once; more end the connection"),
        Setting("SLUICE_HTTP2_GLITCHES_PER_SECOND", .integer(\.http2GlitchesPerSecond, 0...1_000_000), unit: "frames per second",
            "rate at which that burst is granted again"),
    ]

    private static let upstream = [
        Setting("SLUICE_UPSTREAM_TIMEOUT_MS", .integer(\.upstreamTimeoutMs, timeout), unit: milliseconds,
            "longest wait for an upstream's response to begin or to continue"),
        Setting("SLUICE_UPSTREAM_CONNECT_TIMEOUT_MS", .integer(\.upstreamConnectTimeoutMs, timeout), unit: milliseconds,
            "longest wait for a connection to an upstream, its TLS handshake included"),
        Setting("SLUICE_UPSTREAM_IDLE_TIMEOUT_MS", .integer(\.upstreamIdleTimeoutMs, 1...3_600_000), unit: milliseconds,
            "how long an unused connection to an upstream is kept"),
        Setting("SLUICE_UPSTREAM_POOL_SIZE", .integer(\.upstreamPoolSize, 0...65_536),
            unit: "connections per address and worker", "most unused connections to an upstream that are kept"),
        Setting("SLUICE_UPSTREAM_MAX_CONNECTIONS", .integer(\.upstreamMaxConnections, 0...10_000_000),
            unit: "connections per address and worker", "most connections to an upstream; 0: no limit"),
        Setting("SLUICE_RETRY_MAX", .integer(\.retryMax, 0...10), unit: "attempts",
            "further attempts where a retry is safe"),
        Setting("SLUICE_RETRY_BUDGET_PERCENT", .integer(\.retryBudgetPercent, 0...1000), unit: "retries per 100 requests",
            "further attempts after failures of one upstream, as a share of its requests of the last 10 seconds"),
        Setting("SLUICE_RETRY_BUDGET_MIN", .integer(\.retryBudgetMin, 0...1_000_000), unit: "retries per second and worker",
            "further attempts at one upstream that are allowed even above that share"),
        Setting("SLUICE_EJECT_AFTER_FAILURES", .integer(\.ejectAfterFailures, 0...1000), unit: "failures",
            "failures in a row after which one of several upstream addresses is ejected; 0: never"),
        Setting("SLUICE_EJECT_MS", .integer(\.ejectMs, 1...3_600_000), unit: milliseconds,
            "how long an upstream address is ejected"),
        Setting("SLUICE_CIRCUIT_AFTER_FAILURES", .integer(\.circuitAfterFailures, 0...100_000), unit: "failures",
            "failures in a row, on one worker, after which an upstream with one address gets no requests; 0: never"),
        Setting("SLUICE_CIRCUIT_MS", .integer(\.circuitMs, 1...3_600_000), unit: milliseconds,
            "how long such an upstream gets no requests; then one request tests whether it is back"),
        Setting("SLUICE_DNS_REFRESH_SECONDS", .integer(\.dnsRefreshSeconds, 1...86_400), unit: seconds,
            "how often the names of upstreams are resolved again"),
        Setting("SLUICE_VIA", .flag(\.via),
            "whether requests to upstreams have Via; some services, nginx with its default settings among them, do not compress responses to such requests"),
    ]

    private static let policies = [
        Setting("SLUICE_PRE_CALL_CACHE_BYTES", .integer(\.preCallCacheBytes, 0...(1 << 36)), unit: "bytes",
            "memory for remembered answers of pre-call APIs; 0: no answers are remembered"),
        Setting("SLUICE_JWT_CACHE_ENTRIES", .integer(\.jwtCacheEntries, 0...1_048_576), unit: "tokens per policy and worker",
            "verified tokens that are remembered; 0: no tokens"),
        Setting("SLUICE_REGEX_MATCH_LIMIT", .integer(\.regexMatchLimit, 1000...10_000_000), unit: "steps",
            "most work for one match of a regular expression"),
        Setting("SLUICE_KEY_SET_REFRESH_SECONDS", .integer(\.keySetRefreshSeconds, 10...86_400), unit: seconds,
            "how often a JWKS is fetched again"),
        Setting("SLUICE_KEY_SET_FETCH_TIMEOUT_MS", .integer(\.keySetFetchTimeoutMs, timeout), unit: milliseconds,
            "longest time to fetch a JWKS"),
        Setting("SLUICE_READY_WAIT_MS", .integer(\.readyWaitMs, 0...600_000), unit: milliseconds,
            "how long after the start /readyz, and a takeover, wait for the first fetch of every JWKS; 0: no wait"),
    ]

    private static let logs = [
        Setting("SLUICE_LOG_LEVEL", .logLevel(\.logLevel), "least severe message that is logged"),
        Setting("SLUICE_ACCESS_LOG", .accessLog(\.accessLog), "where each exchange is logged"),
        Setting("SLUICE_CORE_DUMPS", .flag(\.coreDumps),
            "whether a crash may leave a core file, which contains secrets and requests, and whether debuggers of the same user may attach"),
    ]
}
