import Testing

@testable import SluiceGateway

@Suite("Rows of counters")
struct MetricRegistryTests {
    private func labels(_ endpoint: String) -> MetricRegistry.EndpointLabels { .init(domain: "api", endpoint: endpoint) }

    @Test("what is configured again keeps its row, whoever held it before")
    func kept() {
        let registry = MetricRegistry()
        var old: MetricRegistry.Hold? = registry.makeHold()
        let rows = [old?.domain("api"), old?.endpoint(labels("/a")), old?.endpoint(labels("/b"))]
        let new = registry.makeHold()
        #expect(new.endpoint(labels("/a")) == rows[1] && new.domain("api") == rows[0])
        old = nil
        #expect(registry.takeReleased().endpoints == [rows[2]])
        #expect(new.endpoint(labels("/a")) == rows[1])
        #expect(registry.labels.endpoints == [labels("").unnamed, labels("/a"), nil] && registry.labels.domains == ["", "api"])
    }

    @Test("a row that is released is given to another only when every worker has set it to zero")
    func reused() {
        let registry = MetricRegistry()
        var old: MetricRegistry.Hold? = registry.makeHold()
        let row = old?.endpoint(labels("/old"))
        let domain = old?.domain("old")
        old = nil
        let next = registry.makeHold()
        #expect(next.endpoint(labels("/next")) != row)
        let released = registry.takeReleased()
        #expect(released.endpoints == [row] && released.domains == [domain])
        #expect(next.endpoint(labels("/other")) != row)
        registry.reuse(released)
        #expect(next.endpoint(labels("/new")) == row && next.domain("new") == domain)
        #expect(registry.takeReleased().endpoints.isEmpty)
    }

    @Test("what is configured otherwise a thousand times takes no more rows than two of its forms")
    func bounded() {
        let registry = MetricRegistry()
        var current = registry.makeHold()
        for form in 0..<1000 {
            let next = registry.makeHold()
            for number in 0..<10 { _ = next.endpoint(labels("/\(form)/\(number)")) }
            current = next
            registry.reuse(registry.takeReleased())
        }
        _ = current
        #expect(registry.labels.endpoints.count == 21)
    }

    @Test("a worker sets released rows to zero and leaves the others")
    func cleared() {
        let counters = WorkerCounters()
        defer { counters.deallocate() }
        counters.reserve(endpoints: 3, domains: 3)
        for row in 0..<3 {
            counters.endpoints[row].classes[1] = 7
            counters.domains[row].duration.record(5)
        }
        counters.clear(.init(domains: [2], endpoints: [1, 9]))
        #expect((0..<3).map { counters.endpoints[$0].classes[1] } == [7, 0, 7])
        #expect((0..<3).map { counters.domains[$0].duration.sumNanoseconds } == [5, 5, 0])
    }
}

extension MetricRegistry.EndpointLabels {
    /// The labels of the first row.
    fileprivate var unnamed: Self { .init(domain: "", endpoint: "") }
}
