import Testing

@testable import SluiceGateway

@Suite("Connections of a listener")
struct ConnectionCountTests {
    @Test("as many as the limit enter, one more does not, and whoever leaves makes room")
    func limit() {
        let count = ConnectionCount()
        #expect(count.enter(limit: 2) && count.enter(limit: 2))
        #expect(!count.enter(limit: 2) && !count.enter(limit: 2))
        count.leave()
        #expect(count.enter(limit: 2) && !count.enter(limit: 2))
    }

    @Test("without a limit all enter, and they count when there is one")
    func later() {
        let count = ConnectionCount()
        for _ in 0..<3 { #expect(count.enter(limit: 0)) }
        #expect(!count.enter(limit: 3) && count.enter(limit: 4))
    }

    @Test("a listener finds its count again by its address")
    func addresses() {
        let counts = ConnectionCounts()
        #expect(counts.of("127.0.0.1:1") === counts.of("127.0.0.1:1"))
        #expect(counts.of("127.0.0.1:1") !== counts.of("127.0.0.1:2"))
    }
}
