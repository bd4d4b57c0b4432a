import SluiceHTTP
import Synchronization
import Testing

@testable import SluiceGateway

@Suite("Connections of each client")
struct ConnectionsPerClientTests {
    private final class Counter: Sendable {
        let open = Atomic<Int>(0)
    }

    private func client(_ number: UInt32) -> IPAddress { IPAddress(v4: 0x0A00_0000 + number) }

    @Test("a client has as many as the limit, not one more, and again as many when it has closed some; others do not matter")
    func limit() {
        let table = ConnectionsPerClient(connections: 100)
        for one in [client(1), client(2)] {
            #expect(table.enter(one, limit: 2) && table.enter(one, limit: 2) && !table.enter(one, limit: 2))
            #expect(table.open(one) == 2)
        }
        table.leave(client(1))
        #expect(table.enter(client(1), limit: 2) && !table.enter(client(1), limit: 2) && !table.enter(client(2), limit: 2))
        for _ in 0..<2 { table.leave(client(1)) }
        #expect(table.open(client(1)) == 0 && table.open(client(2)) == 2)
    }

    @Test("as many clients as there may be connections are counted, and their places are free again when they have gone")
    func manyClients() {
        let table = ConnectionsPerClient(connections: 20_000)
        for round in 0..<3 {
            let clients = (0..<20_000).map { client(UInt32(round * 20_000 + $0)) }
            let admitted = clients.filter { table.enter($0, limit: 1) }
            // One in some four thousand finds its bucket full.
            #expect(admitted.count > 19_900)
            #expect(!admitted.contains { table.enter($0, limit: 1) })
            for one in admitted { table.leave(one) }
            #expect(!clients.contains { table.open($0) != 0 })
        }
    }

    @Test("four threads that come and go as three clients: none ever has more than its limit, and nothing is left")
    func threads() async {
        let table = ConnectionsPerClient(connections: 10)
        let limit = 3
        let counters = (0..<3).map { _ in Counter() }
        let most = await withTaskGroup(of: (Int, Int).self) { group in
            for thread in 0..<4 {
                group.addTask {
                    var random = SeededRandom(seed: UInt64(thread))
                    var mine: [Int] = []
                    var most = 0
                    var entered = 0
                    for _ in 0..<20_000 {
                        if random.next() & 1 == 0, let one = mine.popLast() {
                            counters[one].open.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                            table.leave(client(UInt32(one)))
                        } else {
                            let one = Int(random.next() % 3)
                            guard table.enter(client(UInt32(one)), limit: limit) else { continue }
                            most = max(most, counters[one].open.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue)
                            entered += 1
                            mine.append(one)
                        }
                    }
                    for one in mine {
                        counters[one].open.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                        table.leave(client(UInt32(one)))
                    }
                    return (most, entered)
                }
            }
            return await group.reduce((0, 0)) { (max($0.0, $1.0), $0.1 + $1.1) }
        }
        #expect(most.0 == limit && most.1 > 1000, "\(most)")
        for number in 0..<3 { #expect(table.open(client(UInt32(number))) == 0) }
    }
}
