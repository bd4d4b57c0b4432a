import Foundation
import Glibc
import SluiceConfiguration
import SluiceHTTP

/// The service behind `sluice demo`: says back what reached it, answers as a pre-call API, and serves a key set and the document that says where it is.
///
/// On loopback, on a port of the system's choice, a thread for each connection: for the demo's few requests. What it
/// reads is bounded, and a connection that is silent for a minute ends.
final class SampleUpstream: Sendable {
    /// It cannot listen.
    struct StartError: Error {
        let message: String
    }

    let port: UInt16
    private let listener: Int32
    private let keySet: String

    /// - Parameter keySet: what `/jwks.json` answers.
    init(keySet: String) throws(StartError) {
        self.keySet = keySet
        (listener, port) = try Self.listen()
    }

    /// A port of 127.0.0.1 that nobody has at this moment.
    static func freePort() throws(StartError) -> UInt16 {
        let (listener, port) = try listen()
        close(listener)
        return port
    }

    private static func listen() throws(StartError) -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw StartError(message: reason) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && Glibc.listen(descriptor, 128) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard isListening else {
            let reason = reason
            close(descriptor)
            throw StartError(message: reason)
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// Accepts connections on a thread of its own until the process ends.
    func start() {
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else {
                    if errno == EBADF || errno == EINVAL { return }
                    usleep(10_000)
                    continue
                }
                Thread.detachNewThread { [self] in
                    serve(connection)
                    close(connection)
                }
            }
        }
    }

    private static var reason: String { String(cString: strerror(errno)) }

    // MARK: Connections

    private func serve(_ connection: Int32) {
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var reader = SampleRequestReader(connection)
        while let request = reader.next() {
            let answer = answer(request)
            let hasBody = request.method != "HEAD"
            let text = "HTTP/1.1 \(answer.status) \(answer.reason)\r\nContent-Type: \(answer.contentType)\r\nX-Sample: upstream\r\n"
                + "Content-Length: \(answer.body.utf8.count)\r\n\r\n" + (hasBody ? answer.body : "")
            guard reader.send(Array(text.utf8)), request.keepsAlive else { return }
        }
    }

    // MARK: Answers

    private struct Answer {
        var status = 200
        var reason = "OK"
        var contentType = "application/json"
        var body: String
    }

    private func answer(_ request: SampleRequest) -> Answer {
        switch request.target.prefix(while: { $0 != "?" }) {
        case "/jwks.json": return Answer(body: keySet)
        case "/.well-known/openid-configuration":
            return Answer(body: #"{"issuer":"http://127.0.0.1:\#(port)","jwks_uri":"http://127.0.0.1:\#(port)/jwks.json"}"#)
        case "/authorise" where request.value("X-Demo-User") == "alice": return Answer(contentType: "text/plain", body: "yes\n")
        case "/authorise": return Answer(status: 403, reason: "Forbidden", contentType: "text/plain", body: "the pre-call API says no\n")
        case "/slow":
            sleep(3)
            return Answer(body: echo(request))
        default: return Answer(body: echo(request))
        }
    }

    private func echo(_ request: SampleRequest) -> String {
        func text(_ text: String) -> ConfigurationNode { ConfigurationNode(.string(text)) }
        func mapping(_ entries: [(String, ConfigurationNode)]) -> ConfigurationNode {
            ConfigurationNode(.mapping(entries.map { .init(key: $0.0, keyPosition: .start, value: $0.1) }))
        }
        return ConfigurationWriter.json(mapping([
            ("method", text(request.method)), ("target", text(request.target)),
            ("headers", ConfigurationNode(.sequence(request.fields.map { text("\($0.name): \($0.value)") }))),
            ("bodyBytes", ConfigurationNode(.integer(Int64(request.bodyBytes)))),
        ]))
    }
}
