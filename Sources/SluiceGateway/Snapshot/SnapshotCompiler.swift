import Glibc
import SluiceConfiguration
import SluiceCounting
import SluiceCrypto
import SluiceHTTP

/// Turns a configuration into a snapshot: whatever can be decided before a request comes is decided here.
struct SnapshotCompiler {
    let settings: ProcessSettings
    let registries: Registries
    private let problems: Problems
    private let builder: SnapshotBuilder
    private let methods = MethodRegistry()
    private let metricRows: MetricRegistry.Hold
    private let counts: CountRegistry.Hold

    /// What outlives snapshots and gives things their numbers.
    struct Registries: Sendable {
        let counts: CountRegistry
        let metrics = MetricRegistry()
        let origins = OriginRegistry()
        let replays: ReplayRegistry
        let keySets: KeySetRegistry
        let preCalls: PreCallMemory
        let callers: CallerLimits
        let knownCallers: CallerRegistry

        /// - Parameter workers: how many there are, also where that is not what the settings say.
        init(
            _ settings: ProcessSettings = ProcessSettings(), workers: Int, sharesCeilings: Bool = false, callers: CallerStoreSource = .none
        ) {
            counts = CountRegistry(workers: workers, sharesCeilings: sharesCeilings)
            knownCallers = CallerRegistry(callers, counts: counts)
            // Another process may take over later.
            replays = ReplayRegistry(handsOver: settings.takeoverSocket != nil)
            keySets = KeySetRegistry(JWT.Settings(settings))
            preCalls = PreCallMemory(bytesMax: settings.preCallCacheBytes)
            KeeperState.setPartsMin(counts.state, to: settings.rateLimitNodes)
            self.callers = CallerLimits(keys: settings.rateLimitKeys, admitsUncounted: settings.rateLimitFull == .open)
        }

        /// For one worker, or none.
        init(_ settings: ProcessSettings = ProcessSettings(), callers: CallerStoreSource = .none) { self.init(settings, workers: 1, callers: callers) }
    }

    init(settings: ProcessSettings, registries: Registries, problems: Problems) {
        self.settings = settings
        self.registries = registries
        self.problems = problems
        metricRows = registries.metrics.makeHold()
        counts = registries.counts.makeHold()
        builder = SnapshotBuilder(
            problems: problems, origins: registries.origins, replays: registries.replays,
            keySets: registries.keySets, preCalls: registries.preCalls, callers: registries.callers, knownCallers: registries.knownCallers,
            headBytesMax: settings.maxHeadBytes, bodyBytesMax: UInt64(settings.maxBodyBytes))
    }

    /// The snapshot; nil if the configuration cannot be served. All problems are reported either way.
    func compile(_ configuration: GatewayConfiguration, generation: Int) -> Snapshot? {
        registries.counts.beginCompilation()
        registries.replays.beginCompilation()
        registries.knownCallers.beginCompilation(configuration.declaredCallers)
        let ceilings = Dictionary(
            configuration.projects.map { ($0.name.value, UInt64($0.ceiling?.value ?? Int64(settings.projectCeiling))) },
            uniquingKeysWith: { first, _ in first })
        let domains = configuration.domains.enumerated().map { number, domain in
            builder.domainNumber = number
            return compile(domain, ceilings: ceilings)
        }
        let table = DomainTable.compile(
            configuration.domains.map { DomainSource(key: $0.hasKey ? $0.key : nil, hosts: $0.hosts) }, into: builder.arena, problems: problems)
        guard !problems.refuseConfiguration else { return nil }
        builder.finish(table)
        let memory = domains.map(\.endpoints.memoryCapacity).max() ?? 0
        let tables = SnapshotTables(
            domains: table, compiledDomains: builder.arena.store(domains), methods: methods.compile(into: builder.arena), errors: configuration.errors,
            routeMemorySlot: builder.workerResource { RouteMemory(capacity: memory) },
            preCalls: Unmanaged.passUnretained(registries.preCalls))
        let everywhere = trusted(configuration.trustedProxies)
        let perListener = configuration.listeners.map { listener in
            (listener.address.value.description, trusted(configuration.trustedProxies + listener.trustedProxies))
        }
        return Snapshot(
            generation: generation, tables: tables,
            trusted: Dictionary(perListener, uniquingKeysWith: { first, _ in first }), trustedEverywhere: everywhere,
            metricRows: metricRows, counts: counts, builder: builder)
    }

    private func trusted(_ blocks: [Located<CIDR>]) -> TrustedProxies {
        TrustedProxies(blocks: builder.arena.store(blocks.map { .init(first: $0.value.first, last: $0.value.last) }))
    }

    // MARK: Domains

    private func compile(
        _ domain: GatewayConfiguration.DomainConfiguration, ceilings: [String: UInt64]
    ) -> CompiledDomain {
        let arena = builder.arena
        builder.domainKey = domain.key.value
        let project = domain.project?.value ?? "default"
        let limit = ceilings[project] ?? UInt64(settings.projectCeiling)
        let site = PolicySite(
            domain: domain.key.value, domain.policies, project: .init(name: project, limit: limit), counts: counts, into: builder)
        let ownSteps = arena.store(PolicyTable.rows.steps(at: site))
        let tellsOfPaths = !domain.responses.pathVariables.isEmpty
        let endpoints = domain.endpoints.map { compile($0, in: site, tellsOfPaths: tellsOfPaths) }
        let table = EndpointTable.compile(
            domain.endpoints.map { EndpointSource(pattern: $0.hasPath ? $0.path : nil, methods: $0.methods) }, registry: methods, into: arena,
            problems: problems)
        let upstream = compileUpstream(domain)
        return CompiledDomain(
            key: arena.bytes(domain.key.value), keyLines: KeyLines(key: domain.key.value, into: arena),
            counter: metricRows.domain(domain.key.value),
            unmatchedCounter: metricRows.endpoint(.init(domain: domain.key.value, endpoint: "")),
            unsafeMarks: domain.keepsEncodedSlashes ? .hiddenDots : .encodedSlash, keepsAmbiguousPaths: domain.keepsAmbiguousPaths,
            errors: domain.errors, responses: OwnResponses.compile(domain.responses, domain.errors, into: arena), endpoints: table, compiledEndpoints: arena.store(endpoints),
            ownSteps: ownSteps,
            unsafeTargetSteps: arena.store(UnsafeTarget.steps(at: site)), cors: CORS.compiled(at: site), upstream: upstream)
    }

    private func compileUpstream(_ domain: GatewayConfiguration.DomainConfiguration) -> UnsafePointer<CompiledUpstream>? {
        guard !domain.upstreams.isEmpty else { return nil }
        let arena = builder.arena
        let targets = domain.upstreams.compactMap { url -> CompiledUpstream.Target? in
            let place = domain.trustPosition ?? url.map { "\($0)" }
            guard let origin = builder.origin(of: url.value, trust: domain.trust, at: place) else { return nil }
            let path = url.value.path.hasSuffix("/") ? String(url.value.path.dropLast()) : url.value.path
            return .init(origin: origin, basePath: arena.bytes(path), hostLine: arena.bytes("Host: \(url.value.authority)\r\n"))
        }
        let timeout = domain.timeoutMilliseconds ?? Int64(settings.upstreamTimeoutMs)
        return arena.store(CompiledUpstream(targets: arena.store(targets), timeoutMilliseconds: UInt64(timeout),
            timeoutDetail: arena.bytes("Upstream ReadTimeout. limit: \(timeout)ms")))
    }

    // MARK: Endpoints

    private func compile(_ endpoint: GatewayConfiguration.EndpointConfiguration, in domain: PolicySite, tellsOfPaths: Bool) -> CompiledEndpoint {
        let arena = builder.arena
        let name = endpoint.name
        let site = PolicySite(endpoint: name, path: endpoint.path.value, endpoint.policies, in: domain)
        let steps = PolicyTable.rows.steps(at: site)
        let fields = endpoint.policies.fields(in: domain.settings)
        let changes = HeaderChanges.compiled(at: site)
        return CompiledEndpoint(
            pattern: arena.bytes(endpoint.path.value),
            counter: metricRows.endpoint(.init(domain: domain.name, endpoint: name)),
            steps: arena.store(steps), goesByClock: steps.contains { $0.policy.declaration.goesByClock }, headers: changes,
            forwardedClaims: arena.store(fields.claims.map { arena.bytes($0.header) }),
            variables: tellsOfPaths ? PathVariable.all(in: endpoint.path.value, into: arena) : ArenaSlice(),
            fields: EndpointFields(
                changes: changes?.pointee.request, changed: fields.set.map(\.value) + fields.removed, claims: fields.kept.map(\.header) + fields.hidden,
                relied: fields.relied, into: arena).map { arena.store($0) })
    }
}
