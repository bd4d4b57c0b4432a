import SluiceConfiguration
import SluiceEvent
import SluiceHTTP
import SluiceHTTP2

/// The process settings that a worker reads while it serves: plain numbers, in the units of its code.
///
/// Large because it has one property for each setting.
struct WorkerLimits: BitwiseCopyable, Sendable {
    let headBytesMax: Int
    let fieldsMax: Int
    let bodyBytesMax: UInt64
    /// Of a body that is held until it has been validated; and of all such bodies together, over all workers.
    let validatedBytesMax: Int
    let heldBytesMax: Int
    let headTimeout: UInt64
    let bodyTimeout: UInt64
    let writeTimeout: UInt64
    /// Bytes per second that a client has to send of a body and to take of a response; 0: no bound.
    let rateMin: UInt64
    let idleTimeout: UInt64
    let drainIdleTimeout: UInt64
    let handshakeTimeout: UInt64
    let tunnelTimeout: UInt64
    let connectTimeout: UInt64
    let upstreamIdleTimeout: UInt64
    let listenBacklog: Int
    /// No client's connection gets a descriptor of this number or above, but for one per listener.
    let clientDescriptorsMax: Int
    /// Requests after which a client's connection is closed; 0: no bound.
    let requestsPerConnectionMax: UInt32
    let idlePerAddressMax: Int
    /// 0: no bound.
    let connectionsPerAddressMax: Int
    let retriesMax: UInt8
    /// 0: no address is ever spared.
    let failuresUntilEjection: Int
    let ejectionMilliseconds: UInt64
    /// Of an only address; 0: its circuit never opens.
    let failuresUntilCircuit: Int
    let circuitMilliseconds: UInt64
    /// Retries for each hundred requests to an origin.
    let retryPercent: UInt64
    let retriesPerSecondMin: UInt64
    /// From a request's first byte to the end of its response; 0: no bound.
    let totalTimeout: UInt64
    let regexMatchLimit: Int
    /// Longest wait of a request for its allowance.
    let countWait: UInt64
    /// Of one fetch of a key set.
    let keySetFetch: UInt64
    /// Whether a refusal for a limit tells more of it, and whether every response does.
    let tellsLimits: Bool
    let tellsLimitsAlways: Bool
    /// Whether a client that ends its sending side while it waits for its response has gone.
    let halfCloseAborts: Bool
    /// Fields that are not written into requests although a gateway would, as in `FieldTable.present`; a client's own pass.
    let unwrittenFields: UInt64
    /// Whether requests with unusual field names are refused; else see `EvaluationContext.withheldKinds`.
    let refusesUnusualFields: Bool
    let passesUnusualFields: Bool
    /// Of clients' connections that speak HTTP/2.
    let http2: HTTP2Limits
    /// Most bytes of heads that the requests under way on one of them may have.
    let http2HeadsBytesMax: Int

    init(_ settings: ProcessSettings) {
        headBytesMax = settings.maxHeadBytes
        fieldsMax = settings.maxFields
        bodyBytesMax = UInt64(settings.maxBodyBytes)
        validatedBytesMax = settings.maxValidatedBytes
        heldBytesMax = settings.maxHeldBytes
        headTimeout = UInt64(settings.headTimeoutMs)
        bodyTimeout = UInt64(settings.bodyTimeoutMs)
        writeTimeout = UInt64(settings.writeTimeoutMs)
        rateMin = UInt64(settings.clientRateMin)
        idleTimeout = UInt64(settings.idleTimeoutMs)
        drainIdleTimeout = UInt64(settings.drainIdleTimeoutMs)
        listenBacklog = settings.listenBacklog
        handshakeTimeout = UInt64(settings.tlsHandshakeTimeoutMs)
        tunnelTimeout = UInt64(settings.tunnelIdleTimeoutMs)
        connectTimeout = UInt64(settings.upstreamConnectTimeoutMs)
        upstreamIdleTimeout = UInt64(settings.upstreamIdleTimeoutMs)
        let descriptors = Descriptors.limit
        clientDescriptorsMax = descriptors - descriptors / Limits.descriptorReserve
        requestsPerConnectionMax = UInt32(clamping: settings.requestsPerConnectionMax)
        // Many exchanges at once leave many connections behind. They may not use up what clients and reloads need.
        idlePerAddressMax = min(settings.upstreamPoolSize, max(Limits.idlePerAddressMin, descriptors / Limits.idleDescriptors / max(1, settings.workers)))
        connectionsPerAddressMax = settings.upstreamMaxConnections
        retriesMax = UInt8(clamping: settings.retryMax)
        failuresUntilEjection = settings.ejectAfterFailures
        ejectionMilliseconds = UInt64(settings.ejectMs)
        failuresUntilCircuit = settings.circuitAfterFailures
        circuitMilliseconds = UInt64(settings.circuitMs)
        retryPercent = UInt64(settings.retryBudgetPercent)
        retriesPerSecondMin = UInt64(settings.retryBudgetMin)
        totalTimeout = UInt64(settings.totalTimeoutMs)
        regexMatchLimit = settings.regexMatchLimit
        countWait = UInt64(settings.countWaitMs)
        keySetFetch = UInt64(settings.keySetFetchTimeoutMs)
        tellsLimits = settings.rateLimitFields != .off
        tellsLimitsAlways = settings.rateLimitFields == .all
        halfCloseAborts = settings.clientClose == .abort
        unwrittenFields = settings.via ? 0 : KnownField.via.bit
        refusesUnusualFields = settings.unusualFields == .refuse
        passesUnusualFields = settings.unusualFields == .pass
        var http2 = HTTP2Limits()
        http2.headBytes = settings.maxHeadBytes
        http2.fields = settings.maxFields
        // What is read on of a head that is too large, so that the client can be told.
        http2.blockBytes = max(http2.blockBytes, 2 * settings.maxHeadBytes)
        http2.decodedBytes = max(http2.decodedBytes, 3 * settings.maxHeadBytes)
        http2.extendedConnect = true
        http2.concurrentStreams = settings.http2StreamsMax
        http2.streamWindow = settings.http2StreamWindow
        http2.connectionWindow = settings.http2ConnectionWindow
        // A field that a client keeps in the table has to fit into a head.
        http2.headerTableBytes = min(settings.http2HeaderTableBytes, settings.maxHeadBytes)
        http2.crumbs = settings.http2CrumbsMax
        http2.continuationFrames = settings.http2ContinuationsMax
        http2.resetBurst = settings.http2ResetBurst
        http2.resetsPerSecond = settings.http2ResetsPerSecond
        http2.glitchBurst = settings.http2GlitchBurst
        http2.glitchesPerSecond = settings.http2GlitchesPerSecond
        self.http2 = http2.clamped
        // One head has to fit.
        http2HeadsBytesMax = max(settings.http2HeadsBytesMax, settings.maxHeadBytes)
    }
}
