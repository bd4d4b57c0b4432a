import SluiceConfiguration

/// What `sluice check` notes about a configuration that is served as it is written: each is no fault, but something that its
/// operator may not have meant.
enum ConfigurationNotes {
    static func add(_ configuration: GatewayConfiguration, to problems: Problems) {
        for domain in configuration.domains {
            noteWithoutEndpoints(domain, problems)
            noteQuotaOfStrangers(domain, problems)
        }
    }

    private static func noteQuotaOfStrangers(_ domain: GatewayConfiguration.DomainConfiguration, _ problems: Problems) {
        func isOpen(_ quota: UsageQuota.Configuration?) -> Bool {
            quota.map { $0.charge == .before && $0.conditions.contains { $0.limit > 0 } } ?? false
        }
        guard domain.policies.hmac != nil || domain.policies.jwt != nil,
            isOpen(domain.policies.usageQuota) || domain.endpoints.contains(where: { isOpen($0.policies.usageQuota) })
        else { return }
        problems.note(
            at: domain.key,
            "a domain with credentials whose `usageQuota` is charged before they are checked, so that strangers can use it up; "
                + "`usageQuota: {limits: [...], charge: after}` charges only those who have them")
    }

    private static func noteWithoutEndpoints(_ domain: GatewayConfiguration.DomainConfiguration, _ problems: Problems) {
        guard domain.endpoints.isEmpty else { return }
        problems.note(at: domain.key, "a domain without endpoints: every request to it that its own policies let pass is 404")
    }
}
