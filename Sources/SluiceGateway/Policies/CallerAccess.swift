import SluiceCallers
import SluiceHTTP

/// How policies of one domain find callers, and what callers may there.
struct CallerAccess: BitwiseCopyable {
    let root: CallerRoot
    /// The domain's number in the registry of callers.
    let domain: UInt32

    /// Lets a caller in that was found, and notes what it is held to; or says why it may not call here and now.
    ///
    /// - Parameter view: in which it was found.
    func admit(_ found: CallerView.Found, _ view: UnsafeMutablePointer<CallerView>, _ exchange: inout Exchange) -> Refusal? {
        let now = exchange.context.pointee.wallSeconds
        guard found.isEnabled else { return Refusal(.apiKeyInactive, detail: "disabled") }
        guard now >= found.notBefore else { return Refusal(.apiKeyInactive, detail: "not yet valid") }
        guard now < found.expires else { return Refusal(.apiKeyInactive, detail: "expired") }
        guard let grant = view.pointee.grant(of: found, domain: domain) else { return Refusal(.apiKeyInvalid, detail: "no access to this domain") }
        if grant.plan != 0, root.plan(grant.plan) == nil { return Refusal(.apiKeyInvalid, detail: "its plan does not exist") }
        exchange.caller.plan = grant.plan
        exchange.caller.grant = grant
        return nil
    }

    /// The same for an exchange that has waited: its caller may be gone, disabled or moved to another plan meanwhile.
    func admitAgain(_ exchange: inout Exchange) -> Refusal? {
        let view = root.view
        guard let digest = exchange.caller.digest, let found = view.pointee.find(digest), found.id == exchange.caller.id else {
            return Refusal(.apiKeyInvalid, detail: "withdrawn meanwhile")
        }
        return admit(found, view, &exchange)
    }

    /// What holds for the exchange's caller at this moment: for those who tell of it.
    func held(_ exchange: borrowing Exchange) -> (plan: PlanWord, grant: CallerView.Held)? {
        let view = root.view
        guard let digest = exchange.caller.digest, let found = view.pointee.find(digest), let grant = view.pointee.grant(of: found, domain: domain),
            let plan = root.plan(grant.plan)
        else { return nil }
        return (plan, grant)
    }
}
