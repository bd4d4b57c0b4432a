/// The settings of the process, as opposed to the operator's configuration file: from `SLUICE_*` variables and flags.
///
/// Each property's variable, range and meaning stand in `Setting.all`; the values here are the defaults.
package struct ProcessSettings: Sendable, Equatable {
    // Where
    package var listen = ListenAddress(ipv4: "0.0.0.0", port: 8080)
    /// Nil for none.
    package var adminListen: ListenAddress? = ListenAddress(ipv4: "127.0.0.1", port: 9901)
    /// Names that the admin listener may be called by, in lower case, besides addresses and `localhost`.
    package var adminHosts: [String] = []
    /// Nil for none.
    package var adminTokenFile: String?
    package var workers = min(1024, ProcessorCount.available)
    package var stateDirectory = "./.sluice"
    /// Value of `stateDirectory` for counts that end with the process.
    package static let noStateDirectory = "off"
    /// Nil for none.
    package var takeoverSocket: String?

    // Counting
    package var projectCeiling = 10_000
    package var redisURL: RedisURL?
    /// Nil for the system's authorities.
    package var redisAuthorityFile: String?
    package var redisAway = RedisAway.local
    package var quotaAway = QuotaAway.closed
    package var countWaitMs = 500
    package var rateLimitKeys = 1_000_000
    package var rateLimitFull = QuotaAway.closed
    package var rateLimitNodes = 1
    /// Nil for the memory of the process.
    package var rateLimitFile: String?
    package var rateLimitFields = RateLimitFields.refusals

    // Downstream
    package var headTimeoutMs = 10_000
    package var bodyTimeoutMs = 30_000
    package var writeTimeoutMs = 30_000
    /// 0: none.
    package var clientRateMin = 64
    package var idleTimeoutMs = 75_000
    /// 0: none.
    package var totalTimeoutMs = 0
    package var tunnelIdleTimeoutMs = 3_600_000
    package var tlsHandshakeTimeoutMs = 10_000
    package var drainTimeoutMs = 30_000
    package var drainIdleTimeoutMs = 1_000
    package var maxHeadBytes = 32_768
    package var maxBodyBytes = 10_485_760
    package var maxValidatedBytes = 1_048_576
    package var maxHeldBytes = 268_435_456
    package var maxFields = 128
    package var unusualFields = UnusualFields.drop
    package var maxConnections = 0
    package var maxConnectionsPerClient = 0
    package var requestsPerConnectionMax = 0
    package var listenBacklog = 4096
    package var clientClose = ClientClose.finish
    package var clientChainBytes = 32_768
    package var clientChainDepth = 4

    // HTTP/2
    package var http2StreamsMax = 100
    package var http2StreamWindow = 65_536
    package var http2ConnectionWindow = 6_553_600
    package var http2HeaderTableBytes = 4_096
    package var http2HeadsBytesMax = 1_048_576
    package var http2CrumbsMax = 256
    package var http2ContinuationsMax = 8
    package var http2ResetBurst = 500
    package var http2ResetsPerSecond = 100
    package var http2GlitchBurst = 1_000
    package var http2GlitchesPerSecond = 200

    // Upstream
    package var upstreamTimeoutMs = 60_000
    package var upstreamConnectTimeoutMs = 5_000
    package var upstreamIdleTimeoutMs = 60_000
    package var upstreamPoolSize = 4_096
    package var upstreamMaxConnections = 0
    package var retryMax = 1
    package var retryBudgetPercent = 20
    package var retryBudgetMin = 10
    package var ejectAfterFailures = 3
    package var ejectMs = 10_000
    package var circuitAfterFailures = 20
    package var circuitMs = 1_000
    package var dnsRefreshSeconds = 30
    package var via = true

    // Policies
    package var preCallCacheBytes = 8_388_608
    package var jwtCacheEntries = 1024
    package var regexMatchLimit = 100_000
    package var keySetRefreshSeconds = 300
    package var keySetFetchTimeoutMs = 5_000
    package var readyWaitMs = 5_000

    // Logs
    package var logLevel = LogLevel.info
    package var accessLog = AccessLogTarget.off
    package var coreDumps = false

    /// The defaults.
    package init() {}

    /// What a node does with ceilings and quotas while the shared store cannot be reached.
    package enum RedisAway: String, CaseIterable, Sendable {
        /// Each node keeps its last fair share.
        case local
        /// Nothing is admitted that would have to be counted.
        case closed
    }

    /// What happens to a request that cannot be counted. Its quota was not reserved in time, or the table of callers is full.
    package enum QuotaAway: String, CaseIterable, Sendable {
        /// It is refused as if the quota or limit were used up.
        case closed
        /// It is admitted without being counted.
        case open
    }

    /// Which responses tell the caller of limits, in the fields RateLimit and RateLimit-Policy.
    package enum RateLimitFields: String, CaseIterable, Sendable {
        case off
        /// Those that refuse for a limit.
        case refusals
        /// Every response of a domain.
        case all
    }

    /// What it means that a client ends its sending side while it waits for its response.
    package enum ClientClose: String, CaseIterable, Sendable {
        /// It has nothing more to say, and reads on.
        case finish
        /// It has gone.
        case abort
    }

    /// What becomes of a request's fields whose names hold a byte other than a letter, digit or hyphen.
    package enum UnusualFields: String, CaseIterable, Sendable {
        /// They are not sent on.
        case drop
        /// The request is answered with 400.
        case refuse
        /// They are sent on, but for those that a service may take for a field that the gateway sets, removes, checks or remembers.
        case pass
    }

    package enum LogLevel: String, CaseIterable, Sendable {
        case trace, debug, info, notice, warning, error, critical
    }

    package enum AccessLogTarget: Hashable, Sendable {
        case off
        case standardOutput
        case file(String)
    }
}
