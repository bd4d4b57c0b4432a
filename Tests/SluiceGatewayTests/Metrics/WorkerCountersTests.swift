import Testing

@testable import SluiceGateway

@Suite("Worker counters")
struct WorkerCountersTests {
    @Test("every row of the catalogue has its counter")
    func refusals() {
        #expect(Refusal.Row.allCases.count <= WorkerCounters.DomainCounts().refusals.count)
    }

    @Test("every fault of a token has its counter")
    func tokenFaults() {
        #expect(TokenFault.allCases.count == WorkerCounters.DomainCounts().tokenFaults.count)
    }

    @Test("an exchange without a response is in a class of its own, every status in that of its first digit", arguments: [
        (0, 0), (101, 1), (200, 2), (299, 2), (404, 4), (599, 5),
    ] as [(UInt16, Int)])
    func classes(status: UInt16, index: Int) {
        let counters = WorkerCounters()
        defer { counters.deallocate() }
        counters.responded(domain: WorkerCounters.nowhere, endpoint: WorkerCounters.nowhere, status: status, nanoseconds: 1, upstreamNanoseconds: nil)
        #expect((0..<6).map { counters.endpoints[0].classes[$0] } == (0..<6).map { $0 == index ? 1 : 0 })
    }
}
