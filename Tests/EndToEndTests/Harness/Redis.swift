import Foundation
import Glibc
import Synchronization

/// A real redis-server on loopback, of this test's own, without files.
final class Redis: Sendable {
    let port: UInt16
    private let folder: Folder
    private let process = Mutex<ChildProcess?>(nil)

    /// Starts it and waits until it answers.
    init() throws {
        folder = try Folder()
        port = try Ports.free()
        try start()
    }

    deinit { process.withLock { $0 }?.end() }

    var url: String { "redis://127.0.0.1:\(port)" }

    /// Starts it anew, without any data.
    func start() throws {
        let child = try ChildProcess(
            ["/usr/bin/env", "redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], folder: folder)
        process.withLock { $0 = child }
        guard eventually(within: 10, { (try? self.call("PING")) == "+PONG" }) else { throw HarnessError("redis-server: \(child.standardOutput)") }
    }

    /// Ends it at once; what it knew is gone.
    func kill() {
        let child = process.withLock { $0 }
        child?.signal(SIGKILL)
        _ = child?.waitForExit(5)
    }

    /// Keeps it from running, and lets it go on.
    func freeze() { process.withLock { $0 }?.signal(SIGSTOP) }
    func thaw() { process.withLock { $0 }?.signal(SIGCONT) }

    /// One command; the first line of its reply.
    @discardableResult
    func call(_ command: String) throws -> String {
        let socket = try RawSocket.connect(port: port, timeout: 5)
        defer { socket.close() }
        try socket.send(Array("\(command)\r\n".utf8))
        let bytes = try socket.receive() ?? []
        return String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n").first ?? ""
    }
}
