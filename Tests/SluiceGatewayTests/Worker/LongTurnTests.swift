import Glibc
import SluiceConfiguration
import SluiceEvent
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// What holds when much is done in one turn of a worker's loop, with a clock that goes on by so much at every reading.
@Suite("Long turns")
struct LongTurnTests {
    /// A worker whose loop is turned by hand, its clients, and a service that takes every connection and never answers.
    private final class Bench {
        let worker: Worker
        let registries = SnapshotCompiler.Registries()
        let time: UnsafeMutablePointer<WorkerClock.Virtual>
        private let port: UInt16
        private let service: Int32
        private var clients: [Int32] = []
        private var accepted: [Int32] = []
        /// Requests that have reached the service.
        private(set) var received = 0

        init(_ policies: String = "", ceiling: Int = 1_000_000) throws {
            time = .allocate(capacity: 1)
            time.initialize(to: WorkerClock.Virtual(monotonic: 1_000_900_000_000, wall: 1_800_000_000_900_000_000))
            var clock = WorkerClock()
            clock.virtual = time
            let settings = ProcessSettings()
            worker = try Worker(
                number: 0, limits: WorkerLimits(settings), workerCount: 1, bounds: ConnectionBounds(settings, descriptors: 0),
                counts: registries.counts, accessLog: nil, clock: clock)
            let loopback = SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: 0)
            service = try Socket.listen(on: loopback, backlog: 512, isFirst: true).get()
            let authority = "127.0.0.1:\(try #require(Socket.listeningAddress(service)).port)"
            let problems = Problems(file: "sluice.yaml", environment: [:])
            let text = """
                listeners: [{address: "127.0.0.1:1"}]
                projects: {p: {ceiling: \(ceiling)}}
                domains:
                  - key: d
                    project: p
                    hosts: ["d.test"]
                    upstream: "http://\(authority)"
                    policies: {\(policies)}
                    endpoints: [{path: /**}]

                """
            let tree = try #require(ConfigurationNode.load(text: text, problems: problems))
            let configuration = GatewayConfiguration.read(tree, problems: problems)
            let compiler = SnapshotCompiler(settings: settings, registries: registries, problems: problems)
            let snapshot = try #require(compiler.compile(configuration, generation: 1), "\(problems.all.map(\.description))")
            let plans = ListenerPlanner(settings: settings, previous: [:], counts: ConnectionCounts()).plan(configuration, problems: problems).plans
            let listener = try Socket.listen(on: loopback, backlog: 512, isFirst: true).get()
            port = try #require(Socket.listeningAddress(listener)).port
            let origins = registries.origins.all
            worker.take(Worker.Publication(
                snapshot: snapshot, listeners: plans.map { OpenedListener(plan: $0, sockets: [ListeningSocket(descriptor: listener, isHeldElsewhere: false)]) },
                origins: origins, addresses: Dictionary(uniqueKeysWithValues: origins.map { ($0.number, [IPAddress(v4: 127, 0, 0, 1)]) }),
                projectCount: registries.counts.projectCount, endpointRows: 1, domainRows: 1))
        }

        deinit {
            worker.closeEverything()
            for descriptor in clients + accepted + [service] { Socket.close(descriptor) }
            time.deallocate()
        }

        /// Lets so many clients send a request each, and turns the loop until nothing moves. Every reading of the clock takes `perReading`.
        /// - Returns: how many requests reached the service.
        func send(_ count: Int, perReading: UInt64) throws -> Int {
            let before = received
            for client in try connect(count) { begin(client, without: 0) }
            time.pointee.perReading = perReading
            for _ in 0..<50 {
                worker.runTurn(polling: true)
                serve()
            }
            time.pointee.perReading = 0
            return received - before
        }

        /// Lets so many clients send a request without its last byte, then one a whole request, all in time for one turn. Every reading of the clock in that
        /// turn takes `perReading`.
        /// - Returns: how many requests reached the service.
        func sendBehind(_ talkers: Int, perReading: UInt64) throws -> Int {
            let before = received
            let fresh = try connect(talkers + 1)
            for client in fresh { begin(client, without: client == fresh.last ? 0 : 1) }
            time.pointee.perReading = perReading
            worker.runTurn(polling: true)
            time.pointee.perReading = 0
            for _ in 0..<50 {
                serve()
                worker.runTurn(polling: true)
            }
            return received - before
        }

        private func connect(_ count: Int) throws -> [Int32] {
            time.pointee.perReading = 0
            let fresh = try (0..<count).map { _ in try Socket.startConnecting(to: SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: port)).get() }
            clients += fresh
            let open = worker.parts.clients.live + count
            for _ in 0..<100_000 where worker.parts.clients.live != open { worker.runTurn(polling: true) }
            return fresh
        }

        /// Sends a request but for its last bytes.
        private func begin(_ client: Int32, without missing: Int) {
            let request = Array("GET /x HTTP/1.1\r\nHost: d.test\r\n\r\n".utf8).dropLast(missing)
            #expect(Glibc.send(client, Array(request), request.count, 0) == request.count)
        }

        private func serve() {
            while true {
                let descriptor = accept(service, nil, nil)
                guard descriptor >= 0 else { break }
                accepted.append(descriptor)
            }
            var bytes = [UInt8](repeating: 0, count: 4096)
            for descriptor in accepted where recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT)) > 0 { received += 1 }
        }
    }

    private static let millisecond: UInt64 = 1_000_000

    @Test("a request that leaves late in a turn counts from when it leaves: no second at the service holds more than the ceiling")
    func ceiling() throws {
        let bench = try Bench(ceiling: 100)
        let begin = bench.time.pointee.monotonic
        // 200 readings at least: one to decide, one to send.
        #expect(try bench.send(100, perReading: 3 * Self.millisecond) == 100)
        let end = bench.time.pointee.monotonic
        #expect(end - begin > 500 * Self.millisecond)
        // By the clock at which the first was read, all of them have left the window.
        bench.time.pointee.pass(begin + 1_012 * Self.millisecond - end)
        let second = try bench.send(100, perReading: 0)
        #expect(second <= 4)
        // By the clock at which the last one left, they have.
        bench.time.pointee.pass(end + 1_012 * Self.millisecond - bench.time.pointee.monotonic)
        let third = try bench.send(100, perReading: 0)
        #expect(third >= 96 - second, "\(second) then \(third)")
    }

    @Test("whoever is so late that the charge has left the window is charged anew, or refused")
    func refused() throws {
        let bench = try Bench(ceiling: 10)
        // Ten decisions and nine sends last half a second each.
        #expect(try bench.send(10, perReading: 500 * Self.millisecond) == 10)
        #expect(try bench.send(10, perReading: 0) < 10)
    }

    @Test("a request is counted in the window of a quota in which it is decided, however long the turn")
    func quota() throws {
        let bench = try Bench("usageQuota: [{limit: 60, perSeconds: 1}]")
        bench.registries.counts.fillAll(seconds: 1000)
        bench.registries.counts.fillAll(seconds: 1001)
        // A tenth of a second is left of the first window: what is decided in it is less than its limit, and the rest goes by the second's.
        let passed = try bench.send(100, perReading: 3 * Self.millisecond)
        #expect(passed > 60 && passed < 100)
    }

    @Test("the first request of a turn, too, is decided by the clock as it is then, and not as it was before others were read")
    func firstDecision() throws {
        let bench = try Bench("usageQuota: [{limit: 1, perSeconds: 1}]")
        bench.registries.counts.fillAll(seconds: 1000)
        bench.registries.counts.fillAll(seconds: 1001)
        #expect(try bench.send(1, perReading: 0) == 1)
        // The turn begins in the window that is used up, 40 ms before its end; the whole request is the last that is read.
        #expect(try bench.sendBehind(24, perReading: 60 * Self.millisecond) == 1)
    }
}
