package import SluiceConfiguration
import SluiceEvent
package import SluiceGateway
import SluiceHTTP

/// The operators' listener: health, readiness and metrics. Never on a public address. It answers no page in a browser (`AdminGate`).
package final class AdminServer: Sendable {
    /// The listener cannot be opened.
    package struct StartError: Error {
        package let message: String
    }

    private let server: ControlServer
    private let isHeldElsewhere: Bool

    /// Listens and answers until `stop()`.
    ///
    /// - Parameters:
    ///   - hosts: names that it may be called by, besides addresses and `localhost`; in lower case.
    ///   - token: the secret for requests about callers and plans; nil refuses all of them.
    ///   - inherited: a socket that listens on the address already; the server's from here on.
    package init(gateway: Gateway, address: ListenAddress, hosts: [String], token: AdminToken? = nil, inherited: ListeningSocket? = nil) throws(StartError) {
        isHeldElsewhere = inherited?.isHeldElsewhere ?? false
        let listener: Int32
        if let inherited {
            listener = inherited.descriptor
            Socket.adopt(listener)
        } else {
            listener = try Self.listen(address)
        }
        do throws(ControlServer.StartError) {
            server = try ControlServer(listener: listener, router: Self.router(gateway, hosts: hosts, token: token))
        } catch {
            throw StartError(message: error.message)
        }
    }

    private static func listen(_ address: ListenAddress) throws(StartError) -> Int32 {
        guard let ip = IPAddress(address.host) else { throw StartError(message: "\(address) is not an address") }
        switch Socket.listen(on: SocketAddress(ip, port: address.port), backlog: 128, isFirst: true) {
        case .success(let descriptor): return descriptor
        case .failure(let error): throw StartError(message: "cannot listen on \(address): \(error)")
        }
    }

    /// A copy of the listening socket, for a process that takes over.
    package func duplicateListener() -> ListeningSocket? {
        server.duplicateListener().map { ListeningSocket(descriptor: $0, isHeldElsewhere: isHeldElsewhere) }
    }

    /// Takes no further connections: the process that has taken over answers.
    package func release() { server.release() }

    package func stop() { server.stop() }

    /// Every path that the listener answers. The gate checks each request first, so no path is open to strangers.
    package static func router(_ gateway: Gateway, hosts: [String], token: AdminToken? = nil) -> ControlRouter {
        let gate = AdminGate(hosts: hosts)
        let eyes: [ControlRouter.Route] = [
            .init("GET", "/healthz", isPrompt: true) { _ in .init(status: 200, body: "ok\n") },
            .init("GET", "/readyz", isPrompt: true) { _ in
                gateway.isReady ? .init(status: 200, body: "ready\n") : .init(status: 503, body: "not ready\n")
            },
            .init("GET", "/metrics") { _ in
                .init(status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: gateway.metrics().text)
            },
        ]
        let callers = CallerPage.routes(gateway) { request in
            guard let token else {
                return .init(status: 403, body: "SLUICE_ADMIN_TOKEN_FILE is not set: callers and plans are changed by `sluice key` and `sluice plan` alone\n")
            }
            return token.refusal(request)
        }
        return ControlRouter(eyes + QuotaPage.routes(gateway) + callers) { gate.refusal($0) }
    }
}
