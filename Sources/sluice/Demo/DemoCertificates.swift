import Foundation
import SluiceCrypto

/// The files that the demo's second listener and its clients need. They go with the process.
struct DemoCertificates {
    /// Where the listener is, on 127.0.0.1.
    let port: UInt16
    private let folder: String

    var authority: String { folder + "/ca.pem" }
    var client: (certificate: String, key: String) { (folder + "/client.pem", folder + "/client.key") }

    /// Makes the files in a folder, which is created if it is not there.
    init(in folder: String, port: UInt16) throws {
        self.folder = folder
        self.port = port
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let authority = try ThrowawayAuthority(name: "Demo authority")
        let server = try authority.issue(subject: [("CN", "sluice demo")], names: "DNS:localhost,IP:127.0.0.1")
        let client = try authority.issue(subject: [("O", "Example"), ("CN", "alice")], names: "URI:spiffe://example.com/alice")
        let files = [
            ("ca.pem", try authority.pem()), ("server.pem", server.certificate), ("server.key", server.key), ("client.pem", client.certificate),
            ("client.key", client.key),
        ]
        for (name, bytes) in files {
            let isWritten = FileManager.default.createFile(atPath: "\(folder)/\(name)", contents: Data(bytes), attributes: [.posixPermissions: 0o600])
            guard isWritten else { throw Report.problems(["\(folder)/\(name) cannot be written"]) }
        }
    }

    /// The configuration's lines for both listeners.
    ///
    /// - Parameter address: of the first one.
    func listeners(_ address: String) -> String {
        DemoConfiguration.listeners.replacing("# ", with: "").replacing("127.0.0.1:8080", with: address)
            .replacing("127.0.0.1:8443", with: "127.0.0.1:\(port)").replacing("/etc/sluice", with: folder)
    }
}
