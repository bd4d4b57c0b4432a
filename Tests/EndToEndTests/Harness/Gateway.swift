import Foundation
import Glibc

/// A running `sluice run` on loopback with a configuration of its own.
final class Gateway: Sendable {
    /// The public listener that `SLUICE_LISTEN` names. Not bound when the configuration has listeners of its own.
    let port: UInt16
    /// The admin listener; 0 when it is off.
    let adminPort: UInt16
    let process: ChildProcess
    let folder: Folder
    let configurationName: String

    /// Starts a gateway and waits until it accepts connections.
    /// - Parameters:
    ///   - configuration: the text of the file.
    ///   - name: its name; its ending tells YAML from JSON to readers.
    ///   - environment: further variables; they win over the harness's own.
    ///   - limits: `ulimit` arguments; `mounts`: see `ChildProcess`.
    ///   - readyPort: the port to wait for, when the configuration has listeners of its own.
    ///   - arguments: further arguments of `run`.
    convenience init(
        _ configuration: String, name: String = "sluice.yaml", folder: Folder? = nil, environment: [String: String] = [:],
        admin: Bool = false, readyPort: UInt16? = nil, limits: String = "", mounts: String = "", arguments: [String] = []
    ) throws {
        var last: any Error = HarnessError("never tried")
        for _ in 0..<3 {
            do {
                try self.init(
                    once: configuration, name: name, folder: folder ?? Folder(), environment: environment, admin: admin,
                    readyPort: readyPort, limits: limits, mounts: mounts, arguments: arguments)
                return
            } catch let error as HarnessError where error.description.lowercased().contains("in use") {
                last = error  // somebody took the port between the choice and the bind
            }
        }
        throw last
    }

    private init(
        once configuration: String, name: String, folder: Folder, environment: [String: String], admin: Bool, readyPort: UInt16?,
        limits: String, mounts: String, arguments: [String]
    ) throws {
        self.folder = folder
        port = try Ports.free()
        adminPort = admin ? try Ports.free() : 0
        configurationName = name
        try folder.write(name, configuration)
        let variables = Gateway.environment(folder: folder, port: port, adminPort: adminPort).merging(environment) { $1 }
        process = try ChildProcess(
            [Gateway.binary(), "run", "--config", folder.file(name)] + arguments, environment: variables, limits: limits, mounts: mounts, folder: folder)
        try waitUntilReady(on: readyPort ?? port)
    }

    /// The environment of a gateway of a test.
    static func environment(folder: Folder, port: UInt16, adminPort: UInt16 = 0) -> [String: String] {
        var variables = [
            "SLUICE_LISTEN": "127.0.0.1:\(port)", "SLUICE_WORKERS": "2", "SLUICE_STATE_DIR": folder.file("state"),
            // Connections that a test has left open would hold up its end.
            "SLUICE_DRAIN_IDLE_TIMEOUT_MS": "100", "SLUICE_ADMIN_HOSTS": "gateway.test",
        ]
        variables["SLUICE_ADMIN_LISTEN"] = adminPort == 0 ? "off" : "127.0.0.1:\(adminPort)"
        return variables
    }

    /// `$SLUICE_BINARY`, or the binary that was built beside this test bundle.
    static func binary() throws -> String {
        if let named = ProcessInfo.processInfo.environment["SLUICE_BINARY"], !named.isEmpty { return named }
        return try builtBinary("sluice")
    }

    /// A program that was built beside this test bundle.
    static func builtBinary(_ name: String) throws -> String {
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let places = [own, Bundle.main.bundleURL, Bundle.main.bundleURL.deletingLastPathComponent()]
        for place in places {
            let path = place.appendingPathComponent(name).path
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        throw HarnessError("no \(name) in \(places.map(\.path)): build it")
    }

    private func waitUntilReady(on port: UInt16) throws {
        let ready = eventually(within: 15) {
            if process.exitCode() != nil { return true }
            if adminPort != 0 { return (try? get("/readyz", port: adminPort).status) == 200 && Gateway.accepts(port) }
            return Gateway.accepts(port)
        }
        if let code = process.exitCode() {
            throw HarnessError("the gateway ended with \(code): \(process.standardOutput)\(process.standardError)")
        }
        guard ready else { throw HarnessError("the gateway did not become ready: \(process.standardOutput)\(process.standardError)") }
    }

    private static func accepts(_ port: UInt16) -> Bool {
        guard let probe = try? RawSocket.connect(port: port, timeout: 1) else { return false }
        probe.close()
        return true
    }

    /// All it has printed.
    var log: String { process.standardOutput + process.standardError }

    /// Replaces the configuration file and asks for a reload. When it takes effect is for the caller to observe.
    func reload(_ configuration: String) throws {
        try folder.write(configurationName, configuration)
        process.signal(SIGHUP)
    }

    func client(timeout: Double = 10, source: String? = nil) throws -> RawClient {
        try RawClient(port: port, timeout: timeout, source: source)
    }

    /// One request on a connection of its own.
    /// - Parameter fields: field lines besides `Host`, which is the listener's authority unless one is given.
    func request(
        _ method: String, _ target: String, _ fields: [String] = [], body: String? = nil, port: UInt16? = nil, source: String? = nil
    ) throws -> Response {
        let client = try RawClient(port: port ?? self.port, source: source)
        defer { client.close() }
        try client.send(Gateway.text(method, target, fields, body: body))
        return try client.finalResponse(to: method)
    }

    func get(_ target: String, _ fields: [String] = [], port: UInt16? = nil, source: String? = nil) throws -> Response {
        try request("GET", target, fields, port: port, source: source)
    }

    /// The bytes of a request.
    static func text(_ method: String, _ target: String, _ fields: [String] = [], body: String? = nil) -> String {
        var text = "\(method) \(target) HTTP/1.1\r\n"
        if !fields.contains(where: { $0.lowercased().hasPrefix("host:") }) { text += "Host: gateway.test\r\n" }
        for field in fields { text += field + "\r\n" }
        if let body { text += "Content-Length: \(body.utf8.count)\r\n" }
        return text + "\r\n" + (body ?? "")
    }

    /// One request whose body is sent with its framing as the caller wrote it.
    func request(_ method: String, _ target: String, _ fields: [String], framedBody: () -> String) throws -> Response {
        let client = try client()
        defer { client.close() }
        try client.send(Gateway.text(method, target, fields) + framedBody())
        return try client.finalResponse(to: method)
    }
}
