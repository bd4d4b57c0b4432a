import Foundation
import SluiceEvent
import SluiceHTTP
import Testing

@testable import SluiceClient

@Suite("HTTP client of the process, over TLS")
struct HTTPClientTLSTests {
    /// `openssl s_server` with a certificate of its own for `localhost` and 127.0.0.1, which answers every GET with 200.
    private final class Server {
        let port: UInt16
        let certificate: String
        private let folder: URL
        private let process: Process

        init() throws {
            folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-client-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            certificate = folder.appendingPathComponent("certificate.pem").path
            let key = folder.appendingPathComponent("key.pem").path
            let made = try Self.start([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout", key, "-out", certificate,
            ])
            made.waitUntilExit()
            try #require(made.terminationStatus == 0)
            // A port that was free a moment ago.
            let free = try Socket.listen(on: SocketAddress(IPAddress(v4: 127, 0, 0, 1), port: 0), backlog: 1, isFirst: true).get()
            port = try #require(Socket.listeningAddress(free)).port
            Socket.close(free)
            process = try Self.start(["s_server", "-accept", "\(port)", "-cert", certificate, "-key", key, "-www", "-quiet"])
        }

        deinit {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            try? FileManager.default.removeItem(at: folder)
        }

        private static func start(_ arguments: [String]) throws -> Process {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["openssl"] + arguments
            process.standardInput = Pipe()
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            return process
        }

        /// What comes of a request, once the server listens.
        func ask(_ host: String, authorityFile: String?) throws -> Result<HTTPResponse, StreamFailure> {
            let target = try #require(HTTPTarget("https://\(host):\(port)/"))
            let patience = Date().addingTimeInterval(30)
            while true {
                let result = Result { () throws(StreamFailure) in
                    try HTTPClient(.init(milliseconds: 60_000), authorityFile: authorityFile).send(HTTPRequest("GET"), to: target)
                }
                guard case .failure(let failure) = result, failure.description.hasPrefix("no connection"), Date() < patience else { return result }
                usleep(20_000)
            }
        }
    }

    @Test("the certificate must come from the authority that is chosen, and bear the name that is asked")
    func verified() throws {
        let server = try Server()
        #expect(try server.ask("localhost", authorityFile: server.certificate).get().status == 200)
        #expect(try server.ask("127.0.0.1", authorityFile: server.certificate).get().status == 200)
        for (host, file) in [("localhost", nil), ("127.0.0.2", server.certificate)] {
            guard case .failure(let failure) = try server.ask(host, authorityFile: file) else {
                Issue.record("\(host) is believed")
                continue
            }
            #expect(failure.description.hasPrefix("no TLS connection: "), "\(failure)")
        }
        let missing = try server.ask("localhost", authorityFile: "/nonexistent.pem")
        #expect(throws: StreamFailure.self) { try missing.get() }
    }
}
