import Glibc
import SluiceEvent
import Synchronization
import Testing

@testable import SluiceAdmin

@Suite("Control server")
struct ControlServerTests {
    @Test("a client that stalls in its head, in its body or before both holds up nobody")
    func stalled() throws {
        let server = try TestServer([TestServer.health, .init("POST", "/x") { _ in .init(status: 200, body: "\n\n") }])
        let stalled = try ["", "GET /hea", "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab"].map { text in
            let client = try TestClient(server.port)
            try client.send(text)
            return client
        }
        for _ in 0..<3 { #expect(try TestClient(server.port).ask("/healthz").hasSuffix("ok\n\n")) }
        try stalled[1].send("lthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(stalled[1].receive { $0.hasSuffix("\n\n") }.hasPrefix("HTTP/1.1 200 OK\r\n"))
    }

    @Test("a head in single bytes is read, and others are answered meanwhile")
    func singleBytes() throws {
        let server = try TestServer([TestServer.health])
        let slow = try TestClient(server.port)
        let other = try TestClient(server.port)
        for byte in "GET /healthz?a HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8 {
            try slow.send(String(UnicodeScalar(byte)))
            #expect(try other.ask("/healthz").hasSuffix("ok\n\n"))
        }
        #expect(slow.receive { $0.hasSuffix("\n\n") }.hasSuffix("ok\n\n"))
    }

    @Test("a thousand idle connections, and as many that send half a head, leave room for who asks")
    func idle() throws {
        var limits = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
        limits.rlim_cur = min(limits.rlim_max, 8192)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
        let server = try TestServer([TestServer.health])
        var clients: [TestClient] = []
        for number in 0..<1000 {
            clients.append(try TestClient(server.port))
            if number % 2 == 0 { try clients[number].send("GET /healthz HTTP/1.1\r\n") }
            if number % 100 == 99 { #expect(try TestClient(server.port).ask("/healthz").hasSuffix("ok\n\n")) }
        }
        // Whoever has waited longest has made room.
        #expect(clients[0].receive() == "")
    }

    @Test("a client that never reads a large answer holds up nobody, and an answer that takes long neither")
    func unread() throws {
        let isAsked = Signal()
        let mayAnswer = Signal()
        let body = String(repeating: "x", count: 16 << 20) + "\n\n"
        let server = try TestServer([
            TestServer.health, .init("GET", "/large") { _ in .init(status: 200, body: body) },
            .init("GET", "/late") { _ in
                isAsked.raise()
                mayAnswer.wait(milliseconds: 60_000)
                return .init(status: 200, body: "late\n\n")
            },
        ])
        let unread = try TestClient(server.port)
        try unread.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(unread.receive { !$0.isEmpty }.hasPrefix("HTTP/1.1 200 OK\r\n"))
        let late = try TestClient(server.port)
        try late.send("GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n")
        isAsked.wait(milliseconds: 60_000)
        for _ in 0..<3 { #expect(try TestClient(server.port).ask("/healthz").hasSuffix("ok\n\n")) }
        mayAnswer.raise()
        #expect(late.receive { $0.hasSuffix("\n\n") }.hasSuffix("late\n\n"))
    }

    @Test("responses that nobody reads do not fill the memory: the one that has waited longest is cut, and the newest comes whole")
    func waitingBytes() throws {
        let body = String(repeating: "x", count: ControlLoop.waitingBytesMax + (1 << 20)) + "\n\n"
        let server = try TestServer([TestServer.health, .init("GET", "/large") { _ in .init(status: 200, body: body) }])
        let clients = try (0..<3).map { _ in
            let client = try TestClient(server.port)
            try client.send("GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            #expect(client.receive { !$0.isEmpty }.hasPrefix("HTTP/1.1 200 OK\r\n"))
            return client
        }
        let counts = clients.map { $0.count() }
        #expect(counts[0] < body.utf8.count / 2 && counts[1] < body.utf8.count / 2 && counts[2] > body.utf8.count / 2, "\(counts)")
    }

    @Test("clients that ask and leave before the answer do not gather work without end")
    func leavers() throws {
        let isAsked = Signal()
        let mayAnswer = Signal()
        let answered = Atomic<Int>(0)
        let server = try TestServer([
            TestServer.health, .init("GET", "/late") { _ in
                isAsked.raise()
                if answered.wrappingAdd(1, ordering: .relaxed).oldValue == 0 { mayAnswer.wait(milliseconds: 60_000) }
                return .init(status: 200, body: "late\n\n")
            },
        ])
        let first = try TestClient(server.port)
        try first.send("GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n")
        isAsked.wait(milliseconds: 60_000)
        for _ in 0..<(2 * ControlLoop.connectionsMax) {
            let client = try TestClient(server.port)
            // Answered behind the question, so that this has been read when the client goes.
            try client.send("GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try TestClient(server.port).ask("/healthz").hasSuffix("ok\n\n"))
            client.resetOnClose()
        }
        let last = try TestClient(server.port)
        try last.send("GET /late HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        #expect(last.receive().hasPrefix("HTTP/1.1 503 "))
        mayAnswer.raise()
    }

    @Test("requests that come together are answered in order, also where one takes long; then the connection is kept")
    func pipelined() throws {
        let server = try TestServer([TestServer.health, .init("GET", "/late") { _ in .init(status: 200, body: "late\n\n") }])
        let client = try TestClient(server.port)
        let requests = ["/late", "/healthz", "/late", "/late"].map { "GET \($0) HTTP/1.1\r\nHost: localhost\r\n\r\n" }
        try client.send(requests.joined())
        let answers = client.receive { $0.split(separator: "HTTP/1.1 200").count == 4 && $0.hasSuffix("\n\n") }
        #expect(answers.split(separator: "\r\n\r\n").dropFirst().map { $0.prefix { $0 != "\n" } } == ["late", "ok", "late", "late"])
        #expect(try client.ask("/healthz").hasSuffix("ok\n\n"))
    }

    @Test("an end of the sending side is no end of the answer")
    func halfClosed() throws {
        let server = try TestServer([TestServer.health])
        let client = try TestClient(server.port)
        try client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        #expect(client.receive().hasSuffix("ok\n\n"))
    }
}
