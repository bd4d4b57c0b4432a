import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("Maintenance")
struct MaintenanceTests {
    @Test("enabled: every request gets the notice, 503 unless configured")
    func answersEverything() throws {
        let policy = try PolicyFixture(
            Maintenance.self, "{enabled: true, headers: {Retry-After: '120'}, body: back soon}")
        let test = try TestExchange("DELETE /any")
        #expect(
            Answer(try policy.faultless().evaluate(&test.exchange))
                == .respond(
                    status: 503, head: "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 120\r\nContent-Length: 9\r\n",
                    body: "back soon"))
    }

    @Test("not enabled: compiles to nothing, without a problem")
    func disabled() throws {
        let policy = try PolicyFixture(Maintenance.self, "{enabled: false, status: 500}")
        #expect(policy.configuration == Maintenance.Configuration(enabled: false, status: 500))
        #expect(policy.compiled == nil)
        #expect(policy.complaints == [])
    }

    @Test("the domain's CORS fields replace the notice's own, and are added when it is sent")
    func amendedByCORS() throws {
        let policy = try PolicyFixture(Maintenance.self, "{enabled: true, status: 200, headers: {Access-Control-Max-Age: '5'}}")
        let cors = try PolicyFixture(CORS.self, "{origins: ['*']}")
        let amended = try policy.faultless().amended(cors: cors.faultless(), into: policy.snapshot.arena)
        #expect(
            Answer(amended.response.pointee)
                == .respond(status: 200, head: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", body: ""))
        #expect(amended.response.pointee.isAmended)
    }

    @Test("configuration: whether it is enabled must be said")
    func enabledIsRequired() throws {
        let policy = try PolicyFixture(Maintenance.self, "{status: 600}")
        #expect(policy.configuration == nil)
        #expect(policy.complaints == [
            "1:1: enabled: found nothing, allowed true or false (required)",
            "1:10: status: found the integer 600, allowed an integer from 200 to 599",
        ])
    }
}
