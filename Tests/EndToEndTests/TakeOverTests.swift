import Foundation
import Glibc
import Testing

/// A new process in the old one's place, while requests pass.
@Suite("Takeover", .loopback, .minutes(5))
struct TakeOverTests {
    /// Processes that replace each other: the same address, takeover socket and configuration.
    private struct Succession {
        let folder: Folder
        let port: UInt16
        let adminPort: UInt16
        let path: String

        init(_ configuration: String) throws {
            folder = try Folder()
            port = try Ports.free()
            adminPort = try Ports.free()
            path = folder.file("sluice.sock")
            try folder.write("sluice.yaml", configuration)
        }

        func start(workers: Int, _ environment: [String: String] = [:], configuration: String = "sluice.yaml") throws -> ChildProcess {
            var variables = Gateway.environment(folder: folder, port: port, adminPort: adminPort)
            variables["SLUICE_WORKERS"] = "\(workers)"
            variables["SLUICE_TAKEOVER_SOCKET"] = path
            variables["SLUICE_DRAIN_IDLE_TIMEOUT_MS"] = "1000"
            return try ChildProcess(
                [Gateway.binary(), "run", "--config", folder.file(configuration)],
                environment: variables.merging(environment) { $1 }, folder: folder)
        }

        func isReady() -> Bool {
            guard let client = try? RawClient(port: adminPort, timeout: 2) else { return false }
            defer { client.close() }
            return (try? client.exchange(Gateway.text("GET", "/readyz")).status) == 200
        }

        /// Whether a process serves and can be replaced.
        func isOpen() -> Bool { isReady() && FileManager.default.fileExists(atPath: path) }
    }

    @Test("with SLUICE_RATE_LIMIT_FILE, takeovers under load admit no more of a caller's limit than there is")
    func callersLimit() throws {
        let limit = 400
        let succession = try Succession(configuration(policies: "rateLimit: [{limit: \(limit), perSeconds: 600}]", [EndpointText("/**", helloMock)]))
        let file = "/dev/shm/sluice-e2e-\(UUID().uuidString)"
        try LoopbackScope.onEnd { for path in [file, file + ".lock"] { try? FileManager.default.removeItem(atPath: path) } }
        let environment = ["SLUICE_RATE_LIMIT_FILE": file, "SLUICE_RATE_LIMIT_KEYS": "1000"]
        var process = try succession.start(workers: 2, environment)
        #expect(eventually(within: 10) { succession.isOpen() })
        var admitted = 0
        for turn in 0..<4 {
            if turn > 0 {
                let next = try succession.start(workers: 2, environment)
                #expect(process.waitForExit(8) == 0 && next.exitCode() == nil, "\(process.standardError)\(next.standardError)")
                process = next
                #expect(eventually { succession.isReady() })
            }
            let client = try RawClient(port: succession.port, timeout: 5)
            for _ in 0..<150 { admitted += try client.exchange(Gateway.text("GET", "/api/x")).status == 200 ? 1 : 0 }
            client.close()
        }
        #expect(admitted <= limit && admitted >= limit - limit / 14 - 1, "\(admitted)")
    }

    @Test("a process that takes over judges clients' certificates by the files as they are then")
    func clientCertificates() throws {
        let folder = try CertificateSite.authorities()
        try OpenSSL.revocationList(of: [], in: folder)
        let port = try Ports.free()
        let clients = "mode: required, crl: \"FOLDER/crl.pem\""
        let text = try CertificateSite.text(folder, port: port, upstream: CertificateSite.echo().url, clients: clients, policy: "clientCertificate: {}")
        let succession = try Succession(text)
        let process = try succession.start(workers: 1)
        #expect(eventually(within: 10) { succession.isOpen() })
        #expect(try CertificateSite.curl("alice", in: folder, port: port).output.hasSuffix("\n200"))
        try OpenSSL.revocationList(of: ["alice"], in: folder)
        let next = try succession.start(workers: 1)
        #expect(process.waitForExit(8) == 0 && next.exitCode() == nil, "\(process.standardError)\(next.standardError)")
        #expect(eventually { succession.isReady() })
        #expect(try CertificateSite.curl("alice", in: folder, port: port).code != 0)
        #expect(try CertificateSite.curl("bob", in: folder, port: port).output.hasSuffix("\n200"))
    }

    @Test("six takeovers under load, with more and with fewer workers: no request refused, reset or failed")
    func underLoad() throws {
        let upstream = try ScriptedUpstream(LoadGenerator.echo)
        let succession = try Succession(configuration(ceiling: 10_000_000, upstream: upstream.url))
        var process = try succession.start(workers: 2)
        #expect(eventually(within: 10) { succession.isOpen() })
        let load = LoadGenerator(port: succession.port, target: "/api/x", kept: 8, fresh: 8)
        for workers in [4, 1, 3, 2, 5, 2] {
            let before = load.served
            let next = try succession.start(workers: workers)
            #expect(process.waitForExit(8) == 0, "\(process.standardError)")
            #expect(next.exitCode() == nil, "\(next.standardError)")
            process = next
            #expect(eventually { load.served > before + 20 && succession.isReady() })
        }
        let outcome = load.stop()
        #expect(outcome.failures.isEmpty, "\(outcome.failures.count) of \(outcome.served): \(outcome.failures.prefix(5))")
        #expect(outcome.served > 500 && outcome.connections > 100, "\(outcome.served), \(outcome.connections)")
        print("takeover: \(outcome.served) requests on \(outcome.connections) connections, \(outcome.failures.count) failed")
        process.signal(SIGTERM)
        #expect(process.waitForExit(5) == 0)
        #expect(!FileManager.default.fileExists(atPath: succession.path), "the last process has left its socket")
    }

    @Test("the same load notices a restart without a takeover: what the other tests look for can be seen")
    func control() throws {
        let upstream = try ScriptedUpstream(LoadGenerator.echo)
        let succession = try Succession(configuration(ceiling: 10_000_000, upstream: upstream.url))
        let process = try succession.start(workers: 2, ["SLUICE_TAKEOVER_SOCKET": "off"])
        #expect(eventually(within: 10) { succession.isReady() })
        let load = LoadGenerator(port: succession.port, target: "/api/x", kept: 2, fresh: 2)
        #expect(eventually { load.served > 20 })
        process.signal(SIGTERM)
        #expect(process.waitForExit(5) == 0)
        _ = try succession.start(workers: 2, ["SLUICE_TAKEOVER_SOCKET": "off"])
        #expect(eventually(within: 10) { succession.isReady() })
        #expect(!load.stop().failures.isEmpty)
    }

    @Test("a response in flight completes in the old process while the new one serves")
    func inFlight() throws {
        let began = Flag()
        let upstream = try ScriptedUpstream { call in
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            began.set()
            pause(1.5)
            try call.send("other")
        }
        let succession = try Succession(configuration(upstream: upstream.url, [EndpointText("/m", helloMock), EndpointText("/**")]))
        let old = try succession.start(workers: 1)
        #expect(eventually(within: 10) { succession.isOpen() })
        let client = try RawClient(port: succession.port)
        try client.send(Gateway.text("GET", "/api/x"))
        try began.wait()
        let new = try succession.start(workers: 1)
        #expect(eventually(within: 10) { old.standardError.contains("draining") })
        #expect(old.exitCode() == nil && new.exitCode() == nil)
        let other = try RawClient(port: succession.port)
        #expect(try other.exchange(Gateway.text("GET", "/api/m")).text == "hello")
        #expect(try client.response().text == "firstother")
        #expect(old.waitForExit(5) == 0)
        #expect(try other.exchange(Gateway.text("GET", "/api/m")).text == "hello")
    }

    @Test("callers that say nothing hold nobody up: a new process takes over at once")
    func silentCallers() throws {
        let succession = try Succession(configuration([EndpointText("/**", helloMock)]))
        let old = try succession.start(workers: 1)
        #expect(eventually(within: 10) { succession.isOpen() })
        var silent: [Int32] = []
        defer { for descriptor in silent { close(descriptor) } }
        for _ in 0..<20 {
            let descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)
            silent.append(descriptor)
            #expect(Self.connects(descriptor, to: succession.path))
        }
        let began = monotonicSeconds()
        let new = try succession.start(workers: 1)
        #expect(old.waitForExit(8) == 0, "\(old.standardError)")
        #expect(monotonicSeconds() - began < TimeScale.patience(8) && new.exitCode() == nil)
    }

    private static func connects(_ descriptor: Int32, to path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: [UInt8](path.utf8)) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 }
        }
    }

    @Test("a process that takes over waits for its key sets before the old one drains")
    func keySets() throws {
        let key = try OpenSSL.rsaKey()
        let document = try Signing.jwks([("one", key)])
        let isSlow = Flag()
        let provider = try ScriptedUpstream { call in
            if isSlow.isSet { pause(1) }
            try call.reply(200, body: document)
        }
        // It asks as fast as it can.
        let policies = "jwt: {algorithm: RS256, jwks: \"\(provider.url)/\"}"
        let succession = try Succession(configuration(ceiling: 10_000_000, policies: policies, [EndpointText("/**", helloMock)]))
        let token = try Signing.rs256(#"{"exp":\#(Signing.epoch() + 3600)}"#, privateKey: key, kid: "one")
        func status() throws -> Int {
            let client = try RawClient(port: succession.port)
            defer { client.close() }
            return try client.exchange(Gateway.text("GET", "/api/x", ["Authorization: \(token)"])).status
        }
        let old = try succession.start(workers: 1)
        #expect(eventually(within: 10) { succession.isOpen() })
        #expect(try status() == 200)
        isSlow.set()
        _ = try succession.start(workers: 1)
        while old.exitCode() == nil { #expect(try status() == 200) }
        #expect(try status() == 200)
    }

    @Test("replay protection goes on: what the old process has accepted is refused by the new one, and nothing else is")
    func replays() throws {
        let policies = "hmac: {secret: s3cret, clockSkew: 300, replayProtection: true}"
        let succession = try Succession(configuration(ceiling: 10_000_000, policies: policies, [EndpointText("/**", helloMock)]))
        func status(_ request: (target: String, fields: [String])) throws -> Int {
            let client = try RawClient(port: succession.port)
            defer { client.close() }
            return try client.exchange(Gateway.text("GET", request.target, request.fields)).status
        }
        func signed(_ target: String, secondsAhead: Double) throws -> (target: String, fields: [String]) {
            (target, try Signing.compact("GET", target, secret: "s3cret", at: Signing.timestamp(secondsAhead)))
        }
        var process = try succession.start(workers: 2)
        #expect(eventually(within: 10) { succession.isOpen() })
        var seen: [(target: String, fields: [String])] = []
        for round in 0..<3 {
            // Signed while the old process serves, sent when the new one does.
            let late = try signed("/api/late\(round)", secondsAhead: 0)
            let early = try signed("/api/early\(round)", secondsAhead: 100)
            #expect(try status(early) == 200)
            seen.append(early)
            let next = try succession.start(workers: 2)
            while process.exitCode() == nil { for request in seen { #expect(try status(request) == 401) } }
            process = next
            #expect(eventually(within: 10) { succession.isOpen() })
            for request in seen { #expect(try status(request) == 401) }
            #expect(try status(late) == 200)
            seen.append(late)
        }
    }

    @Test("a reload that is under way when a new process takes over is refused, and adds no listener that the new one lacks")
    func duringReload() throws {
        let text = configuration([EndpointText("/**", helloMock)])
        let succession = try Succession(text)
        let old = try succession.start(workers: 1)
        #expect(eventually(within: 10) { succession.isOpen() })
        // The reload hangs in the reading of its file.
        let path = succession.folder.file("sluice.yaml")
        unlink(path)
        #expect(mkfifo(path, 0o600) == 0)
        old.signal(SIGHUP)
        var writer: Int32 = -1
        #expect(eventually {
            writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
            return writer >= 0
        })
        let caller = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(caller) }
        #expect(Self.connects(caller, to: succession.path))
        #expect(send(caller, "sluice-takeover 1", 17, Int32(MSG_NOSIGNAL)) == 17)
        #expect(eventually { old.standardError.contains("a new process takes over") })
        #expect(write(writer, text, text.utf8.count) == text.utf8.count)
        close(writer)
        #expect(eventually { old.standardError.contains("a new process is taking over: reload that one") }, "\(old.standardError)")
        #expect(!old.standardError.contains("reloaded"))
    }

    @Test("a new process whose configuration is bad, or that dies before it serves, leaves the old one serving")
    func failure() throws {
        let succession = try Succession(configuration([EndpointText("/**", helloMock)]))
        try succession.folder.write("bad.yaml", "domains: [{key: x, nonsense: 1}]\n")
        let old = try succession.start(workers: 2)
        #expect(eventually(within: 10) { succession.isOpen() })
        let bad = try succession.start(workers: 2, configuration: "bad.yaml")
        #expect(bad.waitForExit(10) == 1)
        #expect(bad.standardError.contains("bad.yaml"))
        #expect(eventually { old.standardError.contains("this process continues") })
        // A caller that gets the sockets and goes away.
        let descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0)
        #expect(Self.connects(descriptor, to: succession.path))
        #expect(send(descriptor, "sluice-takeover 1", 17, Int32(MSG_NOSIGNAL)) == 17)
        // What was handed over must stay true: until the caller has gone there is no reload.
        #expect(eventually { old.standardError.components(separatedBy: "a new process takes over").count == 3 })
        old.signal(SIGHUP)
        #expect(eventually { old.standardError.contains("reload that one") }, "\(old.standardError)")
        close(descriptor)
        let client = try RawClient(port: succession.port)
        #expect(try client.exchange(Gateway.text("GET", "/api/x")).text == "hello")
        #expect(old.exitCode() == nil && succession.isReady())
        // It can be reloaded and replaced as before.
        #expect(eventually { old.standardError.components(separatedBy: "this process continues").count == 3 })
        old.signal(SIGHUP)
        #expect(eventually { old.standardError.contains("reloaded") }, "\(old.standardError)")
        let next = try succession.start(workers: 2)
        #expect(old.waitForExit(8) == 0)
        #expect(next.exitCode() == nil)
    }

    @Test("the socket has mode 0600, and one that a dead process has left is no hindrance")
    func socketFile() throws {
        let succession = try Succession(configuration([EndpointText("/**", helloMock)]))
        let first = try succession.start(workers: 1)
        #expect(eventually(within: 10) { succession.isOpen() })
        let mode = try FileManager.default.attributesOfItem(atPath: succession.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        first.signal(SIGKILL)
        #expect(first.waitForExit(5) == 128 + SIGKILL)
        #expect(FileManager.default.fileExists(atPath: succession.path))
        let second = try succession.start(workers: 1)
        #expect(eventually(within: 10) { succession.isReady() }, "\(second.standardError)")
    }

    @Test(
        "whoever stands behind the takeover socket as another user, in a folder for everybody, is no predecessor",
        .enabled(if: geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv")))
    func stranger() throws {
        let succession = try Succession(configuration([EndpointText("/**", helloMock)]))
        #expect(chmod((succession.path as NSString).deletingLastPathComponent, 0o777) == 0)
        var variables = Gateway.environment(folder: succession.folder, port: try Ports.free())
        variables["SLUICE_TAKEOVER_SOCKET"] = succession.path
        variables["SLUICE_STATE_DIR"] = "off"
        let other = try ChildProcess(
            ["/usr/bin/setpriv", "--reuid", "65534", "--clear-groups", Gateway.binary(), "run", "--config", succession.folder.file("sluice.yaml")],
            environment: variables, folder: succession.folder)
        #expect(eventually(within: 10) { FileManager.default.fileExists(atPath: succession.path) }, "\(other.standardError)")
        let process = try succession.start(workers: 1)
        #expect(process.waitForExit(10) == 1)
        #expect(process.standardError == "SLUICE_TAKEOVER_SOCKET: \(succession.path): Permission denied\n")
        #expect(other.exitCode() == nil, "\(other.standardError)")
    }

    @Test("a takeover socket where a file stands, or in no folder: an error, and the file stays", arguments: [
        ("sluice.yaml", "there is a file that is not a socket; it is not replaced"), ("", "there is a file that is not a socket; it is not replaced"),
        ("none/sluice.sock", "its folder: No such file or directory"), ("sluice.yaml/sluice.sock", "Not a directory"),
    ])
    func unusablePath(name: String, reason: String) throws {
        let succession = try Succession(configuration([EndpointText("/**", helloMock)]))
        let path = succession.folder.file(name)
        let process = try succession.start(workers: 1, ["SLUICE_TAKEOVER_SOCKET": path])
        #expect(process.waitForExit(10) == 1)
        #expect(process.standardError == "SLUICE_TAKEOVER_SOCKET: \(path): \(reason)\n")
        #expect(succession.folder.read("sluice.yaml").contains("domains:"))
    }

    @Test("descriptors that somebody sends to the takeover socket are closed, whatever comes with them")
    func uninvitedDescriptors() throws {
        let succession = try Succession(configuration([EndpointText("/**", helloMock)]))
        let process = try succession.start(workers: 1)
        #expect(eventually(within: 10) { succession.isOpen() })
        let before = process.openDescriptors()
        let script = """
            import socket, sys
            for text in [b"nobody", b"sluice-takeover 1"] * 5:
                caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                caller.connect(sys.argv[1])
                socket.send_fds(caller, [text], [0] * 50)
                caller.recv(65536)
                try: socket.send_fds(caller, [b"no"], [0] * 50)
                except OSError: pass
            """
        let sent = try command(["/usr/bin/env", "python3", "-c", script, succession.path])
        #expect(sent.code == 0, "\(sent.errors)")
        #expect(eventually { process.openDescriptors() <= before }, "\(before) before, \(process.openDescriptors()) after")
        #expect(succession.isReady())
    }

    @Test("SIGTERM: what waits in the accept queue is answered, and so is the next request of a kept connection, which says close")
    func drainAnswersTheQueue() throws {
        let gateway = try Gateway(
            configuration([EndpointText("/**", helloMock)]),
            environment: ["SLUICE_WORKERS": "1", "SLUICE_MAX_CONNECTIONS": "40", "SLUICE_DRAIN_IDLE_TIMEOUT_MS": "1500"])
        let kept = try gateway.client()
        #expect(try kept.exchange(Gateway.text("GET", "/api/x"))["Connection"] == nil)
        // While the process is stopped nobody accepts: all of these wait in the queue.
        gateway.process.signal(SIGSTOP)
        let waiting = try (0..<30).map { _ in try gateway.client() }
        for client in waiting.prefix(20) { try client.send(Gateway.text("GET", "/api/x")) }
        gateway.process.signal(SIGTERM)
        gateway.process.signal(SIGCONT)
        for client in waiting.prefix(20) {
            // Whether the drain or, just before it, the listener took it out of the queue.
            #expect(try client.response().status == 200)
        }
        #expect(eventually { gateway.log.contains("draining") })
        // These had sent nothing yet, and the kept connection sends its next one only now.
        for client in waiting.suffix(10) { #expect(try client.exchange(Gateway.text("GET", "/api/x")).status == 200) }
        #expect(try kept.exchange(Gateway.text("GET", "/api/x")).saysClose)
        #expect(gateway.process.waitForExit(5) == 0)
    }
}
