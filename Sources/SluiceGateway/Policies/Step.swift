import SluiceHTTP

/// One compiled policy in a chain. A case that is not handled does not build.
///
/// The cases stand in the order of the chain, which is the contract's, and each place has its reason.
enum Step: BitwiseCopyable {
    /// First: whatever becomes of the request later, it counts.
    case ceiling(ProjectCeiling.Compiled)
    /// Right after it, in a chain of these two: a path that nothing can be matched with.
    case unsafeTarget
    /// Before anything is answered or spent for an address that may not come in.
    case ipACL(UnsafePointer<IPACL.Compiled>)
    /// Before maintenance and credentials: a browser sends neither with a preflight.
    case cors(UnsafePointer<CORS.Compiled>)
    /// Before quotas: a notice uses nothing up.
    case maintenance(UnsafePointer<StoredResponse>)
    /// Before authentication, where guesses at credentials use the quota up too, or after it: see `UsageQuota`.
    case usageQuota(UnsafePointer<UsageQuota.Compiled>)
    /// Before anything that costs the operator's services work, and before it is told what exists.
    case hmac(UnsafePointer<HMAC.Compiled>)
    case jwt(UnsafePointer<JWT.Compiled>)
    /// After authentication, which tells a stranger nothing about limits, and before anything is spent on the body.
    case bodyLimit(UInt64)
    /// After authentication: a service is asked only about callers that are known.
    case preCall(UnsafePointer<PreCall.Compiled>)
    /// Last before the upstream: it sees what everything above has let pass.
    case rewrite(UnsafePointer<Rewrite.Compiled>)
    /// In the upstream's stead.
    case mock(UnsafePointer<StoredResponse>)
}

extension Step {
    /// Asks the policy. The same code for a worker, a test and `sluice explain`.
    @inline(__always)
    func evaluate(_ exchange: inout Exchange) -> Verdict {
        switch self {
        case .ceiling(let ceiling): ceiling.evaluate(&exchange)
        case .unsafeTarget: .refuse(.invalidTarget)
        case .ipACL(let acl): acl.pointee.evaluate(&exchange)
        case .cors(let cors): cors.pointee.evaluate(&exchange)
        case .maintenance(let response): .respond(response)
        case .usageQuota(let quota): quota.pointee.evaluate(&exchange)
        case .hmac(let hmac): Self.evaluate(hmac, &exchange)
        case .jwt(let jwt): jwt.pointee.evaluate(&exchange)
        case .bodyLimit(let bytes): exchange.announcesMore(than: bytes) ? .refuse(.bodyTooLarge) : .proceed
        case .preCall(let preCall): preCall.pointee.evaluate(&exchange)
        case .rewrite(let rewrite): rewrite.pointee.evaluate(&exchange)
        case .mock(let response): .respond(response)
        }
    }

    /// What a signature has covered goes on: see `Exchange.relyOnSigned`.
    @inline(__always)
    private static func evaluate(_ hmac: UnsafePointer<HMAC.Compiled>, _ exchange: inout Exchange) -> Verdict {
        let verdict = hmac.pointee.evaluate(&exchange)
        if case .proceed = verdict { exchange.relyOnSigned() }
        return verdict
    }

    /// Whether what this step says, or the answer that it gives in the service's stead, is bound to the moment at which it is asked: windows,
    /// times of credentials. The ceiling is not, where the request goes on to a service: the clock is read again as it leaves.
    var goesByClock: Bool {
        switch self {
        case .usageQuota, .hmac, .jwt, .maintenance, .mock: true
        case .ceiling, .unsafeTarget, .ipACL, .cors, .bodyLimit, .preCall, .rewrite: false
        }
    }

    /// The policy's name in the configuration, for logs, metrics and `explain`.
    var name: StaticString {
        switch self {
        case .ceiling: "ceiling"
        case .unsafeTarget: "target"
        case .ipACL: "ipAcl"
        case .cors: "cors"
        case .maintenance: "maintenance"
        case .usageQuota: "usageQuota"
        case .hmac: "hmac"
        case .jwt: "jwt"
        case .bodyLimit: "bodyLimit"
        case .preCall: "preCall"
        case .rewrite: "rewrite"
        case .mock: "mock"
        }
    }
}
