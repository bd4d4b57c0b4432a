import SluiceHTTP

/// The immutable, compiled form of a whole configuration.
///
/// Compiled on one thread, then published to every worker. A worker's exchanges stay on the snapshot that they began
/// with; when the last of them has ended on every worker, the last reference goes and the arena with it.
/// Sendable, because its members and the arena that they point into are not written after `init`.
final class Snapshot: @unchecked Sendable {
    /// Counts publications from 1.
    let generation: Int
    let tables: UnsafePointer<SnapshotTables>
    /// Makes what each worker owns, by slot.
    let resourceFactories: [@Sendable () -> any WorkerResource]
    /// Trusted proxies by listener address, as configured.
    let trusted: [String: TrustedProxies]
    let trustedEverywhere: TrustedProxies
    /// Where its requests may be sent, by number in the registry.
    let originNumbers: Set<Int>
    /// The rows that its exchanges are counted in.
    private let metricRows: MetricRegistry.Hold
    /// What its exchanges are charged to.
    private let counts: CountRegistry.Hold
    private let origins: OriginRegistry.Hold
    private let arena: Arena

    init(
        generation: Int, tables: SnapshotTables, trusted: [String: TrustedProxies], trustedEverywhere: TrustedProxies,
        metricRows: MetricRegistry.Hold, counts: CountRegistry.Hold, builder: SnapshotBuilder
    ) {
        self.generation = generation
        self.trusted = trusted
        self.trustedEverywhere = trustedEverywhere
        self.metricRows = metricRows
        self.counts = counts
        origins = builder.origins
        arena = builder.arena
        self.tables = builder.arena.store(tables)
        originNumbers = builder.originNumbers
        resourceFactories = builder.resourceFactories
    }
}

/// What routing reads, in the snapshot's arena.
struct SnapshotTables: BitwiseCopyable {
    let domains: DomainTable
    let compiledDomains: ArenaSlice<CompiledDomain>
    let methods: MethodTable
    /// Of requests that are none of any domain's.
    let errors: ErrorFamily
    /// The slot of each worker's `RouteMemory`.
    let routeMemorySlot: Int
    /// What workers share of pre-calls; the arena keeps it alive.
    let preCalls: Unmanaged<PreCallMemory>
}
