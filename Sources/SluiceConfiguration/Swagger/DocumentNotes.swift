/// What of a document the gateway does not do, told once for each kind at the first place where it stands.
struct DocumentNotes {
    private struct Kind {
        var first: Located<String>?
        var count = 0

        mutating func count(_ key: String, in node: ConfigurationNode) {
            guard let value = node[key], !value.isEmpty else { return }
            if first == nil { first = Located(key, position: value.position, path: value.path) }
            count += 1
        }

        func note(_ statement: String, _ problems: Problems) {
            guard let first else { return }
            problems.note(at: first, count == 1 ? statement : "\(statement) (here and at \(count - 1) more places)")
        }
    }

    private var servers = Kind()
    private var callbacks = Kind()
    private var security = Kind()
    private var doubles = Kind()

    /// What stands in a path item of OpenAPI 3.
    mutating func look(atItem item: ConfigurationNode) { servers.count("servers", in: item) }

    mutating func look(atOperation operation: ConfigurationNode, _ format: DocumentFormat) {
        security.count("security", in: operation)
        guard format == .openAPI else { return }
        servers.count("servers", in: operation)
        callbacks.count("callbacks", in: operation)
    }

    /// An operation whose path and method another one has already.
    mutating func lookAtDouble(_ method: String, in item: ConfigurationNode) { doubles.count(method, in: item) }

    func report(_ document: ConfigurationNode, _ domain: ConfigurationNode, _ problems: Problems) {
        servers.note("these `servers` have no effect: the API is where the first server of the document says", problems)
        callbacks.note("`callbacks` are requests that the service sends; they do not pass the gateway", problems)
        doubles.note("the endpoint of the path without the fragment (#) serves this operation too", problems)
        var webhooks = Kind()
        webhooks.count("webhooks", in: document)
        webhooks.note("`webhooks` are requests that the service sends; they do not pass the gateway", problems)
        var all = Kind()
        all.count("security", in: document)
        if all.first == nil { all = security } else { all.count += security.count }
        let credentials = ["hmac", "jwt", "apiKey", "anyOf", "clientCertificate"]
        func policies(_ owner: ConfigurationNode) -> [String] { credentials.filter { owner["policies"]?[$0] != nil } }
        let endpoints = domain["endpoints"]?.elements ?? []
        guard !policies(domain).isEmpty || !endpoints.isEmpty && endpoints.allSatisfy({ !policies($0).isEmpty }) else {
            return all.note("`security` is not checked by the gateway, but only by the service, unless a policy such as `jwt` does it", problems)
        }
        // What is asked for may be more: scopes, or another scheme.
        let names = credentials.filter { name in ([domain] + endpoints).contains { policies($0).contains(name) } }.map { "`\($0)`" }
        all.note("`security` is checked by the service only; the gateway checks callers as its policies say (\(names.joined(separator: ", ")))", problems)
    }
}
