import Dispatch
import Synchronization
import Testing

@testable import SluiceGateway

@Suite("PreCallFlights")
struct PreCallFlightsTests {
    private func key(_ number: UInt64) -> SipHash128.Value { SipHash128.Value(low: number, high: ~number) }

    private func number(_ claim: PreCallFlights.Claim) throws -> PreCallFlights.Number {
        guard case .asker(let number) = claim else { throw NoAsker() }
        return number
    }

    private struct NoAsker: Error {}

    @Test("the first to come asks, the others wait until that ends; then the next asks, under another number")
    func oneAsker() throws {
        let flights = PreCallFlights()
        let table = flights.table
        let first = try number(table.claim(key(1), worker: 0))
        for worker in [0, 3, 63] { #expect(table.claim(key(1), worker: worker) == .waiter(first)) }
        #expect(table.end(first) == 1 | 1 << 3 | UInt64(1) << 63)
        let second = try number(table.claim(key(1), worker: 5))
        #expect(second != first)
        #expect(table.end(first) == 0, "it has ended")
        #expect(table.claim(key(1), worker: 1) == .waiter(second))
        #expect(table.end(second) == 2)
    }

    @Test("who asks alone tells nobody; workers beyond 64 share their bits")
    func bits() throws {
        let flights = PreCallFlights()
        let table = flights.table
        #expect(table.end(try number(table.claim(key(1), worker: 0))) == 0)
        let flight = try number(table.claim(key(1), worker: 0))
        #expect(table.claim(key(1), worker: 64 + 7) == .waiter(flight))
        #expect(table.end(flight) == PreCallFlights.Table.bit(of: 7))
    }

    @Test("both halves of a key count; questions that share a bucket have flights of their own, and one too many asks for itself")
    func fullBucket() throws {
        let flights = PreCallFlights()
        let table = flights.table
        let numbers = try (0..<8 as Range<UInt64>).map { try number(table.claim(SipHash128.Value(low: 512, high: $0), worker: 0)) }
        #expect(Set(numbers).count == 8)
        #expect(table.claim(SipHash128.Value(low: 512, high: 8), worker: 0) == .unshared)
        #expect(table.claim(SipHash128.Value(low: 512, high: 7), worker: 1) == .waiter(numbers[7]))
        #expect(table.end(numbers[3]) == 0)
        let freed = try number(table.claim(SipHash128.Value(low: 512, high: 8), worker: 0))
        #expect(!numbers.contains(freed))
        for flight in numbers where flight != numbers[3] { _ = table.end(flight) }
        #expect(table.end(freed) == 0)
    }

    @Test("on several threads there is one asker at a time, and whoever waits is told of that very flight's end")
    func concurrency() {
        let flights = PreCallFlights()
        let table = flights.table
        let askers = Atomic(0)
        let faults = Atomic(0)
        let told = Mutex<[Set<PreCallFlights.Number>]>(Array(repeating: [], count: 4))
        DispatchQueue.concurrentPerform(iterations: 4) { worker in
            var waitedFor: [PreCallFlights.Number] = []
            for _ in 0..<20_000 {
                switch table.claim(key(9), worker: worker) {
                case .asker(let flight):
                    if askers.add(1, ordering: .sequentiallyConsistent).oldValue != 0 { faults.add(1, ordering: .relaxed) }
                    askers.subtract(1, ordering: .sequentiallyConsistent)
                    let waiting = table.end(flight)
                    for other in 0..<4 where waiting & PreCallFlights.Table.bit(of: other) != 0 { told.withLock { _ = $0[other].insert(flight) } }
                case .waiter(let flight): waitedFor.append(flight)
                case .ended, .unshared: continue
                }
            }
            // Another thread may have ended the last of them a moment ago and be about to tell.
            let wanted = waitedFor
            let isTold = (0..<1_000_000).contains { _ in told.withLock { known in wanted.allSatisfy { known[worker].contains($0) } } }
            if !isTold { faults.add(1, ordering: .relaxed) }
        }
        #expect(faults.load(ordering: .relaxed) == 0)
    }
}
