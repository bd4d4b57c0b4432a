import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("PreCallWaiters")
struct PreCallWaitersTests {
    /// A waiter of an exchange that nobody asks about.
    private func waiter(_ deadline: UInt64) throws -> PreCallWaiters.Waiter {
        let test = try Bench()
        return .init(suspension: Suspension(test.block), deadline: deadline)
    }

    private final class Bench {
        let connection = ClientRef.allocate(capacity: 1)
        private let memory = UnsafeMutableRawPointer.allocate(byteCount: MemoryLayout<ExchangeBlock>.size, alignment: 64)
        var block: ExchangeRef { memory.assumingMemoryBound(to: ExchangeBlock.self) }

        init() throws {
            let nobody = try #require(UnsafeMutableRawPointer(bitPattern: 64))
            connection.initialize(to: ClientConnection(owner: nobody))
            block.run.initialize(to: ExchangeRun(clientPlace: connection))
        }

        deinit {
            connection.deallocate()
            memory.deallocate()
        }
    }

    @Test("those who wait for a flight are taken with it, in their order, and nobody else is")
    func byFlight() throws {
        var waiters = PreCallWaiters()
        #expect(waiters.isEmpty && waiters.take(1).isEmpty)
        waiters.append([try waiter(10)], to: 1)
        waiters.append([try waiter(20)], to: 2)
        waiters.append([try waiter(11), try waiter(12)], to: 1)
        #expect(waiters.count == 4)
        #expect(waiters.take(1).map(\.deadline) == [10, 11, 12])
        #expect(waiters.count == 1 && waiters.take(1).isEmpty)
        #expect(waiters.take(2).map(\.deadline) == [20] && waiters.isEmpty)
    }

    @Test("who has waited long enough is taken at its deadline, not before it, whatever flight it has moved to")
    func expiry() throws {
        var waiters = PreCallWaiters()
        waiters.append([try waiter(10)], to: 1)
        waiters.append([try waiter(20)], to: 1)
        waiters.append([try waiter(15)], to: 2)
        #expect(waiters.takeExpired(at: 9).isEmpty)
        #expect(waiters.takeExpired(at: 10).map(\.deadline) == [10])
        let moved = waiters.take(1)
        waiters.append(moved[...], to: 3)
        #expect(waiters.takeExpired(at: 14).isEmpty && waiters.count == 2)
        #expect(Set(waiters.takeExpired(at: 20).map(\.deadline)) == [15, 20])
        #expect(waiters.isEmpty && waiters.takeExpired(at: .max).isEmpty)
    }
}
