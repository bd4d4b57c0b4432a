import SluiceConfiguration

/// Where a policy is compiled: in a domain, or in one of its endpoints. For the thread that compiles.
final class PolicySite {
    /// What every domain of a project is charged to.
    struct Project {
        let name: String
        /// Requests per second.
        let limit: UInt64
    }

    let snapshot: SnapshotBuilder
    let counts: CountRegistry.Hold
    let project: Project
    /// What is written here; not what the domain of an endpoint has.
    let settings: PolicySettings
    /// Who it is for those that count: the domain's key, and the methods and the path of an endpoint.
    let name: String
    /// The path pattern of an endpoint, as it is written.
    let path: String?
    /// The domain's own site; nil for that one.
    let domain: PolicySite?
    private let givenClaimHeaders: [String]?
    private var made: [String: Any] = [:]

    init(domain key: String, _ settings: PolicySettings, project: Project, counts: CountRegistry.Hold, into snapshot: SnapshotBuilder) {
        self.snapshot = snapshot
        self.counts = counts
        self.project = project
        self.settings = settings
        name = key
        path = nil
        domain = nil
        givenClaimHeaders = nil
    }

    init(endpoint name: String, path: String? = nil, _ settings: PolicySettings, in domain: PolicySite) {
        snapshot = domain.snapshot
        counts = domain.counts
        project = domain.project
        self.settings = settings
        self.name = "\(domain.name) \(name)"
        self.path = path
        self.domain = domain
        givenClaimHeaders = nil
    }

    /// - Parameters:
    ///   - settings: of one of several alternatives at a site.
    ///   - claimHeaders: of all of them.
    init(alternative settings: PolicySettings, claimHeaders: [String], at site: PolicySite) {
        snapshot = site.snapshot
        counts = site.counts
        project = site.project
        self.settings = settings
        name = site.name
        path = site.path
        domain = nil
        givenClaimHeaders = claimHeaders
    }

    /// Headers that bear claims here, in the order of `Exchange.forwardedClaims`.
    var claimHeaders: [String] { givenClaimHeaders ?? settings.fields().claims.map(\.header) }

    /// What is made once here, however many chains have it.
    func once<Value>(_ key: String, _ make: () -> Value) -> Value {
        // Two steps: nothing at all would pass for an optional value that is nil.
        if let known = made[key], let value = known as? Value { return value }
        let value = make()
        made[key] = value
        return value
    }
}
