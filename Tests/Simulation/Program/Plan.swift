/// A configuration as the simulation makes it up and the model reads it; the gateway gets it as text (`Plan+Text`).
struct Plan: Equatable {
    /// Ceilings by project.
    var projects: [String: Int] = [:]
    var trusted: [String] = []
    var domains: [Domain] = []

    func names(keySet: String) -> Bool {
        domains.contains { domain in
            if case .jwt(let plan) = domain.authentication, plan.keys == .set(keySet) { return true }
            return false
        }
    }

    func protects(secret: String) -> Bool {
        domains.contains { domain in
            if case .hmac(let plan) = domain.authentication { return plan.secret == secret && plan.refusesReplays }
            return false
        }
    }

    struct Domain: Equatable {
        var key: String
        var hosts: [String] = []
        var project: String
        /// Numbers of services, and the path before that of the request.
        var upstreams: [Upstream] = []
        var timeoutMs = 400
        var keepsEncodedSlashes = false
        var acl: ACL?
        var cors: CORS?
        var notice: Answer?
        var quotas: [Quota] = []
        /// What each address may send in any interval of so many seconds.
        var callers: Quota?
        var authentication = Authentication.none
        var endpoints: [Endpoint] = []
    }

    struct Upstream: Equatable {
        var service: Int
        var base: String
    }

    struct ACL: Equatable {
        var permits: Bool
        var addresses: [String]
    }

    struct CORS: Equatable {
        var origins: [String]
        var methods: [String]
        var headers: [String]
        var expose: [String]
        var credentials: Bool
        var maxAge: Int?
    }

    struct Quota: Hashable {
        var limit: Int
        var seconds: Int
    }

    /// A notice of maintenance, or a mock.
    struct Answer: Equatable {
        var status: Int
        var fields: [Field]
        var body: String
    }

    enum Authentication: Equatable {
        case none
        case hmac(HMACPlan)
        case jwt(JWTPlan)
    }

    struct HMACPlan: Equatable {
        var secret: String
        var skew: Int
        var required: [String]
        var refusesReplays: Bool
        var allowsSHA1 = false
    }

    struct JWTPlan: Equatable {
        enum Keys: Equatable {
            case secret(String)
            /// The name of a key set in `World.keySets`.
            case set(String)
        }
        var keys: Keys
        var issuer: String?
        var audience: String?
        var skew: Int
        var expiryOptional = false
        /// A claim that must have one of these values.
        var claim: (name: String, values: [String])?
        /// Claim to field.
        var forward: (claim: String, field: String)?

        static func == (a: JWTPlan, b: JWTPlan) -> Bool {
            a.keys == b.keys && a.issuer == b.issuer && a.audience == b.audience && a.skew == b.skew && a.expiryOptional == b.expiryOptional
                && a.claim?.name == b.claim?.name && a.claim?.values ?? [] == b.claim?.values ?? []
                && a.forward?.claim == b.forward?.claim && a.forward?.field == b.forward?.field
        }
    }

    struct Endpoint: Equatable {
        var path: String
        var methods: [String] = []
        var quotas: [Quota] = []
        var preCall: PreCall?
        var rewrite: Rewrite?
        var changes = Changes()
        var mock: Answer?
    }

    struct PreCall: Equatable {
        var method: String
        var service: Int
        var path: String
        var cacheSeconds: Int
        /// Nil: every forwarded field.
        var cacheKey: [String]?
        var timeoutMs: Int
    }

    struct Rewrite: Equatable {
        var pattern: String
        var to: String
    }

    struct Changes: Equatable {
        var requestSet: [Field] = []
        var requestRemove: [String] = []
        var responseSet: [Field] = []
        var responseRemove: [String] = []
    }
}

struct Field: Equatable {
    var name: String
    var value: String

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    var key: String { name.lowercased() }
}
