import Glibc
import SluiceConfiguration
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

        /// - Parameter workers: how many there are, also where that is not what the settings say.
        init(_ settings: ProcessSettings = ProcessSettings(), workers: Int, sharesCeilings: Bool = false) {
            counts = CountRegistry(workers: workers, sharesCeilings: sharesCeilings)
            // Another process may take over later.
            replays = ReplayRegistry(handsOver: settings.takeoverSocket != nil)
            keySets = KeySetRegistry(JWT.Settings(settings))
            preCalls = PreCallMemory(bytesMax: settings.preCallCacheBytes)
        }

        /// For one worker, or none.
        init(_ settings: ProcessSettings = ProcessSettings()) { self.init(settings, workers: 1) }
    }

    init(settings: ProcessSettings, registries: Registries, problems: Problems) {
        self.settings = settings
        self.registries = registries
        self.problems = problems
        metricRows = registries.metrics.makeHold()
        counts = registries.counts.makeHold()
        builder = SnapshotBuilder(
            problems: problems, origins: registries.origins, replays: registries.replays,
            keySets: registries.keySets, preCalls: registries.preCalls, headBytesMax: settings.maxHeadBytes)
    }

    /// The snapshot; nil if the configuration cannot be served. All problems are reported either way.
    func compile(_ configuration: GatewayConfiguration, generation: Int) -> Snapshot? {
        registries.counts.beginCompilation()
        registries.replays.beginCompilation()
        let ceilings = Dictionary(
            configuration.projects.map { ($0.name.value, UInt64($0.ceiling?.value ?? Int64(settings.projectCeiling))) },
            uniquingKeysWith: { first, _ in first })
        let domains = configuration.domains.map { compile($0, ceilings: ceilings) }
        let table = DomainTable.compile(
            configuration.domains.map { DomainSource(key: $0.hasKey ? $0.key : nil, hosts: $0.hosts) }, into: builder.arena, problems: problems)
        guard !problems.refuseConfiguration else { return nil }
        let memory = domains.map(\.endpoints.memoryCapacity).max() ?? 0
        let tables = SnapshotTables(
            domains: table, compiledDomains: builder.arena.store(domains), methods: methods.compile(into: builder.arena),
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
        let ceiling = counts.ceiling(project: project, limit: limit)
        let cors = domain.policies.cors.flatMap { CORS.compile($0, into: builder) }
        let corsPlace = cors.map { arena.store($0) }
        let parts = DomainParts(
            ceiling: ProjectCeiling.compile(ceiling, project: project, limit: limit, into: builder),
            ipACL: domain.policies.ipACL.flatMap { IPACL.compile($0, into: builder) }.map { arena.store($0) },
            cors: corsPlace,
            maintenance: domain.policies.maintenance.flatMap { Maintenance.compile($0, into: builder) }
                .map { $0.amended(cors: cors, into: arena).response },
            quota: UsageQuota.compile(
                domain.policies.usageQuota, owner: domain.key.value, counts: counts, into: builder),
            quotaCharge: domain.policies.usageQuota?.charge ?? .before,
            hmac: domain.policies.hmac.flatMap { HMAC.compile($0, into: builder) }.map { arena.store($0) },
            jwt: domain.policies.jwt.flatMap { JWT.compile($0, into: builder) }.map { arena.store($0) })
        let endpoints = domain.endpoints.map { compile($0, of: domain, parts) }
        let table = EndpointTable.compile(
            domain.endpoints.map { EndpointSource(pattern: $0.hasPath ? $0.path : nil, methods: $0.methods) }, registry: methods, into: arena,
            problems: problems)
        let upstream = compileUpstream(domain)
        return CompiledDomain(
            key: arena.bytes(domain.key.value), keyLines: KeyLines(key: domain.key.value, into: arena),
            counter: metricRows.domain(domain.key.value),
            unmatchedCounter: metricRows.endpoint(.init(domain: domain.key.value, endpoint: "")),
            unsafeMarks: domain.keepsEncodedSlashes ? .hiddenDots : .encodedSlash, keepsAmbiguousPaths: domain.keepsAmbiguousPaths, endpoints: table, compiledEndpoints: arena.store(endpoints),
            ownSteps: arena.store(parts.steps(endpointQuota: ArenaSlice(), charge: .before, into: arena)),
            unsafeTargetSteps: arena.store([.ceiling(parts.ceiling), .unsafeTarget]), cors: corsPlace, upstream: upstream)
    }

    /// What a domain's policies contribute to every chain of it.
    private struct DomainParts {
        let ceiling: ProjectCeiling.Compiled
        let ipACL: UnsafePointer<IPACL.Compiled>?
        let cors: UnsafePointer<CORS.Compiled>?
        let maintenance: UnsafePointer<StoredResponse>?
        let quota: ArenaSlice<UsageQuota.Compiled.Condition>
        let quotaCharge: UsageQuota.Configuration.Charge
        let hmac: UnsafePointer<HMAC.Compiled>?
        let jwt: UnsafePointer<JWT.Compiled>?

        /// Steps 1 to 6 of the chain.
        func steps(
            endpointQuota: ArenaSlice<UsageQuota.Compiled.Condition>, charge: UsageQuota.Configuration.Charge, into arena: Arena
        ) -> [Step] {
            func quotaStep(_ time: UsageQuota.Configuration.Charge) -> [Step] {
                let domain = quotaCharge == time ? quota : ArenaSlice()
                let endpoint = charge == time ? endpointQuota : ArenaSlice()
                guard domain.count + endpoint.count > 0 else { return [] }
                return [.usageQuota(arena.store(UsageQuota.Compiled(domain: domain, endpoint: endpoint, into: arena)))]
            }
            var steps: [Step] = [.ceiling(ceiling)]
            if let ipACL { steps.append(.ipACL(ipACL)) }
            if let cors { steps.append(.cors(cors)) }
            if let maintenance { steps.append(.maintenance(maintenance)) }
            steps += quotaStep(.before)
            if let hmac { steps.append(.hmac(hmac)) }
            if let jwt { steps.append(.jwt(jwt)) }
            steps += quotaStep(.after)
            return steps
        }
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
        return arena.store(CompiledUpstream(targets: arena.store(targets), timeoutMilliseconds: UInt64(timeout)))
    }

    // MARK: Endpoints

    private func compile(
        _ endpoint: GatewayConfiguration.EndpointConfiguration, of owner: GatewayConfiguration.DomainConfiguration, _ parts: DomainParts
    ) -> CompiledEndpoint {
        let arena = builder.arena
        let domain = owner.key.value
        let methods = endpoint.methods?.value.map(\.value).joined(separator: ",") ?? "*"
        let name = "\(methods) \(endpoint.path.value)"
        let quota = UsageQuota.compile(
            endpoint.policies.usageQuota, owner: "\(domain) \(name)", counts: counts, into: builder)
        let headers = endpoint.policies.headers.flatMap {
            HeaderChanges.compile($0.leavingOut(cors: parts.cors != nil, date: endpoint.policies.mock != nil), into: builder)
        }
        var steps = parts.steps(endpointQuota: quota, charge: endpoint.policies.usageQuota?.charge ?? .before, into: arena)
        steps.append(.bodyLimit(UInt64(settings.maxBodyBytes)))
        if let preCall = endpoint.policies.preCall.flatMap({ PreCall.compile($0, into: builder) }) {
            steps.append(.preCall(arena.store(preCall)))
        }
        if let rewrite = endpoint.policies.rewrite.flatMap({ Rewrite.compile($0, into: builder) }) {
            steps.append(.rewrite(arena.store(rewrite)))
        }
        if let mock = endpoint.policies.mock.flatMap({ Mock.compile($0, into: builder) }) {
            steps.append(.mock(mock.amended(by: headers, cors: parts.cors?.pointee, into: arena).response))
        }
        return CompiledEndpoint(
            pattern: arena.bytes(endpoint.path.value),
            counter: metricRows.endpoint(.init(domain: domain, endpoint: name)),
            steps: arena.store(steps), goesByClock: steps.contains(where: \.goesByClock), headers: headers.map { arena.store($0) },
            forwardedClaims: parts.jwt?.pointee.forwardedHeaders ?? ArenaSlice(), fields: fields(of: endpoint, owner, headers, arena))
    }

    /// The names that the endpoint's policies, and its domain's, make special in requests.
    private func fields(
        of endpoint: GatewayConfiguration.EndpointConfiguration, _ domain: GatewayConfiguration.DomainConfiguration,
        _ changes: HeaderChanges.Compiled?, _ arena: Arena
    ) -> UnsafePointer<EndpointFields>? {
        let request = endpoint.policies.headers?.request
        let cacheKey = endpoint.policies.preCall?.cacheKey ?? []
        return EndpointFields(
            changes: changes?.request,
            changed: (request?.set.map(\.name.value) ?? []) + (request?.remove.map(\.value) ?? []),
            claims: domain.policies.jwt?.forwards.map(\.header) ?? [],
            relied: (domain.policies.hmac?.requiredHeaders ?? []) + cacheKey, into: arena).map { arena.store($0) }
    }
}
