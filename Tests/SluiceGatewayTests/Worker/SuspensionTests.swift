import SluiceConfiguration
import Synchronization
import Testing

@testable import SluiceGateway

/// What an exchange finds when it goes on: its own, whatever ran in between, and only once.
@Suite("Suspensions")
struct SuspensionTests {
    /// A worker that never turns its loop.
    private final class Bench {
        let registries = SnapshotCompiler.Registries()
        let worker: Worker

        init() throws {
            let settings = ProcessSettings()
            worker = try Worker(
                number: 0, limits: WorkerLimits(settings), workerCount: 1, bounds: ConnectionBounds(settings, descriptors: 0),
                counts: registries.counts, accessLog: nil)
        }

        func publish(_ yaml: String, generation: Int) throws {
            let problems = Problems(file: "sluice.yaml", environment: [:])
            let tree = try #require(ConfigurationNode.load(text: yaml, problems: problems))
            let compiler = SnapshotCompiler(settings: ProcessSettings(), registries: registries, problems: problems)
            let configuration = GatewayConfiguration.read(tree, problems: problems)
            let snapshot = try #require(compiler.compile(configuration, generation: generation), "\(problems.all.map(\.description))")
            worker.take(Worker.Publication(
                snapshot: snapshot, listeners: [], origins: registries.origins.all, addresses: [:],
                projectCount: registries.counts.projectCount, endpointRows: 4, domainRows: 4))
        }

        /// An exchange that has begun on the current snapshot.
        func begin() throws -> (connection: ClientRef, block: ExchangeRef) {
            let connection = worker.parts.clients.begin(owner: worker.owners.clientTransport.opaque, socket: PeerSocket())
            let memory = worker.parts.blocks.pointee.take()
            let block = try #require(memory).assumingMemoryBound(to: ExchangeBlock.self)
            worker.parts.exchangeBlocks.prepare(block, for: connection)
            connection.pointee.block = block
            connection.pointee.state = .exchanging
            block.enter(worker.parts.snapshots.pointee.enter())
            return (connection, block)
        }
    }

    private func resource(_ block: ExchangeRef, _ slot: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(block.pointee.exchange.resource(slot, as: UInt8.self))
    }

    @Test("an exchange has what its thread made for its own snapshot, also after exchanges on later ones have begun")
    func ownResources() throws {
        let bench = try Bench()
        func domain(_ key: String) -> String {
            "{key: \(key), policies: {hmac: {secret: \"0123456789abcdef\"}}, endpoints: [{path: \"/**\", policies: {mock: {status: 200}}}]}"
        }
        try bench.publish("domains: [\(domain("a"))]", generation: 1)
        let early = try bench.begin()
        let before = [resource(early.block, 0), resource(early.block, 1)]
        try bench.publish("domains: [\(domain("b")), \(domain("a"))]", generation: 2)
        let late = try bench.begin()
        #expect([resource(early.block, 0), resource(early.block, 1)] == before)
        #expect(!before.contains(resource(late.block, 0)) && !before.contains(resource(late.block, 2)))
    }

    @Test("a suspension names one wait of one exchange: not the next wait, and none that has ended")
    func once() throws {
        let bench = try Bench()
        try bench.publish("domains: []", generation: 1)
        let (connection, block) = try bench.begin()
        let run = block.run
        #expect(Suspension(block).block == nil, "nothing waits yet")
        run.pointee.suspend(for: .allowance)
        let first = Suspension(block)
        #expect(first.block == block)
        var hasGoneOn = run.pointee.goOn()
        #expect(hasGoneOn)
        #expect(first.block == nil, "it has gone on")
        hasGoneOn = run.pointee.goOn()
        #expect(!hasGoneOn, "it goes on once")
        run.pointee.suspend(for: .allowance)
        #expect(first.block == nil, "it waits for something else")
        let second = Suspension(block)
        #expect(second.block == block)
        connection.pointee.requests += 1
        #expect(second.block == nil, "the next request is under way")
        connection.pointee.requests -= 1
        connection.pointee.generation += 1
        #expect(second.block == nil, "the place serves another connection")
        connection.pointee.generation -= 1
        #expect(second.block == block)
        run.pointee.beginOwn()
        #expect(second.block == nil, "it has been answered")
    }

    @Test("whoever waits for a key set waits a second longer than a fetch may take, whatever becomes of the fetch")
    func keySets() throws {
        let bench = try Bench()
        try bench.publish("domains: []", generation: 1)
        let (_, block) = try bench.begin()
        bench.worker.parts.turn.readClock()
        bench.worker.owners.waiters.awaitKeySet(7, block)
        bench.worker.owners.waiters.keySetFetchEnded(source: 8)
        bench.worker.pass(milliseconds: bench.worker.parts.limits.pointee.keySetFetch + 500)
        #expect(!bench.worker.owners.waiters.isEmpty)
        bench.worker.pass(milliseconds: 501)
        #expect(bench.worker.owners.waiters.isEmpty)
    }
}
