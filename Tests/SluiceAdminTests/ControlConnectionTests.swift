import Testing

@testable import SluiceAdmin

@Suite("A control server's connection")
struct ControlConnectionTests {
    private static let router = ControlRouter([
        .init("GET", "/prompt", isPrompt: true) { .init(status: 200, body: "\($0.path)\n") },
        .init("GET", "/late") { _ in .init(status: 200, body: "late\n") },
        .init("POST", "/take", isPrompt: true) { .init(status: 200, body: "\($0.body.count)\n") },
    ])

    /// Sends bytes at a time and takes what is answered.
    private func ask(_ connection: inout ControlConnection, _ text: String, at now: UInt64 = 0) -> String {
        connection.receive(Array(text.utf8)[...], Self.router, now: now)
        var answer = ""
        while !connection.unsent.isEmpty {
            let bytes = connection.unsent
            answer += String(decoding: bytes, as: UTF8.self)
            connection.take(bytes.count, Self.router, now: now)
        }
        return answer
    }

    private static let requests: [(text: String, status: String, isKept: Bool)] = [
        ("GET /prompt HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", true), ("GET /prompt HTTP/1.0\r\n\r\n", "200 OK", false),
        ("GET /prompt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200 OK", false),
        ("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found", true), ("POST /prompt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "405 Method Not Allowed", true),
        ("GET /prompt HTTP/1.1\r\n\r\n", "400 Bad Request", false), ("GET /prompt\r\n\r\n", "400 Bad Request", false),
        ("GET /prompt HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "403 Forbidden", false), ("GET /prompt HTTP/1.1\r\nHost: \r\n\r\n", "403 Forbidden", false),
        ("POST /take HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411 Length Required", false),
        ("POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n" + String(repeating: "x", count: 65_536), "200 OK", true),
        ("POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", "413 Content Too Large", false),
        ("GET /prompt HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 16_000) + "\r\n\r\n", "200 OK", true),
        ("GET /prompt HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 17_000), "431 Request Header Fields Too Large", false),
        (String(repeating: "a", count: 100_000), "400 Bad Request", false),
    ]

    @Test("what is answered, and whether the connection is kept", arguments: requests)
    func answers(text: String, status: String, isKept: Bool) {
        var connection = ControlConnection(now: 0)
        let answer = ask(&connection, text)
        #expect(answer.hasPrefix("HTTP/1.1 \(status)\r\n"), "\(answer)")
        #expect(answer.contains("Connection: \(isKept ? "keep-alive" : "close")\r\n"))
        #expect(connection.state == (isKept ? .reading : .lingering))
    }

    @Test("HEAD has the length of what a GET would get, and none of it; 405 says what is allowed")
    func head() {
        var connection = ControlConnection(now: 0)
        let head = ask(&connection, "HEAD /prompt HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head.contains("Content-Length: 8\r\n") && head.hasSuffix("\r\n\r\n"))
        #expect(ask(&connection, "PUT /prompt HTTP/1.1\r\nHost: a\r\n\r\n").contains("Allow: GET, HEAD\r\n"))
    }

    @Test("a request has ten seconds from its first byte on, however it trickles; then 408, and time for the client to read it")
    func trickles() {
        var connection = ControlConnection(now: 0)
        #expect(connection.deadline == 10_000)
        for (number, character) in "GET /prompt HTTP/1.1\r\n".enumerated() { #expect(ask(&connection, String(character), at: 5000 + UInt64(number)) == "") }
        #expect(connection.deadline == 15_000 && connection.state == .reading)
        connection.expire(now: 15_000)
        let bytes = connection.unsent
        #expect(String(decoding: bytes, as: UTF8.self).hasPrefix("HTTP/1.1 408 "))
        connection.take(bytes.count, Self.router, now: 15_000)
        #expect(connection.state == .lingering && connection.deadline == 16_000)
        connection.expire(now: 16_000)
        #expect(connection.state == .over)
    }

    @Test("a client that waits without a word for ten seconds is left without one")
    func silent() {
        var connection = ControlConnection(now: 0)
        connection.expire(now: 10_000)
        #expect(connection.state == .over && connection.unsent.isEmpty)
    }

    @Test("a response ends ten seconds after the client has taken nothing more, and a minute after its begin in any case")
    func slowReader() {
        var connection = ControlConnection(now: 0)
        connection.receive(Array("GET /prompt HTTP/1.1\r\nHost: a\r\n\r\n".utf8)[...], Self.router, now: 0)
        #expect(connection.deadline == 10_000)
        connection.take(1, Self.router, now: 9000)
        #expect(connection.deadline == 19_000)
        connection.take(1, Self.router, now: 55_000)
        #expect(connection.deadline == 60_000)
        connection.expire(now: 60_000)
        #expect(connection.state == .over)
    }

    @Test("an answer that another thread gives is awaited, once; meanwhile the connection gives its place to nobody")
    func asks() {
        var connection = ControlConnection(now: 0)
        #expect(connection.isSpare)
        #expect(ask(&connection, "GET /late HTTP/1.1\r\nHost: a\r\n\r\nGET /prompt HTTP/1.1\r\nHost: a\r\n\r\n") == "")
        #expect(connection.state == .asking && !connection.isSpare && !connection.wantsInput)
        #expect(connection.takeQuestion()?.route.path == "/late" && connection.takeQuestion() == nil)
        connection.answer(.init(status: 200, body: "late\n"), now: 1)
        let first = connection.unsent
        #expect(String(decoding: first, as: UTF8.self).hasSuffix("late\n"))
        connection.take(first.count, Self.router, now: 1)
        #expect(String(decoding: connection.unsent, as: UTF8.self).hasSuffix("/prompt\n"), "what came behind it is answered next")
    }

    @Test("100 is sent to whoever waits for it, once")
    func continues() {
        var connection = ControlConnection(now: 0)
        let head = "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        #expect(ask(&connection, head) == "HTTP/1.1 100 Continue\r\n\r\n")
        #expect(ask(&connection, "x") == "")
        #expect(ask(&connection, "y").hasSuffix("\r\n\r\n2\n"))
    }
}
