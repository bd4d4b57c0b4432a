import SluiceConfiguration
import SluiceEvent
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// What a worker keeps of listeners that a reload has taken away.
@Suite("Listener")
struct ListenerTests {
    /// A worker whose loop the tests turn by hand, with listeners on loopback.
    private final class Bench {
        let settings = ProcessSettings()
        let registries = SnapshotCompiler.Registries()
        let counts = ConnectionCounts()
        let worker: Worker
        private(set) var ports: [String: UInt16] = [:]

        init() throws {
            worker = try Worker(
                number: 0, limits: WorkerLimits(settings), workerCount: 1, bounds: ConnectionBounds(settings, descriptors: 0),
                counts: registries.counts, accessLog: nil)
        }

        deinit { worker.closeEverything() }

        /// Publishes a configuration with these listeners, whose names are the addresses that are configured.
        /// - Returns: its snapshot, not kept alive.
        func publish(_ addresses: [String], generation: Int, trusted: String = "[]") throws -> () -> Snapshot? {
            let problems = Problems(file: "sluice.yaml", environment: [:])
            let listeners = addresses.map { "  - {address: \"\($0)\"}\n" }.joined()
            let tree = try #require(ConfigurationNode.load(text: "listeners:\n\(listeners)trustedProxies: \(trusted)\ndomains: []\n", problems: problems))
            let configuration = GatewayConfiguration.read(tree, problems: problems)
            let compiler = SnapshotCompiler(settings: settings, registries: registries, problems: problems)
            let snapshot = try #require(compiler.compile(configuration, generation: generation), "\(problems.all.map(\.description))")
            let plans = ListenerPlanner(settings: settings, previous: [:], counts: counts).plan(configuration, problems: problems).plans
            let opened = try plans.map { plan in
                guard ports[plan.address] == nil else { return OpenedListener(plan: plan, sockets: []) }
                let descriptor = try Socket.listen(on: SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: 0), backlog: 4, isFirst: true).get()
                ports[plan.address] = try #require(Socket.listeningAddress(descriptor)).port
                return OpenedListener(plan: plan, sockets: [ListeningSocket(descriptor: descriptor, isHeldElsewhere: false)])
            }
            for address in ports.keys where !addresses.contains(address) { ports[address] = nil }
            worker.take(Worker.Publication(
                snapshot: snapshot, listeners: opened, origins: [], addresses: [:], projectCount: registries.counts.projectCount,
                endpointRows: 1, domainRows: 1))
            return { [weak snapshot] in snapshot }
        }

        func connect(_ address: String) throws -> Int32 {
            let port = try #require(ports[address])
            return try Socket.startConnecting(to: SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: port)).get()
        }

        /// Turns the loop until so many connections are open, which on loopback is a matter of a few turns.
        func turn(until open: Int) {
            for _ in 0..<100_000 where worker.parts.clients.live != open { worker.runTurn(polling: true) }
            #expect(worker.parts.clients.live == open)
        }
    }

    @Test("a listener that is gone keeps nothing of the configuration that it had, and its place is given to the next")
    func gone() throws {
        let bench = try Bench()
        let first = try bench.publish(["127.0.0.1:1", "127.0.0.1:2"], generation: 1)
        _ = try bench.publish(["127.0.0.1:1"], generation: 2)
        #expect(first() == nil)
        for generation in 0..<6 { _ = try bench.publish(["127.0.0.1:1", "127.0.0.1:\(3 + generation)"], generation: 3 + generation) }
        // The one that stays, the one that is there, and the one that was there when it came.
        #expect(bench.worker.owners.listeners.all.count <= 3)
    }

    @Test("a connection outlives its listener: what it refers to stays for as long, and no longer")
    func outlived() throws {
        let bench = try Bench()
        let first = try bench.publish(["127.0.0.1:1", "127.0.0.1:2"], generation: 1)
        let client = try bench.connect("127.0.0.1:2")
        bench.turn(until: 1)
        _ = try bench.publish(["127.0.0.1:1"], generation: 2)
        _ = try bench.publish(["127.0.0.1:1", "127.0.0.1:3"], generation: 3)
        // It trusts whom the latest configuration trusts.
        #expect(first() == nil)
        let fourth = try bench.publish(["127.0.0.1:1"], generation: 4)
        Socket.close(client)
        bench.turn(until: 0)
        #expect(fourth() != nil)
        _ = try bench.publish(["127.0.0.1:1"], generation: 5)
        #expect(fourth() == nil)
    }

    @Test("a proxy that a reload trusts no longer is not believed on the connections that it has, of which a request may have begun", arguments: [true, false])
    func distrusted(staysListener: Bool) throws {
        let bench = try Bench()
        let addresses = ["127.0.0.1:1", "127.0.0.1:2"]
        _ = try bench.publish(addresses, generation: 1, trusted: "[127.0.0.0/8, 192.0.2.0/24]")
        let client = try bench.connect("127.0.0.1:2")
        bench.turn(until: 1)
        var found: ClientRef?
        bench.worker.parts.clients.forEachPlace { if $0.pointee.state != .free { found = $0 } }
        let connection = try #require(found)
        #expect(connection.pointee.peerIsTrusted)
        let begun: [UInt8] = Array("GET / HTTP/1.1\r\nHo".utf8)
        _ = begun.withUnsafeBufferPointer { Socket.send(client, $0.baseAddress!, count: $0.count) }
        for _ in 0..<100_000 where connection.pointee.state != .readingHead { bench.worker.runTurn(polling: true) }
        let block = try #require(connection.pointee.block)
        // As a PROXY header would have it.
        let source = try #require(IPAddress("192.0.2.7"))
        connection.pointee.peer = source
        let stays = staysListener ? addresses : [addresses[0]]
        _ = try bench.publish(stays, generation: 2, trusted: "[127.0.0.0/8, 192.0.2.0/24]")
        #expect(connection.pointee.peerIsTrusted && connection.pointee.peer == source)
        _ = try bench.publish(stays, generation: 3, trusted: "[127.0.0.0/8]")
        #expect(!connection.pointee.peerIsTrusted && !block.pointee.exchange.peerIsTrusted)
        #expect(connection.pointee.peer == source && block.pointee.exchange.peer == source)
        _ = try bench.publish(stays, generation: 4, trusted: "[192.0.2.0/24]")
        #expect(connection.pointee.peer == connection.pointee.acceptedFrom && block.pointee.exchange.peer == connection.pointee.acceptedFrom)
        #expect(block.pointee.exchange.client == connection.pointee.acceptedFrom)
        _ = try bench.publish(stays, generation: 5, trusted: "[127.0.0.0/8]")
        #expect(!connection.pointee.peerIsTrusted, "what it was accepted without it does not get")
        Socket.close(client)
        bench.turn(until: 0)
    }

    @Test("what waits in the queue of a listener that is taken away is served, not reset")
    func queued() throws {
        let bench = try Bench()
        _ = try bench.publish(["127.0.0.1:1", "127.0.0.1:2"], generation: 1)
        let client = try bench.connect("127.0.0.1:2")
        _ = try bench.publish(["127.0.0.1:1"], generation: 2)
        #expect(bench.worker.parts.clients.live == 1)
        Socket.close(client)
        if bench.worker.parts.clients.live == 1 { bench.turn(until: 0) }
    }
}
