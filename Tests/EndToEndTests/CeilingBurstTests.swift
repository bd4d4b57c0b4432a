import Foundation
import Synchronization
import Testing

/// What a service sees of a ceiling when requests wait, or are held up, between their admission and their leaving.
@Suite("Ceiling at the service", .loopback, .serialized, .minutes(5))
struct CeilingBurstTests {
    private static let ceiling = 100

    /// A service that notes when each request reaches it.
    private final class Observer: Sendable {
        let service: ScriptedUpstream
        private let times: Log

        private final class Log: Sendable {
            let times = Mutex<[Double]>([])
        }

        init(_ script: @escaping @Sendable (Call, Int) throws -> Void = { call, _ in try call.reply(200) }) throws {
            let log = Log()
            times = log
            service = try ScriptedUpstream { call in
                let number = log.times.withLock { times in
                    times.append(monotonicSeconds())
                    return times.count - 1
                }
                try script(call, number)
            }
        }

        var count: Int { times.times.withLock { $0.count } }
        var mostInASecond: Int { Demand.mostInASecond(times.times.withLock { $0.sorted() }) }
    }

    /// Sees that no second held more than the ceiling. The threads that note the time may be late, unevenly: a twentieth more is not an excess.
    private func judge(_ observer: Observer, _ gateway: Gateway, ceiling: Int = Self.ceiling) {
        let most = observer.mostInASecond
        #expect(most <= ceiling + ceiling / 20, "\(most) in a second\n\(gateway.log)")
    }

    /// Lets each of these clients ask, evenly over so many seconds.
    private func ask(_ clients: some Collection<RawClient>, _ target: String = "/api/x", over seconds: Double = 0) throws {
        let begin = monotonicSeconds()
        for (index, client) in clients.enumerated() {
            let due = begin + seconds * Double(index) / Double(clients.count) - monotonicSeconds()
            if due > 0 { pause(due) }
            try client.send(Gateway.text("GET", target))
        }
    }

    /// How many of these requests were admitted; the others must be refused by the ceiling.
    private func admitted(_ clients: some Collection<RawClient>) throws -> Int {
        var count = 0
        for client in clients {
            let response = try client.finalResponse()
            if response.status == 200 { count += 1 } else { expect(response, is: .ceiling) }
        }
        return count
    }

    @Test("those who waited for one pre-call leave under the ceiling, however long that took", arguments: [1, 2])
    func waiters(workers: Int) throws {
        // So few that all of them are sent within the two slots in which nothing is late.
        let ceiling = 20
        let observer = try Observer()
        let authoriser = try ScriptedUpstream { call in
            pause(2)
            try call.reply(200)
        }
        let preCall = "preCall: {method: GET, url: \"\(authoriser.url)/\", cacheSeconds: 60, timeoutMs: 10000, cacheKey: [Authorization]}"
        let gateway = try Gateway(
            configuration(ceiling: ceiling, upstream: observer.service.url, [EndpointText("/**", preCall)]), environment: ["SLUICE_WORKERS": "\(workers)"])
        let clients = try (0..<(4 * ceiling)).map { _ in try gateway.client(timeout: 30) }
        try ask(clients, over: 4)
        let passed = try admitted(clients)
        #expect(passed == observer.count && authoriser.requests.count == 1)
        // The second after the answer, and the one after that.
        #expect(passed >= ceiling, "\(passed) passed")
        judge(observer, gateway, ceiling: ceiling)
    }

    @Test("those who asked a pre-call API each leave under the ceiling when it answers all of them at once")
    func askers() throws {
        let observer = try Observer()
        let mayAnswer = Flag()
        let authoriser = try ScriptedUpstream { call in
            try mayAnswer.wait(30)
            try call.reply(200)
        }
        let gateway = try Gateway(
            configuration(ceiling: Self.ceiling, upstream: observer.service.url, [
                EndpointText("/asked", "preCall: {method: GET, url: \"\(authoriser.url)/\", timeoutMs: 20000}"), EndpointText("/x"),
            ]))
        let clients = try (0..<250).map { _ in try gateway.client(timeout: 30) }
        try ask(clients[..<150], "/api/asked", over: 1.6)
        #expect(observer.count == 0)
        mayAnswer.set()
        // Who waits for nobody is counted with those who did.
        try ask(clients[150...], over: 0.5)
        let passed = try admitted(clients)
        #expect(passed == observer.count && passed >= Self.ceiling)
        judge(observer, gateway)
    }

    @Test("a process that was stopped sends on under the ceiling what has come meanwhile", arguments: [1, 2])
    func stopped(workers: Int) throws {
        let observer = try Observer()
        let gateway = try Gateway(
            configuration(ceiling: Self.ceiling, upstream: observer.service.url, [EndpointText("/x")]), environment: ["SLUICE_WORKERS": "\(workers)"])
        let clients = try (0..<500).map { _ in try gateway.client(timeout: 30) }
        try ask(clients[..<150], over: 0.5)
        gateway.process.signal(SIGSTOP)
        try ask(clients[150..<300], over: 0.4)
        gateway.process.signal(SIGCONT)
        try ask(clients[300..<350], over: 0.1)
        gateway.process.signal(SIGSTOP)
        try ask(clients[350..<450], over: 0.8)
        gateway.process.signal(SIGCONT)
        try ask(clients[450...], over: 0.5)
        #expect(try admitted(clients) == observer.count)
        judge(observer, gateway)
    }

    @Test("a request that is sent again, because the service closed a kept connection under it, counts twice")
    func repeated() throws {
        let (kept, arrived, mayBreak) = (60, Flag(), Flag())
        let observer = try Observer { call, _ in
            if mayBreak.isSet, call.request.connection <= kept { return call.reset() }
            if !mayBreak.isSet {
                arrived.set()
                guard eventually(within: 20, { arrived.count == kept }) else { throw HarnessError("\(arrived.count) came") }
            }
            try call.reply(200)
        }
        let gateway = try Gateway(
            configuration(ceiling: Self.ceiling, upstream: observer.service.url, [EndpointText("/x")]), environment: ["SLUICE_WORKERS": "1"])
        let clients = try (0..<200).map { _ in try gateway.client(timeout: 30) }
        try ask(clients[..<kept])
        #expect(try admitted(clients[..<kept]) == kept)
        pause(1.2)
        mayBreak.set()
        try ask(clients)
        _ = try admitted(clients)
        // Those that found a kept connection are there twice, as far as there was room.
        #expect(observer.count > kept + kept)
        judge(observer, gateway)
    }

    @Test("a turn that takes long, and a flood behind it: every second at the service holds no more than the ceiling")
    func longTurn() throws {
        let observer = try Observer()
        // Each try of this expression doubles with every letter.
        let gateway = try Gateway(
            configuration(ceiling: Self.ceiling, upstream: observer.service.url, [
                EndpointText("/costly/**", "rewrite: {pattern: \"/costly/(a|a)+x$\", to: /costly}"), EndpointText("/x"),
            ]), environment: ["SLUICE_WORKERS": "1", "SLUICE_REGEX_MATCH_LIMIT": "10000000"])
        let costly = try costlyTarget(gateway)
        pause(1.2)
        let clients = try (0..<300).map { _ in try gateway.client(timeout: 30) }
        // All in one turn: they are there before it begins.
        gateway.process.signal(SIGSTOP)
        try ask(clients[..<45], costly)
        try ask(clients[45..<100])
        gateway.process.signal(SIGCONT)
        let begin = monotonicSeconds()
        let before = gateway.process.processorSeconds()
        pause(0.85)
        let spent = gateway.process.processorSeconds() - before
        #expect(spent > 0.1, "the turn was not long: \(spent) s of processor time")
        try ask(clients[100..<200])
        pause(max(0, begin + 1.6 - monotonicSeconds()))
        try ask(clients[200...])
        _ = try admitted(clients)
        judge(observer, gateway)
    }

    /// A path whose rewrite takes this machine some 7 ms.
    private func costlyTarget(_ gateway: Gateway) throws -> String {
        for letters in 4..<24 {
            let target = "/api/costly/" + String(repeating: "a", count: letters) + "b/x"
            var least = 1.0
            for _ in 0..<2 {
                let began = monotonicSeconds()
                #expect(try gateway.get(target).status == 200)
                least = min(least, monotonicSeconds() - began)
            }
            if least > 0.007 { return target }
        }
        throw HarnessError("nothing is costly")
    }
}
