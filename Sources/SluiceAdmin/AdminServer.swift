package import SluiceConfiguration
import SluiceEvent
package import SluiceGateway

/// The operators' listener: health, readiness and metrics. Never on a public address.
package final class AdminServer: Sendable {
    /// The listener cannot be opened.
    package struct StartError: Error {
        package let message: String
    }

    private let server: ControlServer

    /// Listens and answers until `stop()`.
    package init(gateway: Gateway, address: ListenAddress) throws(StartError) {
        do throws(ControlServer.StartError) {
            server = try ControlServer(address: address.host, port: address.port) { request in
                Self.answer(request, gateway)
            }
        } catch {
            throw StartError(message: error.message)
        }
    }

    package func stop() { server.stop() }

    private static func answer(_ request: ControlServer.Request, _ gateway: Gateway) -> ControlServer.Response {
        if request.path == QuotaPage.resetPath { return QuotaPage.reset(request, gateway) }
        guard request.method == "GET" || request.method == "HEAD" else {
            return .init(status: 405, body: "GET only\n")
        }
        switch request.path {
        case "/healthz": return .init(status: 200, body: "ok\n")
        case "/readyz": return gateway.isReady ? .init(status: 200, body: "ready\n") : .init(status: 503, body: "not ready\n")
        case "/metrics":
            return .init(status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: gateway.metrics().text)
        case QuotaPage.path: return QuotaPage.list(gateway)
        default: return .init(status: 404, body: "/healthz, /readyz, /metrics or /quotas\n")
        }
    }
}
