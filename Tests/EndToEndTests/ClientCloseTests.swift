import Foundation
import Testing

/// What the end of a client's side means while it waits: a half-close by `SLUICE_CLIENT_CLOSE`, a reset always that it has gone.
@Suite("Clients that close", .loopback, .minutes(5))
struct ClientCloseTests {
    private static let abort = ["SLUICE_WORKERS": "1", "SLUICE_CLIENT_CLOSE": "abort"]

    /// A service that never answers, and says when a request has come and when its connection has ended.
    private final class Service {
        let asked = Flag()
        let ended = Flag()
        let upstream: ScriptedUpstream

        init() throws {
            let (asked, ended) = (asked, ended)
            upstream = try ScriptedUpstream(readsBody: false) { call in
                asked.set()
                while let bytes = try? call.some(), !bytes.isEmpty {}
                ended.set()
                call.close()
            }
        }
    }

    private func expectAborted(_ service: Service, _ gateway: Gateway, _ folder: Folder) throws {
        try service.ended.wait()
        #expect(eventually { folder.read("access.log").contains(#""status":0,"#) && folder.read("access.log").contains(#""aborted":true"#) })
        let metrics = try gateway.get("/metrics", port: gateway.adminPort).text
        let requests = metrics.split(separator: "\n").filter { $0.hasPrefix("sluice_requests_total{") }
        #expect(requests.count == 1 && requests[0].contains(#"class="none""#) && requests[0].hasSuffix(" 1"), "\(requests)")
    }

    @Test("abort: a half-close ends the request, the service's too, and counts as one without a response", arguments: ["later", "body", "at once"])
    func halfCloseAborts(when: String) throws {
        let (service, folder) = (try Service(), try Folder())
        let gateway = try Gateway(
            configuration(upstream: service.upstream.url), environment: Self.abort.merging(["SLUICE_ACCESS_LOG": folder.file("access.log")]) { $1 },
            admin: true)
        let client = try gateway.client()
        if when == "body" { try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n") }
        if when == "later" { try client.send(Gateway.text("GET", "/api/x")) }
        if when != "at once" { try service.asked.wait() }
        if when == "body" { try client.send("abc") }
        if when == "at once" { try client.send(Gateway.text("GET", "/api/x")) }
        client.halfClose()
        #expect(client.endsQuietly())
        if when != "at once" { try expectAborted(service, gateway, folder) }
        expect(try gateway.get("/nobody"), is: .notFound)
    }

    @Test("finish, the default: a client that has ended its side gets its response, and those to what it sent before")
    func halfCloseFinishes() throws {
        let upstream = try ScriptedUpstream { call in
            pause(0.3)
            try call.reply(200, body: call.request.target)
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        try client.send(Gateway.text("GET", "/api/one") + Gateway.text("GET", "/api/two"))
        client.halfClose()
        #expect(try client.response().text == "/one")
        #expect(try client.response().text == "/two")
        #expect(client.endsQuietly())
    }

    @Test("abort: what the gateway itself answers at once is answered")
    func mockIsAnswered() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]), environment: Self.abort)
        let client = try gateway.client()
        try client.send(Gateway.text("GET", "/api/x"))
        client.halfClose()
        #expect(try client.response().text == "hello")
        #expect(client.endsQuietly())
    }

    @Test("abort: a tunnel's half-close is passed on, and what the service still sends is delivered")
    func tunnel() throws {
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
            var text: [UInt8] = []
            while true {
                let bytes = try call.some()
                if bytes.isEmpty { break }
                text += bytes
            }
            pause(0.2)
            try call.send(text + [UInt8](" and all".utf8))
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: Self.abort)
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text("GET", "/api/ws", ["Connection: Upgrade", "Upgrade: echo"])).status == 101)
        try client.send("one")
        client.halfClose()
        #expect(String(decoding: try client.toEnd(), as: UTF8.self) == "one and all")
    }

    @Test("a reset that has come before its request is read ends the exchange soon, not when the service answers", arguments: [0, 1, 2])
    func earlyReset(pipelined: Int) throws {
        let (service, folder) = (try Service(), try Folder())
        let gateway = try Gateway(
            configuration(upstream: service.upstream.url), environment: ["SLUICE_WORKERS": "1", "SLUICE_ACCESS_LOG": folder.file("access.log")])
        let client = try gateway.client()
        // The connection is accepted; while the gateway stands still both the request and the reset arrive.
        #expect(try client.exchange("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").status == 404)
        gateway.process.signal(SIGSTOP)
        #expect(eventually { gateway.process.isStopped })
        for _ in 0...pipelined { try client.send(Gateway.text("GET", "/api/x")) }
        client.socket.reset()
        gateway.process.signal(SIGCONT)
        try service.asked.wait()
        let start = monotonicSeconds()
        try service.ended.wait()
        #expect(monotonicSeconds() - start < TimeScale.patience(4))
        #expect(eventually { folder.read("access.log").contains(#""aborted":true"#) })
    }

    @Test("a reset while a pre-call is asked and the body waits ends the exchange")
    func resetBeforeTheBodyIsWanted() throws {
        let asked = Flag(), ended = Flag()
        let api = try ScriptedUpstream { call in
            asked.set()
            if (try? call.some())?.isEmpty ?? true { ended.set() }
            call.close()
        }
        let service = try ScriptedUpstream()
        let gateway = try Gateway(
            configuration(upstream: service.url, [EndpointText("/**", "preCall: {url: \"\(api.url)/ask\", timeoutMs: 20000}")]),
            environment: ["SLUICE_WORKERS": "1"])
        let client = try gateway.client()
        try client.send("POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome")
        try asked.wait()
        client.socket.reset()
        try ended.wait()
        #expect(service.requests.isEmpty)
    }
}
