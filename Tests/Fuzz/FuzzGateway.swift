import Glibc
import SluiceConfiguration
import SluiceCrypto
import SluiceEvent

@testable import SluiceGateway
@testable import SluiceHTTP

/// A whole worker with sockets on loopback: one client, a service that accepts whatever is asked of it, plain and under TLS, and a clock that goes on when it
/// is told to. The worker's loop is turned by hand until nothing moves any more, so that one input always has one course.
final class FuzzGateway {
    /// A connection that the gateway has opened to the service.
    struct ServiceConnection {
        var socket: FuzzSocket
        /// What the service is called in `Host`.
        let authority: String
        var isOpen = true
        var received: [UInt8] = []
        /// Where in `received` each read began, which of all reads it was, and how much had been sent by then.
        var reads: [(start: Int, number: Int, sent: Int)] = []
        var sent: [UInt8] = []
        /// Whether the service has ended its side behind what it sent, and whether in order.
        var hasEnded = false
        var isFinished = false
    }

    private struct ServiceListener {
        let descriptor: Int32
        let authority: String
        let isTLS: Bool
    }

    enum ClientEnd {
        case open, ended, reset
    }

    private(set) var services: [ServiceConnection] = []
    private(set) var received: [UInt8] = []
    private(set) var clientEnd = ClientEnd.open
    /// Whether the client is under TLS and has done nothing against it.
    private(set) var clientKeepsTLS = false
    /// It takes no further client then.
    private(set) var isDraining = false

    private let worker: Worker
    private let settings: ProcessSettings
    private let configuration: GatewayConfiguration
    private let registries: SnapshotCompiler.Registries
    private var generation = 1
    private var hasDrained = false
    private let plans: [ListenerPlan]
    private let servicesListening: [ServiceListener]
    private let ports: [UInt16]
    private let tls: FuzzTLS
    nonisolated(unsafe) private static let sharedTLS = FuzzTLS()
    private var client: FuzzSocket?
    private var readCount = 0
    private let buffer = UnsafeMutableRawPointer.allocate(byteCount: bufferBytes, alignment: 16)
    private static let bufferBytes = 1 << 16
    /// Turns in which one event may be dealt with; more are a worker that spins.
    private static let turnsMax = 2000
    /// Milliseconds after which the gateway has given up on everything; the longest of its timeouts is 75 s, and some follow each other.
    private static let patience: UInt64 = 400_000

    init?() {
        let loopback = SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: 0)
        guard let tls = Self.sharedTLS else { return nil }
        self.tls = tls
        servicesListening = [false, true].compactMap { isTLS in
            guard case .success(let descriptor) = Socket.listen(on: loopback, backlog: 64, isFirst: true),
                let port = Socket.listeningAddress(descriptor)?.port
            else { return nil }
            return ServiceListener(descriptor: descriptor, authority: "127.0.0.1:\(port)", isTLS: isTLS)
        }
        guard servicesListening.count == 2 else { return nil }
        settings = Self.settings()
        let problems = Problems(file: "fuzz.yaml", environment: [:])
        let text = Self.configuration(servicesListening[0].authority, underTLS: servicesListening[1].authority, pem: tls.path)
        guard let tree = ConfigurationNode.load(text: text, problems: problems) else { return nil }
        configuration = GatewayConfiguration.read(tree, problems: problems)
        registries = SnapshotCompiler.Registries()
        plans = ListenerPlanner(settings: settings, previous: [:], counts: ConnectionCounts()).plan(configuration, problems: problems).plans
        require(problems.isEmpty, "the configuration has problems: \(problems.all.map(\.description))")
        guard
            let worker = try? Worker(
                number: 0, limits: WorkerLimits(settings), workerCount: 1, bounds: ConnectionBounds(settings, descriptors: 0),
                counts: registries.counts, accessLog: nil)
        else { return nil }
        self.worker = worker

        var ports: [UInt16] = []
        var listeners: [OpenedListener] = []
        for plan in plans {
            guard case .success(let descriptor) = Socket.listen(on: loopback, backlog: 16, isFirst: true),
                let port = Socket.listeningAddress(descriptor)?.port
            else { return nil }
            ports.append(port)
            listeners.append(OpenedListener(plan: plan, sockets: [ListeningSocket(descriptor: descriptor, isHeldElsewhere: false)]))
        }
        self.ports = ports
        publish(listeners)
        registries.counts.fillAll(seconds: worker.parts.context.pointee.countSeconds)
    }

    deinit {
        worker.closeEverything()
        for listener in servicesListening { Socket.close(listener.descriptor) }
        buffer.deallocate()
    }

    private static func settings() -> ProcessSettings {
        var settings = ProcessSettings()
        settings.projectCeiling = 10_000_000
        // What happened to earlier inputs must not matter.
        settings.ejectAfterFailures = 0
        settings.circuitAfterFailures = 0
        settings.retryBudgetMin = 1000
        settings.rateLimitFields = .off
        // What reaches the service is all that the client sent.
        settings.unusualFields = .pass
        settings.tunnelIdleTimeoutMs = 60_000
        return settings
    }

    private func publish(_ listeners: [OpenedListener]) {
        let problems = Problems(file: "fuzz.yaml", environment: [:])
        let compiler = SnapshotCompiler(settings: settings, registries: registries, problems: problems)
        guard let snapshot = compiler.compile(configuration, generation: generation) else {
            return require(false, "no snapshot: \(problems.all.map(\.description))")
        }
        let origins = registries.origins.all
        let labels = registries.metrics.labels
        let releasedRows = registries.metrics.takeReleased()
        worker.take(Worker.Publication(
            snapshot: snapshot, listeners: listeners, origins: origins,
            addresses: Dictionary(uniqueKeysWithValues: origins.map { ($0.number, [IPAddress(v4: 127, 0, 0, 1)]) }),
            projectCount: registries.counts.projectCount, endpointRows: labels.endpoints.count, domainRows: labels.domains.count,
            releasedRows: releasedRows))
        registries.metrics.reuse(releasedRows)
    }

    /// Four listeners, the second with PROXY headers from trusted peers, the third with TLS, the fourth for HTTP/2 too. `api` and `tls` pass everything on as it is.
    private static func configuration(_ authority: String, underTLS: String, pem: String) -> String {
        """
        listeners:
          - {address: "127.0.0.1:1"}
          - {address: "127.0.0.1:2", proxyProtocol: true, trustedProxies: [127.0.0.0/8, 192.0.2.0/24]}
          - {address: "127.0.0.1:3", tls: {certificate: "\(pem)", key: {file: "\(pem)"}}}
          - {address: "127.0.0.1:4", http2: cleartext}
        domains:
          - {key: api, upstream: "http://\(authority)/base", endpoints: [{path: "/**"}]}
          - {key: tls, upstream: "https://\(underTLS)/base", upstreamTls: {ca: "\(pem)"}, endpoints: [{path: "/**"}]}
          - key: all
            hosts: ["*"]
            encodedSlashes: keep
            upstream: "http://\(authority)"
            policies:
              cors: {origins: ["https://app.example.com"], methods: [GET, PUT], headers: [X-A], expose: [X-B], credentials: true}
              ipAcl: {permit: false, addresses: [192.0.2.66]}
            endpoints:
              - {path: "/**"}
              - {path: "/pre", policies: {mock: {status: 200, headers: {X-Mock: "1"}, body: mocked}}}
              - {path: "/mock", policies: {mock: {status: 200, headers: {X-Mock: "1"}, body: mocked}}}
              - {path: "/w/**", policies: {rewrite: {pattern: "/w/(.*)", to: "/x/%1"}}}
              - {path: "/t/{a}/{b}", policies: {rewrite: {pattern: "/t/{a}/{b}", to: "/y/{b}/{a}?k=v"}}}
              - {path: "/{id:[0-9]+}/n", methods: [GET, POST, PURGE]}
              - {path: "/ask/**", policies: {preCall: {method: GET, url: "http://\(authority)/pre"}}}
              - path: "/set/**"
                policies:
                  headers:
                    request: {set: {X-Set: a, Via: b}, remove: [X-Gone, X-Forwarded-Host]}
                    response: {set: {X-Set: c}, remove: [Server]}
        """
    }

    // MARK: One input

    /// Opens the client's connection.
    func begin(listener: Int) {
        services = []
        received = []
        clientEnd = .open
        readCount = 0
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = ports[listener % ports.count].bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        if status != 0, errno == EINTR {
            // libFuzzer's alarm; the attempt goes on by itself.
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            while poll(&entry, 1, -1) < 0 {}
        } else {
            require(descriptor >= 0 && status == 0, "the client cannot connect: \(errno)")
        }
        client = FuzzSocket(descriptor, plans[listener % plans.count].tls == nil ? nil : tls.clientSession(descriptor))
        clientKeepsTLS = client?.isTLS == true
        settle()
    }

    func clientSends(_ bytes: some Collection<UInt8>) {
        if clientEnd != .reset { client?.send(Array(bytes)) }
        settle()
    }

    /// Under TLS what is not a record.
    func clientSendsRaw(_ bytes: some Collection<UInt8>) {
        clientKeepsTLS = false
        if clientEnd != .reset { client?.sendRaw(Array(bytes)) }
        settle()
    }

    func clientEnds(abruptly: Bool) {
        if abruptly { clientKeepsTLS = false }
        client?.finish(abruptly: abruptly)
        settle()
    }

    /// On the connection that was opened last.
    func serviceSends(_ bytes: some Collection<UInt8>) {
        guard let index = services.lastIndex(where: { $0.isOpen && !$0.hasEnded && $0.socket.isEstablished }) else { return }
        services[index].socket.send(Array(bytes))
        services[index].sent += bytes
        settle()
    }

    func serviceEnds(abruptly: Bool) {
        guard let index = services.lastIndex(where: { $0.isOpen && !$0.hasEnded }) else { return }
        services[index].socket.finish(abruptly: abruptly)
        services[index].hasEnded = true
        services[index].isFinished = !abruptly || !services[index].socket.isTLS
        settle()
    }

    func serviceResets() {
        guard let index = services.lastIndex(where: \.isOpen) else { return }
        resetService(index)
        settle()
    }

    /// Time passes in several steps, as for a process that runs.
    func pass(milliseconds: UInt64) {
        for _ in 0..<8 {
            worker.pass(milliseconds: milliseconds / 8 + 1)
            settle()
        }
    }

    /// The same configuration anew.
    func reload() {
        guard !isDraining else { return }
        generation += 1
        publish(plans.map { OpenedListener(plan: $0, sockets: []) })
        settle()
    }

    func drain() {
        isDraining = true
        worker.drain(leaving: []) { [unowned self] in hasDrained = true }
        settle()
    }

    /// Neither side does anything any more: the gateway has to end everything by itself.
    func endByTime() {
        var passed: UInt64 = 0
        while worker.parts.counters.traffic.downstreamOpen > 0 || worker.parts.counters.traffic.upstreamOpen > 0 {
            require(passed < Self.patience, "the gateway waits for ever")
            worker.pass(milliseconds: 5000)
            settle()
            passed += 5000
        }
        end()
    }

    /// Breaks every connection; nothing of them may be left then.
    func end() {
        // The first is repeated at most once per request.
        for _ in 0..<100 {
            guard services.contains(where: \.isOpen) else { break }
            for index in services.indices where services[index].isOpen { resetService(index) }
            settle()
        }
        client?.reset()
        client = nil
        settle()
        for index in services.indices where services[index].isOpen { resetService(index) }
        settle()
        let traffic = worker.parts.counters.traffic
        require(traffic.downstreamOpen == 0 && worker.parts.clients.live == 0, "the client's connection is still there")
        require(traffic.upstreamOpen == 0, "\(traffic.upstreamOpen) connections to the service are still there")
        require(worker.parts.blocks.pointee.taken == 0 && worker.parts.outputs.pointee.taken == 0, "blocks are not given back")
        require(worker.parts.snapshots.pointee.count == 1, "\(worker.parts.snapshots.pointee.count) snapshots are held")
        worker.pass(milliseconds: 1)
        require(hasDrained == isDraining, "draining has not ended")
    }

    // MARK: Turning

    private var progress: [Int] {
        let traffic = worker.parts.counters.traffic
        return [
            Int(traffic.downstreamAccepted), Int(traffic.downstreamBytesReceived), Int(traffic.upstreamBytesReceived), Int(traffic.upstreamOpened),
            traffic.downstreamOpen, traffic.upstreamOpen, received.count, readCount, services.count,
        ]
    }

    /// Turns the loop until nothing moves.
    private func settle() {
        var turns = 0
        var quiet = 0
        while quiet < 2 {
            turns += 1
            require(turns < Self.turnsMax, "the worker spins")
            let before = progress
            worker.runTurn(polling: true)
            acceptServices()
            for index in services.indices where services[index].isOpen { drain(index) }
            drainClient()
            quiet = worker.parts.turn.isEmpty && progress == before ? quiet + 1 : 0
        }
    }

    private func acceptServices() {
        var address = SocketAddress()
        for listener in servicesListening {
            while case .bytes(let accepted) = Socket.accept(listener.descriptor, from: &address) {
                let socket = FuzzSocket(Int32(accepted), listener.isTLS ? tls.serverSession(Int32(accepted)) : nil)
                services.append(ServiceConnection(socket: socket, authority: listener.authority))
            }
        }
    }

    private func drain(_ index: Int) {
        while case .bytes(let count) = services[index].socket.receive(into: buffer, capacity: Self.bufferBytes) {
            services[index].reads.append((services[index].received.count, readCount, services[index].sent.count))
            readCount += 1
            services[index].received += UnsafeRawBufferPointer(start: buffer, count: count)
        }
    }

    private func drainClient() {
        while clientEnd == .open, let result = client?.receive(into: buffer, capacity: Self.bufferBytes) {
            switch result {
            case .bytes(let count): received += UnsafeRawBufferPointer(start: buffer, count: count)
            case .wouldBlock: return
            case .ended: clientEnd = .ended
            case .failed: clientEnd = .reset
            }
        }
    }

    private func resetService(_ index: Int) {
        services[index].isOpen = false
        services[index].socket.reset()
    }
}
