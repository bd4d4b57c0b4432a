import Foundation
import Glibc
import Testing

/// Exchanges that wait for something while the configuration changes around them: each goes on with what it began with.
@Suite("Suspended exchanges", .loopback, .minutes(5))
struct SuspensionTests {
    /// A pre-call API that says yes to nobody before the test lets it.
    private final class SlowAuthoriser: Sendable {
        private let asked = Flag()
        private let mayAnswer = Flag()
        let service: ScriptedUpstream

        init(status: Int = 200) throws {
            let asked = asked
            let mayAnswer = mayAnswer
            service = try ScriptedUpstream { call in
                asked.set()
                try mayAnswer.wait(30)
                try call.reply(status)
            }
        }

        func awaitQuestion() throws { try asked.wait() }
        func answer() { mayAnswer.set() }
    }

    /// One worker, whose freed memory is overwritten at once.
    private static let oneWorker = ["SLUICE_WORKERS": "1", "MALLOC_PERTURB_": "165"]

    private func endpoint(_ authoriser: ScriptedUpstream) -> EndpointText {
        EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\", cacheSeconds: 60, timeoutMs: 30000}")
    }

    /// Reloads with this text and waits until it is in force.
    private func reload(_ gateway: Gateway, _ text: String) throws {
        let before = gateway.log.components(separatedBy: "reloaded").count
        try gateway.reload(text)
        #expect(eventually { gateway.log.components(separatedBy: "reloaded").count > before }, "\(gateway.log)")
    }

    @Test("a pre-call's answer that comes after a reload is remembered where its own configuration says, not where the latest exchange's does")
    func answerAfterReload() throws {
        let authoriser = try SlowAuthoriser()
        let text = configuration([endpoint(authoriser.service)])
        let gateway = try Gateway(text, environment: Self.oneWorker)
        let client = try gateway.client(timeout: 40)
        try client.send(Gateway.text("GET", "/api/x"))
        try authoriser.awaitQuestion()
        // Another domain before it: what workers make for this configuration stands in another order.
        let signed = "domains:\n  - {key: signed, policies: {hmac: {secret: \"0123456789abcdef\"}}, endpoints: [{path: \"/**\", policies: {\(helloMock)}}]}\n"
        try reload(gateway, text.replacingOccurrences(of: "domains:\n", with: signed))
        #expect(try gateway.get("/signed/x").status == 401)
        authoriser.answer()
        #expect(try client.response().text == "hello")
        #expect(try gateway.get("/signed/x").status == 401)
        #expect(try gateway.get("/api/x").text == "hello")
        #expect(gateway.process.exitCode() == nil, "\(gateway.log)")
    }

    @Test("it is remembered although the configuration that ran in between is gone, memory and all")
    func answerAfterTwoReloads() throws {
        let authoriser = try SlowAuthoriser()
        let text = configuration([endpoint(authoriser.service)])
        let gateway = try Gateway(text, environment: Self.oneWorker)
        let client = try gateway.client(timeout: 40)
        try client.send(Gateway.text("GET", "/api/x"))
        try authoriser.awaitQuestion()
        try reload(gateway, text + "# second\n")
        #expect(try gateway.get("/nothing").status == 404)
        try reload(gateway, text + "# third\n")
        authoriser.answer()
        #expect(try client.response().text == "hello")
        #expect(try gateway.get("/api/x").text == "hello")
        #expect(gateway.process.exitCode() == nil, "\(gateway.log)")
    }
}
