import Testing

@testable import SluiceGateway

@Suite("Worker counters")
struct WorkerCountersTests {
    @Test("every row of the catalogue has its counter")
    func refusals() {
        #expect(Refusal.Row.allCases.count <= WorkerCounters.DomainCounts().refusals.count)
    }
}
