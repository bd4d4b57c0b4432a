import Testing

@testable import SluiceGateway

@Suite("Listening sockets")
struct ListeningSocketsTests {
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
