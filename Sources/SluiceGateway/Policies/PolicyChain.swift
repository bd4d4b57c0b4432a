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

/// Runs an exchange through its steps.
enum PolicyChain {
    /// The steps that hold for the exchange: its endpoint's, or, where none matches, its domain's own.
    static func steps(of exchange: borrowing Exchange) -> ArenaSlice<Step> {
        if let endpoint = exchange.endpoint { return endpoint.pointee.steps }
        guard let domain = exchange.domain else { return ArenaSlice() }
        return exchange.hasUnsafeTarget ? domain.pointee.unsafeTargetSteps : domain.pointee.ownSteps
    }

    /// The names that the signature covers of an exchange whose chain has an HMAC step, which it has passed.
    static func signedNames(of exchange: borrowing Exchange) -> NameSet {
        let steps = steps(of: exchange)
        for index in 0..<steps.count {
            if case .hmac = steps[index] { return exchange.signedNames() }
        }
        return NameSet(in: .empty)
    }

    /// The step that was evaluated last: the one that suspended or refused the exchange.
    static func latestStep(of exchange: borrowing Exchange) -> Step {
        steps(of: exchange)[exchange.step - 1]
    }

    /// Runs from `exchange.step` to the first step that does not say `proceed`; `exchange.step` is then the one after it.
    /// At the end of a domain's own steps the request is not found, or its path can be read in two ways.
    @inline(__always)
    static func run(_ exchange: inout Exchange) -> Verdict {
        let steps = steps(of: exchange)
        while exchange.step < steps.count {
            let step = steps.pointer(at: exchange.step)
            exchange.step += 1
            switch step.pointee.evaluate(&exchange) {
            case .proceed: continue
            case let verdict: return verdict
            }
        }
        return exchange.endpoint == nil ? .refuse(withoutEndpoint(exchange)) : .proceed
    }

    /// What becomes of a request for which the domain's own steps have said nothing and that has no endpoint.
    static func withoutEndpoint(_ exchange: borrowing Exchange) -> Refusal { exchange.isAmbiguous ? .invalidTarget : .notFound }
}
