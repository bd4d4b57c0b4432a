import Testing

@testable import SluiceGateway

/// One client's connection in an exchange, without a socket and a worker.
private final class Bench {
    let connection = ClientRef.allocate(capacity: 1)
    private let memory = UnsafeMutableRawPointer.allocate(byteCount: MemoryLayout<ExchangeBlock>.size, alignment: 64)
    var block: ExchangeRef { memory.assumingMemoryBound(to: ExchangeBlock.self) }

    init() throws {
        // Nothing here asks the worker anything.
        let nobody = try #require(UnsafeMutableRawPointer(bitPattern: 64))
        connection.initialize(to: ClientConnection(owner: nobody))
        connection.pointee.generation = 3
        connection.pointee.requests = 7
        connection.pointee.state = .exchanging
        connection.pointee.block = block
        block.run.initialize(to: ExchangeRun(clientPlace: connection))
    }

    deinit {
        connection.deallocate()
        memory.deallocate()
    }
}

@Suite("Exchanges that go on later")
struct ForwardQueueTests {
    @Test("an exchange that waits is found as long as it is the same and unanswered, whatever else happens to its place")
    func waiting() throws {
        let bench = try Bench()
        let connection = bench.connection
        let waiting = WaitingExchange(bench.block)
        #expect(waiting.block == connection.pointee.block)

        connection.pointee.generation += 1
        #expect(waiting.block == nil)
        connection.pointee.generation -= 1
        connection.pointee.requests += 1
        #expect(waiting.block == nil)
        connection.pointee.requests -= 1
        for state: ClientState in [.free, .idle, .readingHead, .flushing, .dropping, .lingering] {
            connection.pointee.state = state
            #expect(waiting.block == nil)
        }
        connection.pointee.state = .exchanging
        #expect(waiting.block != nil)
        connection.pointee.block?.run.pointee.beginOwn()
        #expect(waiting.block == nil)
        connection.pointee.block = nil
        #expect(waiting.block == nil)
    }

    @Test("the queue gives back what it took in that order, also after its places have been used many times, and says when it is full")
    func order() throws {
        let benches = try (0..<ForwardQueue.capacity).map { _ in try Bench() }
        let queue = ForwardQueue()
        defer { queue.deallocate() }
        #expect(queue.isEmpty)
        #expect(queue.next() == nil)
        for count in 1...ForwardQueue.capacity {
            for index in 0..<count {
                #expect(!queue.isFull)
                queue.append(WaitingExchange(benches[index].block))
            }
            #expect(!queue.isEmpty)
            #expect(queue.isFull == (count == ForwardQueue.capacity))
            for index in 0..<count { #expect(queue.next()?.block == benches[index].block) }
            #expect(queue.next() == nil)
        }
    }

    @Test("what is taken makes room while the rest waits")
    func partly() throws {
        let bench = try Bench()
        let queue = ForwardQueue()
        defer { queue.deallocate() }
        for _ in 0..<ForwardQueue.capacity { queue.append(WaitingExchange(bench.block)) }
        #expect(queue.next() != nil)
        #expect(!queue.isFull)
        queue.append(WaitingExchange(bench.block))
        #expect(queue.isFull)
    }
}
