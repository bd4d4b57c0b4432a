import Logging
import SluiceCallers
import SluiceConfiguration
import SluiceGateway
import Testing

@testable import SluiceAdmin

@Suite("The table of the admin listener")
struct AdminRouterTests {
    private static func router() -> ControlRouter {
        let gateway = Gateway(
            settings: ProcessSettings(), configurationFile: "sluice.yaml", log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, counts: .memory,
            loadTree: { _ in nil })
        return AdminServer.router(gateway, hosts: ["gateway.test"])
    }

    /// The answer of a row that needs no gateway that runs; nil for one that is awaited.
    private func status(_ router: ControlRouter, _ request: ControlRequest) -> Int? {
        guard case .answer(let response) = router.decide(request) else { return nil }
        return response.status
    }

    @Test("every path and method is refused to who is not let in: a foreign name, a foreign origin, another site")
    func gate() {
        let router = Self.router()
        let callers = CallerRequest.Operation.allCases.map(\.path)
        #expect(Set(router.routes.map(\.path)) == Set(["/healthz", "/readyz", "/metrics", "/quotas", "/quotas/reset", "/keys", "/plans"] + callers))
        for path in router.routes.map(\.path) + ["/", "/nothing"] {
            for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS"] {
                for fields in [[("Host", "evil.test")], [("Host", "localhost"), ("Origin", "http://evil.test")], [("Host", "localhost"), ("Sec-Fetch-Site", "cross-site")]] {
                    let request = ControlRequest(method: method, path: path, fields: fields + [("Content-Type", "application/json")], body: Array("{\"all\":true}".utf8))
                    #expect(status(router, request) == 403, "\(method) \(path) \(fields)")
                }
            }
        }
    }

    @Test("each path answers its methods, and 405 for others; what is not in the table is 404 for all")
    func methods() {
        let router = Self.router()
        for route in router.routes {
            for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "other"] where !route.methods.contains(method) {
                #expect(status(router, ControlRequest(method: method, path: route.path)) == 405, "\(method) \(route.path)")
            }
        }
        for method in ["GET", "POST"] { #expect(status(router, ControlRequest(method: method, path: "/nothing")) == 404) }
    }

    @Test("what tells of health is answered by the server's own thread, and nothing else is")
    func prompt() {
        let router = Self.router()
        let prompt = router.routes.filter { route in status(router, ControlRequest(method: "GET", path: route.path)) == 200 || route.path == "/readyz" }
        #expect(prompt.map(\.path) == ["/healthz", "/readyz"])
        #expect(status(router, ControlRequest(method: "GET", path: "/readyz")) == 503, "it has not started")
    }
}
