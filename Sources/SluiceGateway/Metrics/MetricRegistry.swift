import Synchronization

/// Gives every domain and endpoint that was ever configured its row in the workers' counters; the same for the same labels
/// over every reload, so that counters never go back.
final class MetricRegistry: Sendable {
    /// The labels of an endpoint's row.
    struct EndpointLabels: Hashable, Sendable {
        var domain: String
        /// The methods and the path pattern as configured; empty for requests that no endpoint matched.
        var endpoint: String
    }

    private struct Rows {
        var domains: [String] = [""]
        var domainNumbers: [String: Int] = ["": 0]
        var endpoints: [EndpointLabels] = [EndpointLabels(domain: "", endpoint: "")]
        var endpointNumbers: [EndpointLabels: Int] = [EndpointLabels(domain: "", endpoint: ""): 0]
    }

    private let rows = Mutex(Rows())

    func domain(_ key: String) -> Int {
        rows.withLock { rows in
            if let known = rows.domainNumbers[key] { return known }
            rows.domains.append(key)
            rows.domainNumbers[key] = rows.domains.count - 1
            return rows.domains.count - 1
        }
    }

    func endpoint(_ labels: EndpointLabels) -> Int {
        rows.withLock { rows in
            if let known = rows.endpointNumbers[labels] { return known }
            rows.endpoints.append(labels)
            rows.endpointNumbers[labels] = rows.endpoints.count - 1
            return rows.endpoints.count - 1
        }
    }

    /// The labels of all rows, in their order.
    var labels: (domains: [String], endpoints: [EndpointLabels]) { rows.withLock { ($0.domains, $0.endpoints) } }
}
