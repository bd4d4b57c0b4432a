import Foundation

/// A gateway with a listener that asks for certificates, a domain that requires one (one.test) and one that does not (two.test).
struct CertificateSite {
    let folder: Folder
    let gateway: Gateway
    let port: UInt16
    let upstream: ScriptedUpstream

    init(folder: Folder, gateway: Gateway, port: UInt16, upstream: ScriptedUpstream) {
        self.folder = folder
        self.gateway = gateway
        self.port = port
        self.upstream = upstream
    }

    /// - Parameters:
    ///   - clients: of the listener, after `ca`; empty for a listener that does not ask.
    ///   - policy: of the first domain.
    ///   - listener: lines behind the first listener.
    init(
        clients: String = "mode: optional", policy: String = "clientCertificate: {}", listener: String = "", environment: [String: String] = [:],
        _ prepare: (Folder) throws -> Void = { _ in }
    ) throws {
        folder = try Self.authorities()
        try prepare(folder)
        port = try Ports.free()
        upstream = try Self.echo()
        gateway = try Gateway(
            Self.text(folder, port: port, upstream: upstream.url, clients: clients, policy: policy, listener: listener), folder: folder,
            environment: environment, admin: true, readyPort: port)
    }

    /// Answers with the head that it got.
    static func echo() throws -> ScriptedUpstream {
        try ScriptedUpstream { call in
            let body = Array(call.request.headText.utf8)
            try call.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.count)\r\n\r\n")
            try call.send(body)
        }
    }

    static func authorities() throws -> Folder {
        let folder = try Folder()
        try OpenSSL.authority(in: folder)
        try OpenSSL.certificate("server", for: ["one.test", "two.test"], in: folder)
        try OpenSSL.clientCertificate("alice", subject: "/C=KR/O=Example, Inc./CN=alice", alternatives: "DNS:alice.clients.test,URI:spiffe://td/alice", in: folder)
        try OpenSSL.clientCertificate("bob", subject: "/CN=bob", alternatives: "DNS:bob.other.test", in: folder)
        return folder
    }

    static func text(_ folder: Folder, port: UInt16, upstream: String, clients: String, policy: String, listener: String = "") -> String {
        let files = "certificate: \"\(folder.file("server.pem"))\", key: {file: \"\(folder.file("server.key"))\"}"
        let asks = clients.isEmpty ? "" : "    clientCertificates: {ca: \"\(folder.file("ca.pem"))\", \(clients.replacing("FOLDER", with: folder.path))}\n"
        return """
            listeners:
              - address: 127.0.0.1:\(port)
                tls: {\(files)}
            \(asks)\(listener)domains:
              - key: one
                hosts: [one.test]
                upstream: \(upstream)
                policies: {\(policy)}
                endpoints: [{path: "/**"}]
              - key: two
                hosts: [two.test]
                upstream: \(upstream)
                endpoints: [{path: "/**"}]

            """
    }

    /// One request by curl; the status stands in the last line of the output.
    /// - Parameter name: of the certificate that it shows; nil for none.
    func curl(_ name: String?, host: String = "one.test", _ arguments: [String] = []) throws -> CommandResult {
        try Self.curl(name, in: folder, port: port, host: host, arguments)
    }

    static func curl(_ name: String?, in folder: Folder, port: UInt16, host: String = "one.test", _ arguments: [String] = []) throws -> CommandResult {
        let shown = name.map { ["--cert", folder.file($0 + ".pem"), "--key", folder.file($0 + ".key")] } ?? []
        return try command(
            ["curl", "-sS", "-m", "10", "--noproxy", "*", "--cacert", folder.file("ca.pem"), "--resolve", "\(host):\(port):127.0.0.1"] + shown + arguments
                + ["-w", "\n%{http_code}", "https://\(host):\(port)/x"])
    }

    /// Reads the files and, if there is one, the new text again, and waits until it is in force.
    func reload(_ text: String? = nil) throws {
        let before = gateway.log.components(separatedBy: " reloaded").count
        if let text { try gateway.reload(text) } else { gateway.process.signal(SIGHUP) }
        guard eventually({ gateway.log.components(separatedBy: " reloaded").count == before + 1 }) else { throw HarnessError("no reload: \(gateway.log)") }
    }

    // MARK: Connections of `openssl s_client`

    /// What the program is told to show.
    func shown(_ name: String) -> String { "-cert '\(folder.file(name + ".pem"))' -key '\(folder.file(name + ".key"))'" }

    /// Two messages over one connection, with something between them; what has come back.
    func keeping(first: [UInt8], second: [UInt8], serverName: String = "one.test", _ arguments: String, between: () throws -> Void) throws -> [UInt8] {
        let names = ["first", "second", "began", "go", "out"].map { folder.file("kept-" + $0) }
        for name in names { try? FileManager.default.removeItem(atPath: name) }
        try Data(first).write(to: URL(fileURLWithPath: names[0]))
        try Data(second).write(to: URL(fileURLWithPath: names[1]))
        let client = try ChildProcess([
            "sh", "-c",
            "(cat '\(names[0])'; sleep 1; touch '\(names[2])'; while [ ! -e '\(names[3])' ]; do sleep 0.05; done; cat '\(names[1])'; sleep 1) "
                + "| openssl s_client -connect 127.0.0.1:\(port) -servername \(serverName) -quiet -no_ign_eof -nocommands \(arguments) > '\(names[4])'",
        ], environment: [:], folder: try Folder())
        guard eventually({ FileManager.default.fileExists(atPath: names[2]) }) else { throw HarnessError("no first answer: \(client.standardError)") }
        try between()
        try Data().write(to: URL(fileURLWithPath: names[3]))
        guard client.waitForExit(20) != nil else { throw HarnessError("s_client does not end: \(client.standardError)") }
        return try [UInt8](Data(contentsOf: URL(fileURLWithPath: names[4])))
    }

    /// The same with two requests of HTTP/1.1: their responses, without the version.
    func keepingHTTP1(_ arguments: String, between: () throws -> Void) throws -> [String] {
        let request = Array("GET /x HTTP/1.1\r\nHost: one.test\r\n\r\n".utf8)
        let bytes = try keeping(first: request, second: request, arguments, between: between)
        return String(decoding: bytes, as: UTF8.self).components(separatedBy: "HTTP/1.1 ").dropFirst().filter { $0.first?.isNumber == true }
    }

    /// The same with two requests of HTTP/2, on the streams 1 and 3: all frames.
    func keepingHTTP2(serverName: String = "one.test", _ arguments: String, between: () throws -> Void) throws -> [Frame] {
        let head = FrameClient.head("GET", "/x", authority: "one.test", scheme: "https")
        let requests = [UInt32(1), 3].map { FrameClient.frames(head, stream: $0, ends: true).flatMap(\.bytes) }
        let bytes = try keeping(
            first: FrameClient.preface + FrameClient.settings([]).bytes + requests[0], second: requests[1], serverName: serverName, "-alpn h2 " + arguments,
            between: between)
        var frames: [Frame] = []
        var rest = bytes[...]
        while rest.count >= 9, let kind = Frame.Kind(rawValue: rest[rest.startIndex + 3]) {
            let start = rest.startIndex
            let count = Int(rest[start]) << 16 | Int(rest[start + 1]) << 8 | Int(rest[start + 2])
            guard rest.count >= 9 + count else { break }
            frames.append(Frame(
                kind: kind, flags: rest[start + 4], stream: Frame.number(rest[(start + 5)..<(start + 9)]), payload: Array(rest[(start + 9)..<(start + 9 + count)])))
            rest = rest[(start + 9 + count)...]
        }
        return frames
    }
}

extension [Frame] {
    /// The content of a stream.
    func text(_ stream: UInt32) -> String {
        String(decoding: filter { $0.kind == .data && $0.stream == stream }.flatMap(\.payload), as: UTF8.self)
    }

    /// Last streams that GOAWAY has named.
    var goAways: [UInt32] { filter { $0.kind == .goAway }.map { Frame.number($0.payload) } }
}
