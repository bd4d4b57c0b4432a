import SluiceConfiguration

/// What `sluice check` notes about a configuration that is served as it is written: each is no fault, but something that its
/// operator may not have meant.
enum ConfigurationNotes {
    static func add(_ configuration: GatewayConfiguration, to problems: Problems) {
        for domain in configuration.domains {
            noteWithoutEndpoints(domain, problems)
        }
    }

    private static func noteWithoutEndpoints(_ domain: GatewayConfiguration.DomainConfiguration, _ problems: Problems) {
        guard domain.endpoints.isEmpty else { return }
        problems.note(at: domain.key, "a domain without endpoints: every request to it that its own policies let pass is 404")
    }
}
