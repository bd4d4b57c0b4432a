import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

/// What a policy may use while it is compiled: the arena, the problems, and slots for what each worker must own.
///
/// Large because it holds for each configuration what several policies share, each made when it is first asked for.
final class SnapshotBuilder {
    let arena = Arena()
    let problems: Problems
    /// What workers share of pre-calls, kept alive by the arena.
    let preCalls: PreCallMemory
    /// Bytes of the longest head of a request, and so of the longest token.
    let headBytesMax: Int
    /// Bytes of the longest body of a request.
    let bodyBytesMax: UInt64
    /// Where callers are counted.
    let callers: CallerLimits
    let replays: ReplayRegistry
    let keySets: KeySetRegistry
    let knownCallers: CallerRegistry
    let origins: OriginRegistry.Hold
    /// Key of the domain that is being compiled, and its place among all.
    var domainKey = ""
    var domainNumber = 0
    /// Where the table of domains will stand, for policies; nil in it while the domains are compiled.
    var domains: UnsafePointer<DomainTable?> { UnsafePointer(domainsPlace) }
    private lazy var domainsPlace = UnsafeMutablePointer(mutating: arena.store(DomainTable?.none))
    /// Numbers of the origins that were asked for.
    private(set) var originNumbers: Set<Int> = []
    /// Key sets in files that this compilation has read.
    var keySetFiles: [KeySetLocation: KeySetSource] = [:]
    private(set) var resourceFactories: [@Sendable () -> any WorkerResource] = []

    init(
        problems: Problems, origins: OriginRegistry = OriginRegistry(), replays: ReplayRegistry = ReplayRegistry(),
        keySets: KeySetRegistry = KeySetRegistry(), preCalls: PreCallMemory? = nil, callers: CallerLimits = CallerLimits(),
        knownCallers: CallerRegistry = CallerRegistry(), headBytesMax: Int = 32_768, bodyBytesMax: UInt64 = 10 << 20
    ) {
        self.problems = problems
        self.origins = origins.makeHold()
        self.callers = callers
        arena.own(callers)
        self.replays = replays
        self.keySets = keySets
        self.knownCallers = knownCallers
        arena.own(knownCallers)
        self.preCalls = preCalls ?? PreCallMemory(bytesMax: 8 << 20)
        arena.own(self.preCalls)
        self.headBytesMax = headBytesMax
        self.bodyBytesMax = bodyBytesMax
    }

    /// The domains are compiled.
    func finish(_ table: DomainTable) { domainsPlace.pointee = table }

    /// Reserves a slot for a resource that every worker makes for itself when it takes the snapshot over (a keyed
    /// HMAC context, a signature verifier). Read per request as `context.resources[slot]`.
    func workerResource(_ make: @escaping @Sendable () -> any WorkerResource) -> Int {
        resourceFactories.append(make)
        return resourceFactories.count - 1
    }

    /// The number of the origin that a URL names. Nil, with a problem, if its authorities cannot be read.
    func origin(of url: UpstreamURL, trust: Origin.Trust = Origin.Trust(), at place: some Placed) -> Int? {
        do {
            let number = try origins.number(of: url, trust: trust)
            originNumbers.insert(number)
            return number
        } catch {
            problems.add(at: place, found: error.message, allowed: "certificates of authorities that can be used")
            return nil
        }
    }

    /// The slot of the worker's `ValidationMemory`, one for all policies.
    private(set) lazy var validationMemorySlot: Int = workerResource { ValidationMemory() }

    /// The slot of the worker's `TokenMemory`, one for all policies.
    private(set) lazy var tokenMemorySlot: Int = {
        let bytes = headBytesMax
        return workerResource { TokenMemory(tokenBytesMax: bytes) }
    }()
}
