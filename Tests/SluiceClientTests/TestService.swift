import Glibc
import SluiceEvent
import SluiceHTTP
import Testing

@testable import SluiceClient

/// Takes one connection, reads what is sent first, answers in pieces, and closes unless it is to stay silent.
final class TestService: Sendable {
    let port: UInt16
    private let thread: Thread
    private let listener: Int32
    private let ending = Signal()

    /// - Parameter staysSilent: whether the connection stays open, without a word more, until the end.
    init(_ pieces: [String], staysSilent: Bool = false) throws {
        let listener = try Socket.listen(on: SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: 0), backlog: 8, isFirst: true).get()
        self.listener = listener
        port = try #require(Socket.listeningAddress(listener)).port
        let ending = ending
        thread = try Thread(name: "test-service") {
            var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 60_000) > 0 else { return }
            let client = accept(listener, nil, nil)
            var request = [UInt8](repeating: 0, count: 65_536)
            _ = recv(client, &request, request.count, 0)
            for piece in pieces { _ = send(client, piece, piece.utf8.count, Int32(MSG_NOSIGNAL)) }
            if staysSilent { ending.wait(milliseconds: 600_000) }
            Socket.close(client)
        }
    }

    func close() {
        ending.raise()
        thread.join()
        Socket.close(listener)
    }

    /// What a client comes to that asks it.
    static func ask(
        _ pieces: [String], _ request: HTTPRequest = HTTPRequest("GET"), _ bounds: HTTPClient.Bounds = .init(milliseconds: 600_000),
        staysSilent: Bool = false, isEnding: (() -> Bool)? = nil
    ) throws -> Result<HTTPResponse, StreamFailure> {
        let service = try TestService(pieces, staysSilent: staysSilent)
        defer { service.close() }
        let target = try #require(HTTPTarget("http://127.0.0.1:\(service.port)/a?b=c"))
        return Result { () throws(StreamFailure) in try HTTPClient(bounds).send(request, to: target, isEnding: isEnding) }
    }
}
