import Foundation
import SluiceConfiguration
import SluiceClient
import SluiceCounting
import SluiceEvent
import Testing

@testable import SluiceRedis

/// A redis-server of Debian's, started for one test on a port that was free, without persistence, and killed at its end.
final class RedisServer {
    let port: UInt16
    private let process = Process()
    private let folder: URL

    /// - Parameter tls: files of a certificate, its key and its authority; the port then speaks TLS only.
    init(password: String? = nil, tls: (certificate: String, key: String, authority: String)? = nil) throws {
        port = try Self.freePort()
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-redis-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        var arguments = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder.path]
        if let tls {
            arguments += ["--port", "0", "--tls-port", "\(port)", "--tls-cert-file", tls.certificate, "--tls-key-file", tls.key]
            arguments += ["--tls-ca-cert-file", tls.authority, "--tls-auth-clients", "no"]
        } else {
            arguments += ["--port", "\(port)"]
        }
        if let password { arguments += ["--requirepass", password] }
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        let deadline = Date().addingTimeInterval(10)
        while (try? RedisConnection(NameLookUp("127.0.0.1", port: port), tls: nil, deadline: Clock.monotonicNanoseconds() + 200_000_000)) == nil {
            guard Date() < deadline, process.isRunning else { throw AllowanceStoreError("redis-server has not started") }
            usleep(20_000)
        }
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: folder)
    }

    func stop() {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func url(_ credentials: String = "", scheme: String = "redis") throws -> RedisURL {
        try #require(RedisURL("\(scheme)://\(credentials)127.0.0.1:\(port)"))
    }

    /// Sends a command over a connection of its own.
    @discardableResult
    func call(_ words: String...) throws -> RedisReply {
        let deadline = Clock.monotonicNanoseconds() + 1_000_000_000
        let connection = try RedisConnection(NameLookUp("127.0.0.1", port: port), tls: nil, deadline: deadline)
        var command = RedisCommand()
        for word in words { command.append(word) }
        return try connection.call(command, deadline: deadline)
    }

    /// Moves the logical clock of the books on.
    func pass(milliseconds: Int) throws { try call("HINCRBY", "{sluice}:clock", "logical", "\(milliseconds * 1000)") }

    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, size) == 0 && getsockname(descriptor, generic, &size) == 0
            }
        }
        guard result else { throw AllowanceStoreError("no free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}
