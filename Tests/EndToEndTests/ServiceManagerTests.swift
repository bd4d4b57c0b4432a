import Foundation
import Glibc
import Synchronization
import Testing

/// What systemd does with a service of `Type=notify`, and with sockets that it has opened itself.
@Suite("Service manager", .loopback, .minutes(5))
struct ServiceManagerTests {
    /// A datagram socket in the manager's place.
    private final class Notifications: Sendable {
        private let descriptor: Int32
        private let texts = Mutex<[String]>([])

        /// - Parameter name: a path, or with a leading `@` an abstract name.
        init(_ name: String) throws {
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            var bytes = [UInt8](name.utf8)
            let isAbstract = bytes[0] == UInt8(ascii: "@")
            if isAbstract { bytes[0] = 0 }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
            let size = isAbstract ? socklen_t(2 + bytes.count) : socklen_t(MemoryLayout<sockaddr_un>.size)
            let status = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
            }
            guard status == 0 else { throw HarnessError("bind \(name): errno \(errno)") }
        }

        deinit { close(descriptor) }

        /// Sends to itself until nothing more fits into its queue, nor into that of any other sender.
        func fill() {
            var address = sockaddr_un()
            var size = socklen_t(MemoryLayout<sockaddr_un>.size)
            withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    guard getsockname(descriptor, $0, &size) == 0 else { return }
                    // A socket of its own for each: what a sender may have under way is bounded, too.
                    for _ in 0..<10_000 {
                        let sender = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
                        let sent = sendto(sender, "x", 1, Int32(MSG_DONTWAIT), $0, size)
                        close(sender)
                        if sent < 0 { return }
                    }
                }
            }
        }

        /// All that has come.
        var all: [String] {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                guard count > 0 else { return texts.withLock { $0 } }
                texts.withLock { $0.append(String(decoding: buffer.prefix(count), as: UTF8.self)) }
            }
        }

        /// Waits for a message with that line; the value behind `=`.
        func value(_ name: String, after count: Int = 0, within seconds: Double = 10) -> String? {
            let found = eventually(within: seconds) { all.dropFirst(count).contains { Self.value(name, in: $0) != nil } }
            return found ? all.dropFirst(count).compactMap { Self.value(name, in: $0) }.first : nil
        }

        private static func value(_ name: String, in text: String) -> String? {
            text.split(separator: "\n").first { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
        }
    }

    @Test("a manager that reads nothing any more: the gateway serves, reloads and ends all the same")
    func stuckManager() throws {
        let folder = try Folder()
        let notifications = try Notifications(folder.file("notify"))
        notifications.fill()
        let text = configuration([EndpointText("/**", helloMock)])
        let gateway = try Gateway(text, folder: folder, environment: ["NOTIFY_SOCKET": folder.file("notify"), "WATCHDOG_USEC": "1000000"])
        #expect(try gateway.get("/api/x").status == 200)
        try gateway.reload(text)
        #expect(eventually(within: 20) { gateway.log.contains("reloaded") })
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(20) == 0)
    }

    @Test("a watchdog's time that is no time, or longer than any, is taken as it can be", arguments: ["18446744073709551615", "0", "-1", "soon", ""])
    func watchdogTime(text: String) throws {
        let folder = try Folder()
        let notifications = try Notifications(folder.file("notify"))
        let gateway = try Gateway(
            configuration([EndpointText("/**", helloMock)]), folder: folder,
            environment: ["NOTIFY_SOCKET": folder.file("notify"), "WATCHDOG_USEC": text])
        #expect(notifications.value("READY") == "1")
        #expect(try gateway.get("/api/x").status == 200)
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(10) == 0)
    }

    @Test("Type=notify: READY when it serves, RELOADING with the time, READY again, STOPPING", arguments: ["path", "abstract"])
    func notify(kind: String) throws {
        let folder = try Folder()
        let name = kind == "path" ? folder.file("notify") : "@sluice-test-\(UUID().uuidString)"
        let notifications = try Notifications(name)
        let text = configuration([EndpointText("/**", helloMock)])
        let gateway = try Gateway(text, folder: folder, environment: ["NOTIFY_SOCKET": name])
        #expect(notifications.value("READY") == "1")
        #expect(notifications.value("MAINPID") == "\(gateway.process.pid)")
        #expect(notifications.value("STATUS") != nil)
        #expect(notifications.value("STOPPING", within: 0) == nil && notifications.value("RELOADING", within: 0) == nil)

        var seen = notifications.all.count
        let before = UInt64(monotonicSeconds() * 1_000_000)
        try gateway.reload(text)
        #expect(notifications.value("RELOADING", after: seen) == "1")
        let time = try #require(notifications.value("MONOTONIC_USEC", after: seen).flatMap { UInt64($0) })
        #expect(time >= before && time <= UInt64(monotonicSeconds() * 1_000_000))
        #expect(notifications.value("READY", after: seen) == "1")

        // A reload that is refused ends too: the manager waits for it.
        #expect(eventually { gateway.log.contains("reloaded") })
        seen = notifications.all.count
        try gateway.reload("domains: nonsense\n")
        #expect(notifications.value("READY", after: seen + 1) == "1", "\(notifications.all)")

        gateway.process.signal(SIGTERM)
        #expect(notifications.value("STOPPING") == "1")
        #expect(gateway.process.waitForExit(5) == 0)
    }

    @Test("WATCHDOG_USEC: a sign of life twice in each period, none for another process")
    func watchdog() throws {
        let folder = try Folder()
        let notifications = try Notifications(folder.file("notify"))
        let gateway = try Gateway(
            configuration([EndpointText("/**", helloMock)]), folder: folder,
            environment: ["NOTIFY_SOCKET": folder.file("notify"), "WATCHDOG_USEC": "400000"])
        #expect(notifications.value("WATCHDOG") == "1")
        pause(1)
        let count = notifications.all.count { $0.contains("WATCHDOG=1") }
        #expect((3...8).contains(count), "\(count)")
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(5) == 0)

        let others = try Folder()
        let silent = try Notifications(others.file("notify"))
        let other = try Gateway(
            configuration([EndpointText("/**", helloMock)]), folder: others,
            environment: ["NOTIFY_SOCKET": others.file("notify"), "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"])
        #expect(silent.value("READY") == "1")
        #expect(silent.value("WATCHDOG", within: 0.3) == nil)
        _ = other
    }

    @Test("WATCHDOG_USEC: a period beyond every clock is as good as a long one")
    func endlessWatchdog() throws {
        let folder = try Folder()
        let notifications = try Notifications(folder.file("notify"))
        let gateway = try Gateway(
            configuration([EndpointText("/**", helloMock)]), folder: folder,
            environment: ["NOTIFY_SOCKET": folder.file("notify"), "WATCHDOG_USEC": "\(UInt64.max)"])
        #expect(notifications.value("WATCHDOG") == "1")
        #expect(try gateway.get("/api/x").status == 200)
    }

    @Test("socket activation: all workers serve the manager's socket, and restarts lose none of the requests", arguments: [1, 3])
    func activation(workers: Int) throws {
        let folder = try Folder()
        let upstream = try ScriptedUpstream(LoadGenerator.echo)
        try folder.write("sluice.yaml", configuration(ceiling: 10_000_000, upstream: upstream.url))
        let listener = try RawSocket.listen(backlog: 1024)
        let admin = try RawSocket.listen()
        let port = listener.localPort
        func start() throws -> ChildProcess {
            var environment = Gateway.environment(folder: folder, port: port, adminPort: admin.localPort)
            environment["SLUICE_WORKERS"] = "\(workers)"
            environment["SLUICE_DRAIN_IDLE_TIMEOUT_MS"] = "500"
            return try ChildProcess(
                [Gateway.binary(), "run", "--config", folder.file("sluice.yaml")], environment: environment,
                descriptors: [listener.number, admin.number], folder: folder)
        }
        var process = try start()
        let load = LoadGenerator(port: port, target: "/api/x", kept: 4, fresh: 6)
        for _ in 0..<3 {
            #expect(eventually(within: 10) { process.standardError.contains("serving") }, "\(process.standardError)")
            let before = load.served
            #expect(eventually { load.served > before + 50 })
            process.signal(SIGTERM)
            #expect(process.waitForExit(8) == 0)
            // Between the two processes connections wait in the manager's socket.
            process = try start()
        }
        #expect(eventually(within: 10) { process.standardError.contains("serving") })
        let before = load.served
        #expect(eventually { load.served > before + 50 })
        let outcome = load.stop()
        #expect(outcome.failures.isEmpty, "\(outcome.failures.count) of \(outcome.served): \(outcome.failures.prefix(5))")
        let client = try RawClient(port: admin.localPort)
        #expect(try client.exchange(Gateway.text("GET", "/readyz")).status == 200)
        #expect(!process.standardError.contains("no listener uses an inherited socket"))
    }

    @Test("a manager's socket that no listener names is told of, and another process's LISTEN_PID is not ours")
    func mismatch() throws {
        let folder = try Folder()
        try folder.write("sluice.yaml", configuration([EndpointText("/**", helloMock)]))
        let listener = try RawSocket.listen()
        let port = try Ports.free()
        let process = try ChildProcess(
            [Gateway.binary(), "run", "--config", folder.file("sluice.yaml")],
            environment: Gateway.environment(folder: folder, port: port), descriptors: [listener.number], folder: folder)
        #expect(eventually(within: 10) { process.standardError.contains("serving") }, "\(process.standardError)")
        #expect(process.standardError.contains("no listener uses an inherited socket"), "\(process.standardError)")
        #expect(try RawClient(port: port).exchange(Gateway.text("GET", "/api/x")).text == "hello")

        let other = try Gateway(
            configuration([EndpointText("/**", helloMock)]), environment: ["LISTEN_PID": "1", "LISTEN_FDS": "1"])
        #expect(try other.get("/api/x").text == "hello")
    }
}
