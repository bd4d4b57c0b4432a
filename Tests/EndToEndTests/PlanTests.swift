import Foundation
import Testing

/// Plans of callers: what each may use, and what a change of plans does, with commands at a running gateway.
@Suite("Plans", .loopback, .serialized, .minutes(5))
struct PlanTests {
    private static let key = "0123456789abcdefABCDEF0123456789abcdefgh"
    private static let patient = ["SLUICE_COUNT_WAIT_MS": "10000"]

    private let folder: Folder
    private let gateway: Gateway

    init() throws {
        folder = try Folder()
        gateway = try Gateway(Self.text, folder: folder, environment: Self.patient)
    }

    private static let text = configuration(policies: "apiKey: {}", [EndpointText("/**", helloMock)])
        + domainLines(key: "other", upstream: "http://127.0.0.1:9", policies: "apiKey: {}", [EndpointText("/**", helloMock)]).joined(separator: "\n") + "\n"

    /// Runs a command about keys or plans, which must succeed.
    private func sluice(_ line: String) throws {
        let result = try run(line.split(separator: " ").map(String.init), environment: Gateway.environment(folder: folder, port: gateway.port))
        #expect(result.code == 0, "\(line): \(result.everything)")
    }

    private func make(_ name: String, _ plan: String) throws -> [String] {
        let key = "\(name)\(String(repeating: "0", count: 30 - name.count))"
        try folder.write("\(name).key", key + "\n")
        try sluice("key create \(name) --key-file \(folder.file("\(name).key")) \(plan)")
        return ["x-nhn-apikey: \(key)"]
    }

    /// How many of so many requests pass; all others must be refused for the quota.
    private func passing(_ count: Int, _ fields: [String], _ path: String = "/api/x") throws -> Int {
        var passed = 0
        for _ in 0..<count {
            let response = try gateway.get(path, fields)
            if response.status == 200 { passed += 1 } else { expect(response, is: .planQuota) }
        }
        return passed
    }

    @Test("the second's limit: 429, byte for byte, with fields that tell the truth; each caller by itself, over all domains or for one")
    func second() throws {
        try sluice("plan create slow --requests-per-second 2")
        let (alice, bob) = (try make("alice", "--plan slow"), try make("bob", "--plan slow"))
        for _ in 0..<2 { #expect(try gateway.get("/api/x", alice).status == 200) }
        let refused = try gateway.get("/other/x", alice)
        expect(refused, is: .rateLimit)
        #expect(refused["RateLimit-Policy"] == "\"plan-second\";q=2;w=1")
        let seconds = try #require(refused["Retry-After"].flatMap(Int.init))
        #expect((1...2).contains(seconds) && refused["RateLimit"] == "\"plan-second\";r=0;t=\(seconds)")
        #expect(try gateway.get("/api/x", bob).status == 200)
        pause(Double(seconds))
        #expect(try gateway.get("/api/x", alice).status == 200)
        // A change of the plan acts at once, and what was used of the interval stays used; so does another plan.
        try sluice("plan create fast --requests-per-second 5")
        for (change, undo) in [
            ("plan set slow --requests-per-second 5", "plan set slow --requests-per-second 2"), ("key set alice --plan fast", "key set alice --plan slow"),
        ] {
            try withinASecond {
                var passed = try passingNow(4, alice)
                #expect(passed == 2)
                try sluice(change)
                passed = try passingNow(7, alice)
                return { #expect(passed == 3, "\(change)") }
            }
            try sluice(undo)
        }
        try sluice("plan set slow --requests-per-second 0")
        try sluice("key set alice --plan slow")
        for _ in 0..<20 { #expect(try gateway.get("/api/x", alice).status == 200) }
        // In one domain by itself.
        try sluice("plan create one --requests-per-second 1")
        try sluice("key set alice --plan api=one --plan other=one")
        try withinASecond {
            let passed = [try passingNow(3, alice), try passingNow(3, alice, "/other/x")]
            return { #expect(passed == [1, 1]) }
        }
    }

    /// How many of so many requests pass. Each of the others must be refused for the second.
    private func passingNow(_ count: Int, _ fields: [String], _ path: String = "/api/x") throws -> Int {
        try (0..<count).count { _ in
            let response = try gateway.get(path, fields)
            if response.status != 200 { expect(response, is: .rateLimit) }
            return response.status == 200
        }
    }

    /// Does something with seconds that nobody has used, and judges it if it took less than a second; else once more.
    private func withinASecond(_ body: () throws -> () -> Void) throws {
        for _ in 0..<20 {
            pause(1.1)
            let begin = monotonicSeconds()
            let judge = try body()
            if monotonicSeconds() - begin < 0.95 { return judge() }
        }
        Issue.record("this machine is too slow")
    }

    @Test("an outside log shows no second above the plan's, on two workers, while other callers come and plans change")
    func bound() throws {
        let limit = 50
        try sluice("plan create fast --requests-per-second \(limit)")
        try sluice("plan create same --requests-per-second \(limit)")
        let alice = try make("alice", "--plan fast")
        let demand = Demand([gateway], fields: alice, clients: 6)
        for turn in 0..<10 {
            pause(0.3)
            _ = try make("extra\(turn)", "--plan fast")
            try sluice("key set alice --plan \(turn % 2 == 0 ? "same" : "fast")")
        }
        let admitted = demand.stop()
        #expect(demand.unanswered == 0 && demand.refused > 0)
        // Clients see responses a little later than the gateway admits, unevenly: what lies in nine tenths of a client's second was admitted in one.
        let most = Demand.most(admitted, within: 0.9)
        #expect(most <= limit, "\(most)")
        // Nothing of the limit is lost either, whatever changes.
        let seconds = try #require(admitted.last) - (try #require(admitted.first))
        #expect(Double(admitted.count) >= seconds * Double(limit) * 0.8, "\(admitted.count) in \(seconds) s")
    }

    @Test("the quota: 429, byte for byte, with fields that tell the truth; a day and a month of the calendar")
    func quota() throws {
        alignToWindow(seconds: 86_400, margin: 60)
        try sluice("plan create day --quota 3 --per day")
        try sluice("plan create month --quota 3 --per month --requests-per-second 100")
        let now = Date.now
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
        for (name, component, policy) in [("day", Calendar.Component.day, ""), ("month", .month, "\"plan-second\";q=100;w=1, ")] {
            let interval = try #require(calendar.dateInterval(of: component, for: now))
            let fields = try make("a\(name)", "--plan \(name)")
            #expect(try passing(3, fields) == 3)
            let refused = try gateway.get("/api/x", fields)
            expect(refused, is: .planQuota)
            #expect(refused["RateLimit-Policy"] == "\(policy)\"plan-\(name)\";q=3;w=\(Int(interval.duration))")
            let seconds = try #require(refused["Retry-After"].flatMap(Int.init))
            #expect(abs(interval.end.timeIntervalSince(.now) - Double(seconds)) <= 3)
            #expect(refused["RateLimit"]?.hasSuffix("\"plan-\(name)\";r=0;t=\(seconds)") == true, "\(refused["RateLimit"] ?? "")")
        }
    }

    @Test("a request that the second's limit refuses uses nothing of the quota, and one that the quota refuses nothing of the second")
    func both() throws {
        try sluice("plan create both --requests-per-second 1 --quota 3 --per day")
        let alice = try make("alice", "--plan both")
        var codes: [String] = []
        for _ in 0..<40 where codes.count(where: { $0 == "quota" }) < 3 {
            let response = try gateway.get("/api/x", alice)
            codes.append(response.status == 200 ? "200" : response.text.contains("4291001") ? "quota" : "second")
            pause(0.25)
        }
        #expect(codes.count { $0 == "200" } == 3, "\(codes)")
        // Nothing of the second is used by then, so that the quota refuses each.
        #expect(codes.suffix(3) == ["quota", "quota", "quota"], "\(codes)")
    }

    @Test("SLUICE_RATE_LIMIT_FIELDS=all tells each caller what its plan leaves")
    func fields() throws {
        let other = try Folder()
        let gateway = try Gateway(Self.text, folder: other, environment: Self.patient.merging(["SLUICE_RATE_LIMIT_FIELDS": "all"]) { $1 })
        func sluice(_ line: String) throws -> CommandResult {
            try run(line.split(separator: " ").map(String.init), environment: Gateway.environment(folder: other, port: gateway.port))
        }
        _ = try sluice("plan create both --requests-per-second 7 --quota 30 --per day")
        let made = try sluice("key create alice --plan both")
        let key = String(try #require(made.output.split(separator: "\n").first).dropFirst(5))
        for used in 1...3 {
            let response = try gateway.get("/api/x", ["x-nhn-apikey: \(key)"])
            #expect(response.status == 200 && response["RateLimit-Policy"]?.hasSuffix(", \"plan-second\";q=7;w=1, \"plan-day\";q=30;w=86400") == true)
            let rest = try #require(response["RateLimit"])
            #expect(rest.contains(", \"plan-second\";r=") && rest.contains(", \"plan-day\";r=\(30 - used);t="), "\(rest)")
        }
        // Nobody is told of somebody's plan.
        let stranger = try gateway.get("/api/x", ["x-nhn-apikey: nobodys1234"])
        #expect(stranger.status == 403 && stranger["RateLimit-Policy"]?.contains("plan") == false)
    }

    // MARK: Changes of plans

    @Test("another limit: what was used stays; over a lower one the caller waits, and a higher one admits the difference")
    func anotherLimit() throws {
        try sluice("plan create gold --quota 10 --per day")
        let alice = try make("alice", "--plan gold")
        #expect(try passing(6, alice) == 6)
        try sluice("plan set gold --quota 4")
        #expect(try passing(3, alice) == 0)
        try sluice("plan set gold --quota 8")
        #expect(try passing(5, alice) == 2)
    }

    @Test("day to month and back: what was used stays")
    func anotherPeriod() throws {
        try sluice("plan create gold --quota 10 --per day")
        let alice = try make("alice", "--plan gold")
        #expect(try passing(4, alice) == 4)
        try sluice("plan set gold --per month")
        #expect(try passing(3, alice) == 3)
        try sluice("plan set gold --per day")
        #expect(try passing(9, alice) == 3)
    }

    @Test("no quota clears what was used, and the next one begins with nothing")
    func noQuota() throws {
        try sluice("plan create gold --quota 3 --per day --requests-per-second 1000")
        let alice = try make("alice", "--plan gold")
        #expect(try passing(4, alice) == 3)
        try sluice("plan set gold --per none")
        #expect(try passing(10, alice) == 10)
        try sluice("plan set gold --quota 3 --per day")
        #expect(try passing(4, alice) == 3)
    }

    @Test("another plan with a quota keeps what was used, also by the other calendar; one without clears it")
    func moved() throws {
        try sluice("plan create gold --quota 10 --per day")
        try sluice("plan create silver --quota 6 --per month")
        try sluice("plan create free --requests-per-second 1000")
        let alice = try make("alice", "--plan gold")
        let bob = try make("bob", "--plan gold")
        #expect(try passing(4, alice) == 4)
        try sluice("key set alice --plan silver")
        #expect(try passing(9, alice) == 2)
        try sluice("key set alice --plan gold")
        #expect(try passing(9, alice) == 4)
        try sluice("key set alice --plan free")
        #expect(try passing(9, alice) == 9)
        try sluice("key set alice --plan silver")
        #expect(try passing(9, alice) == 6)
        // Nothing of it was another's.
        #expect(try passing(11, bob) == 10)
    }

    @Test("reissued keys go on with what was used; a caller that is made again has used nothing; a plan that callers have stays")
    func madeAgain() throws {
        try sluice("plan create gold --quota 3 --per month")
        var alice = try make("alice", "--plan gold")
        #expect(try passing(2, alice) == 2)
        try folder.write("new.key", Self.key + "\n")
        try sluice("key rotate alice --key-file \(folder.file("new.key"))")
        expect(try gateway.get("/api/x", alice), is: .keyInvalid)
        #expect(try passing(3, ["x-nhn-apikey: \(Self.key)"]) == 1)
        let refused = try run(["plan", "delete", "gold"], environment: Gateway.environment(folder: folder, port: gateway.port))
        #expect(refused.code == 1 && refused.errors == "the plan `gold` has 1 caller: give them another one first\n")
        try sluice("key disable alice")
        try sluice("key delete alice")
        try sluice("plan delete gold")
        try sluice("plan create gold --quota 3 --per month")
        alice = try make("alice", "--plan gold")
        #expect(try passing(4, alice) == 3)
    }

    // MARK: Ends of processes, and clocks

    @Test("ten times kill -9 under load: never more than the quota is admitted, and little of it is lost")
    func killed() throws {
        let limit = 3000
        try sluice("plan create gold --quota \(limit) --per month")
        let alice = try make("alice", "--plan gold")
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(10) == 0)
        var (admitted, lost) = (0, 0)
        for turn in 1...10 {
            let gateway = try Gateway(Self.text, folder: folder, environment: Self.patient)
            let demand = Demand([gateway], fields: alice, clients: 4)
            _ = eventually(within: 10) { demand.admitted >= limit / 12 || turn == 10 && demand.admitted > 0 }
            gateway.process.signal(SIGKILL)
            #expect(demand.hasEnded())
            admitted += demand.admitted
            lost += demand.unanswered
        }
        let last = try Gateway(Self.text, folder: folder, environment: Self.patient)
        while try last.get("/api/x", alice).status == 200 { admitted += 1 }
        #expect(admitted <= limit, "\(admitted) of \(limit)")
        #expect(admitted + lost >= limit - 10 * 2 * limit / 100, "\(admitted) admitted, \(lost) unanswered")
    }

    @Test("an orderly end wastes nothing, and reloads neither")
    func orderly() throws {
        try sluice("plan create gold --quota 400 --per day")
        let alice = try make("alice", "--plan gold")
        #expect(try passing(100, alice) == 100)
        for turn in 0..<3 {
            try gateway.reload(Self.text + "# \(turn)\n")
            #expect(try passing(20, alice) == 20)
        }
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(10) == 0)
        let again = try Gateway(Self.text, folder: folder, environment: Self.patient)
        var rest = 0
        while try again.get("/api/x", alice).status == 200 { rest += 1 }
        #expect(rest == 240)
    }

    @Test("a clock that is set a month ahead and back admits no caller more than one quota for each window that it shows", .disabled(if: Sanitizer.isOn, "a sanitizer must be loaded first"))
    func stepped() throws {
        alignToWindow(seconds: 86_400, margin: 60)
        let clock = try SteppedClock()
        let other = try Folder()
        let environment = clock.environment.merging(Self.patient) { $1 }
        let gateway = try Gateway(Self.text, folder: other, environment: environment)
        func sluice(_ line: String) throws -> CommandResult {
            try run(line.split(separator: " ").map(String.init), environment: Gateway.environment(folder: other, port: gateway.port))
        }
        _ = try sluice("plan create gold --quota 5 --per month")
        let key = String(try #require(try sluice("key create alice --plan gold").output.split(separator: "\n").first).dropFirst(5))
        func passing() throws -> Int { try (0..<9).count { _ in try gateway.get("/api/x", ["x-nhn-apikey: \(key)"]).status == 200 } }
        #expect(try passing() == 5)
        try clock.set(ahead: 40 * 86_400)
        #expect(eventually { gateway.log.contains("the clock was set forward") }, "\(gateway.log)")
        #expect(try eventually { try passing() == 5 })
        try clock.set(ahead: 0)
        #expect(eventually { gateway.log.contains("the clock was set back") }, "\(gateway.log)")
        #expect(try passing() <= 5)
        #expect(try passing() == 0)
    }

    // MARK: Processes and configurations

    @Test("two processes on one state folder, as in a takeover: what one is told the other knows soon, and together they admit one quota")
    func twoProcesses() throws {
        try sluice("plan create gold --quota 20 --per month")
        let alice = try make("alice", "--plan gold")
        let other = try Gateway(Self.text, folder: folder, environment: Self.patient)
        let both = [gateway, other]
        var admitted = 0
        for turn in 0..<60 { admitted += try both[turn % 2].get("/api/x", alice).status == 200 ? 1 : 0 }
        // Each may hold a little that the other would need.
        #expect(admitted <= 20 && admitted >= 16, "\(admitted)")
        // Both know when the command returns, whichever was asked.
        let bob = try make("bob", "--plan none")
        for turn in 0..<10 {
            #expect(try both.map { try $0.get("/api/x", bob).status } == [200, 200], "\(turn)")
            try sluice("key disable bob")
            for gateway in both { expect(try gateway.get("/api/x", bob), is: .keyInactive) }
            try sluice("key enable bob")
        }
        // The plan of a caller too, which one of the two counts already.
        try sluice("plan create tiny --quota 1 --per day")
        try sluice("key set bob --plan tiny")
        #expect(try both.map { try $0.get("/api/x", bob).status } == [200, 429])
        // One that ends is asked no more.
        other.process.signal(SIGTERM)
        #expect(other.process.waitForExit(10) == 0)
        try sluice("key disable bob")
        expect(try gateway.get("/api/x", bob), is: .keyInactive)
    }

    @Test("a process that cannot do what a command asks is passed over, and then told of it as every other")
    func passedOver() throws {
        // The folder is there then.
        try sluice("plan create first --quota 1 --per day")
        let state = folder.file("state")
        let doors = try [("0", 503), ("zz", 200)].map { try ControlDouble(path: "\(state)/control-\($0.0).sock", status: $0.1) }
        try sluice("key create carol")
        #expect(doors[0].asked == ["/keys/create", "/keys/follow"] && doors[1].asked.allSatisfy { $0 == "/keys/follow" } && !doors[1].asked.isEmpty)
        // Where nobody can, the answer is that of the last.
        doors[1].answer(with: 503)
        gateway.process.signal(SIGTERM)
        #expect(gateway.process.waitForExit(10) == 0)
        let refused = try run(["key", "create", "dora"], environment: Gateway.environment(folder: folder, port: gateway.port))
        #expect(refused.code == 1 && doors.allSatisfy { $0.asked.last == "/keys/create" }, "\(refused.everything)")
    }

    @Test("callers of the configuration keep what they have used over reloads, whichever keys and plans they get by them")
    func declared() throws {
        func text(_ key: String, _ plan: String) -> String {
            configuration(
                policies: "apiKey: {}",
                top: ["plans: {gold: {quota: 1000, per: day}, silver: {quota: 600, per: month}}", "callers: {alice: {key: \(key), plans: [\(plan)]}}"],
                [EndpointText("/**", helloMock)])
        }
        let other = try Folder()
        let gateway = try Gateway(text("aaaaaaaaaa", "gold"), folder: other, environment: Self.patient)
        var used = 0
        /// Whether the key is known; what was admitted is counted.
        func isKnown(_ key: String) throws -> Bool {
            let status = try gateway.get("/api/x", ["x-nhn-apikey: \(key)"]).status
            if status == 200 { used += 1 }
            return status != 403
        }
        for _ in 0..<30 { #expect(try isKnown("aaaaaaaaaa")) }
        try gateway.reload(text("bbbbbbbbbb", "gold"))
        #expect(try eventually { try !isKnown("aaaaaaaaaa") })
        #expect(try isKnown("bbbbbbbbbb"))
        try gateway.reload(text("cccccccccc", "silver"))
        #expect(try eventually { try !isKnown("bbbbbbbbbb") })
        for _ in 0..<700 { #expect(try isKnown("cccccccccc")) }
        #expect(used == 600)
    }

    @Test("thousands of changes under load, tables that are replaced and plans that come and go: every request has one of the answers that are possible")
    func churn() throws {
        let other = try Folder()
        try other.write("token", "0123456789abcdef\n")
        let gateway = try Gateway(
            Self.text, folder: other, environment: Self.patient.merging(["SLUICE_ADMIN_TOKEN_FILE": other.file("token")]) { $1 }, admin: true)
        let admin = try RawClient(port: gateway.adminPort, timeout: 20)
        func ask(_ path: String, _ body: String) throws -> Response {
            try admin.exchange(Gateway.text("POST", path, ["Content-Type: application/json", "Authorization: Bearer 0123456789abcdef"], body: body), method: "POST")
        }
        #expect(try ask("/plans/create", #"{"name":"gold","quota":1000000,"per":"day","requestsPerSecond":5000}"#).status == 200)
        #expect(try ask("/plans/create", #"{"name":"tiny","quota":5,"per":"month"}"#).status == 200)
        #expect(try ask("/keys/create", #"{"name":"steady","key":"steadysteady","plans":["gold"]}"#).status == 200)
        #expect(try ask("/keys/create", #"{"name":"moving","key":"movingmoving","plans":["gold"]}"#).status == 200)
        let steady = Demand([gateway], fields: ["x-nhn-apikey: steadysteady"], clients: 3)
        let moving = Demand([gateway], fields: ["x-nhn-apikey: movingmoving"], clients: 3)
        for turn in 0..<400 {
            #expect(try ask("/keys/create", #"{"name":"extra\#(turn)"}"#).status == 200)
            #expect(try ask("/keys/set", #"{"name":"moving","plans":["\#(["gold", "tiny", "none"][turn % 3])"]}"#).status == 200)
            #expect(try ask(turn % 2 == 0 ? "/keys/disable" : "/keys/enable", #"{"name":"moving"}"#).status == 200)
            if turn % 10 == 0 { #expect(try ask("/plans/set", #"{"name":"tiny","per":"\#(turn % 20 == 0 ? "none" : "day")"\#(turn % 20 == 0 ? "" : ",\"quota\":7")}"#).status == 200) }
            if turn % 40 == 0 { gateway.process.signal(SIGHUP) }
        }
        #expect(!steady.stop().isEmpty && !moving.stop().isEmpty)
        #expect(steady.refused == 0 && steady.unanswered == 0 && moving.unanswered == 0)
        #expect(gateway.process.exitCode() == nil)
    }

    // MARK: Waiting

    @Test("a caller that is disabled, deleted or moved while its request waits at a pre-call or sends its body is refused; one that may still call goes on", arguments: ["pre", "body"])
    func suspended(_ wait: String) throws {
        let released = Flag()
        let asked = Flag()
        let service = try ScriptedUpstream { exchange in
            asked.set()
            let number = asked.count
            _ = eventually(within: 60) { released.count >= number }
            try exchange.reply(200)
        }
        let upstream = try ScriptedUpstream()
        let other = try Folder()
        let gateway = try Gateway(
            configuration(upstream: upstream.url, policies: "apiKey: {forwardCaller: X-Caller}", [
                EndpointText("/pre/**", "preCall: {url: \"\(service.url)/ask\", timeoutMs: 60000}"), EndpointText("/body/**", "validate: {body: {schema: {type: object}}}"),
            ]), folder: other, environment: Self.patient)
        func sluice(_ line: String) throws -> CommandResult {
            try run(line.split(separator: " ").map(String.init), environment: Gateway.environment(folder: other, port: gateway.port))
        }
        _ = try sluice("plan create gold --quota 50 --per month --requests-per-second 10")
        _ = try sluice("plan create silver --quota 50 --per day")
        let cases: [([String], RefusalRow?)] = [
            (["key disable NAME"], .keyInactive), (["key set NAME --expires 2020-01-01"], .keyInactive), (["key disable NAME", "key delete NAME"], .keyInvalid),
            (["key rotate NAME"], .keyInvalid), (["key set NAME --plan elsewhere=gold"], .keyInvalid), (["key disable NAME", "key enable NAME"], nil),
            (["key set NAME --plan silver"], nil), (["key set NAME --plan none"], nil), (["key rotate NAME --secondary"], nil),
        ]
        for (number, (commands, row)) in cases.enumerated() {
            let name = "caller\(number)"
            let key = String(try #require(try sluice("key create \(name) --plan gold").output.split(separator: "\n").first).dropFirst(5))
            let client = try gateway.client(timeout: 90)
            try client.send("POST /api/\(wait)/x HTTP/1.1\r\nHost: a\r\nx-nhn-apikey: \(key)\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a")
            if wait == "pre" { #expect(eventually { asked.count == number + 1 }) } else { pause(0.3) }
            for command in commands { #expect(try sluice(command.replacingOccurrences(of: "NAME", with: name)).code == 0) }
            // The table is replaced by larger ones meanwhile, and a configuration comes.
            if commands[0].contains("silver") {
                for extra in 0..<100 { #expect(try sluice("key create extra\(extra)").code == 0) }
                gateway.process.signal(SIGHUP)
                #expect(eventually { gateway.log.contains("configuration") })
            }
            released.set()
            try client.send("\":1}")
            let response = try client.response()
            if let row { expect(response, is: row) } else { #expect(response.status == 200, "\(commands)") }
        }
        #expect(upstream.requests.map { $0.values("X-Caller") } == [["caller5"], ["caller6"], ["caller7"], ["caller8"]])
        #expect(gateway.process.exitCode() == nil)
    }

    @Test("streams of one connection are callers of their own")
    func streams() throws {
        let top = ["plans:", "  slow: {requestsPerSecond: 3}", "callers:"] + ["alice", "bob"].map { "  \($0): {key: \($0)0000000000, plans: [slow]}" }
        let (gateway, port) = try Gateway.http2 { configuration(policies: "apiKey: {}", top: $0 + top, [EndpointText("/**", helloMock)]) }
        let client = try FrameClient(port: port)
        var passed = ["alice": 0, "bob": 0]
        for _ in 0..<5 {
            for name in ["alice", "bob"] {
                let response = try client.exchange("GET", "/api/x", ["x-nhn-apikey: \(name)0000000000"])
                if response.status == 200 { passed[name]? += 1 } else { expect(response, is: .rateLimit) }
            }
        }
        #expect(passed == ["alice": 3, "bob": 3])
        #expect(gateway.process.exitCode() == nil)
    }
}
