import Glibc
import Logging
import SluiceConfiguration
import SluiceEvent
import SluiceHTTP
import Synchronization
import Testing

@testable import SluiceGateway

@Suite("Two gateways in one process")
struct TwoGatewaysTests {
    /// Answers one connection after the other, each with the next of its bodies.
    private final class Server: Sendable {
        let port: UInt16
        private let listener: Int32
        private let thread: Thread

        init(_ bodies: [[UInt8]]) throws {
            let listener = try Socket.listen(on: SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: 0), backlog: 8, isFirst: true).get()
            self.listener = listener
            port = try #require(Socket.listeningAddress(listener)).port
            thread = try Thread(name: "test-keys") {
                for body in bodies {
                    var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
                    guard poll(&entry, 1, 60_000) > 0 else { return }
                    let client = accept(listener, nil, nil)
                    var request = [UInt8](repeating: 0, count: 4096)
                    _ = recv(client, &request, request.count, 0)
                    let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body
                    _ = send(client, answer, answer.count, Int32(MSG_NOSIGNAL))
                    Socket.close(client)
                }
            }
        }

        func close() {
            thread.join()
            Socket.close(listener)
        }
    }

    private func gateway(keysAt port: UInt16, secret: String, _ change: (inout ProcessSettings) -> Void = { _ in }) -> Gateway {
        var settings = ProcessSettings()
        settings.workers = 1
        // So that tables have a descriptor, and are told of.
        settings.takeoverSocket = "@none"
        change(&settings)
        let text = """
            listeners: [{address: "127.0.0.1:0"}]
            domains:
              - key: shop
                hosts: [shop.test]
                policies: {jwt: {algorithm: RS256, jwks: "http://127.0.0.1:\(port)/keys"}}
                endpoints: [{path: /, policies: {mock: {status: 200, body: "ok"}}}]
              - key: orders
                hosts: [orders.test]
                policies: {hmac: {secret: "\(secret)", replayProtection: true}}
                endpoints: [{path: /, policies: {mock: {status: 200, body: "ok"}}}]
            """
        return Gateway(
            settings: settings, configurationFile: "sluice.yaml", log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, counts: .memory
        ) { ConfigurationNode.load(text: text, problems: $0) }
    }

    @Test("each has its own key set of one URI, its own settings and its own memory of signatures")
    func apart() throws {
        let server = try Server([JWTKeySetTests.text("first"), JWTKeySetTests.text("both")])
        defer { server.close() }
        let first = gateway(keysAt: server.port, secret: "0123456789abcdef0123456789abcdef")
        let second = gateway(keysAt: server.port, secret: "0123456789abcdef0123456789abcdef") {
            $0.keySetFetchTimeoutMs = 7000
            $0.jwtCacheEntries = 0
        }
        var sets: [[UInt8]] = []
        for gateway in [first, second] {
            try gateway.start()
            let patience = Clock.monotonicNanoseconds() + 60_000_000_000
            while !gateway.registries.keySets.hasFirstSets, Clock.monotonicNanoseconds() < patience { sched_yield() }
            let sources = gateway.registries.keySets.sources
            #expect(sources.count == 1)
            sets.append(try #require(sources.first?.current).keys.text)
        }
        defer { for gateway in [first, second] { gateway.stop() } }
        #expect(sets == [JWTKeySetTests.text("first"), JWTKeySetTests.text("both")])
        #expect(first.registries.keySets.settings.fetchMilliseconds == ProcessSettings().keySetFetchTimeoutMs)
        #expect(second.registries.keySets.settings.fetchMilliseconds == 7000 && second.registries.keySets.settings.cacheEntries == 0)
        let tables = [first, second].flatMap { $0.registries.replays.handedOver.map(\.table) }
        #expect(tables.count == 2 && tables[0] !== tables[1])
    }
}
