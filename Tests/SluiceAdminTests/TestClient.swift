import Glibc
import SluiceEvent
import SluiceHTTP
import Testing

@testable import SluiceAdmin

/// A connection to a control server, on which a test waits for what it is told to.
final class TestClient {
    private let descriptor: Int32

    init(_ port: UInt16) throws {
        descriptor = try Socket.startConnecting(to: SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: port)).get()
        try #require(Self.wait(descriptor, POLLOUT))
    }

    deinit { Socket.close(descriptor) }

    private static func wait(_ descriptor: Int32, _ events: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&entry, 1, 60_000) > 0
    }

    func send(_ text: String) throws {
        let sent = Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL))
        try #require(sent == text.utf8.count)
    }

    /// What comes until so much is there, or the connection ends.
    func receive(until isEnough: (String) -> Bool = { _ in false }) -> String {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while !isEnough(String(decoding: bytes, as: UTF8.self)), Self.wait(descriptor, POLLIN) {
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else { break }
            bytes += piece.prefix(count)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The connection will end with a reset.
    func resetOnClose() { Socket.resetOnClose(descriptor) }

    /// Bytes that come until the connection ends.
    func count() -> Int {
        var total = 0
        var piece = [UInt8](repeating: 0, count: 65_536)
        while Self.wait(descriptor, POLLIN) {
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else { break }
            total += count
        }
        return total
    }

    func ask(_ path: String) throws -> String {
        try send("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return receive { $0.hasSuffix("\n\n") }
    }
}

/// A control server on a port of loopback with a table of a test.
final class TestServer {
    let port: UInt16
    private let server: ControlServer

    /// Bodies that end with an empty line, so that a client knows their end.
    init(_ routes: [ControlRouter.Route]) throws {
        let listener = try Socket.listen(on: SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: 0), backlog: 4096, isFirst: true).get()
        port = try #require(Socket.listeningAddress(listener)).port
        server = try ControlServer(listener: listener, router: ControlRouter(routes))
    }

    deinit { server.stop() }

    static let health = ControlRouter.Route("GET", "/healthz", isPrompt: true) { _ in .init(status: 200, body: "ok\n\n") }
}
