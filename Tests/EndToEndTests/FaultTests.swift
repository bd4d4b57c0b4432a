import Foundation
import Glibc
import Testing

/// What a machine or a network does wrong. Every response carries the nonce of its request, so that none can reach the wrong client.
@Suite("Faults", .loopback, .minutes(5))
struct FaultTests {
    private func nonce(_ number: Int) -> String { "n\(number)-\(UInt32.random(in: 0 ... .max))" }

    /// One exchange whose response must carry its nonce.
    private func serves(_ client: RawClient, _ number: Int = 0) throws -> Bool {
        let nonce = nonce(number)
        let response = try client.exchange(Gateway.text("GET", "/api/x?nonce=\(nonce)"))
        return response.status == 200 && response.text == nonce
    }

    private func metric(_ name: String, over client: RawClient) throws -> Double {
        let text = try client.exchange(Gateway.text("GET", "/metrics")).text
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line.flatMap { Double($0.dropFirst(name.count + 1)) } ?? -1
    }

    @Test("a client that resets within what it begins with is gone at once, not when its time is up", arguments: [
        ("proxyProtocol: true", "PROXY TCP4 192.0.2.1 "), ("http2: cleartext", "PRI * HTT"),
    ])
    func resetWithinBeginning(listener: String, beginning: String) throws {
        let port = try Ports.free()
        let gateway = try Gateway(
            configuration(
                top: ["listeners: [{address: \"127.0.0.1:\(port)\", \(listener)}]", "trustedProxies: [127.0.0.0/8]"],
                [EndpointText("/**", helloMock)]),
            environment: ["SLUICE_HEAD_TIMEOUT_MS": "600000"], admin: true, readyPort: port)
        let admin = try RawClient(port: gateway.adminPort)
        #expect(try eventually { try metric("sluice_connections", over: admin) == 0 })
        let client = try RawClient(port: port)
        try client.send(beginning)
        #expect(try eventually { try metric("sluice_connections", over: admin) == 1 })
        client.socket.reset()
        #expect(try eventually { try metric("sluice_connections", over: admin) == 0 })
    }

    @Test("clients take all descriptors that they may: nothing spins, those that are open are served, and so are the operators; the rest waits")
    func descriptors() throws {
        let upstream = try ScriptedUpstream(LoadGenerator.echo)
        let gateway = try Gateway(
            configuration(upstream: upstream.url),
            // Core dumps are on so that its descriptors can be counted by a user who is not root.
            environment: ["SLUICE_WORKERS": "1", "SLUICE_UPSTREAM_POOL_SIZE": "0", "SLUICE_CORE_DUMPS": "on"], admin: true,
            limits: "-n 64")
        let admin = try RawClient(port: gateway.adminPort)
        let open = try gateway.client()
        #expect(try serves(open))
        let quiet = try gateway.client()
        // More than there are descriptors: the rest waits in the kernel's queue.
        var crowd = try (0..<80).map { _ in try gateway.client() }
        #expect(try eventually { try metric("sluice_accept_failures_total", over: admin) > 0 })
        // A part of the 64 is kept for connections to services, files and the operators' listener.
        #expect((44...52).contains(gateway.process.openDescriptors()), "\(gateway.process.openDescriptors())")
        #expect(try RawClient(port: gateway.adminPort).exchange(Gateway.text("GET", "/readyz")).status == 200)
        let before = gateway.process.processorSeconds()
        pause(1)
        #expect(gateway.process.processorSeconds() - before < 0.25, "it spins")
        // Each needs a new connection to the service.
        for number in 0..<5 { #expect(try serves(open, number) && serves(quiet, number)) }
        try gateway.reload(configuration(upstream: upstream.url))
        #expect(try eventually { try metric("sluice_configuration_generation", over: admin) == 2 })
        for client in crowd { client.close() }
        crowd = []
        for number in 0..<5 { #expect(try serves(gateway.client(), number)) }
    }

    @Test("connections to services take the last descriptors: a request that needs one more is 503, which says nothing about the service")
    func descriptorsOfServices() throws {
        let upstream = try ScriptedUpstream { call in
            if call.request.target == "/held" { pause(1.5) }
            try call.reply(200, body: "up")
        }
        let gateway = try Gateway(
            configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "1", "SLUICE_UPSTREAM_POOL_SIZE": "0"], admin: true,
            limits: "-n 68")
        let admin = try RawClient(port: gateway.adminPort)
        let before = try metric("sluice_upstream_failures_total", over: admin)
        let clients = try (0..<26).map { _ in try gateway.client() }
        for client in clients { try client.send(Gateway.text("GET", "/api/held")) }
        let responses = try clients.map { try $0.response() }
        let refused = responses.filter { $0.status == 503 }
        #expect(!refused.isEmpty && refused.count < clients.count)
        for response in refused { expect(response, is: .unavailable) }
        #expect(try metric("sluice_upstream_failures_total", over: admin) == before)
        #expect(try gateway.get("/api/x").text == "up")
    }

    @Test("unused connections to one service give their descriptors to another service, and to clients that wait")
    func descriptorsOfIdleConnections() throws {
        let first = try ScriptedUpstream { call in
            pause(0.3)
            try call.reply(200, body: "first")
        }
        let second = try ScriptedUpstream { call in
            pause(0.3)
            try call.reply(200, body: "second")
        }
        let gateway = try Gateway(
            configuration(key: "first", upstream: first.url) + domainLines(key: "second", upstream: second.url).joined(separator: "\n") + "\n",
            environment: ["SLUICE_WORKERS": "1"], admin: true, limits: "-n 68")
        let admin = try RawClient(port: gateway.adminPort)
        let clients = try (0..<14).map { _ in try gateway.client() }
        for name in ["first", "second", "first"] {
            for client in clients { try client.send(Gateway.text("GET", "/\(name)/x")) }
            for client in clients { #expect(try client.response().text == name) }
        }
        #expect(try metric("sluice_upstream_connections", over: admin) > 14)
        // Their places are those that clients may have.
        let crowd = try (0..<30).map { _ in try gateway.client() }
        for client in crowd {
            try client.send(Gateway.text("GET", "/second/x", ["Connection: close"]))
            #expect(try client.response().text == "second")
        }
    }

    @Test("a service whose queue of connections is full: 504 after SLUICE_UPSTREAM_CONNECT_TIMEOUT_MS, and others are served meanwhile")
    func connectTimeout() throws {
        let full = try RawSocket.listen(backlog: 0)
        // The kernel drops what does not fit, so these never hear anything.
        var waiting: [Int32] = []
        defer { for descriptor in waiting { close(descriptor) } }
        for _ in 0..<4 {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var to = sockaddr_in()
            to.sin_family = sa_family_t(AF_INET)
            to.sin_port = full.localPort.bigEndian
            to.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            _ = withUnsafePointer(to: &to) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
            waiting.append(descriptor)
        }
        pause(0.1)
        let lines = domainLines(key: "other", upstream: "http://127.0.0.1:9", [EndpointText("/**", helloMock)])
        let gateway = try Gateway(
            configuration(upstream: "http://127.0.0.1:\(full.localPort)") + lines.joined(separator: "\n") + "\n",
            environment: ["SLUICE_WORKERS": "1", "SLUICE_UPSTREAM_CONNECT_TIMEOUT_MS": "400", "SLUICE_RETRY_MAX": "1"])
        let client = try gateway.client()
        let start = monotonicSeconds()
        try client.send(Gateway.text("GET", "/api/x"))
        #expect(try gateway.get("/other/x").text == "hello")
        #expect(monotonicSeconds() - start < 0.35)
        expect(try client.response(), is: .upstreamTimeout)
        // Once, and once more: nothing was sent.
        #expect(monotonicSeconds() - start > 0.75 && monotonicSeconds() - start < 2)
    }

    @Test("a name that resolves to nothing: 503 at once, others are served, and when it resolves it is used; one that is lost keeps its addresses",
        .enabled(if: Mounts.areAllowed))
    func names() throws {
        let folder = try Folder()
        let upstream = try ScriptedUpstream(LoadGenerator.echo)
        let hosts = folder.file("hosts")
        // Written in place, because the file itself is what is mounted.
        func setHosts(_ text: String) throws {
            let file = try #require(fopen(hosts, "w"))
            fputs(text, file)
            fclose(file)
        }
        try setHosts("127.0.0.1 localhost\n")
        try folder.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        let gateway = try Gateway(
            configuration(upstream: "http://service.test:\(upstream.port)"), folder: folder,
            environment: ["SLUICE_DNS_REFRESH_SECONDS": "1", "SLUICE_UPSTREAM_POOL_SIZE": "0"],
            mounts: "mount --bind \(hosts) /etc/hosts; mount --bind \(folder.file("resolv.conf")) /etc/resolv.conf")
        expect(try gateway.get("/api/x"), is: .unavailable)
        try setHosts("127.0.0.1 localhost\n127.0.0.1 service.test\n")
        #expect(eventually(within: 6) { (try? serves(gateway.client())) == true })
        try setHosts("127.0.0.1 localhost\n")
        let start = monotonicSeconds()
        var number = 0
        while monotonicSeconds() - start < 2.5 {
            number += 1
            #expect(try serves(gateway.client(), number))
            pause(0.02)
        }
        // A name that leads elsewhere is followed.
        try setHosts("127.0.0.1 localhost\n127.0.0.2 service.test\n")
        #expect(try eventually(within: 6) { try gateway.get("/api/x").status == 502 })
    }

    @Test("a name server that does not answer holds up neither the start nor the end of a process that asks it for a JWKS",
        .enabled(if: Mounts.areAllowed))
    func hangingName() throws {
        let server = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(server) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(53).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.153")
        try #require(withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        } == 0)
        let folder = try Folder()
        try folder.write("resolv.conf", "nameserver 127.0.0.153\noptions timeout:20 attempts:1\n")
        let gateway = try Gateway(
            configuration(policies: "jwt: {algorithm: RS256, jwks: \"http://keys.test/jwks.json\"}", [EndpointText("/**", helloMock)]),
            folder: folder, environment: ["SLUICE_KEY_SET_FETCH_TIMEOUT_MS": "1000"],
            mounts: "mount --bind \(folder.file("resolv.conf")) /etc/resolv.conf")
        var query = [UInt8](repeating: 0, count: 512)
        #expect(recv(server, &query, query.count, 0) > 0, "it was asked")
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(8) == 0)
    }

    @Test("the access log's disk is full: requests pass, failures are counted, no line is torn into the next, and it goes on when there is room",
        .enabled(if: Mounts.areAllowed))
    func fullDisk() throws {
        let folder = try Folder()
        try FileManager.default.createDirectory(atPath: folder.file("disk"), withIntermediateDirectories: true)
        let upstream = try ScriptedUpstream(LoadGenerator.echo)
        let gateway = try Gateway(
            configuration(ceiling: 1_000_000, upstream: upstream.url), folder: folder,
            environment: ["SLUICE_ACCESS_LOG": folder.file("disk/access.log"), "SLUICE_WORKERS": "1"], admin: true,
            mounts: "mount -t tmpfs -o size=64k none \(folder.file("disk"))")
        // The process's own view of the file system, with something on it that an operator removes when the disk is full.
        let disk = "/proc/\(gateway.process.pid)/root\(folder.file("disk"))"
        let log = disk + "/access.log"
        let ballast = disk + "/ballast"
        try Data(count: 32 * 1024).write(to: URL(fileURLWithPath: ballast))
        let client = try gateway.client()
        let admin = try RawClient(port: gateway.adminPort)
        for number in 0..<400 { #expect(try serves(client, number)) }
        #expect(try eventually { try metric("sluice_access_log_write_failures_total", over: admin) > 0 })
        for number in 0..<50 { #expect(try serves(client, number)) }
        // Each line is in the log or counted as lost.
        #expect(try eventually {
            let whole = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").count { $0.hasSuffix("}") }
            return try Double(whole) + metric("sluice_access_log_dropped_lines_total", over: admin) == 450
        })
        let full = try String(contentsOfFile: log, encoding: .utf8).utf8.count
        #expect(unlink(ballast) == 0)
        let goesOn = try eventually {
            guard try serves(client) else { throw HarnessError("not served") }
            return try String(contentsOfFile: log, encoding: .utf8).utf8.count > full + 1000
        }
        #expect(goesOn)
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
        let broken = lines.filter { (try? JSONSerialization.jsonObject(with: Data($0.utf8))) == nil }
        #expect(broken.count <= 2 && broken.allSatisfy { $0.hasPrefix("{") && !$0.dropFirst().contains("{\"time\"") }, "\(broken)")
        #expect(gateway.process.exitCode() == nil)
    }

    @Test("an access log that is a FIFO: without a reader the start fails at once; one that stops reading holds up no request, nor the end")
    func accessLogFIFO() throws {
        let folder = try Folder()
        let path = folder.file("log")
        #expect(mkfifo(path, 0o600) == 0)
        let text = configuration(ceiling: 1_000_000, [EndpointText("/**", helloMock)])
        try folder.write("sluice.yaml", text)
        let refused = try run(
            ["run", "--config", folder.file("sluice.yaml")],
            environment: Gateway.environment(folder: folder, port: Ports.free()).merging(["SLUICE_ACCESS_LOG": path]) { $1 })
        #expect(refused.code == 1 && refused.errors.contains("a FIFO that nobody reads"), "\(refused.everything)")
        let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        defer { close(reader) }
        let gateway = try Gateway(text, environment: ["SLUICE_ACCESS_LOG": path], admin: true)
        // More lines than the pipe takes.
        let client = try gateway.client()
        for _ in 0..<1000 {
            try client.send(Gateway.text("GET", "/api/x"))
            #expect(try client.response().status == 200)
        }
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(10) == 0)
    }

    @Test("standard output whose reader stops reading holds up no request, nor the end")
    func accessLogPipe() throws {
        let folder = try Folder()
        let port = try Ports.free()
        let path = folder.file("log")
        #expect(mkfifo(path, 0o600) == 0)
        let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        defer { close(reader) }
        try folder.write("sluice.yaml", configuration(ceiling: 1_000_000, [EndpointText("/**", helloMock)]))
        let process = try ChildProcess(
            ["sh", "-c", "exec \"$0\" run --config \"$1\" >\"$2\"", Gateway.binary(), folder.file("sluice.yaml"), path],
            environment: Gateway.environment(folder: folder, port: port).merging(["SLUICE_ACCESS_LOG": "-"]) { $1 }, folder: folder)
        #expect(eventually { (try? RawClient(port: port)) != nil })
        let client = try RawClient(port: port)
        for _ in 0..<1000 {
            try client.send(Gateway.text("GET", "/api/x"))
            #expect(try client.response().status == 200)
        }
        process.signal(SIGTERM)
        #expect(process.waitForExit(10) == 0)
    }

    @Test("a flood of the admin listener leaves descriptors for services and reloads, and is over with its connections")
    func adminFlood() throws {
        let upstream = try ScriptedUpstream { call in
            try call.reply(200, ["Connection: close"], body: "upstream")
            call.close()
        }
        let text = configuration(upstream: upstream.url)
        let gateway = try Gateway(text, admin: true, limits: "-n 128")
        var flood: [RawSocket] = []
        for _ in 0..<120 {
            let socket = try RawSocket.connect(port: gateway.adminPort)
            try socket.send("GET /healthz HTTP/1.1\r\n")
            flood.append(socket)
        }
        // The flood lasts longer than this waits.
        for _ in 0..<5 { #expect(try gateway.client(timeout: 3).exchange(Gateway.text("GET", "/api/x")).status == 200) }
        try gateway.reload(text)
        #expect(eventually { gateway.log.contains("reloaded") }, "\(gateway.log)")
        for socket in flood { socket.close() }
        #expect(try eventually { try gateway.get("/readyz", port: gateway.adminPort).status == 200 })
    }

    @Test("a log that has reached the process's limit of file sizes is a failed write, and ends nothing",
        .disabled(if: Sanitizer.checksThreads, "ThreadSanitizer needs a larger file of its own"))
    func fileSizeLimit() throws {
        let folder = try Folder()
        let gateway = try Gateway(
            configuration([EndpointText("/**", helloMock)]), folder: folder,
            environment: ["SLUICE_ACCESS_LOG": folder.file("access.log"), "SLUICE_STATE_DIR": "off"], admin: true, limits: "-f 8")
        let client = try gateway.client()
        let admin = try RawClient(port: gateway.adminPort)
        var served = true
        let hasFailed = try eventually {
            served = try client.exchange(Gateway.text("GET", "/api/x")).status == 200 && served
            return try metric("sluice_access_log_write_failures_total", over: admin) > 0
        }
        #expect(served && hasFailed)
        #expect(gateway.process.exitCode() == nil)
    }

    @Test("an access log on a device that takes nothing holds up no request")
    func fullDevice() throws {
        let upstream = try ScriptedUpstream(LoadGenerator.echo)
        let gateway = try Gateway(
            configuration(ceiling: 1_000_000, upstream: upstream.url), environment: ["SLUICE_ACCESS_LOG": "/dev/full"], admin: true)
        let client = try gateway.client()
        for number in 0..<200 { #expect(try serves(client, number)) }
        let admin = try RawClient(port: gateway.adminPort)
        #expect(try eventually { try metric("sluice_access_log_write_failures_total", over: admin) > 0 })
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(5) == 0)
    }

    @Test("slow on every side at once: requests and responses in single bytes, and every response is whole and its own")
    func slowEverything() throws {
        let upstream = try ScriptedUpstream { call in
            let nonce = call.request.target.split(separator: "=").last.map(String.init) ?? ""
            let body = String(repeating: nonce + "\n", count: 40) + call.request.text
            let text = "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
            for byte in text.utf8 {
                try call.send([byte])
                pause(0.001)
            }
            for start in stride(from: 0, to: body.utf8.count, by: 7) {
                try call.send(Array(Array(body.utf8)[start..<min(body.utf8.count, start + 7)]))
                pause(0.001)
            }
        }
        let gateway = try Gateway(configuration(upstream: upstream.url), environment: ["SLUICE_WORKERS": "2"])
        let (done, wrong) = (Flag(), Flag())
        for number in 0..<24 {
            let nonce = nonce(number)
            Thread.detachNewThread {
                defer { done.set() }
                do {
                    let client = try gateway.client(timeout: 20)
                    client.socket.setReceiveBuffer(4096)
                    for turn in 0..<2 {
                        let own = "\(nonce)-\(turn)"
                        try client.send(Gateway.text("POST", "/api/x?nonce=\(own)", body: own), inPiecesOf: 3, every: 0.002)
                        pause(0.05)
                        let response = try client.response()
                        if response.text != String(repeating: own + "\n", count: 40) + own { wrong.set() }
                    }
                } catch {
                    wrong.set()
                }
            }
        }
        #expect(eventually(within: 30) { done.count == 24 })
        #expect(!wrong.isSet)
    }
}
