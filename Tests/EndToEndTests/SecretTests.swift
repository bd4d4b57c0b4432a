import Foundation
import Testing

/// Where secrets must not be found: besides what `ConfigurationTests` looks through, the process itself as others see it.
@Suite("Secrets", .loopback, .minutes(5))
struct SecretTests {
    private let secrets = ["HMACSECRET4711aa", "JWTSECRET0815bb", "REDISPASSWORD99cc", "PRIVATEKEYTEXTdd"]

    private var text: String {
        var lines = ["projects:", "  main: {}", "domains:"]
        lines += domainLines(key: "a", upstream: "http://127.0.0.1:9", policies: "hmac: {secret: \(secrets[0]), clockSkew: 300, replayProtection: true}")
        lines += domainLines(key: "b", upstream: "http://127.0.0.1:9", policies: "jwt: {algorithm: HS256, secret: \(secrets[1])}")
        return lines.joined(separator: "\n") + "\n"
    }

    @Test("a running gateway: no secret in its arguments, its log at any level, its metrics, its answers, a refused reload or its end")
    func running() throws {
        let port = try Ports.free()
        let adminPort = try Ports.free()
        let folder = try Folder()
        try folder.write("sluice.yaml", text)
        var variables = Gateway.environment(folder: folder, port: port, adminPort: adminPort)
        variables["SLUICE_LOG_LEVEL"] = "trace"
        variables["SLUICE_ACCESS_LOG"] = folder.file("access.log")
        let process = try ChildProcess(
            [Gateway.binary(), "run", "--config", folder.file("sluice.yaml"), "--redis-url", "redis://user:\(secrets[2])@127.0.0.1:9/0"],
            environment: variables, folder: folder)
        #expect(eventually(within: 10) { process.standardError.contains("serving") }, "\(process.standardError)")
        var everything = ""
        let commandLine = try String(contentsOfFile: "/proc/\(process.pid)/cmdline", encoding: .utf8)
        #expect(commandLine.contains("--redis-url") && commandLine.contains("127.0.0.1:9/0"))
        everything += commandLine
        for key in ["a", "b"] {
            let client = try RawClient(port: port)
            everything += String(decoding: try client.exchange(Gateway.text("GET", "/\(key)/x", ["Authorization: Bearer a.b.c", "X-TC-Timestamp: x"])).raw, as: UTF8.self)
        }
        let admin = try RawClient(port: adminPort)
        everything += try admin.exchange(Gateway.text("GET", "/metrics")).text
        // Reloads that are refused, for a fault of the secret's own.
        let refused = [
            text.replacingOccurrences(of: "secret: \(secrets[1])", with: "secret: {value: \(secrets[1])}"),
            text.replacingOccurrences(of: "secret: \(secrets[0])", with: "secret: \"\(secrets[0])"),
            text.replacingOccurrences(of: "secret: \(secrets[0])", with: "secret: *\(secrets[0])"),
        ]
        for (number, wrong) in refused.enumerated() {
            try folder.write("sluice.yaml", wrong)
            process.signal(SIGHUP)
            #expect(eventually { process.standardError.components(separatedBy: "reload refused").count == number + 2 }, "\(number)")
        }
        process.signal(SIGTERM)
        #expect(process.waitForExit(5) == 0)
        everything += process.standardError + process.standardOutput + folder.read("access.log")
        for secret in secrets { #expect(!everything.contains(secret), "\(secret)") }
    }

    @Test("a private key in the configuration that cannot be used is not shown")
    func privateKey() throws {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("one", for: ["one.test"], in: folder)
        let listener =
            "listeners: [{address: \"127.0.0.1:\(try Ports.free())\", tls: {certificate: \"\(folder.file("one.pem"))\", key: \"-----BEGIN PRIVATE KEY-----\\n\(secrets[3])\\n-----END PRIVATE KEY-----\\n\"}}]"
        try folder.write("sluice.yaml", configuration(top: [listener], [EndpointText("/**", helloMock)]))
        for arguments in [["check"], ["run"], ["explain", "GET", "/api/x"]] {
            let result = try run([arguments[0], "--config", folder.file("sluice.yaml")] + arguments.dropFirst(), environment: Gateway.environment(folder: folder, port: try Ports.free()))
            #expect(!result.everything.contains(secrets[3]), "\(arguments)")
            if arguments[0] != "explain" { #expect(result.code == 1, "\(result.everything)") }
        }
    }

    @Test("a crash leaves no core file, whatever the limit; with SLUICE_CORE_DUMPS=on it does", arguments: [false, true])
    func coreFile(isAllowed: Bool) throws {
        let folder = try Folder()
        var environment = ["SWIFT_BACKTRACE": "enable=no"]
        if isAllowed { environment["SLUICE_CORE_DUMPS"] = "on" }
        let gateway = try Gateway(
            configuration([EndpointText("/**", helloMock)]), folder: folder, environment: environment, limits: "-c unlimited; cd \(folder.path)")
        #expect(try gateway.get("/api/x").text == "hello")
        gateway.process.signal(SIGABRT)
        #expect(gateway.process.waitForExit(10) == 128 + SIGABRT)
        let pattern = try String(contentsOfFile: "/proc/sys/kernel/core_pattern", encoding: .utf8)
        // Where cores go to a program or to a folder that is not there, their being allowed shows in nothing.
        if isAllowed, pattern.hasPrefix("core") {
            #expect(gateway.process.hasDumpedCore)
        } else if !isAllowed {
            #expect(!gateway.process.hasDumpedCore)
        }
    }
}
