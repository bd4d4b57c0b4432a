import Synchronization

/// Gives every domain and endpoint of a snapshot its row in the workers' counters. What is configured again keeps its row over every
/// reload, so that counters never go back; the row of what no snapshot names any more is given to another, so that memory is that of what
/// is configured, however often that changes.
///
/// A row is given anew only after every worker has set it to zero, which the publication behind its release asks of them.
final class MetricRegistry: Sendable {
    /// The labels of an endpoint's row.
    struct EndpointLabels: Hashable, Sendable {
        var domain: String
        /// The methods and the path pattern as configured; empty for requests that no endpoint matched.
        var endpoint: String
    }

    /// Rows by what they count.
    struct RowNumbers: Sendable {
        var domains: [Int] = []
        var endpoints: [Int] = []
    }

    private struct Rows: Sendable {
        var domains = MetricRows("")
        var endpoints = MetricRows(EndpointLabels(domain: "", endpoint: ""))
    }

    private let rows = Mutex(Rows())

    /// The rows of one snapshot, which it keeps for as long as it lives.
    func makeHold() -> Hold { Hold(self) }

    /// The labels of all rows, by number; nil where nothing is counted.
    var labels: (domains: [String?], endpoints: [EndpointLabels?]) { rows.withLock { ($0.domains.labels, $0.endpoints.labels) } }

    /// Rows that have been released since the last call: for workers to set to zero.
    func takeReleased() -> RowNumbers {
        rows.withLock { RowNumbers(domains: $0.domains.takeReleased(), endpoints: $0.endpoints.takeReleased()) }
    }

    /// Every worker has been told to set these rows to zero before whatever it is told from now on.
    func reuse(_ numbers: RowNumbers) {
        rows.withLock { rows in
            rows.domains.reuse(numbers.domains)
            rows.endpoints.reuse(numbers.endpoints)
        }
    }

    /// Keeps rows for a snapshot. Filled while it is compiled; given up on whichever thread lets the snapshot go last.
    final class Hold: Sendable {
        private let registry: MetricRegistry
        private let held = Mutex(RowNumbers())

        fileprivate init(_ registry: MetricRegistry) { self.registry = registry }

        deinit {
            let numbers = held.withLock { $0 }
            registry.rows.withLock { rows in
                rows.domains.release(numbers.domains)
                rows.endpoints.release(numbers.endpoints)
            }
        }

        /// The row of a domain.
        func domain(_ key: String) -> Int {
            let number = registry.rows.withLock { $0.domains.take(key) }
            held.withLock { $0.domains.append(number) }
            return number
        }

        /// The row of an endpoint.
        func endpoint(_ labels: EndpointLabels) -> Int {
            let number = registry.rows.withLock { $0.endpoints.take(labels) }
            held.withLock { $0.endpoints.append(number) }
            return number
        }
    }
}
