/// The policies, in the order in which the chain asks them, each with the reason for its place. A policy is one line here; what else there is to
/// know of it, it declares itself (`Policy`).
///
/// Whatever concerns all policies is answered by this table: the reader, the compiler, the chain, `explain`, the fields that tell of limits, the
/// metrics of refusals, the reference and the JSON Schema. None of them names a policy.
enum PolicyTable {
    @PolicyOrder
    @inline(__always)
    static var rows: any PolicyRows.Type {
        // First: whatever becomes of the request later, it counts.
        ProjectCeiling.self
        // Right after it, in a chain of these two: a path that nothing can be matched with.
        UnsafeTarget.self
        // Before anything is answered or spent for an address that may not come in.
        IPACL.self
        // Before maintenance and credentials: a browser sends neither with a preflight.
        CORS.self
        // Before quotas: a notice uses nothing up.
        Maintenance.self
        // Before limits: it costs less than they do, and what it refuses uses nothing up.
        ClientCertificates.self
        // Before quotas, which what it refuses does not use up, and before credentials are looked at, which costs more than counting: limits by
        // what is known of a stranger too.
        RateLimit.self
        // Before authentication, where guesses at credentials use the quota up too, or after it, as each list says.
        UsageQuota.self
        // Before anything that costs the operator's services work, and before it is told what exists.
        HMAC.self
        JWT.self
        // Behind the others, which may stand beside it: a stranger's signature or token costs no look-up.
        ApiKey.self
        AnyOf.self
        // No step: it stands in place of those above.
        Authentication.self
        // What one caller may use, before what all may use together: who is over its own plan uses nothing of the others'.
        CallerPlan.self
        // Limits by what authentication finds out, before quotas again.
        LateRateLimit.self
        // The lists that are charged after authentication.
        LateUsageQuota.self
        // After authentication, which tells a stranger nothing about limits, and before anything is spent on the body.
        BodyLimit.self
        // Before a service is asked about a request that lacks what it must have.
        Validate.self
        // After authentication: a service is asked only about callers that are known.
        PreCall.self
        // Behind everything that decides: the upstream sees the path as it is then.
        Rewrite.self
        // No step: whoever writes a head asks it.
        HeaderChanges.self
        // In the upstream's stead.
        Mock.self
    }

    /// All of them, in order.
    static let all: [any Policy.Type] = rows.all

    /// Those that may be written at this level, in order.
    static func policies(at level: PolicyDeclaration.Level) -> [any Policy.Type] {
        all.filter { policy in policy.declaration.places.contains { $0.level == level } }
    }
}
