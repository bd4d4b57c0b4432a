import Foundation
import Synchronization
import Testing

/// Pre-calls whose answers are remembered: one memory for all workers, and one question at a time.
@Suite("Shared pre-calls", .loopback, .minutes(5))
struct SharedPreCallTests {
    /// A pre-call API that answers each question when the test says so.
    private final class Authoriser: Sendable {
        let mayAnswer = Flag()
        let service: ScriptedUpstream

        /// - Parameter script: answers the question with that number, from 0, once the test lets it.
        init(_ script: @escaping @Sendable (Call, Int) throws -> Void = { call, _ in try call.reply(200) }) throws {
            let mayAnswer = mayAnswer
            let count = Flag()
            service = try ScriptedUpstream { call in
                let number = count.set()
                try mayAnswer.wait(30)
                try script(call, number)
            }
        }

        var questions: Int { service.requests.count }
        func awaitQuestions(_ count: Int) { #expect(eventually { questions >= count }, "\(questions) questions instead of \(count)") }
    }

    private func gateway(_ authoriser: Authoriser, _ options: String = "", timeout: Int = 30_000) throws -> Gateway {
        try Gateway(text(authoriser, options, timeout: timeout), environment: ["SLUICE_WORKERS": "4"])
    }

    private func text(_ authoriser: Authoriser, _ options: String = "", timeout: Int = 30_000) -> String {
        configuration([
            EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.service.url)/\", cacheSeconds: 60, timeoutMs: \(timeout)\(options)}")
        ])
    }

    /// Sends a request on each of so many connections, which fall to all workers.
    private func ask(_ gateway: Gateway, _ count: Int) throws -> [RawClient] {
        let clients = try (0..<count).map { _ in try gateway.client(timeout: 40) }
        for client in clients { try client.send(Gateway.text("GET", "/api/x")) }
        return clients
    }

    private func reload(_ gateway: Gateway, _ text: String) throws {
        let before = gateway.log.components(separatedBy: "reloaded").count
        try gateway.reload(text)
        #expect(eventually { gateway.log.components(separatedBy: "reloaded").count > before }, "\(gateway.log)")
    }

    @Test("whoever comes while a question is asked waits for its answer, on whatever worker; it is remembered for all of them, over a reload too")
    func once() throws {
        let authoriser = try Authoriser()
        let gateway = try gateway(authoriser)
        let clients = try ask(gateway, 40)
        authoriser.awaitQuestions(1)
        pause(0.3)
        #expect(authoriser.questions == 1)
        authoriser.mayAnswer.set()
        for client in clients { #expect(try client.response().text == "hello") }
        for client in try ask(gateway, 40) { #expect(try client.response().text == "hello") }
        #expect(authoriser.questions == 1)
        try reload(gateway, text(authoriser) + "# the same\n")
        for client in try ask(gateway, 20) { #expect(try client.response().text == "hello") }
        #expect(authoriser.questions == 1, "nothing that the answer depends on has changed")
        try reload(gateway, text(authoriser, ", allow: [200, 204]"))
        for client in try ask(gateway, 20) { #expect(try client.response().text == "hello") }
        #expect(authoriser.questions == 2, "what counts as a yes has changed")
    }

    @Test("a client that goes takes nobody along: another one asks, and the rest wait on")
    func askerGoes() throws {
        let authoriser = try Authoriser()
        let gateway = try gateway(authoriser)
        let first = try ask(gateway, 1)
        authoriser.awaitQuestions(1)
        let others = try ask(gateway, 20)
        pause(0.2)
        #expect(authoriser.questions == 1)
        first[0].socket.reset()
        authoriser.awaitQuestions(2)
        pause(0.2)
        #expect(authoriser.questions == 2)
        authoriser.mayAnswer.set()
        for client in others { #expect(try client.response().text == "hello") }
        #expect(authoriser.questions == 2)
    }

    @Test("those who wait may go as well, and leave nothing behind")
    func waitersGo() throws {
        let authoriser = try Authoriser()
        let gateway = try gateway(authoriser)
        let first = try ask(gateway, 1)
        authoriser.awaitQuestions(1)
        for client in try ask(gateway, 20) { client.socket.reset() }
        let others = try ask(gateway, 20)
        pause(0.2)
        authoriser.mayAnswer.set()
        for client in first + others { #expect(try client.response().text == "hello") }
        #expect(authoriser.questions == 1)
    }

    @Test("an answer that lets nobody pass is the asker's own: each of the others gets one of its own")
    func refused() throws {
        let authoriser = try Authoriser { call, number in try call.reply(403, body: "\(number)") }
        let gateway = try gateway(authoriser)
        let clients = try ask(gateway, 10)
        authoriser.awaitQuestions(1)
        pause(0.2)
        authoriser.mayAnswer.set()
        let answers = try clients.map { try $0.response() }
        #expect(answers.allSatisfy { $0.status == 403 } && Set(answers.map(\.text)).count == 10)
    }

    @Test("a question that fails is its asker's failure alone: another one asks, and its answer is for the rest", arguments: ["reset", "silence"])
    func failed(how: String) throws {
        let authoriser = try Authoriser { call, number in
            guard number == 0 else { return try call.reply(200) }
            if how == "reset" { call.reset() } else { pause(4) }
        }
        let gateway = try gateway(authoriser, timeout: 1500)
        let first = try ask(gateway, 1)
        authoriser.awaitQuestions(1)
        pause(0.5)
        let others = try ask(gateway, 20)
        if how == "reset" { pause(0.2) }
        authoriser.mayAnswer.set()
        expect(try first[0].response(), is: .preCall)
        for client in others { #expect(try client.response().text == "hello") }
        #expect(authoriser.questions == 2)
    }

    @Test("a service that can do nothing but fail is asked by one after the other, and each of them is told")
    func allFail() throws {
        let authoriser = try Authoriser { call, _ in call.reset() }
        let gateway = try gateway(authoriser)
        let clients = try ask(gateway, 30)
        authoriser.awaitQuestions(1)
        pause(0.2)
        authoriser.mayAnswer.set()
        for client in clients { expect(try client.response(), is: .preCall) }
    }

    @Test("two domains are two questions, even to one service, unless cacheKey says what tells them apart")
    func domains() throws {
        let authoriser = try ScriptedUpstream()
        for (option, questions) in [("", 2), (", cacheKey: [Authorization]", 3)] {
            let endpoint = EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\", cacheSeconds: 60\(option)}")
            let gateway = try Gateway(configuration([endpoint]) + domainLines(key: "other", upstream: "http://127.0.0.1:9", [endpoint]).joined(separator: "\n") + "\n")
            for path in ["/api/x", "/other/x", "/api/y"] { #expect(try gateway.get(path).text == "hello") }
            #expect(authoriser.requests.count == questions)
        }
    }

    @Test("who has waited for as long as a pre-call of its own may take asks for itself, with all of that time before it")
    func impatient() throws {
        let authoriser = try Authoriser { call, number in
            pause(number == 0 ? 6 : 0.4)
            try call.reply(200)
        }
        authoriser.mayAnswer.set()
        let preCall = "preCall: {method: GET, url: \"\(authoriser.service.url)/\", cacheSeconds: 60"
        let gateway = try Gateway(
            configuration([
                EndpointText("/slow", "\(helloMock), \(preCall), timeoutMs: 30000}"), EndpointText("/quick", "\(helloMock), \(preCall), timeoutMs: 800}"),
            ]), environment: ["SLUICE_WORKERS": "2"])
        let slow = try gateway.client(timeout: 40)
        try slow.send(Gateway.text("GET", "/api/slow"))
        authoriser.awaitQuestions(1)
        let began = monotonicSeconds()
        #expect(try gateway.get("/api/quick").text == "hello")
        #expect(monotonicSeconds() - began > 1.1, "it has waited for its 800 ms, and then for its own answer")
        #expect(authoriser.questions == 2)
        #expect(try slow.response().text == "hello")
    }

    @Test("a drain waits for those who wait")
    func drain() throws {
        let authoriser = try Authoriser()
        let gateway = try gateway(authoriser)
        let clients = try ask(gateway, 12)
        authoriser.awaitQuestions(1)
        pause(0.2)
        gateway.process.signal(SIGTERM)
        #expect(eventually { gateway.log.contains("draining") })
        pause(0.2)
        authoriser.mayAnswer.set()
        for client in clients { #expect(try client.response().text == "hello") }
        #expect(eventually { gateway.process.exitCode() == 0 })
        #expect(authoriser.questions == 1)
    }

    @Test("questions that are asked under one configuration and waited for under the next: only the same question is shared")
    func reloadBetween() throws {
        let authoriser = try Authoriser()
        let gateway = try gateway(authoriser)
        let early = try ask(gateway, 4)
        authoriser.awaitQuestions(1)
        try reload(gateway, text(authoriser) + "# the same\n")
        let same = try ask(gateway, 8)
        pause(0.2)
        #expect(authoriser.questions == 1)
        try reload(gateway, text(authoriser, ", cacheKey: [Authorization]"))
        let other = try ask(gateway, 8)
        authoriser.awaitQuestions(2)
        pause(0.2)
        #expect(authoriser.questions == 2)
        authoriser.mayAnswer.set()
        for client in early + same + other { #expect(try client.response().text == "hello") }
        #expect(authoriser.questions == 2)
    }

    @Test("a question with a method that may not be repeated is sent once, although a kept connection breaks under it", arguments: [
        ("GET", 3), ("PUT", 3), ("POST", 2), ("PATCH", 2),
    ])
    func repeated(method: String, questions: Int) throws {
        let count = Flag()
        let authoriser = try ScriptedUpstream { call in
            // The second question finds its connection closed instead of answered.
            if count.set() == 1 { return call.reset() }
            try call.reply(200)
        }
        // The client's own method says nothing about that.
        let gateway = try Gateway(
            configuration([EndpointText("/**", "\(helloMock), preCall: {method: \(method), url: \"\(authoriser.url)/\"}")]), environment: ["SLUICE_WORKERS": "1"])
        #expect(try gateway.get("/api/x").text == "hello")
        let second = try gateway.request(method == "POST" ? "GET" : "POST", "/api/x")
        if questions == 3 { #expect(second.text == "hello") } else { expect(second, is: .preCall) }
        #expect(authoriser.requests.count == questions)
    }

    @Test("allow names the statuses that let a request pass; others, 200 among them, are the client's answer")
    func allow() throws {
        let authoriser = try ScriptedUpstream { try $0.reply($0.request["X-Status"].flatMap(Int.init) ?? 500) }
        let gateway = try Gateway(configuration([EndpointText("/**", "\(helloMock), preCall: {method: GET, url: \"\(authoriser.url)/\", allow: [204, 302]}")]))
        for status in [204, 302] { #expect(try gateway.get("/api/x", ["X-Status: \(status)"]).text == "hello") }
        for status in [200, 201, 403] { #expect(try gateway.get("/api/x", ["X-Status: \(status)"]).status == status) }
    }

    @Test("fields about the client's resource are not sent")
    func aboutResource() throws {
        let authoriser = try ScriptedUpstream()
        let upstream = try ScriptedUpstream()
        let gateway = try Gateway(configuration(upstream: upstream.url, [EndpointText("/**", "preCall: {method: GET, url: \"\(authoriser.url)/\"}")]))
        let fields = ["Range: bytes=0-1", "If-Range: \"a\"", "If-Match: \"a\"", "If-None-Match: *", "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT"]
        #expect(try gateway.get("/api/x", fields + ["X-Other: 1"]).status == 200)
        let call = try authoriser.onlyRequest()
        #expect(call["X-Other"] == "1")
        for field in fields {
            let name = String(field.prefix { $0 != ":" })
            #expect(call[name] == nil)
            #expect(try upstream.onlyRequest()[name] != nil)
        }
    }
}
