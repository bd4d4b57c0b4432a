import Foundation
import Glibc
import Synchronization
import Testing

/// Signals and what happens to requests in flight.
@Suite("Lifecycle", .loopback, .minutes(5))
struct LifecycleTests {
    @Test("a worker without requests sleeps; what is due wakes it in time")
    func sleeps() throws {
        let upstream = try ScriptedUpstream(LoadGenerator.echo)
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "1", "SLUICE_HEAD_TIMEOUT_MS": "300"])
        let idle = try gateway.client()
        #expect(try idle.exchange(Gateway.text("GET", "/api/x")).status == 200)
        // What the start and the first request have left behind.
        pause(1)
        let before = gateway.process.sleeps(ofThread: "sluice-0")
        pause(3)
        let sleeps = gateway.process.sleeps(ofThread: "sluice-0") - before
        #expect(before > 0 && (0...15).contains(sleeps), "\(sleeps)")
        // A deadline that is set while the worker sleeps is no later for it.
        try idle.send("GET /api/x HTTP/1.1\r\n")
        let start = ContinuousClock.now
        #expect(try idle.response().status == 408)
        #expect(ContinuousClock.now - start < .seconds(1.5))
    }

    @Test("SIGTERM: a response in flight completes, nothing new is accepted, exit 0")
    func drain() throws {
        let began = Flag()
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            began.set()
            pause(0.6)
            try call.send("other")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        let idle = try gateway.client()
        try client.send(Gateway.text("GET", "/api/x"))
        try began.wait()
        gateway.process.signal(SIGTERM)
        #expect(eventually(within: 2) { (try? RawSocket.connect(port: gateway.port, timeout: 1)) == nil }, "it still accepts connections")
        #expect(gateway.process.exitCode() == nil)
        #expect(try client.response().text == "firstother")
        #expect(client.endsQuietly())
        #expect(gateway.process.waitForExit(5) == 0)
        #expect(idle.endsQuietly())
    }

    @Test("SIGTERM with nothing in flight: exit 0 soon, idle connections or not")
    func drainIdle() throws {
        let gateway = try Gateway(configuration([EndpointText("/**", helloMock)]))
        let client = try gateway.client()
        #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "hello")
        let start = monotonicSeconds()
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(5) == 0)
        #expect(monotonicSeconds() - start < 2)
        #expect(client.endsQuietly())
    }

    @Test("a drain ends after SLUICE_DRAIN_TIMEOUT_MS, whatever is in flight")
    func drainTimeout() throws {
        let upstream = try ScriptedUpstream { call in
            pause(6)
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_DRAIN_TIMEOUT_MS": "400"])
        let client = try gateway.client()
        try client.send(Gateway.text("GET", "/api/x"))
        #expect(eventually { !upstream.requests.isEmpty })
        let start = monotonicSeconds()
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(5) == 0)
        #expect(monotonicSeconds() - start > 0.3 && monotonicSeconds() - start < 3)
    }

    @Test("while it drains, SIGQUIT and a second SIGINT end it at once; a second SIGTERM changes nothing", arguments: [
        (SIGTERM, SIGQUIT, true), (SIGINT, SIGINT, true), (SIGTERM, SIGTERM, false),
    ])
    func hurriedDrain(first: Int32, second: Int32, isOver: Bool) throws {
        let upstream = try ScriptedUpstream { call in
            pause(2.5)
            try call.reply(200, body: "late")
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        try client.send(Gateway.text("GET", "/api/x"))
        #expect(eventually { !upstream.requests.isEmpty })
        gateway.process.signal(first)
        #expect(eventually { gateway.log.contains("draining") })
        gateway.process.signal(second)
        #expect((try? client.response().text) == (isOver ? nil : "late"))
        #expect(gateway.process.waitForExit(5) == 0)
    }

    @Test("SIGQUIT: exit at once, a response in flight is cut")
    func quit() throws {
        let upstream = try ScriptedUpstream { call in
            pause(4)
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        try client.send(Gateway.text("GET", "/api/x"))
        #expect(eventually { !upstream.requests.isEmpty })
        gateway.process.signal(SIGQUIT)
        #expect(gateway.process.waitForExit(1) != nil)
        #expect(throws: HarnessError.self) { try client.response() }
    }

    @Test("reloads under load: no request fails, and each answer is the old or the new one")
    func reloadUnderLoad() throws {
        let upstream = try ScriptedUpstream { try $0.reply(200, body: "up") }
        let text = { (body: String) in
            configuration(ceiling: 1_000_000, upstream: upstream.url, [EndpointText("/mock", "mock: {status: 200, body: \"\(body)\"}"), EndpointText("/**")])
        }
        let gateway = try Gateway(text("v0"))
        let (stop, wrong, done, served) = (Flag(), Flag(), Flag(), Flag())
        let messages = Mutex<[String]>([])
        for number in 0..<6 {
            Thread.detachNewThread {
                defer { done.set() }
                do {
                    var client = try gateway.client()
                    while !stop.isSet {
                        // Some connections live long, some are new each time.
                        if number < 2 { client = try gateway.client() }
                        let mock = try client.exchange(Gateway.text("GET", "/api/mock"))
                        let proxied = try client.exchange(Gateway.text("GET", "/api/x"))
                        if !mock.text.hasPrefix("v") || mock.text.count > 2 || proxied.text != "up" {
                            wrong.set()
                            messages.withLock { $0.append("\(mock.status) \(mock.text) \(proxied.status) \(proxied.text)") }
                        }
                        if number < 2 { client.close() }
                        served.set()
                    }
                } catch {
                    wrong.set()
                    messages.withLock { $0.append("\(error)") }
                }
            }
        }
        for version in 1...9 {
            try gateway.reload(text("v\(version)"))
            pause(0.12)
        }
        #expect(try eventually { try gateway.get("/api/mock").text == "v9" })
        stop.set()
        #expect(eventually(within: 15) { done.count == 6 })
        #expect(wrong.count == 0, "\(messages.withLock { $0.prefix(3) })")
        #expect(served.count > 20)
    }

    @Test("sluice demo serves on the embedded defaults and ends with SIGTERM")
    func demo() throws {
        let folder = try Folder()
        let port = try Ports.free()
        let process = try ChildProcess([Gateway.binary(), "demo"], environment: Gateway.environment(folder: folder, port: port), folder: folder)
        #expect(eventually(within: 10) { process.exitCode() != nil || process.standardOutput.contains("curl") })
        #expect(process.exitCode() == nil, "\(process.standardError)")
        #expect(process.standardOutput.contains("curl"), "\(process.standardOutput)")
        process.signal(SIGTERM)
        #expect(process.waitForExit(10) == 0)
    }
}
