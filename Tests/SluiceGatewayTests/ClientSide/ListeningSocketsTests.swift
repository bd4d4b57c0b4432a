import Glibc
import SluiceEvent
import Testing

@testable import SluiceGateway

@Suite("Listening sockets")
struct ListeningSocketsTests {
    @Test("an address that cannot be listened on: the reason, and what helps where that is known", arguments: [
        (EADDRINUSE, "80", "cannot listen on 127.0.0.1:80: Address already in use; stop the other program, or change `address` or SLUICE_LISTEN"),
        (EACCES, "1023", "cannot listen on 127.0.0.1:1023: Permission denied; a port below 1024 needs root or CAP_NET_BIND_SERVICE"),
        (EACCES, "1024", "cannot listen on 127.0.0.1:1024: Permission denied"),
        (EADDRNOTAVAIL, "80", "cannot listen on 127.0.0.1:80: Cannot assign requested address; this machine has no such address"),
        (ENOMEM, "80", "cannot listen on 127.0.0.1:80: Cannot allocate memory"),
    ])
    func openErrors(code: Int32, port: String, message: String) throws {
        let error = ListeningSockets.OpenError(
            address: "127.0.0.1:\(port)", port: try #require(UInt16(port)), error: SocketError(code: code))
        #expect(error.description == message)
    }

    @Test("as many sockets as workers: one each")
    func equal() {
        #expect(ListeningSockets.shares(of: 3, workers: 3, isShared: false) == [[0], [1], [2]])
        #expect(ListeningSockets.shares(of: 3, workers: 3, isShared: true) == [[0], [1], [2]])
    }

    @Test("more sockets than workers: every one is taken, a worker takes several")
    func more() {
        #expect(ListeningSockets.shares(of: 5, workers: 2, isShared: false) == [[0, 2, 4], [1, 3]])
        #expect(ListeningSockets.shares(of: 2, workers: 1, isShared: true) == [[0, 1]])
    }

    @Test("fewer: the others get none, so that sockets are opened for them; a service manager's are shared")
    func fewer() {
        #expect(ListeningSockets.shares(of: 1, workers: 3, isShared: false) == [[0], [], []])
        #expect(ListeningSockets.shares(of: 2, workers: 5, isShared: true) == [[0], [1], [0], [1], [0]])
    }
}
