extension Setting {
    /// Every variable, in the order in which `sluice env` prints them.
    package static let all: [Setting] = places + counting + downstream + upstream + policies + logs

    private static let timeout = 1...600_000
    private static let milliseconds = "milliseconds"
    private static let seconds = "seconds"
    private static let bytes = "bytes"

    private static let places = [
        Setting("SLUICE_LISTEN", .address(\.listen), "where to listen if the configuration names no listeners"),
        Setting("SLUICE_ADMIN_LISTEN", .optionalAddress(\.adminListen), "where the admin API listens, or off"),
        Setting("SLUICE_ADMIN_HOSTS", .hostNames(\.adminHosts),
            "names by which the admin listener may be called in Host, besides addresses and localhost"),
        Setting("SLUICE_WORKERS", .integer(\.workers, 1...1024), unit: "threads",
            "worker threads; by default one for each processor that the process may use"),
        Setting("SLUICE_STATE_DIR", .path(\.stateDirectory), "folder for what outlives the process: used quotas; off to keep them in memory"),
        Setting("SLUICE_TAKEOVER_SOCKET", .optionalPath(\.takeoverSocket),
            "Unix socket through which a new process takes over the listening sockets of the one that runs, or off"),
    ]

    private static let counting = [
        Setting("SLUICE_PROJECT_CEILING", .integer(\.projectCeiling, 1...10_000_000), unit: "requests per second",
            "ceiling of a project that configures none"),
        Setting("SLUICE_REDIS_URL", .redis(\.redisURL), "store of the ceilings and quotas that several nodes share"),
        Setting("SLUICE_REDIS_CA", .optionalPath(\.redisAuthorityFile),
            "PEM file of the authorities that a rediss:// server's certificate is checked by; off: the system's"),
        Setting("SLUICE_REDIS_AWAY", .redisAway(\.redisAway),
            "while Redis is away: each node keeps its last fair share (local), or nothing counted is admitted (closed)"),
        Setting("SLUICE_QUOTA_AWAY", .quotaAway(\.quotaAway),
            "a request whose quota cannot be reserved in time is refused (closed), or admitted and not counted (open)"),
        Setting("SLUICE_COUNT_WAIT_MS", .integer(\.countWaitMs, 0...60_000), unit: milliseconds,
            "longest time that a request waits for its ceiling or quota to be reserved"),
        Setting("SLUICE_RATE_LIMIT_FIELDS", .rateLimitFields(\.rateLimitFields),
            "responses with the fields RateLimit and RateLimit-Policy: none (off), those of limits (refusals), or every one (all)"),
    ]

    private static let downstream = [
        Setting("SLUICE_HEAD_TIMEOUT_MS", .integer(\.headTimeoutMs, timeout), unit: milliseconds,
            "from the first byte of a request to the end of its head"),
        Setting("SLUICE_BODY_TIMEOUT_MS", .integer(\.bodyTimeoutMs, timeout), unit: milliseconds,
            "longest silence while a request's body is received"),
        Setting("SLUICE_WRITE_TIMEOUT_MS", .integer(\.writeTimeoutMs, timeout), unit: milliseconds,
            "longest time that a client takes no byte of what is sent to it"),
        Setting("SLUICE_CLIENT_RATE_MIN", .integer(\.clientRateMin, 0...1_000_000_000), unit: "bytes per second",
            "slowest sending of a body and taking of a response, over each span of their timeouts; 0: any"),
        Setting("SLUICE_IDLE_TIMEOUT_MS", .integer(\.idleTimeoutMs, 1...3_600_000), unit: milliseconds,
            "longest wait for the next request on a kept connection"),
        Setting("SLUICE_TOTAL_TIMEOUT_MS", .integer(\.totalTimeoutMs, 0...86_400_000), unit: milliseconds,
            "from the first byte of a request to the last of its response, upgraded connections excepted; 0: no bound"),
        Setting("SLUICE_TUNNEL_IDLE_TIMEOUT_MS", .integer(\.tunnelIdleTimeoutMs, 1...86_400_000), unit: milliseconds,
            "longest silence in both directions of an upgraded connection"),
        Setting("SLUICE_TLS_HANDSHAKE_TIMEOUT_MS", .integer(\.tlsHandshakeTimeoutMs, timeout), unit: milliseconds,
            "from accepting a connection to the end of its TLS handshake"),
        Setting("SLUICE_DRAIN_TIMEOUT_MS", .integer(\.drainTimeoutMs, 0...3_600_000), unit: milliseconds,
            "longest wait for exchanges under way after SIGTERM"),
        Setting("SLUICE_DRAIN_IDLE_TIMEOUT_MS", .integer(\.drainIdleTimeoutMs, 0...600_000), unit: milliseconds,
            "how long after SIGTERM unused connections stay open for one more request each"),
        Setting("SLUICE_MAX_HEAD_BYTES", .integer(\.maxHeadBytes, 1024...1_048_576), unit: bytes,
            "longest head of a request"),
        Setting("SLUICE_MAX_BODY_BYTES", .integer(\.maxBodyBytes, 0...(1 << 40)), unit: bytes,
            "longest body of a request; 0: none may have one"),
        Setting("SLUICE_MAX_FIELDS", .integer(\.maxFields, 8...1000), unit: "fields", "most header fields of a request"),
        Setting("SLUICE_UNUSUAL_FIELDS", .unusualFields(\.unusualFields),
            "request fields whose names hold other than letters, digits and hyphens, which services confuse: not sent on (drop), 400 (refuse), or pass"),
        Setting("SLUICE_MAX_CONNECTIONS", .integer(\.maxConnections, 0...10_000_000), unit: "connections",
            "most client connections, over all workers; 0: as many as the descriptor limit allows"),
        Setting("SLUICE_MAX_CONNECTIONS_PER_CLIENT", .integer(\.maxConnectionsPerClient, 0...10_000_000),
            unit: "connections", "most connections of one client address, of IPv6 of one /64 network; over all workers; 0: no cap"),
        Setting("SLUICE_REQUESTS_PER_CONNECTION_MAX", .integer(\.requestsPerConnectionMax, 0...1_000_000_000),
            unit: "requests", "requests after which a client's connection is closed; 0: no cap"),
        Setting("SLUICE_LISTEN_BACKLOG", .integer(\.listenBacklog, 1...65_535), unit: "connections",
            "longest queue of connections that wait to be accepted"),
        Setting("SLUICE_CLIENT_CLOSE", .clientClose(\.clientClose),
            "a client that ends its sending side and waits gets its response (finish), or has gone, and its request ends (abort)"),
    ]

    private static let upstream = [
        Setting("SLUICE_UPSTREAM_TIMEOUT_MS", .integer(\.upstreamTimeoutMs, timeout), unit: milliseconds,
            "longest wait for an upstream's response to begin or go on"),
        Setting("SLUICE_UPSTREAM_CONNECT_TIMEOUT_MS", .integer(\.upstreamConnectTimeoutMs, timeout), unit: milliseconds,
            "longest wait for a connection to an upstream, its TLS handshake included"),
        Setting("SLUICE_UPSTREAM_IDLE_TIMEOUT_MS", .integer(\.upstreamIdleTimeoutMs, 1...3_600_000), unit: milliseconds,
            "how long an unused connection to an upstream is kept"),
        Setting("SLUICE_UPSTREAM_POOL_SIZE", .integer(\.upstreamPoolSize, 0...65_536),
            unit: "connections per address and worker", "most unused connections that are kept"),
        Setting("SLUICE_UPSTREAM_MAX_CONNECTIONS", .integer(\.upstreamMaxConnections, 0...10_000_000),
            unit: "connections per address and worker", "most connections; 0: no cap"),
        Setting("SLUICE_RETRY_MAX", .integer(\.retryMax, 0...10), unit: "attempts",
            "further attempts where a retry is safe"),
        Setting("SLUICE_RETRY_BUDGET_PERCENT", .integer(\.retryBudgetPercent, 0...1000), unit: "retries per 100 requests",
            "further attempts after failures of one upstream, as a share of its requests of the last 10 seconds"),
        Setting("SLUICE_RETRY_BUDGET_MIN", .integer(\.retryBudgetMin, 0...1_000_000), unit: "retries per second and worker",
            "further attempts at one upstream that are made whatever the share"),
        Setting("SLUICE_EJECT_AFTER_FAILURES", .integer(\.ejectAfterFailures, 0...1000), unit: "failures",
            "failures in a row after which one of several upstream addresses is left out; 0: never"),
        Setting("SLUICE_EJECT_MS", .integer(\.ejectMs, 1...3_600_000), unit: milliseconds,
            "how long an upstream address is left out"),
        Setting("SLUICE_CIRCUIT_AFTER_FAILURES", .integer(\.circuitAfterFailures, 0...100_000), unit: "failures",
            "failures in a row, on one worker, after which an upstream with one address is given no requests; 0: never"),
        Setting("SLUICE_CIRCUIT_MS", .integer(\.circuitMs, 1...3_600_000), unit: milliseconds,
            "how long that is, until one request finds out whether it is back"),
        Setting("SLUICE_DNS_REFRESH_SECONDS", .integer(\.dnsRefreshSeconds, 1...86_400), unit: seconds,
            "how often the names of upstreams are resolved again"),
        Setting("SLUICE_VIA", .flag(\.via),
            "whether requests to services get Via; some services, nginx as shipped among them, do not compress where it is"),
    ]

    private static let policies = [
        Setting("SLUICE_PRE_CALL_CACHE_BYTES", .integer(\.preCallCacheBytes, 0...(1 << 36)), unit: "bytes",
            "memory for remembered answers of pre-call APIs; 0: none are remembered"),
        Setting("SLUICE_JWT_CACHE_ENTRIES", .integer(\.jwtCacheEntries, 0...1_048_576), unit: "tokens per policy and worker",
            "verified tokens that are remembered; 0: none"),
        Setting("SLUICE_REGEX_MATCH_LIMIT", .integer(\.regexMatchLimit, 1000...10_000_000), unit: "steps",
            "most work for one match of a regular expression"),
        Setting("SLUICE_KEY_SET_REFRESH_SECONDS", .integer(\.keySetRefreshSeconds, 10...86_400), unit: seconds,
            "how often a JWKS is fetched again"),
        Setting("SLUICE_KEY_SET_FETCH_TIMEOUT_MS", .integer(\.keySetFetchTimeoutMs, timeout), unit: milliseconds,
            "longest time to fetch a JWKS"),
        Setting("SLUICE_READY_WAIT_MS", .integer(\.readyWaitMs, 0...600_000), unit: milliseconds,
            "how long after the start /readyz, and a take-over, wait for the first fetch of every JWKS; 0: not at all"),
    ]

    private static let logs = [
        Setting("SLUICE_LOG_LEVEL", .logLevel(\.logLevel), "least severe message that is logged"),
        Setting("SLUICE_ACCESS_LOG", .accessLog(\.accessLog), "where each exchange is logged"),
        Setting("SLUICE_CORE_DUMPS", .flag(\.coreDumps),
            "whether a crash may leave a core file, which holds secrets and requests, and debuggers of the same user may attach"),
    ]
}
