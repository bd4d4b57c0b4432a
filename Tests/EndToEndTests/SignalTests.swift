import Foundation
import Glibc
import Testing

/// Signals at any moment: what the process reads, and who reads what it writes, may hang.
@Suite("Signals", .loopback, .minutes(5))
struct SignalTests {
    private let text = configuration([EndpointText("/**", helloMock)])

    /// A FIFO, which hangs whoever reads it until somebody has written.
    private func makeFIFO(_ path: String) {
        unlink(path)
        #expect(mkfifo(path, 0o600) == 0)
    }

    /// Writes into a FIFO that somebody reads already. False if nobody does.
    private func write(_ text: String, into path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count
    }

    /// Whether the process keeps SIGUSR1 waiting.
    private func blocks(_ process: ChildProcess) -> Bool {
        let status = (try? String(contentsOfFile: "/proc/\(process.pid)/status", encoding: .utf8)) ?? ""
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigBlk:") }) else { return false }
        return UInt64(line.split(separator: "\t").last ?? "", radix: 16).map { $0 & (1 << (SIGUSR1 - 1)) != 0 } ?? false
    }

    @Test("before it serves: SIGHUP, SIGUSR1 and SIGUSR2 end nothing; SIGTERM, SIGINT and SIGQUIT end it at once, although a file hangs",
        arguments: [SIGTERM, SIGINT, SIGQUIT])
    func beforeServing(last: Int32) throws {
        let folder = try Folder()
        let (path, port) = (folder.file("sluice.yaml"), try Ports.free())
        makeFIFO(path)
        let process = try ChildProcess(
            [Gateway.binary(), "run", "--config", path], environment: Gateway.environment(folder: folder, port: port), folder: folder)
        #expect(eventually { blocks(process) })
        for signal in [SIGHUP, SIGUSR1, SIGUSR2] { process.signal(signal) }
        pause(0.2)
        #expect(process.exitCode() == nil)
        if last == SIGTERM {
            #expect(eventually { write(text, into: path) })
            #expect(eventually { (try? RawClient(port: port)) != nil }, "\(process.standardError)")
            // The SIGHUP that came first has it read the file again, which hangs.
        }
        process.signal(last)
        #expect(process.waitForExit(3) == 0, "\(process.standardError)")
    }

    @Test("a reload that hangs in a file is reported, and serves on; another SIGHUP waits; SIGTERM drains at once", arguments: [SIGTERM, SIGQUIT])
    func hangingReload(last: Int32) throws {
        let gateway = try Gateway(text, admin: true)
        let path = gateway.folder.file("sluice.yaml")
        makeFIFO(path)
        gateway.process.signal(SIGHUP)
        gateway.process.signal(SIGHUP)
        if last == SIGTERM { #expect(eventually(within: 9) { gateway.log.contains("a reload has been running for 5 s: the disk of \(path) does not answer") }, "\(gateway.log)") }
        #expect(try gateway.get("/api/x").text == "hello")
        #expect(try gateway.get("/readyz", port: gateway.adminPort).status == 200)
        gateway.process.signal(last)
        #expect(gateway.process.waitForExit(4) == 0, "\(gateway.log)")
    }

    @Test("a secret that became a FIFO refuses the reload at once, `check` says so too, and a good reload follows")
    func secretFIFO() throws {
        let folder = try Folder()
        try folder.write("secret", "s3cr3t")
        let text = configuration(policies: "hmac: {secret: {file: secret}}", [EndpointText("/**", helloMock)])
        let gateway = try Gateway(text, folder: folder)
        makeFIFO(folder.file("secret"))
        gateway.process.signal(SIGHUP)
        #expect(eventually { gateway.log.contains("a pipe, not a regular file") }, "\(gateway.log)")
        let check = try run(["check", "--config", folder.file("sluice.yaml")])
        #expect(check.code == 1 && check.errors.contains("a pipe, not a regular file"))
        unlink(folder.file("secret"))
        try folder.write("secret", "s3cr3t")
        gateway.process.signal(SIGHUP)
        #expect(eventually { gateway.log.contains("reloaded") }, "\(gateway.log)")
    }

    @Test("the configuration of a command may come through a pipe")
    func pipe() throws {
        let folder = try Folder()
        let process = try ChildProcess(
            ["sh", "-c", "printf '%s' \"$2\" | \"$0\" \"$1\" --config /dev/stdin", Gateway.binary(), "check", text], folder: folder)
        #expect(process.waitForExit(10) == 0, "\(process.standardError)")
    }

    @Test("SIGUSR1 opens the access log again, SIGUSR2 does nothing; both leave the process and its requests alone")
    func users() throws {
        let folder = try Folder()
        let gateway = try Gateway(text, folder: folder, environment: ["SLUICE_ACCESS_LOG": folder.file("access.log")])
        #expect(try gateway.get("/api/one").status == 200)
        #expect(eventually { folder.read("access.log").contains("/one") })
        try FileManager.default.moveItem(atPath: folder.file("access.log"), toPath: folder.file("access.log.1"))
        gateway.process.signal(SIGUSR2)
        #expect(eventually { gateway.log.contains("SIGUSR2 is ignored") })
        gateway.process.signal(SIGUSR1)
        #expect(eventually { FileManager.default.fileExists(atPath: folder.file("access.log")) })
        #expect(try gateway.get("/api/two").status == 200)
        #expect(eventually { folder.read("access.log").contains("/two") })
        #expect(!folder.read("access.log.1").contains("/two") && !gateway.log.contains("reloaded"))
    }

    @Test("standard error whose reader takes nothing: signals are obeyed, and the next line that is taken says how many were not")
    func silentReader() throws {
        let folder = try Folder()
        let port = try Ports.free()
        let path = folder.file("log")
        makeFIFO(path)
        let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        defer { close(reader) }
        try folder.write("sluice.yaml", text)
        let process = try ChildProcess(
            ["sh", "-c", "exec \"$0\" run --config \"$1\" 2>\"$2\"", Gateway.binary(), folder.file("sluice.yaml"), path],
            environment: Gateway.environment(folder: folder, port: port), folder: folder)
        #expect(eventually { (try? RawClient(port: port)) != nil })
        // The pipe takes 64 KiB.
        try folder.write("sluice.yaml", "domains: [" + String(repeating: "{nonsense: 1}, ", count: 2000) + "]\n")
        process.signal(SIGHUP)
        let other = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
        defer { close(other) }
        #expect(eventually {
            var entry = pollfd(fd: other, events: Int16(POLLOUT), revents: 0)
            return poll(&entry, 1, 0) == 0
        })
        // The patience with a reader is over.
        pause(1)
        #expect(process.exitCode() == nil)
        var seen = ""
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let told = eventually {
            let count = read(reader, &buffer, buffer.count)
            if count > 0 { seen += String(decoding: buffer.prefix(count), as: UTF8.self) }
            process.signal(SIGUSR2)
            return seen.contains("log lines were lost")
        }
        #expect(told)
        process.signal(SIGTERM)
        #expect(process.waitForExit(5) == 0)
    }

    @Test("a crash: one line with the signal and places in the program; no registers, no memory",
        .disabled(if: Sanitizer.isOn, "a sanitizer has handlers and words of its own"), arguments: [SIGSEGV, SIGABRT, SIGILL, SIGTRAP])
    func crash(signal: Int32) throws {
        let began = Flag()
        let upstream = try ScriptedUpstream { call in
            began.set()
            pause(3)
            call.close()
        }
        let gateway = try Gateway(configuration(upstream: upstream.url))
        let client = try gateway.client()
        let marker = String(repeating: "MARKER4711", count: 200)
        try client.send(Gateway.text("POST", "/api/x", ["X-Secret: \(marker)"], body: marker))
        try began.wait()
        gateway.process.signal(signal)
        #expect(gateway.process.waitForExit(5) == 128 + signal)
        let lines = gateway.process.standardError.split(separator: "\n").filter { !$0.contains(" notice ") }
        #expect(lines.count == 1, "\(gateway.log)")
        #expect(lines.first?.hasPrefix("sluice: crashed by signal \(signal) (SIG") == true, "\(gateway.log)")
        #expect(!gateway.log.contains("4711") && !gateway.log.lowercased().contains("rax"))
    }
}
